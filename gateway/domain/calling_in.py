"""How a printer that calls in comes to have an owner and members, and loses them. Commands, as in `asking`.

    ContactFirst     an unknown printer: a number, a code for its screen
    ContactAgain     a known one: the code that is still good, or a new one
    RegisterPrinter  primary code: owner. Secondary code: member. Each is good once
    Unregister...    the owner gives it up: disabled, members and codes gone; number and token stay
    RegisterPrinter  by another member: the jobs so far stay the former owner's, those that wait look for
                     another printer

Members of a printer are invited, given rights and removed in `sharing`. A registered printer cannot be taken
over by whoever reads the code on its screen: its owner, or an administrator, unregisters it first. Its plate
is occupied until somebody confirmed it clear once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gateway.domain import answering, job_moves, preparing
from gateway.domain.asking import the_printer, where
from gateway.domain.assign import gone
from gateway.domain.call_in import (
    CALL_IN_DRIVER,
    CODE_LIFETIME,
    UNREGISTERED_KEPT,
    CallIn,
    CodeKind,
    Contact,
    PrinterRole,
    RegistrationCode,
)
from gateway.domain.call_in_commands import ContactAgain, ContactFirst, RegisterPrinter, UnregisterPrinter
from gateway.domain.commands import CommandRefused, Refusal
from gateway.domain.events import PrinterContacted, PrinterRegistered, PrinterUnregistered
from gateway.domain.member import Member
from gateway.domain.observations import LinkState
from gateway.domain.printer import Plate, Presence, Printer
from gateway.domain.printer_command import CommandStatus
from gateway.domain.registering import next_printer_id
from gateway.domain.state import Draft
from gateway.domain.subjects import Subject

# ---------------------------------------------------------------- the printer calls


def contact_first(draft: Draft, asked: ContactFirst) -> Contact:
    """Its caller made the token and knows the type; nobody owns it yet."""
    drop_expired(draft)
    printer_id = next_printer_id(draft)
    _make_room(draft)
    now = draft.moment.wall
    call_in = draft.put_call_in(
        CallIn(
            printer_id=printer_id,
            type_id=asked.type_id,
            firmware=asked.firmware,
            serial_number=asked.serial_number,
            token_sha256=asked.token_sha256,
            first_seen_at=now,
            seen_at=now,
        )
    )
    _tell_contacted(draft, call_in, is_new=True)
    return Contact(printer_id, _primary_code(draft, printer_id), is_registered=False)


def contact_again(draft: Draft, asked: ContactAgain) -> Contact:
    """The same code for as long as it is good and unused: people may be typing it in."""
    call_in = draft.call_ins.get(asked.printer_id)
    if call_in is None or call_in.revoked_at is not None:
        raise CommandRefused(Refusal.UNKNOWN, "this printer is not known; it has to call as a new one")
    drop_expired(draft)
    draft.put_call_in(replace(call_in, firmware=asked.firmware, seen_at=draft.moment.wall))
    codes = len(draft.codes)
    code = _primary_code(draft, asked.printer_id)
    if len(draft.codes) > codes:
        _tell_contacted(draft, call_in, is_new=False)
    printer = draft.printers.get(asked.printer_id)
    return Contact(asked.printer_id, code, is_registered=printer is not None and printer.enabled)


def _make_room(draft: Draft) -> None:
    """Forget the never registered printer that called longest ago, when there are too many."""
    never = [known for known in draft.call_ins.values() if known.printer_id not in draft.printers]
    never.sort(key=lambda known: (known.seen_at, known.printer_id))
    for known in never[: max(0, len(never) - UNREGISTERED_KEPT + 1)]:
        draft.drop_call_in(known.printer_id)
        _drop_codes(draft, known.printer_id)


def _primary_code(draft: Draft, printer_id: int) -> str:
    for code in draft.codes.values():
        if code.printer_id == printer_id and code.kind is CodeKind.PRIMARY:
            return code.code
    return new_code(draft, printer_id, CodeKind.PRIMARY).code


def new_code(draft: Draft, printer_id: int, kind: CodeKind, email: str | None = None) -> RegistrationCode:
    """One that no other printer has: a few thousand of 26**6 are taken, so hardly ever a second try."""
    word = draft.moment.new_code()
    while word in draft.codes:
        word = draft.moment.new_code()
    return draft.put_code(RegistrationCode(word, printer_id, kind, draft.moment.wall + CODE_LIFETIME, email))


def drop_expired(draft: Draft) -> None:
    """Codes that are too old go."""
    now = draft.moment.wall
    for code in [code for code in draft.codes.values() if code.expires_at <= now]:
        draft.drop_code(code.code)


def _drop_codes(draft: Draft, printer_id: int) -> None:
    for code in [code for code in draft.codes.values() if code.printer_id == printer_id]:
        draft.drop_code(code.code)


# ---------------------------------------------------------------- a member registers it


def register(draft: Draft, asked: RegisterPrinter) -> Printer:
    """What the code says: the member owns the printer from now on, or may use it."""
    code = draft.codes.get(asked.code.strip().upper())
    if code is None or code.expires_at <= draft.moment.wall:
        raise CommandRefused(
            Refusal.INVALID,
            "this registration code is not known, was used, or is too old; "
            "type in the one that the printer shows now, or ask its owner for another",
        )
    member = the_member(draft, asked.member_id)
    if code.kind is CodeKind.PRIMARY:
        return _own(draft, code, member, asked)
    return _join(draft, code, member)


def _own(draft: Draft, code: RegistrationCode, member: Member, asked: RegisterPrinter) -> Printer:
    second = None if asked.secondary_member_id is None else the_member(draft, asked.secondary_member_id)
    known = draft.printers.get(code.printer_id)
    is_mine = known is not None and known.enabled
    if known is not None and is_mine and known.owner_id != member.member_id:
        raise CommandRefused(
            Refusal.CONFLICT,
            "this printer has an owner already, who has to unregister it before somebody else can",
        )
    call_in = draft.call_ins[code.printer_id]
    printer = draft.put_printer(
        Printer(
            printer_id=call_in.printer_id,
            name=call_in.printer_name,
            driver=CALL_IN_DRIVER,
            owner_id=member.member_id,
            organization_id=member.organization_id,
            plate=known.plate if known is not None and is_mine else Plate.OCCUPIED,
            link="it calls in",
            display_name=asked.printer_name or (known.display_name if known and is_mine else None),
            type_id=call_in.type_id,
            jobs_from=_jobs_from(draft, known, member),
            version=known.version if known else 1,
        )
    )
    if known is not None and known.owner_id != member.member_id:
        preparing.leave(draft, known, member)
    draft.drop_code(code.code)
    tell_registered(draft, printer, member, CodeKind.PRIMARY)
    if second is not None and second.member_id != member.member_id:
        _give_role(draft, printer, second)
    return printer


def _jobs_from(draft: Draft, known: Printer | None, owner: Member) -> int:
    if known is None:
        return 0
    return known.jobs_from if known.owner_id == owner.member_id else draft.last_work_id + 1


def _join(draft: Draft, code: RegistrationCode, member: Member) -> Printer:
    printer = the_printer(draft, code.printer_id)
    if not printer.enabled:
        raise CommandRefused(Refusal.CONFLICT, f"{gone(printer)}; this code is worth nothing now")
    if printer.owner_id == member.member_id:
        raise CommandRefused(
            Refusal.CONFLICT, f"{printer.shown_name} is yours already; give this code to whom it is for"
        )
    draft.drop_code(code.code)
    _give_role(draft, printer, member)
    return printer


def _give_role(draft: Draft, printer: Printer, member: Member) -> None:
    if (printer.printer_id, member.member_id) not in draft.roles:
        draft.put_role(PrinterRole(printer.printer_id, member.member_id))
    tell_registered(draft, printer, member, CodeKind.SECONDARY)


# ---------------------------------------------------------------- the owner decides


def unregister(draft: Draft, asked: UnregisterPrinter) -> Printer:
    """Refused while it prints; what it may have printed without anybody's knowledge is held."""
    printer = enabled_printer(draft, asked.printer_id)
    if printer.driver != CALL_IN_DRIVER:
        raise CommandRefused(
            Refusal.CONFLICT, f"{printer.shown_name} is in the configuration; remove it there"
        )
    _let_go(draft, printer)
    for command in [c for c in draft.commands.values() if c.printer_id == printer.printer_id]:
        message = f"{printer.shown_name} was unregistered before it answered"
        answering.close_command(draft, command, CommandStatus.FAILED, message)
    _drop_codes(draft, printer.printer_id)
    for _, member_id in [key for key in draft.roles if key[0] == printer.printer_id]:
        draft.drop_role(printer.printer_id, member_id)
    draft.presence.pop(printer.printer_id, None)
    printer = draft.put_printer(replace(printer, enabled=False))
    tell_unregistered(draft, printer, asked.member_id, CodeKind.PRIMARY)
    return printer


def _let_go(draft: Draft, printer: Printer) -> None:
    is_there = draft.presence.get(printer.printer_id, Presence()).link is LinkState.UP
    for job in [job for job in draft.jobs.values() if job.printer_id == printer.printer_id]:
        if not job.is_on_printer or job.is_held:
            continue
        if is_there:
            raise CommandRefused(
                Refusal.CONFLICT,
                f"{printer.shown_name} has a job ({where(job)}); cancel it, or wait until it is over",
            )
        job_moves.hold(draft, job, printer, f"{printer.shown_name} was unregistered while it had this job")


def enabled_printer(draft: Draft, printer_id: int) -> Printer:
    """The printer with that id, in use, or CommandRefused."""
    printer = the_printer(draft, printer_id)
    if not printer.enabled:
        raise CommandRefused(Refusal.CONFLICT, gone(printer))
    return printer


def the_member(draft: Draft, member_id: str) -> Member:
    """The member with that id, or CommandRefused."""
    member = draft.members.get(member_id)
    if member is None:
        raise CommandRefused(
            Refusal.UNKNOWN, "there is no such member; `print-gateway members list` shows them"
        )
    return member


# ---------------------------------------------------------------- what is told


def _tell_contacted(draft: Draft, call_in: CallIn, *, is_new: bool) -> None:
    printer = draft.printers.get(call_in.printer_id)
    draft.events.append(
        PrinterContacted(
            **_about(draft, call_in.printer_id, printer, printer.owner_id if printer else None),
            printer=printer.shown_name if printer else call_in.printer_name,
            is_new=is_new,
        )
    )


def tell_registered(draft: Draft, printer: Printer, member: Member, kind: CodeKind) -> None:
    """A member registered a printer, or became its member."""
    draft.events.append(
        PrinterRegistered(
            **_about(draft, printer.printer_id, printer, member.member_id),
            printer=printer.shown_name,
            registration=kind.value,
        )
    )


def tell_unregistered(draft: Draft, printer: Printer, member_id: str, kind: CodeKind) -> None:
    """A member gave a printer up, or is its member no more."""
    draft.events.append(
        PrinterUnregistered(
            **_about(draft, printer.printer_id, printer, member_id),
            printer=printer.shown_name,
            registration=kind.value,
        )
    )


def _about(draft: Draft, printer_id: int, printer: Printer | None, member_id: str | None) -> Subject:
    return {
        "at": draft.moment.wall,
        "organization_id": printer.organization_id if printer else None,
        "member_id": member_id,
        "printer_id": printer_id,
        "work_id": None,
    }


HANDLERS: dict[type, Callable[[Draft, Any], Any]] = {
    ContactFirst: contact_first,
    ContactAgain: contact_again,
    RegisterPrinter: register,
    UnregisterPrinter: unregister,
}
