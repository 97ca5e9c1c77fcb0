"""What people do with a printer besides its jobs: adjust it, answer its questions, tell it its own commands.

Commands, as in `asking`.
"""

from __future__ import annotations

from gateway.domain.adjustment import HeatLimits
from gateway.domain.asking import give, key_of, the_printer, where
from gateway.domain.assign import gone
from gateway.domain.call_in import EXCLUSIVE_COMMANDS, JOB_COMMANDS
from gateway.domain.commands import AdjustPrinter, AnswerPrinter, CommandRefused, Refusal, TellPrinter
from gateway.domain.job import Job
from gateway.domain.observations import LinkState
from gateway.domain.orders import Adjust, AnswerPrompt, Tell
from gateway.domain.own_commands import why_not_told
from gateway.domain.printer import Presence, Printer
from gateway.domain.printer_command import PrinterCommand
from gateway.domain.state import Draft


def adjust(draft: Draft, asked: AdjustPrinter) -> PrinterCommand:
    """Order a change, after the commit that explains it: it may be heat."""
    printer = the_printer(draft, asked.printer_id)
    problem = asked.change.problem(draft.heat_limits.get(printer.printer_id, HeatLimits()))
    if problem is not None:
        raise CommandRefused(Refusal.INVALID, problem)
    _must_be_there(draft, printer)
    job = job_on(draft, printer)
    if job is not None and (job.is_held or job.is_stopping):
        raise CommandRefused(
            Refusal.CONFLICT, f"{job.name!r} is {where(job)}; nothing is adjusted until that is settled"
        )
    if job is None and asked.change.needs_print:
        raise CommandRefused(
            Refusal.CONFLICT,
            f"nothing is printed on {printer.shown_name}; only its fan and temperatures can be set now",
        )
    command = give(draft, printer, job, "adjust", asked.member_id)
    expect = key_of(job) if job is not None else ""
    draft.orders.append(Adjust(printer.name, command.task_id, expect, asked.change))
    return command


def answer_prompt(draft: Draft, asked: AnswerPrinter) -> PrinterCommand:
    """Press a button that the printer offers now; any other is refused."""
    printer = the_printer(draft, asked.printer_id)
    _must_be_there(draft, printer)
    prompt = draft.presence.get(printer.printer_id, Presence()).prompt
    if prompt is None:
        raise CommandRefused(Refusal.CONFLICT, f"{printer.shown_name} asks nothing now")
    if not 0 <= asked.choice < len(prompt.choices):
        offered = ", ".join(f"{number} ({words})" for number, words in enumerate(prompt.choices))
        raise CommandRefused(
            Refusal.INVALID,
            f"{printer.shown_name} asks {prompt.text!r} and does not offer choice {asked.choice}; "
            f"it offers: {offered or 'none: it only tells'}",
        )
    command = give(draft, printer, job_on(draft, printer), "answer-prompt", asked.member_id)
    draft.orders.append(AnswerPrompt(printer.name, command.task_id, prompt.number, asked.choice))
    return command


def tell(draft: Draft, asked: TellPrinter) -> PrinterCommand:
    """Pass a command on to a printer that knows what it means."""
    printer = the_printer(draft, asked.printer_id)
    # A firmware may take a name in any letters. What starts or moves a machine is not to hang on that.
    name = asked.command.lower()
    if name in JOB_COMMANDS:
        raise CommandRefused(
            Refusal.INVALID, f"{asked.command!r} is about a job and is sent by the gateway; ask it of the job"
        )
    why_not = why_not_told(printer, asked.command, asked.parameters)
    if why_not is not None:
        raise CommandRefused(Refusal.INVALID, why_not)
    if not printer.enabled:
        raise CommandRefused(Refusal.CONFLICT, gone(printer))
    _must_be_there(draft, printer)
    job = job_on(draft, printer)
    if name in EXCLUSIVE_COMMANDS and job is not None and not job.is_held:
        raise CommandRefused(
            Refusal.CONFLICT,
            f"{printer.shown_name} has a job ({where(job)}); {asked.command} would ruin it: "
            "cancel the job first, or wait until it is over",
        )
    about = {} if asked.job_id is None else {"job_id": asked.job_id}
    parameters = {**asked.parameters, **about}
    command = give(draft, printer, None, asked.command, asked.member_id, parameters=parameters)
    draft.orders.append(Tell(printer.name, command.task_id, asked.command, parameters))
    return command


def job_on(draft: Draft, printer: Printer) -> Job | None:
    """The job that has the machine, if any."""
    mine = (job for job in draft.jobs.values() if job.printer_id == printer.printer_id)
    return next((job for job in mine if job.is_on_printer), None)


def _must_be_there(draft: Draft, printer: Printer) -> None:
    presence = draft.presence.get(printer.printer_id, Presence())
    if presence.link is not LinkState.UP:
        why = f": {presence.link_reason}" if presence.link_reason else ""
        raise CommandRefused(Refusal.CONFLICT, f"{printer.shown_name} is not connected{why}")
