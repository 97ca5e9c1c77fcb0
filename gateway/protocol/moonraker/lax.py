"""Reading JSON that others wrote: what is not of the expected kind is absent, what is has bounds.

Names and words end in the database, on terminals and in other people's programs: they are one line, can be
printed, and are cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

#: Numbers beyond are nonsense, and no whole number of a database or of another's JSON (RFC 8259, section 6).
MOST_NUMBER: Final = 2.0**53
#: Characters of a name: a path on a printer's host has 255 bytes a level, of which there are few.
MOST_CHARS: Final = 1000
#: Characters of words that people are shown; Klipper's shutdown texts have several lines.
MOST_WORDS: Final = 300
_EMPTY: Final[Mapping[str, Any]] = {}


def number(value: object) -> float | None:
    """A finite number within MOST_NUMBER. JSON's true and false are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -MOST_NUMBER <= value <= MOST_NUMBER else None


def text(value: object) -> str | None:
    """A string that says something; U+FFFD stands for what cannot be printed, also half a character."""
    if not isinstance(value, str):
        return None
    said = value.strip()[:MOST_CHARS]
    if not said.isprintable():
        said = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in said)
    return said or None


def one_line(value: object) -> str:
    """Klipper's words, which have line ends and notes behind them, for a sentence; "" for anything else."""
    return text(" ".join(value.split())[:MOST_WORDS]) or "" if isinstance(value, str) else ""


def table(value: object) -> Mapping[str, Any]:
    """A JSON object; empty for anything else."""
    return value if isinstance(value, dict) else _EMPTY
