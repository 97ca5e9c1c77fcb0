"""What the safety monitor tolerates, and for how long. The reasons are in docs/SAFETY.md."""

from __future__ import annotations

from dataclasses import dataclass

_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class SafetyLimits:
    """Seconds and degrees Celsius. A time of 0 switches its rule off."""

    #: Heaters on and nothing printed: Klipper's idle_timeout is 10 minutes, Prusa's safety timer 30.
    idle: float = 15 * _MINUTE
    #: A held print: nobody knows where the nozzle stands, and it may stand in the part.
    held: float = 15 * _MINUTE
    #: A paused print: filament chars in a hot nozzle; a print on a cold bed lets go, so the bed waits longer.
    paused_hotend: float = 30 * _MINUTE
    paused_bed: float = 240 * _MINUTE
    #: The warning comes this long before heaters are switched off, or at half the time if that is less.
    warning: float = 5 * _MINUTE
    #: Temperatures against their targets.
    watches_temperatures: bool = True
    hotend_max: float = 350.0
    bed_max: float = 150.0


@dataclass(frozen=True, slots=True)
class HeaterLimits:
    """What one heater may do. Each is wider than Marlin's own protection (4 °C, 40 s; bed 2 °C, 60 s)."""

    max_celsius: float
    #: Above target + over for over_seconds and not fallen by a degree meanwhile: the heater is stuck on.
    over: float
    over_seconds: float
    #: Below this nothing is "over": a heated chamber keeps everything in it that warm.
    over_floor: float
    #: Switched off and risen by this much within over_seconds, above off_floor: stuck on.
    off_rise: float
    off_floor: float
    #: Below target - under for under_seconds and not risen by under_rise: no heat, or the sensor fell out.
    under: float
    under_seconds: float
    under_rise: float


def hotend(limits: SafetyLimits) -> HeaterLimits:
    """A nozzle: 40 g of metal and 40 W."""
    return HeaterLimits(
        max_celsius=limits.hotend_max,
        over=25.0, over_seconds=60.0, over_floor=90.0,
        off_rise=15.0, off_floor=60.0,
        under=25.0, under_seconds=120.0, under_rise=2.0,
    )  # fmt: skip


def bed(limits: SafetyLimits) -> HeaterLimits:
    """A bed or chamber: slow both ways; ten minutes to its target are usual."""
    return HeaterLimits(
        max_celsius=limits.bed_max,
        over=20.0, over_seconds=180.0, over_floor=90.0,
        off_rise=10.0, off_floor=45.0,
        under=15.0, under_seconds=600.0, under_rise=1.0,
    )  # fmt: skip
