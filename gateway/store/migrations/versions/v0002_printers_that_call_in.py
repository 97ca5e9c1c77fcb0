"""Printers that call in, their codes and members; what printers say of jobs and commands; callbacks of jobs.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _columns()
    _call_ins()
    _members_of_printers()


def downgrade() -> None:
    raise NotImplementedError("go back by restoring the backup that was made before the upgrade")


def _columns() -> None:
    op.add_column("printer", sa.Column("display_name", sa.Text(), nullable=True))
    op.add_column("printer", sa.Column("type_id", sa.String(length=36), nullable=True))
    op.add_column("job", sa.Column("reported", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("job", sa.Column("callback_url", sa.Text(), nullable=True))
    op.add_column("job", sa.Column("callback_interval", sa.Integer(), nullable=True))
    op.add_column(
        "printer_command",
        sa.Column("parameters", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
    )
    op.add_column("printer_command", sa.Column("progress", sa.Float(), nullable=True))
    op.add_column("printer_command", sa.Column("answer", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("printer_command", sa.Column("heard_at", sa.BigInteger(), nullable=True))


def _call_ins() -> None:
    op.create_table(
        "call_in",
        sa.Column("printer_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("type_id", sa.String(length=36), nullable=False),
        sa.Column("firmware", sa.Text(), nullable=False),
        sa.Column("serial_number", sa.Text(), nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("first_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("printer_id", name=op.f("pk_call_in")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_call_in_token_sha256")),
    )
    op.create_table(
        "registration_code",
        sa.Column("code", sa.String(length=6), nullable=False),
        sa.Column("printer_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.CheckConstraint("kind IN ('primary', 'secondary')", name=op.f("ck_registration_code_kind")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_registration_code")),
    )


def _members_of_printers() -> None:
    op.create_table(
        "printer_role",
        sa.Column("printer_id", sa.Integer(), nullable=False),
        sa.Column("member_id", sa.String(length=13), nullable=False),
        sa.Column("is_printer_scoped", sa.Boolean(), nullable=False),
        sa.Column("is_job_scoped", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"], ["member.member_id"], name=op.f("fk_printer_role_member_id_member")
        ),
        sa.ForeignKeyConstraint(
            ["printer_id"], ["printer.printer_id"], name=op.f("fk_printer_role_printer_id_printer")
        ),
        sa.PrimaryKeyConstraint("printer_id", "member_id", name=op.f("pk_printer_role")),
    )
