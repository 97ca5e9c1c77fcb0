"""Lines a second and processor time a line: the floor, the daemon and the peers, streaming the same moves."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.daemon import Daemon, be_nice
from tests.benchmarks.moves import MoveFile
from tests.benchmarks.responder import FOUR_LINES, ONE_LINE, BenchmarkBroken, Firmware, Responder

#: Seconds for one run, whatever it is: printcore needs half a minute for 20,000 moves.
RUN_SECONDS = 600.0
FIRMWARES = {1: ONE_LINE, 4: FOUR_LINES}
HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Rate:
    """One run."""

    lines_per_s: float
    cpu_ms_per_line: float
    p50_us: int
    p99_us: int
    window: int  # lines without an answer at most, as the board saw it
    rss_mb: float
    parts: dict[str, float]  # ms a line by process, where there is more than one

    def shown(self) -> dict[str, Any]:
        return asdict(self)


def whole(board: Responder, file: MoveFile, *, resends_allowed: bool = False) -> dict[str, Any]:
    """What a board counted, if it executed every move once and in order.

    `resends_allowed`: a host may find out by a refused line what became of an ok.
    """
    stats = board.stats()
    faults = ("extra", "dropped") if resends_allowed else ("resends", "extra", "dropped")
    wrong = {key: stats[key] for key in faults if stats[key]}
    if stats["moves"] != file.moves or stats["crc"] != file.crc or wrong:
        raise BenchmarkBroken(f"the board did not execute the file as it is: {stats}")
    return stats


FLOOR = (sys.executable, str(HERE / "floor.py"))


def run_floor(file: MoveFile, window: int) -> Rate:
    """The bare asyncio loop."""
    return run_script(FLOOR, file, window)


def stream_floor(port: str, file: MoveFile, window: int, nice: int = 0) -> None:
    """The bare asyncio loop, to a board that is there already."""
    _stream(FLOOR, port, file, window, nice)


def run_script(command: Sequence[str], file: MoveFile, window: int = 1) -> Rate:
    """A sender that is a script of its own: it tells its own processor time, the board all the rest."""
    with Responder(Firmware(FIRMWARES[window].name)) as board:
        board.begin(file.moves)
        told = _stream(command, board.ports[0], file, window)
        return _rate(whole(board, file), told["cpu_s"], told["rss_mb"], {})


def _stream(command: Sequence[str], port: str, file: MoveFile, window: int, nice: int = 0) -> dict[str, Any]:
    words = [*command, port, str(file.path), str(window)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        be_nice(process, nice)
        try:
            said, complaint = process.communicate(timeout=RUN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise BenchmarkBroken(f"{command[-1]} took longer than {RUN_SECONDS:.0f} s") from None
    if process.returncode:
        raise BenchmarkBroken(f"{command[-1]}: {complaint.strip()[-500:]}")
    return dict(json.loads(said.splitlines()[-1]))


def run_daemon(folder: Path, file: MoveFile, window: int) -> Rate:
    """Both processes, from the confirmed plate to the completed job."""
    with Responder(FIRMWARES[window]) as board, Daemon(folder, board.ports) as daemon:
        job = daemon.submit(daemon.upload(file.path), "p0")
        board.begin(file.moves)
        before = daemon.cpu_s()
        daemon.confirm_plate("p0")
        board.wait_done(RUN_SECONDS)
        rss = daemon.rss_mb()
        daemon.wait_job(job)
        used = {name: cpu - before[name] for name, cpu in daemon.cpu_s().items()}
        parts = {name: 1000 * cpu / file.moves for name, cpu in used.items()}
        return _rate(whole(board, file), sum(used.values()), sum(rss.values()), parts)


def _rate(stats: dict[str, Any], cpu_s: float, rss_mb: float, parts: dict[str, float]) -> Rate:
    return Rate(
        lines_per_s=(stats["moves"] - 1) / stats["seconds"],
        cpu_ms_per_line=1000 * cpu_s / stats["moves"],
        p50_us=stats["p50_us"],
        p99_us=stats["p99_us"],
        window=stats["window"],
        rss_mb=rss_mb,
        parts=parts,
    )
