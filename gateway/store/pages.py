"""Rows that become what they stand for where they are looked at; long lists of them are packed.

A hundred thousand jobs at once would be half a million objects for the garbage collector to walk through, and
their rows two million to give back at the end: each held the event loop for 30 ms. Packed in stretches they
are some hundred strings of bytes, a third of the memory.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, TypeVar, overload

from gateway.store.prepared import STRETCH

R = TypeVar("R")
Row = tuple[Any, ...]


class LongPage(Sequence[R]):
    """Made row by row, each time one asks for it. The stretch that was looked at last is kept open."""

    def __init__(self, packed: Sequence[bytes], length: int, read: Callable[[Row], R]) -> None:
        """All stretches but the last have STRETCH rows."""
        self._packed = packed
        self._length = length
        self._read = read
        self._open_at = -1
        self._open: Sequence[Row] = ()

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, at: int) -> R: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[R]: ...
    def __getitem__(self, at: int | slice) -> R | Sequence[R]:
        numbers = range(self._length)[at]
        if isinstance(numbers, int):
            return self._read(self._row(numbers))
        return tuple(self._read(self._row(number)) for number in numbers)

    def _row(self, number: int) -> Row:
        at, inside = divmod(number, STRETCH)
        if at != self._open_at:
            self._open_at, self._open = at, marshal.loads(self._packed[at])  # noqa: S302 - packed above
        return self._open[inside]


def made_of(found: list[Row], read: Callable[[Row], R]) -> Sequence[R]:
    """The page that these rows are."""
    if len(found) <= STRETCH:
        return tuple(map(read, found))
    packed = [marshal.dumps(found[at : at + STRETCH]) for at in range(0, len(found), STRETCH)]
    return LongPage(packed, len(found), read)


def made_in_order(stretches: Iterator[list[Row]], read: Callable[[Row], R], by: int) -> Sequence[R]:
    """The page that these rows are, ascending by their column `by`; never all of them in memory.

    They come in this order; SQL does not promise it. All stretches but the last have STRETCH rows.
    """
    order = itemgetter(by)
    packed: list[bytes] = []
    newest: list[Row] = []
    for stretch in stretches:
        stretch.sort(key=order)
        if newest and order(stretch[0]) < order(newest[-1]):
            earlier = chain.from_iterable(map(marshal.loads, packed))
            later = chain.from_iterable(stretches)
            return made_of(sorted(chain(earlier, newest, stretch, later), key=order), read)
        if newest:
            packed.append(marshal.dumps(newest))
        newest = stretch
    if not packed:
        return tuple(map(read, newest))
    return LongPage([*packed, marshal.dumps(newest)], len(packed) * STRETCH + len(newest), read)
