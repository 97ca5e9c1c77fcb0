"""Column types: instants, people's text, JSON, and the words of an enumeration as a CHECK."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Dialect, Integer, Text
from sqlalchemy.types import TypeDecorator

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)

#: A sequence wider than 32 bits. SQLite gives AUTOINCREMENT only to a column typed INTEGER (64 bits there).
Sequence = BigInteger().with_variant(Integer(), "sqlite")

#: Shown in place of what a text column cannot hold (U+FFFD REPLACEMENT CHARACTER).
REPLACEMENT = "\ufffd"


def to_milliseconds(instant: datetime) -> int:
    """Whole milliseconds since 1970 UTC, rounded down; ValueError for a naive instant."""
    if instant.tzinfo is None:
        raise ValueError(f"an instant without a zone cannot be stored: {instant.isoformat()}")
    return (instant - EPOCH) // MILLISECOND


def from_milliseconds(milliseconds: int) -> datetime:
    """The aware UTC instant."""
    return EPOCH + milliseconds * MILLISECOND


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime, kept as integer milliseconds since 1970.

    Integers because SQLite gives zoned datetimes back naive, and because they compare alike everywhere.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else to_milliseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else from_milliseconds(value)


class FreeText(TypeDecorator[str]):
    """Text from people and machines that must never make a commit fail.

    A file name off an SD card may hold bytes that are no UTF-8 (surrogate escapes) or NUL; no database keeps
    those, and a print that was seen has to be recorded all the same. They become U+FFFD.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable(value)


def storable(text: str) -> str:
    """The text with everything that is no Unicode scalar value, and NUL, replaced."""
    if text.isascii() and "\0" not in text:
        return text
    return "".join(REPLACEMENT if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in text)


def to_json(value: Any) -> str:
    """Compact ASCII JSON; mappings of any kind become objects, sets become sorted arrays."""
    return json.dumps(value, default=_plain, separators=(",", ":"))


_decoder = json.JSONDecoder()


def from_json(stored: str) -> Any:
    """What `to_json` wrote; it begins with the value, so that nothing need be looked for in front of it."""
    return _decoder.raw_decode(stored)[0]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no place in stored JSON")


def one_of(column: str, words: Iterable[str]) -> str:
    """SQL that says a column holds one of these words (sorted, so that the text never changes by itself)."""
    listed = ", ".join(f"'{word}'" for word in sorted(words))
    return f"{column} IN ({listed})"
