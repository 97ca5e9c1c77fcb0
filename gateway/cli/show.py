"""What the commands print: tables for people, JSON for scripts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console

    from gateway.client.models import Job, Printer

#: Characters a line may have when it goes to a file or a pipe, where nothing tells the width.
WIDTH_OF_A_PIPE = 200


def console(*, stderr: bool = False) -> Console:
    """Where tables go."""
    from rich.console import Console

    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, width=None if terminal else WIDTH_OF_A_PIPE, highlight=False)


def as_json(thing: BaseModel | Sequence[BaseModel]) -> None:
    """Machine-readable, two spaces deep."""
    plain: Any = [item.model_dump(mode="json") for item in thing] if isinstance(thing, Sequence) else None
    print(json.dumps(plain if plain is not None else thing.model_dump(mode="json"), indent=2))  # type: ignore[union-attr]


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> None:
    """One line an item."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(*columns, title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        drawn.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    console().print(drawn)


def fields(pairs: Iterable[tuple[str, object]]) -> None:
    """One line a fact; facts that are not there are left out."""
    from rich.text import Text

    shown = [(name, value) for name, value in pairs if value not in (None, "", (), {})]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        console().print(Text(f"{name:<{width}}  {value}"))


def percent(progress: float | None) -> str:
    """Progress for people."""
    return "" if progress is None else f"{progress:.0%}"


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


def printers(found: Sequence[Printer]) -> None:
    """The table of printers."""
    table(
        ("ID", "NAME", "STATUS", "PLATE", "JOB", "QUEUED", "OWNER", "LINK", "NOTE"),
        (
            (p.id, p.name, p.status, p.plate, _short(p.current_job), p.queued or "", p.owner, p.link,
             p.message or p.link_reason)
            for p in found
        ),
    )  # fmt: skip


def jobs(found: Sequence[Job]) -> None:
    """The table of jobs."""
    table(
        ("NUMBER", "NAME", "STATUS", "PROGRESS", "PRINTER", "MEMBER", "LOCAL", "CREATED", "NOTE"),
        (
            (j.number, j.name, standing(j), percent(j.progress), j.printer, j.member or j.member_id,
             "local" if j.is_local else "", instant(j.created_at), j.message or j.waiting)
            for j in found
        ),
    )  # fmt: skip


def one_printer(printer: Printer) -> None:
    """Everything about one printer."""
    degrees = ", ".join(f"{name} {value:.1f} °C" for name, value in printer.temperatures.items())
    fields(
        [
            ("name", printer.name), ("id", printer.id), ("status", printer.status), ("plate", printer.plate),
            ("plate clear", printer.plate_clear), ("link", printer.link), ("reason", printer.link_reason),
            ("driver", printer.driver), ("port", printer.port), ("firmware", printer.firmware),
            ("owner", printer.owner), ("message", printer.message), ("temperatures", degrees),
            ("job", _short(printer.current_job)), ("queued", printer.queued),
            ("enabled", "yes" if printer.enabled else "no (gone from the configuration)"),
        ]
    )  # fmt: skip


def one_job(job: Job) -> None:
    """Everything about one job."""
    fields(
        [
            ("name", job.name), ("id", job.id), ("number", job.number), ("status", standing(job)),
            ("reasons", ", ".join(job.reasons)), ("verdict", job.verdict), ("message", job.message),
            ("waiting", job.waiting), ("printer", job.printer), ("member", job.member or job.member_id),
            ("started", "at the machine" if job.is_local else "through the gateway"),
            ("file", job.file.name if job.file else None), ("progress", percent(job.progress)),
            ("line", job.line), ("created", instant(job.created_at)), ("began", instant(job.started_at)),
            ("ended", instant(job.ended_at)),
        ]
    )  # fmt: skip


def _short(job_id: str | None) -> str:
    """Enough of an id to name the job in another command."""
    return (job_id or "")[:8]
