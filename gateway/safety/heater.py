"""One heater and its sensor over time: does what it reads fit what it was told?

The firmware has its own protection, which stops the machine sooner than this does. Where it is missing,
compiled out or broken, this notices. A single odd reading is a damaged line; nothing here acts on one.
"""

from __future__ import annotations

import math
from collections import deque
from enum import Enum, auto

from gateway.safety.limits import HeaterLimits

#: Readings in a row that must agree before a sensor is believed to be broken.
AGREEING = 3
#: Degrees Celsius below which no room is: an open thermistor reads so.
COLDEST = -10.0
#: Degrees Celsius a second by which no heater block falls, fan or not.
FALL_MAX = 20.0
#: Degrees Celsius that a sensor must have fallen so fast to count: less is noise.
DROP_MIN = 50.0
#: Degrees Celsius by which what cools has fallen over a window.
FALLS = 1.0
#: Share of a window that its readings must reach back over.
COVERED = 0.8
#: Readings kept: a quarter of an hour at one a second.
READINGS_MAX = 900


class Trouble(Enum):
    """What is wrong with a heater."""

    TOO_HOT = auto()  # above what the machine can bear
    SENSOR = auto()  # readings that cannot be
    STUCK_ON = auto()  # hotter than told, and not falling
    NO_HEAT = auto()  # told to heat, and not rising


class HeaterWatch:
    """Takes readings, oldest first; tells what is wrong now."""

    def __init__(self, limits: HeaterLimits) -> None:
        self._limits = limits
        self._target = 0.0
        self._readings: deque[tuple[float, float]] = deque(maxlen=READINGS_MAX)  # since it has this target
        self._before_drop: float | None = None
        self._suspected: Trouble | None = None
        self._agreeing = 0

    def read(self, now: float, celsius: float, target: float) -> Trouble | None:
        """One reading, at monotonic `now`. Damaged lines make odd ones: several in a row must agree."""
        if math.isfinite(target) and target != self._target:
            self._target = target
            self._readings.clear()
        suspected = self._suspect(now, celsius)
        if math.isfinite(celsius):
            self._readings.append((now, celsius))
        self._agreeing = self._agreeing + 1 if suspected is self._suspected else 1
        self._suspected = suspected
        return suspected if self._agreeing >= AGREEING else None

    def _suspect(self, now: float, celsius: float) -> Trouble | None:
        if celsius > self._limits.max_celsius:
            return Trouble.TOO_HOT
        if self._target > 0 and (not celsius > COLDEST or self._has_dropped(now, celsius)):
            return Trouble.SENSOR
        if self._is_stuck_on(now, celsius):
            return Trouble.STUCK_ON
        return Trouble.NO_HEAT if self._lacks_heat(now, celsius) else None

    def _has_dropped(self, now: float, celsius: float) -> bool:
        """Whether it reads far less than a moment ago, or has done so since."""
        if self._before_drop is None and len(self._readings) >= AGREEING:
            last = [self._readings[-number] for number in range(1, AGREEING + 1)]
            before = sorted(reading for _, reading in last)[AGREEING // 2]
            if before - celsius >= DROP_MIN and before - celsius > FALL_MAX * (now - last[-1][0]):
                self._before_drop = before
        if self._before_drop is not None and self._before_drop - celsius < DROP_MIN:
            self._before_drop = None
        return self._before_drop is not None

    def _is_stuck_on(self, now: float, celsius: float) -> bool:
        limits, is_off = self._limits, self._target <= 0
        threshold = limits.off_floor if is_off else max(self._target + limits.over, limits.over_floor)
        if not celsius > threshold:
            return False
        window = self._window(now, limits.over_seconds)
        if not window:
            return False
        low = sorted(window)[AGREEING - 1]
        if is_off:
            return celsius - low >= limits.off_rise
        return low > threshold and window[0] - celsius < FALLS

    def _lacks_heat(self, now: float, celsius: float) -> bool:
        limits = self._limits
        if self._target <= 0 or celsius >= self._target - limits.under:
            return False
        ordered = sorted(self._window(now, limits.under_seconds))
        if not ordered or ordered[-AGREEING] >= self._target - limits.under:
            return False
        return celsius - ordered[AGREEING - 1] < limits.under_rise

    def _window(self, now: float, seconds: float) -> list[float]:
        """The readings of the last `seconds`, oldest first; none while they do not reach back so far."""
        if not self._readings or now - self._readings[0][0] < seconds:
            return []
        recent = [(at, celsius) for at, celsius in self._readings if now - at <= seconds]
        if len(recent) < 2 * AGREEING or now - recent[0][0] < seconds * COVERED:
            return []  # it was not seen for a while: what happened meanwhile is unknown
        return [celsius for _, celsius in recent]
