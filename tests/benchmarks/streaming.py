"""The streaming benchmark: what is measured, in which order, and for how long."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks import rates, table
from tests.benchmarks.moves import write_moves
from tests.benchmarks.responder import BenchmarkBroken

PARTS = ("floor", "daemon")
#: Moves of one run.
MOVES = 200_000
ROUNDS = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be chosen."""
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.add_argument("--only", metavar="PART,...", help=f"some of: {', '.join(PARTS)}")
    parser.add_argument("--moves", type=int, default=MOVES, help="moves of one run (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="paired runs (default: %(default)s)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure, print the table, and the object if asked for."""
    wanted = arguments.only.split(",") if arguments.only else list(PARTS)
    if unknown := set(wanted) - set(PARTS):
        print(f"there is no {sorted(unknown)[0]!r}; there are: {', '.join(PARTS)}", file=sys.stderr)
        return 2
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="print-gateway-benchmark-") as folder:
        results = _rates(Path(folder), wanted, arguments.moves, arguments.rounds)
    print(f"{time.monotonic() - began:.0f} s")
    if arguments.json:
        print(json.dumps(results))
    return 0


def _rates(folder: Path, wanted: list[str], moves: int, rounds: int) -> dict[str, Any]:
    file = write_moves(folder / "moves.gcode", moves)
    runs: dict[tuple[str, int], list[rates.Rate]] = {}
    for turn in range(rounds):
        for window in rates.FIRMWARES:
            made: dict[str, Callable[[], rates.Rate]] = {
                "floor": lambda window=window: rates.run_floor(file, window),
                "daemon": lambda turn=turn, window=window: rates.run_daemon(
                    folder / f"daemon-{turn}-{window}", file, window
                ),
            }
            for name in wanted:
                try:
                    runs.setdefault((name, window), []).append(made[name]())
                except BenchmarkBroken as reason:
                    print(f"{name}, window {window}: {reason}", file=sys.stderr)
    medians = {key: table.median_rate(found) for key, found in runs.items()}
    print(table.rates_table(medians))
    return {
        f"{name}{'' if window == 1 else f'_window{window}'}": rate.shown()
        for (name, window), rate in medians.items()
    }
