"""One draft, one transaction: its rows in the order of the foreign keys, the totals, the events."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from datetime import timedelta
from itertools import count
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from gateway.domain.events import Event
from gateway.domain.grants import GrantsDraft
from gateway.domain.job import Job
from gateway.domain.state import Draft
from gateway.engine.ports import StoredEvent, StoreUnavailable
from gateway.store import call_in_rows, grant_rows, rows
from gateway.store.columns import from_milliseconds, to_json, to_milliseconds
from gateway.store.load import host_range
from gateway.store.row_sets import add_to_counts, put_all, take_all
from gateway.store.schema import (
    HOST_RANGE,
    api_key,
    attempt,
    call_in,
    event,
    file,
    idempotency,
    job,
    job_total,
    member,
    member_password,
    oauth_app,
    oauth_code,
    oauth_token,
    organization,
    printer,
    printer_command,
    printer_role,
    registration_code,
    work,
)
from gateway.store.trouble import RowRefused
from gateway.store.work_commit import RAISE_VERSION, count_new, write_works

#: How long an Idempotency-Key answers again (draft-ietf-httpapi-idempotency-key-header leaves it open).
IDEMPOTENCY_KEPT = timedelta(hours=24)

#: Events kept for streams that resume and for the history, about 300 bytes each: 150 MB. Older ones go; the
#: jobs they speak of stay.
EVENTS_KEPT = 500_000
#: Events are pruned when the sequence passes a multiple of this: seldom, and never many at once.
PRUNE_EVERY = 1_000

#: member, organization, shown status -> change of the number of jobs
Totals = Counter[tuple[str, int, str]]

_STORED_JOBS = select(
    job.c.work_id,
    job.c.organization_id,
    job.c.member_id,
    job.c.shown_status,
    job.c.end_ordinal,
    work.c.version,
).join_from(job, work, work.c.id == job.c.work_id)
_CHANGE_JOB = update(job).where(job.c.work_id == bindparam("at_id"))
_ADD_EVENTS = insert(event).returning(event.c.seq, sort_by_parameter_order=True)


def write_draft(
    connection: Connection, draft: Draft, hex_id: Callable[[int], str]
) -> tuple[StoredEvent, ...]:
    """Write everything a draft says; the caller commits. The events come back with their sequence numbers."""
    put_all(connection, organization, map(rows.organization_values, draft.organization_rows))
    put_all(connection, member, map(rows.member_values, draft.member_rows))
    put_all(connection, api_key, map(rows.key_values, draft.key_rows.values()))
    put_all(connection, printer, map(rows.printer_values, draft.printer_rows.values()))
    _write_call_ins(connection, draft)
    _write_grants(connection, draft.grants)
    if draft.file_rows:
        connection.execute(insert(file), [rows.file_values(upload) for upload in draft.file_rows])
    if draft.new_jobs or draft.new_works:
        _check_range(connection, draft.new_jobs | draft.new_works)
        count_new(connection, draft)
    if draft.job_rows:
        _JobWriter(connection, draft, hex_id).write()
    write_works(connection, draft, hex_id)
    # Ended ones first: a job has at most one open attempt at any time inside the transaction too.
    attempts = sorted(draft.attempt_rows.values(), key=lambda tried: tried.ended_at is None)
    put_all(connection, attempt, map(rows.attempt_values, attempts))
    put_all(connection, printer_command, map(rows.command_values, draft.command_rows.values()))
    if draft.idempotency_rows:
        _write_idempotency(connection, draft)
    return _write_events(connection, draft.events)


def _write_call_ins(connection: Connection, draft: Draft) -> None:
    """Printers that call in, codes, members of printers; None stands for a row that goes."""
    codes, called, roles = draft.code_rows, draft.call_in_rows, draft.role_rows
    take_all(connection, registration_code, [{"code": key} for key, row in codes.items() if row is None])
    take_all(connection, call_in, [{"printer_id": key} for key, row in called.items() if row is None])
    take_all(
        connection,
        printer_role,
        [{"printer_id": at, "member_id": who} for (at, who), row in roles.items() if row is None],
    )
    put_all(connection, call_in, [call_in_rows.call_in_values(row) for row in called.values() if row])
    put_all(connection, registration_code, [call_in_rows.code_values(row) for row in codes.values() if row])
    put_all(connection, printer_role, [call_in_rows.role_values(row) for row in roles.values() if row])


def _write_grants(connection: Connection, made: GrantsDraft) -> None:
    """Passwords, apps, and behind them what refers to apps; None stands for a row that goes."""
    codes, tokens = made.code_rows, made.token_rows
    put_all(connection, member_password, map(grant_rows.password_values, made.password_rows.values()))
    put_all(connection, oauth_app, map(grant_rows.app_values, made.app_rows.values()))
    take_all(connection, oauth_code, [{"code_sha256": key} for key, row in codes.items() if row is None])
    take_all(connection, oauth_token, [{"token_sha256": key} for key, row in tokens.items() if row is None])
    put_all(connection, oauth_code, [grant_rows.code_values(row) for row in codes.values() if row])
    put_all(connection, oauth_token, [grant_rows.token_values(row) for row in tokens.values() if row])


def _check_range(connection: Connection, new_ids: AbstractSet[int]) -> None:
    first, last = host_range(connection)
    if not all(first <= work_id <= last for work_id in new_ids):
        raise StoreUnavailable(
            f"this host has used up its {HOST_RANGE - 1} ids: stop the gateway, set host.host_number in "
            "its database to a number that no host of the farm had before, and start it again"
        )


class _JobWriter:
    """Job rows, the work rows above them, and the totals."""

    def __init__(self, connection: Connection, draft: Draft, hex_id: Callable[[int], str]) -> None:
        self._connection = connection
        self._draft = draft
        self._hex_id = hex_id
        self._totals: Totals = Counter()
        self._end_ordinals = _end_ordinals(connection)
        changed = [work_id for work_id in draft.job_rows if work_id not in draft.new_jobs]
        found = connection.execute(_STORED_JOBS.where(job.c.work_id.in_(changed))) if changed else ()
        self._stored = {row.work_id: row for row in found}

    def write(self) -> None:
        """Jobs that leave a machine first: no two have one, at any time inside the transaction."""
        leaving = [given for given in self._draft.job_rows.values() if not _has_machine(given)]
        taking = [given for given in self._draft.job_rows.values() if _has_machine(given)]
        for part in (leaving, taking):
            self._change([given for given in part if given.work_id not in self._draft.new_jobs])
            self._add([given for given in part if given.work_id in self._draft.new_jobs])
        add_to_counts(self._connection, job_total, self._totals)

    def _add(self, jobs: list[Job]) -> None:
        if not jobs:
            return
        above = [rows.work_values(given, self._hex_id(24), self._hex_id(32)) for given in jobs]
        self._connection.execute(insert(work), above)
        values = [rows.job_values(given) | {"end_ordinal": self._end_ordinal(given, None)} for given in jobs]
        self._connection.execute(insert(job), values)
        for given in jobs:
            self._totals[given.member_id, given.organization_id, given.shown_status] += 1

    def _change(self, jobs: list[Job]) -> None:
        if not jobs:
            return
        versions, changes = [], []
        for given in jobs:
            stored = self._stored.get(given.work_id)
            if stored is None or stored.version != given.version - 1:
                there = "is not there" if stored is None else f"has version {stored.version}"
                raise RowRefused(f"job {given.job_id} {there} and cannot become version {given.version}")
            versions.append({"at_id": given.work_id, "to_version": given.version})
            ordinal = self._end_ordinal(given, stored.end_ordinal)
            changes.append(rows.job_changes(given) | {"at_id": given.work_id, "end_ordinal": ordinal})
            self._totals[stored.member_id, stored.organization_id, stored.shown_status] -= 1
            self._totals[stored.member_id, stored.organization_id, given.shown_status] += 1
        self._connection.execute(RAISE_VERSION, versions)
        self._connection.execute(_CHANGE_JOB, changes)

    def _end_ordinal(self, given: Job, stored: int | None) -> int | None:
        """A job's place in the order of ends, given when it ends and kept."""
        if not given.is_over:
            return None
        return next(self._end_ordinals) if stored is None else stored


def _has_machine(given: Job) -> bool:
    """The condition of the index `uq_job_has_machine`."""
    return given.is_on_printer and not given.is_held and not given.is_local


def _end_ordinals(connection: Connection) -> Iterator[int]:
    """The next ones; asked for only when a job ends."""
    last = connection.execute(select(func.max(job.c.end_ordinal))).scalar()
    yield from count(1 if last is None else last + 1)


def _write_idempotency(connection: Connection, draft: Draft) -> None:
    """The keys used now; those that expired go, so that one of them may be used anew."""
    now = draft.moment.wall
    connection.execute(delete(idempotency).where(idempotency.c.created_at <= now - IDEMPOTENCY_KEPT))
    values = [
        {
            "member_id": member_id,
            "key": used.key,
            "fingerprint": used.fingerprint,
            "answer": answer,
            "created_at": now,
        }
        for member_id, used, answer in draft.idempotency_rows
    ]
    connection.execute(insert(idempotency), values)


def _write_events(connection: Connection, events: list[Event]) -> tuple[StoredEvent, ...]:
    if not events:
        return ()
    values = [_event_values(happened) for happened in events]
    numbers = connection.execute(_ADD_EVENTS, values).scalars().all()
    if (numbers[0] - 1) // PRUNE_EVERY != numbers[-1] // PRUNE_EVERY:
        connection.execute(delete(event).where(event.c.seq <= numbers[-1] - EVENTS_KEPT))
    return tuple(StoredEvent(seq=seq, **value) for seq, value in zip(numbers, values, strict=True))


def _event_values(happened: Event) -> dict[str, Any]:
    """As a reader will get them back: whole milliseconds, and what JSON keeps of the details."""
    return {
        "kind": happened.kind,
        "at": from_milliseconds(to_milliseconds(happened.at)),
        "organization_id": happened.organization_id,
        "member_id": happened.member_id,
        "printer_id": happened.printer_id,
        "work_id": happened.work_id,
        "details": json.loads(to_json(happened.details())),
    }
