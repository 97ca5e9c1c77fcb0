"""Stacks: groups of printers that schedules run on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from gateway.api.http.answers import encode, etag_of, reply, reply_if_changed
from gateway.api.http.operations import READ, READ_WRITE, AnyCall, Call, NoQuery, operation
from gateway.api.http.problems import Failure
from gateway.api.http.schedules import visible_stack, visible_stacks
from gateway.api.native import schedule_schemas as schemas
from gateway.api.native import schedule_shapes as shapes
from gateway.api.native.jobs import ROOT
from gateway.api.native.printers import printer_by
from gateway.auth.access_work import may_change_stack
from gateway.domain.printer import Printer
from gateway.domain.schedule import Stack
from gateway.domain.schedule_commands import AddStack, ChangeStack, RemoveStack
from gateway.domain.stacking import printers_of

_NO_STACK = (
    "There is no such stack for you. `print-gateway stacks list` (GET /gateway/v1/stacks) lists yours."
)


def _shape(call: AnyCall, stack: Stack) -> dict[str, Any]:
    return shapes.stack(stack, printers_of(call.services.engine.state, stack))


def stack_by(call: AnyCall, named: str | int | None, *, status: int = 422) -> Stack:
    """The stack with that id, number or name; without a name the only one, or the only one of one's own.

    Raises Failure with this status.
    """
    stacks = visible_stacks(call)
    own = [one for one in stacks if one.organization_id == call.principal.organization_id]
    if named is None:
        found = stacks if len(stacks) == 1 else own
    else:
        text = str(named)
        known = [one for one in stacks if text in (one.stack_id, str(one.number))]
        found = known or [one for one in own if one.name == text]
        found = found or [one for one in stacks if one.name == text]
    if len(found) == 1:
        return found[0]
    names = ", ".join(f"{one.name} ({one.number})" for one in stacks) or "none"
    what = f"there is no one stack {str(named)[:40]!r} for you"
    if named is None:
        what = "name one (on the command line by --stack)"
    raise Failure(status, f"stack: {what}. Yours, by name and number: {names}.")


def _stack(call: AnyCall) -> Stack:
    found = visible_stack(call, call.path("stack_id"))
    if found is None:
        raise Failure(404, _NO_STACK)
    return found


@operation("GET", "/stacks", scopes=READ, responses={200: schemas.Stacks}, is_conditional=True)
async def list_stacks(call: Call[NoQuery, None]) -> web.StreamResponse:
    """All stacks you may see, oldest first. The first of an organization has all its printers."""
    return reply_if_changed(call.request, {"stacks": [_shape(call, one) for one in visible_stacks(call)]})


@operation(
    "POST",
    "/stacks",
    scopes=READ_WRITE,
    responses={201: schemas.Stack},
    response_headers={"Location": "The stack.", "ETag": "Of the stack."},
)
async def create_stack(call: Call[NoQuery, schemas.NewStack]) -> web.StreamResponse:
    """Make a group of printers: for administrators, and for the owner of all of them."""
    asked = call.body
    organization_id = _organization(call, asked.organization)
    printers = _printers(call, asked.printers, organization_id)
    _may(call, organization_id, printers)
    command = AddStack(call.principal.member_id, organization_id, asked.name, _ids(printers))
    stack: Stack = await call.services.engine.execute(command)
    body = _shape(call, stack)
    etag = etag_of(encode(body), stack.version)
    return reply(body, 201, {"Location": f"{ROOT}/stacks/{stack.stack_id}", "ETag": etag})


@operation("GET", "/stacks/{stack_id}", scopes=READ, responses={200: schemas.Stack}, is_conditional=True)
async def get_stack(call: Call[NoQuery, None]) -> web.StreamResponse:
    """One stack."""
    stack = _stack(call)
    return reply_if_changed(call.request, _shape(call, stack), version=stack.version)


@operation("PUT", "/stacks/{stack_id}", scopes=READ_WRITE, responses={200: schemas.Stack})
async def replace_stack(call: Call[NoQuery, schemas.StackChange]) -> web.StreamResponse:
    """Another name, other printers. Runs that are under way keep theirs."""
    stack = _changeable(call)
    printers = _printers(call, call.body.printers, stack.organization_id)
    _may(call, stack.organization_id, printers)
    command = ChangeStack(stack.number, call.principal.member_id, call.body.name, _ids(printers))
    return reply(_shape(call, await call.services.engine.execute(command)))


@operation("DELETE", "/stacks/{stack_id}", scopes=READ_WRITE, responses={204: None})
async def remove_stack(call: Call[NoQuery, None]) -> web.StreamResponse:
    """Remove a stack that has no schedules."""
    stack = _changeable(call)
    await call.services.engine.execute(RemoveStack(stack.number, call.principal.member_id))
    return web.Response(status=204)


def _changeable(call: AnyCall) -> Stack:
    stack = _stack(call)
    if not may_change_stack(call.principal, stack, call.services.engine.state):
        raise Failure(
            403, f"{stack.name} has printers that are not yours; ask their owner or an administrator."
        )
    return stack


def _may(call: AnyCall, organization_id: int, printers: Sequence[Printer] | None) -> None:
    """Raises Failure 403 for a group that the caller may not make."""
    wanted = Stack(0, "", organization_id, "", call.services.clock.wall(), _ids(printers))
    if not may_change_stack(call.principal, wanted, call.services.engine.state):
        raise Failure(403, "A stack is made by an administrator, or by the owner of all of its printers.")


def _organization(call: AnyCall, named: str | None) -> int:
    organizations = call.services.engine.state.organizations.values()
    if named is None:
        return call.principal.organization_id
    for one in organizations:
        is_own = one.organization_id == call.principal.organization_id
        if one.name == named and (is_own or call.principal.is_admin):
            return one.organization_id
    raise Failure(422, f"organization: there is no {named[:40]!r} for which you may act.")


def _printers(call: AnyCall, named: Sequence[str | int] | None, organization_id: int) -> list[Printer] | None:
    """The printers that are named, each once. Raises Failure 422."""
    if named is None:
        return None
    found: dict[int, Printer] = {}
    for name_or_id in named:
        try:
            printer = printer_by(call, name_or_id)
        except Failure as failure:
            raise Failure(422, f"printers: {failure.detail}") from None
        if printer.organization_id != organization_id:
            raise Failure(422, f"printers: {printer.shown_name} is of another organization.")
        found[printer.printer_id] = printer
    return list(found.values())


def _ids(printers: Sequence[Printer] | None) -> tuple[int, ...] | None:
    return None if printers is None else tuple(printer.printer_id for printer in printers)
