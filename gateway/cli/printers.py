"""`print-gateway printers …`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import show
from gateway.cli.session import call

if TYPE_CHECKING:
    from gateway.client.models import Answer, Printer
    from gateway.client.native import GatewayClient

app = typer.Typer(no_args_is_help=True, help="Printers: what they do, and whether their plates are clear.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(help="Name or number of the printer.")]


@app.command("list")
def list_(context: typer.Context, json: Json = False) -> None:
    """All printers, one a line."""
    found = call(context, lambda client: client.printers())
    (show.as_json if json else show.printers)(found)


@app.command("show")
def show_(context: typer.Context, name: Name, json: Json = False) -> None:
    """Everything about one printer."""
    printer = call(context, lambda client: client.printer(name))
    if json:
        show.as_json(printer)
    else:
        show.one_printer(printer)


@app.command()
def ready(context: typer.Context, name: Name, json: Json = False) -> None:
    """Confirm that the plate is clear: you looked, and the next job may start."""

    async def work(client: GatewayClient) -> Printer:
        printer = await client.printer(name)
        await client.set_plate(printer.id, "clear")
        return await client.printer(str(printer.id)) if json else printer

    printer = call(context, work)
    if json:
        show.as_json(printer)
    else:
        print(f"{printer.name}: plate clear")


@app.command()
def stop(context: typer.Context, name: Name, json: Json = False) -> None:
    """Emergency stop, at once: heaters and motors off. The printer needs a reset afterwards."""

    async def work(client: GatewayClient) -> tuple[Printer, Answer]:
        printer = await client.printer(name)
        return printer, await client.stop(printer.id)

    printer, answer = call(context, work)
    if json:
        show.as_json(answer)
    else:
        print(f"{printer.name}: {answer.message or 'emergency stop sent'}")
