"""From which job on a printer's jobs are its present owner's to see. Every printer so far: from the first.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "printer", sa.Column("jobs_from", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )


def downgrade() -> None:
    raise NotImplementedError("go back by restoring the backup that was made before the upgrade")
