"""Runs of schedules: each printer's step waits its turn, sends its macro once, and ends as the driver says.

    its turn (`assign`)     the step and the command RUN_MACRO are committed, then the lines go out, once
    ACCEPTED                succeeded
    REFUSED                 provably nothing was sent: it waits again, STEP_REFUSALS times at most
    UNCLEAR, a restart      failed: nobody knows what of it happened. The lines are never sent a second time,
                            and the plate is occupied until somebody has looked
    not begun in RUN_WAITS  failed

A macro that prints leaves something on the plate; maintenance wants a person to look. Both make the plate
occupied with the intent, as the start of a job does. A maintenance without lines does nothing else.
A history export has no steps: it ends with its task.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gateway.domain import answering, plates
from gateway.domain.adjustment import HeatLimits
from gateway.domain.asking import give
from gateway.domain.assign import gone, run_waits_for
from gateway.domain.call_in import CALL_IN_DRIVER
from gateway.domain.observations import OrderAnswered, OrderResult
from gateway.domain.orders import SendGcode
from gateway.domain.printer import Plate, Printer
from gateway.domain.printer_command import CommandStatus
from gateway.domain.runs import end_with_task, put_steps
from gateway.domain.schedule import (
    RUN_MACRO,
    RUN_WAITS,
    STEP_REFUSALS,
    Action,
    Macro,
    RunState,
    ScheduleType,
    Step,
)
from gateway.domain.state import Draft

_R = RunState


# ---------------------------------------------------------------- a step begins


def begin_step(draft: Draft, printer: Printer, action: Action) -> None:
    """The intent to run this action's macro on this printer, whose turn it is."""
    action = draft.actions[action.work_id]
    macro = action.macro
    if macro is not None and (why := _too_hot(macro, printer, draft.heat_limits.get(printer.printer_id))):
        _change(draft, action, printer, lambda step: replace(step, state=_R.FAILED, message=why))
        return
    if action.type is ScheduleType.MAINTENANCE or (macro is not None and macro.prints):
        was_clear = draft.printers[printer.printer_id].plate is Plate.CLEAR
        plates.occupy(draft, printer, f"{action.name} (run {action.work_id})")
        if was_clear:
            draft.plate_taken_by[printer.printer_id] = action.work_id
    if macro is None:
        _change(draft, action, printer, lambda step: _succeeded(draft, action, printer, step))
        return
    command = give(
        draft,
        printer,
        None,
        RUN_MACRO,
        action.member_id,
        parameters={"schedule": action.name, "lines": len(macro.lines)},
        work_id=action.work_id,
    )
    draft.orders.append(SendGcode(printer.name, command.task_id, macro.lines))
    _change(
        draft,
        action,
        printer,
        lambda step: replace(step, state=_R.RUNNING, command_id=command.task_id, message=None),
    )


def _too_hot(macro: Macro, printer: Printer, limits: HeatLimits | None) -> str | None:
    """Why this printer must not run it; None: it may."""
    allowed = limits or HeatLimits()
    for what, target, most in (
        ("hotend", macro.hotend, allowed.hotend),
        ("bed", macro.bed, allowed.bed),
    ):
        if target > most:
            return (
                f"the macro sets the {what} to {target:g} °C, and {printer.shown_name} may be set to "
                f"{most:g} °C at most (`max_{what}` in its configuration)"
            )
    return None


# ---------------------------------------------------------------- a step ends


def answered(draft: Draft, printer: Printer, answer: OrderAnswered) -> bool:
    """Whether the answer was about a macro of a run."""
    command = draft.commands.get(answer.order_id)
    if command is None or command.printer_id != printer.printer_id or command.command != RUN_MACRO:
        return False
    if command.work_id is None:
        return False  # a printer's own word
    state = CommandStatus.DONE if answer.result is OrderResult.ACCEPTED else CommandStatus.FAILED
    answering.close_command(draft, command, state, answer.message)
    action = draft.actions.get(command.work_id or 0)
    if action is None or not any(step.command_id == command.task_id for step in action.steps):
        return True
    if answer.result is OrderResult.ACCEPTED:
        _change(draft, action, printer, lambda step: _succeeded(draft, action, printer, step, answer.message))
    elif answer.result is OrderResult.UNCLEAR:
        _not_known(draft, action, printer, answer.message or "its driver cannot tell")
    else:
        why = answer.message or "its driver gave no reason"
        _refused(draft, action, printer, why)
    return True


def _succeeded(draft: Draft, action: Action, printer: Printer, step: Step, remark: str | None = None) -> Step:
    """`remark`: what its driver adds, such as a line for people that a board without a display left out."""
    message = remark
    if action.type is ScheduleType.MAINTENANCE:
        schedule = draft.schedules.get(action.schedule_id)
        note = str(schedule.params.get("note") or "") if schedule is not None else ""
        look = f"look at {printer.shown_name}, then `print-gateway printers ready {printer.typed_name}`"
        message = "; ".join(filter(None, (f"{note}: {look}" if note else look, remark)))
    return replace(step, state=_R.SUCCEEDED, message=message)


def _refused(draft: Draft, action: Action, printer: Printer, why: str) -> None:
    """Provably nothing was sent. The plate is as it was, unless something else has happened to it since."""
    draft.refused_until[printer.printer_id] = draft.moment.monotonic + answering.REFUSED_PAUSE
    if plates.is_taken_for(draft, printer, action.work_id):
        plates.set_plate(draft, printer, Plate.CLEAR, "the run was refused, nothing was sent")
    is_given_up = action.schedule_id not in draft.schedules or any(
        step.state is _R.CANCELED for step in action.steps
    )

    def after(step: Step) -> Step:
        step = replace(step, refusals=step.refusals + 1, command_id=None)
        if is_given_up:
            return replace(step, state=_R.CANCELED, message=why)
        if step.refusals >= STEP_REFUSALS:
            message = f"{printer.shown_name} refused it {step.refusals} times: {why}"
            return replace(step, state=_R.FAILED, message=message)
        return replace(step, state=_R.WAITING, message=why)

    _change(draft, action, printer, after)


def _not_known(draft: Draft, action: Action, printer: Printer, why: str) -> None:
    message = (
        f"nobody knows how far this went on {printer.shown_name} ({why}): look at the machine, "
        f"then `print-gateway printers ready {printer.typed_name}`"
    )
    plates.occupy(draft, printer, f"{action.name} (run {action.work_id}), whose end is not known")
    _change(draft, action, printer, lambda step: replace(step, state=_R.FAILED, message=message))


def begin(draft: Draft) -> None:
    """After a restart: what was under way, or was to be sent, may have run. It is not sent again."""
    for action in list(draft.actions.values()):
        for step in action.steps:
            if step.state is _R.RUNNING:
                why = "the gateway was restarted before its driver answered"
                _not_known(draft, action, draft.printers[step.printer_id], why)


# ---------------------------------------------------------------- steps that wait


def refuse_hopeless(draft: Draft) -> None:
    """Steps that will not begin any more fail: too late, or the printer cannot do it."""
    for action in list(draft.actions.values()):
        if action.task_id is not None:
            end_with_task(draft, action)
        elif any(step.state is _R.WAITING for step in action.steps):
            put_steps(draft, action, tuple(_unless_hopeless(draft, action, step) for step in action.steps))


def _unless_hopeless(draft: Draft, action: Action, step: Step) -> Step:
    if step.state is not _R.WAITING:
        return step
    printer = draft.printers.get(step.printer_id)
    why = "there is no such printer any more" if printer is None else _never(draft, action, printer)
    if why is None and draft.moment.wall - action.created_at > RUN_WAITS:
        hours = RUN_WAITS.total_seconds() / 3600
        why = f"it could not begin within {hours:g} hours: {step.message or 'the printer was not idle'}"
    return step if why is None else replace(step, state=_R.FAILED, message=why)


def _never(draft: Draft, action: Action, printer: Printer) -> str | None:
    """Why this printer will never run it; None: it may."""
    if not printer.enabled:
        return gone(printer)
    if printer.organization_id != action.organization_id:
        return f"{printer.shown_name} belongs to another organization now"
    if action.macro is None:
        return None
    if printer.driver == CALL_IN_DRIVER:
        return f"{printer.shown_name} calls in and takes no G-code: use its own panel"
    limits = draft.heat_limits.get(printer.printer_id)  # not known before the configuration was read
    return None if limits is None else _too_hot(action.macro, printer, limits)


def tell_waiting(draft: Draft) -> None:
    """What steps wait for, written when it changes. Behind a refusal its reason stays."""
    now = draft.moment.monotonic
    for action in list(draft.actions.values()):
        steps = tuple(
            replace(step, message=run_waits_for(draft, action, draft.printers[step.printer_id], now))
            if step.state is _R.WAITING and not step.refusals and step.printer_id in draft.printers
            else step
            for step in action.steps
        )
        put_steps(draft, action, steps)


def _change(draft: Draft, action: Action, printer: Printer, after: Callable[[Step], Step]) -> None:
    """Change the step of this printer; other steps are as they are now."""
    action = draft.actions[action.work_id]
    steps = tuple(after(step) if step.printer_id == printer.printer_id else step for step in action.steps)
    put_steps(draft, action, steps)
