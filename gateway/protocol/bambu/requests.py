"""What a printer is asked: JSON objects for `request`, one function each (OpenBambuAPI mqtt.md).

Every request carries a `sequence_id`, which the printer repeats in its reply.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

#: `spd_lvl`: name and percent of the speed of the file, as the printer has it in `spd_mag`.
SPEEDS: Final = {1: ("silent", 50), 2: ("standard", 100), 3: ("sport", 124), 4: ("ludicrous", 166)}


@dataclass(frozen=True, slots=True)
class Request:
    """One message; `sequence_id` and `command` come back in its reply."""

    section: str
    command: str
    sequence_id: str
    fields: Mapping[str, Any]

    @property
    def payload(self) -> bytes:
        """As it is published."""
        inner = {"sequence_id": self.sequence_id, "command": self.command, **self.fields}
        return json.dumps({self.section: inner}, separators=(",", ":")).encode()


def push_all(sequence_id: str) -> Request:
    """The full state. P1 and A1 are slow: not more often than every 5 minutes."""
    return Request("pushing", "pushall", sequence_id, {"version": 1, "push_target": 1})


def get_version(sequence_id: str) -> Request:
    """Model and firmware."""
    return Request("info", "get_version", sequence_id, {})


@dataclass(frozen=True, slots=True)
class ProjectOptions:
    """What `project_file` says beside the file."""

    bed_type: str = "auto"
    bed_leveling: bool = True
    flow_cali: bool = False
    vibration_cali: bool = True
    layer_inspect: bool = False
    timelapse: bool = False
    use_ams: bool = False
    ams_mapping: tuple[int, ...] = (0,)


def project_file(
    mark: int, *, plate: int, file: str, url: str, name: str, options: ProjectOptions
) -> Request:
    """Start a plate of a sliced 3MF. `mark` comes back as the print's id, in the reply and in the state.

    `bed_leveling` is what Bambu Studio sends; OpenBambuAPI writes `bed_levelling`.
    """
    fields = {
        "param": f"Metadata/plate_{plate}.gcode",
        "url": url,
        "file": file,
        "md5": "",
        "bed_type": options.bed_type,
        "timelapse": options.timelapse,
        "bed_leveling": options.bed_leveling,
        "flow_cali": options.flow_cali,
        "vibration_cali": options.vibration_cali,
        "layer_inspect": options.layer_inspect,
        "use_ams": options.use_ams,
        "ams_mapping": list(options.ams_mapping),
        "subtask_name": name,
        "profile_id": "0",
        "project_id": str(mark),
        "subtask_id": str(mark),
        "task_id": str(mark),
    }
    return Request("print", "project_file", str(mark), fields)


def gcode_file(mark: int, file: str) -> Request:
    """Start plain G-code from the card. It carries no id: the mark is in the name, and in `sequence_id`."""
    return Request("print", "gcode_file", str(mark), {"param": f"/{file}"})


def print_word(sequence_id: str, word: str) -> Request:
    """`pause`, `resume` or `stop`."""
    return Request("print", word, sequence_id, {"param": ""})


def gcode_lines(sequence_id: str, lines: Sequence[str]) -> Request:
    """Lines of G-code, run one after the other; the reply says that they are taken, not done."""
    return Request("print", "gcode_line", sequence_id, {"param": "".join(f"{line}\n" for line in lines)})


def print_speed(sequence_id: str, level: int) -> Request:
    """One of SPEEDS."""
    return Request("print", "print_speed", sequence_id, {"param": str(level)})


def nearest_speed(percent: int) -> int:
    """The level of SPEEDS that is nearest to a percentage, the slower one of two."""
    return min(SPEEDS, key=lambda level: (abs(SPEEDS[level][1] - percent), level))


def chamber_light(sequence_id: str, is_on: bool) -> Request:
    """The light in the chamber. The times are for `flashing`, and the printer wants them all the same."""
    fields = {
        "led_node": "chamber_light",
        "led_mode": "on" if is_on else "off",
        "led_on_time": 500,
        "led_off_time": 500,
        "loop_times": 0,
        "interval_time": 0,
    }
    return Request("system", "ledctrl", sequence_id, fields)
