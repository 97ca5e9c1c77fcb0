"""Which waiting job starts on which printer, and why the others wait. One pure function for one and for many.

Start rule: a job is started only on a printer that is enabled, linked, ready, with nothing on the machine,
no job that has or may have it, no command of its own under way that moves or restarts it, nothing its driver
names as an obstacle, and a plate confirmed clear. The oldest job that waits for it goes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from gateway.domain.call_in import CALL_IN_DRIVER, EXCLUSIVE_COMMANDS
from gateway.domain.commands import PrinterCommand
from gateway.domain.job import Job, JobStatus
from gateway.domain.observations import Activity, LinkState
from gateway.domain.printer import Plate, Presence, Printer


class Standing(Protocol):
    """What the decision looks at: a State, or a Draft over one."""

    @property
    def printers(self) -> Mapping[int, Printer]:
        """By printer_id."""

    @property
    def presence(self) -> Mapping[int, Presence]:
        """By printer_id."""

    @property
    def jobs(self) -> Mapping[int, Job]:
        """Those not over, by work_id."""

    @property
    def commands(self) -> Mapping[str, PrinterCommand]:
        """Those not answered, by task_id."""

    @property
    def refused_until(self) -> Mapping[int, float]:
        """By printer_id, monotonic seconds."""


def assign(standing: Standing, now: float) -> list[tuple[Printer, Job]]:
    """The starts that are due at monotonic `now`: at most one a printer, oldest job first."""
    free = _free_printers(standing, now)
    starts: list[tuple[Printer, Job]] = []
    if not free:
        return starts
    for job in sorted(standing.jobs.values(), key=lambda job: job.work_id):
        if job.status is JobStatus.QUEUED and job.printer_id in free:
            starts.append((free.pop(job.printer_id), job))
    return starts


def _free_printers(standing: Standing, now: float) -> dict[int | None, Printer]:
    taken = {job.printer_id for job in standing.jobs.values() if job.is_on_printer}
    taken |= {command.printer_id for command in standing.commands.values() if _is_exclusive(command)}
    return {
        printer.printer_id: printer
        for printer in standing.printers.values()
        if printer.printer_id not in taken
        and obstacle(printer, standing.presence.get(printer.printer_id, Presence())) is None
        and standing.refused_until.get(printer.printer_id, now) <= now
    }


def _is_exclusive(command: PrinterCommand) -> bool:
    return command.command.lower() in EXCLUSIVE_COMMANDS


def hindrance(standing: Standing, printer: Printer, member_id: str, now: float) -> str | None:
    """Why no job of this member can start there at monotonic `now`, for people; None: one can."""
    return (
        _occupation(standing, printer, member_id)
        or obstacle(printer, standing.presence.get(printer.printer_id, Presence()))
        or (
            f"{printer.shown_name} refused a start a moment ago; try again in some seconds"
            if standing.refused_until.get(printer.printer_id, now) > now
            else None
        )
    )


def holder_of(standing: Standing, printer: Printer) -> Job | None:
    """The job that has, or may have, the machine."""
    return _first(j for j in standing.jobs.values() if j.is_on_printer and j.printer_id == printer.printer_id)


def hold(standing: Standing, printer: Printer) -> str | None:
    """Why a person must look at the machine, and what to do then; None: nothing is held.

    For everybody who may stand before it: no word of whose print it is, or what.
    """
    holder = holder_of(standing, printer)
    if holder is None or not holder.is_held:
        return None
    if printer.is_of_owners_time(holder.work_id):
        return (
            f"nobody knows how a print on {printer.shown_name} ended: look at the machine; "
            "whose print it is, or who owns the printer, says it (`print-gateway jobs resolve`)"
        )
    return (
        f"nobody knows how a print ended that {printer.shown_name} had with its former owner: look at the "
        f"machine, clear its plate, then `print-gateway printers ready {printer.typed_name}`"
    )


def _occupation(standing: Standing, printer: Printer, member_id: str) -> str | None:
    """What else the gateway has the printer do, or may have it do; prints of others have no name."""
    holder = holder_of(standing, printer)
    if holder is not None:
        is_own = holder.member_id == member_id and printer.is_of_owners_time(holder.work_id)
        if not is_own:
            return hold(standing, printer) or f"{printer.shown_name} has another member's print"
        if holder.is_held:
            return f"{printer.shown_name} holds {holder.name!r}, which needs a person: {holder.message}"
        return f"{printer.shown_name} has {holder.name!r}"
    for command in standing.commands.values():
        if command.printer_id == printer.printer_id and _is_exclusive(command):
            return f"{printer.shown_name} was told to {command.command} and has not answered yet"
    return None


def obstacle(printer: Printer, presence: Presence) -> str | None:
    """What keeps a printer from taking a job now, for people, with what to do; None: nothing."""
    name = printer.shown_name
    if not printer.enabled:
        return gone(printer)
    if presence.link is not LinkState.UP:
        return f"{name} is not connected: {presence.link_reason or 'no reason given'}"
    if presence.print_key is not None:
        return f"{name} is printing something else"
    if presence.activity is not Activity.READY:
        said = f" ({presence.message})" if presence.message else ""
        return f"{name} is {presence.activity or 'silent'}{said}"
    if presence.obstacle is not None:
        return f"{name} takes no job now: {presence.obstacle}"
    if printer.plate is Plate.OCCUPIED:
        how = f"clear it, then `print-gateway printers ready {printer.typed_name}`"
        return f"the plate of {name} is not confirmed clear: {how}"
    return None


def gone(printer: Printer) -> str:
    """Why a printer that is not enabled is not, for people."""
    if printer.driver == CALL_IN_DRIVER:
        return f"{printer.shown_name} is not registered any more"
    return f"{printer.shown_name} is not in the configuration any more"


def waiting_for(job: Job, standing: Standing) -> str | None:
    """Why a job that waits has not started, for people; None when it does not wait."""
    if job.status is not JobStatus.QUEUED:
        return job.message if job.status in (JobStatus.CREATED, JobStatus.UNSCHEDULED) else None
    printer = standing.printers.get(job.printer_id or 0)
    if printer is None:
        return "no printer was chosen"
    presence = standing.presence.get(printer.printer_id, Presence())
    return _occupation(standing, printer, job.member_id) or obstacle(printer, presence) or job.message


def _first(jobs: Iterable[Job]) -> Job | None:
    return min(jobs, key=lambda job: job.work_id, default=None)
