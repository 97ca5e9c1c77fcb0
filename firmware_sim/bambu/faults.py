"""Bad luck between a printer and who talks to it, by plan or by seed.

    [[fault]]
    name = "no-echo"
    command = "project_file"  # only for this command; or at = 12.0 (seconds)
    count = 1                 # how many times in a row
    seconds = 5.0             # for the faults that take time

    [random]
    echo-late = 0.01          # strikes per occasion

Keys that say when (command, at) may be put together: all of them must fit.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

COMMAND, REPORT, TICK = "command", "report", "tick"
CONNECTION, SUBSCRIPTION, UPLOAD = "connection", "subscription", "upload"
KINDS: Mapping[str, tuple[str, str]] = {
    "no-echo": (COMMAND, "a command is done, and its echo never comes"),
    "echo-late": (COMMAND, "a command is done, and its echo comes late"),
    "refused": (COMMAND, "a command is not done: result failed"),
    "verify-failed": (COMMAND, "a command is not done: its signature is missed, with an HMS message"),
    "vanished": (COMMAND, "a command is taken and nothing happens, without a word"),
    "half-dead": (COMMAND, "from here on all commands of this connection vanish; reports flow on"),
    "lost-before": (COMMAND, "the connection breaks before a command is done"),
    "lost-after": (COMMAND, "a command is done, and the connection breaks before its echo"),
    "int32-clamp": (COMMAND, "ids beyond 32 bits become 2147483647"),
    "connection-lost": (REPORT, "the connection breaks instead of a report"),
    "non-utf8": (REPORT, "one byte of a report is no UTF-8"),
    "power-cut": (TICK, "the power fails, for a time"),
    "deltas-only": (CONNECTION, "for a time the full state is not sent to a new connection, only changes"),
    "request-drop": (SUBSCRIPTION, "the connection is closed when somebody subscribes to /request"),
    "file-truncated": (UPLOAD, "the end of a file is not kept, though the upload ends well"),
    "upload-cut": (UPLOAD, "the connection breaks in the middle of a file"),
    "storage-full": (UPLOAD, "there is no room for the file"),
}
"""What there is: on which occasion it strikes, and what it does. A tick is when a report is due, whether
somebody listens or not."""
DEFAULT_SECONDS = 5.0
_KEYS: Mapping[str, type] = {"name": str, "command": str, "at": float, "count": int, "seconds": float}


class BadFaults(ValueError):
    """The plan cannot be one; the message is one line that names the entry."""


@dataclass(frozen=True, slots=True)
class BambuFault:
    """One entry. command: strikes only there (`project_file`, `pause`). at: from this second on.

    count: how many times, each at an occasion that fits. seconds: how late, or how long.
    """

    name: str
    command: str | None = None
    at: float = 0.0
    count: int = 1
    seconds: float = DEFAULT_SECONDS

    def __post_init__(self) -> None:
        if self.name not in KINDS:
            raise BadFaults(f"no fault {self.name!r}; there are: {', '.join(KINDS)}")
        if self.command is not None and KINDS[self.name][0] != COMMAND:
            raise BadFaults(f"{self.name} strikes no commands: leave `command` out")


@dataclass(slots=True)
class BambuFaults:
    """A plan and a chance. `strikes` is asked at each occasion and answers with the faults that hit it."""

    plan: Sequence[BambuFault] = ()
    rates: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    _armed: list[BambuFault] = field(init=False)
    _chances: dict[str, Random] = field(init=False)

    def __post_init__(self) -> None:
        if unknown := sorted(self.rates.keys() - KINDS.keys()):
            raise BadFaults(f"no fault {unknown[0]!r}; there are: {', '.join(KINDS)}")
        self._armed = list(self.plan)
        self._chances = {name: Random(f"{name} {self.seed}") for name in sorted(self.rates)}

    def arm(self, fault: BambuFault) -> None:
        """One more; it strikes at its next fitting occasion."""
        self._armed.append(fault)

    def strikes(self, occasion: str, now: float, command: str | None = None) -> dict[str, BambuFault]:
        """What hits this occasion, by name."""
        hits: dict[str, BambuFault] = {}
        for place, fault in enumerate(self._armed):
            fits = fault.at <= now and fault.command in (None, command)
            if fits and fault.name not in hits and KINDS[fault.name][0] == occasion:
                self._armed[place] = replace(fault, count=fault.count - 1)
                hits[fault.name] = fault
        for name, rate in self.rates.items():
            if KINDS[name][0] == occasion and self._chances[name].random() < rate:
                hits.setdefault(name, BambuFault(name))
        self._armed = [fault for fault in self._armed if fault.count]
        return hits


def read_bambu_faults(path: Path, seed: int = 0) -> BambuFaults:
    """The plan in a TOML file. Raises BadFaults."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadFaults(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    try:
        return parse_bambu_faults(table, seed)
    except BadFaults as error:
        raise BadFaults(f"{path}: {error}") from error


def parse_bambu_faults(table: Mapping[str, Any], seed: int = 0) -> BambuFaults:
    """A plan from the content of a file. Raises BadFaults."""
    if unknown := sorted(table.keys() - {"fault", "random", "seed"}):
        raise BadFaults(f"no such key: {', '.join(unknown)}; there are: fault, random, seed")
    rows = table.get("fault", [])
    if not isinstance(rows, list):
        raise BadFaults("`fault` is a list: write [[fault]]")
    rates = table.get("random", {})
    if not isinstance(rates, Mapping) or not all(_is_number(rate) and rate <= 1 for rate in rates.values()):
        raise BadFaults("`random` is a table of rates from 0 to 1")
    own_seed = table.get("seed", seed)
    if not isinstance(own_seed, int) or isinstance(own_seed, bool):
        raise BadFaults(f"seed = {own_seed!r} is not a whole number")
    plan = [parse_fault(f"fault {number}", row) for number, row in enumerate(rows, start=1)]
    return BambuFaults(plan, rates, own_seed)


def parse_fault(where: str, row: object) -> BambuFault:
    """One entry of a plan; `where` it stands, for the message. Raises BadFaults."""
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
        return BambuFault(**row)
    except BadFaults as error:
        raise BadFaults(f"{where}: {error}") from error


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
