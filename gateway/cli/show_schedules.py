"""What the commands print of schedules and their runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway.cli.show import fields, instant, plain, table

if TYPE_CHECKING:
    from gateway.client.models import Action, Schedule


def in_zone(at: datetime | None, timezone: str) -> str:
    """A time to the minute as clocks there show it, with the zone's letters."""
    return "" if at is None else at.astimezone(_zone(timezone)).strftime("%Y-%m-%d %H:%M %Z")


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # this host may know fewer zones than the gateway's
        return UTC


def next_time(schedule: Schedule) -> str:
    """When the clock runs it next, in its own zone; empty when it does not."""
    return in_zone(schedule.next_at, schedule.timezone)


def schedules(found: Sequence[Schedule]) -> None:
    """The table of schedules."""
    table(
        ("NAME", "TYPE", "STACK", "CRON", "NEXT", "LAST RUN", "MEMBER", "ID"),
        (
            (s.name, s.type.removesuffix("Job"), s.stack, s.cron or "by hand",
             "paused" if s.is_paused else next_time(s), _last_run(s, ""), s.member or s.member_id, s.id[:8])
            for s in found
        ),
        spare=("MEMBER", "STACK", "TYPE", "ID"),
    )  # fmt: skip


def one_schedule(schedule: Schedule) -> None:
    """Everything about one schedule."""
    fields(
        [
            ("name", schedule.name), ("id", schedule.id), ("type", schedule.type), ("stack", schedule.stack),
            *_params(schedule.params),
            ("cron", f"{schedule.cron} ({schedule.timezone})" if schedule.cron else "none: by hand"),
            ("next", "paused" if schedule.is_paused else next_time(schedule)),
            ("missed runs", schedule.missed), ("last run", _last_run(schedule, "none since it was changed")),
            ("member", schedule.member or schedule.member_id),
            ("changed", in_zone(schedule.updated_at, schedule.timezone)),
        ]
    )  # fmt: skip


def _last_run(schedule: Schedule, none: str) -> str:
    """How its last run went or goes; `none` when there was none since it was made or changed."""
    return none if schedule.status == "updated" else schedule.status


def _params(params: Any) -> list[tuple[str, object]]:
    """One line a parameter, one a line of G-code."""
    shown: list[tuple[str, object]] = []
    for name, value in params.items():
        shown += [(name, line) for line in value] if isinstance(value, list) else [(name, value)]
    return shown


def runs(found: Sequence[Action]) -> None:
    """The table of runs."""
    table(
        ("RUN", "NAME", "STATE", "BY", "ARGUMENTS", "ASKED", "ENDED", "NOTE"),
        (
            (a.number, a.name, a.state, "the clock" if a.started_via == "schedule" else a.member or "",
             a.arguments, instant(a.created_at), instant(a.ended_at), a.message or _waits(a))
            for a in found
        ),
        spare=("ENDED", "BY", "ARGUMENTS", "ASKED"),
    )  # fmt: skip


def run_begun(action: Action) -> None:
    """The first line of a run."""
    print(f'run {action.number} of "{plain(action.name)}" is {action.state}')


def run_waits(action: Action, said: Sequence[str]) -> list[str]:
    """Print what a run is at, a line for each printer that is not done, unless it was `said`; the lines."""
    texts = []
    for step in action.steps:
        if step.state in ("waiting", "running"):
            text = f"  {plain(step.printer or step.printer_id)}: {step.state}"
            texts.append(text + (f" ({plain(step.message)})" if step.message else ""))
    for text in texts:
        if text not in said:
            print(text)
    return texts


def run_ended(action: Action) -> None:
    """The last line of a run."""
    text = f'run {action.number} of "{plain(action.name)}" {action.state}'
    print(text + (f": {plain(action.message)}" if action.message else ""))


def _waits(action: Action) -> str:
    """What the first step that waits is waiting for."""
    waiting = (step for step in action.steps if step.state == "waiting" and step.message)
    return next((f"{step.printer or step.printer_id}: {step.message}" for step in waiting), "")
