"""Alembic's entry: runs the migrations on the connection that `gateway.store.migrate` hands over."""

from alembic import context

from gateway.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot alter most of a table; batches copy it
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
