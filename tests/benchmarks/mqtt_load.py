"""What both load generators share: the pace, the counts, and templates: one simulated printer talks for many.

A load process must leave the processors to the gateway. So it runs one simulated printer that prints and one
that is idle, and every printer of the load sends what its template said last, in a turn of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

#: Lines of the file that templates print: far more than a benchmark sees of it.
LINES = 200_000


class Counts:
    """Messages to and from the gateway so far, for the benchmark to read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.sent = 0
        self.received = 0
        self.bytes_sent = 0
        self.connections = 0
        self.told = 0  # messages of the gateway to the user's own broker

    def write(self) -> None:
        """Replace the file, so that nobody reads a half one."""
        values = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(values))
        os.replace(fresh, self._path)

    async def keep(self) -> None:
        """Write them a few times a second."""
        while True:
            self.write()
            await asyncio.sleep(0.2)


def read_counts(path: Path) -> dict[str, int]:
    """What a load process wrote last; nothing yet is zeros."""
    try:
        return {str(name): int(value) for name, value in json.loads(path.read_text()).items()}
    except FileNotFoundError:
        return dict.fromkeys(("sent", "received", "bytes_sent", "connections", "told"), 0)


async def take_turns(count: int, per_second: float, send: Callable[[int], Awaitable[None] | None]) -> None:
    """Call `send` for each of `count` printers `per_second` times a second, evenly spread; for ever."""
    if not count:
        return
    loop = asyncio.get_running_loop()
    began, turn = loop.time(), 0
    while True:
        sending = send(turn % count)
        if sending is not None:
            await sending
        turn += 1
        await asyncio.sleep(max(0.0, began + turn / (count * per_second) - loop.time()))


def run_until_told(main: Callable[[], Awaitable[None]]) -> None:
    """Run until SIGTERM."""

    async def run() -> None:
        task = asyncio.ensure_future(main())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            return

    asyncio.run(run())


def a_long_part() -> bytes:
    """A print that goes on for hours."""
    moves = "".join(f"G1 X{10 + n % 90} Y{10 + n % 7} E{0.1 * n:.2f} F600\n" for n in range(LINES))
    return f"M140 S60\nM104 S200\nG28\n{moves}".encode()
