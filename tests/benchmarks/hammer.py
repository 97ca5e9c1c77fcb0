"""Clients of the API in a process of their own: one that listens to events, or many that ask at full speed.

    python -m tests.benchmarks.hammer --listen SOCKET
    python -m tests.benchmarks.hammer SOCKET CONNECTIONS

The second prints `{"requests": n, "seconds": s}` at SIGTERM. Raw sockets: a client library would take the
processor away from what is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import time

#: Asked in turn, by each connection from another beginning.
PATHS = (
    "/gateway/v1/jobs",
    "/gateway/v1/printers",
    "/ps/v1/print/jobs",
    "/gateway/v1/printers/p0",
    "/ps/v1/print/printers",
)
#: Connections that listen to the event stream instead.
LISTENERS = 4


def _request(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


async def listen(address: str) -> None:
    """Read the event stream and throw it away."""
    reader, writer = await asyncio.open_unix_connection(address)
    writer.write(_request("/gateway/v1/events"))
    while await reader.read(65536):
        pass


class Hammer:
    """Connections that ask again as soon as they are answered."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.answers = 0
        self.refused = 0

    async def ask(self, first: int) -> None:
        """One connection, kept alive."""
        reader, writer = await asyncio.open_unix_connection(self._address, limit=1 << 20)
        turn = first
        while True:
            writer.write(_request(PATHS[turn % len(PATHS)]))
            turn += 1
            head = await reader.readuntil(b"\r\n\r\n")
            lowered = head.lower()
            begin = lowered.index(b"content-length:") + 15
            await reader.readexactly(int(head[begin : head.index(b"\r\n", begin)]))
            self.answers += 1
            self.refused += not head.startswith(b"HTTP/1.1 200")

    async def run(self, connections: int) -> None:
        """Until SIGTERM."""
        began, stop = time.monotonic(), asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        tasks = [asyncio.create_task(listen(self._address)) for _ in range(min(LISTENERS, connections - 1))]
        tasks += [asyncio.create_task(self.ask(first)) for first in range(connections - len(tasks))]
        print("hammering", flush=True)
        await stop.wait()
        seconds = time.monotonic() - began
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        died = sum(isinstance(end, Exception) for end in ended)
        print(json.dumps(
            {"requests": self.answers, "refused": self.refused, "died": died, "seconds": seconds}
        ), flush=True)  # fmt: skip


def main() -> None:
    if sys.argv[1] == "--listen":
        with contextlib.suppress(OSError):
            asyncio.run(listen(sys.argv[2]))
    else:
        asyncio.run(Hammer(sys.argv[1]).run(int(sys.argv[2])))


if __name__ == "__main__":
    main()
