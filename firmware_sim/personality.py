"""Personalities: which firmware build a board plays. Pure data, one TOML file each."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from importlib import resources
from typing import Any


class UnknownPersonality(ValueError):
    """No such personality; the message lists the ones there are."""


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
    """Read the personality `name`; raises UnknownPersonality with the list of names."""
    if name not in personality_names():
        raise UnknownPersonality(f"no personality {name!r}; there are: {', '.join(personality_names())}")
    source = resources.files("firmware_sim") / "personalities" / f"{name}.toml"
    table: dict[str, Any] = tomllib.loads(source.read_text(encoding="utf-8"))
    base = table.pop("based_on", None)
    if base is not None:
        table = _merged(_table_of(base), table)
    return _from_table(name, table)


def _table_of(name: str) -> dict[str, Any]:
    source = resources.files("firmware_sim") / "personalities" / f"{name}.toml"
    return tomllib.loads(source.read_text(encoding="utf-8"))


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`; `cap_changes` edits single capability values instead of repeating the list."""
    changes: dict[str, int] = over.pop("cap_changes", {})
    merged = {**base, **over}
    merged["capabilities"] = [
        f"{cap.split(':')[0]}:{changes.get(cap.split(':')[0], cap.split(':')[1])}"
        for cap in merged.get("capabilities", [])
    ]
    return merged


def _from_table(name: str, table: dict[str, Any]) -> Personality:
    values: dict[str, Any] = dict(table)
    for key in ("banner", "capabilities", "identity_tail", "settings", "bed"):
        if key in values:
            values[key] = tuple(values[key])
    values["features"] = frozenset(values.get("features", ()))
    for key in ("hotend", "plate"):
        if key in values:
            values[key] = HeaterConstants(**values[key])
    return Personality(name=name, **values)
