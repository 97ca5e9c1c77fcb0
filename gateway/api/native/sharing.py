"""Who shares what: a printer's members and codes, giving a printer up, organizations."""

from __future__ import annotations

from aiohttp import web

from gateway.api.http.answers import reply
from gateway.api.http.operations import ADMIN, READ, READ_WRITE, AnyCall, Call, NoQuery, operation
from gateway.api.http.problems import Failure
from gateway.api.native import schemas, shapes
from gateway.api.native.printers import printer_by
from gateway.auth.access import may_own
from gateway.domain.call_in import RegistrationCode
from gateway.domain.commands import AddOrganization, InviteToPrinter, UnregisterPrinter
from gateway.domain.member import Organization
from gateway.domain.printer import Printer


def _owned(call: AnyCall) -> Printer:
    printer = printer_by(call, call.path("printer"))
    if not may_own(call.principal, printer):
        raise Failure(403, f"{printer.shown_name} is not yours; ask its owner.")
    return printer


@operation("GET", "/printers/{printer}/members", scopes=READ, responses={200: schemas.PrinterMembers})
async def list_printer_members(call: Call[NoQuery, None]) -> web.StreamResponse:
    """Who may use the printer besides its organization: its owner and its members."""
    printer = _owned(call)
    return reply({"members": shapes.printer_members(printer, call.services.engine.state)})


@operation("POST", "/printers/{printer}/codes", scopes=READ_WRITE, responses={201: schemas.PrinterCode})
async def create_printer_code(call: Call[NoQuery, schemas.NewPrinterCode]) -> web.StreamResponse:
    """A code that makes whoever types it in (Forge: `printers/register`) a member of the printer, once."""
    command = InviteToPrinter(_owned(call).printer_id, call.body.email)
    code: RegistrationCode = await call.services.engine.execute(command)
    body = {"code": code.code, "email": code.email, "expires_at": shapes.instant(code.expires_at)}
    return reply(body, 201)


@operation("DELETE", "/printers/{printer}", scopes=READ_WRITE, responses={204: None})
async def unregister_printer(call: Call[NoQuery, None]) -> web.StreamResponse:
    """Give up a printer that calls in: its members are forgotten, anybody can register it with its next code.

    Printers of the configuration are removed there.
    """
    printer = _owned(call)
    await call.services.engine.execute(UnregisterPrinter(printer.printer_id, call.principal.member_id))
    return web.Response(status=204)


@operation("GET", "/organizations", scopes=ADMIN, responses={200: schemas.Organizations})
async def list_organizations(call: Call[NoQuery, None]) -> web.StreamResponse:
    """All organizations."""
    found = call.services.engine.state.organizations.values()
    return reply({"organizations": [shapes.organization(each) for each in found]})


@operation("POST", "/organizations", scopes=ADMIN, responses={201: schemas.Organization})
async def create_organization(call: Call[NoQuery, schemas.NewOrganization]) -> web.StreamResponse:
    """A new organization: its members see its printers, and none of the others'."""
    organization = Organization(0, call.body.name, call.services.ids.hex(24))
    added: Organization = await call.services.engine.execute(AddOrganization(organization))
    return reply(shapes.organization(added), 201)
