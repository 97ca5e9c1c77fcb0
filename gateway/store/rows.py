"""Domain objects to column values, and rows back to domain objects. One pair per table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, make_dataclass
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Row, Select, select, type_coerce
from sqlalchemy.types import NULLTYPE

from gateway.domain.file import StoredFile
from gateway.domain.job import Attempt, AttemptResult, Job, JobStatus, Reason, Verdict
from gateway.domain.member import Key, Member, Organization, Scope
from gateway.domain.observations import Origin
from gateway.domain.printer import Plate, PlateClear, Printer
from gateway.domain.printer_command import CommandStatus, PrinterCommand
from gateway.engine.ports import StoredEvent
from gateway.store.columns import from_json, from_milliseconds
from gateway.store.schema import (
    api_key,
    attempt,
    event,
    file,
    job,
    member,
    organization,
    printer,
    printer_command,
    work,
)

Values = dict[str, Any]
R = TypeVar("R")
#: A row back to what it stands for.
Reader = Callable[[Row[Any]], R]

#: Columns that a job shares by name with its row, besides those spelled out below.
_PLAIN = (
    "name", "printer_id", "status_at", "started_at", "ended_at", "is_local", "print_key", "attempts",
    "file_sha256", "file_name", "file_size", "printable_id", "printable_url", "comment", "custom_data",
    "message", "error_code", "progress", "position", "line", "reported", "callback_url",
    "callback_interval",
)  # fmt: skip
_FIXED = ("work_id", "member_id", "organization_id", "member_ordinal")


_STATUS = {status.value: status for status in JobStatus}
_VERDICT = {verdict.value: verdict for verdict in Verdict}


@lru_cache(maxsize=256)  # the combinations that occur are few, and most jobs share a dozen
def _reasons(stored: str) -> frozenset[Reason]:
    return frozenset(map(Reason, from_json(stored)))


def _settings(stored: str) -> Mapping[str, Any]:
    return {} if stored == "{}" else from_json(stored)


#: How a job's fields are read that are stored as something else. The conversion is here, not in the column's
#: type: lists of jobs are the most frequent requests there are, and SQLAlchemy's rows cost ten times as much.
_READING: Mapping[str, Callable[[Any], Any]] = {
    "created_at": from_milliseconds,
    "status_at": from_milliseconds,
    "started_at": from_milliseconds,
    "ended_at": from_milliseconds,
    "status": _STATUS.__getitem__,
    "verdict": _VERDICT.__getitem__,
    "reasons": _reasons,
    "is_local": bool,
    "origin": Origin,
    "settings": _settings,
    "custom_data": from_json,
    "reported": from_json,
}
_JOB_FIELDS = tuple(given.name for given in fields(Job))
#: Where a row of `SELECT_JOBS` has the work row's id.
WORK_ID_AT = _JOB_FIELDS.index("work_id")
#: A job while it is made: the same slots, not frozen. A frozen dataclass's own `__init__` takes a multiple.
_OpenJob: Any = make_dataclass("_OpenJob", _JOB_FIELDS, slots=True)
_CONVERTED = tuple((_JOB_FIELDS.index(name), read) for name, read in _READING.items())


def _stored(name: str) -> ColumnElement[Any]:
    """The column of a job's field, as the database has it."""
    if name == "job_id":
        return work.c.public_id
    table = work if name in ("app_id", "created_at", "version") else job
    column = table.c[name]
    return type_coerce(column, NULLTYPE).label(name) if name in _READING else column


#: Every job with its work row, in the order of Job's fields; add where and order.
SELECT_JOBS: Select[Any] = select(*map(_stored, _JOB_FIELDS)).join_from(job, work, work.c.id == job.c.work_id)


def job_changes(given: Job) -> Values:
    """The columns of `job` that may change."""
    values: Values = {name: getattr(given, name) for name in _PLAIN}
    values["status"] = given.status.value
    values["verdict"] = given.verdict.value if given.verdict else None
    values["shown_status"] = given.shown_status
    values["origin"] = given.origin.value if given.origin else None
    values["is_held"] = given.is_held
    values["reasons"] = sorted(reason.value for reason in given.reasons)
    values["settings"] = given.settings
    return values


def job_values(given: Job) -> Values:
    """All columns of `job` but `end_ordinal`, which only the journal knows."""
    return job_changes(given) | {name: getattr(given, name) for name in _FIXED}


def work_values(given: Job, hex24: str, hex32: str) -> Values:
    """The work row above a job, with the public ids that it gets once and for all."""
    return {
        "id": given.work_id,
        "kind": "job",
        "public_id": given.job_id,
        "hex24": hex24,
        "hex32": hex32,
        "organization_id": given.organization_id,
        "member_id": given.member_id,
        "app_id": given.app_id,
        "created_at": given.created_at,
        "version": given.version,
    }


def job_from(row: Sequence[Any]) -> Job:
    """A row of `SELECT_JOBS`, from SQLAlchemy or from the driver below it."""
    values = list(row)
    for at, read in _CONVERTED:
        if values[at] is not None:
            values[at] = read(values[at])
    made = _OpenJob(*values)
    made.__class__ = Job
    return made  # type: ignore[no-any-return]


def attempt_values(given: Attempt) -> Values:
    """All columns of `attempt`."""
    values: Values = {column.name: getattr(given, column.name) for column in attempt.columns}
    values["result"] = given.result.value if given.result else None
    return values


def attempt_from(row: Row[Any]) -> Attempt:
    """A row of `attempt`."""
    values = dict(row._mapping)
    result = values.pop("result")
    return Attempt(result=None if result is None else AttemptResult(result), **values)


def printer_values(given: Printer) -> Values:
    """All columns of `printer`."""
    values: Values = {column.name: getattr(given, column.name) for column in printer.columns}
    return values | {"plate": given.plate.value, "plate_clear": given.plate_clear.value}


def printer_from(row: Row[Any]) -> Printer:
    """A row of `printer`."""
    values = dict(row._mapping)
    plate, plate_clear = Plate(values.pop("plate")), PlateClear(values.pop("plate_clear"))
    return Printer(plate=plate, plate_clear=plate_clear, **values)


def command_values(given: PrinterCommand) -> Values:
    """All columns of `printer_command`."""
    values: Values = {column.name: getattr(given, column.name) for column in printer_command.columns}
    return values | {"state": given.state.value}


def command_from(row: Row[Any]) -> PrinterCommand:
    """A row of `printer_command`."""
    values = dict(row._mapping)
    return PrinterCommand(state=CommandStatus(values.pop("state")), **values)


def member_values(given: Member) -> Values:
    """All columns of `member`."""
    return {column.name: getattr(given, column.name) for column in member.columns}


def member_from(row: Row[Any]) -> Member:
    """A row of `member`."""
    return Member(**row._mapping)


def organization_values(given: Organization) -> Values:
    """All columns of `organization`."""
    return {column.name: getattr(given, column.name) for column in organization.columns}


def organization_from(row: Row[Any]) -> Organization:
    """A row of `organization`."""
    return Organization(**row._mapping)


def key_values(given: Key) -> Values:
    """All columns of `api_key`."""
    values: Values = {column.name: getattr(given, column.name) for column in api_key.columns}
    return values | {"scopes": sorted(scope.value for scope in given.scopes)}


def key_from(row: Row[Any]) -> Key:
    """A row of `api_key`."""
    values = dict(row._mapping)
    return Key(scopes=frozenset(map(Scope, values.pop("scopes"))), **values)


_FILE_COLUMNS = tuple(column for column in file.columns if column.name != "number")
SELECT_FILES: Select[Any] = select(*_FILE_COLUMNS)


def file_values(given: StoredFile) -> Values:
    """All columns of `file` but its number, which the database gives."""
    return {column.name: getattr(given, column.name) for column in _FILE_COLUMNS}


def file_from(row: Row[Any]) -> StoredFile:
    """A row of `SELECT_FILES`."""
    return StoredFile(**row._mapping)


SELECT_EVENTS: Select[Any] = select(event)


def event_from(row: Row[Any]) -> StoredEvent:
    """A row of `event`."""
    return StoredEvent(**row._mapping)
