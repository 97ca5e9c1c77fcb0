"""Who shares what: a printer's members and codes, giving a printer up, organizations."""

from __future__ import annotations

from aiohttp import web

from gateway.api.http.answers import reply
from gateway.api.http.operations import ADMIN, READ, READ_WRITE, AnyCall, Call, NoQuery, operation
from gateway.api.http.problems import Failure
from gateway.api.native import member_schemas, shapes
from gateway.api.native.printer_schemas import (
    NewPrinterCode,
    PrinterCode,
    PrinterMember,
    PrinterMembers,
    PrinterRights,
)
from gateway.api.native.printers import printer_by
from gateway.auth.access import is_admin_of, may_own
from gateway.domain.call_in import PrinterRole, RegistrationCode
from gateway.domain.call_in_commands import InviteToPrinter, SetPrinterRole, UnregisterPrinter
from gateway.domain.commands import AddOrganization
from gateway.domain.member import Organization
from gateway.domain.printer import Printer


def _owned(call: AnyCall) -> Printer:
    printer = printer_by(call, call.path("printer"))
    if not may_own(call.principal, printer):
        raise Failure(403, f"{printer.shown_name} is not yours; ask its owner.")
    return printer


@operation("GET", "/printers/{printer}/members", scopes=READ, responses={200: PrinterMembers})
async def list_printer_members(call: Call[NoQuery, None]) -> web.StreamResponse:
    """Who may use the printer besides its organization: its owner and its members."""
    printer = _owned(call)
    return reply({"members": shapes.printer_members(printer, call.services.engine.state)})


@operation(
    "PUT",
    "/printers/{printer}/members/{member}",
    scopes=READ_WRITE,
    responses={200: PrinterMember},
)
async def set_printer_role(call: Call[NoQuery, PrinterRights]) -> web.StreamResponse:
    """Say what a member of the printer may do, by id or name; whoever is none yet becomes one."""
    printer, engine = _owned(call), call.services.engine
    member_id = _member_named(call, printer, call.path("member"))
    known = engine.state.roles.get(
        (printer.printer_id, member_id), PrinterRole(printer.printer_id, member_id)
    )
    asked = call.body.model_dump(exclude_none=True)
    rights = {"is_printer_scoped": known.is_printer_scoped, "is_job_scoped": known.is_job_scoped, **asked}
    role: PrinterRole = await engine.execute(SetPrinterRole(printer.printer_id, member_id, **rights))
    return reply(shapes.printer_member(role, printer, engine.state))


def _member_named(call: AnyCall, printer: Printer, text: str) -> str:
    """Its id. Names work for members of the caller's organization and of the printer."""
    state, principal = call.services.engine.state, call.principal
    for member in state.members.values():
        is_known = (
            is_admin_of(principal, member.organization_id)
            or member.organization_id == principal.organization_id
            or (printer.printer_id, member.member_id) in state.roles
        )
        if member.member_id == text or (member.name == text and is_known):
            return member.member_id
    raise Failure(404, f"There is no member {text[:40]!r} for you; others are meant by their id.")


@operation("POST", "/printers/{printer}/codes", scopes=READ_WRITE, responses={201: PrinterCode})
async def create_printer_code(call: Call[NoQuery, NewPrinterCode]) -> web.StreamResponse:
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


@operation("GET", "/organizations", scopes=ADMIN, responses={200: member_schemas.Organizations})
async def list_organizations(call: Call[NoQuery, None]) -> web.StreamResponse:
    """All organizations."""
    found = call.services.engine.state.organizations.values()
    return reply({"organizations": [shapes.organization(each) for each in found]})


@operation("POST", "/organizations", scopes=ADMIN, responses={201: member_schemas.Organization})
async def create_organization(call: Call[NoQuery, member_schemas.NewOrganization]) -> web.StreamResponse:
    """A new organization: its members see its printers, and none of the others'."""
    organization = Organization(0, call.body.name, call.services.ids.hex(24))
    added: Organization = await call.services.engine.execute(AddOrganization(organization))
    return reply(shapes.organization(added), 201)
