"""Heaters of the first order, in closed form: no stepping, so a board can jump an hour at no cost.

At full power the temperature runs towards ambient + rate * tau with the time constant tau; once it reaches
the target it is held there; without power it falls towards ambient with the same constant. The real
firmware's PID overshoots and creeps (see the recorded runs); hosts must not depend on either.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from firmware_sim.personality import HeaterConstants

WATCH_SECONDS = 40.0
"""Marlin's WATCH_TEMP_PERIOD and THERMAL_PROTECTION_PERIOD of the recorded build."""
RUNAWAY_HYSTERESIS = 4.0
"""°C below the target at which the runaway timer starts."""
MAX_OUTPUT = 127
OPEN_THERMISTOR = -15.0
"""What a broken sensor reads, °C."""


@dataclass(frozen=True, slots=True)
class ThermalFault:
    """A shutdown that thermal protection will cause."""

    at: float
    kind: str
    heater: str


class Heater:
    """One heater and its sensor. `name` as in `Heater_ID:`: `E0` or `bed`."""

    def __init__(self, name: str, constants: HeaterConstants, ambient: float) -> None:
        self.name = name
        self.constants = constants
        self.ambient = ambient
        self.target = 0.0
        self._base = ambient
        self._since = 0.0
        self._target_set_at = 0.0
        self._dead_at: float | None = None
        self._sensor: float | None = None
        self._sensor_at = 0.0

    def celsius(self, now: float) -> float:
        """What the sensor reads."""
        if self._sensor is not None:
            return self._sensor
        return self._true_celsius(now)

    def output(self, now: float) -> int:
        """The `@` of the report, 0 to 127."""
        if self.target <= 0.0 or self.target < self._true_celsius(now) - 0.01:
            return 0
        if self._true_celsius(now) < self.target - 0.01:
            return MAX_OUTPUT
        share = (self.target - self.ambient) / (self.constants.rate * self.constants.tau)
        return max(0, min(MAX_OUTPUT, round(MAX_OUTPUT * share)))

    def set_target(self, celsius: float, now: float) -> None:
        """M104/M140 and friends; the temperature goes on from where it is."""
        self._base, self._since = self._true_celsius(now), now
        self.target = max(0.0, min(celsius, self.constants.max_celsius - 15.0))
        self._target_set_at = now

    def reaches_at(self, celsius: float, now: float) -> float:
        """When the true temperature will pass `celsius` on its present way; infinity if never."""
        here = self._true_celsius(now)
        if abs(here - celsius) < 1e-9:
            return now
        limit = self._limit()
        rising = limit > here
        if (celsius > here) != rising or not min(here, limit) < celsius < max(here, limit):
            return math.inf
        if self._dead_at is None and self._held_short_of(celsius):
            return math.inf
        return now + self.constants.tau * math.log((limit - here) / (limit - celsius))

    def kill_power(self, now: float) -> None:
        """Fault: the heater gives no heat from now on, whatever the firmware orders."""
        self._base, self._since, self._dead_at = self._true_celsius(now), now, now

    def break_sensor(self, reading: float, now: float) -> None:
        """Fault: the sensor reads `reading` °C for good."""
        self._sensor, self._sensor_at = reading, now

    def repair(self, now: float) -> None:
        """End of any fault of this heater."""
        self._base, self._since = self._true_celsius(now), now
        self._dead_at, self._sensor = None, None

    def cool_to_ambient(self) -> None:
        """Stand at room temperature, as after a long pause."""
        self._base = self.ambient

    def pending_fault(self, now: float) -> ThermalFault | None:
        """What thermal protection will say of this heater if nothing changes."""
        if self._sensor is not None and self._sensor >= self.constants.max_celsius:
            return ThermalFault(self._sensor_at, "MAXTEMP triggered", self.name)
        if self.target <= 0.0:
            return None
        if self._sensor is not None and self._sensor <= 0.0:
            return ThermalFault(max(self._sensor_at, self._target_set_at), "MINTEMP triggered", self.name)
        if self._dead_at is None:
            return None
        began = max(self._dead_at, self._target_set_at)
        if self._true_celsius(began) < self.target - RUNAWAY_HYSTERESIS:
            return ThermalFault(began + WATCH_SECONDS, "Heating failed", self.name)
        below = self.reaches_at(self.target - RUNAWAY_HYSTERESIS, began)
        return ThermalFault(below + WATCH_SECONDS, "Thermal Runaway", self.name)

    def _heats(self) -> bool:
        return self._dead_at is None and self.target > self._base

    def _held_short_of(self, celsius: float) -> bool:
        """Whether regulation at the target keeps the temperature from ever passing `celsius`."""
        return celsius > self.target if self._heats() else celsius < self.target

    def _limit(self) -> float:
        return self.ambient + self.constants.rate * self.constants.tau if self._heats() else self.ambient

    def _true_celsius(self, now: float) -> float:
        limit = self._limit()
        value = limit + (self._base - limit) * math.exp(-max(0.0, now - self._since) / self.constants.tau)
        if self._dead_at is not None:
            return value
        return min(value, self.target) if self._heats() else max(value, min(self.target, self._base))
