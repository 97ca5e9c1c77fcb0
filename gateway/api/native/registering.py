"""A printer that calls in gets its owner, without an app: the code on its display is typed in here."""

from __future__ import annotations

from aiohttp import web

from gateway.api.http.answers import reply
from gateway.api.http.code_attempts import spend_attempt
from gateway.api.http.operations import READ_WRITE, AnyCall, Call, NoQuery, operation
from gateway.api.http.problems import Failure
from gateway.api.native import printer_schemas as schemas
from gateway.api.native import shapes
from gateway.domain.call_in_commands import RegisterPrinter
from gateway.domain.printer import Printer


@operation("POST", "/printers", scopes=READ_WRITE, responses={201: schemas.Printer})
async def register_printer(call: Call[NoQuery, schemas.NewPrinter]) -> web.StreamResponse:
    """Register the printer that shows a code (as the Forge API's `printers/register`).

    The caller owns it from now on, or becomes its member, as the code says. An administrator may name another
    `owner`. Printers of the configuration are added there.
    """
    asked, engine = call.body, call.services.engine
    member_id = _whose(call, asked.owner)
    spend_attempt(call)
    printer: Printer = await engine.execute(RegisterPrinter(member_id, asked.code, asked.name))
    return reply(shapes.printer(printer, engine.state, call.services.clock.monotonic(), None), 201)


def _whose(call: AnyCall, owner: str | None) -> str:
    """The id of the member who is meant."""
    me = call.principal.member_id
    if owner is None:
        return me
    members = call.services.engine.state.members
    found = next((row.member_id for row in members.values() if owner in (row.name, row.member_id)), None)
    if found != me and not call.principal.is_admin:
        raise Failure(403, "You register printers for yourself; for others an administrator does.")
    if found is None:
        raise Failure(422, f"There is no member {owner[:40]!r}; `print-gateway members list` shows them.")
    return found
