"""A mapping over another one: how a draft changes what it must not touch before the commit."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, MutableMapping, ValuesView
from typing import Any, Generic, TypeVar, overload

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")


class Overlay(MutableMapping[K, V], Generic[K, V]):
    """A mapping that remembers what was put or removed over another one, without touching it."""

    def __init__(self, base: dict[K, V]) -> None:
        self._base = base
        self._changed: dict[K, V] = {}
        self._removed: set[K] = set()

    def __getitem__(self, key: K) -> V:
        if key in self._changed:
            return self._changed[key]
        if key in self._removed:
            raise KeyError(key)
        return self._base[key]

    def __setitem__(self, key: K, value: V) -> None:
        self._changed[key] = value
        self._removed.discard(key)

    def __delitem__(self, key: K) -> None:
        if key not in self:
            raise KeyError(key)
        self._changed.pop(key, None)
        self._removed.add(key)

    def __iter__(self) -> Iterator[K]:
        return iter(self._merged())

    def __len__(self) -> int:
        return len(self._merged())

    # Those of MutableMapping call __getitem__ for every key; a draft of some hundred printers and jobs is
    # made for every word of every printer, and looked through many times.

    @overload
    def get(self, key: K, /) -> V | None: ...
    @overload
    def get(self, key: K, /, default: V | T) -> V | T: ...
    def get(self, key: K, /, default: Any = None) -> Any:
        """As of a dict."""
        if key in self._changed:
            return self._changed[key]
        return default if key in self._removed else self._base.get(key, default)

    def __contains__(self, key: object) -> bool:
        return key in self._changed or (key in self._base and key not in self._removed)

    def values(self) -> ValuesView[V]:
        """As they are now; a change while they are looked through is not seen."""
        return self._merged().values()

    def items(self) -> ItemsView[K, V]:
        """As they are now, as `values`."""
        return self._merged().items()

    def _merged(self) -> dict[K, V]:
        """For reading; the base itself where nothing was changed."""
        if not self._changed and not self._removed:
            return self._base
        merged = self._base | self._changed
        for key in self._removed:
            merged.pop(key, None)
        return merged

    def apply(self) -> None:
        """Write the changes into the base."""
        for key in self._removed:
            self._base.pop(key, None)
        self._base.update(self._changed)
