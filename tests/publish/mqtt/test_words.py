"""The one word for a printer: every combination of what can be known has one, and it is the table's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest

from gateway.domain.job import ENDS, ON_PRINTER, WAITING, Job, JobStatus, Reason
from gateway.domain.observations import Activity, Alarm
from gateway.domain.printer import Plate
from gateway.engine.ports import StoredEvent
from gateway.publish.mqtt.happenings import EVENT_TYPES, happened
from gateway.publish.mqtt.sight import Action, Sight, Word
from tests.support.stand import START, printer, ready

S, A, W = JobStatus, Activity, Word


def a_job(status: JobStatus, *reasons: Reason, progress: float | None = None) -> Job:
    job = Job(1, "j", "benchy", "M", 1, START, status, START, printer_id=1, print_key="k", progress=progress)
    return replace(job, reasons=frozenset(reasons))


def a_sight(
    activity: Activity | None = A.READY,
    job: Job | None = None,
    last: Job | None = None,
    plate: Plate = Plate.OCCUPIED,
    key: str | None = None,
    *,
    is_offline: bool = False,
) -> Sight:
    presence = ready(activity=activity, print_key=key)
    return Sight(printer(plate=plate), presence, is_offline, job=job, last=last)


JOBS: list[Job | None] = [
    None,
    *(
        a_job(status, *reasons, progress=progress)
        for status in sorted(ON_PRINTER)
        for reasons in ((), (Reason.TO_STOP_POINT,), (Reason.HOLD,), (Reason.PRINTER_STOPPED,))
        for progress in (None, 0.5, 1.0)
    ),
]
LASTS: list[Job | None] = [None, *(a_job(status) for status in sorted(ENDS))]


def everything() -> Iterator[Sight]:
    for activity, job, last, plate, key, is_offline in product(
        [None, *Activity], JOBS, LASTS, Plate, (None, "k"), (False, True)
    ):
        yield a_sight(activity, job, last, plate, key, is_offline=is_offline)


def expected(sight: Sight) -> Word:
    """The table again, by its columns."""
    job, activity = sight.job, sight.presence.activity
    if sight.is_offline or activity is None:
        return W.OFFLINE
    if activity is A.ERROR or (job is not None and job.is_held):
        return W.ERROR
    if job is not None:
        if job.is_stopping or (job.status is S.PRINTING and job.progress == 1.0):
            return W.FINISHING
        return {S.SENT: W.PREPARING, S.RECEIVED: W.PREPARING, S.PRINTING: W.PRINTING, S.PAUSED: W.PAUSED}[
            job.status
        ]
    if activity is not A.READY or sight.presence.print_key:
        return W.BUSY_OTHER
    if sight.last is not None and sight.printer.plate is Plate.OCCUPIED:
        return {S.COMPLETED: W.FINISHED, S.FAILED: W.FAILED, S.CANCELED: W.CANCELLED}[sight.last.status]
    return W.IDLE


def test_every_combination_has_the_word_of_the_table() -> None:
    seen = {sight.word for sight in everything() if sight.word is expected(sight) or pytest.fail(str(sight))}
    assert seen == set(Word)


def test_what_is_possible_fits_the_word() -> None:
    for sight in everything():
        allowed = set(sight.possible)
        assert (Action.PAUSE in allowed) <= (sight.job is not None and sight.job.status is S.PRINTING)
        assert (Action.RESUME in allowed) <= (sight.job is not None and sight.job.status is S.PAUSED)
        assert not (allowed and (sight.is_offline or sight.job is None or sight.job.is_stopping))
        assert sight.job is None or not sight.job.is_held or allowed <= {Action.CANCEL}


def test_a_job_of_a_former_owner_is_not_commanded() -> None:
    sight = a_sight(A.PRINTING, a_job(S.PRINTING))
    assert sight.possible == (Action.PAUSE, Action.CANCEL)
    assert replace(sight, printer=printer(jobs_from=2)).possible == ()


@pytest.mark.parametrize(
    ("sight", "trouble"),
    [
        (a_sight(), None),
        (a_sight(is_offline=True), "nothing was heard of it for a while"),
        (a_sight(A.ERROR), "the printer reports an error"),
        (a_sight(job=a_job(S.PAUSED, Reason.PRINTER_STOPPED)), "somebody must look at the machine"),
    ],
)
def test_trouble_is_told_in_words(sight: Sight, trouble: str | None) -> None:
    assert sight.trouble == trouble


def test_heat_that_alarms_is_told_first() -> None:
    alarm = Alarm("idle-heat", "the bed is hot and nothing prints")
    assert replace(a_sight(A.ERROR), presence=ready(alarms=(alarm,))).trouble == alarm.message


def moved(before: JobStatus, status: JobStatus) -> StoredEvent:
    details = {"before": before.value, "status": status.value}
    return StoredEvent(1, "job-moved", START, 1, "M", 1, 1, details)


def test_every_move_of_a_print_is_one_event_or_none() -> None:
    words = {(before, status): happened(moved(before, status)) for before, status in product(S, S)}
    assert {word for word in words.values() if word} == set(EVENT_TYPES) - {"adopted"}
    assert {word for (before, _), word in words.items() if before in WAITING | ENDS} == {None}
    ends = {S.COMPLETED: "finished", S.FAILED: "failed", S.CANCELED: "cancelled"}
    assert all(words[before, end] == word for before in ON_PRINTER for end, word in ends.items())
    assert words[S.PAUSED, S.PRINTING] == "resumed"
    assert words[S.SENT, S.RECEIVED] is None
    assert words[S.PRINTING, S.PRINTING] is None
