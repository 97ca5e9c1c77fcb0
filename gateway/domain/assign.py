"""Which waiting work begins on which printer, and why the rest waits. One pure function for one and for many.

Start rule: a job is started only on a printer that is enabled, linked, ready, with nothing on the machine,
no job that has or may have it, no command of its own under way that moves or restarts it, no run of a
schedule and no upload under way, nothing its driver names as an obstacle, and a plate confirmed clear.

A run of a schedule and an upload begin by the same rule, but for the plate: a run needs it clear if its
macro moves the machine, an upload never.

Turns: work ids are given in the order in which work was handed in, and the oldest work goes first.

    job, run      the oldest that can begin. Of those in front of it all wait for the plate, so nothing is
                  taken from them
    upload        only when nothing older waits: it may take an hour, and a plate is cleared in a minute

So a schedule of every minute holds up no job (each run is younger than a job that waits), and a queue of jobs
holds up no run (each later job is younger than it).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from datetime import datetime
from typing import Protocol

from gateway.domain.call_in import CALL_IN_DRIVER, EXCLUSIVE_COMMANDS
from gateway.domain.job import Job, JobStatus
from gateway.domain.observations import Activity, LinkState
from gateway.domain.printer import Plate, Presence, Printer
from gateway.domain.printer_command import PrinterCommand
from gateway.domain.schedule import RUN_MACRO, Action, RunState
from gateway.domain.task import ABORT_UPLOAD, Task, TaskKind, TaskStatus

#: What can begin on a printer.
Work = Job | Action | Task


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
    def actions(self) -> Mapping[int, Action]:
        """Those not over, by work_id."""

    @property
    def tasks(self) -> Mapping[int, Task]:
        """Those not over, by work_id."""

    @property
    def commands(self) -> Mapping[str, PrinterCommand]:
        """Those not answered, by task_id."""

    @property
    def refused_until(self) -> Mapping[int, float]:
        """By printer_id, monotonic seconds."""


def assign(standing: Standing, now: float, wall: datetime) -> list[tuple[Printer, Work]]:
    """What is to begin at monotonic `now`: at most one a printer, the oldest first."""
    waiting = list(_waiting(standing, wall))
    free = _idle_printers(standing, now, {place for work in waiting for place in _places(work)})
    if not free:
        return []
    turns: dict[int, Work] = {}
    in_front: set[int] = set()  # printers where something older waits
    for work in sorted(waiting, key=lambda work: work.work_id):
        for printer_id in _places(work):
            printer = free.get(printer_id)
            if printer is None or printer_id in turns:
                continue
            if _has_its_turn(printer, work, is_oldest=printer_id not in in_front):
                turns[printer_id] = work
            in_front.add(printer_id)
    return [(free[printer_id], work) for printer_id, work in turns.items()]


def _waiting(standing: Standing, wall: datetime) -> Iterator[Work]:
    yield from (job for job in standing.jobs.values() if job.status is JobStatus.QUEUED)
    yield from standing.actions.values()
    yield from (task for task in standing.tasks.values() if uploaded_to(task) and task.is_due(wall))


def _places(work: Work) -> Iterator[int]:
    """The printers on which it waits."""
    if isinstance(work, Action):
        yield from (step.printer_id for step in work.steps if step.state is RunState.WAITING)
    else:
        printer_id = work.printer_id if isinstance(work, Job) else uploaded_to(work)
        if printer_id is not None:
            yield printer_id


def _has_its_turn(printer: Printer, work: Work, *, is_oldest: bool) -> bool:
    if isinstance(work, Task):
        return is_oldest
    return printer.plate is Plate.CLEAR or not needs_plate(work)


def needs_plate(work: Job | Action) -> bool:
    """Whether it moves the machine: then the plate must be clear."""
    if isinstance(work, Job):
        return True
    return work.macro is not None and (work.macro.moves or work.macro.prints)


def uploaded_to(task: Task) -> int | None:
    """The printer that an upload is for; None for other tasks."""
    return int(task.arguments["printer_id"]) if task.kind is TaskKind.PRINTER_UPLOAD else None


def _idle_printers(standing: Standing, now: float, wanted: Set[int]) -> dict[int, Printer]:
    """Those of the wanted on which something may begin, whatever lies on their plates."""
    if not wanted:  # every word of every printer leads here, and mostly nothing waits
        return {}
    taken = {job.printer_id for job in standing.jobs.values() if job.is_on_printer}
    taken |= {command.printer_id for command in standing.commands.values() if _is_exclusive(command)}
    taken |= {uploaded_to(task) for task in standing.tasks.values() if task.status is TaskStatus.RUNNING}
    return {
        printer_id: printer
        for printer_id in wanted - taken
        if (printer := standing.printers.get(printer_id)) is not None
        and unreadiness(printer, standing.presence.get(printer_id, Presence())) is None
        and standing.refused_until.get(printer_id, now) <= now
    }


def _is_exclusive(command: PrinterCommand) -> bool:
    return _is_own(command) or command.command.lower() in EXCLUSIVE_COMMANDS


def _is_own(command: PrinterCommand) -> bool:
    """Whether it belongs to a run or an upload; a printer's own word may be spelled like it."""
    return command.command in (RUN_MACRO, ABORT_UPLOAD) and command.work_id is not None


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
    if holder is None:
        return work_beside(standing, printer)
    is_own = holder.member_id == member_id and printer.is_of_owners_time(holder.work_id)
    if not is_own:
        return hold(standing, printer) or f"{printer.shown_name} has another member's print"
    if holder.is_held:
        return f"{printer.shown_name} holds {holder.name!r}, which needs a person: {holder.message}"
    return f"{printer.shown_name} has {holder.name!r}"


def is_taken(standing: Standing, printer: Printer) -> bool:
    """Whether a job has or may have the machine, or the gateway has it do something else."""
    return holder_of(standing, printer) is not None or work_beside(standing, printer) is not None


def is_at_run(standing: Standing, printer: Printer) -> bool:
    """Whether a schedule's macro was sent to it, or is about to be, and is not answered."""
    return any(
        command.printer_id == printer.printer_id and command.command == RUN_MACRO and _is_own(command)
        for command in standing.commands.values()
    )


def work_beside(standing: Standing, printer: Printer) -> str | None:
    """What the gateway has the printer do besides jobs; None: nothing."""
    for command in standing.commands.values():
        if command.printer_id != printer.printer_id or not _is_exclusive(command):
            continue
        if command.command == RUN_MACRO:
            return f"{printer.shown_name} is at a run of a schedule"
        if command.command == ABORT_UPLOAD:
            return f"{printer.shown_name} is giving up an upload"
        return f"{printer.shown_name} was told to {command.command} and has not answered yet"
    for task in standing.tasks.values():
        if task.status is TaskStatus.RUNNING and uploaded_to(task) == printer.printer_id:
            return f"{printer.shown_name} is taking in a file"
    return None


def obstacle(printer: Printer, presence: Presence) -> str | None:
    """What keeps a printer from taking a job now, for people, with what to do; None: nothing."""
    return unreadiness(printer, presence) or occupied_plate(printer)


def unreadiness(printer: Printer, presence: Presence) -> str | None:
    """What keeps a printer from anything at all, whatever lies on its plate; as `obstacle`."""
    name = printer.shown_name
    if not printer.enabled:
        return gone(printer)
    if presence.link is not LinkState.UP:
        return f"{name} is not connected: {presence.link_reason or 'no reason given'}"
    if presence.print_key is not None:
        return f"{name} is printing something else"
    said = f" ({presence.message})" if presence.message else ""
    if presence.activity is Activity.ERROR:
        return f"{name} has an error{said}: look at it, then reset it"
    if presence.activity is not Activity.READY:
        return f"{name} is {presence.activity or 'silent'}{said}"
    if presence.obstacle is not None:
        return f"{name} takes no job now: {presence.obstacle}"
    return None


def occupied_plate(printer: Printer) -> str | None:
    """That the plate must be cleared, and how; None: it is clear."""
    if printer.plate is Plate.CLEAR:
        return None
    how = f"clear it, then `print-gateway printers ready {printer.typed_name}`"
    return f"the plate of {printer.shown_name} is not confirmed clear: {how}"


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


def run_waits_for(standing: Standing, action: Action, printer: Printer, now: float) -> str:
    """Why a run has not begun on this printer, for people: no word of whose print is there."""
    return (
        _busy(standing, printer, now)
        or (occupied_plate(printer) if needs_plate(action) else None)
        or f"older work goes first on {printer.shown_name}"
    )


def upload_waits_for(standing: Standing, task: Task, now: float) -> str:
    """Why an upload that is due has not begun, for people, as `run_waits_for`."""
    printer = standing.printers.get(uploaded_to(task) or 0)
    if printer is None:
        return "there is no such printer"
    return _busy(standing, printer, now) or f"older work goes first on {printer.shown_name}"


def _busy(standing: Standing, printer: Printer, now: float) -> str | None:
    if holder_of(standing, printer) is not None:
        return hold(standing, printer) or f"{printer.shown_name} has a print"
    return (
        work_beside(standing, printer)
        or unreadiness(printer, standing.presence.get(printer.printer_id, Presence()))
        or (
            f"{printer.shown_name} refused something a moment ago"
            if standing.refused_until.get(printer.printer_id, now) > now
            else None
        )
    )


def _first(jobs: Iterable[Job]) -> Job | None:
    return min(jobs, key=lambda job: job.work_id, default=None)
