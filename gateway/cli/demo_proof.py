"""What the demo's machines really did, compared with the file; and the queue as a table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Proof:
    """The ledger's verdict on one print."""

    lines: int  # commands in the file
    fault: str | None  # None: every line executed once and in order

    def __str__(self) -> str:
        if self.fault:
            return self.fault
        return f"all {self.lines} lines of the file, each once and in order"


def commands(lines: Iterable[str]) -> list[str]:
    """The commands among the lines of a print file: without comments, blanks and empty lines."""
    bare = (line.partition(";")[0].strip() for line in lines)
    return [line for line in bare if line]


def executed(ledger: Iterable[str], source: str) -> list[str]:
    """The commands that the machine executed for one source (`host`, `sd`), in order."""
    rows = (json.loads(line) for line in ledger if line.strip())
    done = (row for row in rows if row["event"] == "executed" and row.get("source") == source)
    return commands(row.get("line") or "" for row in done)


def prove(file: Sequence[str], ledger: Iterable[str], source: str) -> Proof:
    """Whether the machine executed exactly the file.

    A host also talks to the machine beside the file (temperatures, M115, M400 …), so that only the kinds of
    command that occur in the file are compared; the file uses none of those that a host asks with.
    """
    wanted = commands(file)
    kinds = {_kind(line) for line in wanted}
    found = [line for line in executed(ledger, source) if _kind(line) in kinds]
    for number, (want, have) in enumerate(zip(wanted, found, strict=False), start=1):
        if want != have:
            return Proof(len(wanted), f'line {number} of the file is "{want}", the machine executed "{have}"')
    if len(wanted) != len(found):
        return Proof(len(wanted), f"the file has {len(wanted)} lines, the machine executed {len(found)}")
    return Proof(len(wanted), None)


def prove_files(file: Path, ledger: Path, source: str) -> Proof:
    """The same, of files."""
    with file.open(encoding="utf-8") as lines, ledger.open(encoding="utf-8") as entries:
        return prove(lines.readlines(), entries, source)


def _kind(line: str) -> str:
    return line.split(maxsplit=1)[0].upper()


def queue_rows(
    listed: Sequence[Mapping[str, Any]], members: Mapping[str, str], printers: Mapping[int, str]
) -> list[tuple[str, ...]]:
    """One line a job of the Forge list: name, printer, status, local, member, how long it took."""
    return [
        (
            str(job["job_name"]),
            printers.get(job["printer_id"], ""),
            str(job["status"]),
            "yes" if job["local_job"] else "no",
            members.get(job["member_id"], str(job["member_id"])),
            _duration(job),
        )
        for job in listed
    ]


def _duration(job: Mapping[str, Any]) -> str:
    """From the order to the last word, or the progress of a job that still runs."""
    status = job.get("job_status") or {}
    if job["status"] != "completed":
        return f"{float(status.get('job_progress') or 0.0):.0%}"
    began, ended = (_forge_instant(str(job[key])) for key in ("job_date_time", "job_status_time"))
    return f"{(ended - began).seconds} s"


def _forge_instant(text: str) -> datetime:
    """`May 18, 2016 05:42:02`, UTC, English whatever the locale."""
    month, day, year, clock = text.replace(",", "").split()
    number = "JanFebMarAprMayJunJulAugSepOctNovDec".index(month[:3]) // 3 + 1
    return datetime.fromisoformat(f"{int(year):04}-{number:02}-{int(day):02}T{clock}+00:00")
