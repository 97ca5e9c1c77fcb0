"""The append-only truth: what the simulated machine really did, in the order it did it.

Tests judge the gateway by this file and not by what the gateway says about itself. The JSONL form is
flushed once an entry, so that a killed simulator leaves a readable ledger behind.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Entry:
    """One fact.

    t: machine time in seconds, as handed to the board by its caller.
    event: `executed`, `unknown`, `boot`, `kill`, `reset`, `panel`, `heater`, `fault`, `resend`, `repeat`,
        `sd_start`, `sd_pause`, `sd_resume`, `sd_done`, `sd_abort`, `sd_write`, `sd_saved` (name; size and
        SHA-256 in `effect`), `sd_write_failed`, `dropped`, `calibrated` and `calibration_failed` (G29, M303;
        what came of it in `effect`), …
    source: who asked: `host`, `sd`, `panel`, `machine` (an end script of the firmware), or None.
    n: the line number the command carried, if it carried one.
    line: the command without line number, checksum and comment; for other events the thing concerned.
    effect: what came of it, in words, where the command alone does not tell.
    """

    t: float
    event: str
    source: str | None = None
    n: int | None = None
    line: str | None = None
    effect: str | None = None

    def as_dict(self) -> dict[str, object]:
        """The JSON form; `effect` is left out when there is none."""
        row: dict[str, object] = {
            "t": round(self.t, 6),
            "event": self.event,
            "source": self.source,
            "n": self.n,
            "line": self.line,
        }
        if self.effect is not None:
            row["effect"] = self.effect
        return row


class Ledger:
    """A growing list of entries, and the same as JSON lines in `path` if one is given."""

    def __init__(self, path: Path | None = None) -> None:
        self.entries: list[Entry] = []
        self._file: TextIOWrapper | None = None
        if path is not None:
            self._file = path.open("a", encoding="utf-8", buffering=1)

    def append(
        self,
        t: float,
        event: str,
        *,
        source: str | None = None,
        n: int | None = None,
        line: str | None = None,
        effect: str | None = None,
    ) -> None:
        """Add one fact; never changes or removes an earlier one."""
        entry = Entry(t, event, source, n, line, effect)
        self.entries.append(entry)
        if self._file is not None:
            self._file.write(json.dumps(entry.as_dict(), ensure_ascii=True) + "\n")

    def executed(self, source: str | None = None) -> list[str]:
        """The commands the machine ran, in order; `source` narrows to `host`, `sd` or `panel`."""
        return [
            entry.line or ""
            for entry in self.entries
            if entry.event == "executed" and (source is None or entry.source == source)
        ]

    def events(self, *names: str) -> list[Entry]:
        """All entries whose event is one of `names`, in order."""
        return [entry for entry in self.entries if entry.event in names]

    def count(self, event: str) -> int:
        """How many entries carry this event."""
        return sum(1 for entry in self.entries if entry.event == event)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def close(self) -> None:
        """Close the JSONL file, if any; the entries in memory stay readable."""
        if self._file is not None:
            self._file.close()
            self._file = None


def read_ledger(path: Path) -> list[Entry]:
    """Read a JSONL ledger back; a torn last line (the simulator was killed) is left out."""
    entries: list[Entry] = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(text)
        except json.JSONDecodeError:
            continue
        entries.append(Entry(row["t"], row["event"], row["source"], row["n"], row["line"], row.get("effect")))
    return entries
