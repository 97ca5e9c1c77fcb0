"""A board that moves at its own pace: is its planner of 16 moves kept full, quiet and under load on the API?

An underrun is a move that arrives when the planner has run dry: the head stands still, and leaves a blob.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

from tests.benchmarks.daemon import NICE, Daemon
from tests.benchmarks.moves import MoveFile, write_moves
from tests.benchmarks.rates import FIRMWARES, stream_floor, whole
from tests.benchmarks.responder import Firmware, Responder

#: Moves a second the boards eat. 500: the short segments of curved walls; 1,500: of a fast 32 bit board.
PACES = (500, 1500)
#: Clients of the API at full speed, and how many of them listen to the event stream.
CONNECTIONS, LISTENERS = 32, 4
#: Jobs that wait, so that the lists have something to tell.
WAITING_JOBS = 100
#: Seconds that a print may take beyond its own time.
LATE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Feeding:
    """How one print was fed."""

    pace: int
    moves_per_s: float
    underruns: int
    still_s: float  # the head stood still
    p50_ms: float  # from an `ok` to the arrival of the next line
    p99_ms: float
    p99_9_ms: float
    max_ms: float
    requests_per_s: float | None  # answered by the API meanwhile
    cpu: dict[str, float]  # share of one processor, by process; empty for the floor

    def shown(self) -> dict[str, Any]:
        return asdict(self)


#: Runs by load.
Fed = dict[str, list[Feeding]]


def feed_planners(folder: Path, window: int, seconds: float, *, with_floor: bool) -> dict[str, Fed]:
    """Each pace, quiet and loaded: by the `daemon`, and by the `floor` beside the same daemon.

    What the floor misses is the machine's own share: somebody else had the processor.
    """
    files = {pace: write_moves(folder / f"moves-{pace}.gcode", int(pace * seconds)) for pace in PACES}
    hosts = ("daemon", "floor") if with_floor else ("daemon",)
    found: dict[str, Fed] = {host: {"quiet": [], "loaded": []} for host in hosts}
    with (
        Responder(FIRMWARES[window]) as board,
        Responder(Firmware(FIRMWARES[window].name)) as other_board,
        Daemon(folder / f"planner-{window}", board.ports) as daemon,
    ):
        uploads = {pace: daemon.upload(file.path) for pace, file in files.items()}
        for _ in range(WAITING_JOBS):
            daemon.submit(uploads[PACES[0]], None)
        for pace, file in files.items():
            for load, host in product(("quiet", "loaded"), hosts):
                told: dict[str, Any] = {}
                with _hammered(daemon, told if load == "loaded" else None):
                    if host == "daemon":
                        stats, cpu = _print(daemon, uploads[pace], board, file, pace)
                    else:
                        other_board.begin(file.moves, eat=pace)
                        stream_floor(other_board.ports[0], file, window, nice=NICE["streamer"])
                        stats, cpu = whole(other_board, file), {}
                found[host][load].append(_feeding(pace, stats, told, cpu))
    return found


def _print(
    daemon: Daemon, upload: str, board: Responder, file: MoveFile, pace: int
) -> tuple[dict[str, Any], dict[str, float]]:
    """What the board counted, and the share of one processor by process."""
    job = daemon.submit(upload, "p0")
    board.begin(file.moves, eat=pace)
    before = daemon.cpu_s()
    daemon.confirm_plate("p0")
    board.wait_done(file.moves / pace + LATE_SECONDS)
    after = daemon.cpu_s()
    daemon.wait_job(job)
    stats = whole(board, file)
    return stats, {name: (after[name] - before[name]) / stats["seconds"] for name in after}


def _feeding(pace: int, stats: dict[str, Any], told: dict[str, Any], cpu: dict[str, float]) -> Feeding:
    return Feeding(
        pace=pace,
        moves_per_s=(stats["moves"] - 1) / stats["seconds"],
        underruns=stats["underruns"],
        still_s=stats["still_s"],
        p50_ms=stats["p50_us"] / 1000,
        p99_ms=stats["p99_us"] / 1000,
        p99_9_ms=stats["p99_9_us"] / 1000,
        max_ms=stats["max_us"] / 1000,
        requests_per_s=told["requests"] / told["seconds"] if told else None,
        cpu=cpu,
    )


@contextmanager
def _hammered(daemon: Daemon, told: dict[str, Any] | None) -> Iterator[None]:
    """With clients at full speed while inside; `told` gets what became of their requests."""
    if told is None:
        yield
        return
    command = [sys.executable, "-m", "tests.benchmarks.hammer", str(daemon.port), daemon.make_key()]
    process = subprocess.Popen([*command, str(LISTENERS), str(CONNECTIONS)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        process.stdout.readline()  # it has begun
        yield
        process.send_signal(signal.SIGTERM)
        told.update(json.loads(process.communicate(timeout=20)[0]))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
