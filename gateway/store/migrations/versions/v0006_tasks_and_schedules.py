"""Tasks, stacks, schedules and their runs; jobs are counted in blocks of ids, as tasks are.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _tables_of_tasks()
    _tables_of_schedules()
    _lists_of_both()
    _count_jobs()


def _tables_of_tasks() -> None:
    op.create_table(
        "loose_content",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_loose_content")),
    )
    op.create_table(
        "task",
        sa.Column("work_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.String(length=13), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=False),
        sa.Column("app_id", sa.Text(), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("arguments", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("is_paused", sa.Boolean(), nullable=False),
        sa.Column("begins_at", sa.BigInteger(), nullable=True),
        sa.Column("retry_at", sa.BigInteger(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("given_up", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.Column("progress_value", sa.BigInteger(), nullable=False),
        sa.Column("progress_total", sa.BigInteger(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("order_id", sa.String(length=36), nullable=True),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("file_sha256", sa.String(length=64), nullable=True),
        sa.Column("file_name", sa.Text(), nullable=True),
        sa.Column("file_size", sa.BigInteger(), nullable=True),
        sa.Column("file_media_type", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(status IN ('canceled', 'done', 'failed')) = (ended_at IS NOT NULL)",
            name=op.f("ck_task_ended_at"),
        ),
        sa.CheckConstraint("NOT is_paused OR status = 'pending'", name=op.f("ck_task_is_paused")),
        sa.CheckConstraint(
            "kind IN ('backup', 'diagnostics', 'file-import', 'history-export', 'printer-upload')",
            name=op.f("ck_task_kind"),
        ),
        sa.CheckConstraint(
            "status = 'done' OR (result IS NULL AND file_sha256 IS NULL)", name=op.f("ck_task_result_of_done")
        ),
        sa.CheckConstraint(
            "status IN ('canceled', 'done', 'failed', 'pending', 'running')", name=op.f("ck_task_status")
        ),
        sa.CheckConstraint(
            "(file_sha256 IS NULL) = (file_name IS NULL) AND (file_sha256 IS NULL) = (file_size IS NULL) "
            "AND (file_sha256 IS NULL) = (file_media_type IS NULL)",
            name=op.f("ck_task_file_whole"),
        ),
        sa.ForeignKeyConstraint(["member_id"], ["member.member_id"], name=op.f("fk_task_member_id_member")),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.organization_id"],
            name=op.f("fk_task_organization_id_organization"),
        ),
        sa.ForeignKeyConstraint(["work_id"], ["work.id"], name=op.f("fk_task_work_id_work")),
        sa.PrimaryKeyConstraint("work_id", name=op.f("pk_task")),
    )
    op.create_index(
        op.f("ix_task_app_id_work_id_organization_id_kind_status_ended_at"),
        "task",
        ["app_id", "work_id", "organization_id", "kind", "status", "ended_at"],
    )
    op.create_index(
        "ix_task_ended",
        "task",
        ["ended_at", "organization_id", "kind"],
        sqlite_where=sa.text("ended_at IS NOT NULL"),
        postgresql_where=sa.text("ended_at IS NOT NULL"),
    )
    op.create_index(
        "ix_task_file",
        "task",
        ["file_sha256"],
        sqlite_where=sa.text("file_sha256 IS NOT NULL"),
        postgresql_where=sa.text("file_sha256 IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_task_kind_status_work_id_ended_at"), "task", ["kind", "status", "work_id", "ended_at"]
    )
    op.create_index(
        op.f("ix_task_member_id_work_id_kind_status_ended_at"),
        "task",
        ["member_id", "work_id", "kind", "status", "ended_at"],
    )
    op.create_index(
        op.f("ix_task_organization_id_kind_status_work_id_ended_at"),
        "task",
        ["organization_id", "kind", "status", "work_id", "ended_at"],
    )
    op.create_index(
        op.f("ix_task_organization_id_work_id_kind_status_ended_at"),
        "task",
        ["organization_id", "work_id", "kind", "status", "ended_at"],
    )
    op.create_index(
        "ix_task_scheduled",
        "task",
        ["begins_at"],
        sqlite_where=sa.text("begins_at IS NOT NULL"),
        postgresql_where=sa.text("begins_at IS NOT NULL"),
    )
    op.create_index(
        "ix_task_unfinished",
        "task",
        ["work_id"],
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )


def _tables_of_schedules() -> None:
    op.create_table(
        "stack",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stack_id", sa.String(length=32), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("printer_ids", sa.JSON(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.organization_id"],
            name=op.f("fk_stack_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_stack")),
        sa.UniqueConstraint("stack_id", name=op.f("uq_stack_stack_id")),
    )
    op.create_table(
        "schedule",
        sa.Column("schedule_id", sa.String(length=32), nullable=False),
        sa.Column("stack_number", sa.Integer(), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=False),
        sa.Column("member_id", sa.String(length=13), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("app_id", sa.Text(), nullable=True),
        sa.Column("cron", sa.Text(), nullable=True),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("missed", sa.String(length=10), nullable=False),
        sa.Column("is_paused", sa.Boolean(), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("macro", sa.JSON(), nullable=True),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("removed_at", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("missed IN ('run-once', 'skip')", name=op.f("ck_schedule_missed")),
        sa.CheckConstraint(
            "type IN ('CalibrationJob', 'GcodeMacroJob', 'HistoryExportJob', 'MaintenanceJob')",
            name=op.f("ck_schedule_type"),
        ),
        sa.CheckConstraint("status >= 0 AND status <= 3", name=op.f("ck_schedule_status")),
        sa.ForeignKeyConstraint(
            ["member_id"], ["member.member_id"], name=op.f("fk_schedule_member_id_member")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.organization_id"],
            name=op.f("fk_schedule_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("schedule_id", name=op.f("pk_schedule")),
    )
    op.create_index(op.f("ix_schedule_stack_number"), "schedule", ["stack_number"])
    op.create_index(
        "ix_schedule_kept",
        "schedule",
        ["schedule_id"],
        sqlite_where=sa.text("removed_at IS NULL"),
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.create_index(
        "ix_schedule_removed",
        "schedule",
        ["removed_at"],
        sqlite_where=sa.text("removed_at IS NOT NULL"),
        postgresql_where=sa.text("removed_at IS NOT NULL"),
    )
    op.create_table(
        "action",
        sa.Column("work_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("member_id", sa.String(length=13), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=False),
        sa.Column("schedule_id", sa.String(length=32), nullable=False),
        sa.Column("stack_number", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("started_via", sa.String(length=10), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("arguments", sa.Text(), nullable=True),
        sa.Column("macro", sa.JSON(), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("steps", sa.JSON(), nullable=False),
        sa.Column("task_id", sa.String(length=36), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(state IN ('canceled', 'failed', 'succeeded')) = (ended_at IS NOT NULL)",
            name=op.f("ck_action_ended_at"),
        ),
        sa.CheckConstraint("started_via IN ('api', 'schedule')", name=op.f("ck_action_started_via")),
        sa.CheckConstraint(
            "state IN ('canceled', 'failed', 'running', 'succeeded', 'waiting')", name=op.f("ck_action_state")
        ),
        sa.CheckConstraint(
            "type IN ('CalibrationJob', 'GcodeMacroJob', 'HistoryExportJob', 'MaintenanceJob')",
            name=op.f("ck_action_type"),
        ),
        sa.ForeignKeyConstraint(["member_id"], ["member.member_id"], name=op.f("fk_action_member_id_member")),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.organization_id"],
            name=op.f("fk_action_organization_id_organization"),
        ),
        sa.ForeignKeyConstraint(
            ["schedule_id"], ["schedule.schedule_id"], name=op.f("fk_action_schedule_id_schedule")
        ),
        sa.ForeignKeyConstraint(["work_id"], ["work.id"], name=op.f("fk_action_work_id_work")),
        sa.PrimaryKeyConstraint("work_id", name=op.f("pk_action")),
    )
    op.create_index(
        "ix_action_ended",
        "action",
        ["ended_at"],
        sqlite_where=sa.text("ended_at IS NOT NULL"),
        postgresql_where=sa.text("ended_at IS NOT NULL"),
    )
    op.create_index(op.f("ix_action_organization_id_work_id"), "action", ["organization_id", "work_id"])
    op.create_index(op.f("ix_action_schedule_id_work_id"), "action", ["schedule_id", "work_id"])
    op.create_index(
        "ix_action_unfinished",
        "action",
        ["work_id"],
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )


def _lists_of_both() -> None:
    op.create_table(
        "task_total",
        sa.Column("member_id", sa.String(length=13), nullable=False),
        sa.Column("organization_id", sa.Integer(), nullable=False),
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.CheckConstraint("n >= 0", name=op.f("ck_task_total_n")),
        sa.ForeignKeyConstraint(
            ["member_id"], ["member.member_id"], name=op.f("fk_task_total_member_id_member")
        ),
        sa.PrimaryKeyConstraint(
            "member_id", "organization_id", "app_id", "kind", "status", name=op.f("pk_task_total")
        ),
    )
    op.create_table(
        "work_block",
        sa.Column("organization_id", sa.Integer(), nullable=False),
        sa.Column("block", sa.Integer(), nullable=False),
        sa.Column("sort", sa.String(length=10), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.CheckConstraint("sort IN ('admin task', 'job', 'task')", name=op.f("ck_work_block_sort")),
        sa.CheckConstraint("n >= 0", name=op.f("ck_work_block_n")),
        sa.PrimaryKeyConstraint("organization_id", "block", "sort", name=op.f("pk_work_block")),
    )
    op.create_index(op.f("ix_job_status_work_id_ended_at"), "job", ["status", "work_id", "ended_at"])
    op.create_index(
        op.f("ix_job_member_id_status_work_id_ended_at"),
        "job",
        ["member_id", "status", "work_id", "ended_at"],
    )
    op.create_index(
        op.f("ix_job_organization_id_status_work_id_ended_at"),
        "job",
        ["organization_id", "status", "work_id", "ended_at"],
    )
    op.create_index(
        "ix_job_ended",
        "job",
        ["ended_at"],
        sqlite_where=sa.text("ended_at IS NOT NULL"),
        postgresql_where=sa.text("ended_at IS NOT NULL"),
    )
    op.create_index(
        "ix_job_file",
        "job",
        ["file_sha256"],
        sqlite_where=sa.text("file_sha256 IS NOT NULL"),
        postgresql_where=sa.text("file_sha256 IS NOT NULL"),
    )
    op.create_index(op.f("ix_printer_command_work_id"), "printer_command", ["work_id"])


def _count_jobs() -> None:
    """A row of `work_block` counts the jobs of 2048 ids: of all organizations (0), and of each."""
    op.execute(
        "INSERT INTO work_block SELECT 0, work_id / 2048, 'job', count(*) FROM job GROUP BY work_id / 2048"
    )
    op.execute(
        "INSERT INTO work_block SELECT organization_id, work_id / 2048, 'job', count(*) FROM job "
        "GROUP BY organization_id, work_id / 2048"
    )


def downgrade() -> None:
    raise NotImplementedError("go back by restoring the backup that was made before the upgrade")
