"""Clients that ask as fast as they are answered: raw sockets, kept alive, one request under way on each.

A client library would cost as much as the server and share the cores with it. What is parsed is the status
and `Content-Length`; every answer is read whole.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from tests.benchmarks.responder import BenchmarkBroken

CONNECTIONS: Final = 32
#: Seconds between two commits, where some are going on.
CHANGE_EVERY: Final = 0.1
_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length:"


@dataclass(frozen=True, slots=True)
class Load:
    """What the clients saw."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    body_bytes: int  # of the last answer

    @property
    def per_s(self) -> float:
        """Requests a second, of all connections together."""
        return self.requests / self.seconds

    def shown(self) -> dict[str, Any]:
        """For the JSON object."""
        return asdict(self) | {"per_s": self.per_s}


class _Client(asyncio.Protocol):
    def __init__(self, next_request: Callable[[], bytes], ended: asyncio.Future[None]) -> None:
        self._next = next_request
        self._ended = ended
        self._buffer = bytearray()
        self._whole = 0  # bytes of the answer under way; 0 while its head is incomplete
        self._began = 0.0
        self._stopping = False
        self.seconds: list[float] = []
        self.body_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self._next())

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        if not self._whole:
            end = buffer.find(_HEAD_END)
            if end < 0:
                return
            self._whole = end + len(_HEAD_END) + self._length(bytes(buffer[:end]).lower())
        if len(buffer) >= self._whole:
            buffer.clear()
            self._whole = 0
            self.seconds.append(time.perf_counter() - self._began)
            if self._stopping:
                self._transport.close()
            else:
                self._ask()

    def _length(self, head: bytes) -> int:
        if not head.startswith(b"http/1.1 200"):
            self._fail(f"an answer was {head[:60]!r}")
            return 0
        begin = head.index(_LENGTH) + len(_LENGTH)
        self.body_bytes = int(head[begin:].split(b"\r\n", 1)[0])
        return self.body_bytes

    def _fail(self, why: str) -> None:
        if not self._ended.done():
            self._ended.set_exception(BenchmarkBroken(why))
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._stopping:
            self._fail(f"the server hung up: {exc}")
        elif not self._ended.done():
            self._ended.set_result(None)

    def stop(self) -> None:
        """Hang up after the answer under way."""
        self._stopping = True


async def load(
    port: int,
    next_request: Callable[[], bytes],
    seconds: float,
    connections: int = CONNECTIONS,
    *,
    change: Callable[[], bytes] | None = None,
) -> Load:
    """Ask for `seconds`; raises BenchmarkBroken when an answer is not 200.

    `change` gives requests that commit something: one more client sends ten of them a second.
    """
    changing = None if change is None else asyncio.create_task(_keep_changing(port, change))
    try:
        return await _load(port, next_request, seconds, connections)
    finally:
        if changing is not None and not changing.cancel():
            changing.result()  # it ended before its time: raises why


async def _keep_changing(port: int, change: Callable[[], bytes]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while True:
        writer.write(change())
        head = (await reader.readuntil(_HEAD_END)).lower()
        if not head.startswith(b"http/1.1 200"):
            raise BenchmarkBroken(f"a change was answered {head[:60]!r}")
        await reader.readexactly(int(head[head.index(_LENGTH) + len(_LENGTH) :].split(b"\r\n", 1)[0]))
        await asyncio.sleep(CHANGE_EVERY)


async def _load(port: int, next_request: Callable[[], bytes], seconds: float, connections: int) -> Load:
    loop = asyncio.get_running_loop()
    ends = [loop.create_future() for _ in range(connections)]
    began = time.perf_counter()
    clients = [
        (await loop.create_connection(lambda end=end: _Client(next_request, end), "127.0.0.1", port))[1]
        for end in ends
    ]
    await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    for client in clients:
        client.stop()
    await asyncio.gather(*ends)
    took = time.perf_counter() - began
    all_seconds = sorted(second for client in clients for second in client.seconds)
    return _summed(all_seconds, took, clients[0].body_bytes)


def _summed(seconds: Sequence[float], took: float, body_bytes: int) -> Load:
    def at(share: float) -> float:
        return 1000 * seconds[min(len(seconds) - 1, int(share * len(seconds)))]

    return Load(len(seconds), took, at(0.5), at(0.99), 1000 * seconds[-1], body_bytes)


def request(path: str, token: str | None = None, *headers: str, method: str = "GET") -> bytes:
    """A request as the bytes of it; it has no body."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Accept: application/json", *headers]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()
