"""Bad luck on the way to the server, by plan or by seed.

    [[fault]]
    name = "post-lost"
    post = 3                  # the third post counted; or what = "ack"; or layer = 5; or at = 12.0 (seconds)
    count = 1                 # how many times in a row
    seconds = 5.0             # for the faults that take time

    [random]
    post-doubled = 0.01       # strikes per post, long poll or layer

Keys that say when (post, what, layer, at) may be put together: all of them must fit.
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
    "post-lost": ("post", "a post never reaches the server"),
    "post-late": ("post", "a post leaves late; others overtake it"),
    "post-doubled": ("post", "a post arrives twice"),
    "posts-swapped": ("post", "a post waits until the next one has gone"),
    "answer-lost": ("post", "the server has taken the post, the connection breaks before its answer"),
    "answer-late": ("post", "the answer is heard late, and all posts wait for it"),
    "poll-cut": ("poll", "the connection breaks in the middle of a long poll"),
    "power-cycle": ("layer", "the power fails and comes back: ready, with no job"),
}
"""What there is: on which occasion it strikes, and what it does."""
_KEYS: Mapping[str, type] = {
    "name": str, "post": int, "what": str, "layer": int, "at": float, "count": int, "seconds": float
}  # fmt: skip
POST_KINDS = ("ack", "local_job", "registration", "status")
DEFAULT_SECONDS = 5.0


class BadFaults(ValueError):
    """The plan cannot be one; the message is one line that names the entry."""


@dataclass(frozen=True, slots=True)
class NetworkFault:
    """One entry. Of post, what, layer and at any may be given; all that are must fit.

    post: the number of the post, from 1. what: one of POST_KINDS. layer: the layer just printed, from 1.
    at: from this second on. count: how many times it strikes, each at an occasion that fits.
    seconds: how late, how long without power, how long into the poll.
    """

    name: str
    post: int | None = None
    what: str | None = None
    layer: int | None = None
    at: float = 0.0
    count: int = 1
    seconds: float = DEFAULT_SECONDS

    def __post_init__(self) -> None:
        if self.name not in KINDS:
            raise BadFaults(f"no fault {self.name!r}; there are: {', '.join(KINDS)}")
        if self.what is not None and self.what not in POST_KINDS:
            raise BadFaults(f"{self.name}: no post {self.what!r}; there are: {', '.join(POST_KINDS)}")


@dataclass(slots=True)
class NetworkFaults:
    """A plan and a chance. `strikes` is asked at each occasion and answers with the faults that hit it."""

    plan: Sequence[NetworkFault] = ()
    rates: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    _armed: list[NetworkFault] = field(init=False)
    _chance: Random = field(init=False)

    def __post_init__(self) -> None:
        if unknown := sorted(self.rates.keys() - KINDS.keys()):
            raise BadFaults(f"no fault {unknown[0]!r}; there are: {', '.join(KINDS)}")
        self._armed = list(self.plan)
        self._chance = Random(f"network faults {self.seed}")

    def arm(self, fault: NetworkFault) -> None:
        """One more; it strikes at its next fitting occasion."""
        self._armed.append(fault)

    def strikes(
        self, occasion: str, now: float, *, post: int = 0, what: str = "", layer: int = 0
    ) -> list[NetworkFault]:
        """What hits this post, poll or layer."""
        hits = []
        for place, fault in enumerate(self._armed):
            if fault.count and KINDS[fault.name][0] == occasion and _fits(fault, now, post, what, layer):
                self._armed[place] = replace(fault, count=fault.count - 1)
                hits.append(fault)
        for name, rate in sorted(self.rates.items()):
            if KINDS[name][0] == occasion and self._chance.random() < rate:
                hits.append(NetworkFault(name))
        self._armed = [fault for fault in self._armed if fault.count]
        return hits


def _fits(fault: NetworkFault, now: float, post: int, what: str, layer: int) -> bool:
    return (
        fault.at <= now
        and fault.post in (None, post)
        and fault.what in (None, what)
        and fault.layer in (None, layer)
    )


def read_network_faults(path: Path, seed: int = 0) -> NetworkFaults:
    """The plan in a TOML file. Raises BadFaults."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadFaults(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    try:
        return parse_network_faults(table, seed)
    except BadFaults as error:
        raise BadFaults(f"{path}: {error}") from error


def parse_network_faults(table: Mapping[str, Any], seed: int = 0) -> NetworkFaults:
    """A plan from the content of a file. Raises BadFaults."""
    if unknown := sorted(table.keys() - {"fault", "random", "seed"}):
        raise BadFaults(f"no such key: {', '.join(unknown)}; there are: fault, random, seed")
    rows = table.get("fault", [])
    if not isinstance(rows, list):
        raise BadFaults("`fault` is a list: write [[fault]]")
    plan = [_entry(f"fault {number}", row) for number, row in enumerate(rows, start=1)]
    rates = table.get("random", {})
    if not isinstance(rates, Mapping) or not all(_is_number(rate) and rate <= 1 for rate in rates.values()):
        raise BadFaults("`random` is a table of rates from 0 to 1")
    own_seed = table.get("seed", seed)
    if not isinstance(own_seed, int) or isinstance(own_seed, bool):
        raise BadFaults(f"seed = {own_seed!r} is not a whole number")
    return NetworkFaults(plan, rates, own_seed)


def _entry(where: str, row: object) -> NetworkFault:
    if not isinstance(row, dict) or not isinstance(row.get("name"), str):
        raise BadFaults(f"{where} has no name")
    where = f"{where} ({row['name']})"
    for key, value in row.items():
        if key not in _KEYS:
            raise BadFaults(f"{where}: no such key: {key}")
        kind = _KEYS[key]
        if kind is int and not (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
            raise BadFaults(f"{where}: {key} = {value!r} is not a whole number from 1 up")
        if kind is float and not _is_number(value):
            raise BadFaults(f"{where}: {key} = {value!r} is not a number from 0 up")
        if kind is str and not isinstance(value, str):
            raise BadFaults(f"{where}: {key} = {value!r} is no text")
    try:
        return NetworkFault(**row)
    except BadFaults as error:
        raise BadFaults(f"{where}: {error}") from error


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
