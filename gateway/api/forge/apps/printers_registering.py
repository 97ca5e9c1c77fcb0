"""Printers that call in get and lose their owners and members (Forge 1.2).

`POST printers/register`, `DELETE printers/:printer_id`, `POST printers/:printer_id/secondary_registration`.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from gateway.api.forge import answers
from gateway.api.forge.apps.finding_printers import printer_asked_for
from gateway.api.forge.schemas_printers import (
    Invitation,
    NewInvitation,
    NewRegistration,
    Registration,
    Removal,
)
from gateway.api.http.answers import reply
from gateway.api.http.code_attempts import spend_attempt
from gateway.api.http.operations import FORM, INTEGER_ID, JSON, READ_WRITE, WRITE, Call, NoQuery, operation
from gateway.api.http.problems import Failure
from gateway.auth.access import may_own
from gateway.domain.call_in import RegistrationCode
from gateway.domain.call_in_commands import (
    InviteToPrinter,
    RegisterPrinter,
    RemovePrinterMember,
    UnregisterPrinter,
)
from gateway.domain.printer import Printer

_PRINTER: Final = {"printer_id": INTEGER_ID}


@operation(
    "POST",
    "/print/printers/register",
    scopes=READ_WRITE,
    responses={200: Registration},
    accepts=(JSON, FORM),
)
async def register_printer(call: Call[NoQuery, NewRegistration]) -> web.StreamResponse:
    """Register the printer that shows a code: the caller owns it, or may use it, as the code says.

    A code that is unknown, used or too old is 422.
    """
    asked, member_id = call.body, call.principal.member_id
    spend_attempt(call)
    printer: Printer = await call.services.engine.execute(
        RegisterPrinter(member_id, asked.registration_code, asked.printer_name, asked.secondary_member_id)
    )
    return reply({"registered": True, "printer_id": printer.printer_id})


@operation(
    "DELETE",
    "/print/printers/{printer_id}",
    scopes=READ_WRITE,
    responses={204: None},
    accepts=(JSON, FORM),
    path_parameters=_PRINTER,
    body_required=False,
)
async def unregister_printer(call: Call[NoQuery, Removal]) -> web.StreamResponse:
    """Give up a printer, leave it, or remove one of its members.

    Without a body the owner gives the printer up, a member leaves it. With `secondary_member_id` the owner
    removes that member.
    """
    printer = printer_asked_for(call)
    engine, me = call.services.engine, call.principal.member_id
    if "secondary_member_id" in call.body.model_fields_set:
        member_id = call.body.secondary_member_id
        if member_id is None:
            raise Failure(422, "secondary_member_id is null: name a member, or leave it out.")
        if member_id != me and not may_own(call.principal, printer):
            raise answers.no_access()
        await engine.execute(RemovePrinterMember(printer.printer_id, member_id))
    elif (printer.printer_id, me) in engine.state.roles:
        await engine.execute(RemovePrinterMember(printer.printer_id, me))
    elif may_own(call.principal, printer):
        await engine.execute(UnregisterPrinter(printer.printer_id, me))
    else:
        raise answers.no_access()
    return web.Response(status=204)


@operation(
    "POST",
    "/print/printers/{printer_id}/secondary_registration",
    scopes=WRITE,
    responses={200: Invitation},
    accepts=(JSON, FORM),
    path_parameters=_PRINTER,
)
async def invite_to_printer(call: Call[NoQuery, NewInvitation]) -> web.StreamResponse:
    """A code with which another person registers as a member of the printer; for its owner."""
    printer, email = printer_asked_for(call), call.body.secondary_member_email
    if not may_own(call.principal, printer):
        raise answers.no_access()
    invitation: RegistrationCode = await call.services.engine.execute(
        InviteToPrinter(printer.printer_id, email)
    )
    return reply(
        {
            "printer_id": printer.printer_id,
            "registration_code": invitation.code,
            "secondary_member_email": email,
        }
    )


REGISTRATION_OPERATIONS: Final = (register_printer, unregister_printer, invite_to_printer)
