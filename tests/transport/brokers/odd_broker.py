"""A broker that errs as it is told: MQTT 3.1.1 packets by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Self

CONNECT, PUBLISH, SUBSCRIBE, PINGREQ, DISCONNECT = 0x10, 0x30, 0x80, 0xC0, 0xE0


class OddBroker:
    """Answers each kind of packet with some bytes, or with None: it hangs up; b"": with nothing.

    `MID` in an answer becomes the packet's number. As an async context it listens.
    """

    MID = b"<mid>"
    USUAL: Mapping[int, bytes | None] = {
        CONNECT: b"\x20\x02\x00\x00",
        PUBLISH: b"\x40\x02" + MID,
        SUBSCRIBE: b"\x90\x03" + MID + b"\x00",
        PINGREQ: b"\xd0\x00",
        DISCONNECT: None,
    }

    def __init__(self, answers: Mapping[int, bytes | None]) -> None:
        self._answers = {**self.USUAL, **answers}
        self.heard: list[int] = []
        self.port = 0
        self._writers: list[asyncio.StreamWriter] = []

    def say(self, data: bytes) -> None:
        """To all who are connected."""
        for writer in self._writers:
            writer.write(data)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            while True:
                kind = (await reader.readexactly(1))[0]
                body = await reader.readexactly(await _length(reader))
                self.heard.append(kind & 0xF0)
                answer = self._answers[kind & 0xF0]
                if answer is None:
                    break
                if kind & 0xF0 != PUBLISH or kind & 0x06:
                    writer.write(answer.replace(self.MID, _number(kind, body)))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()


async def _length(reader: asyncio.StreamReader) -> int:
    """Remaining length, section 2.2.3."""
    length = shift = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            return length
        shift += 7


def _number(kind: int, body: bytes) -> bytes:
    """The packet identifier: behind the topic of a publish, in front elsewhere."""
    start = 2 + int.from_bytes(body[:2], "big") if kind & 0xF0 == PUBLISH else 0
    return body[start : start + 2]
