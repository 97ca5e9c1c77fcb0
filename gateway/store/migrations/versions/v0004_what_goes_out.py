"""What was delivered to the apps' own servers, and the gateway's own secret keys.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_HAS_CALLBACK = "callback_url IS NOT NULL"


def upgrade() -> None:
    op.create_table(
        "callback",
        sa.Column("work_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("tried_at", sa.BigInteger(), nullable=True),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("delivered_version", sa.Integer(), nullable=False),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state IN ('active', 'given-up', 'probing', 'refused')", name=op.f("ck_callback_state")
        ),
        sa.ForeignKeyConstraint(["work_id"], ["job.work_id"], name=op.f("fk_callback_work_id_job")),
        sa.PrimaryKeyConstraint("work_id", name=op.f("pk_callback")),
    )
    op.create_index(
        "ix_job_has_callback",
        "job",
        ["work_id"],
        sqlite_where=sa.text(_HAS_CALLBACK),
        postgresql_where=sa.text(_HAS_CALLBACK),
    )
    op.create_table(
        "secret",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_secret")),
    )


def downgrade() -> None:
    raise NotImplementedError("go back by restoring the backup that was made before the upgrade")
