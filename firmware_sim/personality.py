"""Personalities: which firmware build a board plays. Pure data, one TOML file each."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Set
from dataclasses import MISSING, dataclass, field, fields
from importlib import resources
from typing import Any

from firmware_sim.wording import Wording, trouble_with


class UnknownPersonality(ValueError):
    """No such personality; the message lists the ones there are."""


class BadPersonality(ValueError):
    """A personality file says something nobody understands; the message names the file and the key."""


FEATURES = frozenset(
    {
        "advanced_ok",
        "auto_pos",
        "auto_temp",
        "checksum_forced",
        "emergency_parser",
        "fan_report",
        "host_actions",
        "ignores_m110",
        "keepalive",
        "kill_resets",
        "linear_advance",
        "no_line_numbers",
        "no_thermal_protection",
        "notifications",
        "park_on_pause",
        "pid_autotune",
        "probe",
        "progress",
        "prompts",
        "resend_without_ok",
        "runout_sensor",
        "rx_overflow",
        "sd",
        "sd_autoreport",
        "soft_reset",
        "tool_check",
        "user_wait",
    }
)
"""What a firmware can be built with, as far as a host notices."""

FIRMWARES = frozenset({"marlin", "prusa", "repetier", "klipper"})
"""Whose manners a board has: how it reads lines, when it says `ok`, how it dies."""


@dataclass(frozen=True, slots=True)
class HeaterConstants:
    """A first-order heater: `rate` °C/s at full power and ambient, `tau` seconds, `max_celsius` cut-off."""

    rate: float
    tau: float
    max_celsius: float
    residency: float = 10.0


@dataclass(frozen=True, slots=True)
class Personality:
    """One firmware build. Times in seconds, lengths in mm, temperatures in °C."""

    name: str
    bufsize: int
    banner: tuple[str, ...]
    identity: str
    features: frozenset[str]
    firmware: str = "marlin"
    wording: Wording = field(default_factory=Wording)
    capabilities: tuple[str, ...] = ()
    identity_tail: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    settings_stored: str = "echo:Settings Stored (618 bytes; crc 10817)"
    settings_loaded: str = "echo:V87 stored settings retrieved (618 bytes; crc 10817)"
    card_ok_delay: float = 0.56
    boot_seconds: float = 0.35
    keepalive: float = 2.0
    wait_every: float = 0.0
    rx_buffer: int = 1024
    """Bytes; with the feature `rx_overflow` (a UART without flow control) what comes on top is lost."""
    command_seconds: float = 0.0
    """Processor time of each command: nothing else runs meanwhile, so it bounds the lines per second."""
    answer_seconds: float = 0.0
    """How much later everything said reaches the host (the latency timer of a USB bridge). Answers overlap:
    it bounds what one line in flight can reach, not what a window can."""
    planner_blocks: int = 16
    ambient: float = 20.0
    home_seconds: float = 15.0
    home_z: float = 0.0
    first_move_delay: float = 0.1
    bed: tuple[float, float, float] = (200.0, 200.0, 200.0)
    hotend: HeaterConstants = field(default_factory=lambda: HeaterConstants(3.0, 180.0, 275.0))
    plate: HeaterConstants = field(default_factory=lambda: HeaterConstants(0.8, 300.0, 125.0))

    def has(self, feature: str) -> bool:
        """Whether this build was compiled with `feature`."""
        return feature in self.features


def personality_names() -> list[str]:
    """The personalities that ship with the simulator, sorted."""
    folder = resources.files("firmware_sim") / "personalities"
    return sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_personality(name: str) -> Personality:
    """Read the personality `name`; raises UnknownPersonality with the list of names, or BadPersonality."""
    if name not in personality_names():
        raise UnknownPersonality(f"no personality {name!r}; there are: {', '.join(personality_names())}")
    return parse_personality(name, _source_of(name))


def parse_personality(name: str, text: str) -> Personality:
    """A personality from the text of its TOML file; raises BadPersonality with the key that is wrong."""
    table = _table_of(name, text)
    base = table.pop("based_on", None)
    if base is not None:
        if base not in personality_names():
            raise BadPersonality(f"personality {name}: based_on {base!r} is none of the shipped ones")
        table = _merged(name, _table_of(base, _source_of(base)), table)
    return _from_table(name, table)


def _source_of(name: str) -> str:
    source = resources.files("firmware_sim") / "personalities" / f"{name}.toml"
    return source.read_text(encoding="utf-8")


def _table_of(name: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadPersonality(f"personality {name}: {error}") from error


def _merged(name: str, base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`; `cap_changes` edits single capability values instead of repeating the list."""
    changes: dict[str, int] = over.pop("cap_changes", {})
    merged = {**base, **over}
    listed = [cap.split(":") for cap in merged.get("capabilities", [])]
    if unknown := sorted(changes.keys() - {cap for cap, _ in listed}):
        raise BadPersonality(f"personality {name}: cap_changes {', '.join(unknown)} is not in the list")
    merged["capabilities"] = [f"{cap}:{changes.get(cap, value)}" for cap, value in listed]
    return merged


def _from_table(name: str, table: dict[str, Any]) -> Personality:
    values = _checked(name, Personality, table, but={"name"})
    features = frozenset(values.get("features", ()))
    if unknown := sorted(features - FEATURES):
        raise BadPersonality(f"personality {name}: no such feature: {', '.join(unknown)}")
    if (firmware := values.get("firmware", "marlin")) not in FIRMWARES:
        raise BadPersonality(
            f"personality {name}: no firmware {firmware!r}; there are: {', '.join(sorted(FIRMWARES))}"
        )
    if "wording" in values:
        values["wording"] = _wording(name, values["wording"])
    for key in ("hotend", "plate"):
        if key in values:
            values[key] = HeaterConstants(**_checked(f"{name}, {key}", HeaterConstants, values[key]))
    if len(values.get("bed", (0, 0, 0))) != 3:
        raise BadPersonality(f"personality {name}: bed must be [x, y, z]")
    return Personality(**{**values, "features": features, "name": name})


def _wording(name: str, table: dict[str, Any]) -> Wording:
    texts = _checked(f"{name}, wording", Wording, table)
    for key, template in texts.items():
        if trouble := trouble_with(template):
            raise BadPersonality(f"personality {name}, wording: {key}: {trouble}")
    return Wording(**texts)


def _checked(
    name: str,
    kind: type[Personality | HeaterConstants | Wording],
    table: dict[str, Any],
    but: Set[str] = frozenset(),
) -> dict[str, Any]:
    """The table with lists made tuples; every key is known, there if it must be, and of the right type."""
    known = {entry.name: entry for entry in fields(kind) if entry.name not in but}
    if unknown := sorted(table.keys() - known.keys()):
        raise BadPersonality(f"personality {name}: unknown key: {', '.join(unknown)}")
    needed = {key for key, entry in known.items() if entry.default is entry.default_factory is MISSING}
    if missing := sorted(needed - table.keys()):
        raise BadPersonality(f"personality {name}: missing key: {', '.join(missing)}")
    for key, value in table.items():
        wanted = str(known[key].type)
        if not _fits(value, wanted):
            raise BadPersonality(f"personality {name}: {key} = {value!r} is no {_IN_WORDS[wanted]}")
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}


def _fits(value: object, wanted: str) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    match wanted:
        case "str":
            return isinstance(value, str)
        case "int":
            return number and isinstance(value, int) and value > 0
        case "float":
            return number and value >= 0.0  # type: ignore[operator]
        case "HeaterConstants" | "Wording":
            return isinstance(value, dict)
        case "tuple[float, float, float]":
            return isinstance(value, list) and all(_fits(entry, "float") for entry in value)
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


_IN_WORDS = {
    "str": "text",
    "int": "whole number above 0",
    "float": "number from 0 up",
    "HeaterConstants": "table",
    "Wording": "table",
    "tuple[float, float, float]": "list of numbers",
    "tuple[str, ...]": "list of texts",
    "frozenset[str]": "list of texts",
}
