"""Which moves of a job are events on the broker: committed events in, one word out.

    sent, received     -> printing, paused     started
    (adopted)                                  adopted
    printing           -> paused               paused
    paused             -> printing             resumed
    on a printer       -> an end               finished, failed, cancelled

A job that is canceled while it waits was never on the printer: that is no event of the printer.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.domain.events import JobAdopted, JobMoved
from gateway.domain.job import ENDS, ON_PRINTER, JobStatus
from gateway.engine.ports import StoredEvent

ADOPTED: Final = "adopted"
_ENDS: Final = {
    JobStatus.COMPLETED: "finished",
    JobStatus.FAILED: "failed",
    JobStatus.CANCELED: "cancelled",
}
_MOVES: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {
        (JobStatus.SENT.value, JobStatus.PRINTING.value): "started",
        (JobStatus.SENT.value, JobStatus.PAUSED.value): "started",
        (JobStatus.RECEIVED.value, JobStatus.PRINTING.value): "started",
        (JobStatus.RECEIVED.value, JobStatus.PAUSED.value): "started",
        (JobStatus.PRINTING.value, JobStatus.PAUSED.value): "paused",
        (JobStatus.PAUSED.value, JobStatus.PRINTING.value): "resumed",
        **{(before.value, end.value): word for before in ON_PRINTER for end, word in _ENDS.items()},
    }
)
EVENT_TYPES: Final = (ADOPTED, "started", "paused", "resumed", *_ENDS.values())
#: Events after which other jobs may be on the printers, or wait for them.
CHANGES_OF_JOBS: Final = frozenset({"job-submitted", "job-adopted", "job-moved", "job-changed"})
_END_WORDS: Final = frozenset(end.value for end in ENDS)


def happened(event: StoredEvent) -> str | None:
    """The word for what a committed event says of a printer's print; None: it says nothing of that kind."""
    if event.kind == JobAdopted.kind:
        return ADOPTED
    if event.kind == JobMoved.kind:
        return _MOVES.get((str(event.details["before"]), str(event.details["status"])))
    return None


def has_ended(event: StoredEvent) -> bool:
    """Whether a print on a printer is over by it."""
    return happened(event) is not None and event.details.get("status") in _END_WORDS
