"""The tables of work beside printing; the same rules as in `schema`, whose metadata they are part of.

    work 1--1 task                      long work inside the gateway
    work 1--1 action *--1 schedule      runs of recurring jobs
    schedule *--1 stack                 groups of printers; a removed schedule outlives its stack
    task_total                          how many tasks a member has through an app, of each kind and status
    work_block                          how many jobs and tasks there are in each stretch of ids
    loose_content                       content whose row is gone; it goes too if nothing names it

Of what a machine or another server does nothing is constrained here: progress, messages, results.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    text,
)

from gateway.domain.schedule import RUN_ENDS, MissedRuns, RunState, ScheduleStatus, ScheduleType, StartedVia
from gateway.domain.task import TASK_ENDS, TaskKind, TaskStatus
from gateway.store.columns import FreeText, Instant, one_of
from gateway.store.schema import metadata

#: Ids of one row of `work_block`. A page at any depth costs one walk over the blocks (200,000 rows: 100) and
#: one inside a block.
BLOCK_IDS = 2048
#: In `work_block`: of all organizations together. Their own ids begin with 1.
ALL_ORGANIZATIONS = 0
#: In `work_block`: what is counted apart, because there are lists without it. Admin tasks: of ADMIN_KINDS.
JOBS, TASKS, ADMIN_TASKS = "job", "task", "admin task"
SORTS = (JOBS, TASKS, ADMIN_TASKS)

# member_id, organization_id and app_id repeat the work row's: lists must not need a join.
task = Table(
    "task",
    metadata,
    Column("work_id", Integer, ForeignKey("work.id"), primary_key=True, autoincrement=False),
    Column("member_id", String(13), ForeignKey("member.member_id"), nullable=False),
    Column("organization_id", Integer, ForeignKey("organization.organization_id"), nullable=False),
    Column("app_id", Text),
    Column("kind", String(16), nullable=False),
    Column("name", FreeText, nullable=False),
    Column("arguments", JSON, nullable=False),
    Column("status", String(10), nullable=False),
    Column("is_paused", Boolean, nullable=False),
    Column("begins_at", Instant),
    Column("retry_at", Instant),
    Column("tries", Integer, nullable=False),
    Column("given_up", Integer, nullable=False),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    Column("updated_at", Instant),
    Column("progress_value", BigInteger, nullable=False),
    Column("progress_total", BigInteger),
    Column("message", FreeText),
    Column("order_id", String(36)),
    Column("result", JSON(none_as_null=True)),
    Column("error", FreeText),
    Column("file_sha256", String(64)),
    Column("file_name", FreeText),
    Column("file_size", BigInteger),
    Column("file_media_type", FreeText),
    CheckConstraint(one_of("kind", TaskKind), name="kind"),
    CheckConstraint(one_of("status", TaskStatus), name="status"),
    CheckConstraint(f"({one_of('status', TASK_ENDS)}) = (ended_at IS NOT NULL)", name="ended_at"),
    CheckConstraint(f"NOT is_paused OR status = '{TaskStatus.PENDING}'", name="is_paused"),
    CheckConstraint(
        f"status = '{TaskStatus.DONE}' OR (result IS NULL AND file_sha256 IS NULL)", name="result_of_done"
    ),
    CheckConstraint(
        "(file_sha256 IS NULL) = (file_name IS NULL) AND (file_sha256 IS NULL) = (file_size IS NULL) "
        "AND (file_sha256 IS NULL) = (file_media_type IS NULL)",
        name="file_whole",
    ),
    # Each has all that its lists ask for: pages are walked and counted without the rows themselves.
    Index(None, "organization_id", "work_id", "kind", "status", "ended_at"),
    Index(None, "member_id", "work_id", "kind", "status", "ended_at"),
    Index(None, "app_id", "work_id", "organization_id", "kind", "status", "ended_at"),
    Index(None, "kind", "status", "work_id", "ended_at"),
    Index(None, "organization_id", "kind", "status", "work_id", "ended_at"),
)
_UNFINISHED = "ended_at IS NULL"
_ENDED = "ended_at IS NOT NULL"
Index(
    "ix_task_unfinished", task.c.work_id, sqlite_where=text(_UNFINISHED), postgresql_where=text(_UNFINISHED)
)
Index(
    "ix_task_ended",
    task.c.ended_at,
    task.c.organization_id,
    task.c.kind,
    sqlite_where=text(_ENDED),
    postgresql_where=text(_ENDED),
)
_SCHEDULED = "begins_at IS NOT NULL"
Index("ix_task_scheduled", task.c.begins_at, sqlite_where=text(_SCHEDULED), postgresql_where=text(_SCHEDULED))
_HAS_FILE = "file_sha256 IS NOT NULL"
Index("ix_task_file", task.c.file_sha256, sqlite_where=text(_HAS_FILE), postgresql_where=text(_HAS_FILE))

stack = Table(
    "stack",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("stack_id", String(32), nullable=False, unique=True),
    Column("organization_id", Integer, ForeignKey("organization.organization_id"), nullable=False),
    Column("name", FreeText, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("printer_ids", JSON(none_as_null=True)),  # NULL: every printer of the organization
    Column("version", Integer, nullable=False),
)

# stack_number is no foreign key: a removed schedule outlives its stack.
schedule = Table(
    "schedule",
    metadata,
    Column("schedule_id", String(32), primary_key=True),
    Column("stack_number", Integer, nullable=False),
    Column("organization_id", Integer, ForeignKey("organization.organization_id"), nullable=False),
    Column("member_id", String(13), ForeignKey("member.member_id"), nullable=False),
    Column("name", FreeText, nullable=False),
    Column("type", String(20), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("app_id", Text),
    Column("cron", FreeText),
    Column("timezone", FreeText, nullable=False),
    Column("missed", String(10), nullable=False),
    Column("is_paused", Boolean, nullable=False),
    Column("params", JSON, nullable=False),
    Column("macro", JSON(none_as_null=True)),
    Column("next_at", Instant),
    Column("status", Integer, nullable=False),
    Column("removed_at", Instant),
    Column("version", Integer, nullable=False),
    CheckConstraint(one_of("type", ScheduleType), name="type"),
    CheckConstraint(one_of("missed", MissedRuns), name="missed"),
    CheckConstraint(f"status >= {min(ScheduleStatus)} AND status <= {max(ScheduleStatus)}", name="status"),
    Index(None, "stack_number"),
)
_KEPT = "removed_at IS NULL"
Index("ix_schedule_kept", schedule.c.schedule_id, sqlite_where=text(_KEPT), postgresql_where=text(_KEPT))
_REMOVED = "removed_at IS NOT NULL"
Index(
    "ix_schedule_removed", schedule.c.removed_at, sqlite_where=text(_REMOVED), postgresql_where=text(_REMOVED)
)

# member_id and organization_id repeat the work row's.
action = Table(
    "action",
    metadata,
    Column("work_id", Integer, ForeignKey("work.id"), primary_key=True, autoincrement=False),
    Column("member_id", String(13), ForeignKey("member.member_id"), nullable=False),
    Column("organization_id", Integer, ForeignKey("organization.organization_id"), nullable=False),
    Column("schedule_id", String(32), ForeignKey("schedule.schedule_id"), nullable=False),
    Column("stack_number", Integer, nullable=False),
    Column("name", FreeText, nullable=False),
    Column("type", String(20), nullable=False),
    Column("started_via", String(10), nullable=False),
    Column("due_at", Instant),
    Column("arguments", FreeText),
    Column("macro", JSON(none_as_null=True)),
    Column("state", String(10), nullable=False),
    Column("steps", JSON, nullable=False),
    Column("task_id", String(36)),  # no foreign key: the task goes earlier
    Column("started_at", Instant),
    Column("ended_at", Instant),
    Column("message", FreeText),
    CheckConstraint(one_of("type", ScheduleType), name="type"),
    CheckConstraint(one_of("started_via", StartedVia), name="started_via"),
    CheckConstraint(one_of("state", RunState), name="state"),
    CheckConstraint(f"({one_of('state', RUN_ENDS)}) = (ended_at IS NOT NULL)", name="ended_at"),
    Index(None, "organization_id", "work_id"),
    Index(None, "schedule_id", "work_id"),
)
Index(
    "ix_action_unfinished",
    action.c.work_id,
    sqlite_where=text(_UNFINISHED),
    postgresql_where=text(_UNFINISHED),
)
Index("ix_action_ended", action.c.ended_at, sqlite_where=text(_ENDED), postgresql_where=text(_ENDED))

task_total = Table(
    "task_total",
    metadata,
    Column("member_id", String(13), ForeignKey("member.member_id"), nullable=False),
    Column("organization_id", Integer, nullable=False),  # of the tasks; a member may have moved since
    Column("app_id", Text, nullable=False),  # "": no app
    Column("kind", String(16), nullable=False),
    Column("status", String(10), nullable=False),
    Column("n", Integer, nullable=False),
    PrimaryKeyConstraint("member_id", "organization_id", "app_id", "kind", "status"),
    CheckConstraint("n >= 0", name="n"),
)

work_block = Table(
    "work_block",
    metadata,
    Column("organization_id", Integer, nullable=False),  # or ALL_ORGANIZATIONS: no foreign key
    Column("block", Integer, nullable=False),  # work id / BLOCK_IDS
    Column("sort", String(10), nullable=False),
    Column("n", Integer, nullable=False),
    PrimaryKeyConstraint("organization_id", "block", "sort"),
    CheckConstraint(one_of("sort", SORTS), name="sort"),
    CheckConstraint("n >= 0", name="n"),
)

loose_content = Table("loose_content", metadata, Column("sha256", String(64), primary_key=True))
