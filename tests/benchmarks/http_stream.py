"""One client that takes a long list as fast as it comes, and another that asks /healthz meanwhile."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.http_load import request
from tests.benchmarks.responder import BenchmarkBroken

#: Seconds between two questions of the other client.
_PAUSE = 0.002


@dataclass(frozen=True, slots=True)
class Streamed:
    """A whole answer."""

    head: str  # lower case
    body: bytes
    seconds: float
    first_byte_s: float
    others_wait_s: float  # the longest of the other client's questions

    def head_value(self, name: str) -> str:
        """A header."""
        return self.head.partition(f"\r\n{name}: ")[2].partition("\r\n")[0]

    def jobs(self) -> list[dict[str, Any]]:
        """What it lists; raises BenchmarkBroken unless it is what the envelope says."""
        listed = json.loads(self.body)
        if listed["count"] != len(listed["jobs"]):
            raise BenchmarkBroken(f"{len(listed['jobs'])} jobs came of {listed['count']}")
        return list(listed["jobs"])


async def stream_all(port: int, asked: bytes) -> Streamed:
    """Ask once, and read to the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    waits = [0.0]
    other = asyncio.create_task(_ask_on(port, waits))
    await asyncio.sleep(10 * _PAUSE)
    began = time.perf_counter()
    writer.write(asked)
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    first = time.perf_counter() - began
    if not head.startswith("http/1.1 200"):
        raise BenchmarkBroken(f"a list was {head[:60]!r}")
    is_chunked = "transfer-encoding: chunked" in head
    body = await (_chunks(reader) if is_chunked else _counted(reader, head))
    took = time.perf_counter() - began
    writer.close()
    other.cancel()
    await asyncio.gather(other, return_exceptions=True)
    return Streamed(head, body, took, first, max(waits))


async def _ask_on(port: int, waits: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        while True:
            began = time.perf_counter()
            writer.write(request("/healthz"))
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            await _counted(reader, head)
            waits.append(time.perf_counter() - began)
            await asyncio.sleep(_PAUSE)
    finally:
        writer.close()


async def _counted(reader: asyncio.StreamReader, head: str) -> bytes:
    return await reader.readexactly(int(head.partition("content-length:")[2].partition("\r\n")[0]))


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    found = bytearray()
    while size := int(await reader.readline(), 16):
        found += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readexactly(2)
    return bytes(found)
