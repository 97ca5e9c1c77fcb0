"""Deciding: one input at a time changes the draft. Pure: no I/O, no clock; the same for every caller.

`decide` is all the engine calls. A command answers its result or raises CommandRefused having changed
nothing; an observation answers nothing. After a batch the engine calls `start_due`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gateway.domain import (
    acting,
    answering,
    asking,
    calling_in,
    following,
    granting,
    judging,
    plates,
    preparing,
    recovering,
    registering,
    scheduling,
    sharing,
    stacking,
    starting,
    subjects,
    tasking,
    tending,
    uploading,
)
from gateway.domain.assign import assign
from gateway.domain.call_in import CALL_IN_DRIVER
from gateway.domain.commands import (
    AddFile,
    AddKey,
    AddMember,
    AddOrganization,
    AdjustPrinter,
    AnswerPrinter,
    CancelJob,
    ChooseFile,
    ChoosePrinter,
    Command,
    ConfigurePrinters,
    FileFetched,
    FileNotFetched,
    JudgeJob,
    PauseJob,
    RecoverJob,
    ResolveJob,
    ResumeJob,
    RevokeKey,
    SetCallback,
    SetPlate,
    StartJob,
    StopPrinter,
    SubmitJob,
    TellPrinter,
    WithdrawJob,
)
from gateway.domain.events import PrinterChanged
from gateway.domain.job import Job
from gateway.domain.kinds import SERIAL_DRIVERS
from gateway.domain.observations import (
    Activity,
    DriverAttached,
    DriverDetached,
    LinkState,
    Observation,
    OrderAnswered,
    OrderProgressed,
    PrinterObserved,
)
from gateway.domain.printer import Presence, Printer, presence_from, printer_named
from gateway.domain.schedule import Action
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
    answering.begin(draft)
    acting.begin(draft)
    tasking.begin(draft)
    stacking.begin(draft)


def start_due(draft: Draft) -> None:
    """Intend everything that is due on a printer: what is intended is committed before its order goes out."""
    acting.refuse_hopeless(draft)
    uploading.refuse_hopeless(draft)
    uploading.rejoin(draft)
    for printer, work in assign(draft, draft.moment.monotonic, draft.moment.wall):
        if isinstance(work, Job):
            starting.intend(draft, printer, work)
        elif isinstance(work, Action):
            acting.begin_step(draft, printer, work)
        else:
            uploading.begin_upload(draft, printer, work)
    acting.tell_waiting(draft)
    uploading.tell_waiting(draft)


def _observed(draft: Draft, seen: PrinterObserved, *, is_fresh: bool = False) -> None:
    printer = printer_named(draft.printers, seen.printer)
    if printer is None:
        return  # the driver host has an older or newer configuration; its printer is not ours yet
    if printer.driver == CALL_IN_DRIVER and not printer.enabled:
        return  # it calls still, and nobody owns it: what it prints is nobody's
    before = draft.presence.get(printer.printer_id, Presence())
    after = presence_from(seen, before, draft.moment.monotonic)
    draft.presence[printer.printer_id] = after
    if seen.activity in (Activity.PRINTING, Activity.PAUSED):
        draft.plate_taken_by.pop(printer.printer_id, None)  # something moves, whatever it is
    _tell_change(draft, printer, before, after)
    if seen.doubts_plate:
        plates.occupy(draft, printer, "what may have been printed while the gateway could not see it")
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
            **subjects.of_printer(draft, printer),
            printer=printer.shown_name,
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
        _doubt_plate(draft, seen)


def _doubt_plate(draft: Draft, seen: PrinterObserved) -> None:
    """A machine that was at something while nobody here saw it: a plate said to be clear may not be."""
    printer = printer_named(draft.printers, seen.printer)
    if printer is not None and draft.presence.get(printer.printer_id, Presence()).is_at_something:
        plates.occupy(draft, printer, "something that nobody here saw begin")


def _detached(draft: Draft, gone: DriverDetached) -> None:
    """Nothing is known any more of its printers; their prints may well go on, so no job moves."""
    for printer in draft.printers.values():
        before = draft.presence.get(printer.printer_id)
        if before is None or printer.driver not in SERIAL_DRIVERS:
            continue
        after = replace(before, link=LinkState.DOWN, link_reason=gone.reason)
        draft.presence[printer.printer_id] = after
        _tell_change(draft, printer, before, after)


def _answered(draft: Draft, answer: OrderAnswered) -> None:
    printer = printer_named(draft.printers, answer.printer)
    if (
        printer is None
        or acting.answered(draft, printer, answer)
        or uploading.answered(draft, printer, answer)
    ):
        return
    answering.answered(draft, printer, answer)


def _progressed(draft: Draft, said: OrderProgressed) -> None:
    printer = printer_named(draft.printers, said.printer)
    if printer is not None and not uploading.progressed(draft, printer, said):
        answering.progressed(draft, printer, said)


_OBSERVATIONS: dict[type, Callable[[Draft, Any], None]] = {
    PrinterObserved: _observed,
    DriverAttached: _attached,
    DriverDetached: _detached,
    OrderAnswered: _answered,
    OrderProgressed: _progressed,
}

_COMMANDS: dict[type, Callable[[Draft, Any], Any]] = {
    SubmitJob: preparing.submit,
    StartJob: preparing.start,
    ChoosePrinter: preparing.choose_printer,
    ChooseFile: preparing.choose_file,
    FileFetched: preparing.file_fetched,
    FileNotFetched: preparing.file_not_fetched,
    SetCallback: preparing.set_callback,
    WithdrawJob: preparing.withdraw,
    JudgeJob: judging.judge,
    PauseJob: asking.pause,
    ResumeJob: asking.resume,
    CancelJob: asking.cancel,
    ResolveJob: asking.resolve,
    RecoverJob: recovering.recover,
    SetPlate: asking.set_plate,
    StopPrinter: asking.stop_printer,
    AdjustPrinter: tending.adjust,
    AnswerPrinter: tending.answer_prompt,
    TellPrinter: tending.tell,
    ConfigurePrinters: registering.configure,
    AddMember: registering.add_member,
    AddOrganization: registering.add_organization,
    AddKey: registering.add_key,
    RevokeKey: registering.revoke_key,
    AddFile: registering.add_file,
    **calling_in.HANDLERS,
    **sharing.HANDLERS,
    **granting.HANDLERS,
    **tasking.HANDLERS,
    **stacking.HANDLERS,
    **scheduling.HANDLERS,
}
