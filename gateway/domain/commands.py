"""What people and apps ask of the engine: imperative, frozen. Who may ask is decided before (`auth`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gateway.domain.adjustment import Adjustment, HeatLimits
from gateway.domain.call_in_commands import CallInCommand
from gateway.domain.file import StoredFile
from gateway.domain.grant_commands import GrantCommand
from gateway.domain.idempotency import Idempotency
from gateway.domain.job import JobStatus, Verdict
from gateway.domain.member import Key, Member, Organization
from gateway.domain.printer import Plate, PlateClear
from gateway.domain.schedule_commands import ScheduleCommand
from gateway.domain.task_commands import TaskCommand


class Refusal(StrEnum):
    """Why a command was not carried out; each dialect has its own code for it."""

    UNKNOWN = "unknown"  # no such job, printer, file, key
    CONFLICT = "conflict"  # it is in a state that does not allow this
    INVALID = "invalid"  # the request itself makes no sense


class CommandRefused(Exception):
    """The command changed nothing. The text is for people and says what to do next."""

    def __init__(self, refusal: Refusal, message: str) -> None:
        super().__init__(message)
        self.refusal = refusal
        self.message = message


@dataclass(frozen=True, slots=True)
class SubmitJob:
    """Hand in a job. Without a printer or without a file it is `created`, else `queued`. Result: Job."""

    member_id: str
    organization_id: int
    name: str
    app_id: str | None = None
    printer_id: int | None = None
    file: StoredFile | None = None
    printable_url: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    callback_url: str | None = None
    callback_interval: int | None = None  # seconds between updates of a running job
    idempotency: Idempotency | None = None


@dataclass(frozen=True, slots=True)
class StartJob:
    """Start a waiting job now, before others that wait; refused with the reason if it cannot. Result: Job."""

    job_id: str
    member_id: str
    printer_id: int


@dataclass(frozen=True, slots=True)
class ChoosePrinter:
    """Say on which printer a waiting job shall be printed. Result: Job."""

    job_id: str
    member_id: str
    printer_id: int


@dataclass(frozen=True, slots=True)
class ChooseFile:
    """Give a waiting job its file, or where the gateway shall fetch it. Result: Job."""

    job_id: str
    member_id: str
    file: StoredFile | None = None
    printable_url: str | None = None


@dataclass(frozen=True, slots=True)
class FileFetched:
    """The file behind a job's `printable_url` is there. Ignored if the job wants another. Result: None."""

    work_id: int
    printable_url: str
    file: StoredFile


@dataclass(frozen=True, slots=True)
class FileNotFetched:
    """The file behind a job's `printable_url` cannot be had; the job waits for another. Result: None."""

    work_id: int
    printable_url: str
    message: str  # for people: why, and what to do


class Unset(StrEnum):
    """Stands for what a request leaves as it is, where `None` is a value."""

    UNSET = "unset"


@dataclass(frozen=True, slots=True)
class JudgeJob:
    """An app's or a person's verdict on a job that is over, a comment, data of the app's own. Result: Job."""

    job_id: str
    member_id: str
    verdict: Verdict | None = None  # None: as it was
    comment: str | None = None  # None: as it was
    custom_data: Any = Unset.UNSET


@dataclass(frozen=True, slots=True)
class SetCallback:
    """Where to tell the progress of a job that is not over. Result: Job."""

    job_id: str
    member_id: str
    url: str
    interval: int | None = None  # seconds


@dataclass(frozen=True, slots=True)
class WithdrawJob:
    """A printer takes a waiting job out of its queue. Result: Job."""

    job_id: str
    printer_id: int


@dataclass(frozen=True, slots=True)
class PauseJob:
    """Pause the print of a job. Result: PrinterCommand."""

    job_id: str
    member_id: str
    printer_id: int | None = None  # when given, the job must be on this printer


@dataclass(frozen=True, slots=True)
class ResumeJob:
    """Go on with a paused print. Result: PrinterCommand."""

    job_id: str
    member_id: str
    printer_id: int | None = None


@dataclass(frozen=True, slots=True)
class CancelJob:
    """End a job: at once while it waits, by the machine once it has it. Result: PrinterCommand."""

    job_id: str
    member_id: str
    printer_id: int | None = None


@dataclass(frozen=True, slots=True)
class ResolveJob:
    """A person looked at the machine and says how a held job ended. Result: Job."""

    job_id: str
    member_id: str
    outcome: JobStatus  # one of the ends


@dataclass(frozen=True, slots=True)
class RecoverJob:
    """Go on with a held job behind `offset` of its file, as a person confirmed. Result: PrinterCommand."""

    job_id: str
    member_id: str
    position: int  # of the job when it was planned: it must not have moved since
    offset: int  # bytes of the file that are not sent again
    line: int  # printable lines in them
    heat_lines: tuple[str, ...]  # bring the machine back to that place: heat, then movement
    move_lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SetPlate:
    """Confirm the plate clear, or say that it is occupied. Result: Printer."""

    printer_id: int
    plate: Plate
    by: str  # member name


@dataclass(frozen=True, slots=True)
class StopPrinter:
    """Journal an emergency stop that has already been sent. Result: PrinterCommand."""

    printer_id: int
    member_id: str
    task_id: str


@dataclass(frozen=True, slots=True)
class AdjustPrinter:
    """Change speed, flow, fan, temperatures or height of what a printer does now. Result: PrinterCommand."""

    printer_id: int
    member_id: str
    change: Adjustment


@dataclass(frozen=True, slots=True)
class AnswerPrinter:
    """Press a button of the question that a printer asks. Result: PrinterCommand."""

    printer_id: int
    member_id: str
    choice: int  # 0-based


@dataclass(frozen=True, slots=True)
class TellPrinter:
    """A command in the printer's own words, for drivers that pass them on. Result: PrinterCommand."""

    printer_id: int
    member_id: str
    command: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    job_id: str | None = None  # of a job on the printer that the caller may command, where it is about one


@dataclass(frozen=True, slots=True)
class PrinterSetting:
    """One `[[printers]]` entry of the configuration."""

    name: str
    driver: str
    owner: str  # member name
    plate_clear: PlateClear
    link: str
    heat_limits: HeatLimits = field(default_factory=HeatLimits)


@dataclass(frozen=True, slots=True)
class ConfigurePrinters:
    """The configuration's printers, at start. Result: None."""

    printers: tuple[PrinterSetting, ...]


@dataclass(frozen=True, slots=True)
class AddMember:
    """Result: Member."""

    member: Member


@dataclass(frozen=True, slots=True)
class AddOrganization:
    """Result: Organization."""

    organization: Organization


@dataclass(frozen=True, slots=True)
class AddKey:
    """Result: Key. The secret was made and hashed by the caller."""

    key: Key


@dataclass(frozen=True, slots=True)
class RevokeKey:
    """Result: Key."""

    key_id: str


@dataclass(frozen=True, slots=True)
class AddFile:
    """Record an upload whose content is already in the file store. Result: StoredFile."""

    file: StoredFile
    idempotency: Idempotency | None = None


Command = (
    SubmitJob
    | PauseJob
    | ResumeJob
    | CancelJob
    | ResolveJob
    | RecoverJob
    | SetPlate
    | StopPrinter
    | AdjustPrinter
    | AnswerPrinter
    | TellPrinter
    | StartJob
    | ChoosePrinter
    | ChooseFile
    | FileFetched
    | FileNotFetched
    | JudgeJob
    | SetCallback
    | WithdrawJob
    | AddOrganization
    | ConfigurePrinters
    | AddMember
    | AddKey
    | RevokeKey
    | AddFile
    | CallInCommand
    | GrantCommand
    | TaskCommand
    | ScheduleCommand
)
