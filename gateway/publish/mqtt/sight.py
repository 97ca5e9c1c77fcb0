"""One printer as the broker is told of it: what is known now, and the one word for it.

The word is a total function of what is known, in this order:

    silent, not connected, or never heard          offline
    the machine says that it has an error          error
    a job is there    held (a person must look)    error
                      sent, received               preparing
                      being canceled, or all of
                      its file is done             finishing
                      printing, paused             the same
    no job            busy, or a print that is
                      nobody's job (yet)           busy_other
                      ready, plate not cleared
                      since the last print         finished, failed, cancelled: how that ended
                      ready                        idle
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from gateway.domain.job import Job, JobStatus
from gateway.domain.observations import Activity
from gateway.domain.printer import Plate, Presence, Printer


class Word(StrEnum):
    """What a printer does, in the words that are the same for every kind of printer."""

    OFFLINE = "offline"
    IDLE = "idle"
    PREPARING = "preparing"
    PRINTING = "printing"
    PAUSED = "paused"
    FINISHING = "finishing"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ERROR = "error"
    BUSY_OTHER = "busy_other"


class Action(StrEnum):
    """What can be asked for over MQTT. Never a start."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"


_OF_JOB: Final[Mapping[JobStatus, Word]] = MappingProxyType(
    {
        JobStatus.SENT: Word.PREPARING,
        JobStatus.RECEIVED: Word.PREPARING,
        JobStatus.PRINTING: Word.PRINTING,
        JobStatus.PAUSED: Word.PAUSED,
    }
)
_OF_END: Final[Mapping[JobStatus, Word]] = MappingProxyType(
    {
        JobStatus.COMPLETED: Word.FINISHED,
        JobStatus.FAILED: Word.FAILED,
        JobStatus.CANCELED: Word.CANCELLED,
    }
)
_OF_ACTIVITY: Final[Mapping[Activity, Word]] = MappingProxyType(
    {
        Activity.READY: Word.IDLE,
        Activity.BUSY: Word.BUSY_OTHER,
        Activity.PRINTING: Word.BUSY_OTHER,
        Activity.PAUSED: Word.BUSY_OTHER,
        Activity.MAINTENANCE: Word.BUSY_OTHER,
        Activity.ERROR: Word.ERROR,
    }
)


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known of a printer at one moment."""

    printer: Printer
    presence: Presence
    is_offline: bool
    job: Job | None = None  # that has, or may have, the machine
    last: Job | None = None  # the print that ended last there
    queue_length: int = 0  # jobs that wait for it

    def is_same(self, other: Sight) -> bool:
        """Whether nothing of what is known was replaced since: by identity, it is asked every second."""
        return (
            self.presence is other.presence
            and self.job is other.job
            and self.printer is other.printer
            and self.last is other.last
            and self.is_offline is other.is_offline
            and self.queue_length == other.queue_length
        )

    @property
    def word(self) -> Word:
        """What it does: the table above."""
        activity = self.presence.activity
        if self.is_offline or activity is None:
            return Word.OFFLINE
        if activity is Activity.ERROR:
            return Word.ERROR
        if self.job is not None:
            return _word_of(self.job)
        if activity is not Activity.READY or self.presence.print_key is not None:
            return Word.BUSY_OTHER if activity is Activity.READY else _OF_ACTIVITY[activity]
        if self.last is not None and self.printer.plate is Plate.OCCUPIED:
            return _OF_END.get(self.last.status, Word.IDLE)
        return Word.IDLE

    @property
    def shown_job(self) -> Job | None:
        """The job that the word is about; None: it is about none."""
        if self.job is not None:
            return self.job
        return self.last if self.word in _OF_END.values() else None

    @property
    def trouble(self) -> str | None:
        """What a person should know or do, in words; None: nothing."""
        seen = self.presence
        if self.is_offline:
            return seen.link_reason or "nothing was heard of it for a while"
        if seen.alarms:
            return seen.alarms[0].message
        if self.job is not None and self.job.is_held:
            return self.job.message or "somebody must look at the machine"
        if seen.activity is Activity.ERROR:
            return seen.message or "the printer reports an error"
        return seen.obstacle

    @property
    def possible(self) -> tuple[Action, ...]:
        """What can be asked for now, as far as the state tells; the engine decides when it is asked."""
        job = self.job
        if self.is_offline or job is None or job.is_stopping:
            return ()
        if not self.printer.is_of_owners_time(job.work_id):
            return ()
        if job.is_held or job.status not in (JobStatus.PRINTING, JobStatus.PAUSED):
            return (Action.CANCEL,)
        first = Action.PAUSE if job.status is JobStatus.PRINTING else Action.RESUME
        return (first, Action.CANCEL)


def _word_of(job: Job) -> Word:
    if job.is_held:
        return Word.ERROR
    is_done = job.status is JobStatus.PRINTING and (job.progress or 0.0) >= 1.0
    if job.is_stopping or is_done:
        return Word.FINISHING
    return _OF_JOB[job.status]
