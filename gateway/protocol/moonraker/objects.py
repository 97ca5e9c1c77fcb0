"""Klipper's printer objects: what to ask for, what is in the answer (klipper3d.org: Status reference).

A field that is absent, or of another kind than documented, is None: configurations differ, Klippers too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.protocol.moonraker.lax import number, one_line, table, text

#: What is asked of the objects every printer has, or may have; unknown ones are left out of the answer.
_ALWAYS: Final[Mapping[str, tuple[str, ...]]] = {
    "webhooks": ("state", "state_message"),
    "print_stats": ("filename", "state", "message", "total_duration", "print_duration", "info"),
    "virtual_sdcard": ("progress", "file_position", "file_size"),
    "display_status": ("progress", "message"),
    "idle_timeout": ("state",),
    "gcode_move": ("speed_factor",),
    "extruder": ("temperature", "target"),
    "heater_bed": ("temperature", "target"),
}
_HEAT: Final = ("temperature", "target")
#: Kinds of objects that may measure the chamber, the best first.
_CHAMBER_KINDS: Final = ("heater_generic", "temperature_fan", "temperature_sensor")
#: Whose target is what it cools down to, set for good in printer.cfg (klipper3d.org: temperature_fan).
_COOLING: Final = "temperature_fan "
_EXTRUDER: Final = re.compile(r"extruder([1-9][0-9]?)")
#: deg C between which a sensor's word is one: beyond them it is broken, or the message is.
_DEGREES: Final = (-300.0, 3000.0)
#: Hotends that are asked for: tool changers have six.
MOST_EXTRUDERS: Final = 16
_CHAMBER: Final = "C"

Objects = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class PrintStats:
    """What Klipper says of the file it prints, or printed last."""

    state: str  # standby, printing, paused, complete, cancelled, error
    filename: str  # "": none
    message: str | None  # with state error
    total_duration: float  # seconds since its start, pauses too; 0 again with the next start
    print_duration: float  # seconds of printing
    layer: int | None
    layers: int | None


def wanted(listed: Iterable[object]) -> dict[str, tuple[str, ...]]:
    """What to ask a printer for that has these objects (`printer.objects.list`)."""
    names = [name for name in listed if isinstance(name, str)]
    more = [name for name in names if _EXTRUDER.fullmatch(name)][:MOST_EXTRUDERS]
    chamber = _chamber(names)
    asked = dict(_ALWAYS) | dict.fromkeys(more, _HEAT)
    return asked | ({chamber: _HEAT} if chamber is not None else {})


def _chamber(names: list[str]) -> str | None:
    for kind in _CHAMBER_KINDS:
        for name in names:
            if name.startswith(kind + " ") and "chamber" in name.lower():
                return name
    return None


def objects(status: object) -> dict[str, dict[str, Any]]:
    """The `status` of an answer or of a message; what is no object of fields is left out."""
    return {name: dict(fields) for name, fields in table(status).items() if isinstance(fields, dict)}


def print_stats(known: Objects) -> PrintStats | None:
    """None: this Klipper has no print_stats, or has not begun."""
    said = table(known.get("print_stats"))
    state = text(said.get("state"))
    if state is None:
        return None
    info = table(said.get("info"))
    return PrintStats(
        state=state,
        filename=text(said.get("filename")) or "",
        message=one_line(said.get("message")) or None,
        total_duration=number(said.get("total_duration")) or 0.0,
        print_duration=number(said.get("print_duration")) or 0.0,
        layer=_count(info.get("current_layer")),
        layers=_count(info.get("total_layer")),
    )


def _count(value: object) -> int | None:
    found = number(value)
    return None if found is None or not 0 <= found < 1e6 else int(found)


def progress(known: Objects) -> float | None:
    """0 to 1: what the slicer said last (M73), else how much of the file is read."""
    for name in ("display_status", "virtual_sdcard"):
        found = number(table(known.get(name)).get("progress"))
        if found is not None and 0.0 <= found <= 1.0:
            return found
    return None


def position(known: Objects) -> tuple[int, int] | None:
    """(bytes read, bytes in all) of the file that is printed; None when none is loaded."""
    said = table(known.get("virtual_sdcard"))
    at, size = number(said.get("file_position")), number(said.get("file_size"))
    return (int(at), int(size)) if at is not None and size and 0 <= at <= size else None


def display_message(known: Objects) -> str | None:
    """The last M117."""
    return one_line(table(known.get("display_status")).get("message")) or None


def speed_percent(known: Objects) -> int | None:
    """M220: percent of the speed the file asks for."""
    factor = number(table(known.get("gcode_move")).get("speed_factor"))
    return None if factor is None or not 0 <= factor < 100 else round(factor * 100)


def is_moving(known: Objects) -> bool:
    """Whether something moves or a script runs, as far as Klipper tells (idle_timeout)."""
    return table(known.get("idle_timeout")).get("state") == "Printing"


def webhooks(known: Objects) -> tuple[str | None, str]:
    """State (startup, ready, error, shutdown) and the first line of its text, whose rest is advice."""
    said = table(known.get("webhooks"))
    words = said.get("state_message")
    first = words.strip().partition("\n")[0] if isinstance(words, str) else ""
    return text(said.get("state")), one_line(first)


def temperatures(known: Objects) -> dict[str, float]:
    """deg C: "T", "T1" .. hotends, "B" bed, "C" chamber; the same with "_target" behind, of what heats."""
    found: dict[str, float] = {}
    for name, fields in known.items():
        letter = _letter(name)
        measured, target = _degrees(fields.get("temperature")), _degrees(fields.get("target"))
        if letter is None or measured is None:
            continue
        found[letter] = measured
        if target is not None and not name.startswith(_COOLING):
            found[f"{letter}_target"] = target
    return found


def _degrees(value: object) -> float | None:
    found = number(value)
    return found if found is not None and _DEGREES[0] <= found <= _DEGREES[1] else None


def _letter(name: str) -> str | None:
    if name in ("extruder", "heater_bed"):
        return "T" if name == "extruder" else "B"
    if match := _EXTRUDER.fullmatch(name):
        return f"T{match[1]}"
    return _CHAMBER if _chamber([name]) else None
