"""The responder as an object: compiled once, a process of its own, told what to do by lines of text."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

SOURCE = Path(__file__).with_name("responder.c")
MARLIN, NAMELESS = "Marlin bugfix-2.1.x", "Benchmark"


class BenchmarkBroken(Exception):
    """A figure cannot be had. The text says why."""


@dataclass(frozen=True, slots=True)
class Firmware:
    """How a board presents itself: the name decides the profile, the `B` of its oks opens the window."""

    name: str
    block_free: int = 0


#: One line in flight: a firmware nobody has described.
ONE_LINE = Firmware(NAMELESS)
#: Marlin with ADVANCED_OK and BUFSIZE 5: four lines.
FOUR_LINES = Firmware(MARLIN, 4)


def cache_folder() -> Path:
    """Where what takes long to make is kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "print-gateway-benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def compiler_path() -> str | None:
    """The C compiler; without one the responder is a Python program, and a bound of what it measures."""
    return shutil.which("cc") or shutil.which("gcc")


def responder_command() -> list[str]:
    """The responder's program: compiled, if that was not done since it was changed."""
    compiler = compiler_path()
    if compiler is None:
        return [sys.executable, str(Path(__file__).with_name("slow_responder.py"))]
    program = cache_folder() / "responder"
    if not program.exists() or program.stat().st_mtime < SOURCE.stat().st_mtime:
        new = program.with_suffix(f".{os.getpid()}")
        subprocess.run([compiler, "-O2", "-o", str(new), str(SOURCE)], check=True)
        new.replace(program)
    return [str(program)]


class Responder:
    """Boards on pseudo-terminals. `with Responder(...)` leaves no process behind."""

    def __init__(self, firmware: Firmware, ports: int = 1) -> None:
        command = [*responder_command(), str(ports), firmware.name, str(firmware.block_free)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self._pending = b""
        self.ports = [self._line(10.0) for _ in range(ports)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def begin(
        self, moves: int, *, eat: float = 0, baud: int = 0, latency_us: int = 0, port: int = -1
    ) -> None:
        """Count from zero, with these properties."""
        self._tell(f"begin {port} {moves} {eat} {baud} {latency_us}")

    def fault(self, kind: str, move: int, seconds: float = 0.0) -> None:
        """`lose` or `garble` the ok of a move, or be `busy` with it."""
        self._tell(f"{kind} 0 {move} {seconds}")

    def wait_done(self, seconds: float, ports: int = 1) -> None:
        """Wait until so many ports have executed what `begin` told. Raises BenchmarkBroken."""
        end = time.monotonic() + seconds
        for _ in range(ports):
            self._line(end - time.monotonic())

    def stats(self, port: int = 0) -> dict[str, Any]:
        """What a board has counted since `begin`."""
        self._tell(f"stats {port}")
        return self._object()

    def all_stats(self) -> list[dict[str, Any]]:
        """The same of all boards, at one moment."""
        self._tell("stats -1")
        return [self._object() for _ in self.ports]

    def _object(self) -> dict[str, Any]:
        while True:
            line = self._line(10.0)
            if line.startswith("{"):
                return dict(json.loads(line))

    def _tell(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode() + b"\n")

    def _line(self, seconds: float) -> str:
        assert self._process.stdout is not None
        end = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._pending:
                if not selector.select(max(0.0, end - time.monotonic())):
                    raise BenchmarkBroken(f"nothing came of it within {seconds:.0f} s")
                data = self._process.stdout.read(65536)
                if not data:
                    raise BenchmarkBroken("the responder died")
                self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        return line.decode()
