"""What `printer.objects.query` tells of each object, with the fields a real klippy has.

Temperatures in degrees C with 2 digits, lengths in mm, times in seconds, shares from 0 to 1. Source: the
`get_status` functions of klippy's extras.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from firmware_sim.machine.thermal import MAX_OUTPUT, Heater
from firmware_sim.moonraker.klippy import IDLE_SECONDS, Klippy
from firmware_sim.moonraker.life import Life

Fields = dict[str, object]


def status_of(klippy: Klippy, wanted: Mapping[str, tuple[str, ...] | None]) -> dict[str, Fields]:
    """The fields asked for; an object that is not there is empty, a field that is not there is null."""
    found: dict[str, Fields] = {}
    known = objects_of(klippy)
    for name, fields in wanted.items():
        status = OBJECTS[name](klippy) if name in known else {}
        found[name] = status if fields is None else {field: status.get(field) for field in fields}
    return found


def _webhooks(k: Klippy) -> Fields:
    return {"state": k.life.value, "state_message": k.message}


def _print_stats(k: Klippy) -> Fields:
    return k.stats.status(k.now)


def _virtual_sdcard(k: Klippy) -> Fields:
    return k.sdcard.status()


def _pause_resume(k: Klippy) -> Fields:
    return {"is_paused": k.is_paused}


def _heater(heater: Heater, now: float) -> Fields:
    return {
        "temperature": round(heater.celsius(now), 2),
        "target": heater.target,
        "power": round(heater.output(now) / MAX_OUTPUT, 4),
    }


def _extruder(k: Klippy) -> Fields:
    hot = k.hotend.celsius(k.now) >= k.minimum_extrusion_celsius
    return {**_heater(k.hotend, k.now), "can_extrude": hot, "pressure_advance": 0.0, "smooth_time": 0.04}


def _bed(k: Klippy) -> Fields:
    return _heater(k.bed, k.now)


def _display(k: Klippy) -> Fields:
    progress = k.display_progress
    if progress is None:
        progress = k.sdcard.position / k.sdcard.size if k.sdcard.size else 0.0
    return {"progress": progress, "message": k.display_message}


def _gcode_move(k: Klippy) -> Fields:
    axes = k.axes
    return {
        "speed_factor": axes.feed_percent / 100.0,
        "speed": axes.feedrate * 60.0,
        "extrude_factor": k.flow_percent / 100.0,
        "absolute_coordinates": not axes.relative,
        "absolute_extrude": not axes.relative_e,
        "homing_origin": [0.0, 0.0, 0.0, 0.0],
        "position": list(axes.point()),
        "gcode_position": list(axes.logical()),
    }


def _toolhead(k: Klippy) -> Fields:
    bed = k.personality.bed
    return {
        "homed_axes": "".join(axis for axis in "xyz" if axis.upper() in k.axes.homed),
        "position": list(k.axes.point()),
        "extruder": "extruder",
        "max_velocity": 300.0,
        "max_accel": 3000.0,
        "axis_minimum": [0.0, 0.0, 0.0, 0.0],
        "axis_maximum": [*bed, 0.0],
    }


def _idle_timeout(k: Klippy) -> Fields:
    state = "Printing" if k.is_busy else "Idle" if k.is_timed_out else "Ready"
    return {"state": state, "printing_time": 0.0, "idle_timeout": IDLE_SECONDS}


def _fan(k: Klippy) -> Fields:
    return {"speed": round(k.fan / 255.0, 4), "rpm": None}


OBJECTS: Mapping[str, Callable[[Klippy], Fields]] = {
    "gcode": lambda _k: {"commands": {}},
    "webhooks": _webhooks,
    "gcode_move": _gcode_move,
    "print_stats": _print_stats,
    "virtual_sdcard": _virtual_sdcard,
    "pause_resume": _pause_resume,
    "display_status": _display,
    "heater_bed": _bed,
    "fan": _fan,
    "extruder": _extruder,
    "toolhead": _toolhead,
    "idle_timeout": _idle_timeout,
}
"""In the order in which `printer.objects.list` names them."""


def objects_of(klippy: Klippy) -> list[str]:
    """What there is: while klippy starts, little more than how it stands."""
    return list(OBJECTS) if klippy.life is not Life.STARTING else ["gcode", "webhooks"]
