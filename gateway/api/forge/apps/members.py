"""Who may use a printer: `GET printers/:printer_id/members`, `POST printers/:printer_id/member_role`."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from gateway.api.forge import answers
from gateway.api.forge.apps.finding_printers import printer_asked_for
from gateway.api.forge.listing import read_page
from gateway.api.forge.schemas import PageQuery
from gateway.api.forge.schemas_printers import MemberPage, NewRole, PrinterMember
from gateway.api.http.answers import reply
from gateway.api.http.operations import FORM, INTEGER_ID, JSON, READ_WRITE, AnyCall, Call, NoQuery, operation
from gateway.auth.access import may_own
from gateway.domain.call_in import PrinterRole
from gateway.domain.call_in_commands import SetPrinterRole
from gateway.domain.printer import Printer

_PRINTER: Final = {"printer_id": INTEGER_ID}


@operation(
    "GET",
    "/print/printers/{printer_id}/members",
    scopes=READ_WRITE,
    responses={200: MemberPage},
    path_parameters=_PRINTER,
    reads_query=False,
    response_headers={"X-Total-Count": "How many members there are in all pages."},
)
async def list_members(call: Call[PageQuery, None]) -> web.StreamResponse:
    """Lists the members of a printer, its owner first."""
    printer, page = printer_asked_for(call), read_page(call.request.query)
    members = _members(call, printer)
    shown = members[page.offset :][: page.rows]
    path = f"/print/printers/{printer.printer_id}/members"
    body = answers.envelope(path, page, len(shown), len(members), call.principal.member_id)
    body |= {"printer_id": printer.printer_id, "members": shown}
    return reply(body, headers={"X-Total-Count": str(len(members))})


def _members(call: AnyCall, printer: Printer) -> list[dict[str, Any]]:
    roles = call.services.engine.state.roles
    others = sorted(key for key in roles if key[0] == printer.printer_id)
    owner = PrinterRole(printer.printer_id, printer.owner_id, is_printer_scoped=True)
    return [member_object(role, printer) for role in (owner, *(roles[key] for key in others))]


def member_object(role: PrinterRole, printer: Printer) -> dict[str, Any]:
    """One member of a printer (Forge: GET printers/:printer_id/members)."""
    return {
        "member_id": role.member_id,
        "is_registered": True,
        "is_primary": role.member_id == printer.owner_id,
        "is_printer_scoped": role.is_printer_scoped,
        "is_job_scoped": role.is_job_scoped,
    }


@operation(
    "POST",
    "/print/printers/{printer_id}/member_role",
    scopes=READ_WRITE,
    responses={200: PrinterMember},
    accepts=(JSON, FORM),
    path_parameters=_PRINTER,
)
async def set_role(call: Call[NoQuery, NewRole]) -> web.StreamResponse:
    """Say what a member of a printer may do; for its owner."""
    printer, asked = printer_asked_for(call), call.body
    if not may_own(call.principal, printer):
        raise answers.no_access()
    command = SetPrinterRole(
        printer.printer_id, asked.secondary_member_id, asked.is_printer_scoped, asked.is_job_scoped
    )
    return reply(member_object(await call.services.engine.execute(command), printer))


MEMBER_OPERATIONS: Final = (list_members, set_role)
