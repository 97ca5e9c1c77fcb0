"""What a firmware takes and says, as data: one TOML file per family under `profiles/`.

A profile is picked by the FIRMWARE_NAME line of M115; capabilities the firmware names itself (`Cap:` lines)
win over what its profile assumes.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib import resources
from typing import Any, Literal, get_args

#: Asked in this order; the first whose pattern is found in the firmware's name wins. `unknown` matches all.
PROFILE_NAMES = ("prusa", "klipper", "repetier", "marlin", "unknown")
OkWhen = Literal["done", "taken"]
_PROOFS: dict[OkWhen, tuple[str, ...]] = {
    "done": ("M105",),
    # Its ok tells that the lines before it left the receive buffer. What they have done by then is known when
    # the place is told, if that can only be this M114's answer: firmware holds a command or two, up to three
    # with larger buffers, and none of these tells a place. M105 tells the temperatures of then.
    "taken": ("M400", "M400", "M105", "M114"),
}


class ProfileInvalid(ValueError):
    """A profile file lacks a key or has one nobody knows. The text names it."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One firmware family. Times in seconds; command texts as they go over the wire."""

    name: str
    firmware_pattern: str  # regular expression, searched in the FIRMWARE_NAME value
    window_lines: int  # lines without an answer; BUFSIZE - 1, so that M112 can still be read
    receive_bytes: int  # never more bytes without an answer
    line_chars: int  # characters in one frame, without newline
    numbered: bool  # numbers and checksums are understood
    counts_lines: bool  # a number out of turn is refused with `Last Line:`; else it is ignored (Klipper)
    ok_when: OkWhen  # a line is answered when it was done, or when it was taken into the buffer (Repetier)
    temperature_in_ok: bool  # M105 is answered inside its ok
    emergency_parser: bool  # assumed when no Cap line says
    sd_card: bool  # assumed when no Cap line says
    probe_after: float  # silence of a firmware with keepalive before asking what happened
    probe_after_without_keepalive: float  # the same for one that may work in silence
    silence_limit: float  # silence with lines in flight before the link is given up
    heaters_off: tuple[str, ...]
    end_script: tuple[str, ...]  # after the last line of a print, before the final M400
    cancel_script: tuple[str, ...]  # after a cancelled print: heaters off, motors released
    keep_motors: tuple[str, ...]  # while a print is parked: the motors hold their place however long
    time_motors: tuple[str, ...]  # when it goes on: they let go again after a while
    g90_sets_extruder: bool  # G90 and G91 count for E too; else M82 and M83 alone say
    soft_endstops: bool  # a move beyond the machine ends at its edge; else it is an error
    report_temperatures: str | None  # with {seconds}; only if Cap AUTOREPORT_TEMP
    report_sd: str | None  # with {seconds}; only if Cap AUTOREPORT_SD_STATUS
    report_position: str | None  # with {seconds}; only if Cap AUTOREPORT_POS
    sd_upload: bool  # between M28 and M29 lines go into a file, and M29 alone ends that
    sd_pause: str
    sd_resume: str
    sd_cancel: tuple[str, ...]
    break_wait: str | None  # ends M109/M190 at once, if the emergency parser is there
    quick_stop: str | None  # drops planned moves at once, if the emergency parser is there

    @property
    def proof(self) -> tuple[str, ...]:
        """Lines whose last one has an answer of its own, which proves that all before them were done."""
        return _PROOFS[self.ok_when]

    def with_capabilities(self, capabilities: Mapping[str, bool]) -> Profile:
        """This profile corrected by what the firmware says of itself."""
        return replace(
            self,
            emergency_parser=capabilities.get("EMERGENCY_PARSER", self.emergency_parser),
            sd_card=capabilities.get("SDCARD", self.sd_card),
        )


def _read(name: str) -> Profile:
    text = resources.files("gateway.protocol.marlin").joinpath(f"profiles/{name}.toml").read_text("utf-8")
    table: dict[str, Any] = tomllib.loads(text)
    known = {field.name for field in fields(Profile)}
    optional = {"report_temperatures", "report_sd", "report_position", "break_wait", "quick_stop"}
    if unknown := set(table) - known:
        raise ProfileInvalid(f"profile {name}: unknown key {sorted(unknown)[0]!r}")
    if missing := known - optional - {"name"} - set(table):
        raise ProfileInvalid(f"profile {name}: key {sorted(missing)[0]!r} is missing")
    if table["ok_when"] not in get_args(OkWhen):
        raise ProfileInvalid(f"profile {name}: ok_when is neither done nor taken: {table['ok_when']!r}")
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in table.items()
    }
    return Profile(**{**dict.fromkeys(optional, None), "name": name, **values})


@cache
def profile_named(name: str) -> Profile:
    """The profile of that name. Raises ProfileInvalid when there is none."""
    if name not in PROFILE_NAMES:
        raise ProfileInvalid(f"no firmware profile {name!r}; there are: {', '.join(PROFILE_NAMES)}")
    return _read(name)


def profile_for(firmware_name: str) -> Profile:
    """The profile of a firmware, by its FIRMWARE_NAME."""
    for name in PROFILE_NAMES:
        profile = profile_named(name)
        if re.search(profile.firmware_pattern, firmware_name, re.IGNORECASE):
            return profile
    return profile_named("unknown")
