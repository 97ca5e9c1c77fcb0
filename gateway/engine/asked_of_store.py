"""What a decision needs from the store besides the working state: jobs that are over, public ids in use, and
what a request with the same Idempotency-Key was answered before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.domain.commands import AddFile, Command, CommandRefused, JudgeJob, Refusal, SubmitJob
from gateway.domain.job_moves import find_by_key
from gateway.domain.observations import DriverAttached, Observation, PrinterObserved
from gateway.domain.schedule_commands import RunSchedule
from gateway.domain.state import Draft
from gateway.domain.task_commands import AddTask
from gateway.engine.ports import Journal, Queries, StoreUnavailable

#: Commands that may carry an Idempotency-Key.
_Named = SubmitJob | AddFile | AddTask | RunSchedule


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


async def repeated_answer(
    draft: Draft, given: Command | Observation, journal: Journal, queries: Queries
) -> Any:
    """What the same Idempotency-Key answered before; None if it was not used, or there is none.

    Raises CommandRefused when it was used for another request, StoreUnavailable.
    """
    if not isinstance(given, _Named) or given.idempotency is None:
        return None
    asked = given.idempotency
    member_id = given.file.member_id if isinstance(given, AddFile) else given.member_id
    found = await journal.find_idempotent(member_id, asked.key)
    for member, idempotency, answer_id in draft.idempotency_rows:
        if member == member_id and idempotency.key == asked.key:
            found = idempotency, answer_id
    if found is None:
        return None
    first, answer_id = found
    if first.fingerprint != asked.fingerprint:
        raise CommandRefused(
            Refusal.INVALID,
            "this Idempotency-Key was used for another request; use a new key for a new request",
        )
    return await _answer_with(draft, given, answer_id, queries)


async def _answer_with(draft: Draft, asked: _Named, answer_id: str, queries: Queries) -> Any:
    """What was created then, as it is now."""
    if isinstance(asked, AddFile):
        file = next((file for file in draft.file_rows if file.file_id == answer_id), None)
        return file or await queries.file(answer_id)
    if isinstance(asked, AddTask):
        tasks = (*draft.task_rows.values(), *draft.tasks.values())
        task = next((task for task in tasks if task.task_id == answer_id), None)
        return task or await queries.task(task_id=answer_id)
    if isinstance(asked, RunSchedule):
        actions = (*draft.action_rows.values(), *draft.actions.values())
        action = next((action for action in actions if action.action_id == answer_id), None)
        return action or await queries.action(action_id=answer_id)
    job = next((job for job in draft.jobs.values() if job.job_id == answer_id), None)
    return job or await queries.job(answer_id)
