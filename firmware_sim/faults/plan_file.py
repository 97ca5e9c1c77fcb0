"""A fault plan as a file, TOML or JSON lines.

    seed = 7                                   # of the random part; the command's --seed otherwise

    [[fault]]
    name = "ok-lost"                           # a label of the catalogue
    line = 200                                 # when: line, at (seconds), byte, or state (and delay)
    count = 1                                  # how many times in a row

    [[fault]]
    name = "unplug"
    state = "homing"
    delay = 3.0
    seconds = 5.0                              # a setting of the fault: seconds, size or what

    [random]                                   # strikes per occasion
    "byte-flipped to-board" = 0.0001
    ok-late = { rate = 0.01, seconds = 3.0 }

JSON lines: each line is one `[[fault]]` as an object, or `{"random": {...}}`, or `{"seed": 7}`.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from firmware_sim.faults.catalogue import NoSuchFault, fault_named
from firmware_sim.faults.plan import STATES, FaultPlan, Planned, Trigger
from firmware_sim.faults.random_plan import RandomPlan

_TRIGGERS = tuple(one.name for one in fields(Trigger))
_TOP = {"seed", "fault", "random"}


class BadPlan(ValueError):
    """The file cannot be a plan; the message is one line that names the entry."""


def read_plan(path: Path, seed: int = 0) -> FaultPlan:
    """The plan in `path`; `seed` unless the file has its own. Raises BadPlan."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadPlan(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    try:
        table = _json_lines(text) if text.lstrip().startswith("{") else tomllib.loads(text)
        return parse_plan(table, seed)
    except (tomllib.TOMLDecodeError, BadPlan) as error:
        raise BadPlan(f"{path}: {error}") from error


def parse_plan(table: Mapping[str, Any], seed: int = 0) -> FaultPlan:
    """A plan from the content of a file. Raises BadPlan."""
    if unknown := sorted(table.keys() - _TOP):
        raise BadPlan(f"no such key: {', '.join(unknown)}; there are: fault, random, seed")
    rows = table.get("fault", [])
    if not isinstance(rows, list):
        raise BadPlan("`fault` is a list: write [[fault]]")
    entries = [_entry(f"fault {number}", row) for number, row in enumerate(rows, start=1)]
    own_seed = table.get("seed", seed)
    if isinstance(own_seed, bool) or not isinstance(own_seed, int):
        raise BadPlan(f"seed = {own_seed!r} is not a whole number")
    rates = table.get("random")
    return FaultPlan(entries, () if rates is None else (random_part(rates, own_seed),))


def random_part(rates: object, seed: int) -> RandomPlan:
    """`[random]`, or what --rates says. Raises BadPlan."""
    if not isinstance(rates, Mapping):
        raise BadPlan("`random` is a table of rates")
    try:
        return RandomPlan(seed, rates)
    except NoSuchFault as error:
        raise BadPlan(f"random: {error}") from error


def rates_from(text: str) -> dict[str, float]:
    """`ok-lost=0.01,byte-flipped to-board=1e-4`: the rates of a command line. Raises BadPlan."""
    rates: dict[str, float] = {}
    for piece in text.split(","):
        label, equals, value = piece.strip().partition("=")
        try:
            rates[label.strip()] = float(value)
        except ValueError as error:
            raise BadPlan(f"{piece.strip()!r} is not NAME=RATE{'' if equals else ': no ='}") from error
    return rates


def _json_lines(text: str) -> dict[str, Any]:
    table: dict[str, Any] = {"fault": []}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise BadPlan(f"line {number}: {error.msg}") from error
        if isinstance(row, dict) and len(row) == 1 and (key := next(iter(row))) in ("seed", "random"):
            table[key] = row[key]
        else:
            table["fault"].append(row)
    return table


def _entry(where: str, row: object) -> Planned:
    if not isinstance(row, dict):
        raise BadPlan(f"{where} is not a table")
    settings = dict(row)
    label = settings.pop("name", None)
    if not isinstance(label, str):
        raise BadPlan(f"{where} has no name")
    where = f"{where} ({label})"
    count = _whole(where, "count", settings.pop("count", 1))
    trigger = _trigger(where, {key: settings.pop(key) for key in _TRIGGERS if key in settings})
    try:
        return Planned(fault_named(label, **settings), trigger, count)
    except NoSuchFault as error:
        raise BadPlan(f"{where}: {error}") from error


def _trigger(where: str, values: dict[str, Any]) -> Trigger:
    if len(values.keys() - {"delay"}) > 1:
        raise BadPlan(f"{where} has more than one trigger: {', '.join(sorted(values))}")
    if "delay" in values and "state" not in values:
        raise BadPlan(f"{where}: delay goes with state")
    for key in ("line", "byte"):
        if key in values:
            _whole(where, key, values[key])
    for key in ("at", "delay"):
        if key in values:
            values[key] = _seconds(where, key, values[key])
    if "state" in values and values["state"] not in STATES:
        raise BadPlan(f"{where}: no state {values['state']!r}; there are: {', '.join(STATES)}")
    return Trigger(**values)


def _whole(where: str, key: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise BadPlan(f"{where}: {key} = {value!r} is not a whole number from 1 up")
    return value


def _seconds(where: str, key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value < float("inf"):
        raise BadPlan(f"{where}: {key} = {value!r} is not a number of seconds")
    return float(value)
