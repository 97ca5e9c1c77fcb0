"""One printer's heat under watch, whatever its jobs are: facts and time in, alarms and actions out. No I/O.

    heaters on, nothing printed        warn, then heaters off
    a print held                       warn, then heaters off
    a print paused                     warn, then hotends off, much later the bed
    heaters on, the link gone          alarm; the times above go on, and are acted on when it is back
    heaters on, no temperatures        alarm
    a heater against its target        emergency stop; a bed that gives no heat: pause, then heaters off

A person at the printer or an order from one counts as activity and begins the first time anew. Prints from
the printer's own card count as prints; while they are paused nothing is switched off, for nothing here would
heat again before they go on: this only warns. Of printers that print by themselves all of it is for people
(`stance`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from gateway.domain.observations import Activity, Alarm, LinkState, PrinterObserved, PrintPhase
from gateway.safety.heater import HeaterWatch, Trouble
from gateway.safety.limits import SafetyLimits, bed, hotend
from gateway.safety.stance import ACTING, Stance
from gateway.safety.words import RULES, UNREACHABLE, being_off, not_off, of_heater, soon_off, unseen

#: Seconds between two tries of the same action.
AGAIN_SECONDS = 15.0
#: Seconds without a temperature: probing a bed is silent for minutes where the firmware has no keepalive.
UNSEEN_SECONDS = 300.0
#: Seconds that a bed without heat gets to be switched off before the machine is stopped.
LATE_SECONDS = 120.0
#: Heaters of one printer that are watched; more of them are names that damaged lines invented.
HEATERS_MAX = 16

_HEATER = re.compile(r"(T\d*|B|C)_target")
_STANDING = (PrintPhase.PAUSED, PrintPhase.HELD)


class Action(Enum):
    """What is to be done, gentlest first."""

    HOTENDS_OFF = auto()
    HEATERS_OFF = auto()
    PAUSE = auto()
    STOP = auto()  # M112


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look at a printer came to."""

    alarms: tuple[Alarm, ...] = ()
    action: Action | None = None


class PrinterMonitor:
    """Watches one printer; `look` is called about once a second and never goes back in time."""

    def __init__(self, limits: SafetyLimits, stance: Stance = ACTING) -> None:
        self._limits = limits
        self._stance = stance
        self._forget()

    def _forget(self) -> None:
        self._targets: Mapping[str, float] = {}  # as last heard
        self._watches: dict[str, HeaterWatch] = {}
        self._read_at: float | None = None
        self._troubles: dict[str, tuple[Trouble, float]] = {}  # by heater, since when
        self._quiet_since: float | None = None  # heaters on, nothing printed, nobody there
        self._standing: tuple[str, PrintPhase] | None = None
        self._standing_since = 0.0
        self._gone_since: float | None = None
        self._hot_since: float | None = None
        self._acted: dict[Action, float] = {}

    def person_seen(self, now: float) -> None:
        """Somebody gave the printer an order: the heat is wanted."""
        if self._quiet_since is not None:
            self._quiet_since = now

    def resumed(self, now: float) -> None:
        """Somebody wants a paused print to go on: while it heats it still counts as paused."""
        self.person_seen(now)
        self._standing_since = now

    def look(self, now: float, seen: PrinterObserved) -> Finding:
        """Judge a snapshot taken at monotonic `now`."""
        if seen.activity is Activity.ERROR and self._stance.error_is_cold:
            self._forget()  # it has stopped itself: nothing heats, and nothing is told
            return Finding()
        self._learn(now, seen)
        self._time(now, seen)
        alarms: list[Alarm] = []
        actions: list[Action] = []
        for alarm, action in self._judge(now, seen):
            alarms.append(alarm)
            if action is not None:
                actions.append(action)
        if seen.link is not LinkState.UP or not self._stance.acts:
            return Finding(tuple(alarms))
        return Finding(tuple(alarms), self._due(now, actions))

    @property
    def is_hot(self) -> bool:
        """Whether a heater is on, as far as was heard last."""
        return any(target > 0 for target in self._targets.values())

    def _due(self, now: float, actions: list[Action]) -> Action | None:
        for action in sorted(actions, key=lambda action: -action.value):
            if now - self._acted.get(action, -AGAIN_SECONDS) >= AGAIN_SECONDS:
                self._acted[action] = now
                return action
        return None

    # -- facts --------------------------------------------------------------------------------------------

    def _learn(self, now: float, seen: PrinterObserved) -> None:
        age = seen.temperature_age
        if age is None:
            return
        read_at = now - age
        if self._read_at is not None and read_at <= self._read_at + 0.001:
            return
        self._read_at = read_at
        readings = seen.temperatures
        targets = {found[1]: value for name, value in readings.items() if (found := _HEATER.fullmatch(name))}
        if targets != self._targets and self._quiet_since is not None:
            self._quiet_since = now  # somebody set it, at the panel perhaps
        self._targets = targets
        if self._limits.watches_temperatures:
            for name, target in list(targets.items())[:HEATERS_MAX]:
                self._watch(name, read_at, readings.get(name), target)

    def _watch(self, name: str, read_at: float, celsius: float | None, target: float) -> None:
        if celsius is None or (name not in self._watches and len(self._watches) >= HEATERS_MAX):
            return
        if name not in self._watches:
            self._watches[name] = HeaterWatch((hotend if name[0] == "T" else bed)(self._limits))
        trouble = self._watches[name].read(read_at, celsius, target)
        if trouble is None:
            self._troubles.pop(name, None)
        elif self._troubles.get(name, (None, 0.0))[0] is not trouble:
            self._troubles[name] = (trouble, read_at)

    def _time(self, now: float, seen: PrinterObserved) -> None:
        """Since when what has lasted."""
        is_hot, current = self.is_hot, seen.current
        self._hot_since = _since(self._hot_since, now) if is_hot else None
        self._gone_since = None if seen.link is LinkState.UP else _since(self._gone_since, now)
        is_busy = current is not None or (seen.activity is Activity.BUSY and not seen.is_receiving)
        self._quiet_since = _since(self._quiet_since, now) if is_hot and not is_busy else None
        standing = (current.key, current.phase) if current and current.phase in _STANDING else None
        if standing != self._standing:
            self._standing, self._standing_since = standing, now

    # -- rules --------------------------------------------------------------------------------------------

    def _judge(self, now: float, seen: PrinterObserved) -> Iterator[tuple[Alarm, Action | None]]:
        yield from self._judge_heaters(now, seen)
        if not self.is_hot:
            return
        yield from self._judge_sight(now, seen)
        limits, current = self._limits, seen.current
        if self._quiet_since is not None:
            yield from self._after(
                "idle-heat", now - self._quiet_since, limits.idle, Action.HEATERS_OFF,
                "The heaters are on and nothing is printed.",
            )  # fmt: skip
        elif current is None or self._standing is None:
            return
        elif current.phase is PrintPhase.HELD:
            yield from self._after(
                "held-heat", now - self._standing_since, limits.held, Action.HEATERS_OFF,
                "The print is held and the heaters are on.",
            )  # fmt: skip
        else:
            yield from self._judge_paused(now, is_local=current.is_local)

    def _judge_paused(self, now: float, *, is_local: bool) -> Iterator[tuple[Alarm, Action | None]]:
        limits, paused = self._limits, now - self._standing_since
        if any(target > 0 for name, target in self._targets.items() if name[0] == "T"):
            text = "The print is paused and the nozzle is hot."
            for alarm, action in self._after(
                "paused-heat", paused, limits.paused_hotend, Action.HOTENDS_OFF, text
            ):
                yield (Alarm(alarm.rule, text), None) if is_local and self._stance.acts else (alarm, action)
        elif not is_local or not self._stance.acts:
            yield from self._after(
                "paused-heat", paused, limits.paused_bed, Action.HEATERS_OFF,
                "The print is paused and the bed is hot.",
            )  # fmt: skip

    def _after(
        self, rule: str, lasted: float, limit: float, action: Action, text: str
    ) -> Iterator[tuple[Alarm, Action | None]]:
        """Warn, and act when `limit` is over."""
        if limit <= 0:
            return
        if lasted >= limit:
            yield Alarm(rule, being_off(text, limit) if self._stance.acts else not_off(text, limit)), action
        elif self._stance.acts and lasted >= limit - min(self._limits.warning, limit / 2):
            yield Alarm(rule, soon_off(text, limit)), None

    def _judge_sight(self, now: float, seen: PrinterObserved) -> Iterator[tuple[Alarm, None]]:
        if self._gone_since is not None and now - self._gone_since >= self._stance.gone_seconds:
            yield Alarm("unreachable-heat", UNREACHABLE), None
        elif seen.link is LinkState.UP:
            if now - max(_since(self._read_at, now), _since(self._hot_since, now)) >= UNSEEN_SECONDS:
                yield Alarm("unseen-heat", unseen(UNSEEN_SECONDS)), None

    def _judge_heaters(self, now: float, seen: PrinterObserved) -> Iterator[tuple[Alarm, Action]]:
        for name, (trouble, since) in self._troubles.items():
            words = of_heater(trouble, name, acts=self._stance.acts)
            alarm = Alarm(f"{RULES[trouble]}-{name.lower()}", words)
            is_gentle = trouble is Trouble.NO_HEAT and name[0] != "T" and now - since < LATE_SECONDS
            streams = seen.current is not None and seen.current.phase not in _STANDING
            if not is_gentle:
                yield alarm, Action.STOP
            else:
                yield alarm, Action.PAUSE if streams else Action.HEATERS_OFF


def _since(before: float | None, now: float) -> float:
    return now if before is None else before
