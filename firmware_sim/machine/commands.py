"""The dispatch table: which command this build knows, and who runs it.

A handler answers at once and returns None, or returns a generator which yields the instants at which it wants
to be resumed. The board adds the `ok`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from firmware_sim.machine import (
    card_commands,
    heat_commands,
    klipper_commands,
    leveling_commands,
    motion_commands,
    report_commands,
    session_commands,
    tuning_commands,
)
from firmware_sim.machine.state import Machine
from firmware_sim.machine.words import Command
from firmware_sim.personality import Personality

Handler = Callable[[Machine, Command], Iterator[float] | None]

NEEDS = {
    "G29": "probe",
    "M0": "user_wait",
    "M1": "user_wait",
    "M20": "sd",
    "M21": "sd",
    "M22": "sd",
    "M23": "sd",
    "M24": "sd",
    "M25": "sd",
    "M26": "sd",
    "M27": "sd",
    "M28": "sd",
    "M29": "sd",
    "M30": "sd",
    "M32": "sd",
    "M524": "sd",
    "M1001": "sd",
    "M73": "progress",
    "M113": "keepalive",
    "M125": "park_on_pause",
    "M154": "auto_pos",
    "M155": "auto_temp",
    "M303": "pid_autotune",
    "M600": "park_on_pause",
    "M603": "park_on_pause",
    "M876": "prompts",
    "M900": "linear_advance",
}
"""The build feature without which the parser has never heard of a command. Source: recorded builds."""


def handlers_for(personality: Personality) -> dict[str, Handler]:
    """The commands of one build."""
    if personality.firmware == "klipper":
        return dict(klipper_commands.HANDLERS)
    table: dict[str, Handler] = {
        **motion_commands.HANDLERS,
        **leveling_commands.HANDLERS,
        **heat_commands.HANDLERS,
        **tuning_commands.HANDLERS,
        **card_commands.HANDLERS,
        **report_commands.HANDLERS,
        **session_commands.HANDLERS,
    }
    return {code: run for code, run in table.items() if code not in NEEDS or personality.has(NEEDS[code])}
