"""What a decision needs from the store besides the working state: jobs that are over, public ids in use."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.domain.commands import Command, JudgeJob
from gateway.domain.following import find_by_key
from gateway.domain.observations import DriverAttached, Observation, PrinterObserved
from gateway.domain.state import Draft
from gateway.engine.ports import Queries, StoreUnavailable


async def look_up(draft: Draft, given: Command | Observation, queries: Queries) -> None:
    """Bring into the draft what the store has of the jobs that this input names and memory does not.

    Raises StoreUnavailable for a command. An observation waits for no disk: an id that could not be looked
    up counts as used.
    """
    for job_id in set(_named(draft, given)):
        if draft.job_with_id(job_id) is not None or job_id in draft.stored_jobs:
            continue
        try:
            draft.stored_jobs[job_id] = await queries.job(job_id)
        except StoreUnavailable:
            if isinstance(given, JudgeJob):
                raise


def _named(draft: Draft, given: Command | Observation) -> Iterator[str]:
    if isinstance(given, JudgeJob):
        yield given.job_id
    elif isinstance(given, PrinterObserved):
        for report in (given.current, *given.ended):
            if report is not None and report.job_id is not None and _is_new(draft, report.key):
                yield report.job_id
    elif isinstance(given, DriverAttached):
        for seen in given.printers:
            yield from _named(draft, seen)


def _is_new(draft: Draft, key: str) -> bool:
    """Whether the print will become a job."""
    return key not in draft.ended_keys and find_by_key(draft, key) is None
