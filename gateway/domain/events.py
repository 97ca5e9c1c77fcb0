"""What happened: frozen facts in the past tense. Each durable one becomes a row with a sequence number.

Their common fields say whom an event concerns (`subjects`), so that a stream can show it to the right people:
the printer's owner, the job's member, the organization's admin.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Event:
    """The common part. `kind` is the class's name in lower case with hyphens."""

    kind: ClassVar[str] = "event"
    at: datetime
    organization_id: int | None
    member_id: str | None
    printer_id: int | None
    work_id: int | None

    def details(self) -> dict[str, Any]:
        """The event's own fields, ready for JSON."""
        common = {"at", "organization_id", "member_id", "printer_id", "work_id"}
        return {name: value for name, value in asdict(self).items() if name not in common}


@dataclass(frozen=True, slots=True)
class JobSubmitted(Event):
    """An app handed in a job."""

    kind = "job-submitted"
    job_id: str
    name: str
    status: str


@dataclass(frozen=True, slots=True)
class JobAdopted(Event):
    """A print that nobody ordered was seen on a machine and became a local job of the printer's owner."""

    kind = "job-adopted"
    job_id: str
    name: str
    status: str


@dataclass(frozen=True, slots=True)
class JobMoved(Event):
    """A job's status or its reasons changed."""

    kind = "job-moved"
    job_id: str
    before: str
    status: str
    reasons: tuple[str, ...]
    message: str | None


@dataclass(frozen=True, slots=True)
class JobProgressed(Event):
    """Progress of a running job. Not durable: shown to who listens now, never stored as an event."""

    kind = "job-progressed"
    job_id: str
    progress: float | None
    position: int | None
    line: int | None
    layer: int | None = None  # by the printer's own word (outlook)
    layers: int | None = None
    seconds_left: int | None = None


@dataclass(frozen=True, slots=True)
class PlateChanged(Event):
    """A plate was confirmed clear, or became occupied."""

    kind = "plate-changed"
    printer: str
    plate: str
    by: str  # member name, or what moved


@dataclass(frozen=True, slots=True)
class PrinterChanged(Event):
    """The link or the printer's own status changed."""

    kind = "printer-changed"
    printer: str
    link: str
    activity: str | None
    message: str | None


@dataclass(frozen=True, slots=True)
class PrinterConfigured(Event):
    """A printer was added, changed or disabled by the configuration."""

    kind = "printer-configured"
    printer: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class CommandGiven(Event):
    """Somebody told a printer to do something."""

    kind = "command-given"
    task_id: str
    command: str


@dataclass(frozen=True, slots=True)
class CommandAnswered(Event):
    """What became of it."""

    kind = "command-answered"
    task_id: str
    command: str
    state: str
    message: str | None


@dataclass(frozen=True, slots=True)
class MemberAdded(Event):
    """A member joined."""

    kind = "member-added"
    name: str


@dataclass(frozen=True, slots=True)
class KeyCreated(Event):
    """A key was made; its secret was shown once."""

    kind = "key-created"
    key_id: str
    name: str


@dataclass(frozen=True, slots=True)
class KeyRevoked(Event):
    """A key stopped working."""

    kind = "key-revoked"
    key_id: str
    name: str


@dataclass(frozen=True, slots=True)
class FileAdded(Event):
    """A print file was stored."""

    kind = "file-added"
    file_id: str
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class JobChanged(Event):
    """A job got a printer, a file, a verdict, a comment or a callback; its status may be as it was."""

    kind = "job-changed"
    job_id: str
    status: str
    what: str  # printer, file, verdict, comment (or data of the app's own), callback


@dataclass(frozen=True, slots=True)
class PrinterContacted(Event):
    """A printer called for the first time, or asked for a code again."""

    kind = "printer-contacted"
    printer: str
    is_new: bool


@dataclass(frozen=True, slots=True)
class PrinterRegistered(Event):
    """A code was typed in: the printer has an owner, or one more member."""

    kind = "printer-registered"
    printer: str
    registration: str  # primary, secondary


@dataclass(frozen=True, slots=True)
class PrinterUnregistered(Event):
    """The owner gave the printer up, or a member left it."""

    kind = "printer-unregistered"
    printer: str
    registration: str  # primary, secondary


@dataclass(frozen=True, slots=True)
class OrganizationAdded(Event):
    """There is a new organization."""

    kind = "organization-added"
    name: str
