"""The safety monitor in the streamer: it works without a gateway, and beside drivers that know nothing of it.

Every few seconds each printer is looked at; what must be done goes to its driver as an order like any other,
and what a person should know is put into the snapshots, on the printer and on its print.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from gateway.domain.observations import Alarm, PrinterObserved, PrintPhase, PrintReport
from gateway.domain.orders import EmergencyStop, HeatersOff, Order, PausePrint
from gateway.drivers.heat_watch import HeatWatch
from gateway.safety.limits import SafetyLimits
from gateway.safety.monitor import Action, PrinterMonitor

#: Prints of which it is remembered what was done to them; a printer has one, and ends wait for their reader.
NOTES_MAX = 16


class SafetyWatch:
    """One monitor for each printer."""

    def __init__(self, limits: SafetyLimits, printers: Iterable[str]) -> None:
        self._watch = HeatWatch({printer: PrinterMonitor(limits) for printer in printers})
        self._notes: dict[str, str] = {}  # print key -> what was done about its heat
        self._orders = 0

    def ordered(self, order: Order, now: float) -> None:
        """Somebody gave the printer an order."""
        self._watch.ordered(order, now)

    def look(self, seen: PrinterObserved, now: float, prefix: str) -> tuple[Order | None, bool]:
        """(what is to be done, whether the alarms changed). `prefix` begins the order's id."""
        finding, is_news = self._watch.judge(seen, now)
        if finding.action is None:
            return None, is_news
        if seen.current is not None:
            self._note(seen.current.key, finding.alarms)
        self._orders += 1
        return _order(finding.action, seen, f"{prefix}safety-{self._orders}"), is_news

    def shown(self, seen: PrinterObserved) -> PrinterObserved:
        """The snapshot with what is to be told about its heat."""
        shown = self._watch.shown(seen)
        if not self._notes:
            return shown
        return replace(
            shown,
            current=shown.current and self._with_note(shown.current),
            ended=tuple(self._with_note(report) for report in shown.ended),
        )

    def _note(self, key: str, alarms: tuple[Alarm, ...]) -> None:
        self._notes[key] = " ".join(alarm.message for alarm in alarms)
        while len(self._notes) > NOTES_MAX:
            del self._notes[next(iter(self._notes))]

    def _with_note(self, report: PrintReport) -> PrintReport:
        note = self._notes.get(report.key)
        if note is None:
            return report
        if report.phase in (PrintPhase.STARTING, PrintPhase.PRINTING):  # it goes on, heated again
            return report
        return replace(report, message=f"{note} {report.message}" if report.message else note)


def _order(action: Action, seen: PrinterObserved, order_id: str) -> Order | None:
    key = seen.current.key if seen.current is not None else ""
    if action is Action.STOP:
        return EmergencyStop(seen.printer, order_id)
    if action is Action.PAUSE:
        return PausePrint(seen.printer, order_id, key)
    return HeatersOff(seen.printer, order_id, key, only_hotends=action is Action.HOTENDS_OFF)
