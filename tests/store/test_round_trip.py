"""Whatever becomes of jobs: the rows add up to the state, totals to a count, pages to the jobs."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.job import ENDS, MOVES, ON_PRINTER, Job, JobStatus, Reason, Verdict
from gateway.domain.state import Draft, State
from gateway.store.database import Database
from gateway.store.journal import Journal
from gateway.store.migrate import check
from gateway.store.queries import Queries
from tests.store.stand import ANA, BEN, CLEO, MK3, START, Ids, SetClock, draft, new_job, peopled

MEMBERS = (ANA, BEN, CLEO)
#: (what, which member or job, where to, commit behind it)
STEP = st.tuples(
    st.sampled_from(["submit", "adopt", "move", "move", "move", "hold", "judge", "progress"]),
    st.integers(0, 30),
    st.sampled_from(sorted(JobStatus)),
    st.booleans(),
)


def take(made: Draft, everything: dict[int, Job], what: str, which: int, to: JobStatus) -> None:
    """One change, if it is possible now."""
    if what in ("submit", "adopt"):
        local: dict[str, Any] = {
            "is_local": True,
            "status": JobStatus.PRINTING,
            "print_key": made.moment.new_id(),
        }
        job = new_job(made, MEMBERS[which % 3], **(local if what == "adopt" else {}))
        everything[job.work_id] = job
        return
    job = everything[1 + which % len(everything)] if everything else None  # type: ignore[assignment]
    if job is None or (changed := changes_of(job, what, to, made)) is None:
        return
    changed = made.put_job(changed)
    everything[job.work_id] = changed
    if changed.is_over and not job.is_over and changed.print_key:
        made.ended_keys[changed.print_key] = changed.work_id


def changes_of(job: Job, what: str, to: JobStatus, made: Draft) -> Job | None:
    if what == "judge":
        return replace(job, verdict=Verdict.FAILED) if job.is_over else None
    if job.is_over:
        return None
    if what == "progress":
        return replace(job, progress=0.5, position=(job.position or 0) + 1)
    if what == "hold":
        return replace(job, reasons=frozenset({Reason.HOLD})) if job.is_on_printer else None
    if to not in MOVES[job.status] or (to in ON_PRINTER and not job.is_on_printer and is_taken(made)):
        return None
    key = made.moment.new_id() if to is JobStatus.SENT else job.print_key
    return replace(
        job.moved(to, START, reasons=job.reasons if to in ON_PRINTER else frozenset()), print_key=key
    )


def is_taken(made: Draft) -> bool:
    return any(other.printer_id == MK3.printer_id and other.is_on_printer for other in made.jobs.values())


async def live(path: Path, steps: list[tuple[str, int, JobStatus, bool]]) -> None:
    ids = Ids()
    url = f"sqlite:///{path}"
    database = Database(url)
    try:
        journal, queries = Journal(database, ids.hex, SetClock()), Queries(database)
        state = await journal.load()
        made = peopled(state, ids)
        everything: dict[int, Job] = {}
        for what, which, to, commits in steps:
            take(made, everything, what, which, to)
            if commits:
                await journal.commit(made)
                made.apply()
                made = draft(state, ids)
        await journal.commit(made)
        made.apply()
        assert await journal.load() == state
        await agree(queries, everything, state)
        assert check(url) == ()
    finally:
        database.close()


async def agree(queries: Queries, everything: dict[int, Job], state: State) -> None:
    """Every list against the plain definition of what it shows."""
    shown = [frozenset(), frozenset({"queued"}), frozenset({"queued", "printing", "failed"}), frozenset(ENDS)]
    for statuses in shown:
        for member_id in (None, ANA.member_id):
            for printer_id in (None, MK3.printer_id):
                for organization_id in (None, 1):
                    wanted = [
                        job
                        for job in everything.values()
                        if (member_id is None or job.member_id == member_id)
                        and (printer_id is None or job.printer_id == printer_id)
                        and (organization_id is None or job.organization_id == organization_id)
                        and (not statuses or job.shown_status in statuses)
                    ]
                    for limit, offset in ((None, 0), (2, 1)):
                        page = await queries.jobs(
                            member_id=member_id,
                            printer_id=printer_id,
                            organization_id=organization_id,
                            statuses=frozenset(map(str, statuses)),
                            limit=limit,
                            offset=offset,
                        )
                        assert page.total == len(wanted)
                        end = None if limit is None else offset + limit
                        assert list(page.jobs) == wanted[offset:end]


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEP, max_size=40))
def test_any_history_adds_up(fresh_database: Path, steps: list[tuple[str, int, JobStatus, bool]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(live(Path(shutil.copy(fresh_database, Path(folder) / "gateway.db")), steps))
