"""Faults of machines that talk in messages, by plan or by seed; a kind of machine adds its catalogue.

    [[fault]]
    name = "post-lost"
    at = 12.0                 # not before this second
    count = 1                 # how many times, each at an occasion that fits
    seconds = 5.0             # for the faults that take time

    [random]
    post-doubled = 0.01       # strikes per occasion

A kind's own keys say where an entry strikes (`command`, `method`, `layer`); all that are given must fit.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from random import Random
from typing import Any, ClassVar, Generic, Self, TypeVar

DEFAULT_SECONDS = 5.0
_TOP = ("fault", "random", "seed")


class BadFaults(ValueError):
    """The plan cannot be one; the message is one line that names the entry."""


@dataclass(frozen=True, slots=True)
class Stroke:
    """One entry. at: from this second on. count: how many times. seconds: how late, or how long.

    The fields a kind of machine adds say where it strikes; None: everywhere.
    """

    KINDS: ClassVar[Mapping[str, tuple[str, str]]] = {}
    """What there is: on which occasion it strikes, and what it does."""
    BY_THE_CLOCK: ClassVar[str] = ""
    """The occasion that is an instant of time: never drawn by chance."""

    name: str
    at: float = 0.0
    count: int = 1
    seconds: float = DEFAULT_SECONDS

    def __post_init__(self) -> None:
        if self.name not in self.KINDS:
            raise BadFaults(f"no fault {self.name!r}; there are: {', '.join(self.KINDS)}")
        self.check()

    def check(self) -> None:
        """What a kind asks of its entries. Raises BadFaults."""

    @property
    def occasion(self) -> str:
        """On which it strikes."""
        return self.KINDS[self.name][0]

    @classmethod
    def parsed(cls, where: str, row: object) -> Self:
        """One entry of a plan; `where` it stands, for the message. Raises BadFaults."""
        if not isinstance(row, dict) or not isinstance(row.get("name"), str):
            raise BadFaults(f"{where} has no name")
        where = f"{where} ({row['name']})"
        known = {entry.name: str(entry.type).removesuffix(" | None") for entry in fields(cls)}
        for key, value in row.items():
            if key not in known:
                raise BadFaults(f"{where}: no such key: {key}")
            is_right, wanted = _TYPES[known[key]]
            if not is_right(value):
                raise BadFaults(f"{where}: {key} = {value!r} is {wanted}")
        try:
            return cls(**row)
        except BadFaults as error:
            raise BadFaults(f"{where}: {error}") from error

    def fits(self, occasion: str, now: float, place: Mapping[str, object]) -> bool:
        """Whether it strikes here."""
        own = (entry.name for entry in fields(self) if entry.name not in _OF_ALL)
        return (
            self.occasion == occasion
            and self.at <= now
            and all(getattr(self, key) in (None, place.get(key)) for key in own)
        )


_OF_ALL = frozenset(entry.name for entry in fields(Stroke))
AnyStroke = TypeVar("AnyStroke", bound=Stroke)


class Strokes(Generic[AnyStroke]):
    """A plan and a chance. `strikes` is asked at each occasion and answers with the faults that hit it.

    Each name has its own dice: another rate changes nothing of when the others strike.
    """

    def __init__(
        self,
        plan: Sequence[AnyStroke] = (),
        rates: Mapping[str, float] | None = None,
        seed: int = 0,
    ) -> None:
        """Raises BadFaults for a rate of no fault."""
        self.plan, self.rates, self.seed = plan, rates or {}, seed
        self._armed = list(plan)
        self._dice: dict[str, Random] = {}
        kind = self.kind()
        drawn = [name for name, (occasion, _does) in kind.KINDS.items() if occasion != kind.BY_THE_CLOCK]
        if unknown := sorted(self.rates.keys() - drawn):
            raise BadFaults(f"no fault {unknown[0]!r} at random; there are: {', '.join(drawn)}")

    @classmethod
    def kind(cls) -> type[AnyStroke]:
        """What the entries are."""
        raise NotImplementedError

    @classmethod
    def read(cls, path: Path, seed: int = 0) -> Self:
        """The plan in a TOML file; `seed` unless the file has its own. Raises BadFaults."""
        try:
            return cls.parsed(tomllib.loads(path.read_text(encoding="utf-8")), seed)
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, BadFaults) as error:
            raise BadFaults(f"{path}: {getattr(error, 'strerror', None) or error}") from error

    @classmethod
    def parsed(cls, table: Mapping[str, Any], seed: int = 0) -> Self:
        """A plan from the content of a file. Raises BadFaults."""
        if unknown := sorted(table.keys() - set(_TOP)):
            raise BadFaults(f"no such key: {', '.join(unknown)}; there are: {', '.join(_TOP)}")
        rows = table.get("fault", [])
        if not isinstance(rows, list):
            raise BadFaults("`fault` is a list: write [[fault]]")
        rates = table.get("random", {})
        if not isinstance(rates, Mapping) or not all(_is_number(one) and one <= 1 for one in rates.values()):
            raise BadFaults("`random` is a table of rates from 0 to 1")
        own_seed = table.get("seed", seed)
        if not isinstance(own_seed, int) or isinstance(own_seed, bool):
            raise BadFaults(f"seed = {own_seed!r} is not a whole number")
        plan = [cls.kind().parsed(f"fault {number}", row) for number, row in enumerate(rows, start=1)]
        return cls(plan, rates, own_seed)

    def arm(self, fault: AnyStroke) -> None:
        """One more; it strikes at its next fitting occasion."""
        self._armed.append(fault)

    def strikes(self, occasion: str, now: float, **place: object) -> dict[str, AnyStroke]:
        """What hits this occasion, by name: of two planned ones of a name, the second waits for the next."""
        hits: dict[str, AnyStroke] = {}
        for number, fault in enumerate(self._armed):
            if fault.count and fault.name not in hits and fault.fits(occasion, now, place):
                self._armed[number] = replace(fault, count=fault.count - 1)
                hits[fault.name] = fault
        self._armed = [fault for fault in self._armed if fault.count]
        kind = self.kind()
        for name, rate in self.rates.items():
            if kind.KINDS[name][0] == occasion and self._die(name).random() < rate:
                hits.setdefault(name, kind(name))
        return hits

    def _die(self, name: str) -> Random:
        return self._dice.setdefault(name, Random(f"{name} {self.seed}"))

    @property
    def due(self) -> float:
        """When the next fault by the clock strikes; infinity: none."""
        instant = self.kind().BY_THE_CLOCK
        return min((fault.at for fault in self._armed if fault.occasion == instant), default=math.inf)

    def taken_at(self, now: float) -> list[AnyStroke]:
        """The faults by the clock whose instant has come."""
        instant = self.kind().BY_THE_CLOCK
        hits = [fault for fault in self._armed if fault.occasion == instant and fault.at <= now]
        self._armed = [fault for fault in self._armed if fault not in hits]
        return hits


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_text(value: object) -> bool:
    return isinstance(value, str)


_TYPES: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "int": (_is_count, "not a whole number from 1 up"),
    "float": (_is_number, "not a number from 0 up"),
    "str": (_is_text, "no text"),
}
