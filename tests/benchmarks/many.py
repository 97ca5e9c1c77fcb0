"""Many printers on one daemon, each eating 800 moves a second: are all of them kept full, at what cost?"""

from __future__ import annotations

import time
import zlib
from itertools import islice
from pathlib import Path
from typing import Any

from tests.benchmarks import moves
from tests.benchmarks.daemon import Daemon
from tests.benchmarks.moves import write_bytes, write_moves
from tests.benchmarks.responder import FOUR_LINES, BenchmarkBroken, Responder

COUNTS = (1, 16, 64)
PACE = 800
#: Seconds for the slowest printer's first move.
START_SECONDS = 60.0
MEGABYTE = 1_000_000


def many_printers(folder: Path, count: int, seconds: float) -> dict[str, Any]:
    """Lines a second of all together, processor time and underruns, from when all of them print."""
    file = write_moves(folder / f"many-{count}.gcode", int(PACE * (seconds + START_SECONDS)))
    with Responder(FOUR_LINES, count) as board, Daemon(folder / f"many-{count}", board.ports) as daemon:
        upload = daemon.upload(file.path)
        for printer in daemon.printers:
            daemon.submit(upload, printer)
        board.begin(file.moves, eat=PACE)
        for printer in daemon.printers:
            daemon.confirm_plate(printer)
        end = time.monotonic() + START_SECONDS
        while any(stats["moves"] < PACE // 10 for stats in board.all_stats()):
            if time.monotonic() > end:
                raise BenchmarkBroken(f"not all of {count} printers began within {START_SECONDS:.0f} s")
            time.sleep(0.5)
        before, cpu_before, began = board.all_stats(), daemon.cpu_s(), time.monotonic()
        time.sleep(seconds)
        after, cpu_after, ended = board.all_stats(), daemon.cpu_s(), time.monotonic()
        rss = daemon.rss_mb()
    _check(after)
    elapsed = ended - began
    done = sum(stats["moves"] for stats in after) - sum(stats["moves"] for stats in before)
    used = {name: cpu_after[name] - cpu_before[name] for name in cpu_after}
    return {
        "lines_per_s": done / elapsed,
        "wanted_lines_per_s": count * PACE,
        "cpu": sum(used.values()) / elapsed,
        "cpu_by_process": {name: cpu / elapsed for name, cpu in used.items()},
        "cpu_ms_per_line": 1000 * sum(used.values()) / done,
        "underruns": sum(b["underruns"] for b in after) - sum(b["underruns"] for b in before),
        "slowest_lines_per_s": min(
            (a["moves"] - b["moves"]) / elapsed for a, b in zip(after, before, strict=True)
        ),
        "rss_mb": sum(rss.values()),
    }


def _check(counted: list[dict[str, Any]]) -> None:
    """Each board executed the beginning of the file, every move once and in order."""
    wanted = {stats["moves"]: 0 for stats in counted}
    crc, done = 0, 0
    source = moves.moves()
    for length in sorted(wanted):
        crc = zlib.crc32("".join(f"{move}\n" for move in islice(source, length - done)).encode("ascii"), crc)
        done, wanted[length] = length, crc
    for port, stats in enumerate(counted):
        if stats["crc"] != wanted[stats["moves"]] or stats["resends"] or stats["dropped"]:
            raise BenchmarkBroken(f"board {port} did not execute the file as it is: {stats}")


def memory(folder: Path, megabytes: int, seconds: float) -> dict[str, Any]:
    """Resident memory of both processes while the first moves of a large file are printed, and at most."""
    path = folder / "large.gcode"
    write_bytes(path, megabytes * MEGABYTE)
    with Responder(FOUR_LINES) as board, Daemon(folder / "memory", board.ports) as daemon:
        idle = daemon.rss_mb()
        before, began = daemon.cpu_s(), time.monotonic()
        upload = daemon.upload(path)
        path.unlink()
        upload_s, upload_cpu = time.monotonic() - began, daemon.cpu_s()["gateway"] - before["gateway"]
        daemon.submit(upload, "p0")
        board.begin(1 << 40)
        daemon.confirm_plate("p0")
        end = time.monotonic() + START_SECONDS
        while board.stats()["moves"] == 0:
            if time.monotonic() > end:
                raise BenchmarkBroken(f"the print did not begin within {START_SECONDS:.0f} s")
            time.sleep(0.1)
        time.sleep(1.0)
        early = daemon.rss_mb()
        time.sleep(seconds)
        late, peak = daemon.rss_mb(), daemon.peak_mb()
        lines = board.stats()["moves"]
    return {
        "rss_mb": sum(late.values()),
        "file_mb": megabytes,
        "idle": idle,
        "printing": late,
        "growth_mb": sum(late.values()) - sum(early.values()),
        "moves": lines,
        "peak": peak,
        "upload_s": upload_s,
        "upload_cpu_s": upload_cpu,
    }
