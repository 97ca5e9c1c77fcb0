"""Going on with a held job from a finished layer, as a new attempt. Commands, as in `asking`.

The attempt that was interrupted ends when the driver has taken the order; until then the job is held as it
was, and a refusal changes nothing (`answering.answered`).
"""

from __future__ import annotations

from gateway.domain.asking import give, job_named, key_of, the_printer, where
from gateway.domain.commands import CommandRefused, RecoverJob, Refusal
from gateway.domain.job import JobStatus
from gateway.domain.kinds import prints_by_itself
from gateway.domain.orders import RecoverPrint
from gateway.domain.printer import Printer
from gateway.domain.printer_command import PrinterCommand
from gateway.domain.state import Draft


def refuse_unrecoverable(printer: Printer) -> None:
    """A printer that has the file itself cannot be led back into it from here: CommandRefused."""
    if prints_by_itself(printer):
        raise CommandRefused(
            Refusal.CONFLICT,
            f"{printer.shown_name} prints by itself, from its own copy of the file: "
            "resume or cancel there, then say how the print ended: `print-gateway jobs resolve`",
        )


def recover(draft: Draft, asked: RecoverJob) -> PrinterCommand:
    """Order it, after the commit that explains it: it heats and moves."""
    job = job_named(draft, asked.job_id, None)
    if not job.is_held or job.status is not JobStatus.PAUSED:
        raise CommandRefused(
            Refusal.CONFLICT, f"{job.name!r} is {where(job)}; only a held print can be recovered"
        )
    if job.is_local or job.file_sha256 is None or job.file_size is None:
        raise CommandRefused(
            Refusal.CONFLICT,
            f"{job.name!r} was not streamed from here: nothing tells where it stands in which file",
        )
    printer = the_printer(draft, job.printer_id or 0)
    refuse_unrecoverable(printer)
    if job.position != asked.position:
        raise CommandRefused(Refusal.CONFLICT, f"{job.name!r} has changed meanwhile; look at the plan again")
    command = give(draft, printer, job, "recover", asked.member_id)
    draft.orders.append(
        RecoverPrint(
            printer=printer.name,
            order_id=command.task_id,
            expect=key_of(job),
            path=draft.moment.path_of(job.file_sha256),
            sha256=job.file_sha256,
            size=job.file_size,
            name=job.name,
            position=asked.position,
            offset=asked.offset,
            line=asked.line,
            heat_lines=asked.heat_lines,
            move_lines=asked.move_lines,
        )
    )
    return command
