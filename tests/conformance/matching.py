"""Does an answer have what a case expects? More than that is no difference."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final
from uuid import UUID


def _is_uuid(value: Any) -> bool:
    return str(UUID(value)) == value.lower()


def _is_time(value: Any) -> bool:
    shown = datetime.strptime(value, "%B %d, %Y %H:%M:%S")  # noqa: DTZ007
    return shown.strftime("%B %d, %Y %H:%M:%S") == value


#: `@word` in a case: what the value must be.
KINDS: Final[dict[str, Callable[[Any], bool]]] = {
    "@any": lambda value: True,
    "@uuid": _is_uuid,
    "@time": _is_time,
    "@int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "@float": lambda value: isinstance(value, float),
    "@bool": lambda value: isinstance(value, bool),
    "@text": lambda value: isinstance(value, str) and value != "",
    "@null": lambda value: value is None,
    "@object": lambda value: isinstance(value, dict),
    "@list": lambda value: isinstance(value, list),
    "@token": lambda value: re.fullmatch(r"[A-Za-z0-9_-]{43}", value) is not None,
    "@code": lambda value: re.fullmatch(r"[A-Z]{6}", value) is not None,
    "@link": lambda value: value == "" or value.startswith(("/print/", "/printdb/")),
}


def differences(expected: Any, found: Any, where: str = "body") -> Iterator[str]:
    """Where `found` lacks or changes what `expected` has. `~text`: the pattern is found in it."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key, value in expected.items():
            if key not in found:
                yield f"{where}.{key} is missing"
            else:
                yield from differences(value, found[key], f"{where}.{key}")
    elif isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            yield f"{where}: {len(found)} instead of {len(expected)}"
        for number, (one, other) in enumerate(zip(expected, found, strict=False)):
            yield from differences(one, other, f"{where}[{number}]")
    elif not _is_as(expected, found):
        yield f"{where} is {found!r} instead of {expected!r}"


def _is_as(expected: Any, found: Any) -> bool:
    if isinstance(expected, str) and expected in KINDS:
        try:
            return KINDS[expected](found)
        except (TypeError, ValueError, AttributeError):
            return False
    if isinstance(expected, str) and expected.startswith("~"):
        return isinstance(found, str) and re.search(expected[1:], found) is not None
    return type(expected) is type(found) and bool(expected == found)


def at(found: Any, path: str) -> Any:
    """The value at `a.b.0.c`; LookupError when there is none."""
    for step in path.split("."):
        found = found[int(step)] if isinstance(found, list) else found[step]
    return found


def is_absent(found: Any, path: str) -> bool:
    """Whether there is nothing at `a.b`."""
    try:
        at(found, path)
    except LookupError:
        return True
    return False
