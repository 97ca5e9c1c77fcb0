"""The first schema: people, printers, work, jobs, files, events; the home organization and this host.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import context, op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

#: Ids of work rows start at host_number * 2**20 + 1; a host that joins a farm gets another number.
FIRST_HOST_NUMBER = 0
HOME_ORGANIZATION_ID = 1
#: Who submits when root, or the service's own user, does so without being a member.
OPERATOR_ID = "OPERATOR00000"


HAS_MACHINE = "status IN ('paused', 'printing', 'received', 'sent') AND NOT is_held AND NOT is_local"
UNFINISHED = "ended_at IS NULL"
UNANSWERED = "answered_at IS NULL"


def upgrade() -> None:
    _people()
    _printers()
    _work()
    _jobs()
    _job_indexes()
    _attempts()
    _files()
    _journal()
    _first_rows()


def downgrade() -> None:
    raise NotImplementedError("there is nothing below the first schema")


def _people() -> None:
    op.create_table(
        "organization",
        sa.Column("organization_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("public_id", sa.String(length=24), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", name=op.f("pk_organization")),
        sa.UniqueConstraint("public_id", name=op.f("uq_organization_public_id")),
    )
    op.create_table(
        "member",
        sa.Column("member_id", sa.String(length=13), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("is_admin", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.organization_id"],
            name=op.f("fk_member_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("member_id", name=op.f("pk_member")),
        sa.UniqueConstraint("name", name=op.f("uq_member_name")),
    )
    op.create_table(
        "api_key",
        sa.Column("key_id", sa.String(length=12), nullable=False),
        sa.Column("member_id", sa.String(length=13), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["member_id"], ["member.member_id"], name=op.f("fk_api_key_member_id_member")
        ),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("secret_sha256", name=op.f("uq_api_key_secret_sha256")),
    )


def _printers() -> None:
    op.create_table(
        "printer",
        sa.Column("printer_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("driver", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.String(length=13), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=False),
        sa.Column("plate", sa.String(length=10), nullable=False),
        sa.Column("plate_clear", sa.String(length=10), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("plate IN ('clear', 'occupied')", name=op.f("ck_printer_plate")),
        sa.CheckConstraint("plate_clear IN ('auto', 'confirm')", name=op.f("ck_printer_plate_clear")),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.organization_id"],
            name=op.f("fk_printer_organization_id_organization"),
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["member.member_id"], name=op.f("fk_printer_owner_id_member")),
        sa.PrimaryKeyConstraint("printer_id", name=op.f("pk_printer")),
        sa.UniqueConstraint("name", name=op.f("uq_printer_name")),
    )


def _work() -> None:
    op.create_table(
        "work",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("public_id", sa.String(length=36), nullable=False),
        sa.Column("hex24", sa.String(length=24), nullable=False),
        sa.Column("hex32", sa.String(length=32), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=False),
        sa.Column("member_id", sa.String(length=13), nullable=False),
        sa.Column("app_id", sa.Text(), nullable=True),
        sa.Column("submitted_by", sa.String(length=13), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("kind IN ('action', 'job', 'task')", name=op.f("ck_work_kind")),
        sa.CheckConstraint("id > 0 AND id < 2147483648", name=op.f("ck_work_id_range")),
        sa.ForeignKeyConstraint(["member_id"], ["member.member_id"], name=op.f("fk_work_member_id_member")),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.organization_id"],
            name=op.f("fk_work_organization_id_organization"),
        ),
        sa.ForeignKeyConstraint(
            ["submitted_by"], ["member.member_id"], name=op.f("fk_work_submitted_by_member")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_work")),
        sa.UniqueConstraint("hex24", name=op.f("uq_work_hex24")),
        sa.UniqueConstraint("hex32", name=op.f("uq_work_hex32")),
        sa.UniqueConstraint("public_id", name=op.f("uq_work_public_id")),
        sqlite_autoincrement=True,
    )


def _jobs() -> None:
    op.create_table(
        "job",
        sa.Column("work_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.String(length=13), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=False),
        sa.Column("member_ordinal", sa.Integer(), nullable=False),
        sa.Column("printer_id", sa.Integer(), nullable=True),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("verdict", sa.String(length=12), nullable=True),
        sa.Column("shown_status", sa.String(length=12), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("is_held", sa.Boolean(), nullable=False),
        sa.Column("is_local", sa.Boolean(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("end_ordinal", sa.Integer(), nullable=True),
        sa.Column("print_key", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("file_sha256", sa.String(length=64), nullable=True),
        sa.Column("file_name", sa.Text(), nullable=True),
        sa.Column("file_size", sa.BigInteger(), nullable=True),
        sa.Column("printable_id", sa.Text(), nullable=True),
        sa.Column("printable_url", sa.Text(), nullable=True),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("custom_data", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("error_code", sa.BigInteger(), nullable=True),
        sa.Column("progress", sa.Float(), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("line", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(status IN ('canceled', 'completed', 'failed')) = (end_ordinal IS NOT NULL)",
            name=op.f("ck_job_end_ordinal"),
        ),
        sa.CheckConstraint(
            "(status IN ('canceled', 'completed', 'failed')) = (ended_at IS NOT NULL)",
            name=op.f("ck_job_ended_at"),
        ),
        sa.CheckConstraint(
            "NOT is_held OR status IN ('paused', 'printing', 'received', 'sent')",
            name=op.f("ck_job_held_on_printer"),
        ),
        sa.CheckConstraint(
            "printer_id IS NOT NULL OR NOT status IN ('paused', 'printing', 'received', 'sent')",
            name=op.f("ck_job_printer_known"),
        ),
        sa.CheckConstraint(
            "status IN ('canceled', 'completed', 'created', 'failed', 'paused', "
            "'printing', 'queued', 'received', 'sent', 'unscheduled')",
            name=op.f("ck_job_status"),
        ),
        sa.CheckConstraint(
            "verdict IS NULL OR (verdict IN ('failed', 'successful') "
            "AND status IN ('canceled', 'completed', 'failed'))",
            name=op.f("ck_job_verdict_of_ended"),
        ),
        sa.CheckConstraint("shown_status = coalesce(verdict, status)", name=op.f("ck_job_shown_status")),
        sa.ForeignKeyConstraint(["member_id"], ["member.member_id"], name=op.f("fk_job_member_id_member")),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.organization_id"],
            name=op.f("fk_job_organization_id_organization"),
        ),
        sa.ForeignKeyConstraint(
            ["printer_id"], ["printer.printer_id"], name=op.f("fk_job_printer_id_printer")
        ),
        sa.ForeignKeyConstraint(["work_id"], ["work.id"], name=op.f("fk_job_work_id_work")),
        sa.PrimaryKeyConstraint("work_id", name=op.f("pk_job")),
        sa.UniqueConstraint("end_ordinal", name=op.f("uq_job_end_ordinal")),
        sa.UniqueConstraint("member_id", "member_ordinal", name=op.f("uq_job_member_id_member_ordinal")),
    )


def _job_indexes() -> None:
    op.create_index(
        op.f("ix_job_member_id_shown_status_work_id"),
        "job",
        ["member_id", "shown_status", "work_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_job_organization_id_shown_status_work_id"),
        "job",
        ["organization_id", "shown_status", "work_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_job_organization_id_work_id"), "job", ["organization_id", "work_id"], unique=False
    )
    op.create_index(
        op.f("ix_job_printer_id_shown_status_work_id"),
        "job",
        ["printer_id", "shown_status", "work_id"],
        unique=False,
    )
    op.create_index(op.f("ix_job_printer_id_work_id"), "job", ["printer_id", "work_id"], unique=False)
    op.create_index(op.f("ix_job_shown_status_work_id"), "job", ["shown_status", "work_id"], unique=False)
    op.create_index(
        "ix_job_unfinished",
        "job",
        ["work_id"],
        unique=False,
        sqlite_where=sa.text(UNFINISHED),
        postgresql_where=sa.text(UNFINISHED),
    )
    op.create_index(
        "uq_job_has_machine",
        "job",
        ["printer_id"],
        unique=True,
        sqlite_where=sa.text(HAS_MACHINE),
        postgresql_where=sa.text(HAS_MACHINE),
    )


def _attempts() -> None:
    op.create_table(
        "attempt",
        sa.Column("work_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("printer_id", sa.Integer(), nullable=False),
        sa.Column("mark", sa.String(length=36), nullable=False),
        sa.Column("intended_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("result", sa.String(length=12), nullable=True),
        sa.Column("line", sa.BigInteger(), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "result IS NULL OR result IN ('canceled', 'completed', 'failed', 'refused')",
            name=op.f("ck_attempt_result"),
        ),
        sa.CheckConstraint("number > 0", name=op.f("ck_attempt_number")),
        sa.ForeignKeyConstraint(
            ["printer_id"], ["printer.printer_id"], name=op.f("fk_attempt_printer_id_printer")
        ),
        sa.ForeignKeyConstraint(["work_id"], ["job.work_id"], name=op.f("fk_attempt_work_id_job")),
        sa.PrimaryKeyConstraint("work_id", "number", name=op.f("pk_attempt")),
        sa.UniqueConstraint("mark", name=op.f("uq_attempt_mark")),
    )
    op.create_index(
        "uq_attempt_open",
        "attempt",
        ["work_id"],
        unique=True,
        sqlite_where=sa.text(UNFINISHED),
        postgresql_where=sa.text(UNFINISHED),
    )
    op.create_table(
        "printer_command",
        sa.Column("task_id", sa.String(length=36), nullable=False),
        sa.Column("printer_id", sa.Integer(), nullable=True),
        sa.Column("work_id", sa.Integer(), nullable=True),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("member_id", sa.String(length=13), nullable=False),
        sa.Column("given_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(state = 'pending') = (answered_at IS NULL)", name=op.f("ck_printer_command_answered_at")
        ),
        sa.CheckConstraint("state IN ('done', 'failed', 'pending')", name=op.f("ck_printer_command_state")),
        sa.ForeignKeyConstraint(
            ["printer_id"], ["printer.printer_id"], name=op.f("fk_printer_command_printer_id_printer")
        ),
        sa.ForeignKeyConstraint(["work_id"], ["work.id"], name=op.f("fk_printer_command_work_id_work")),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_printer_command")),
    )
    op.create_index(
        "ix_printer_command_unanswered",
        "printer_command",
        ["task_id"],
        unique=False,
        sqlite_where=sa.text(UNANSWERED),
        postgresql_where=sa.text(UNANSWERED),
    )


def _files() -> None:
    op.create_table(
        "file",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("file_id", sa.String(length=36), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("member_id", sa.String(length=13), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["member_id"], ["member.member_id"], name=op.f("fk_file_member_id_member")),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.organization_id"],
            name=op.f("fk_file_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_file")),
        sa.UniqueConstraint("file_id", name=op.f("uq_file_file_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_file_member_id_number"), "file", ["member_id", "number"], unique=False)
    op.create_index(op.f("ix_file_sha256"), "file", ["sha256"], unique=False)


def _journal() -> None:
    op.create_table(
        "event",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=True),
        sa.Column("member_id", sa.String(length=13), nullable=True),
        sa.Column("printer_id", sa.Integer(), nullable=True),
        sa.Column("work_id", sa.Integer(), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_event")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "idempotency",
        sa.Column("member_id", sa.String(length=13), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"], ["member.member_id"], name=op.f("fk_idempotency_member_id_member")
        ),
        sa.PrimaryKeyConstraint("member_id", "key", name=op.f("pk_idempotency")),
    )
    op.create_index(op.f("ix_idempotency_created_at"), "idempotency", ["created_at"], unique=False)
    op.create_table(
        "job_total",
        sa.Column("member_id", sa.String(length=13), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=False),
        sa.Column("shown_status", sa.String(length=12), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.CheckConstraint("n >= 0", name=op.f("ck_job_total_n")),
        sa.ForeignKeyConstraint(
            ["member_id"], ["member.member_id"], name=op.f("fk_job_total_member_id_member")
        ),
        sa.PrimaryKeyConstraint("member_id", "organization_id", "shown_status", name=op.f("pk_job_total")),
    )
    op.create_table(
        "host",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("host_number", sa.Integer(), nullable=False),
        sa.CheckConstraint("host_number >= 0 AND host_number < 2048", name=op.f("ck_host_host_number")),
        sa.CheckConstraint("id = 1", name=op.f("ck_host_single_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_host")),
    )


def _first_rows() -> None:
    hex_id = context.config.attributes["hex_id"]
    host = sa.table("host", sa.column("id"), sa.column("host_number"))
    op.bulk_insert(host, [{"id": 1, "host_number": FIRST_HOST_NUMBER}])
    organization = sa.table(
        "organization", sa.column("organization_id"), sa.column("name"), sa.column("public_id")
    )
    op.bulk_insert(
        organization, [{"organization_id": HOME_ORGANIZATION_ID, "name": "home", "public_id": hex_id(24)}]
    )
    member = sa.table("member", *map(sa.column, ("member_id", "name", "organization_id", "is_admin")))
    operator = {
        "member_id": OPERATOR_ID,
        "name": "operator",
        "organization_id": HOME_ORGANIZATION_ID,
        "is_admin": True,
    }
    op.bulk_insert(member, [operator])
