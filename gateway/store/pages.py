"""Rows that become what they stand for where they are looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar, overload

R = TypeVar("R")

#: Rows that are made into objects at once, two milliseconds.
_LONG: Final = 250


class LongPage(Sequence[R]):
    """Made row by row, each time one asks for it.

    A hundred thousand jobs at once would be half a million objects for the garbage collector to walk through,
    50 ms at a time; rows of plain values are none to it.
    """

    def __init__(self, found: list[tuple[Any, ...]], read: Callable[[tuple[Any, ...]], R]) -> None:
        self._found = found
        self._read = read

    def __len__(self) -> int:
        return len(self._found)

    @overload
    def __getitem__(self, at: int) -> R: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[R]: ...
    def __getitem__(self, at: int | slice) -> R | Sequence[R]:
        if isinstance(at, slice):
            return tuple(map(self._read, self._found[at]))
        return self._read(self._found[at])


def made_of(found: list[tuple[Any, ...]], read: Callable[[tuple[Any, ...]], R]) -> Sequence[R]:
    """The page that these rows are."""
    return LongPage(found, read) if len(found) > _LONG else tuple(map(read, found))
