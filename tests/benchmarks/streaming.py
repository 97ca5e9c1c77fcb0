"""The streaming benchmark: what is measured, in which order, and for how long."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks import faults, many, planner, rates, summary, table
from tests.benchmarks.moves import MoveFile, write_moves
from tests.benchmarks.rates import Rate
from tests.benchmarks.responder import BenchmarkBroken, compiler_path
from tests.support.foreign_hosts import ForeignHostsUnavailable, foreign_python

HOSTS = ("floor", "daemon", "marlin-host", "printcore")
PARTS = (*HOSTS, "planner", "faults", "wire", "printers", "memory")
#: Moves of one run; printcore is too slow for as many.
MOVES, PRINTCORE_MOVES = 200_000, 20_000
#: Paired runs: each host in turn, so that whatever else the machine does meets all of them.
ROUNDS = 3
#: Seconds after which no further round begins: the whole takes less than 8 minutes on two cores.
ROUNDS_SECONDS, FULL_ROUNDS_SECONDS = 230.0, 3600.0
#: Seconds that one planner is fed, and one number of printers.
PLANNER_SECONDS, FULL_PLANNER_SECONDS = 6.0, 60.0
PRINTERS_SECONDS, FULL_PRINTERS_SECONDS = 6.0, 30.0
#: The large file, and seconds of printing it.
LARGE_MB, MEMORY_SECONDS, FULL_MEMORY_SECONDS = 500, 3.0, 120.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be chosen."""
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.add_argument("--full", action="store_true", help="longer runs, and a silence of 20 s")
    parser.add_argument("--only", metavar="PART,...", help=f"some of: {', '.join(PARTS)}")
    parser.add_argument("--moves", type=int, default=MOVES, help="moves of one run (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="paired runs (default: %(default)s)")
    parser.add_argument(
        "--large-mb", type=int, default=LARGE_MB, help="size of the large file (default: %(default)s)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure, print the tables, and the object if asked for."""
    wanted = arguments.only.split(",") if arguments.only else list(PARTS)
    if unknown := sorted(set(wanted) - set(PARTS)):
        print(f"there is no {unknown[0]!r}; there are: {', '.join(PARTS)}", file=sys.stderr)
        return 2
    began = time.monotonic()
    load, python = os.getloadavg()[0], platform.python_version()
    print(f"{platform.machine()}, {os.cpu_count()} processors, load {load:.1f}, Python {python}")
    with tempfile.TemporaryDirectory(prefix="print-gateway-benchmark-") as folder:
        found = Measurement(Path(folder), arguments).measure(wanted)
    found |= {"seconds": round(time.monotonic() - began, 1), "load_before": load}
    print(f"{found['seconds']:.0f} s")
    if arguments.json:
        print(json.dumps(found))
    return 0


class Measurement:
    """One go: every part in turn, each printed when it is there."""

    def __init__(self, folder: Path, arguments: argparse.Namespace) -> None:
        self._folder = folder
        self._is_full: bool = arguments.full
        self._moves: int = arguments.moves
        self._rounds: int = arguments.rounds
        self._large_mb: int = arguments.large_mb
        self._reasons: dict[str, str] = {}
        if compiler_path() is None:
            self._reasons["responder"] = (
                "no C compiler (cc): the boards are Python programs and slow all of it"
            )

    def measure(self, wanted: list[str]) -> dict[str, Any]:
        """The figures by name; what could not be had is None, and `reasons` says why."""
        found: dict[str, Any] = {}
        hosts = [name for name in HOSTS if name in wanted]
        if hosts:
            runs = self._all_rounds(hosts)
            print(table.rates_table({key: table.median_rate(made) for key, made in runs.items()}), flush=True)
            found |= summary.of_rates(runs)
        parts: dict[str, Callable[[], dict[str, Any]]] = {
            "planner": self._planner,
            "faults": lambda: faults.standstills(self._folder, self._reasons, with_busy=self._is_full),
            "wire": lambda: faults.wire_rates(self._folder, self._reasons),
            "printers": self._printers,
            "memory": self._memory,
        }
        for name, part in parts.items():
            if name in wanted:
                part_found = self._attempt(name, part) or {}
                found |= part_found
                print(table.part_table(name, part_found), flush=True)
        for name, reason in self._reasons.items():
            print(f"{name}: {reason}", file=sys.stderr)
        return summary.complete(found) | {"reasons": self._reasons}

    def _attempt(self, name: str, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except (BenchmarkBroken, ForeignHostsUnavailable) as reason:
            self._reasons[name] = str(reason)
            return None

    # -- hosts --------------------------------------------------------------------------------------------

    def _all_rounds(self, hosts: list[str]) -> dict[tuple[str, int], list[Rate]]:
        files = {name: self._file(name) for name in hosts}
        limit = FULL_ROUNDS_SECONDS if self._is_full else ROUNDS_SECONDS
        runs: dict[tuple[str, int], list[Rate]] = {}
        began, longest = time.monotonic(), 0.0
        for turn in range(self._rounds):
            round_began = time.monotonic()
            if turn and round_began - began + longest > limit:
                self._reasons["rounds"] = f"{turn} of {self._rounds}: a further one would have taken too long"
                break
            for name in hosts:
                for window in (1, 4) if name in ("floor", "daemon") else (1,):
                    work = self._one_run(name, window, files[name], turn)
                    if (name not in self._reasons) and (made := self._attempt(name, work)) is not None:
                        runs.setdefault((name, window), []).append(made)
            longest = max(longest, time.monotonic() - round_began)
        return runs

    def _file(self, name: str) -> MoveFile:
        moves = min(self._moves, PRINTCORE_MOVES) if name == "printcore" else self._moves
        return write_moves(self._folder / f"moves-{moves}.gcode", moves)

    def _one_run(self, name: str, window: int, file: MoveFile, turn: int) -> Callable[[], Rate]:
        if name == "floor":
            return lambda: rates.run_floor(file, window)
        if name == "daemon":
            return lambda: rates.run_daemon(self._folder / f"daemon-{turn}-{window}", file, window)
        script = rates.HERE / f"foreign_{name.replace('-', '_')}.py"
        return lambda: rates.run_script([str(foreign_python()), str(script)], file)

    # -- parts --------------------------------------------------------------------------------------------

    def _planner(self) -> dict[str, Any]:
        seconds = FULL_PLANNER_SECONDS if self._is_full else PLANNER_SECONDS
        one = planner.feed_planners(self._folder, 1, seconds, with_floor=True)
        four = planner.feed_planners(self._folder, 4, seconds, with_floor=self._is_full)
        fed = {"": one["daemon"], "_floor": one["floor"], "_window4": four["daemon"]}
        if "floor" in four:
            fed["_floor_window4"] = four["floor"]
        return summary.of_planners(fed)

    def _printers(self) -> dict[str, Any]:
        seconds = FULL_PRINTERS_SECONDS if self._is_full else PRINTERS_SECONDS
        made = {
            str(count): self._attempt(
                f"printers {count}", lambda count=count: many.many_printers(self._folder, count, seconds)
            )
            for count in many.COUNTS
        }
        return {"printers": made}

    def _memory(self) -> dict[str, Any]:
        seconds = FULL_MEMORY_SECONDS if self._is_full else MEMORY_SECONDS
        made = many.memory(self._folder, self._large_mb, seconds)
        return {"rss_mb": made.pop("rss_mb"), "memory": made}
