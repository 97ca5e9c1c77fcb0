"""Words of a control line: seconds, counts, KEY=VALUE."""

from __future__ import annotations

import math
from collections.abc import Sequence


class BadOrder(ValueError):
    """A control line nobody understands."""


def seconds_of(text: str) -> float:
    """A time from 0 up. Raises BadOrder."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 <= value < math.inf:
        raise BadOrder(f"not a number of seconds: {text!r}")
    return value


def row_of(name: str, words: Sequence[str]) -> dict[str, object]:
    """`ok-lost line=200`: an entry of a plan file in one line. Raises BadOrder."""
    row: dict[str, object] = {"name": name}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise BadOrder(f"not KEY=VALUE: {word!r}")
        row[key] = _number_or_word(value)
    return row


def _number_or_word(text: str) -> object:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
