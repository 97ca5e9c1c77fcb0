"""Where a machine stands after the lines that it ran, by nothing but these lines.

Two of them side by side - one that ran the file alone, one that ran all that a printer was made to do - tell
whether a line of the file found the machine as the file expects it: a print that was parked and not brought
back prints in the air, with every line executed once and in order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

#: Millimetres by which a place may differ: positions are told (M114) with two decimals.
TOLERANCE_MM = 0.02
_WORD = re.compile(r"([A-Z])(-?\d*\.?\d+)")
_TARGETS = {"M104": "hotend", "M109": "hotend", "M140": "bed", "M190": "bed"}


@dataclass(slots=True)
class Place:
    """Position in mm as far as it is known, modes, feedrate in mm/min, targets in deg C, fan 0 to 255."""

    axes: dict[str, float] = field(default_factory=lambda: dict.fromkeys("XYZE", 0.0))
    is_absolute: bool = True
    is_extruder_absolute: bool = True
    feedrate: float | None = None  # until a line says one
    hotend: float = 0.0
    bed: float = 0.0
    fan: float = 0.0

    def run(self, line: str) -> None:
        """One command, as Marlin understands it."""
        code, _, rest = line.partition(" ")
        words = {letter: float(number) for letter, number in _WORD.findall(rest)}
        if code in ("G0", "G1", "G2", "G3"):
            self._move(words)
        elif code == "G28":
            for axis in [axis for axis in "XYZ" if axis in rest] or "XYZ":
                self.axes.pop(axis, None)  # wherever its end stop is
        elif code == "G92":
            self.axes.update({axis: value for axis, value in words.items() if axis in "XYZE"})
        elif code in ("G90", "G91"):
            self.is_absolute = self.is_extruder_absolute = code == "G90"
        elif code in ("M82", "M83"):
            self.is_extruder_absolute = code == "M82"
        elif code in _TARGETS and "S" in words:
            setattr(self, _TARGETS[code], words["S"])
        elif code in ("M106", "M107"):
            self.fan = words.get("S", 255.0) if code == "M106" else 0.0

    def _move(self, words: dict[str, float]) -> None:
        self.feedrate = words.get("F", self.feedrate)
        for axis in "XYZE":
            if axis in words:
                is_absolute = self.is_extruder_absolute if axis == "E" else self.is_absolute
                if is_absolute or axis in self.axes:
                    self.axes[axis] = words[axis] + (0.0 if is_absolute else self.axes[axis])

    def differs_from(self, other: Place) -> str | None:
        """What is not as in `other`; None when it is the same place."""
        for axis in self.axes.keys() & other.axes.keys():
            value = self.axes[axis]
            if abs(value - other.axes[axis]) > TOLERANCE_MM:
                return f"{axis} is {value:g} and not {other.axes[axis]:g}"
        for name in ("is_absolute", "is_extruder_absolute", "feedrate", "hotend", "bed", "fan"):
            if other.feedrate is None and name == "feedrate":
                continue
            if getattr(self, name) != getattr(other, name):
                return f"{name} is {getattr(self, name)} and not {getattr(other, name)}"
        return None
