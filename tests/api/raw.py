"""HTTP as bytes on a socket, for what no client library sends: halves, garbage, hanging up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.api.host import Host


@dataclass(frozen=True)
class Answer:
    """What came back before the server closed, or until the body was whole."""

    status: int
    headers: dict[str, str]
    body: bytes


class Line:
    """One connection to a host's app, served as in production (no handler is canceled by hanging up)."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def to(cls, host: Host, path: Path) -> Self:
        """Serve the host's app at a Unix socket, and connect."""
        if not path.exists():
            await host.on_socket(path)
        return cls(*await asyncio.open_unix_connection(str(path)))

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def answer(self) -> Answer:
        """The next response."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return Answer(int(first.split()[1]), headers, body)

    async def until(self, text: bytes) -> bytes:
        return await self.reader.readuntil(text)

    async def is_closed(self) -> bool:
        """Whether the server hangs up, with nothing more to say; waits for it."""
        rest = await self.reader.read()
        await self.hang_up()
        return rest == b""

    async def hang_up(self) -> None:
        """As a client that died: nothing more is read or sent."""
        self.writer.transport.abort()
        await asyncio.sleep(0)


def request(method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b"") -> bytes:
    """A request with the headers as they are, and a `Content-Length` when a body needs one."""
    lines = {"Host": "x", **(headers or {})}
    if body and not {"Content-Length", "Transfer-Encoding"} & lines.keys():
        lines["Content-Length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body
