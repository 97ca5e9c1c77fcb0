"""Members of a printer: invited by its owner, given rights, removed. Commands, as in `asking`.

Any printer can have members, configured ones too, and from any organization; what they may do is in `auth`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.domain import uploading
from gateway.domain.asking import the_printer
from gateway.domain.call_in import INVITATIONS_KEPT, CodeKind, PrinterRole, RegistrationCode
from gateway.domain.call_in_commands import InviteToPrinter, RemovePrinterMember, SetPrinterRole
from gateway.domain.calling_in import (
    drop_expired,
    enabled_printer,
    new_code,
    tell_registered,
    tell_unregistered,
    the_member,
)
from gateway.domain.commands import CommandRefused, Refusal
from gateway.domain.preparing import lose_printer
from gateway.domain.state import Draft


def invite(draft: Draft, asked: InviteToPrinter) -> RegistrationCode:
    """A code for one more member; the same one again for the same e-mail address."""
    printer = enabled_printer(draft, asked.printer_id)
    drop_expired(draft)
    given = [
        code
        for code in draft.codes.values()
        if code.printer_id == printer.printer_id and code.kind is CodeKind.SECONDARY
    ]
    for code in given:
        if code.email is not None and code.email == asked.email:
            return code
    given.sort(key=lambda code: code.expires_at)
    for code in given[: max(0, len(given) - INVITATIONS_KEPT + 1)]:
        draft.drop_code(code.code)
    return new_code(draft, printer.printer_id, CodeKind.SECONDARY, asked.email)


def set_role(draft: Draft, asked: SetPrinterRole) -> PrinterRole:
    """What a member may do, whether it is one of the printer yet or not."""
    printer = enabled_printer(draft, asked.printer_id)
    member = the_member(draft, asked.member_id)
    if member.member_id == printer.owner_id:
        raise CommandRefused(
            Refusal.INVALID, f"{member.name} owns {printer.shown_name} and may do everything with it"
        )
    known = draft.roles.get((printer.printer_id, member.member_id))
    role = PrinterRole(printer.printer_id, member.member_id, asked.is_printer_scoped, asked.is_job_scoped)
    if role == known:
        return role
    if known is None:
        tell_registered(draft, printer, member, CodeKind.SECONDARY)
    return draft.put_role(role)


def remove_member(draft: Draft, asked: RemovePrinterMember) -> None:
    """Its jobs stay its own. What is on the machine goes on; what waits finds another printer, or fails.

    A member of the printer's organization may use it without a role: its jobs wait as before.
    """
    printer = the_printer(draft, asked.printer_id)
    if (printer.printer_id, asked.member_id) not in draft.roles:
        raise CommandRefused(
            Refusal.UNKNOWN,
            f"{printer.shown_name} has no such member; "
            f"`print-gateway printers members {printer.typed_name}` shows them",
        )
    draft.drop_role(printer.printer_id, asked.member_id)
    member = draft.members.get(asked.member_id)
    if member is None or member.organization_id != printer.organization_id:
        why = f"you are no member of {printer.shown_name} any more"
        lose_printer(draft, printer, {asked.member_id}, why)
        uploading.lose_printer(draft, printer, asked.member_id, why)
    tell_unregistered(draft, printer, asked.member_id, CodeKind.SECONDARY)


HANDLERS: dict[type, Callable[[Draft, Any], Any]] = {
    InviteToPrinter: invite,
    SetPrinterRole: set_role,
    RemovePrinterMember: remove_member,
}
