"""Personalities of printers that call in: pure data, one TOML file each beside this module."""

from __future__ import annotations

import math
from dataclasses import dataclass

from firmware_sim.personality import BadPersonality
from firmware_sim.personality_files import names_in, table_of, text_of

MANNERS = ("browser", "documented", "smith")
"""Whose way of talking: the browser simulator of that time, the API's documentation, Ember's smith client."""


@dataclass(frozen=True, slots=True)
class CallInPersonality:
    """One printer. Times in seconds, temperatures in degrees Celsius."""

    name: str
    manner: str
    firmware: str
    type_id: str
    ping_seconds: float
    retry_seconds: float
    """Until the next try when the registration failed."""
    layers: int
    """Of a file that shows none."""
    layer_seconds: float
    load_seconds: float
    """From the downloaded file to the first layer, unless a person must press a button."""
    feedback_seconds: float
    """How long the end of a print is shown before the printer is ready again; 0: at once."""
    temperature: float
    serial_number: str = ""
    has_button: bool = False
    """The print starts when somebody presses it."""
    file_suffixes: str = ""
    """Ends of file names it can print, with blanks between; empty: it prints everything."""
    connect_timeout: float = 120.0
    """How long the Bayeux client waits for the answer to a connect, if the server advises nothing."""
    bayeux_retry: float = 5.0
    """Until the Bayeux client tries again after a connection was lost."""
    boot_seconds: float = 2.0
    move_seconds: float = 3.0
    """How long homing, parking and calibrating take."""


def call_in_personality_names() -> list[str]:
    """The personalities that ship with the simulator, sorted."""
    return names_in("forge")


def load_call_in_personality(name: str) -> CallInPersonality:
    """Read the personality `name`; raises UnknownPersonality with the list of names, or BadPersonality."""
    return parse_call_in_personality(name, text_of("forge", name, "that calls in"))


def parse_call_in_personality(name: str, text: str) -> CallInPersonality:
    """A personality from the text of its file; raises BadPersonality with the key that is wrong."""
    table = table_of(name, text, CallInPersonality, _fits)
    if table["manner"] not in MANNERS:
        names = ", ".join(MANNERS)
        raise BadPersonality(f"personality {name}: no manner {table['manner']!r}; there are: {names}")
    return CallInPersonality(name=name, **table)


def _fits(value: object, wanted: str) -> bool:
    match wanted:
        case "str":
            return isinstance(value, str)
        case "bool":
            return isinstance(value, bool)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool) and value > 0
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and value >= 0.0  # type: ignore[arg-type, operator]
