"""What a firmware says where firmwares differ: templates, laid down by the personality.

Every field is a text with `{placeholders}`; the defaults are Marlin 2.1.2, recorded. An empty text is not
said at all. What no firmware says differently stands in `machine/replies.py`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wording:
    """The texts; the last four are host actions.

    Temperatures in °C, positions in mm, sizes in bytes, heater outputs from 0 to 127.
    """

    line_end: str = "\n"
    resend: str = "Resend: {number}"
    unknown: str = 'echo:Unknown command: "{command}"'
    temperatures: str = "T:{t:.2f} /{t_target:.2f} B:{b:.2f} /{b_target:.2f} @:{t_output} B@:{b_output}"
    temperature_answer: str = "ok {temperatures}"
    temperature_report: str = " {temperatures}"
    heating_hotend: str = " {temperatures} W:{left}"
    heating_bed: str = " {temperatures} W:{left}"
    position: str = "X:{x:.2f} Y:{y:.2f} Z:{z:.2f} E:{e:.2f} Count X:{sx} Y:{sy} Z:{sz}"
    homed: str = "{position}"
    position_set: str = "{position}"
    busy: str = "echo:busy: processing"
    busy_heating: str = "echo:busy: processing"
    busy_user: str = "echo:busy: paused for user"
    file_opened: str = "File opened: {name} Size: {size}"
    printing_byte: str = "SD printing byte {at}/{size}\r"
    not_printing: str = "Not SD printing"
    action_prefix: str = "//action:"
    runout: str = "filament_runout T0"
    card_started: str = "resume"
    card_paused: str = "pause"
    card_resumed: str = "resume"


SAMPLES: dict[str, object] = {
    "number": 1, "command": "M0", "temperatures": "", "position": "", "left": "?",
    "t": 1.0, "t_target": 1.0, "b": 1.0, "b_target": 1.0, "t_output": 1, "b_output": 1,
    "x": 1.0, "y": 1.0, "z": 1.0, "e": 1.0, "sx": 1, "sy": 1, "sz": 1,
    "name": "", "long_name": "", "at": 1, "size": 1, "hours": 1, "minutes": 1,
}  # fmt: skip
"""Every placeholder there is, with a value of its type: what a template is tried with when it is loaded."""


def trouble_with(template: str) -> str | None:
    """Why `template` cannot be used, in words; None if it can."""
    try:
        template.format(**SAMPLES)
    except (KeyError, IndexError) as error:
        return f"no such placeholder: {error}"
    except ValueError as error:
        return str(error)
    return None
