"""`print-gateway printers …`"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import show
from gateway.cli.session import Exit, call, fail

if TYPE_CHECKING:
    from gateway.client.models import Answer, Printer, PrinterCode, PrinterMember
    from gateway.client.native import GatewayClient

#: Seconds between two looks at what became of an order, and how many: two seconds, a few moves of a print.
ANSWER_SECONDS, ANSWER_TRIES = 0.1, 20
#: Seconds for the word of a printer that shall stop: a driver waits 10 s for it; then the way back.
STOP_SECONDS = 12.0

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


@app.command()
def adjust(
    context: typer.Context,
    name: Name,
    speed: Annotated[int | None, typer.Option(help="Percent of the file's speed.")] = None,
    flow: Annotated[int | None, typer.Option(help="Percent of the file's flow.")] = None,
    fan: Annotated[int | None, typer.Option(help="Percent; 0 is off.")] = None,
    hotend: Annotated[int | None, typer.Option(help="°C; 0 is off.")] = None,
    bed: Annotated[int | None, typer.Option(help="°C; 0 is off.")] = None,
    z: Annotated[float | None, typer.Option(help="Shift the nozzle by so many mm, up is positive.")] = None,
    light: Annotated[bool | None, typer.Option("--light/--no-light", help="Switch its light.")] = None,
    json: Json = False,
) -> None:
    """Change speed, flow, fan, temperatures or light at once; when nothing prints, not speed and flow."""
    given = {
        "speed": speed, "flow": flow, "fan": fan, "hotend": hotend, "bed": bed, "z_step": z, "light": light,
    }  # fmt: skip
    change = {what: value for what, value in given.items() if value is not None}
    if not change:
        fail("say what to adjust: --speed, --flow, --fan, --hotend, --bed, --z or --light", Exit.USAGE)
    _told(context, name, "adjusted", lambda client, printer: client.adjust(printer.id, change), json=json)


@app.command()
def answer(
    context: typer.Context,
    name: Name,
    choice: Annotated[int, typer.Argument(help="The number of the button; `printers show` has them.")],
    json: Json = False,
) -> None:
    """Answer the question that a printer asks."""
    _told(context, name, "answered", lambda client, printer: client.answer(printer.id, choice), json=json)


def _told(
    context: typer.Context,
    name: str,
    done: str,
    order: Callable[[GatewayClient, Printer], Awaitable[Answer]],
    *,
    json: bool,
) -> None:
    """Give an order and wait a moment for what the printer makes of it."""

    async def work(client: GatewayClient) -> tuple[Printer, Answer]:
        printer = await client.printer(name)
        return printer, await _settled(client, await order(client, printer))

    printer, answer = call(context, work)
    if json:
        show.as_json(answer)
        raise typer.Exit(Exit.TROUBLE if answer.state == "failed" else Exit.COMPLETED)
    if answer.state == "failed":
        fail(f"{printer.shown_name}: {answer.message or 'the printer did not do it'}")
    pending = "accepted; the printer is busy and does it next"
    print(f"{printer.shown_name}: {answer.message or (done if answer.state == 'done' else pending)}")


async def _settled(client: GatewayClient, answer: Answer, tries: int = ANSWER_TRIES) -> Answer:
    """The answer once the printer has given it; as it stands when that takes longer than a person waits."""
    import asyncio

    for _ in range(tries):
        if answer.state != "pending" or answer.task_id is None:
            break
        await asyncio.sleep(ANSWER_SECONDS)
        answer = await client.task(answer.task_id)
    return answer


@app.command()
def stop(
    context: typer.Context,
    name: Name,
    json: Json = False,
    wait: Annotated[
        float, typer.Option(min=0, max=60, help="Seconds for the printer's word.")
    ] = STOP_SECONDS,
) -> None:
    """Emergency stop, at once: heaters and motors off. The printer needs a reset afterwards.

    A printer that calls in has none, nor has a Bambu: then this says so, and what to do.
    """

    async def work(client: GatewayClient) -> tuple[Printer, Answer]:
        printer = await client.printer(name)
        answer = await client.stop(printer.id)
        if answer.state == "pending" and not json:
            print(f"{printer.shown_name}: emergency stop sent", flush=True)
        return printer, await _settled(client, answer, round(wait / ANSWER_SECONDS))

    printer, answer = call(context, work)
    if json:
        show.as_json(answer)
        raise typer.Exit(Exit.TROUBLE if answer.state == "failed" else Exit.COMPLETED)
    if answer.state == "failed":
        fail(f"{printer.shown_name}: {answer.message or 'the printer did not do it'}")
    if answer.state == "pending":
        fail(f"{printer.shown_name}: no word from the printer yet; look at it, else switch it off")
    if answer.message:
        print(f"{printer.shown_name}: {answer.message}")


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
