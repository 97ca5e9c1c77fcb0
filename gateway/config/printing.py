"""How a printer is parked, what is sent besides, how it is told to start: parts of a `[[printers]]` entry."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gateway.config.fields import Section
from gateway.gcode.macros import check

#: Lines of one script: what goes before a print, not a print.
SCRIPT_LINES_MAX = 64


def _lines(lines: tuple[str, ...]) -> tuple[str, ...]:
    if len(lines) > SCRIPT_LINES_MAX:
        raise ValueError(f"{len(lines)} lines are too many for a script; {SCRIPT_LINES_MAX} are possible")
    checked = ((number, line, check(line)) for number, line in enumerate(lines, start=1))
    problems = [f'line {number} "{line}": {problem}' for number, line, problem in checked if problem]
    if problems:
        raise ValueError("; ".join(problems))
    return lines


Lines = Annotated[tuple[str, ...], AfterValidator(_lines)]


class Scripts(Section):
    """`[printers.scripts]`: lines of G-code with variables, in addition to what the gateway does itself."""

    connect: Lines = ()
    start: Lines = ()
    pause: Lines = ()
    resume: Lines = ()
    cancel: Lines = ()
    end: Lines = ()


class Park(Section):
    """`[printers.park]`: where the head goes in a pause. Lengths in mm, speeds in mm/s, degrees Celsius."""

    by: Literal["gateway", "script", "nobody"] = "gateway"
    x: float | None = None
    y: float | None = None
    lift: float = Field(default=10.0, ge=0)
    height: float | None = Field(default=None, gt=0)
    retract: float = Field(default=2.0, ge=0, le=20)
    nozzle_standby: int | None = Field(default=None, ge=0)
    travel_speed: float = Field(default=100.0, gt=0)
    lift_speed: float = Field(default=5.0, gt=0)
    retract_speed: float = Field(default=25.0, gt=0)


def _start_url(value: str) -> str:
    if "{name}" not in value or "://" not in value:
        raise ValueError(
            f'"{value}" leads to no file; write it like "ftp:///{{name}}" or "file:///sdcard/{{name}}"'
        )
    return value


class BambuStart(Section):
    """`[printers.start]` of a Bambu printer: what it is told with every start of a sliced 3MF."""

    url: Annotated[str, AfterValidator(_start_url)] = "ftp:///{name}"
    bed_leveling: bool = True
    flow_calibration: bool = False
    vibration_calibration: bool = True
    timelapse: bool = False
    use_ams: bool = False
    ams_mapping: tuple[Annotated[int, Field(ge=-1, le=255)], ...] = (0,)
