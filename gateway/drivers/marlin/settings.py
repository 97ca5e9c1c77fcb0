"""How a printer is parked and what its owner wants sent besides: the driver's part of its configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class ParkBy(StrEnum):
    """Who moves the head away in a pause."""

    GATEWAY = "gateway"
    SCRIPT = "script"  # the pause script alone; what it found is restored behind the resume script
    NOBODY = "nobody"  # the head stays where it is


@dataclass(frozen=True, slots=True)
class ParkSettings:
    """Where and how. Defaults are Marlin's NOZZLE_PARK and PAUSE_PARK ones, without moving in X and Y.

    Lengths in mm, speeds in mm/s, temperatures in degrees Celsius.
    """

    by: ParkBy = ParkBy.GATEWAY
    x: float | None = None  # None: stay above the part
    y: float | None = None
    lift: float = 10.0
    height: float | None = None  # of the machine; None: what M115 says, or the firmware's own end stops
    retract: float = 2.0
    nozzle_standby: int | None = None  # while it waits; None: as hot as the print wants it
    travel_speed: float = 100.0
    lift_speed: float = 5.0
    retract_speed: float = 25.0


@dataclass(frozen=True, slots=True)
class ScriptSettings:
    """Lines of G-code with variables (`gcode.macros`), sent in addition to what the gateway does itself."""

    connect: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    pause: tuple[str, ...] = ()
    resume: tuple[str, ...] = ()
    cancel: tuple[str, ...] = ()
    end: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MarlinSettings:
    """All of it for one printer."""

    park: ParkSettings = field(default_factory=ParkSettings)
    scripts: ScriptSettings = field(default_factory=ScriptSettings)
