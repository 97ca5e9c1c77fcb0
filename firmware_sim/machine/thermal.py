"""Heaters of the first order, in closed form: no stepping, so a board can jump an hour at no cost.

At full power the temperature runs towards ambient + rate * tau with the time constant tau; once it reaches
the target it is held there; without power it falls towards ambient with the same constant. The real
firmware's PID overshoots and creeps (see the recorded runs); hosts must not depend on either.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from firmware_sim.personality import HeaterConstants

WATCH_SECONDS = 40.0
"""Marlin's WATCH_TEMP_PERIOD and THERMAL_PROTECTION_PERIOD of the recorded build."""
RUNAWAY_HYSTERESIS = 4.0
"""°C below the target at which the runaway timer starts."""
MAX_OUTPUT = 127
OPEN_THERMISTOR = -15.0
"""What a broken sensor reads, °C."""
DRIFT_CELSIUS_PER_SECOND = 0.2
"""How fast a sensor that slips out of its hole loses the heater: 12 °C a minute."""

SLOW_SHARE = 0.25
"""What is left of the power of a slow heater."""

HEATER_FAULTS = ("dead", "slow", "open", "short", "runaway", "drift")
"""dead: no heat. slow: a quarter of it. open: the sensor reads -15 °C. short: it reads far too hot.
runaway: full power, whatever is ordered (a MOSFET that shorted). drift: the sensor slips out and reads less
and less, and the firmware heats on."""


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
        self._stuck_on = False
        self._drift_from: tuple[float, float] | None = None
        self._driven: float | None = None

    def celsius(self, now: float) -> float:
        """What the sensor reads."""
        if self._sensor is not None:
            return self._sensor
        if self._drift_from is not None:
            began, reading = self._drift_from
            return max(self.ambient, reading - DRIFT_CELSIUS_PER_SECOND * max(0.0, now - began))
        return self._true_celsius(now)

    def true_celsius(self, now: float) -> float:
        """How hot it really is, whatever the sensor reads."""
        return self._true_celsius(now)

    def suffer(self, kind: str, now: float) -> None:
        """One of HEATER_FAULTS; raises ValueError for any other."""
        match kind:
            case "dead":
                self.kill_power(now)
            case "slow":
                self._base, self._since = self._true_celsius(now), now
                self.constants = replace(self.constants, rate=self.constants.rate * SLOW_SHARE)
            case "open":
                self.break_sensor(OPEN_THERMISTOR, now)
            case "short":
                self.break_sensor(self.constants.max_celsius + 50.0, now)
            case "runaway":
                self._base, self._since, self._stuck_on = self._true_celsius(now), now, True
            case "drift":
                reading = self.celsius(now)
                self._base, self._since, self._drift_from = self._true_celsius(now), now, (now, reading)
            case _:
                raise ValueError(f"no heater fault {kind!r}; there are: {', '.join(HEATER_FAULTS)}")

    def output(self, now: float) -> int:
        """The `@` of the report, 0 to 127."""
        if self._driven is not None:
            return round(self._driven * MAX_OUTPUT)
        if self.target <= 0.0:
            return 0
        if self._drift_from is not None:
            return MAX_OUTPUT if self.celsius(now) < self.target else 0
        if self.target < self._true_celsius(now) - 0.01:
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
        self._driven = None

    def drive(self, share: float, now: float) -> None:
        """So much of full power (0 to 1) without a target, until the next one is set: the relay of M303."""
        self.set_target(0.0, now)
        self._driven = share

    def reaches_at(self, celsius: float, now: float) -> float:
        """When the true temperature will pass `celsius` on its present way; infinity if never."""
        here = self._true_celsius(now)
        if abs(here - celsius) < 1e-9:
            return now
        limit = self._limit()
        rising = limit > here
        if (celsius > here) != rising or not min(here, limit) < celsius < max(here, limit):
            return math.inf
        if self._is_regulated() and self._held_short_of(celsius):
            return math.inf
        return now + self.constants.tau * math.log((limit - here) / (limit - celsius))

    def kill_power(self, now: float) -> None:
        """Fault: the heater gives no heat from now on, whatever the firmware orders."""
        self._base, self._since, self._dead_at = self._true_celsius(now), now, now
        self._stuck_on = False

    def break_sensor(self, reading: float, now: float) -> None:
        """Fault: the sensor reads `reading` °C for good."""
        self._sensor, self._sensor_at = reading, now

    def repair(self, now: float) -> None:
        """End of any fault of this heater."""
        self._base, self._since = self._true_celsius(now), now
        self._dead_at, self._sensor = None, None
        self._stuck_on, self._drift_from = False, None

    def cool_to_ambient(self) -> None:
        """Stand at room temperature, as after a long pause."""
        self._base = self.ambient

    def pending_fault(self, now: float) -> ThermalFault | None:
        """What thermal protection will say of this heater if nothing changes."""
        if self._sensor is not None and self._sensor >= self.constants.max_celsius:
            return ThermalFault(self._sensor_at, "MAXTEMP triggered", self.name)
        if self._stuck_on and self._sensor is None and self._drift_from is None:
            too_hot = self._base >= self.constants.max_celsius
            at = self._since if too_hot else self.reaches_at(self.constants.max_celsius, self._since)
            return ThermalFault(at, "MAXTEMP triggered", self.name) if at < math.inf else None
        if self.target <= 0.0:
            return None
        if self._sensor is not None and self._sensor <= 0.0:
            return ThermalFault(max(self._sensor_at, self._target_set_at), "MINTEMP triggered", self.name)
        if self._drift_from is not None:
            return ThermalFault(self._drifted_below() + WATCH_SECONDS, "Thermal Runaway", self.name)
        if self._dead_at is None:
            return None
        began = max(self._dead_at, self._target_set_at)
        if self._true_celsius(began) < self.target - RUNAWAY_HYSTERESIS:
            return ThermalFault(began + WATCH_SECONDS, "Heating failed", self.name)
        below = self.reaches_at(self.target - RUNAWAY_HYSTERESIS, began)
        return ThermalFault(below + WATCH_SECONDS, "Thermal Runaway", self.name)

    def _drifted_below(self) -> float:
        """When a drifting sensor reads less than protection allows."""
        if self._drift_from is None:
            return math.inf
        began, reading = self._drift_from
        if self.target - RUNAWAY_HYSTERESIS <= self.ambient:
            return math.inf
        seconds = (reading - (self.target - RUNAWAY_HYSTERESIS)) / DRIFT_CELSIUS_PER_SECOND
        return max(self._target_set_at, began + max(0.0, seconds))

    def _is_regulated(self) -> bool:
        """Whether the firmware's regulation holds the true temperature at the target."""
        is_sound = self._dead_at is None and not self._stuck_on and self._drift_from is None
        return is_sound and self._driven is None

    def _heats(self) -> bool:
        if self._stuck_on:
            return True
        if self._driven is not None:
            return self._dead_at is None and self._driven > 0.0
        if self._drift_from is not None:
            return self.target > 0.0
        return self._dead_at is None and self.target > self._base

    def _held_short_of(self, celsius: float) -> bool:
        """Whether regulation at the target keeps the temperature from ever passing `celsius`."""
        return celsius > self.target if self._heats() else celsius < self.target

    def _limit(self) -> float:
        share = 1.0 if self._driven is None or self._stuck_on else self._driven
        return (
            self.ambient + share * self.constants.rate * self.constants.tau if self._heats() else self.ambient
        )

    def _true_celsius(self, now: float) -> float:
        limit = self._limit()
        value = limit + (self._base - limit) * math.exp(-max(0.0, now - self._since) / self.constants.tau)
        if not self._is_regulated():
            return value
        return min(value, self.target) if self._heats() else max(value, min(self.target, self._base))
