"""The print job: its status table, its reasons, its row.

Status says where a job stands in Forge's words; the *set of reasons* beside it (IPP keywords, RFC 8011
5.3.8 and PWG 5100.21) carries the detail. There are few statuses on purpose: "cancel asked for but the
machine still moves" is `printing` + `processing-to-stop-point`; "a person must look" is *held*, a reason too:

    before proof of a start      sent            + job-hold-until-specified
    in mid-print                 printing/paused -> paused + printer-stopped

        created ----> queued ----> sent ----> received ----> printing <----> paused
           |            ^  |        |            |              |               |
           +--------->--+  |        |            |              |               |
                           v        v            v              v               v
                           canceled | failed | completed      (ends: nothing follows)

`queued` follows `sent`, or `received`, again only when a driver *provably* refused the start (nothing moved):
one that puts the file on the printer first has the job `received` while it does. A local job, one started at
the machine, is born in `printing` (or straight in its end, when all of it happened unseen). The verdict
(`successful` or `failed`) is a column of its own, set by an app on a job that has ended, never by a printer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from gateway.domain.observations import Origin


class JobStatus(StrEnum):
    """Forge's job statuses (Forge API 2.2), without the app's verdicts."""

    CREATED = "created"  # no printer or no file yet
    UNSCHEDULED = "unscheduled"  # named by the API, treated as created
    QUEUED = "queued"
    SENT = "sent"  # the start is intended and perhaps ordered; no proof yet
    RECEIVED = "received"  # the driver has it; the machine has executed none of it
    PRINTING = "printing"
    PAUSED = "paused"
    COMPLETED = "completed"  # done on the machine
    FAILED = "failed"
    CANCELED = "canceled"


class Verdict(StrEnum):
    """What a person thought of the result; Forge shows it as the status once it is set."""

    SUCCESSFUL = "successful"
    FAILED = "failed"


class Reason(StrEnum):
    """Job state reasons: IPP keywords (RFC 8011 5.3.8; PWG 5100.21)."""

    INCOMING = "job-incoming"
    HOLD = "job-hold-until-specified"
    RESOURCES_NOT_READY = "resources-are-not-ready"
    PRINTER_STOPPED = "printer-stopped"
    PRINTING = "job-printing"
    TO_STOP_POINT = "processing-to-stop-point"
    CANCELED_BY_USER = "job-canceled-by-user"
    CANCELED_AT_DEVICE = "job-canceled-at-device"
    QUEUED_IN_DEVICE = "queued-in-device"
    ABORTED_BY_SYSTEM = "aborted-by-system"
    SUSPENDED_BY_OPERATOR = "job-suspended-by-operator"  # PWG 5100.7: at the machine
    SUSPENDED_BY_SYSTEM = "job-suspended-by-system"  # the machine waits for somebody
    MEDIA_EMPTY = "media-empty"  # a printer's reason (RFC 8011 5.4.12): the filament ran out
    COMPLETED_SUCCESSFULLY = "job-completed-successfully"
    COMPLETED_WITH_ERRORS = "job-completed-with-errors"


S = JobStatus
ENDS = frozenset({S.COMPLETED, S.FAILED, S.CANCELED})
WAITING = frozenset({S.CREATED, S.UNSCHEDULED, S.QUEUED})
ON_PRINTER = frozenset({S.SENT, S.RECEIVED, S.PRINTING, S.PAUSED})
#: Jobs of one member that wait: a machine prints a dozen a day. All of them are in memory.
WAITING_KEPT = 2000
HOLD_REASONS = frozenset({Reason.HOLD, Reason.PRINTER_STOPPED})

#: From -> where to. Anything else is an IllegalMove. The diagram above is this table.
MOVES: Mapping[JobStatus, frozenset[JobStatus]] = MappingProxyType(
    {
        S.CREATED: frozenset({S.QUEUED, S.CANCELED, S.FAILED}),
        S.UNSCHEDULED: frozenset({S.QUEUED, S.CANCELED, S.FAILED}),
        S.QUEUED: frozenset({S.CREATED, S.SENT, S.CANCELED, S.FAILED}),
        S.SENT: ON_PRINTER | ENDS | {S.QUEUED},
        S.RECEIVED: (ON_PRINTER - {S.SENT}) | ENDS | {S.QUEUED},
        S.PRINTING: frozenset({S.PRINTING, S.PAUSED}) | ENDS,
        S.PAUSED: frozenset({S.PRINTING, S.PAUSED}) | ENDS,
        S.COMPLETED: frozenset(),
        S.FAILED: frozenset(),
        S.CANCELED: frozenset(),
    }
)


class IllegalMove(Exception):
    """A status change the table does not know. Ours to fix, never a user's mistake."""


@dataclass(frozen=True, slots=True)
class Job:
    """One print job, whoever started it. Instants are aware UTC datetimes."""

    work_id: int  # the row in `work`; also the order of submission
    job_id: str  # public id, UUID
    name: str
    member_id: str  # who owns it: the submitter, or the printer's owner for a local job
    organization_id: int
    created_at: datetime
    status: JobStatus
    status_at: datetime
    app_id: str | None = None
    printer_id: int | None = None
    reasons: frozenset[Reason] = frozenset()
    verdict: Verdict | None = None
    is_local: bool = False
    origin: Origin | None = None  # who started a local one; None: nobody could tell
    print_key: str | None = None  # identity of the print on the machine: attempt's mark or driver's key
    attempts: int = 0
    file_sha256: str | None = None  # pins the file
    file_name: str | None = None
    file_size: int | None = None  # bytes
    printable_id: str | None = None  # URN, Forge
    printable_url: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)  # an app's; the printer's job_data, if local
    comment: str | None = None
    custom_data: Any = None
    message: str | None = None  # for people: why it is where it is, what to do
    error_code: int | None = None
    progress: float | None = None  # 0..1, last known
    position: int | None = None  # bytes of the file the machine has accepted
    line: int | None = None  # last acknowledged printable line
    reported: Mapping[str, Any] | None = None  # what else its printer last said of it
    callback_url: str | None = None
    callback_interval: int | None = None  # seconds between updates while it runs
    started_at: datetime | None = None  # first proof of printing
    ended_at: datetime | None = None
    member_ordinal: int = 0  # dense, 0-based number among the member's jobs: makes deep pages cheap
    version: int = 1  # grows with every committed change; the ETag

    @property
    def is_over(self) -> bool:
        """Whether nothing can happen on the machine any more."""
        return self.status in ENDS

    @property
    def is_on_printer(self) -> bool:
        """Whether it has, or may have, the machine."""
        return self.status in ON_PRINTER

    @property
    def is_held(self) -> bool:
        """Whether a person must look at the machine before this job goes anywhere."""
        return self.is_on_printer and bool(self.reasons & HOLD_REASONS)

    @property
    def is_stopping(self) -> bool:
        """Whether a cancel was asked for and the machine has not finished it."""
        return Reason.TO_STOP_POINT in self.reasons

    @property
    def shown_origin(self) -> Origin:
        """Who started it."""
        return self.origin or (Origin.UNKNOWN if self.is_local else Origin.GATEWAY)

    @property
    def shown_status(self) -> str:
        """The one word Forge shows: the verdict once it is set, the status before."""
        return (self.verdict or self.status).value

    def moved(
        self,
        to: JobStatus,
        now: datetime,
        *,
        reasons: frozenset[Reason] = frozenset(),
        message: str | None = None,
    ) -> Job:
        """The job after one step of the table; raises IllegalMove for a step it does not know."""
        if to not in MOVES[self.status]:
            raise IllegalMove(f"job {self.job_id}: {self.status} -> {to} is not in the table")
        started = self.started_at or (now if to in (S.PRINTING, S.PAUSED) else None)
        return replace(
            self,
            status=to,
            status_at=now,
            reasons=reasons,
            message=message,
            started_at=started,
            ended_at=now if to in ENDS else None,
        )


class AttemptResult(StrEnum):
    """How one try to print a job ended."""

    REFUSED = "refused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to print a job: the intent is committed before anything is sent."""

    work_id: int
    number: int  # 1-based per job
    printer_id: int
    mark: str  # UUID; the driver's key for this print
    intended_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    result: AttemptResult | None = None
    line: int | None = None  # last line the machine took
    position: int | None = None  # bytes
    message: str | None = None
