"""Printers: how they are, their plates, adjustments, answers, commands, the emergency stop."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gateway.api.http.answers import reply, reply_if_changed
from gateway.api.http.finding import usable_printers
from gateway.api.http.operations import READ, READ_WRITE, AnyCall, Call, NoQuery, operation
from gateway.api.http.problems import Failure
from gateway.api.native import printer_schemas as schemas
from gateway.api.native import shapes
from gateway.auth.access import may_confirm_plate, may_see_job, may_stop, may_tell, may_tend
from gateway.domain.adjustment import Adjustment
from gateway.domain.assign import holder_of
from gateway.domain.commands import AdjustPrinter, AnswerPrinter, SetPlate, TellPrinter
from gateway.domain.printer import Printer
from gateway.domain.printer_command import PrinterCommand


def printer_by(call: AnyCall, name_or_id: str | int) -> Printer:
    """The printer with that name, that display name or that id; 404 when the caller may use none such."""
    printers = usable_printers(call)
    text = str(name_or_id)
    is_name = not isinstance(name_or_id, int)
    named = (printer for printer in printers if printer.name == text and is_name)
    shown = (printer for printer in printers if printer.shown_name == text and is_name)
    numbered = (printer for printer in printers if str(printer.printer_id) == text)
    found = next(named, None) or next(shown, None) or next(numbered, None)
    if found is None:
        names = ", ".join(printer.shown_name for printer in printers) or "none"
        raise Failure(404, f"There is no printer {text[:40]!r} for you. Yours: {names}.")
    return found


def by_whom(call: AnyCall) -> str:
    """The name under which an act is recorded."""
    member = call.services.engine.state.members.get(call.principal.member_id)
    return member.name if member is not None else "administrator of the host"


def _shape(call: AnyCall, printer: Printer) -> dict[str, object]:
    state = call.services.engine.state
    job = holder_of(state, printer)
    is_shown = job is not None and may_see_job(call.principal, job, printer)
    return shapes.printer(printer, state, call.services.clock.monotonic(), job if is_shown else None)


@operation("GET", "/printers", scopes=READ, responses={200: schemas.Printers}, is_conditional=True)
async def list_printers(call: Call[NoQuery, None]) -> web.StreamResponse:
    """All printers you may use."""
    found = [_shape(call, printer) for printer in usable_printers(call)]
    return reply_if_changed(call.request, {"printers": found})


@operation("GET", "/printers/{printer}", scopes=READ, responses={200: schemas.Printer}, is_conditional=True)
async def get_printer(call: Call[NoQuery, None]) -> web.StreamResponse:
    """One printer, by its name or id."""
    printer = printer_by(call, call.path("printer"))
    return reply_if_changed(call.request, _shape(call, printer), version=printer.version)


@operation("POST", "/printers/{printer}/plate", scopes=READ_WRITE, responses={200: schemas.Printer})
async def set_plate(call: Call[NoQuery, schemas.PlateChange]) -> web.StreamResponse:
    """Confirm that the plate is clear, or say that it is occupied.

    The next job starts only on a clear plate. Look at the machine first.
    """
    printer = printer_by(call, call.path("printer"))
    if not may_confirm_plate(call.principal, printer, call.services.engine.state):
        raise Failure(403, f"The plate of {printer.shown_name} is for its owner to confirm.")
    command = SetPlate(printer.printer_id, call.body.plate, by_whom(call))
    return reply(_shape(call, await call.services.engine.execute(command)))


def _tended(call: AnyCall) -> Printer:
    """The printer, if the caller may meddle with what it does now."""
    printer = printer_by(call, call.path("printer"))
    if not may_tend(call.principal, printer, call.services.engine.state):
        raise Failure(403, f"{printer.shown_name} prints for somebody else; its owner or theirs may do that.")
    return printer


_GIVEN: dict[str, Any] = {
    "scopes": READ_WRITE,
    "responses": {202: schemas.Task},
    "response_headers": {"Location": "Where the command's state is."},
}


def _given(task: PrinterCommand) -> web.Response:
    return reply(shapes.task(task), 202, {"Location": f"/gateway/v1/commands/{task.task_id}"})


@operation("POST", "/printers/{printer}/adjust", **_GIVEN)
async def adjust_printer(call: Call[NoQuery, schemas.Adjustment]) -> web.StreamResponse:
    """Change speed, flow, fan, temperatures or height at once, between two lines of the print.

    On an idle printer the fan and the temperatures can be set.
    """
    printer = _tended(call)
    change = Adjustment(**call.body.model_dump())
    command = AdjustPrinter(printer.printer_id, call.principal.member_id, change)
    return _given(await call.services.engine.execute(command))


@operation("POST", "/printers/{printer}/prompt", **_GIVEN)
async def answer_prompt(call: Call[NoQuery, schemas.PromptAnswer]) -> web.StreamResponse:
    """Answer the question that the printer asks (`prompt` of the printer), by the place of a button."""
    printer = _tended(call)
    command = AnswerPrinter(printer.printer_id, call.principal.member_id, call.body.choice)
    return _given(await call.services.engine.execute(command))


@operation("POST", "/printers/{printer}/command", **_GIVEN)
async def tell_printer(call: Call[NoQuery, schemas.NewCommand]) -> web.StreamResponse:
    """Give a printer a command of its own: home, reset, firmware_restart, whatever its kind knows.

    For its owner, and members whom the owner lets. Home, park, calibrate, restarts and upgrades wait for no
    print: they are refused while there is one. A word that only a printer's own firmware knows is passed on
    as it is. What a command says about a job is asked of the job: pause, resume, cancel.
    """
    printer = printer_by(call, call.path("printer"))
    if not may_tell(call.principal, printer, call.services.engine.state):
        text = f"Commands to {printer.shown_name} itself are for its owner, and for whom the owner lets."
        raise Failure(403, text)
    asked = call.body
    command = TellPrinter(printer.printer_id, call.principal.member_id, asked.command, asked.parameters)
    return _given(await call.services.engine.execute(command))


@operation("POST", "/printers/{printer}/stop", scopes=READ_WRITE, responses={202: schemas.Task})
async def stop_printer(call: Call[NoQuery, None]) -> web.StreamResponse:
    """Emergency stop: sent at once, before anything is written down.

    Heaters and motors go off; the printer must be reset at the machine before it prints again.
    """
    printer = printer_by(call, call.path("printer"))
    if not may_stop(call.principal, printer, call.services.engine.state):
        raise Failure(403, f"You may not stop {printer.shown_name}. Use the switch at the machine.")
    task = await call.services.engine.emergency_stop(printer.printer_id, call.principal.member_id)
    return reply(shapes.task(task), 202)
