"""Errors of the configuration as sentences for people: where, what, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any, cast

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from gateway.config.fields import shown
from gateway.config.printers import CALLS_IN, INNER, KINDS, WANTED, title
from gateway.config.sections import SECTIONS

#: Names of sections in the file.
KNOWN_SECTIONS = frozenset({*SECTIONS, "printers"})
_TYPES = {
    "int": "is not a whole number",
    "float": "is not a number",
    "bool": "is neither true nor false",
    "greater_than_equal": "must not be less than 0",
    "greater_than": "must be more than 0",
    "string": "must be text in quotes",
    "model": "must be a section with keys",
    "tuple": "must be [[printers]] sections, one for each printer",
}


class ConfigError(Exception):
    """The configuration cannot be used. `problems` are whole sentences, all of them at once."""

    def __init__(self, source: str, problems: list[str]) -> None:
        self.source = source
        self.problems = tuple(problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n".join([f"{source}: {count}", *(f"  {problem}" for problem in problems)]))


def sentence(details: ErrorDetails, merged: Mapping[str, Any]) -> str:
    """One of pydantic's errors about `merged`, the tables as they were read."""
    loc = details["loc"]
    place, model, driver = _place(loc, merged)
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    if kind == "extra_forbidden" and len(loc) == 1:
        return f"{place}: {unknown(str(loc[0]), KNOWN_SECTIONS, 'section')}"
    if kind == "extra_forbidden":
        return f"{place}: {_unknown_key(str(loc[-1]), model, driver)}"
    if kind == "missing":
        return f"{place} is missing; {_wanted(driver, str(loc[-1]))}"
    if kind == "value_error":
        return f"{place}: {context['error']}"
    if kind == "union_tag_not_found":
        return f"{place} driver is missing; {WANTED['driver']}"
    if kind == "union_tag_invalid":
        return f"{place} driver: {_wrong_driver(context['tag'])}"
    if kind == "literal_error":
        return f'{place}: "{value}" is not available in this version; choose {context["expected"]}'
    wanted = next((text for start, text in _TYPES.items() if kind.startswith(start)), "is not a usable value")
    return f"{place}: {shown(value)} {wanted}"


def unknown(key: str, known: Collection[str], what: str = "key") -> str:
    """That there is no such key, and what may have been meant."""
    close = difflib.get_close_matches(key, sorted(known), n=1, cutoff=0.5)
    hint = f'did you mean "{close[0]}"?' if close else f"known here: {', '.join(sorted(known))}"
    return f'unknown {what} "{key}"; {hint}'


def _unknown_key(key: str, model: type[BaseModel], driver: str | None) -> str:
    others = [name for name, kind in KINDS.items() if name != driver and key in kind.model_fields]
    if model is not KINDS.get(driver or "") or not others:
        return unknown(key, model.model_fields)
    of_others = " and ".join(f'"{name}"' for name in others)
    return (
        f'unknown key "{key}": it is one of {of_others} printers, and this one is "{driver}"; '
        f"known here: {', '.join(sorted(model.model_fields))}"
    )


def _wanted(driver: str | None, key: str) -> str:
    return WANTED.get(f"{driver} {key}") or WANTED.get(key, "it has no default")


def _wrong_driver(driver: str) -> str:
    if driver == "forge":
        return CALLS_IN
    close = difflib.get_close_matches(driver, KINDS, n=1, cutoff=0.5)
    known = ", ".join(f'"{name}"' for name in KINDS)
    hint = f'did you mean "{close[0]}"?' if close else f"choose one of {known}"
    return f'"{driver}" is not available in this version; {hint}'


def _place(loc: tuple[int | str, ...], merged: Mapping[str, Any]) -> tuple[str, type[BaseModel], str | None]:
    """Where an error is, as people see it in the file; the model whose keys are known there; the driver."""
    section, rest = str(loc[0]), loc[1:]
    if section != "printers" or not rest or not isinstance(rest[0], int):
        words = [f"[{section}]", *(str(part) for part in rest)]
        return " ".join(words), SECTIONS.get(section) or BaseModel, None
    entry = cast("Any", merged["printers"])[rest[0]]
    head = title(rest[0] + 1, entry if isinstance(entry, dict) else {})
    driver = str(rest[1]) if len(rest) > 1 and rest[1] in KINDS else None  # pydantic names the kind it tried
    keys = rest[2:] if driver is not None else rest[1:]
    inner = INNER.get(str(keys[0])) if len(keys) > 1 else None
    model = inner or KINDS.get(driver or "") or BaseModel
    return " ".join([head, *(str(part) for part in keys)]), model, driver
