"""What a driver in the gateway's own process is told at start: the prints that the former one left.

Also the names by which such drivers know prints again: printers that print by themselves go on while nobody
watches, and say afterwards what they had.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.domain.job import Job, JobStatus
from gateway.domain.observations import PrintPhase

#: Bambu's firmware (P1S) clamps larger numbers and then takes the job for the one before.
MOST_MARK: Final = 2**31 - 1
_NATIVE: Final = uuid.UUID("6f0c2d1e-6a0b-5b0e-9d53-0f6f0d2f7c11")  # RFC 9562 5.5: a name space of our own
_PHASES: Final = {
    JobStatus.RECEIVED: PrintPhase.STARTING,
    JobStatus.PRINTING: PrintPhase.PRINTING,
    JobStatus.PAUSED: PrintPhase.PAUSED,
}


@dataclass(frozen=True, slots=True)
class LeftPrint:
    """A print that was on a printer, or on its way there, when the former gateway process ended."""

    key: str
    is_local: bool
    phase: PrintPhase | None  # None: sent, nothing proved that it arrived
    is_held: bool  # somebody was asked to look already
    name: str
    file_name: str | None  # as the machine said it, for a local one
    progress: float | None
    message: str | None
    started_at: datetime | None


def left_phase(job: Job) -> PrintPhase | None:
    """Where its print was when somebody last knew; None: nothing proved that it arrived."""
    phase = _PHASES.get(job.status)
    return PrintPhase.HELD if job.is_held and phase is not None else phase


def left_print(job: Job) -> LeftPrint | None:
    """What a driver has to know of a job that is not over; None for one that is on no printer."""
    if not job.is_on_printer or job.print_key is None:
        return None
    return LeftPrint(
        key=job.print_key,
        is_local=job.is_local,
        phase=left_phase(job),
        is_held=job.is_held,
        name=job.name,
        file_name=job.file_name,
        progress=job.progress,
        message=job.message if job.is_held else None,
        started_at=job.started_at,
    )


def mark_number(key: str) -> int:
    """The mark of a start for printers that take a number: 1 to MOST_MARK, told by the attempt's mark alone.

    The attempt's mark is committed before anything is sent, and with it this number.
    """
    return uuid.UUID(key).int % MOST_MARK + 1


def native_key(printer: str, native_id: str) -> str:
    """The key of a print nobody ordered, from what its printer calls it: the same after every restart.

    `native_id` has all that tells it from the printer's other prints, such as a counter and its start time.
    """
    return f"local-{uuid.uuid5(_NATIVE, f'{printer}/{native_id}')}"
