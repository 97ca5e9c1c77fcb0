"""When a cron expression is due, in a time zone, on both nights that change the clock.

Five fields, read as Debian's cron reads them (`cronsim`): a fixed time that spring leaves out is due right
behind the gap, one that autumn has twice is due at its first; with a star in minute or hour it follows the
clock on the wall through both.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise, takewhile
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

#: Characters of an expression: every minute of an hour written out, and the other fields.
EXPRESSION_CHARS_MAX: Final = 200
#: How far back the latest due time is looked for, step by step: the first that holds one is enough, and none
#: holds more than some thousands.
_LOOK_BACK: Final = (timedelta(hours=1), timedelta(hours=25), timedelta(days=32), timedelta(days=367))

_DAY: Final = timedelta(days=1)
#: How often an expression comes is read in these years, the first of them a leap year: every day of a month
#: and every day of a week is in them.
_LOOK_FROM, _LOOK_UNTIL = datetime(2023, 12, 31, 23, 59, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)


class CronTimes:
    """`Services.cron`. Pure; times are aware. `shortest_minutes`: as often as a schedule may come."""

    def __init__(self, shortest_minutes: int = 1) -> None:
        self._shortest = timedelta(minutes=shortest_minutes)

    def next_after(self, expression: str, timezone: str, after: datetime) -> datetime | None:
        """The first due time behind `after`, in UTC; None: never in 50 years. Raises ValueError."""
        return next(_times(expression, timezone, after), None)

    def latest_until(self, expression: str, timezone: str, due: datetime, now: datetime) -> datetime:
        """The latest due time that is not behind `now`; `due` is a former one, the answer if none follows."""
        for start in (*(max(due, now - back) for back in _LOOK_BACK), due):
            times = _times(expression, timezone, start)
            found = deque(takewhile(lambda at: at <= now, times), maxlen=1)
            if found:
                return found[0]
            if start == due:
                break
        return due

    def must_be_seldom(self, expression: str) -> None:
        """Raises ValueError for an expression that can be read and comes more often than it may."""
        gap, shortest = _gap_below(expression, self._shortest), self._shortest
        if gap is not None:
            raise ValueError(
                f"cron {expression!r} has due times that are {_minutes(gap)} apart; {_minutes(shortest)} is "
                "the shortest (shortest_cron_minutes under [tasks])"
            )


def _gap_below(expression: str, bound: timedelta) -> timedelta | None:
    """The least time between two due times by the clock on the wall; None: none is shorter than the bound.

    Each day that it has is like any other, so one of them is looked at, and the night behind it.
    """
    times = _simulated(expression, _LOOK_FROM)
    first = next(times, None)
    if first is None:
        return None
    day = [first, *takewhile(lambda at: at.date() == first.date(), times)]
    gap = min((later - former for former, later in pairwise(day)), default=bound)
    night = first + _DAY - day[-1]
    if night < min(gap, bound) and _has_neighbours(expression):
        return night
    return gap if gap < bound else None


def _has_neighbours(expression: str) -> bool:
    """Whether any of its days follows upon another."""
    midnights = " ".join(("0", "0", *expression.split()[2:]))
    days = takewhile(lambda at: at < _LOOK_UNTIL, _simulated(midnights, _LOOK_FROM))
    return any(later - former == _DAY for former, later in pairwise(days))


def _minutes(time: timedelta) -> str:
    minutes = time // timedelta(minutes=1)
    return "1 minute" if minutes == 1 else f"{minutes} minutes"


def _times(expression: str, timezone: str, after: datetime) -> Iterator[datetime]:
    start = after.astimezone(_zone(timezone))
    for at in _simulated(expression, start):
        found = at.astimezone(UTC)
        # In the hour that autumn has twice, a fixed time is found again from its second half on.
        if found > after:
            yield found


def _simulated(expression: str, start: datetime) -> CronSim:
    if len(expression) > EXPRESSION_CHARS_MAX:
        raise ValueError(f"cron has {len(expression)} characters, {EXPRESSION_CHARS_MAX} are taken")
    fields = expression.split()
    if len(fields) != 5:
        raise ValueError(
            f"cron must have five fields (minute, hour, day of month, month, day of week), not {len(fields)}"
        )
    try:
        return CronSim(expression, start)
    except CronSimError as error:
        raise ValueError(f"cron cannot be read: {str(error).lower()}") from error
    except (AssertionError, ValueError, TypeError) as error:
        raise ValueError("cron cannot be read") from error


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC  # needs no database of zones
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        text = f"timezone {name[:64]!r} is not known; give an IANA name such as Europe/Berlin"
        raise ValueError(text) from error
