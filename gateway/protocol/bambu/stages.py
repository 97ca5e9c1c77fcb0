"""`stg_cur`: what the printer is about, in words (ha-bambulab, CURRENT_STAGE_IDS).

255, -1 and 0 say nothing. On A1 and P1 the number means something only while it prints or is paused.
"""

from __future__ import annotations

from typing import Final

STAGES: Final = {
    1: "levelling the bed",
    2: "heating the bed",
    3: "checking for resonances",
    4: "changing the filament",
    5: "waiting (M400 pause)",
    6: "paused: the filament ran out",
    7: "heating the nozzle",
    8: "calibrating the extrusion",
    9: "scanning the bed",
    10: "inspecting the first layer",
    11: "identifying the build plate",
    12: "calibrating the lidar",
    13: "homing",
    14: "cleaning the nozzle",
    15: "checking the nozzle temperature",
    16: "paused by a person",
    17: "paused: the front cover fell off",
    18: "calibrating the lidar",
    19: "calibrating the flow",
    20: "paused: the nozzle temperature is wrong",
    21: "paused: the bed temperature is wrong",
    22: "unloading filament",
    23: "paused: steps were lost",
    24: "loading filament",
    25: "calibrating the motors",
    26: "paused: the AMS is gone",
    27: "paused: the heat break fan is slow",
    28: "paused: the chamber temperature is wrong",
    29: "cooling the chamber",
    30: "paused by the file",
    31: "motor noise demonstration",
    32: "paused: filament around the nozzle",
    33: "paused: the cutter is stuck",
    34: "paused: the first layer is bad",
    35: "paused: the nozzle is clogged",
}


def stage_words(number: int | None) -> str | None:
    """None for "nothing in particular"."""
    if number is None or number in (0, 255, -1):
        return None
    return STAGES.get(number, f"stage {number}")
