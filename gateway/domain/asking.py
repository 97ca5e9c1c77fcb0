"""What people and apps ask for: each command changes the draft and answers its result, or is refused.

pause, cancel      go to the machine before the commit (safety first), the journal follows
resume             goes after the commit that explains it
cancel             of a job that waits: at once. Of one on a machine: the job stays where it is with
                   `processing-to-stop-point` until the machine has stopped. Of a held job whose print no
                   driver knows: at once, with the plate left occupied for a person to look.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gateway.domain import following
from gateway.domain.commands import (
    AddFile,
    AddKey,
    AddMember,
    CancelJob,
    CommandRefused,
    ConfigurePrinters,
    PauseJob,
    PrinterCommand,
    PrinterSetting,
    Refusal,
    ResolveJob,
    ResumeJob,
    RevokeKey,
    SetPlate,
    StopPrinter,
    SubmitJob,
    TaskState,
)
from gateway.domain.events import (
    CommandAnswered,
    CommandGiven,
    FileAdded,
    JobSubmitted,
    KeyCreated,
    KeyRevoked,
    MemberAdded,
    PrinterConfigured,
)
from gateway.domain.file import StoredFile
from gateway.domain.job import ENDS, WAITING, AttemptResult, Job, JobStatus, Reason
from gateway.domain.member import Key, Member
from gateway.domain.observations import LinkState
from gateway.domain.orders import Acknowledge, CancelPrint, PausePrint, ResumePrint
from gateway.domain.printer import Plate, Presence, Printer
from gateway.domain.state import Draft

#: Where printers go whose configured owner has no member yet: the organization that migration 0001 creates.
HOME_ORGANIZATION = 1

_RESULTS = {
    JobStatus.COMPLETED: AttemptResult.COMPLETED,
    JobStatus.FAILED: AttemptResult.FAILED,
    JobStatus.CANCELED: AttemptResult.CANCELED,
}


def submit(draft: Draft, asked: SubmitJob) -> Job:
    """A new job: `queued` once it has a printer and a file, else `created`."""
    if asked.printer_id is not None:
        printer = _printer(draft, asked.printer_id)
        if not printer.enabled:
            raise CommandRefused(
                Refusal.CONFLICT,
                f"{printer.name} is not in the configuration any more; choose another printer",
            )
    is_ready = asked.printer_id is not None and asked.file is not None
    status = JobStatus.QUEUED if is_ready else JobStatus.CREATED
    now = draft.moment.wall
    job = Job(
        work_id=draft.next_work_id(),
        job_id=draft.moment.new_id(),
        name=asked.name,
        member_id=asked.member_id,
        organization_id=asked.organization_id,
        app_id=asked.app_id,
        created_at=now,
        status=status,
        status_at=now,
        printer_id=asked.printer_id,
        file_sha256=asked.file.sha256 if asked.file else None,
        file_name=asked.file.name if asked.file else None,
        file_size=asked.file.size if asked.file else None,
        printable_id=asked.file.printable_id if asked.file else None,
        printable_url=asked.printable_url,
        settings=asked.settings,
        message=None if is_ready else _what_is_missing(asked),
        member_ordinal=draft.member_jobs.get(asked.member_id, 0),
    )
    draft.events.append(
        JobSubmitted(**following.subject(draft, job), job_id=job.job_id, name=job.name, status=status.value)
    )
    if asked.idempotency is not None:
        draft.idempotency_rows.append((asked.member_id, asked.idempotency, job.job_id))
    return draft.add_job(job)


def _what_is_missing(asked: SubmitJob) -> str:
    missing = [
        word for word, there in (("a printer", asked.printer_id), ("a file", asked.file)) if there is None
    ]
    return f"waits for {' and '.join(missing)}"


def pause(draft: Draft, asked: PauseJob) -> PrinterCommand:
    """Order the machine to pause; the job is `paused` when the machine says so."""
    job, printer = _on_machine(draft, asked.job_id, asked.printer_id, "pause")
    if job.status is not JobStatus.PRINTING or job.is_stopping:
        raise CommandRefused(
            Refusal.CONFLICT, f"{job.name!r} is {_where(job)}; only a job that is printing can be paused"
        )
    command = _give(draft, printer, job, "pause", asked.member_id)
    draft.safety_orders.append(PausePrint(printer.name, command.task_id, _key(job)))
    return command


def resume(draft: Draft, asked: ResumeJob) -> PrinterCommand:
    """Order the machine to go on, after the commit."""
    job, printer = _on_machine(draft, asked.job_id, asked.printer_id, "resume")
    if job.is_held:
        raise CommandRefused(Refusal.CONFLICT, f"{job.name!r} is held: {job.message}")
    if job.status is not JobStatus.PAUSED or job.is_stopping:
        raise CommandRefused(
            Refusal.CONFLICT, f"{job.name!r} is {_where(job)}; only a paused job can be resumed"
        )
    command = _give(draft, printer, job, "resume", asked.member_id)
    draft.orders.append(ResumePrint(printer.name, command.task_id, _key(job)))
    return command


def cancel(draft: Draft, asked: CancelJob) -> PrinterCommand:
    """End a job: at once while it waits, by the machine once it has it."""
    job = _job(draft, asked.job_id, asked.printer_id)
    by_user = frozenset({Reason.CANCELED_BY_USER})
    if job.status in WAITING:
        following.close(draft, None, job, JobStatus.CANCELED, by_user, None, AttemptResult.CANCELED)
        return _done(draft, _give(draft, None, job, "cancel", asked.member_id))
    printer = _printer(draft, job.printer_id or 0)
    if job.is_held and _is_unknown_to_driver(draft, printer, job):
        message = f"canceled while held; the plate of {printer.name} stays occupied until someone has looked"
        following.close(draft, printer, job, JobStatus.CANCELED, by_user, message, AttemptResult.CANCELED)
        following.occupy(draft, printer, f"print {job.name!r}")
        return _done(draft, _give(draft, printer, job, "cancel", asked.member_id))
    command = _give(draft, printer, job, "cancel", asked.member_id)
    draft.safety_orders.append(CancelPrint(printer.name, command.task_id, _key(job)))
    if not job.is_stopping:
        following.move(draft, job, job.status, job.reasons | {Reason.TO_STOP_POINT}, job.message)
    return command


def _is_unknown_to_driver(draft: Draft, printer: Printer, job: Job) -> bool:
    presence = draft.presence.get(printer.printer_id, Presence())
    return presence.link is LinkState.UP and presence.print_key != job.print_key


def resolve(draft: Draft, asked: ResolveJob) -> Job:
    """A person looked and says how a held job ended. Nothing is sent to the machine."""
    if asked.outcome not in ENDS:
        raise CommandRefused(Refusal.INVALID, "the outcome must be completed, failed or canceled")
    job = _job(draft, asked.job_id, None)
    if not job.is_held:
        raise CommandRefused(
            Refusal.CONFLICT, f"{job.name!r} is {_where(job)}; only a held job needs a person to resolve it"
        )
    printer = _printer(draft, job.printer_id or 0)
    name = draft.members[asked.member_id].name if asked.member_id in draft.members else "an operator"
    ended = following.close(
        draft, printer, job, asked.outcome, frozenset(), f"resolved by {name}", _RESULTS[asked.outcome]
    )
    following.occupy(draft, printer, f"print {job.name!r}")
    draft.orders.append(Acknowledge(printer.name, draft.moment.new_id(), _key(job)))
    return ended


def set_plate(draft: Draft, asked: SetPlate) -> Printer:
    """Confirm a plate clear (refused while something is on the machine), or say that it is occupied."""
    printer = _printer(draft, asked.printer_id)
    if asked.plate is Plate.CLEAR:
        for job in draft.jobs.values():
            if job.printer_id == printer.printer_id and job.is_on_printer:
                raise CommandRefused(
                    Refusal.CONFLICT,
                    f"{printer.name} has {job.name!r} ({_where(job)}); its plate cannot be clear now",
                )
        if draft.presence.get(printer.printer_id, Presence()).print_key is not None:
            raise CommandRefused(
                Refusal.CONFLICT, f"{printer.name} is printing; its plate cannot be clear now"
            )
    return following.set_plate(draft, printer, asked.plate, asked.by)


def stop_printer(draft: Draft, asked: StopPrinter) -> PrinterCommand:
    """Journal an emergency stop; the engine sent it before it asked."""
    printer = _printer(draft, asked.printer_id)
    return _give(draft, printer, None, "emergency-stop", asked.member_id, task_id=asked.task_id)


def configure(draft: Draft, asked: ConfigurePrinters) -> None:
    """Upsert by name; what is gone from the configuration is disabled, never deleted."""
    by_name = {printer.name: printer for printer in draft.printers.values()}
    for setting in asked.printers:
        _configure_one(draft, setting, by_name.pop(setting.name, None))
    for gone in by_name.values():
        if gone.enabled:
            _tell_configured(draft, draft.put_printer(replace(gone, enabled=False)))


def _configure_one(draft: Draft, setting: PrinterSetting, known: Printer | None) -> None:
    owner = _owner(draft, setting.owner)
    wanted = Printer(
        printer_id=known.printer_id if known else max(draft.printers, default=0) + 1,
        name=setting.name,
        driver=setting.driver,
        owner_id=owner.member_id,
        organization_id=owner.organization_id,
        plate=known.plate if known else Plate.OCCUPIED,
        plate_clear=setting.plate_clear,
        enabled=True,
        link=setting.link,
        version=known.version if known else 1,
    )
    if wanted != known:
        _tell_configured(draft, draft.put_printer(wanted))


def _owner(draft: Draft, name: str) -> Member:
    """The member with that name; an unknown one is added, without credentials."""
    found = next((member for member in draft.members.values() if member.name == name), None)
    if found is not None:
        return found
    member = Member(
        member_id=draft.moment.new_member_id(),
        name=name,
        organization_id=HOME_ORGANIZATION,
        created_at=draft.moment.wall,
    )
    return add_member(draft, AddMember(member))


def _tell_configured(draft: Draft, printer: Printer) -> None:
    draft.events.append(
        PrinterConfigured(
            at=draft.moment.wall,
            organization_id=printer.organization_id,
            member_id=printer.owner_id,
            printer_id=printer.printer_id,
            work_id=None,
            printer=printer.name,
            enabled=printer.enabled,
        )
    )


def add_member(draft: Draft, asked: AddMember) -> Member:
    """Refused when the name is taken."""
    member = asked.member
    if any(other.name == member.name for other in draft.members.values()):
        raise CommandRefused(Refusal.CONFLICT, f"there is a member named {member.name!r} already")
    draft.members[member.member_id] = member
    draft.member_rows.append(member)
    draft.events.append(MemberAdded(**_about(draft, member), name=member.name))
    return member


def add_key(draft: Draft, asked: AddKey) -> Key:
    """Refused when there is no such member."""
    member = draft.members.get(asked.key.member_id)
    if member is None:
        raise CommandRefused(
            Refusal.UNKNOWN, "there is no such member; `print-gateway members list` shows them"
        )
    draft.keys[asked.key.key_id] = draft.key_rows[asked.key.key_id] = asked.key
    draft.events.append(KeyCreated(**_about(draft, member), key_id=asked.key.key_id, name=asked.key.name))
    return asked.key


def revoke_key(draft: Draft, asked: RevokeKey) -> Key:
    """Revoking twice is no error."""
    key = draft.keys.get(asked.key_id)
    if key is None:
        raise CommandRefused(Refusal.UNKNOWN, "there is no such key; `print-gateway keys list` shows them")
    if key.revoked_at is not None:
        return key
    key = replace(key, revoked_at=draft.moment.wall)
    draft.keys[key.key_id] = draft.key_rows[key.key_id] = key
    member = draft.members[key.member_id]
    draft.events.append(KeyRevoked(**_about(draft, member), key_id=key.key_id, name=key.name))
    return key


def add_file(draft: Draft, asked: AddFile) -> StoredFile:
    """Record an upload; its content is in place already."""
    file = asked.file
    draft.file_rows.append(file)
    if asked.idempotency is not None:
        draft.idempotency_rows.append((file.member_id, asked.idempotency, file.file_id))
    draft.events.append(
        FileAdded(
            at=draft.moment.wall,
            organization_id=file.organization_id,
            member_id=file.member_id,
            printer_id=None,
            work_id=None,
            file_id=file.file_id,
            name=file.name,
            size=file.size,
        )
    )
    return file


def _about(draft: Draft, member: Member) -> following.Subject:
    return {
        "at": draft.moment.wall,
        "organization_id": member.organization_id,
        "member_id": member.member_id,
        "printer_id": None,
        "work_id": None,
    }


def _give(
    draft: Draft,
    printer: Printer | None,
    job: Job | None,
    word: str,
    member_id: str,
    task_id: str | None = None,
) -> PrinterCommand:
    command = PrinterCommand(
        task_id=task_id or draft.moment.new_id(),
        printer_id=printer.printer_id if printer else None,
        work_id=job.work_id if job else None,
        command=word,
        member_id=member_id,
        given_at=draft.moment.wall,
    )
    draft.events.append(
        CommandGiven(
            at=draft.moment.wall,
            organization_id=printer.organization_id if printer else job.organization_id if job else None,
            member_id=member_id,
            printer_id=command.printer_id,
            work_id=command.work_id,
            task_id=command.task_id,
            command=word,
        )
    )
    return draft.put_command(command)


def _done(draft: Draft, command: PrinterCommand) -> PrinterCommand:
    """A command that needed no machine."""
    done = replace(command, state=TaskState.DONE, answered_at=draft.moment.wall)
    draft.events.append(
        CommandAnswered(
            at=draft.moment.wall,
            organization_id=None,
            member_id=command.member_id,
            printer_id=command.printer_id,
            work_id=command.work_id,
            task_id=command.task_id,
            command=command.command,
            state=done.state.value,
            message=None,
        )
    )
    return draft.put_command(done)


def _printer(draft: Draft, printer_id: int) -> Printer:
    printer = draft.printers.get(printer_id)
    if printer is None:
        raise CommandRefused(
            Refusal.UNKNOWN, "there is no such printer; `print-gateway printers list` shows them"
        )
    return printer


def _job(draft: Draft, job_id: str, printer_id: int | None) -> Job:
    """The job, not over, on that printer if one is named."""
    job = next((job for job in draft.jobs.values() if job.job_id == job_id), None)
    if job is None:
        raise CommandRefused(Refusal.CONFLICT, "this job is over already")
    if printer_id is not None and job.printer_id != printer_id:
        raise CommandRefused(Refusal.INVALID, "this job is not on that printer")
    return job


def _on_machine(draft: Draft, job_id: str, printer_id: int | None, word: str) -> tuple[Job, Printer]:
    job = _job(draft, job_id, printer_id)
    if not job.is_on_printer or job.printer_id is None:
        raise CommandRefused(Refusal.CONFLICT, f"{job.name!r} is {_where(job)}; there is nothing to {word}")
    return job, _printer(draft, job.printer_id)


def _key(job: Job) -> str:
    assert job.print_key is not None, "a job on a printer has the key of its print"
    return job.print_key


def _where(job: Job) -> str:
    if job.is_held:
        return f"{job.status}, held"
    if job.is_stopping:
        return f"{job.status}, being canceled"
    return job.status.value


ASK: dict[type, Callable[[Draft, Any], Any]] = {
    SubmitJob: submit,
    PauseJob: pause,
    ResumeJob: resume,
    CancelJob: cancel,
    ResolveJob: resolve,
    SetPlate: set_plate,
    StopPrinter: stop_printer,
    ConfigurePrinters: configure,
    AddMember: add_member,
    AddKey: add_key,
    RevokeKey: revoke_key,
    AddFile: add_file,
}
