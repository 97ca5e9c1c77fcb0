"""The monitors of all printers of one driver host, and what stands in their snapshots because of them.

For both hosts: the streamer acts upon what is found, the one in the gateway's process tells it (ADR 37).
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import replace

from gateway.domain.observations import Alarm, PrinterObserved
from gateway.domain.orders import Acknowledge, Order, ResumePrint
from gateway.safety.monitor import Finding, PrinterMonitor

log = logging.getLogger(__name__)

#: Seconds between two looks at a printer: firmware reports its temperatures every two.
LOOK_SECONDS = 2.0


class HeatWatch:
    """One monitor for each printer. Alarms are lines of the log when they begin and when they are over."""

    def __init__(self, monitors: Mapping[str, PrinterMonitor]) -> None:
        self._monitors = dict(monitors)
        self._alarms: dict[str, tuple[Alarm, ...]] = dict.fromkeys(self._monitors, ())

    @property
    def printers(self) -> Collection[str]:
        """Names of those that are watched."""
        return self._monitors.keys()

    def ordered(self, order: Order, now: float) -> None:
        """Somebody gave the printer an order."""
        monitor = self._monitors.get(order.printer)
        if isinstance(order, ResumePrint) and monitor is not None:
            monitor.resumed(now)
        elif not isinstance(order, Acknowledge) and monitor is not None:
            monitor.person_seen(now)

    def look(self, seen: PrinterObserved, now: float) -> bool:
        """Judge it at monotonic `now`: whether its alarms changed."""
        return self.judge(seen, now)[1]

    def judge(self, seen: PrinterObserved, now: float) -> tuple[Finding, bool]:
        """(what was found, whether the alarms changed), for who acts."""
        finding = self._monitors[seen.printer].look(now, seen)
        before = {alarm.rule for alarm in self._alarms[seen.printer]}
        rules = {alarm.rule for alarm in finding.alarms}
        for alarm in finding.alarms:
            if alarm.rule not in before:
                log.warning("%s: %s: %s", seen.printer, alarm.rule, alarm.message)
        for rule in sorted(before - rules):
            log.info("%s: %s is over", seen.printer, rule)
        is_news = finding.alarms != self._alarms[seen.printer]
        self._alarms[seen.printer] = finding.alarms
        return finding, is_news

    def shown(self, seen: PrinterObserved) -> PrinterObserved:
        """The snapshot with what is to be told about its heat."""
        alarms = self._alarms.get(seen.printer)
        if not alarms:
            return seen
        words = [alarm.message for alarm in alarms]
        if seen.message is not None:
            words.append(seen.message)
        return replace(seen, alarms=alarms, message=" ".join(words))
