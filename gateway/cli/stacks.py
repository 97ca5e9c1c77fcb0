"""`print-gateway stacks …`: groups of printers that schedules run on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import show
from gateway.cli.session import Exit, call, fail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.client.models import Stack
    from gateway.client.native import GatewayClient

app = typer.Typer(no_args_is_help=True, help="Stacks: groups of printers that schedules run on.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Which = Annotated[str, typer.Argument(metavar="STACK", help="Name, number or id of the stack.")]
Printers = Annotated[
    list[str] | None, typer.Option("--printer", help="A printer of the stack, by name or id; repeat it.")
]


@app.command("list")
def list_(context: typer.Context, json: Json = False) -> None:
    """All stacks, one a line."""
    found = call(context, lambda client: client.stacks.all())
    if json:
        show.as_json(found)
        return
    show.table(
        ("NUMBER", "NAME", "PRINTERS", "ID"),
        ((s.number, s.name, _printers(s), s.id) for s in found),
        spare=("ID",),
    )


@app.command("show")
def show_(context: typer.Context, stack: Which, json: Json = False) -> None:
    """One stack."""
    _print(call(context, lambda client: client.stacks.find(stack)), json=json)


@app.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What people call it.")],
    printer: Printers = None,
    organization: Annotated[str | None, typer.Option(help="For administrators: whose; else yours.")] = None,
    json: Json = False,
) -> None:
    """Make a stack of some printers; without --printer it has all of them, as they come and go."""
    made = call(context, lambda client: client.stacks.add(name, printer or None, organization))
    _print(made, json=json)


@app.command()
def change(
    context: typer.Context,
    stack: Which,
    name: Annotated[str | None, typer.Option(help="Its new name.")] = None,
    printer: Printers = None,
    all_printers: Annotated[bool, typer.Option("--all", help="All printers, as they come and go.")] = False,
    json: Json = False,
) -> None:
    """Another name, or other printers; what is not said stays."""
    if name is None and not printer and not all_printers:
        fail("say what changes: --name, --printer or --all", Exit.USAGE)
    if printer and all_printers:
        fail("say either --printer or --all", Exit.USAGE)

    async def work(client: GatewayClient) -> Stack:
        known = await client.stacks.find(stack)
        kept: Sequence[str | int] | None = None if known.is_all else [one.id for one in known.printers]
        printers = None if all_printers else (printer or kept)
        return await client.stacks.change(known.id, name or known.name, printers)

    _print(call(context, work), json=json)


@app.command()
def remove(context: typer.Context, stack: Which) -> None:
    """Remove a stack that has no schedules."""

    async def work(client: GatewayClient) -> Stack:
        known = await client.stacks.find(stack)
        await client.stacks.remove(known.id)
        return known

    print(f"stack {call(context, work).name} is removed")


def _print(stack: Stack, *, json: bool) -> None:
    if json:
        show.as_json(stack)
        return
    show.fields(
        [
            ("name", stack.name), ("number", stack.number), ("id", stack.id), ("printers", _printers(stack)),
            ("created", show.instant(stack.created_at)),
        ]
    )  # fmt: skip


def _printers(stack: Stack) -> str:
    names = ", ".join(printer.name for printer in stack.printers) or "none"
    return f"all: {names}" if stack.is_all else names
