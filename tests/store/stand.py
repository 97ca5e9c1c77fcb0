"""A store with a few people, printers and drafts to write into it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.domain.events import Event, JobMoved
from gateway.domain.job import Attempt, Job, JobStatus
from gateway.domain.member import Key, Member, Organization, Scope
from gateway.domain.printer import Printer
from gateway.domain.state import Draft, Moment, State
from tests.support.stand import CountingIds as Ids

START = datetime(2016, 5, 18, 5, 42, 2, 250_000, tzinfo=UTC)
ANA = Member("FPEJMQHAG3NXE", "ana", 1, email="ana@example.com", created_at=START)
BEN = Member("MEMBERBENBEN0", "ben", 1, created_at=START)
CLEO = Member("MEMBERCLEO000", "cleo", 2, is_admin=True)
SHOP = Organization(2, "shop", "0123456789abcdef01234567")
MK3 = Printer(1, "mk3", "marlin", ANA.member_id, 1, link="/dev/serial/by-id/usb")
X1 = Printer(2, "x1", "bambu", CLEO.member_id, 2, enabled=False)
KEY = Key("abcdefghijkl", ANA.member_id, "slicer", frozenset({Scope.DATA_READ, Scope.ADMIN}), "0" * 64, START)


class SetClock:
    """Time that is set by the test."""

    def __init__(self) -> None:
        self.now = START

    def wall(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return (self.now - START).total_seconds()


def moment(ids: Ids, now: datetime = START) -> Moment:
    return Moment(
        now, 0.0, ids.uuid, ids.member_id, ids.registration_code, ids.hex, lambda sha256: f"/files/{sha256}"
    )


def draft(state: State, ids: Ids, now: datetime = START) -> Draft:
    return Draft(state, moment(ids, now))


def peopled(state: State, ids: Ids) -> Draft:
    """A draft that adds everybody and the printers."""
    made = draft(state, ids)
    made.organizations[SHOP.organization_id] = SHOP
    made.organization_rows.append(SHOP)
    for member in (ANA, BEN, CLEO):
        made.members[member.member_id] = member
        made.member_rows.append(member)
    for printer in (MK3, X1):
        made.put_printer(printer)
    made.keys[KEY.key_id] = made.key_rows[KEY.key_id] = KEY
    return made


def new_job(made: Draft, member: Member = ANA, **changes: Any) -> Job:
    """A queued job on mk3, added to the draft."""
    work_id = made.next_work_id()
    job = Job(
        work_id=work_id,
        job_id=made.moment.new_id(),
        name=f"part {work_id}",
        member_id=member.member_id,
        organization_id=member.organization_id,
        created_at=made.moment.wall,
        status=JobStatus.QUEUED,
        status_at=made.moment.wall,
        printer_id=MK3.printer_id,
        member_ordinal=made.member_jobs.get(member.member_id, 0),
    )
    return made.add_job(replace(job, **changes))


def ended(job: Job, status: JobStatus = JobStatus.COMPLETED, now: datetime = START) -> Job:
    """The job at its end, whatever lay between."""
    return replace(job, status=status, status_at=now, ended_at=now)


def intent(job: Job, number: int, mark: str) -> Attempt:
    return Attempt(job.work_id, number, job.printer_id or 0, mark, START)


def moved(job: Job, now: datetime = START, message: str | None = None) -> Event:
    return JobMoved(
        at=now,
        organization_id=job.organization_id,
        member_id=job.member_id,
        printer_id=job.printer_id,
        work_id=job.work_id,
        job_id=job.job_id,
        before="queued",
        status=job.status.value,
        reasons=tuple(sorted(job.reasons)),
        message=message,
    )


DAY = timedelta(days=1)
MILLISECOND = timedelta(milliseconds=1)
