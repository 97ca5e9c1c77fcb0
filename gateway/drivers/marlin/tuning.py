"""What a heater is told while Marlin tunes it: M303 drives it by a relay, and tells the target 0 meanwhile.

For those who watch the heat, and for people, its target is what the macro gave it: else a nozzle that rises
to 200 degrees by order looks like one whose switch is stuck. Source: Marlin 2.1.2,
`Temperature::PID_autotune`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_TUNES: Final = re.compile(r"\s*M303(?![\d.])", re.IGNORECASE)
_HEATER: Final = re.compile(r"E\s*(-?\d+)", re.IGNORECASE)
_TARGET: Final = re.compile(r"S\s*(\d+(?:\.\d*)?)", re.IGNORECASE)
#: Degrees Celsius where the line gives none: Marlin's M303, for the bed and for a hotend.
_BED_DEFAULT, _HOTEND_DEFAULT = 70.0, 150.0


def shown(readings: Mapping[str, float], line: str | None) -> Mapping[str, float]:
    """The readings, with the target of the heater that `line`, at which the firmware is, tunes."""
    found = _TUNES.match(line or "")
    if found is None or line is None:
        return readings
    rest = line[found.end() :]
    heater, target = _HEATER.search(rest), _TARGET.search(rest)
    index = int(heater[1]) if heater is not None else 0
    if index < 0:
        names: tuple[str, ...] = ("B",) if index == -1 else ()
    else:
        names = (f"T{index}", "T") if index == 0 else (f"T{index}",)
    celsius = float(target[1]) if target is not None else _BED_DEFAULT if index < 0 else _HOTEND_DEFAULT
    told = {f"{name}_target": celsius for name in names if readings.get(f"{name}_target") == 0.0}
    return MappingProxyType({**readings, **told})
