"""What the commands print: tables for people, JSON for scripts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console
    from rich.table import Table

    from gateway.client.models import Callback, Job, Printer, Prompt, RecoveryPlan

#: Characters a line may have when it goes to a file or a pipe: more than any line, so that none is broken.
WIDTH_OF_A_PIPE = 10_000
#: The column whose texts may stand below the table, and the one whose texts may be cut, and how short.
NOTE, NAME, SHORTEST_NAME = "NOTE", "NAME", 8


def console(*, stderr: bool = False) -> Console:
    """Where tables go."""
    from rich.console import Console

    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, width=None if terminal else WIDTH_OF_A_PIPE, highlight=False)


def as_json(thing: BaseModel | Sequence[BaseModel]) -> None:
    """Machine-readable, two spaces deep."""
    plain: Any = [item.model_dump(mode="json") for item in thing] if isinstance(thing, Sequence) else None
    print(json.dumps(plain if plain is not None else thing.model_dump(mode="json"), indent=2))  # type: ignore[union-attr]


def plain(value: object) -> str:
    """Text without control characters: names come from files, cards and panels, not only from people."""
    text = "" if value is None else str(value)
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    title: str | None = None,
    spare: Sequence[str] = (),
    screen: Console | None = None,
) -> None:
    """One line an item, however narrow the terminal.

    What does not fit goes in this order: notes move below the table, `spare` columns are left out, names cut.
    """
    screen = screen or console()
    cells = [[plain(cell) for cell in row] for row in rows]
    shown = list(columns)
    for column in (NOTE, *spare):
        if column in shown and _too_wide(screen, _drawn(columns, cells, shown, title)) > 0:
            shown.remove(column)
    _cut_names(columns, cells, _too_wide(screen, _drawn(columns, cells, shown, title)))
    screen.print(_drawn(columns, cells, shown, title))
    if NOTE in columns and NOTE not in shown:
        _below(screen, [(row[0], row[columns.index(NOTE)]) for row in cells])


def _drawn(
    columns: Sequence[str], cells: Sequence[Sequence[str]], shown: Sequence[str], title: str | None
) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in shown:
        drawn.add_column(column, no_wrap=True)
    wanted = [columns.index(column) for column in shown]
    for row in cells:
        drawn.add_row(*(Text(row[number]) for number in wanted))
    return drawn


def _too_wide(screen: Console, drawn: Table) -> int:
    """Characters by which the table is wider than the screen."""
    wide = drawn.__rich_measure__(screen, screen.options.update(max_width=WIDTH_OF_A_PIPE)).maximum
    return wide - screen.width


def _cut_names(columns: Sequence[str], cells: Sequence[list[str]], excess: int) -> None:
    from rich.text import Text

    if excess <= 0 or NAME not in columns:
        return
    number = columns.index(NAME)
    longest = max((Text(row[number]).cell_len for row in cells), default=0)
    for row in cells:
        name = Text(row[number])
        name.truncate(max(SHORTEST_NAME, longest - excess), overflow="ellipsis")
        row[number] = name.plain


def _below(screen: Console, notes: Iterable[tuple[str, str]]) -> None:
    from rich.text import Text

    for item, note in notes:
        if note.strip():
            screen.print(Text(f"{item}: {note}"))


def fields(pairs: Iterable[tuple[str, object]]) -> None:
    """One line a fact; facts that are not there are left out."""
    from rich.text import Text

    shown = [(name, value) for name, value in pairs if value not in (None, "", (), {})]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        console().print(Text(f"{name:<{width}}  {plain(value)}"))


def percent(progress: float | None) -> str:
    """Progress for people."""
    if progress is None:
        return ""
    return "99%" if 0.99 < progress < 1.0 else f"{progress:.0%}"  # not "100%" while it still prints


def layer(job: Job) -> str:
    """Which one it is at, of how many; empty: its printer does not say."""
    if job.layer is None:
        return f"of {job.layers}" if job.layers else ""
    return f"{job.layer} of {job.layers}" if job.layers else str(job.layer)


def time_left(job: Job) -> str:
    """An estimate, in minutes; empty: there is none."""
    if job.seconds_left is None or job.is_over:
        return ""
    hours, minutes = divmod(round(job.seconds_left / 60), 60)
    return (
        f"about {hours} h {minutes} min" if hours else f"about {minutes} min" if minutes else "under a minute"
    )


def instant(moment: datetime | None) -> str:
    """Local time, to the second."""
    return "" if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def standing(job: Job) -> str:
    """Status, with the word that matters beside it."""
    if job.is_held:
        return f"{job.status} (held)"
    if "processing-to-stop-point" in job.reasons:
        return f"{job.status} (stopping)"
    return job.verdict or job.status


def printers(found: Sequence[Printer], *, screen: Console | None = None) -> None:
    """The table of printers."""
    table(
        ("ID", "NAME", "STATUS", "PLATE", "JOB", "QUEUED", "OWNER", "LINK", "NOTE"),
        (
            (p.id, p.shown_name, p.status, p.plate, _short(p.current_job), p.queued or "", p.owner, p.link,
             _note(p))
            for p in found
        ),
        spare=("OWNER", "JOB", "QUEUED", "LINK", "PLATE"),
        screen=screen,
    )  # fmt: skip


def _note(printer: Printer) -> str | None:
    if not printer.enabled:
        return _out_of_use(printer)
    return printer.message or printer.link_reason or printer.obstacle or _asks(printer.prompt)


#: Of prints that nobody asked the gateway for: in a table, and by itself.
_LOCAL = {"panel": "panel", "lan-app": "LAN app", "cloud": "cloud", "unknown": "local"}
_STARTED = {
    "gateway": "through the gateway",
    "panel": "at the machine",
    "lan-app": "by another program on its network",
    "cloud": "through its maker's cloud",
    "unknown": "not through the gateway",
}


def _origin(job: Job) -> str:
    return job.origin or ("unknown" if job.is_local else "gateway")


def jobs(found: Sequence[Job], *, screen: Console | None = None) -> None:
    """The table of jobs."""
    table(
        ("NUMBER", "NAME", "STATUS", "PROGRESS", "PRINTER", "MEMBER", "ORIGIN", "CREATED", "NOTE"),
        (
            (j.number, j.name, standing(j), percent(j.progress), j.printer, j.member or j.member_id,
             _LOCAL.get(_origin(j), ""), instant(j.created_at), j.message or j.waiting)
            for j in found
        ),
        spare=("CREATED", "MEMBER", "ORIGIN", "PRINTER", "PROGRESS"),
        screen=screen,
    )  # fmt: skip


def one_printer(printer: Printer) -> None:
    """Everything about one printer."""
    at = " ".join(f"{axis.upper()} {value:.2f}" for axis, value in (printer.position or {}).items())
    degrees = ", ".join(_degrees(name, printer.temperatures) for name in _heaters(printer.temperatures))
    fields(
        [
            ("name", printer.shown_name), ("id", printer.id), ("status", printer.status),
            ("plate", printer.plate), ("plate clear", printer.plate_clear),
            ("link", printer.link), ("reason", printer.link_reason),
            ("driver", printer.driver), ("type", printer.type_id), ("port", printer.port),
            ("firmware", printer.firmware), ("owner", printer.owner), ("message", printer.message),
            ("takes no job", printer.obstacle),
            ("temperatures", degrees),
            ("position", f"{at} mm" if at else None),
            *(("alarm", f"{alarm.message} ({alarm.rule})") for alarm in printer.alarms),
            ("asks", _asks(printer.prompt)), ("job", _short(printer.current_job)), ("held", printer.hold),
            ("queued", printer.queued),
            ("enabled", "yes" if printer.enabled else f"no ({_out_of_use(printer)})"),
        ]
    )  # fmt: skip


#: What people call what firmware reports by a letter.
_HEATERS = {"T": "nozzle", "B": "bed", "C": "chamber"}


def _heaters(temperatures: Mapping[str, float]) -> list[str]:
    """What has a temperature: the letters without their targets."""
    return [name for name in temperatures if not name.endswith("_target")]


def _degrees(name: str, temperatures: Mapping[str, float]) -> str:
    """`nozzle 205.1 °C of 215`; a target of 0 is none."""
    target = temperatures.get(f"{name}_target")
    said = "" if target is None else f" of {target:g}" if target else " (off)"
    return f"{_HEATERS.get(name, name)} {temperatures[name]:.1f} °C{said}"


def _out_of_use(printer: Printer) -> str:
    return "not registered" if printer.type_id else "gone from the configuration"


def one_job(job: Job) -> None:
    """Everything about one job."""
    fields(
        [
            ("name", job.name), ("id", job.id), ("number", job.number), ("status", standing(job)),
            ("reasons", ", ".join(job.reasons)), ("verdict", job.verdict), ("message", job.message),
            ("waiting", job.waiting), ("printer", job.printer), ("member", job.member or job.member_id),
            ("started", _STARTED.get(_origin(job), "elsewhere")),
            ("file", job.file.name if job.file else None), ("progress", percent(job.progress)),
            ("line", job.line), ("layer", layer(job)), ("time left", time_left(job)),
            ("created", instant(job.created_at)), ("began", instant(job.started_at)),
            ("ended", instant(job.ended_at)),
            ("told", _told(job.callback)),
        ]
    )  # fmt: skip


def _told(callback: Callback | None) -> str:
    """Whether the app's own server hears of the job."""
    if callback is None:
        return ""
    words = [f"{callback.host}: {callback.state}"]
    if callback.delivered_at is not None:
        newest = "" if callback.is_up_to_date else ", not the newest state"
        words.append(f"delivered {instant(callback.delivered_at)}{newest}")
    if callback.last_error is not None:
        words.append(f"{callback.last_error} ({callback.failures} in a row)")
    if callback.next_at is not None:
        words.append(f"again {instant(callback.next_at)}")
    return "; ".join(words)


def _asks(prompt: Prompt | None) -> str:
    """A question of the printer, and how to answer it."""
    if prompt is None:
        return ""
    choices = ", ".join(f"{number} = {words}" for number, words in enumerate(prompt.choices))
    return f"{prompt.text} ({choices}; `printers answer`)" if choices else prompt.text


def _short(job_id: str | None) -> str:
    """Enough of an id to name the job in another command."""
    return (job_id or "")[:8]


def recovery(job: Job, plan: RecoveryPlan) -> None:
    """What recovering a held print will do."""
    print(f'job {job.number} "{job.name}" goes on with layer {plan.layer} at Z {plan.z:g} mm')
    done = "1 layer is" if plan.layers_done == 1 else f"{plan.layers_done} layers are"
    print(f"  {done} done; {plan.line} lines of the file are not sent again")
    print(f"  the nozzle is taken to stand at Z {plan.z_now:g} mm now")
    print(f"  heats the bed to {plan.bed:g} °C and the nozzle to {plan.hotend:g} °C, then homes X and Y")
    for warning in plan.warnings:
        print(f"  ! {warning}")
