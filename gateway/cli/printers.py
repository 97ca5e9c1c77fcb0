"""`print-gateway printers …`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import printer_orders, show
from gateway.cli.session import Exit, call, fail

if TYPE_CHECKING:
    from gateway.client.models import Printer, PrinterCode, PrinterMember
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
        print(f"{printer.shown_name}: plate clear")


app.command()(printer_orders.adjust)
app.command()(printer_orders.answer)
app.command()(printer_orders.command)
app.command()(printer_orders.stop)


@app.command()
def register(
    context: typer.Context,
    code: Annotated[str, typer.Argument(help="What its display shows.")],
    name: Annotated[str | None, typer.Option(help="What people call it.")] = None,
    owner: Annotated[
        str | None, typer.Option(help="Whose it is; left out: yours. On the printers' host, as root.")
    ] = None,
    json: Json = False,
) -> None:
    """Register a printer that calls in, by the code on its display (docs/FORGE.md)."""
    printer = call(context, lambda client: client.register_printer(code, name, owner))
    if json:
        show.as_json(printer)
    else:
        print(
            f"{printer.shown_name} is printer {printer.id}, owner {printer.owner}; "
            f"when its plate is empty: print-gateway printers ready {printer.id}"
        )


@app.command()
def members(context: typer.Context, name: Name, json: Json = False) -> None:
    """Who may use a printer besides its organization: its owner, and whom the owner let."""

    async def work(client: GatewayClient) -> tuple[PrinterMember, ...]:
        return await client.printer_members((await client.printer(name)).id)

    found = call(context, work)
    if json:
        show.as_json(found)
        return
    rows = (
        (
            m.member_id,
            m.name,
            "owner" if m.is_owner else "member",
            _yes(m.is_printer_scoped),
            _yes(m.is_job_scoped),
        )
        for m in found
    )
    show.table(("ID", "NAME", "AS", "PRINTER COMMANDS", "OWN JOBS"), rows)


def _yes(it_is: bool) -> str:
    return "yes" if it_is else "no"


@app.command()
def role(
    context: typer.Context,
    name: Name,
    member: Annotated[str, typer.Argument(help="Name or id of the member.")],
    printer_commands: Annotated[
        bool | None,
        typer.Option("--printer-commands/--no-printer-commands", help="Reset it, calibrate it and so on."),
    ] = None,
    job_commands: Annotated[
        bool | None,
        typer.Option("--job-commands/--no-job-commands", help="Pause, resume and cancel their own jobs."),
    ] = None,
    json: Json = False,
) -> None:
    """Say what somebody may do with a printer; whoever is no member of it yet becomes one."""
    if printer_commands is None and job_commands is None:
        fail("say what they may do: --[no-]printer-commands, --[no-]job-commands", Exit.USAGE)

    async def work(client: GatewayClient) -> tuple[Printer, PrinterMember]:
        printer = await client.printer(name)
        rights = {"is_printer_scoped": printer_commands, "is_job_scoped": job_commands}
        return printer, await client.set_printer_role(printer.id, member, **rights)

    printer, given = call(context, work)
    if json:
        show.as_json(given)
        return
    commands, jobs = _yes(given.is_printer_scoped), _yes(given.is_job_scoped)
    who = given.name or given.member_id
    print(f"{printer.shown_name}: {who}: printer commands {commands}, commands to own jobs {jobs}")


@app.command()
def code(
    context: typer.Context,
    name: Name,
    email: Annotated[str | None, typer.Option(help="Whom it is for.")] = None,
    json: Json = False,
) -> None:
    """A code that makes whoever types it into an app a member of the printer, once."""

    async def work(client: GatewayClient) -> tuple[Printer, PrinterCode]:
        printer = await client.printer(name)
        return printer, await client.printer_code(printer.id, email)

    printer, made = call(context, work)
    if json:
        show.as_json(made)
    else:
        print(f"{printer.shown_name}: {made.code}, good once until {show.instant(made.expires_at)}")


@app.command()
def unregister(context: typer.Context, name: Name) -> None:
    """Give up a printer that calls in; its next owner registers it with the code it shows from then on."""

    async def work(client: GatewayClient) -> Printer:
        printer = await client.printer(name)
        await client.unregister(printer.id)
        return printer

    print(
        f"{call(context, work).shown_name} is not registered any more; "
        "switched off and on, it shows the code for its next owner"
    )
