"""Bad luck between a client and Moonraker, by plan or by seed.

    [[fault]]
    name = "reply-lost"
    method = "printer.print.start"   # the next request of this method; or request = 3, the third of all
    count = 1                        # how many times in a row
    at = 12.0                        # not before this second
    seconds = 5.0                    # for the faults that take time

    [random]
    reply-late = 0.01                # strikes per request, upload, ...

Keys that say when may be put together: all of them must fit. A fault on the occasion
`instant` strikes at `at`.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

KINDS: Mapping[str, tuple[str, str]] = {
    "request-lost": ("request", "a request never reaches Moonraker"),
    "request-doubled": ("request", "the broker hands a request over twice (QoS 1)"),
    "reply-lost": ("request", "a request is carried out and its reply is lost"),
    "reply-late": ("request", "a request is carried out and its reply comes late"),
    "upload-truncated": ("upload", "a part of the file arrives, and nobody notices without a checksum"),
    "upload-refused": ("upload", "Unable to save file"),
    "upload-answer-lost": ("upload", "the file is stored, and the connection breaks before the answer"),
    "klippy-death": ("instant", "klippy is killed; it stays away"),
    "klippy-restart": ("instant", "klippy ends and comes back"),
    "moonraker-death": ("instant", "kill -9 of Moonraker; systemd brings it back"),
    "emergency-stop": ("instant", "somebody presses the emergency stop of another app"),
    "mcu-shutdown": ("instant", "the micro-controller shuts down"),
}
"""What there is: on which occasion it strikes, and what it does."""
_KEYS: Mapping[str, type] = {
    "name": str, "method": str, "request": int, "at": float, "count": int, "seconds": float
}  # fmt: skip
DEFAULT_SECONDS = 5.0


class BadFaults(ValueError):
    """The plan cannot be one; the message is one line that names the entry."""


@dataclass(frozen=True, slots=True)
class Misfortune:
    """One entry. Of method, request and at any may be given; all that are must fit.

    request: its number, from 1. at: machine seconds. count: strikes in a row.
    seconds: how late, how long away.
    """

    name: str
    method: str | None = None
    request: int | None = None
    at: float = 0.0
    count: int = 1
    seconds: float = DEFAULT_SECONDS

    def __post_init__(self) -> None:
        if self.name not in KINDS:
            raise BadFaults(f"no fault {self.name!r}; there are: {', '.join(KINDS)}")

    @property
    def occasion(self) -> str:
        """`request`, `upload` or `instant`."""
        return KINDS[self.name][0]


@dataclass(slots=True)
class Misfortunes:
    """A plan and a chance."""

    plan: Sequence[Misfortune] = ()
    rates: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    _armed: list[Misfortune] = field(init=False)
    _chance: Random = field(init=False)

    def __post_init__(self) -> None:
        for name in self.rates:
            if name not in KINDS or KINDS[name][0] == "instant":
                raise BadFaults(f"no fault {name!r} at random; there are: {', '.join(_AT_RANDOM)}")
        self._armed = list(self.plan)
        self._chance = Random(f"moonraker faults {self.seed}")

    def arm(self, fault: Misfortune) -> None:
        """One more; it strikes at its next fitting occasion."""
        self._armed.append(fault)

    def strikes(self, occasion: str, now: float, *, method: str = "", request: int = 0) -> list[Misfortune]:
        """What hits this request or upload."""
        hits = []
        for place, fault in enumerate(self._armed):
            fits = fault.at <= now and fault.method in (None, method) and fault.request in (None, request)
            if fits and fault.count and fault.occasion == occasion:
                self._armed[place] = replace(fault, count=fault.count - 1)
                hits.append(fault)
        for name, rate in sorted(self.rates.items()):
            if KINDS[name][0] == occasion and self._chance.random() < rate:
                hits.append(Misfortune(name))
        self._armed = [fault for fault in self._armed if fault.count]
        return hits

    @property
    def due(self) -> float:
        """When the next fault on `instant` strikes; infinity: none."""
        return min((fault.at for fault in self._armed if fault.occasion == "instant"), default=math.inf)

    def taken_at(self, now: float) -> list[Misfortune]:
        """The faults whose instant has come."""
        hits = [fault for fault in self._armed if fault.occasion == "instant" and fault.at <= now]
        self._armed = [fault for fault in self._armed if fault not in hits]
        return hits


_AT_RANDOM = [name for name, (occasion, _does) in KINDS.items() if occasion != "instant"]


def read_faults(path: Path, seed: int = 0) -> Misfortunes:
    """The plan in a TOML file. Raises BadFaults."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadFaults(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    try:
        return parse_faults(table, seed)
    except BadFaults as error:
        raise BadFaults(f"{path}: {error}") from error


def parse_faults(table: Mapping[str, Any], seed: int = 0) -> Misfortunes:
    """A plan from the content of a file. Raises BadFaults."""
    if unknown := sorted(table.keys() - {"fault", "random"}):
        raise BadFaults(f"no such key: {', '.join(unknown)}; there are: fault, random")
    rows = table.get("fault", [])
    if not isinstance(rows, list):
        raise BadFaults("`fault` is a list: write [[fault]]")
    plan = [_entry(f"fault {number}", row) for number, row in enumerate(rows, start=1)]
    rates = table.get("random", {})
    if not isinstance(rates, Mapping) or not all(_is_number(rate) and rate <= 1 for rate in rates.values()):
        raise BadFaults("`random` is a table of rates from 0 to 1")
    return Misfortunes(plan, rates, seed)


def _entry(where: str, row: object) -> Misfortune:
    if not isinstance(row, dict) or not isinstance(row.get("name"), str):
        raise BadFaults(f"{where} has no name")
    where = f"{where} ({row['name']})"
    for key, value in row.items():
        kind = _KEYS.get(key)
        if kind is None:
            raise BadFaults(f"{where}: no such key: {key}")
        if kind is int and not (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
            raise BadFaults(f"{where}: {key} = {value!r} is not a whole number from 1 up")
        if kind is float and not _is_number(value):
            raise BadFaults(f"{where}: {key} = {value!r} is not a number from 0 up")
        if kind is str and not isinstance(value, str):
            raise BadFaults(f"{where}: {key} = {value!r} is no text")
    try:
        return Misfortune(**row)
    except BadFaults as error:
        raise BadFaults(f"{where}: {error}") from error


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
