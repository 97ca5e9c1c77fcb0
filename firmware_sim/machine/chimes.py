"""Everything the firmware says by the clock: keepalive, automatic reports, `wait`.

Kept apart from the commands because these lines come at their own times, in the middle of other answers. At
one instant the order is that of Marlin's idle loop: keepalive, temperatures, SD status, position.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Report:
    """One automatic report: every `interval` seconds (0 = off), next at `due`."""

    say: Callable[[], None]
    interval: float = 0.0
    due: float = math.inf

    def every(self, interval: float, now: float) -> None:
        """M155 S, M154 S, M27 S: whole seconds up to 60; the first report comes one interval from now."""
        self.interval = float(max(0, min(int(interval), 60)))
        self.due = now + self.interval if self.interval else math.inf


class Chimes:
    """The clockwork. `keepalive` seconds between busy lines (M113); 0 or a build without it: silent."""

    def __init__(
        self, keepalive: float, wait_every: float, say_busy: Callable[[], None], say_wait: Callable[[], None]
    ) -> None:
        self.keepalive = keepalive
        self._wait_every = wait_every
        self._say_busy = say_busy
        self._say_wait = say_wait
        self._busy_at = math.inf
        self._wait_at = math.inf
        self._is_hushed = False
        self.reports: dict[str, Report] = {}

    def add_report(self, name: str, say: Callable[[], None]) -> None:
        """Register a report; the order of registration is the order at one instant."""
        self.reports[name] = Report(say)

    def command_began(self, now: float) -> None:
        """A command is going to take time: count towards the first busy line."""
        self._busy_at = now + self.keepalive if self.keepalive else math.inf

    def command_ended(self, now: float) -> None:
        """The loop is free again; `wait` counts from here."""
        self._busy_at = math.inf
        if self._wait_every:
            self._wait_at = now + self._wait_every

    def queue_filled(self) -> None:
        """There is a command to run: no `wait` before it has ended."""
        self._wait_at = math.inf

    def hush(self, is_hushed: bool) -> None:
        """A command that never comes to the idle loop: what falls due meanwhile is said once behind it."""
        self._is_hushed = is_hushed

    def silence(self) -> None:
        """Killed or switched off."""
        self._busy_at = self._wait_at = math.inf
        for report in self.reports.values():
            report.every(0.0, 0.0)

    def next_due(self) -> float:
        """Seconds on the machine's clock; infinity when nothing is planned."""
        if self._is_hushed:
            return math.inf
        due = min(self._busy_at, self._wait_at)
        for report in self.reports.values():
            if report.due < due:
                due = report.due
        return due

    def ring(self, now: float) -> None:
        """Say what is due at `now`."""
        if self._is_hushed:
            return
        if self._busy_at <= now:
            self._say_busy()
            self._busy_at = now + self.keepalive if self.keepalive else math.inf
        for report in self.reports.values():
            if report.due <= now:
                report.due = now + report.interval
                report.say()
        if self._wait_at <= now:
            self._say_wait()
            self._wait_at = now + self._wait_every
