"""The append-only truth of a printer that calls in: what it did, was told, posted and was answered.

One deed an entry, as JSON lines flushed one by one. The keys `t`, `event`, `source` and `job` are always
there, the facts of the deed stand beside them:

    {"t": 12.5, "event": "print_started", "source": "server", "job": "4496...", "layers": 50}
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import Any

_FIXED = ("t", "event", "source", "job")


@dataclass(frozen=True, slots=True)
class Deed:
    """One fact.

    t: seconds since the printer was made. event: one of the table in docs/SIMULATOR.md.
    source: who caused it: `server`, `panel`, `machine`, or `chance` (a fault). job: the job id as the printer
    says it on the wire, `local_<uuid>` for its own. facts: what else is to be said, JSON values.
    """

    t: float
    event: str
    source: str
    job: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The JSON form: one flat object."""
        return {
            "t": round(self.t, 6), "event": self.event, "source": self.source, "job": self.job, **self.facts
        }  # fmt: skip


class CallInLedger:
    """A growing list of deeds, and the same as JSON lines in `path` if one is given."""

    def __init__(self, path: Path | None = None) -> None:
        self.deeds: list[Deed] = []
        self._file: TextIOWrapper | None = None
        if path is not None:
            self._file = path.open("a", encoding="utf-8", buffering=1)

    def append(self, t: float, event: str, source: str, job: str | None = None, **facts: Any) -> None:
        """Add one fact; never changes or removes an earlier one."""
        deed = Deed(t, event, source, job, facts)
        self.deeds.append(deed)
        if self._file is not None:
            self._file.write(json.dumps(deed.as_dict(), ensure_ascii=True) + "\n")

    def events(self, *names: str, job: str | None = None) -> list[Deed]:
        """All deeds whose event is one of `names`, in order; `job` narrows to one."""
        return [deed for deed in self.deeds if deed.event in names and job in (None, deed.job)]

    def count(self, event: str) -> int:
        """How many deeds carry this event."""
        return len(self.events(event))

    def starts(self) -> list[str]:
        """The job of every physical start of a print, in order."""
        return [deed.job or "" for deed in self.events("print_started")]

    def violations(self) -> list[str]:
        """What nobody should have made the machine do: `started twice`, `plate occupied`, in order."""
        return [str(deed.facts["what"]) for deed in self.events("violation")]

    def __iter__(self) -> Iterator[Deed]:
        return iter(self.deeds)

    def __len__(self) -> int:
        return len(self.deeds)

    def close(self) -> None:
        """Close the JSONL file, if any; the deeds in memory stay readable."""
        if self._file is not None:
            self._file.close()
            self._file = None


def read_call_in_ledger(path: Path) -> CallInLedger:
    """Read a JSONL ledger back; a torn last line (the simulator was killed) is left out."""
    ledger = CallInLedger()
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(text)
        except json.JSONDecodeError:
            continue
        facts = {key: value for key, value in row.items() if key not in _FIXED}
        ledger.deeds.append(Deed(row["t"], row["event"], row["source"], row["job"], facts))
    return ledger
