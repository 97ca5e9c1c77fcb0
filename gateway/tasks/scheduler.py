"""The clock of schedules: says `ScheduleDue` once for each time that comes, whatever the wall clock does.

A schedule keeps when it is due next; only the engine moves that, and only forward, so no time counts twice:

    the gateway did not run, or the clock leaps forward   one word, for the latest time that is not in the
                                                          future; what becomes of it says `missed`
    the clock falls back (a board without a battery       nothing, until the kept time has come: those
    begins in the past)                                   before it were due already

So a clock that once stood in the far future leaves its schedules waiting for that; changing a schedule reads
its cron anew.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Protocol

from gateway.domain.commands import Command, CommandRefused
from gateway.domain.schedule import Schedule
from gateway.domain.schedule_commands import ScheduleDue
from gateway.domain.state import State
from gateway.engine.ports import Clock, StoredEvent, Subscription
from gateway.rounds import Rounds
from gateway.tasks.cron import CronTimes

log = logging.getLogger(__name__)

#: Seconds that it sleeps at most: the wall clock may leap while it sleeps, and a run that is a minute late
#: was missed.
LOOK_EVERY: Final = 10.0
#: Seconds until the engine is asked again after it took nothing.
AGAIN: Final = 5.0
_CALLING: Final = frozenset({"schedule-changed"})


class Deciding(Protocol):
    """The engine, as far as it is needed here."""

    @property
    def state(self) -> State:
        """Schedules that are not removed; read only."""

    async def execute(self, command: Command) -> Any:
        """Carry out a command."""


class Scheduler:
    """`run` it for as long as the gateway lives."""

    def __init__(
        self, *, engine: Deciding, subscribe: Callable[[], Subscription], cron: CronTimes, clock: Clock
    ) -> None:
        self._engine = engine
        self._subscribe = subscribe
        self._cron = cron
        self._clock = clock
        self._rounds = Rounds("schedules")
        self._unreadable: set[str] = set()  # schedule ids whose trouble was told

    async def run(self) -> None:
        """Watch the clock until cancelled."""
        await self._rounds.run(self._subscribe(), self._hear, self._look)

    def _hear(self, event: StoredEvent) -> bool:
        return event.kind in _CALLING

    async def _look(self) -> float:
        """Say what is due; seconds until something else may be."""
        self._rounds.must_scan = False
        soonest = LOOK_EVERY
        for schedule in tuple(self._engine.state.schedules.values()):
            if schedule.cron is None or schedule.next_at is None:
                continue
            now = self._clock.wall()
            if schedule.next_at > now:
                soonest = min(soonest, (schedule.next_at - now).total_seconds())
            elif not await self._due(schedule, schedule.cron, schedule.next_at, now):
                soonest = min(soonest, AGAIN)
        return soonest

    async def _due(self, schedule: Schedule, cron: str, next_at: datetime, now: datetime) -> bool:
        """Say that a schedule's time has come; False: it could not be said, try again later."""
        try:
            due_at = self._cron.latest_until(cron, schedule.timezone, next_at, now)
            following = self._cron.next_after(cron, schedule.timezone, now)
            await self._engine.execute(ScheduleDue(schedule.schedule_id, due_at, following))
        except ValueError as unreadable:  # a time zone that this host does not have any more
            if schedule.schedule_id not in self._unreadable:
                log.warning("schedule %s does not run: %s", schedule.schedule_id, unreadable)
            self._unreadable.add(schedule.schedule_id)
            return False
        except CommandRefused as refused:
            log.warning("schedule %s was not run: %s", schedule.schedule_id, refused)
            return False
        except Exception as failure:  # the store, a full inbox, the gateway stops
            log.warning("schedule %s waits: %s", schedule.schedule_id, failure)
            return False
        return True
