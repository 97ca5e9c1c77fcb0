"""A store with 100,000 jobs of one member and 25,000 of others, written straight into the tables.

Valid by every constraint. The statuses are mixed through all of it, as years of printing would leave them,
and a few jobs are on printers now.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select

from gateway.auth.keys import make_key
from gateway.domain.job import Job, JobStatus, Reason, Verdict
from gateway.domain.member import Member, Scope
from gateway.domain.printer import Plate, PlateClear, Printer
from gateway.store import rows
from gateway.store.database import Database, sqlite_engine
from gateway.store.load import host_range
from gateway.store.migrate import upgrade
from gateway.store.row_sets import add_to_counts
from gateway.store.schema import api_key, job, job_total, member, printer, work
from gateway.store.schema_work import JOBS as COUNTED_JOBS
from gateway.store.schema_work import work_block
from gateway.store.work_commit import Blocks, count_in_block
from tests.benchmarks.http_load import request

#: Of the member whose lists are asked for.
JOBS = 100_000
MEMBERS = 40
#: One job in so many is somebody else's.
OTHERS = 5
PRINTERS = 8
BEGAN = datetime(2019, 3, 4, 6, 30, tzinfo=UTC)
#: Status, verdict, and how many of a thousand jobs; the rest of the thousand has completed.
_MIX = (
    (JobStatus.COMPLETED, Verdict.SUCCESSFUL, 250),
    (JobStatus.COMPLETED, Verdict.FAILED, 30),
    (JobStatus.CANCELED, None, 120),
    (JobStatus.FAILED, None, 60),
    (JobStatus.QUEUED, None, 5),
)
_REASONS = {
    JobStatus.COMPLETED: frozenset({Reason.COMPLETED_SUCCESSFULLY}),
    JobStatus.CANCELED: frozenset({Reason.CANCELED_BY_USER}),
    JobStatus.FAILED: frozenset({Reason.ABORTED_BY_SYSTEM}),
}
_BATCH = 5000


def fill(path: Path, jobs: int = JOBS) -> str:
    """Make the database at `path`; a key of the member who has so many jobs."""
    url = f"sqlite:///{path}"
    upgrade(url)
    database = Database(url)
    people = [Member(f"MEMBER{number:07d}", f"m{number}", 1, created_at=BEGAN) for number in range(MEMBERS)]
    machines = [
        Printer(number, f"gone{number}", "marlin", people[number % 3].member_id, 1, Plate.OCCUPIED,
                PlateClear.CONFIRM)
        for number in range(1, PRINTERS + 1)
    ]  # fmt: skip
    made = make_key(people[0].member_id, "benchmark", frozenset({Scope.DATA_READ, Scope.DATA_WRITE}), BEGAN)

    def unit(connection: Any) -> None:
        connection.execute(insert(member), [rows.member_values(person) for person in people])
        connection.execute(insert(api_key), [rows.key_values(made.key)])
        connection.execute(insert(printer), [rows.printer_values(machine) for machine in machines])
        ends, totals = count(1), Counter[tuple[str, str]]()
        blocks: Blocks = Counter()
        first, _ = host_range(connection)
        given_jobs = _jobs(jobs, first, people)
        while some := list(islice(given_jobs, _BATCH)):
            connection.execute(insert(work), [_work_values(given) for given in some])
            values = [
                rows.job_values(given) | {"end_ordinal": next(ends) if given.is_over else None}
                for given in some
            ]
            connection.execute(insert(job), values)
            totals.update((given.member_id, given.shown_status) for given in some)
            for given in some:
                count_in_block(blocks, given.work_id, given.organization_id, COUNTED_JOBS, 1)
        add_to_counts(connection, work_block, blocks)
        connection.execute(insert(job_total), [
            {"member_id": member_id, "organization_id": 1, "shown_status": status, "n": number}
            for (member_id, status), number in totals.items()
        ])  # fmt: skip

    try:
        database._write(unit, True)
    finally:
        database.close()
    return made.token


def _work_values(given: Job) -> dict[str, Any]:
    return rows.work_values(given, f"{given.work_id:024x}", f"{given.work_id:032x}")


def _jobs(number: int, first: int, people: list[Member]) -> Iterator[Job]:
    chance = random.Random(4)
    ordinals = Counter[str]()
    kinds = [(status, verdict) for status, verdict, share in _MIX for _ in range(share)]
    kinds += [(JobStatus.COMPLETED, None)] * (1000 - len(kinds))
    total = number + number // (OTHERS - 1)
    for index in range(total):
        is_others = index % OTHERS == OTHERS - 1
        owner = people[chance.randrange(1, MEMBERS)] if is_others else people[0]
        status, verdict = chance.choice(kinds)
        printer_id = 1 + index % PRINTERS
        if index >= total - PRINTERS:  # the newest are on the printers
            status, verdict = JobStatus.PRINTING, None
        yield _job(first + index, ordinals[owner.member_id], owner, status, verdict, printer_id, chance)
        ordinals[owner.member_id] += 1


def _job(
    work_id: int,
    ordinal: int,
    owner: Member,
    status: JobStatus,
    verdict: Verdict | None,
    printer_id: int,
    chance: random.Random,
) -> Job:
    created = BEGAN + timedelta(minutes=35 * (work_id % 2**20))
    is_begun = status is not JobStatus.QUEUED
    is_over = is_begun and status is not JobStatus.PRINTING
    ended = created + timedelta(minutes=chance.randrange(5, 600)) if is_over else None
    return Job(
        work_id=work_id,
        job_id=str(UUID(int=chance.getrandbits(128), version=4)),
        name=f"Bracket v{chance.randrange(40)} \N{MULTIPLICATION SIGN}{chance.randrange(1, 9)}",
        member_id=owner.member_id,
        organization_id=1,
        created_at=created,
        status=status,
        status_at=ended or created,
        printer_id=printer_id,
        reasons=_REASONS.get(status, frozenset()),
        verdict=verdict,
        print_key=str(UUID(int=chance.getrandbits(128), version=4)) if is_begun else None,
        attempts=1 if is_begun else 0,
        file_sha256=f"{work_id % 997:064x}",
        file_name="bracket.gcode",
        file_size=chance.randrange(10_000, 90_000_000),
        message="the nozzle did not get hot" if status is JobStatus.FAILED else None,
        progress=(1.0 if status is JobStatus.COMPLETED else round(chance.random(), 3)) if is_begun else None,
        started_at=created if is_begun else None,
        ended_at=ended,
        member_ordinal=ordinal,
        version=5 if is_over else 1,
    )


def changes(path: Path, token: str) -> Callable[[], bytes]:
    """Requests that each commit something: a comment on the newest job that is over."""
    wanted = select(work.c.public_id).join(job).where(job.c.ended_at.is_not(None)).order_by(work.c.id.desc())
    with sqlite_engine(path, read_only=True).connect() as connection:
        job_id = connection.execute(wanted.limit(1)).scalar_one()
    numbers = count()
    address = f"/ps/v1/print/jobs/{job_id}?comment="
    return lambda: request(f"{address}{next(numbers)}", token, "Content-Length: 0", method="PUT")
