"""The tables. What must always hold is said here as a constraint, so that no code path can get around it.

    organization 1--* member 1--* api_key
                          1--* printer  1--* printer_role *--1 member
    call_in                             printers that call in, before and after somebody registers them
    work 1--1 job 1--* attempt          work is above job, task and action (`schema_work`): one id space
    job_total                           how many jobs a member has in each shown status
    event                               the one global order; feeds resumed streams

Ids of work rows come from a range per host, so that hosts of a farm number without asking each other and
every id still fits the 32-bit integers of Forge and GreenArrow:

    id = host_number * 2**20 + n        1 <= n < 2**20, 0 <= host_number < 2**11

A constraint refuses a whole commit, so only what the gateway itself decides is constrained. What a machine
does is a fact and must always be storable: two prints *seen* on one machine (a local one beside ours that is
not yet missed) are possible, two starts *ordered* there are not.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from gateway.domain.call_in import CodeKind
from gateway.domain.grant import TokenUse
from gateway.domain.job import ENDS, ON_PRINTER, AttemptResult, JobStatus, Verdict
from gateway.domain.printer import Plate, PlateClear
from gateway.domain.printer_command import CommandStatus
from gateway.engine.ports import CallbackState
from gateway.store.columns import FreeText, Instant, Sequence, one_of

#: Work rows one host may number: a thousand a day for almost three years. A host that used them up gets
#: another host number; there are 2**11, which keeps every id below 2**31.
HOST_RANGE = 2**20
HOST_NUMBERS = 2**11

WORK_KINDS = ("job", "task", "action")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

host = Table(
    "host",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("host_number", Integer, nullable=False),
    CheckConstraint("id = 1", name="single_row"),
    CheckConstraint(f"host_number >= 0 AND host_number < {HOST_NUMBERS}", name="host_number"),
)

organization = Table(
    "organization",
    metadata,
    Column("organization_id", Integer, primary_key=True, autoincrement=False),
    Column("name", FreeText, nullable=False),
    Column("public_id", String(24), nullable=False, unique=True),
)

member = Table(
    "member",
    metadata,
    Column("member_id", String(13), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("organization_id", Integer, ForeignKey("organization.organization_id"), nullable=False),
    Column("email", FreeText),
    Column("is_admin", Boolean, nullable=False),
    Column("created_at", Instant),
)

api_key = Table(
    "api_key",
    metadata,
    Column("key_id", String(12), primary_key=True),
    Column("member_id", String(13), ForeignKey("member.member_id"), nullable=False),
    Column("name", FreeText, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("secret_sha256", String(64), nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
)

member_password = Table(
    "member_password",
    metadata,
    Column("member_id", String(13), ForeignKey("member.member_id"), primary_key=True),
    Column("encoded", Text, nullable=False),
    Column("set_at", Instant, nullable=False),
)

oauth_app = Table(
    "oauth_app",
    metadata,
    Column("app_id", String(16), primary_key=True),
    Column("name", FreeText, nullable=False),
    Column("owner_id", String(13), ForeignKey("member.member_id"), nullable=False),
    Column("redirect_uris", JSON, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("secret_sha256", String(64)),  # NULL: a public client
    Column("allow_implicit", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
)

oauth_code = Table(
    "oauth_code",
    metadata,
    Column("code_sha256", String(64), primary_key=True),
    Column("app_id", String(16), ForeignKey("oauth_app.app_id"), nullable=False),
    Column("member_id", String(13), ForeignKey("member.member_id"), nullable=False),
    Column("family", String(36), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("challenge", String(43)),
    Column("expires_at", Instant, nullable=False),
    Column("traded_at", Instant),
)

oauth_token = Table(
    "oauth_token",
    metadata,
    Column("token_sha256", String(64), primary_key=True),
    Column("use", String(10), nullable=False),
    Column("family", String(36), nullable=False),
    Column("app_id", String(16), ForeignKey("oauth_app.app_id"), nullable=False),
    Column("member_id", String(13), ForeignKey("member.member_id"), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("issued_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("spent_at", Instant),  # kept until it expires, to tell a second use
    CheckConstraint(one_of("use", TokenUse), name="use"),
)

printer = Table(
    "printer",
    metadata,
    Column("printer_id", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, unique=True),
    Column("driver", Text, nullable=False),
    Column("owner_id", String(13), ForeignKey("member.member_id"), nullable=False),
    Column("organization_id", Integer, ForeignKey("organization.organization_id"), nullable=False),
    Column("plate", String(10), nullable=False),
    Column("plate_clear", String(10), nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("link", FreeText, nullable=False),
    Column("version", Integer, nullable=False),
    Column("display_name", FreeText),
    Column("type_id", String(36)),
    Column("jobs_from", Integer, nullable=False, server_default=text("0")),
    CheckConstraint(one_of("plate", Plate), name="plate"),
    CheckConstraint(one_of("plate_clear", PlateClear), name="plate_clear"),
)

# Printers that have called at least once. Their numbers and the printers' are one sequence.
call_in = Table(
    "call_in",
    metadata,
    Column("printer_id", Integer, primary_key=True, autoincrement=False),
    Column("type_id", String(36), nullable=False),
    Column("firmware", FreeText, nullable=False),
    Column("serial_number", FreeText, nullable=False),
    Column("token_sha256", String(64), nullable=False, unique=True),
    Column("first_seen_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("revoked_at", Instant),
)

# No foreign key: a code is for a printer that has only called, or for one of the configuration.
registration_code = Table(
    "registration_code",
    metadata,
    Column("code", String(6), primary_key=True),
    Column("printer_id", Integer, nullable=False),
    Column("kind", String(10), nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("email", FreeText),
    CheckConstraint(one_of("kind", CodeKind), name="kind"),
)

printer_role = Table(
    "printer_role",
    metadata,
    Column("printer_id", Integer, ForeignKey("printer.printer_id"), nullable=False),
    Column("member_id", String(13), ForeignKey("member.member_id"), nullable=False),
    Column("is_printer_scoped", Boolean, nullable=False),
    Column("is_job_scoped", Boolean, nullable=False),
    PrimaryKeyConstraint("printer_id", "member_id"),
)

# Ids are given by the engine. AUTOINCREMENT only keeps SQLite from ever handing a deleted row's id out again.
work = Table(
    "work",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(10), nullable=False),
    Column("public_id", String(36), nullable=False, unique=True),  # UUID: Forge, native
    Column("hex24", String(24), nullable=False, unique=True),  # given once, never computed again
    Column("hex32", String(32), nullable=False, unique=True),
    Column("organization_id", Integer, ForeignKey("organization.organization_id"), nullable=False),
    Column("member_id", String(13), ForeignKey("member.member_id"), nullable=False),
    Column("app_id", Text),
    Column("submitted_by", String(13), ForeignKey("member.member_id")),  # when not the owner
    Column("created_at", Instant, nullable=False),
    Column("version", Integer, nullable=False),
    CheckConstraint(one_of("kind", WORK_KINDS), name="kind"),
    CheckConstraint(f"id > 0 AND id < {HOST_NUMBERS * HOST_RANGE}", name="id_range"),
    sqlite_autoincrement=True,
)

_OVER = one_of("status", ENDS)
#: Prints we ordered that have, or may have, a machine. Local ones are facts; held ones wait for a person.
HAS_MACHINE = f"{one_of('status', ON_PRINTER)} AND NOT is_held AND NOT is_local"

# member_id and organization_id repeat the work row's, which never changes them: lists must not need a join.
job = Table(
    "job",
    metadata,
    Column("work_id", Integer, ForeignKey("work.id"), primary_key=True, autoincrement=False),
    Column("member_id", String(13), ForeignKey("member.member_id"), nullable=False),
    Column("organization_id", Integer, ForeignKey("organization.organization_id"), nullable=False),
    Column("member_ordinal", Integer, nullable=False),  # dense, 0-based: a page at any depth is one seek
    Column("printer_id", Integer, ForeignKey("printer.printer_id")),
    Column("status", String(12), nullable=False),
    Column("verdict", String(12)),
    Column("shown_status", String(12), nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("is_held", Boolean, nullable=False),
    Column("is_local", Boolean, nullable=False),
    Column("origin", String(8)),  # of a local one; null: nobody could tell
    Column("name", FreeText, nullable=False),
    Column("status_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    Column("end_ordinal", Integer),  # order in which jobs ended; the wall clock may jump
    Column("print_key", FreeText),
    Column("attempts", Integer, nullable=False),
    Column("file_sha256", String(64)),
    Column("file_name", FreeText),
    Column("file_size", BigInteger),
    Column("printable_id", FreeText),
    Column("printable_url", FreeText),
    Column("settings", JSON, nullable=False),
    Column("comment", FreeText),
    Column("custom_data", JSON(none_as_null=True)),
    Column("message", FreeText),
    Column("error_code", BigInteger),
    Column("progress", Float),
    Column("position", BigInteger),
    Column("line", BigInteger),
    Column("reported", JSON(none_as_null=True)),
    Column("callback_url", FreeText),
    Column("callback_interval", Integer),  # seconds
    CheckConstraint(one_of("status", JobStatus), name="status"),
    CheckConstraint(
        f"verdict IS NULL OR ({one_of('verdict', Verdict)} AND {_OVER})", name="verdict_of_ended"
    ),
    CheckConstraint("shown_status = coalesce(verdict, status)", name="shown_status"),
    CheckConstraint(f"({_OVER}) = (ended_at IS NOT NULL)", name="ended_at"),
    CheckConstraint(f"({_OVER}) = (end_ordinal IS NOT NULL)", name="end_ordinal"),
    CheckConstraint(f"NOT is_held OR {one_of('status', ON_PRINTER)}", name="held_on_printer"),
    CheckConstraint(f"printer_id IS NOT NULL OR NOT {one_of('status', ON_PRINTER)}", name="printer_known"),
    UniqueConstraint("member_id", "member_ordinal"),
    UniqueConstraint("end_ordinal"),
    Index(None, "member_id", "shown_status", "work_id"),
    Index(None, "printer_id", "work_id"),
    Index(None, "printer_id", "shown_status", "work_id"),
    Index(None, "organization_id", "work_id"),
    Index(None, "organization_id", "shown_status", "work_id"),
    Index(None, "shown_status", "work_id"),
    # Of lists of jobs and tasks together, which ask for the status itself.
    Index(None, "status", "work_id", "ended_at"),
    Index(None, "member_id", "status", "work_id", "ended_at"),
    Index(None, "organization_id", "status", "work_id", "ended_at"),
)
Index(
    "uq_job_has_machine",
    job.c.printer_id,
    unique=True,
    sqlite_where=text(HAS_MACHINE),
    postgresql_where=text(HAS_MACHINE),
)
_UNFINISHED = "ended_at IS NULL"
Index("ix_job_unfinished", job.c.work_id, sqlite_where=text(_UNFINISHED), postgresql_where=text(_UNFINISHED))
_ENDED = "ended_at IS NOT NULL"
Index("ix_job_ended", job.c.ended_at, sqlite_where=text(_ENDED), postgresql_where=text(_ENDED))
_HAS_FILE = "file_sha256 IS NOT NULL"
Index("ix_job_file", job.c.file_sha256, sqlite_where=text(_HAS_FILE), postgresql_where=text(_HAS_FILE))

attempt = Table(
    "attempt",
    metadata,
    Column("work_id", Integer, ForeignKey("job.work_id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("printer_id", Integer, ForeignKey("printer.printer_id"), nullable=False),
    Column("mark", String(36), nullable=False, unique=True),
    Column("intended_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    Column("result", String(12)),
    Column("line", BigInteger),
    Column("position", BigInteger),
    Column("message", FreeText),
    PrimaryKeyConstraint("work_id", "number"),
    CheckConstraint("number > 0", name="number"),
    CheckConstraint(f"result IS NULL OR {one_of('result', AttemptResult)}", name="result"),
)
Index(
    "uq_attempt_open",
    attempt.c.work_id,
    unique=True,
    sqlite_where=text(_UNFINISHED),
    postgresql_where=text(_UNFINISHED),
)

printer_command = Table(
    "printer_command",
    metadata,
    Column("task_id", String(36), primary_key=True),
    Column("printer_id", Integer, ForeignKey("printer.printer_id")),
    Column("work_id", Integer, ForeignKey("work.id"), index=True),  # a work row that goes is looked for here
    Column("command", Text, nullable=False),
    Column("member_id", String(13), nullable=False),  # no key: nothing may keep a stop from being recorded
    Column("given_at", Instant, nullable=False),
    Column("state", String(10), nullable=False),
    Column("answered_at", Instant),
    Column("message", FreeText),
    Column("parameters", JSON, nullable=False, server_default=text("'{}'")),
    Column("progress", Float),
    Column("answer", JSON(none_as_null=True)),
    Column("heard_at", Instant),
    CheckConstraint(one_of("state", CommandStatus), name="state"),
    CheckConstraint(f"(state = '{CommandStatus.PENDING}') = (answered_at IS NULL)", name="answered_at"),
)
_UNANSWERED = "answered_at IS NULL"
Index(
    "ix_printer_command_unanswered",
    printer_command.c.task_id,
    sqlite_where=text(_UNANSWERED),
    postgresql_where=text(_UNANSWERED),
)

file = Table(
    "file",
    metadata,
    Column("number", Integer, primary_key=True),  # order of arrival
    Column("file_id", String(36), nullable=False, unique=True),
    Column("sha256", String(64), nullable=False, index=True),
    Column("name", FreeText, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("member_id", String(13), ForeignKey("member.member_id"), nullable=False),
    Column("organization_id", Integer, ForeignKey("organization.organization_id"), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("metadata", JSON, nullable=False),
    Index(None, "member_id", "number"),
    sqlite_autoincrement=True,
)

# No foreign keys: an event outlives what it speaks of. AUTOINCREMENT: a pruned number is never given again.
event = Table(
    "event",
    metadata,
    Column("seq", Sequence, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("organization_id", Integer),
    Column("member_id", String(13)),
    Column("printer_id", Integer),
    Column("work_id", Integer),
    Column("details", JSON, nullable=False),
    sqlite_autoincrement=True,
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("member_id", String(13), ForeignKey("member.member_id"), nullable=False),
    Column("key", FreeText, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("created_at", Instant, nullable=False, index=True),
    PrimaryKeyConstraint("member_id", "key"),
)

job_total = Table(
    "job_total",
    metadata,
    Column("member_id", String(13), nullable=False),
    Column("organization_id", Integer, nullable=False),  # of the jobs; a member may have moved since
    Column("shown_status", String(12), nullable=False),
    Column("n", Integer, nullable=False),
    PrimaryKeyConstraint("member_id", "organization_id", "shown_status"),
    ForeignKeyConstraint(["member_id"], ["member.member_id"]),
    CheckConstraint("n >= 0", name="n"),
)

_HAS_CALLBACK = "callback_url IS NOT NULL"
Index(
    "ix_job_has_callback",
    job.c.work_id,
    sqlite_where=text(_HAS_CALLBACK),
    postgresql_where=text(_HAS_CALLBACK),
)

# One row a job that has a callback, changed in place: what is due is derived from it and the job's version.
callback = Table(
    "callback",
    metadata,
    Column("work_id", Integer, ForeignKey("job.work_id"), primary_key=True, autoincrement=False),
    Column("url", FreeText, nullable=False),
    Column("state", String(10), nullable=False),
    Column("failures", Integer, nullable=False),
    Column("tried_at", Instant),
    Column("next_at", Instant),
    Column("last_status", Integer),
    Column("last_error", FreeText),
    Column("delivered_version", Integer, nullable=False),
    Column("delivered_at", Instant),
    CheckConstraint(one_of("state", CallbackState), name="state"),
)

# Keys that the gateway made for itself, once.
secret = Table(
    "secret",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("key", LargeBinary, nullable=False),
)
