"""`print-gateway schedules …`: named recurring jobs of a stack."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import show, show_schedules
from gateway.cli.session import Exit, call, fail, readable_file

if TYPE_CHECKING:
    from gateway.client.models import Action, ActionPage, Schedule
    from gateway.client.native import GatewayClient

app = typer.Typer(
    no_args_is_help=True, help="Schedules: macros, maintenance, calibration, exports by the clock."
)


class Procedure(StrEnum):
    """What a calibration does."""

    home = "home"
    bed_level = "bed-level"
    pid_hotend = "pid-hotend"
    pid_bed = "pid-bed"


class Missed(StrEnum):
    """What becomes of runs that were due while the gateway was not there."""

    skip = "skip"
    run_once = "run-once"


Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Which = Annotated[
    str, typer.Argument(metavar="SCHEDULE", help="Name or id (or its beginning) of the schedule.")
]
OfStack = Annotated[str | None, typer.Option("--stack", help="Name, number or id of a stack.")]
Gcode = Annotated[
    list[str] | None,
    typer.Option(
        help="A line to send; repeat it. {1} to {9} are arguments of a run, {1=text} is text without one."
    ),
]
File = Annotated[Path | None, typer.Option("--file", help="The lines are in this file instead.")]
Note = Annotated[str | None, typer.Option(help="Maintenance: what a person is to do at the machine.")]
Calibrate = Annotated[Procedure | None, typer.Option(help="Calibration: a procedure of the firmware.")]
Target = Annotated[float | None, typer.Option(help="°C of a PID calibration.")]
_FIELDS = 'Minute, hour, day, month, weekday: "30 6 * * 1-5".'
Cron = Annotated[str | None, typer.Option(help=_FIELDS)]
Zone = Annotated[str | None, typer.Option("--timezone", help="In which cron is read, such as Europe/Berlin.")]
MissedRuns = Annotated[
    Missed | None, typer.Option("--missed", help="Of runs while the gateway was not there.")
]


@app.command("list")
def list_(context: typer.Context, stack: OfStack = None, json: Json = False) -> None:
    """All schedules, one a line; times are those of each one's own zone."""
    found = call(context, lambda client: client.schedules.all(stack))
    (show.as_json if json else show_schedules.schedules)(found)


@app.command("show")
def show_(context: typer.Context, schedule: Which, stack: OfStack = None, json: Json = False) -> None:
    """Everything about one schedule."""
    _print(call(context, lambda client: client.schedules.find(schedule, stack)), json=json)


@app.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What people call it.")],
    gcode: Gcode = None,
    file: File = None,
    note: Note = None,
    calibrate: Calibrate = None,
    target: Target = None,
    export: Annotated[
        bool, typer.Option("--export", help="Export: a CSV file of the jobs there were.")
    ] = False,
    cron: Annotated[str | None, typer.Option(help=f"{_FIELDS} Left out: by hand.")] = None,
    timezone: Zone = None,
    missed: MissedRuns = None,
    paused: Annotated[bool, typer.Option("--paused", help="The clock does not run it yet.")] = False,
    stack: OfStack = None,
    json: Json = False,
) -> None:
    """Make a schedule of --gcode lines, a --note for people, a --calibrate procedure, or an --export."""
    kind, params = _job(_lines(gcode, file), note, calibrate, target, export=export)
    wanted: dict[str, Any] = {"name": name, "type": kind, "params": params, "cron": cron, "is_paused": paused}
    wanted |= {"timezone": timezone} if timezone is not None else {}
    wanted |= {"missed": missed.value} if missed is not None else {}
    wanted |= {"stack": stack} if stack is not None else {}
    _print(call(context, lambda client: client.schedules.add(wanted)), json=json)


@app.command()
def change(
    context: typer.Context,
    schedule: Which,
    name: Annotated[str | None, typer.Option(help="Its new name.")] = None,
    gcode: Gcode = None,
    file: File = None,
    note: Note = None,
    calibrate: Calibrate = None,
    target: Target = None,
    cron: Cron = None,
    by_hand: Annotated[bool, typer.Option("--by-hand", help="No cron any more.")] = False,
    timezone: Zone = None,
    missed: MissedRuns = None,
    stack: OfStack = None,
    json: Json = False,
) -> None:
    """Change a schedule; what is not said stays. Its type cannot change."""
    if cron is not None and by_hand:
        fail("say either --cron or --by-hand", Exit.USAGE)
    lines = _lines(gcode, file)
    said = {
        "gcode": lines,
        "note": note,
        "procedure": None if calibrate is None else calibrate.value,
        "target": target,
    }

    async def work(client: GatewayClient) -> Schedule:
        known = await client.schedules.find(schedule, stack)
        _refuse_others(known, said)
        wanted = {
            "name": name or known.name,
            "type": known.type,
            "cron": None if by_hand else cron or known.cron,
            "timezone": timezone or known.timezone,
            "missed": known.missed if missed is None else missed.value,
            "is_paused": known.is_paused,
            "params": {**known.params, **{key: value for key, value in said.items() if value is not None}},
        }
        return await client.schedules.replace(known.id, wanted)

    _print(call(context, work), json=json)


@app.command()
def pause(context: typer.Context, schedule: Which, stack: OfStack = None, json: Json = False) -> None:
    """The clock does not run it; `schedules run` does."""

    async def work(client: GatewayClient) -> Schedule:
        return await client.schedules.pause((await client.schedules.find(schedule, stack)).id)

    _print_change(call(context, work), "is paused", json=json)


@app.command()
def resume(context: typer.Context, schedule: Which, stack: OfStack = None, json: Json = False) -> None:
    """The clock runs it again; what was due meanwhile is left out."""

    async def work(client: GatewayClient) -> Schedule:
        return await client.schedules.resume((await client.schedules.find(schedule, stack)).id)

    _print_change(call(context, work), "is resumed", json=json)


@app.command()
def run(
    context: typer.Context,
    schedule: Which,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ARGS", help="For {1} to {9}, in their order; -- in front of one such as -0.05."
        ),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Stay until it has ended.")] = False,
    stack: OfStack = None,
    json: Json = False,
) -> None:
    """Run it now: on each printer as soon as that is idle. With --watch the exit code says how it went."""
    given = " ".join(arguments) if arguments else None

    async def work(client: GatewayClient) -> Action:
        known = await client.schedules.find(schedule, stack)
        action = await client.schedules.run(known.id, given)
        if not (json or (watch and action.is_over)):
            show_schedules.run_begun(action)
        return await _watched(client, action, quiet=json) if watch else action

    action = call(context, work)
    if json:
        show.as_json(action)
    elif watch:
        show_schedules.run_ended(action)
    codes = {"canceled": Exit.CANCELED, "failed": Exit.FAILED}
    raise typer.Exit(codes.get(action.state, Exit.COMPLETED) if watch else Exit.COMPLETED)


@app.command()
def remove(context: typer.Context, schedule: Which, stack: OfStack = None) -> None:
    """It runs no more; a run that waits is canceled, one that is under way ends."""

    async def work(client: GatewayClient) -> Schedule:
        known = await client.schedules.find(schedule, stack)
        await client.schedules.remove(known.id)
        return known

    print(f"schedule {show.plain(call(context, work).name)} is removed; its runs stay in `schedules runs`")


@app.command()
def runs(
    context: typer.Context,
    schedule: Annotated[str | None, typer.Argument(metavar="SCHEDULE", help="Only of this one.")] = None,
    stack: OfStack = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most that many, the newest.")] = 20,
    json: Json = False,
) -> None:
    """What ran, newest first, and how it went."""
    if schedule is None and stack is not None:
        fail("--stack says whose schedule is meant: name the schedule, too", Exit.USAGE)

    async def work(client: GatewayClient) -> ActionPage:
        known = None if schedule is None else (await client.schedules.find(schedule, stack)).id
        return await client.schedules.runs(known, limit=limit)

    page = call(context, work)
    if json:
        show.as_json(page.actions)
        return
    show_schedules.runs(page.actions)
    if page.total > len(page.actions):
        print(f"the newest {len(page.actions)} of {page.total}; more with --limit")


@app.command()
def cancel(
    context: typer.Context,
    number: Annotated[int, typer.Argument(metavar="RUN", help="The run's number.")],
    json: Json = False,
) -> None:
    """Give up what of a run waits for its printer; what a printer is at already ends by itself."""

    async def work(client: GatewayClient) -> Action:
        from gateway.client.follow import find_run

        return await client.schedules.cancel((await find_run(client, number)).id)

    action = call(context, work)
    if json:
        show.as_json(action)
    else:
        show_schedules.run_ended(action)


async def _watched(client: GatewayClient, action: Action, *, quiet: bool) -> Action:
    from contextlib import aclosing

    from gateway.client.follow import follow_run

    said: list[str] = []
    async with aclosing(follow_run(client, action.id)) as pictures:
        async for action in pictures:
            if not quiet and not action.is_over:
                said = show_schedules.run_waits(action, said)
    return action


def _lines(gcode: list[str] | None, file: Path | None) -> list[str] | None:
    """The lines that were given, if any; from a file without its blank ones and its comments."""
    if gcode and file is not None:
        fail("say either --gcode or --file", Exit.USAGE)
    if file is None:
        return gcode or None
    text = readable_file(file).read_text(encoding="utf-8", errors="replace")
    return [line for line in (raw.partition(";")[0].strip() for raw in text.splitlines()) if line]


def _job(
    lines: list[str] | None,
    note: str | None,
    calibrate: Procedure | None,
    target: float | None,
    *,
    export: bool,
) -> tuple[str, dict[str, Any]]:
    """Type and params of a new schedule, by what was said of it."""
    kinds = [calibrate is not None, export, note is not None or lines is not None]
    if sum(kinds) != 1:
        fail("say what it does: --gcode or --file, --note, --calibrate, or --export", Exit.USAGE)
    if target is not None and calibrate is None:
        fail("--target belongs to --calibrate", Exit.USAGE)
    if calibrate is not None:
        params: dict[str, Any] = {"procedure": calibrate.value}
        return "CalibrationJob", params | ({} if target is None else {"target": target})
    if export:
        return "HistoryExportJob", {}
    gcode = {} if lines is None else {"gcode": lines}
    return ("GcodeMacroJob", gcode) if note is None else ("MaintenanceJob", {"note": note, **gcode})


#: Params that `change` can say, by the type they belong to.
_OF_TYPE = {
    "GcodeMacroJob": {"gcode"},
    "MaintenanceJob": {"gcode", "note"},
    "CalibrationJob": {"procedure", "target"},
}
#: What a param is called on the command line, where it is called otherwise.
_OPTIONS = {"gcode": "--gcode or --file", "procedure": "--calibrate"}


def _refuse_others(known: Schedule, said: dict[str, Any]) -> None:
    """End the command when something was said that a schedule of this type does not have."""
    for name, value in said.items():
        if value is not None and name not in _OF_TYPE.get(known.type, ()):
            option = _OPTIONS.get(name, f"--{name}")
            fail(f"{show.plain(known.name)} is a {known.type}: it has no {option}", Exit.USAGE)


def _print(schedule: Schedule, *, json: bool) -> None:
    (show.as_json if json else show_schedules.one_schedule)(schedule)


def _print_change(schedule: Schedule, what: str, *, json: bool) -> None:
    if json:
        show.as_json(schedule)
        return
    following = show_schedules.next_time(schedule)
    print(f"schedule {show.plain(schedule.name)} {what}" + (f"; next {following}" if following else ""))
