"""Alembic's entry: runs the migrations on the connection that `gateway.store.migrate` hands over."""

from alembic import context

from gateway.store import schema, schema_work

assert schema_work.task.metadata is schema.metadata  # imported: the models are the tables of both

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=schema.metadata,
    render_as_batch=True,  # SQLite cannot alter most of a table; batches copy it
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
