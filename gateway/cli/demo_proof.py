"""What the demo's machines really did, compared with the file; and the queue as a table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from gateway.cli.demo_archive import SLICES
from gateway.client.models import Job

#: Who starts a printer that prints by itself, in its ledger and for people.
_STARTED_BY = {"mqtt": "over MQTT", "cloud": "from its cloud"}


@dataclass(frozen=True, slots=True)
class Proof:
    """The ledger's verdict on one print."""

    count: int  # what there was to print
    fault: str | None  # None: all of it executed, once and in order
    of_what: str = "lines of the file"
    in_short: str = "{} lines, once"

    def __str__(self) -> str:
        if self.fault:
            return self.fault
        return f"all {self.count} {self.of_what}, each once and in order"

    @property
    def short(self) -> str:
        """For a column."""
        return "FAULT" if self.fault else self.in_short.format(self.count)


@dataclass(frozen=True, slots=True)
class Ended:
    """One of the demo's prints, as it ended by the words of everybody who knows."""

    job: Job
    printer: str
    proof: Proof
    origin: str = "gateway"  # who started it, in the native API's word
    wants_updates: bool = False
    told: str | None = None  # the job's status, as the receiver of its callback heard it last

    def faults(self, owner: str) -> list[str]:
        """What is wrong with it."""
        job = self.job
        found = [self.proof.fault] if self.proof.fault else []
        if job.status != "completed":
            found.append(f"the job is {job.status}: {job.message or 'no reason given'}")
        if job.member != owner or job.origin != self.origin:
            found.append(f"the job belongs to {job.member}, started by: {job.origin}")
        if self.wants_updates and self.told != "completed":
            found.append(f"the last word to its receiver was {self.told or 'none'}")
        return found

    def verdict(self, owner: str) -> str:
        """One line for people."""
        faults = self.faults(owner)
        if faults:
            return f'FAILED: ledger of "{self.printer}": {"; ".join(faults)}'
        heard = f'; its receiver heard "{self.told}"' if self.wants_updates else ""
        return f'PROVEN: ledger of "{self.printer}": it executed {self.proof}{heard}'


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


def prove_layers(archive: bytes, ledger: Iterable[str], job_id: str) -> Proof:
    """Whether a printer that calls in started this job once, from this archive, and printed all its layers.

    Nothing else may have been started on it, and nothing on top of another part.
    """
    rows = [json.loads(line) for line in ledger if line.strip()]
    starts = [row for row in rows if row["event"] == "print_started"]
    layers = [row["layer"] for row in rows if row["event"] == "layer" and row["job"] == job_id]
    found = partial(Proof, SLICES, of_what="layers of its one start", in_short="1 start, {} layers")
    if len(starts) != 1:
        return found(f"the machine started {len(starts)} prints, where the job is one start")
    if starts[0]["job"] != job_id:
        return found("the machine started another print than was ordered")
    if starts[0]["sha256"] != hashlib.sha256(archive).hexdigest():
        return found("the machine printed another file than was uploaded")
    if layers != list(range(1, SLICES + 1)):
        return found(f"the archive has {SLICES} layers, the machine executed {layers}")
    if wrong := [row["what"] for row in rows if row["event"] == "violation"]:
        return found(f"the machine notes: {', '.join(wrong)}")
    return found(None)


def prove_starts(file: Path, ledger: Path, whos: Sequence[str]) -> list[Proof]:
    """Whether a printer that prints by itself was started once by each of `whos`, in this order, and printed
    the file each time: a proof for each.
    """
    lines = file.read_text(encoding="utf-8").splitlines()
    starts: list[tuple[str, list[str]]] = []
    for row in ledger.read_text(encoding="utf-8").splitlines():
        entry = json.loads(row)
        if entry["event"] == "print-started":
            starts.append((entry["source"], []))
        elif starts:
            starts[-1][1].append(row)
    found = [who for who, _ in starts]
    if found != list(whos):
        fault = f"the machine was started by {', '.join(found) or 'nobody'}, expected: {', '.join(whos)}"
        return [Proof(0, fault) for _ in whos]
    return [
        replace(
            prove(lines, rows, "sd"),
            of_what=f"lines of its one start {_STARTED_BY.get(who, f'by {who}')}",
            in_short="1 start, {} lines",
        )
        for who, rows in starts
    ]


def queue_rows(
    listed: Sequence[Mapping[str, Any]],
    members: Mapping[str, str],
    printers: Mapping[int, str],
    ended: Mapping[str, Ended],
) -> list[tuple[str, ...]]:
    """One line a job of the Forge list, and beside it what its machine did and its receiver heard."""
    return [
        (
            str(job["job_name"]),
            printers.get(job["printer_id"], ""),
            str(job["status"]),
            _origin(job, ended.get(job["job_id"])),
            members.get(job["member_id"], str(job["member_id"])),
            _duration(job),
            *_beside(ended.get(job["job_id"])),
        )
        for job in listed
    ]


def _origin(job: Mapping[str, Any], end: Ended | None) -> str:
    """Forge's list tells local from ordered; the native API also where it was started."""
    if end is not None and end.job.is_local == job["local_job"]:
        return end.job.origin or ""
    return "local" if job["local_job"] else "gateway"


def _beside(end: Ended | None) -> tuple[str, str]:
    if end is None:
        return "", ""
    return end.proof.short, "the end" if end.told == end.job.status else end.told or ""


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
