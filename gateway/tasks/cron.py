"""When a cron expression is due, in a time zone, on both nights that change the clock.

Five fields, read as Debian's cron reads them (`cronsim`): a fixed time that spring leaves out is due right
behind the gap, one that autumn has twice is due at its first; with a star in minute or hour it follows the
clock on the wall through both.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import takewhile
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

#: Characters of an expression: every minute of an hour written out, and the other fields.
EXPRESSION_CHARS_MAX: Final = 200
#: How far back the latest due time is looked for, step by step: the first that holds one is enough, and none
#: holds more than some thousands.
_LOOK_BACK: Final = (timedelta(hours=1), timedelta(hours=25), timedelta(days=32), timedelta(days=367))


class CronTimes:
    """`Services.cron`. Pure; times are aware."""

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
