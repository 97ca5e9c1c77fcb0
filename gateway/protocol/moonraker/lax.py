"""Reading JSON that others wrote: what is not of the expected kind is absent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

_EMPTY: Final[Mapping[str, Any]] = {}


def number(value: object) -> float | None:
    """A finite number. JSON's true and false are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def text(value: object) -> str | None:
    """A string that says something."""
    return value.strip() or None if isinstance(value, str) else None


def table(value: object) -> Mapping[str, Any]:
    """A JSON object; empty for anything else."""
    return value if isinstance(value, dict) else _EMPTY
