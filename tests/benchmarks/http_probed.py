"""The gateway with a stopwatch in its event loop: how long each turn held it.

    HELD_FILE=PATH python -m tests.benchmarks.http_probed serve --config FILE

A turn is the time between two looks at the sockets: everything else waits while it lasts, whatever ran in
it, waiting for the interpreter's lock included. The longest turn (seconds, one double) is kept in HELD_FILE,
which the benchmark maps and sets back to zero.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import selectors
import struct
import time
from pathlib import Path
from typing import Final

from gateway.cli.app import main

HELD: Final = struct.Struct("d")


class HeldFile:
    """The longest turn, shared between the two processes."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(HELD.pack(0.0))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), HELD.size)

    @property
    def seconds(self) -> float:
        """The longest turn since it was set back."""
        return float(HELD.unpack_from(self._map)[0])

    @seconds.setter
    def seconds(self, value: float) -> None:
        HELD.pack_into(self._map, 0, value)


class Stopwatch(selectors.EpollSelector):
    """Writes down the longest time between two looks at the sockets."""

    def __init__(self, held: HeldFile) -> None:
        super().__init__()
        self._held = held
        self._woke: float | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self._woke is not None:
            turn = time.perf_counter() - self._woke
            if turn > self._held.seconds:
                self._held.seconds = turn
        found = super().select(timeout)
        self._woke = time.perf_counter()
        return found


class _Policy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.SelectorEventLoop(Stopwatch(HeldFile(Path(os.environ["HELD_FILE"]))))


if __name__ == "__main__":
    asyncio.set_event_loop_policy(_Policy())
    main()
