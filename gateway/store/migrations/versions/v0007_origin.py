"""Who started a local job. Of those seen so far nobody wrote it down.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job", sa.Column("origin", sa.String(length=8), nullable=True))


def downgrade() -> None:
    raise NotImplementedError("go back by restoring the backup that was made before the upgrade")
