"""A change of speed, temperature, fan or light as requests, and what people are told of it."""

from __future__ import annotations

from functools import partial

from gateway.domain.adjustment import Adjustment, HeatLimits
from gateway.drivers.bambu.errands import Asking
from gateway.protocol.bambu.requests import SPEEDS, chamber_light, gcode_lines, nearest_speed, print_speed

CANNOT = "a Bambu printer changes neither flow nor Z while it prints; nothing was changed"
#: `S` of M106 for a fan that is full on.
_FULL = 255


def adjustment_requests(change: Adjustment, limits: HeatLimits) -> tuple[list[Asking], str]:
    """The requests, and what was chosen; no requests, and why, for a change that is refused as a whole."""
    problem = change.problem(limits)
    if problem is None and (change.flow is not None or change.z_step is not None):
        problem = CANNOT
    if problem is not None:
        return [], problem
    requests: list[Asking] = []
    said = ""
    if change.speed is not None:
        level = nearest_speed(change.speed)
        requests.append(partial(print_speed, level=level))
        name, percent = SPEEDS[level]
        said = f"its nearest speed is {name} ({percent} %)"
    lines = _lines(change)
    if lines:
        requests.append(partial(gcode_lines, lines=lines))
    if change.light is not None:
        requests.append(partial(chamber_light, is_on=change.light))
    return requests, said


def _lines(change: Adjustment) -> list[str]:
    """P1 of M106: the fan at the nozzle (ha-bambulab)."""
    lines = []
    if change.hotend is not None:
        lines.append(f"M104 S{change.hotend}")
    if change.bed is not None:
        lines.append(f"M140 S{change.bed}")
    if change.fan is not None:
        lines.append(f"M106 P1 S{round(_FULL * change.fan / 100)}")
    return lines
