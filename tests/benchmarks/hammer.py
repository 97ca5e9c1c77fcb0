"""Clients of the API in a process of their own: some listen to the events, the others ask at full speed.

    python -m tests.benchmarks.hammer PORT KEY LISTENERS CONNECTIONS

says `hammering` when it has begun, and prints `{"requests": ..., "refused": ..., "seconds": ...}` at SIGTERM.
CONNECTIONS counts the listeners. Raw sockets: a client library would take the processor away from what is
measured.
"""

from __future__ import annotations

import asyncio
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
#: Bytes of one answer's head.
_LIMIT = 1 << 20


class Hammer:
    """The connections, and what became of their requests."""

    def __init__(self, port: int, key: str) -> None:
        self._port = port
        self._key = key
        self.answers = 0
        self.refused = 0

    def _request(self, path: str) -> bytes:
        head = (f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{self._port}", f"Authorization: Bearer {self._key}")
        return "".join(f"{line}\r\n" for line in (*head, "")).encode()

    async def listen(self) -> None:
        """Read the event stream and throw it away."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(self._request("/gateway/v1/events"))
        while await reader.read(65536):
            pass

    async def ask(self, first: int) -> None:
        """One connection, kept alive, that asks again as soon as it is answered."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=_LIMIT)
        turn = first
        while True:
            writer.write(self._request(PATHS[turn % len(PATHS)]))
            turn += 1
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            begin = head.index(b"content-length:") + 15
            await reader.readexactly(int(head[begin : head.index(b"\r\n", begin)]))
            self.answers += 1
            self.refused += not head.startswith(b"http/1.1 200")

    async def run(self, listeners: int, connections: int) -> None:
        """Until SIGTERM."""
        began, stop = time.monotonic(), asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        tasks = [asyncio.create_task(self.listen()) for _ in range(listeners)]
        tasks += [asyncio.create_task(self.ask(first)) for first in range(connections - listeners)]
        print("hammering", flush=True)
        await stop.wait()
        seconds = time.monotonic() - began
        died = sum(task.done() for task in tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        print(json.dumps(
            {"requests": self.answers, "refused": self.refused, "died": died, "seconds": seconds}
        ), flush=True)  # fmt: skip


def main() -> None:
    port, key, listeners, connections = sys.argv[1:]
    asyncio.run(Hammer(int(port), key).run(int(listeners), int(connections)))


if __name__ == "__main__":
    main()
