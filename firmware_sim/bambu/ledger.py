"""Physical starts in a ledger: the number that must never be more than was ordered."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from firmware_sim.ledger import Entry, Ledger

STARTED = "print-started"


@dataclass(frozen=True, slots=True)
class Start:
    """The machine began to run a file. Ids are those that the printer shows.

    who: `mqtt`, `panel`, `cloud`, or `slicer`: another program on the network.
    """

    t: float
    file: str
    who: str
    subtask_id: str
    task_id: str
    project_id: str


def note_start(ledger: Ledger, start: Start) -> None:
    """Write it down: the file in `line`, who in `source`, the ids in `effect` as JSON."""
    ids = {name: value for name, value in asdict(start).items() if name.endswith("_id")}
    ledger.append(start.t, STARTED, source=start.who, line=start.file, effect=json.dumps(ids))


def start_of(entry: Entry) -> Start:
    """The start that an entry `print-started` tells."""
    return Start(entry.t, entry.line or "", entry.source or "", **json.loads(entry.effect or "{}"))


def physical_starts(ledger: Ledger) -> list[Start]:
    """All of them, in order."""
    return [start_of(entry) for entry in ledger.events(STARTED)]
