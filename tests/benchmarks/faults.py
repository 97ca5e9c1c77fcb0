"""What a lost or garbled ok costs, and what a wire with latency carries: several boards at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.daemon import Daemon
from tests.benchmarks.moves import MoveFile, write_moves
from tests.benchmarks.rates import whole
from tests.benchmarks.responder import FOUR_LINES, MARLIN, ONE_LINE, BenchmarkBroken, Firmware, Responder

#: Prusa's 8 bit firmware gets one line at a time as well, and answers M105 inside its ok.
PRUSA = Firmware("Prusa-Firmware 3.14")
#: Stock Marlin: three lines, plain oks, which say nothing of the line they answer.
STOCK = Firmware(MARLIN)
BOARDS = {"": ONE_LINE, "_prusa": PRUSA, "_marlin": STOCK, "_window4": FOUR_LINES}
#: Moves a second while something goes wrong: an ordinary print, the boards do not fight for the processor.
PACE = 250
FAULTY_MOVES = 2_000
#: The moves whose ok goes wrong.
AT = (500, 1_000, 1_500)
BUSY_SECONDS = 20.0
#: Answers come 4 ms late at 250,000 baud.
BAUD, LATENCY_US, WIRE_MOVES = 250_000, 4_000, 2_000
#: Seconds for prints that may stand still for a while: half a minute for each fault, as other hosts.
PATIENCE = 150.0


@dataclass(frozen=True, slots=True)
class _Course:
    """One board and what happens to it."""

    key: str
    firmware: Firmware
    fault: str = ""  # of the responder: lose, garble, busy
    at: tuple[int, ...] = ()
    seconds: float = 0.0


def standstills(folder: Path, reasons: dict[str, str], *, with_busy: bool) -> dict[str, Any]:
    """Seconds without a new move, at most, of three tries each; None, and why in `reasons`, if unknown.

    Keys: `lost_ok_s`, `garbled_ok_s`, with `_prusa`, `_marlin`, `_window4` behind them. `busy_s`: what a
    silence of 20 s with `busy:` costs beyond itself.
    """
    courses = [
        _Course(f"{named}_ok_s{key}", firmware, fault, AT)
        for key, firmware in BOARDS.items()
        for named, fault in (("lost", "lose"), ("garbled", "garble"))
    ]
    if with_busy:
        courses.append(_Course("busy_s", STOCK, "busy", AT[:1], BUSY_SECONDS))
    file = write_moves(folder / "faulty.gcode", FAULTY_MOVES)
    return {
        course.key: stats and max(0.0, stats["gap_s"] - course.seconds)
        for course, stats in _print_all(folder / "faults", file, courses, {"eat": PACE}, reasons)
    }


def wire_rates(folder: Path, reasons: dict[str, str]) -> dict[str, Any]:
    """Lines a second over a wire with latency, by window."""
    file = write_moves(folder / "wire.gcode", WIRE_MOVES)
    courses = [_Course(key, firmware) for key, firmware in BOARDS.items() if firmware is not PRUSA]
    wire = {"baud": BAUD, "latency_us": LATENCY_US}
    return {
        f"wire_lines_per_s{course.key}": stats and (stats["moves"] - 1) / stats["seconds"]
        for course, stats in _print_all(folder / "wire", file, courses, wire, reasons)
    }


def _print_all(
    folder: Path,
    file: MoveFile,
    courses: list[_Course],
    model: dict[str, Any],
    reasons: dict[str, str],
) -> Iterator[tuple[_Course, dict[str, Any] | None]]:
    """The same file on all boards at once; each with what its board counted, None if it was not printed."""
    with ExitStack() as stack:
        boards = [stack.enter_context(Responder(course.firmware)) for course in courses]
        daemon = stack.enter_context(Daemon(folder, [board.ports[0] for board in boards]))
        upload = daemon.upload(file.path)
        jobs = [daemon.submit(upload, printer) for printer in daemon.printers]
        for printer, board, course in zip(daemon.printers, boards, courses, strict=True):
            board.begin(file.moves, **model)
            for move in course.at:
                board.fault(course.fault, move, course.seconds)
            daemon.confirm_plate(printer)
        for board, course, job in zip(boards, courses, jobs, strict=True):
            try:
                board.wait_done(PATIENCE)
                daemon.wait_job(job)
                yield course, whole(board, file, resends_allowed=bool(course.fault))
            except BenchmarkBroken as reason:
                reasons[course.key] = str(reason)
                yield course, None
