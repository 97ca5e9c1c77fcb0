"""Heaters, fans and the waits: M104, M105, M106/M107, M109, M140, M155, M190, M302."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from firmware_sim.machine.state import Machine
from firmware_sim.machine.thermal import Heater
from firmware_sim.machine.words import Command

WINDOW_CELSIUS = 1.0
"""Within so much of the target the residency time starts (TEMP_WINDOW)."""
HYSTERESIS_CELSIUS = 3.0
"""Further off than this it starts again (TEMP_HYSTERESIS)."""
REPORT_SECONDS = 1.0
"""M109 and M190 print a temperature line so often."""


COOLING_SLOPE_CELSIUS, COOLING_SLOPE_SECONDS = 1.5, 60.0
"""Marlin's MIN_COOLING_SLOPE_DEG and _TIME: what counts as still cooling."""


def _heater_of(m: Machine, c: Command) -> Heater:
    return m.bed if c.code in ("M140", "M190") else m.hotend


def _set_target(m: Machine, c: Command, celsius: float) -> None:
    heater = _heater_of(m, c)
    heater.set_target(celsius, m.now)
    m.note("heater", source=c.source, n=c.number, line=heater.name, effect=f"target {heater.target:g}")


def set_target(m: Machine, c: Command) -> None:
    """M104 S, M140 S: set and go on."""
    if "S" in c.values:
        _set_target(m, c, c.values["S"])


def wait_for_target(m: Machine, c: Command) -> Iterator[float]:
    """M109, M190: S waits while heating only, R while cooling too; a line a second, at last `W:9`-`W:0`."""
    waits_for_cooling = "S" not in c.values and "R" in c.values
    if not c.values.keys() & {"S", "R"}:
        return
    _set_target(m, c, c.values["R"] if waits_for_cooling else c.values["S"])
    if c.code == "M109":
        m.start_job_clock()
    heater = _heater_of(m, c)
    if not waits_for_cooling and heater.celsius(m.now) > heater.target:
        return
    m.heat_wait_cancelled, m.heat_waits = False, True
    yield from _residency(m, heater)
    m.heat_waits = False


def _residency(m: Machine, heater: Heater) -> Iterator[float]:
    """Report each second until the temperature has stayed near its target for the residency time.

    A target that cooling will not reach (M109 R0) is given up when a minute no longer cools by 1.5 °C.
    """
    near_since: float | None = None
    next_report = m.now
    cooling = heater.celsius(m.now) > heater.target
    last_celsius, slope_check = math.inf, m.now
    while not m.heat_wait_cancelled:
        if cooling and m.now >= slope_check:
            if last_celsius - heater.celsius(m.now) < COOLING_SLOPE_CELSIUS:
                return
            last_celsius, slope_check = heater.celsius(m.now), m.now + COOLING_SLOPE_SECONDS
        done_at = near_since + heater.constants.residency if near_since is not None else None
        if done_at is not None and m.now >= done_at:
            return
        if m.now >= next_report:
            # Said before the temperature is looked at: the first line is `W:?` however near it is.
            next_report = m.now + REPORT_SECONDS
            left = "?" if done_at is None else str(int(done_at - m.now))
            template = m.words.heating_bed if heater is m.bed else m.words.heating_hotend
            m.say(
                template.format(
                    temperatures=m.temperatures(),
                    left=left,
                    t=m.hotend.celsius(m.now),
                    b=m.bed.celsius(m.now),
                )
            )
        off = abs(heater.target - heater.celsius(m.now))
        if off > HYSTERESIS_CELSIUS if near_since is not None else off < WINDOW_CELSIUS + 1e-6:
            near_since = m.now
            done_at = near_since + heater.constants.residency
        look_again = done_at if done_at is not None else _near_at(m, heater)
        yield min(next_report, look_again, slope_check if cooling else math.inf)


def _near_at(m: Machine, heater: Heater) -> float:
    edge = -WINDOW_CELSIUS if heater.celsius(m.now) < heater.target else WINDOW_CELSIUS
    return heater.reaches_at(heater.target + edge, m.now)


def report_temperatures(m: Machine, _c: Command) -> None:
    """M105 answers on its ok line, which never carries N, P and B (recorded)."""
    m.say(m.words.temperature_answer.format(temperatures=m.temperatures()))
    m.forget_answer()


def fan(m: Machine, c: Command) -> None:
    """M106 S0-255, M107."""
    m.fan = int(max(0.0, min(c.words.get("S", 255.0), 255.0))) if c.code == "M106" else 0
    if m.personality.has("fan_report"):
        m.say(f"M106 P0 S{m.fan}")


def auto_temperatures(m: Machine, c: Command) -> None:
    """M155 S: a line every S seconds, 0 = off."""
    if "S" in c.values:
        m.chimes.reports["temperature"].every(c.values["S"], m.now)


def cold_extrusion(m: Machine, c: Command) -> None:
    """M302 S minimum, P1 allow; without parameters it reports."""
    if "S" in c.values:
        m.minimum_extrusion_celsius = c.values["S"]
        m.cold_extrusion_allowed = c.values["S"] == 0.0
    if "P" in c.words:
        m.cold_extrusion_allowed = m.minimum_extrusion_celsius == 0.0 or c.flag("P")
    elif "S" not in c.values:
        able = "enabled" if m.cold_extrusion_allowed else "disabled"
        m.say(f"echo:Cold extrudes are {able} (min temp {m.minimum_extrusion_celsius:.0f}C)")


def power_off(m: Machine, _c: Command) -> Iterator[float]:
    """M81: heaters and fan off, a second's wait (recorded 1.1 s)."""
    m.heaters_off()
    m.fan = 0
    if m.personality.has("fan_report"):
        m.say("M106 P0 S0")
    end = m.now + 1.1
    while m.now < end:
        yield end
    m.notify("SimRap 1.4 OFF.")


HANDLERS: dict[str, Callable[[Machine, Command], Iterator[float] | None]] = {
    "M81": power_off,
    "M104": set_target,
    "M105": report_temperatures,
    "M106": fan,
    "M107": fan,
    "M109": wait_for_target,
    "M140": set_target,
    "M155": auto_temperatures,
    "M190": wait_for_target,
    "M302": cold_extrusion,
}
