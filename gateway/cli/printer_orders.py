"""`print-gateway printers adjust`, `answer`, `command`, `stop`: an order, and the printer's word about it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import show
from gateway.cli.session import Exit, call, fail

if TYPE_CHECKING:
    from gateway.client.models import Answer, Printer
    from gateway.client.native import GatewayClient

#: Seconds between two looks at what became of an order: the first, and the longest.
LOOK_SECONDS = (0.1, 1.0)
#: Seconds for the word of a printer that was adjusted or answered: a few moves of a print.
ANSWER_SECONDS = 2.0
#: Seconds for the word of a printer that shall stop: a driver waits 10 s for it; then the way back.
STOP_SECONDS = 12.0
#: Seconds for the word about a command: a printer that calls in has 60 s to fetch it; then the way back.
COMMAND_SECONDS = 65.0

#: What a printer says again of the command, beside what it was asked for.
_OF_THE_COMMAND = frozenset({"state", "command"})
_PARAMETER = re.compile(r"([A-Za-z0-9_.-]+)(:?=)(.*)", re.DOTALL)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(help="Name or number of the printer.")]


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
        return printer, await _settled(client, await order(client, printer), ANSWER_SECONDS)

    printer, answer = call(context, work)
    if json:
        show.as_json(answer)
        raise typer.Exit(Exit.TROUBLE if answer.state == "failed" else Exit.COMPLETED)
    _refuse_failed(printer, answer)
    pending = "accepted; the printer is busy and does it next"
    print(f"{printer.shown_name}: {answer.message or (done if answer.state == 'done' else pending)}")


def command(
    context: typer.Context,
    name: Name,
    command: Annotated[
        str, typer.Argument(help="Such as home or reset; of a Klipper printer: restart, firmware_restart.")
    ],
    parameters: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="What goes with it; KEY:=VALUE when it is JSON."),
    ] = None,
    wait: Annotated[
        float, typer.Option(min=0, max=3600, help="Seconds for the printer's word; 0: do not wait.")
    ] = COMMAND_SECONDS,
    json: Json = False,
) -> None:
    """Give a printer a command of its own, and wait for its word; exit code 1 when it refused or said none.

    For printers that call in (docs/FORGE.md) and Klipper printers (docs/MOONRAKER.md); others have none.
    """
    given = read_parameters(parameters or ())
    printer, answer = call(
        context,
        lambda client: _announced(
            client, name, f"{command} sent", wait, json, lambda to: client.tell(to, command, given)
        ),
    )
    is_missing = answer.state == "pending" and wait > 0
    if json:
        show.as_json(answer)
        raise typer.Exit(Exit.TROUBLE if answer.state == "failed" or is_missing else Exit.COMPLETED)
    _refuse_failed(printer, answer)
    if is_missing:
        fail(f"{printer.shown_name}: no word from the printer within {wait:g} s; it may still be at it")
    if answer.state == "done":
        print(f"{printer.shown_name}: {answer.message or f'{command} done'}")
        said = (answer.data or {}).items()
        show.fields((key, value) for key, value in said if key not in _OF_THE_COMMAND)


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
    printer, answer = call(
        context, lambda client: _announced(client, name, "emergency stop sent", wait, json, client.stop)
    )
    if json:
        show.as_json(answer)
        raise typer.Exit(Exit.COMPLETED if answer.state == "done" else Exit.TROUBLE)
    _refuse_failed(printer, answer)
    if answer.state == "pending":
        fail(f"{printer.shown_name}: no word from the printer yet; look at it, else switch it off")
    if answer.message:
        print(f"{printer.shown_name}: {answer.message}")


async def _announced(
    client: GatewayClient,
    name: str,
    sent: str,
    wait: float,
    json: bool,
    order: Callable[[int], Awaitable[Answer]],
) -> tuple[Printer, Answer]:
    """Give an order, say that it is on its way, and wait so many seconds for its end."""
    printer = await client.printer(name)
    answer = await order(printer.id)
    if answer.state == "pending" and not json:
        print(f"{printer.shown_name}: {sent}", flush=True)
    return printer, await _settled(client, answer, wait)


async def _settled(client: GatewayClient, answer: Answer, seconds: float) -> Answer:
    """The answer once the printer has given it; as it stands when that takes longer."""
    import asyncio

    pause, longest = LOOK_SECONDS
    while answer.state == "pending" and answer.task_id is not None and seconds > 0:
        await asyncio.sleep(min(pause, seconds))
        seconds -= pause
        pause = min(pause * 1.2, longest)
        answer = await client.task(answer.task_id)
    return answer


def _refuse_failed(printer: Printer, answer: Answer) -> None:
    if answer.state == "failed":
        fail(f"{printer.shown_name}: {answer.message or 'the printer did not do it'}")


def read_parameters(words: Sequence[str]) -> dict[str, Any]:
    """`key=text` and `key:=JSON`; ends the command for what is neither."""
    found: dict[str, Any] = {}
    for word in words:
        match = _PARAMETER.fullmatch(word)
        if match is None:
            fail(f'"{word}" does not say what it is; write it like package_url=https://...', Exit.USAGE)
        key, sign, text = match.groups()
        if key in found:
            fail(f"{key} is given twice; give it once", Exit.USAGE)
        try:
            found[key] = _json(text) if sign == ":=" else text
        except ValueError:
            fail(f"what follows {key}:= is no JSON; for plain text write {key}={text}", Exit.USAGE)
    return found


def _json(text: str) -> Any:
    """What it stands for. Raises ValueError, also for NaN and Infinity, which Python would take."""
    from json import loads

    def refuse(word: str) -> Any:
        raise ValueError(word)

    return loads(text, parse_constant=refuse)
