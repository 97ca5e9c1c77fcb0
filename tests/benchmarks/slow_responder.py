"""`responder.c` in Python, for machines without a C compiler: the same commands, the same judgement, slower.

Figures taken with it are bounded by it; the table says so.
"""

from __future__ import annotations

import contextlib
import heapq
import json
import os
import select
import sys
import time
import tty
import zlib
from dataclasses import dataclass, field
from functools import reduce
from operator import xor

PLANNER = 16
FIRST_MOVE_DELAY = 0.1  # seconds; Marlin's BLOCK_DELAY_FOR_1ST_MOVE
BUSY_PERIOD = 2.0  # seconds; Marlin's DEFAULT_KEEPALIVE_INTERVAL
TEMPERATURES = b"T:20.00 /0.00 B:20.00 /0.00 @:0 B@:0\n"


@dataclass
class Counts:
    """What is told, and the model; `begin` makes a new one. Times in seconds."""

    expected: int = 0
    eat: float = 0.0
    byte_s: float = 0.0
    latency: float = 0.0
    moves: int = 0
    crc: int = 0
    lines: int = 0
    resends: int = 0
    extra: int = 0
    underruns: int = 0
    still: float = 0.0
    first: float = 0.0
    last: float = 0.0
    gap: float = 0.0
    window: int = 0
    rx_free: float = 0.0
    tx_free: float = 0.0
    accepted: float = 0.0
    waiting_since: float = 0.0
    finish: list[float] = field(default_factory=lambda: [0.0] * PLANNER)
    latencies: list[float] = field(default_factory=list)
    faults: dict[int, tuple[str, float]] = field(default_factory=dict)


class Board:
    """One pseudo-terminal."""

    def __init__(self, number: int, firmware: str, block_free: int) -> None:
        self.number = number
        self.fd, slave = os.openpty()  # the slave stays open: without any a pseudo-terminal says hang-up
        os.set_blocking(self.fd, False)
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        self.counts = Counts()
        self.answers: list[tuple[float, int, bytes, bool]] = []
        self._firmware = firmware
        self._block_free = block_free
        self._rest = b""
        self._last_number = 0
        self._in_flight = 0
        self._order = 0

    def hear(self) -> None:
        """Read what came, and answer it when it is time."""
        now = time.monotonic()
        *lines, self._rest = (self._rest + os.read(self.fd, 4096)).split(b"\n")
        for line in lines:
            if line and not self._take(line, now):
                self._rest = b""
                break
        self.answer_due(time.monotonic())

    def answer_due(self, now: float) -> None:
        """Send all answers whose time has come, in one write."""
        out, oks = b"", 0
        while self.answers and self.answers[0][0] <= now:
            _, _, text, is_ok = heapq.heappop(self.answers)
            out += text
            oks += is_ok
        self._in_flight -= oks
        if out:
            with contextlib.suppress(BlockingIOError):
                os.write(self.fd, out)
        if oks and not self.counts.waiting_since:
            self.counts.waiting_since = now

    def _put(self, due: float, text: bytes, *, is_ok: bool) -> None:
        counts = self.counts
        counts.tx_free = max(counts.tx_free, due) + len(text) * counts.byte_s
        self._order += 1
        heapq.heappush(self.answers, (counts.tx_free, self._order, text, is_ok))

    def _take(self, line: bytes, now: float) -> bool:
        counts = self.counts
        counts.rx_free = max(counts.rx_free, now) + (len(line) + 1) * counts.byte_s
        now = counts.rx_free if counts.byte_s else now
        self._in_flight += 1
        counts.window = max(counts.window, self._in_flight)
        if counts.waiting_since:
            counts.latencies.append(now - counts.waiting_since)
            counts.waiting_since = 0.0
        number, text = -1, line
        if line.startswith(b"N"):
            body, star, told = line.rpartition(b"*")
            head, _, text = (body if star else line).partition(b" ")
            number = int(head[1:])
            if number != self._last_number + 1 and not text.startswith(b"M110"):
                return self._refuse(now, b"Line Number is not Last Line Number+1")
            if not star or reduce(xor, body) != int(told):
                return self._refuse(now, b"checksum mismatch" if star else b"No Checksum with line number")
            self._last_number = number
        if text.startswith(b"M110"):
            self._last_number = int(text.rpartition(b"N")[2])
        self._execute(text, number, now)
        return True

    def _refuse(self, now: float, why: bytes) -> bool:
        self.counts.resends += 1
        last = self._last_number
        self._put(now, b"Error:%b, Last Line: %d\nResend: %d\nok\n" % (why, last, last + 1), is_ok=True)
        return False

    def _execute(self, text: bytes, number: int, now: float) -> None:
        counts = self.counts
        counts.lines += 1
        counts.accepted = max(counts.accepted, now)
        fault, seconds = "", 0.0
        if text.startswith(b"G1 "):
            if counts.moves < counts.expected:
                self._move(text, now)
                fault, seconds = counts.faults.get(counts.moves, ("", 0.0))
            else:
                counts.extra += 1
        elif text.startswith(b"M400") and counts.eat and counts.moves:
            counts.accepted = max(counts.accepted, counts.finish[(counts.moves - 1) % PLANNER])
        if fault == "busy":
            for period in range(1, int(seconds / BUSY_PERIOD)):
                self._put(counts.accepted + period * BUSY_PERIOD, b"echo:busy: processing\n", is_ok=False)
            counts.accepted += seconds
        due = counts.accepted + counts.latency
        if text.startswith(b"M115"):
            name = self._firmware.encode()
            self._put(due, b"FIRMWARE_NAME:%b MACHINE_TYPE:Benchmark\nCap:SDCARD:0\n" % name, is_ok=False)
        self._put(due, self._ok(text, number, fault), is_ok=True)

    def _ok(self, text: bytes, number: int, fault: str) -> bytes:
        if fault == "lose":
            return b""
        if fault == "garble":
            return b"o\xcb\n"
        if text.startswith(b"M105"):
            return b"ok " + TEMPERATURES
        if self._block_free and number >= 0:
            return b"ok N%d P15 B%d\n" % (number, self._block_free)
        return b"ok\n"

    def _move(self, text: bytes, now: float) -> None:
        counts = self.counts
        if counts.eat:
            counts.accepted = self._plan(counts.accepted)
        counts.crc = zlib.crc32(text + b"\n", counts.crc)
        if counts.moves:
            counts.gap = max(counts.gap, now - counts.last)
        else:
            counts.first = now
        counts.last = now
        counts.moves += 1
        if counts.moves == counts.expected:
            print(f"done {self.number}", flush=True)

    def _plan(self, at: float) -> float:
        counts, turn = self.counts, self.counts.moves
        accepted = max(at, counts.finish[turn % PLANNER]) if turn >= PLANNER else at
        before = counts.finish[(turn - 1) % PLANNER] if turn else accepted + FIRST_MOVE_DELAY
        if accepted > before:
            counts.underruns += 1
            counts.still += accepted - before
        counts.finish[turn % PLANNER] = max(accepted, before) + 1 / counts.eat
        return accepted

    def tell(self) -> None:
        """One JSON object."""
        counts, late = self.counts, sorted(self.counts.latencies) or [0.0]
        at = {
            name: int(1e6 * late[min(int(share * len(late)), len(late) - 1)])
            for name, share in (("p50_us", 0.5), ("p99_us", 0.99), ("p99_9_us", 0.999), ("max_us", 1.0))
        }
        told = {
            "moves": counts.moves, "crc": counts.crc, "lines": counts.lines, "resends": counts.resends,
            "extra": counts.extra, "dropped": 0, "seconds": counts.last - counts.first,
            "underruns": counts.underruns, "still_s": counts.still, "gap_s": counts.gap,
            "window": counts.window, **at,
        }  # fmt: skip
        print(json.dumps(told), flush=True)


def command(boards: list[Board], line: str) -> None:
    """One line of stdin."""
    verb, which, *words = line.split()
    for board in boards if which == "-1" else [boards[int(which)]]:
        if verb == "stats":
            board.tell()
        elif verb == "begin":
            moves, eat, baud, latency_us = (float(word) for word in words)
            byte_s = 10 / baud if baud else 0.0
            board.counts = Counts(int(moves), eat, byte_s, latency_us / 1e6)
        else:
            board.counts.faults[int(words[0])] = (verb, float(words[1]))


def main() -> None:
    boards = [Board(number, sys.argv[2], int(sys.argv[3])) for number in range(int(sys.argv[1]))]
    by_fd = {board.fd: board for board in boards}
    for board in boards:
        print(board.path, flush=True)
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -20)  # the printer is another machine
    poller = select.poll()
    for fd in (0, *by_fd):
        poller.register(fd, select.POLLIN)
    while True:
        dues = [board.answers[0][0] for board in boards if board.answers]
        wait = max(0.0, (min(dues) - time.monotonic()) * 1000) if dues else None
        ready = [fd for fd, _ in poller.poll(wait)]
        for fd in ready:
            if fd:
                by_fd[fd].hear()
            elif not (line := os.read(0, 65536).decode()):
                return
            else:
                for one in line.splitlines():
                    command(boards, one)
        now = time.monotonic()
        for board in boards:
            board.answer_due(now)


if __name__ == "__main__":
    main()
