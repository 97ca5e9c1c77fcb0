"""Bytes to JSON, and JSON's values to what they should have been. Never raises, whatever a printer sends.

Payloads hold bytes that are no UTF-8 (A1 mini 01.07.02), numbers come as strings ("100"), ids as numbers or
strings; new firmware has keys that nobody knows yet.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

#: Bytes of a message; the largest full state ever seen has 20 kB (four AMS), an A1's 5 kB.
MOST_BYTES: Final = 262_144
#: Characters of a name or of words.
MOST_CHARS: Final = 200
#: Digits of a number that is written as text.
MOST_DIGITS: Final = 20
#: What stands for "none" where a printer names a print.
NO_IDS: Final = frozenset({"", "0", "-1"})


def read_message(payload: bytes) -> dict[str, Any] | None:
    """The JSON object that a payload is; None for anything else, and for one that is too long."""
    if len(payload) > MOST_BYTES:
        return None
    try:
        message = json.loads(payload.decode("utf-8", errors="replace"), parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def whole(value: object, low: int = 0, high: int = 2**63) -> int | None:
    """A whole number within bounds, written as number or text; None for anything else."""
    number = real(value)
    if isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) <= MOST_DIGITS:
        number = int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    if number is None or number != int(number) or not low <= number <= high:
        return None
    return int(number)


def real(value: object, low: float = -1e6, high: float = 1e15) -> float | None:
    """A finite number within bounds, written as number or text; None for anything else."""
    if isinstance(value, str) and len(value) <= MOST_DIGITS:
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        return None
    return float(value) if math.isfinite(value) else None


def text(value: object, most: int = MOST_CHARS) -> str:
    """Words on one line, without control characters, cut; empty for anything that is none."""
    if not isinstance(value, str):
        return ""
    words = ("".join(char for char in word if char.isprintable()) for word in value[: 4 * most].split())
    return " ".join(word for word in words if word)[:most]


def native_id(value: object) -> str | None:
    """What a printer calls a print; "", "0" and "-1" are not ids."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
        value = str(value)
    said = text(value, 64)
    return None if said in NO_IDS else said


def hexadecimal(value: object) -> int | None:
    """A number written in hexadecimal digits, as `fun` is; None for anything else."""
    if not isinstance(value, str) or not 0 < len(value) <= 32:
        return None
    try:
        return int(value, 16)
    except ValueError:
        return None


def member(message: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """The object below a key; None when there is none."""
    found = message.get(name)
    return found if isinstance(found, Mapping) else None
