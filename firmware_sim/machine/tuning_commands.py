"""PID autotune: M303 of builds with the feature `pid_autotune`.

The heater is a relay's: on until the target is passed, off until it is passed again, five seconds each at
least. How long both take, and how far it swings, give the constants (Ziegler and Nichols).

Source: Marlin 2.1.2, `Temperature::PID_autotune`; not recorded. While it runs the firmware is not in its idle
loop: no busy lines and no automatic reports, but a temperature line every two seconds, with the target 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from firmware_sim.machine import replies
from firmware_sim.machine.state import Machine
from firmware_sim.machine.thermal import MAX_OUTPUT, WATCH_SECONDS, Heater, ThermalFault
from firmware_sim.machine.words import Command

SAMPLE_SECONDS = 0.164
"""A temperature is known so often (Marlin's ADC cycle): the relay is that late."""
HALF_CYCLE_SECONDS = 5.0
"""The relay stays as it is for so long at least."""
REPORT_SECONDS = 2.0
OVERSHOOT_CELSIUS = 30.0
"""MAX_OVERSHOOT_PID_AUTOTUNE: above the target by more is a failure, below it (once reached) a runaway."""
MAX_CYCLE_SECONDS = 20 * 60.0
"""MAX_CYCLE_TIME_PID_AUTOTUNE."""
BELOW_MAXTEMP_CELSIUS = 15.0
"""HOTEND_OVERSHOOT: the highest target is so far below the cut-off."""
WATCH_CELSIUS = 2.0
"""WATCH_TEMP_INCREASE: less in WATCH_SECONDS is a heater that does not heat."""
MOST_BIAS, LEAST_BIAS = 235, 20


def autotune(m: Machine, c: Command) -> Iterator[float] | None:
    """M303 E (-1: bed) S °C C cycles U1: use the result. An answer in words, `ok` whatever came of it."""
    index = int(c.words.get("E", 0.0))
    heater = {0: m.hotend, -1: m.bed}.get(index)
    if heater is None:
        _refuse(m, c, replies.TUNING_BAD_HEATER)
        return None
    target = c.values.get("S", 70.0 if index < 0 else 150.0)
    if target > heater.constants.max_celsius - BELOW_MAXTEMP_CELSIUS:
        _refuse(m, c, replies.TUNING_TOO_HOT)
        return None
    return _Tuning(m, c, heater, target).run()


def _refuse(m: Machine, c: Command, words: str) -> None:
    m.say(words)
    m.note("calibration_failed", source=c.source, n=c.number, line=c.text, effect=words)


class _Tuning:
    """One M303 under way."""

    def __init__(self, m: Machine, c: Command, heater: Heater, target: float) -> None:
        self._m, self._c, self._heater, self._target = m, c, heater, target
        self._is_bed = heater is m.bed
        self._wanted = int(c.values.get("C", 5.0))
        self._bias = self._swing = MAX_OUTPUT
        self._cycles = 0
        self._heats = True
        self._on_since = self._off_since = m.now
        self._seconds_on = 0.0
        self._lowest = self._highest = heater.celsius(m.now)
        self._constants = (0.0, 0.0, 0.0)
        self._unended = ""  # the firmware ends no line behind the first two cycles
        self._watched = (self._lowest + WATCH_CELSIUS, m.now + WATCH_SECONDS)
        self._was_reached = False

    def run(self) -> Iterator[float]:
        m = self._m
        m.say(replies.TUNING_STARTED)
        m.heaters_off()
        m.heat_wait_cancelled = False
        m.chimes.hush(True)
        try:
            self._power(self._bias)
            yield from self._cycle()
        finally:
            m.chimes.hush(False)
        if m.is_running:
            m.heaters_off()

    def _cycle(self) -> Iterator[float]:
        """Until it is done, given up, or interrupted by M108, which is told to nobody."""
        m, next_report = self._m, self._m.now + REPORT_SECONDS
        while not m.heat_wait_cancelled:
            celsius = self._heater.celsius(m.now)
            self._lowest, self._highest = min(self._lowest, celsius), max(self._highest, celsius)
            if m.now >= self._relay_at():
                self._switch()
            if celsius > self._target + OVERSHOOT_CELSIUS:
                return self._fail(replies.TUNING_TOO_HOT)
            if m.now >= next_report:
                next_report = m.now + REPORT_SECONDS
                self._say(m.words.temperature_report.format(temperatures=m.temperatures()))
                if self._is_astray(celsius):
                    return
            if m.now - min(self._on_since, self._off_since) > MAX_CYCLE_SECONDS:
                return self._fail(replies.TUNING_TIMEOUT)
            if self._cycles > max(self._wanted, 2):
                return self._finish()
            yield min(next_report, max(self._relay_at(), m.now + SAMPLE_SECONDS))

    def _relay_at(self) -> float:
        """When the relay switches: passed, seen, and not too early."""
        now, since = self._m.now, self._on_since if self._heats else self._off_since
        celsius = self._heater.celsius(now)
        is_passed = celsius > self._target if self._heats else celsius < self._target
        if is_passed:
            return max(now, since + HALF_CYCLE_SECONDS)
        return max(self._heater.reaches_at(self._target, now), since + HALF_CYCLE_SECONDS) + SAMPLE_SECONDS

    def _switch(self) -> None:
        now = self._m.now
        if self._heats:
            self._heats, self._off_since = False, now
            self._seconds_on = now - self._on_since
            self._highest = self._heater.celsius(now)
            self._power((self._bias - self._swing) >> 1)
            return
        self._heats, self._on_since = True, now
        if self._cycles > 0:
            self._learn(self._seconds_on, now - self._off_since)
        self._power((self._bias + self._swing) >> 1)
        self._cycles += 1
        self._lowest = self._heater.celsius(now)

    def _learn(self, on: float, off: float) -> None:
        """What one swing tells: the output that holds the target, and from the fourth on the constants."""
        self._bias += int(self._swing * (on - off) / (on + off))
        self._bias = max(LEAST_BIAS, min(self._bias, MOST_BIAS))
        self._swing = 254 - self._bias if self._bias > MAX_OUTPUT else self._bias
        text = f" bias: {self._bias} d: {self._swing} min: {self._lowest:.2f} max: {self._highest:.2f}"
        if self._cycles <= 2:
            self._unended += text
            return
        gain = 4.0 * self._swing / (math.pi * (self._highest - self._lowest) * 0.5)
        period = on + off
        p = gain * (0.2 if self._is_bed else 0.6)
        self._constants = (p, p * 2.0 / period, p * period / (3.0 if self._is_bed else 8.0))
        self._say(f"{text} Ku: {gain:.2f} Tu: {period:.2f}")
        self._say(" No overshoot" if self._is_bed else " Classic PID ")
        self._say(" Kp: {:.2f} Ki: {:.2f} Kd: {:.2f}".format(*self._constants))

    def _is_astray(self, celsius: float) -> bool:
        """The tuning's own thermal protection, for the machine's knows no target now."""
        if self._m.personality.has("no_thermal_protection"):
            return False
        wanted, until = self._watched
        if self._was_reached:
            if celsius >= self._target - OVERSHOOT_CELSIUS:
                return False
            kind = "Thermal Runaway"
        elif celsius > wanted:
            self._watched = (celsius + WATCH_CELSIUS, self._m.now + WATCH_SECONDS)
            self._was_reached = celsius > self._target - 2 * WATCH_CELSIUS
            return False
        elif self._m.now < until:
            return False
        else:
            kind = "Heating failed"
        self._note("calibration_failed", kind)
        self._m.thermal_shutdown(ThermalFault(self._m.now, kind, self._heater.name))
        return True

    def _finish(self) -> None:
        self._say(replies.TUNING_FINISHED)
        prefix = "#define DEFAULT_" + ("bed" if self._is_bed else "")
        for name, value in zip(("Kp", "Ki", "Kd"), self._constants, strict=True):
            self._say(f"{prefix}{name} {value:.2f}")
        p, i, d = self._constants
        if self._c.flag("U"):
            code = "M304" if self._is_bed else "M301"
            self._m.settings[code] = f"  {code} P{p:.2f} I{i:.2f} D{d:.2f}"
        self._note("calibrated", f"Kp {p:.2f} Ki {i:.2f} Kd {d:.2f}")

    def _fail(self, words: str) -> None:
        self._say(words)
        self._note("calibration_failed", words)

    def _note(self, event: str, effect: str) -> None:
        c = self._c
        self._m.note(event, source=c.source, n=c.number, line=c.text, effect=effect)

    def _say(self, text: str) -> None:
        self._m.say(self._unended + text)
        self._unended = ""

    def _power(self, output: int) -> None:
        self._heater.drive(output / MAX_OUTPUT, self._m.now)


HANDLERS: dict[str, Callable[[Machine, Command], Iterator[float] | None]] = {"M303": autotune}
