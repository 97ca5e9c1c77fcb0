"""Personalities in TOML files beside the module of their kind: which there are, what each must keep to."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import MISSING, fields
from importlib import resources
from typing import Any

from firmware_sim.personality import BadPersonality, UnknownPersonality


def names_in(kind: str) -> list[str]:
    """The personalities that ship with `firmware_sim/KIND`, sorted."""
    folder = resources.files("firmware_sim") / kind / "personalities"
    return sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml"))


def text_of(kind: str, name: str, shown: str) -> str:
    """The file of one; raises UnknownPersonality with the list of names. `shown`: `of a bambu printer`."""
    if name not in (names := names_in(kind)):
        raise UnknownPersonality(f"no personality {name!r} {shown}; there are: {', '.join(names)}")
    source = resources.files("firmware_sim") / kind / "personalities" / f"{name}.toml"
    return source.read_text(encoding="utf-8")


def table_of(name: str, text: str, model: type[Any], fits: Callable[[object, str], bool]) -> dict[str, Any]:
    """The keys of a file: each a field of the dataclass `model`, there if it must be, and of its type.

    `fits` judges a value by the name of the field's type. Raises BadPersonality with the key that is wrong.
    """
    try:
        table: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadPersonality(f"personality {name}: {error}") from error
    known = {entry.name: entry for entry in fields(model) if entry.name != "name"}
    if unknown := sorted(table.keys() - known.keys()):
        raise BadPersonality(f"personality {name}: unknown key: {', '.join(unknown)}")
    needed = {key for key, entry in known.items() if entry.default is entry.default_factory is MISSING}
    if missing := sorted(needed - table.keys()):
        raise BadPersonality(f"personality {name}: missing key: {', '.join(missing)}")
    for key, value in table.items():
        if not fits(value, str(known[key].type)):
            raise BadPersonality(f"personality {name}: {key} = {value!r} is no {known[key].type}")
    return table
