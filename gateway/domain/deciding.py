"""Deciding: one input at a time changes the draft. Pure: no I/O, no clock; the same for every caller.

`decide` is all the engine calls. A command answers its result or raises CommandRefused having changed
nothing; an observation answers nothing. After a batch the engine calls `start_due`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gateway.domain import asking, following, granting, recovering, registering, tending
from gateway.domain.assign import assign
from gateway.domain.commands import (
    AddFile,
    AddKey,
    AddMember,
    AdjustPrinter,
    AnswerPrinter,
    CancelJob,
    Command,
    ConfigurePrinters,
    PauseJob,
    RecoverJob,
    ResolveJob,
    ResumeJob,
    RevokeKey,
    SetPlate,
    StopPrinter,
    SubmitJob,
)
from gateway.domain.events import PrinterChanged
from gateway.domain.job import Attempt, Job, JobStatus, Reason
from gateway.domain.observations import (
    DriverAttached,
    DriverDetached,
    LinkState,
    Observation,
    OrderAnswered,
    PrinterObserved,
)
from gateway.domain.orders import StartPrint
from gateway.domain.printer import Presence, Printer, presence_from, printer_named
from gateway.domain.state import Draft

Input = Command | Observation


def decide(draft: Draft, given: Input) -> Any:
    """Change the draft for one input; raises CommandRefused for a command that cannot be."""
    handle = _OBSERVATIONS.get(type(given))
    if handle is not None:
        return handle(draft, given)
    return _COMMANDS[type(given)](draft, given)


def begin(draft: Draft) -> None:
    """The first decision of a process, on the state that the former one left."""
    following.begin(draft)


def start_due(draft: Draft) -> None:
    """Intend every start that is due: job, attempt and mark are committed before the order goes out."""
    for printer, job in assign(draft, draft.moment.monotonic):
        _intend(draft, printer, job)


def _intend(draft: Draft, printer: Printer, job: Job) -> None:
    if job.file_sha256 is None or job.file_size is None:  # nothing here makes such a row; it stops no other
        message = "the job has no file; hand it in again"
        following.move(draft, job, JobStatus.FAILED, frozenset({Reason.ABORTED_BY_SYSTEM}), message)
        return
    mark = draft.moment.new_id()
    number = job.attempts + 1
    following.move(draft, replace(job, print_key=mark, attempts=number), JobStatus.SENT, frozenset(), None)
    draft.put_attempt(Attempt(job.work_id, number, printer.printer_id, mark, draft.moment.wall))
    following.occupy(draft, printer, f"start of job {job.work_id}")
    draft.orders.append(
        StartPrint(
            printer=printer.name,
            order_id=mark,
            key=mark,
            path=draft.moment.path_of(job.file_sha256),
            sha256=job.file_sha256,
            size=job.file_size,
            name=job.name,
        )
    )


def _observed(draft: Draft, seen: PrinterObserved, *, is_fresh: bool = False) -> None:
    printer = printer_named(draft.printers, seen.printer)
    if printer is None:
        return  # the driver host has an older or newer configuration; its printer is not ours yet
    before = draft.presence.get(printer.printer_id, Presence())
    after = presence_from(seen, before, draft.moment.monotonic)
    draft.presence[printer.printer_id] = after
    _tell_change(draft, printer, before, after)
    for report in seen.ended:
        following.follow(draft, printer, report)
    if seen.current is not None:
        following.follow(draft, printer, seen.current)
    following.find_missing(draft, printer, seen, is_fresh=is_fresh)


def _tell_change(draft: Draft, printer: Printer, before: Presence, after: Presence) -> None:
    if _told(before) == _told(after):
        return
    draft.events.append(
        PrinterChanged(
            at=draft.moment.wall,
            organization_id=printer.organization_id,
            member_id=printer.owner_id,
            printer_id=printer.printer_id,
            work_id=None,
            printer=printer.name,
            link=after.link.value,
            activity=after.activity.value if after.activity else None,
            message=after.link_reason if after.link is not LinkState.UP else after.message,
        )
    )


def _told(presence: Presence) -> tuple[object, ...]:
    """What is worth an event. Each try to reach an absent printer is not: that would be a write each time."""
    is_up = presence.link is LinkState.UP
    return is_up, None if is_up else presence.link_reason, presence.activity, presence.message


def _attached(draft: Draft, attached: DriverAttached) -> None:
    for seen in attached.printers:
        _observed(draft, seen, is_fresh=True)


def _detached(draft: Draft, gone: DriverDetached) -> None:
    """Nothing is known any more of its printers; their prints may well go on, so no job moves."""
    for printer in draft.printers.values():
        before = draft.presence.get(printer.printer_id)
        if before is None or printer.driver not in SERIAL_DRIVERS:
            continue
        after = replace(before, link=LinkState.DOWN, link_reason=gone.reason)
        draft.presence[printer.printer_id] = after
        _tell_change(draft, printer, before, after)


#: Driver kinds that the streamer hosts; the others run in the gateway's own process.
SERIAL_DRIVERS = frozenset({"marlin"})


def _answered(draft: Draft, answer: OrderAnswered) -> None:
    printer = printer_named(draft.printers, answer.printer)
    if printer is not None:
        following.answered(draft, printer, answer)


_OBSERVATIONS: dict[type, Callable[[Draft, Any], None]] = {
    PrinterObserved: _observed,
    DriverAttached: _attached,
    DriverDetached: _detached,
    OrderAnswered: _answered,
}

_COMMANDS: dict[type, Callable[[Draft, Any], Any]] = {
    SubmitJob: asking.submit,
    PauseJob: asking.pause,
    ResumeJob: asking.resume,
    CancelJob: asking.cancel,
    ResolveJob: asking.resolve,
    RecoverJob: recovering.recover,
    SetPlate: asking.set_plate,
    StopPrinter: asking.stop_printer,
    AdjustPrinter: tending.adjust,
    AnswerPrinter: tending.answer_prompt,
    ConfigurePrinters: registering.configure,
    AddMember: registering.add_member,
    AddKey: registering.add_key,
    RevokeKey: registering.revoke_key,
    AddFile: registering.add_file,
    **granting.HANDLERS,
}
