"""Channels: how messages travel, over a Unix socket or within one process.

The memory channel exists so that the host and the client of a simulation are the very objects of the real
thing, on virtual time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

from gateway.streamer.messages import MAX_MESSAGE_BYTES, BadMessage, Message, decode, encode

#: Bytes in the out-buffer from which the other side counts as slow: a few snapshots of 64 printers.
HIGH_WATER_BYTES = 256 * 1024
#: The same for the memory channel, in messages.
HIGH_WATER_MESSAGES = 64


class ChannelClosed(Exception):
    """The channel is over; the text says why, for people."""


class Channel(Protocol):
    """One connection between gateway and streamer; used once."""

    @property
    def is_congested(self) -> bool:
        """Whether the other side is behind with reading."""

    def send(self, message: Message) -> None:
        """Queue a message; never blocks. Raises ChannelClosed, or BadMessage for one that is too long."""

    async def drained(self) -> None:
        """Until the other side has caught up. Raises ChannelClosed."""

    async def receive(self) -> Message:
        """The next message. Raises ChannelClosed at the end, BadMessage for what is none."""

    def close(self) -> None:
        """End it; what was sent still arrives if the other side reads. Idempotent."""


#: Makes a connection; raises OSError when nobody is there.
Connect = Callable[[], Awaitable[Channel]]


class SocketChannel:
    """Lines over a stream socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._closed = False
        writer.transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)

    @property
    def is_congested(self) -> bool:
        """See Channel."""
        return self._writer.transport.get_write_buffer_size() > HIGH_WATER_BYTES

    def send(self, message: Message) -> None:
        """See Channel."""
        line = encode(message)
        if self._closed or self._writer.is_closing():
            raise ChannelClosed("the connection is closed")
        self._writer.write(line)

    async def drained(self) -> None:
        """See Channel."""
        try:
            await self._writer.drain()
        except OSError as error:
            raise ChannelClosed(f"the connection broke: {error}") from error

    async def receive(self) -> Message:
        """See Channel."""
        if self._closed:
            raise ChannelClosed("the connection is closed")
        try:
            line = await self._reader.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            raise ChannelClosed("the other side closed the connection") from error
        except asyncio.LimitOverrunError as error:
            raise BadMessage(f"a line of more than {MAX_MESSAGE_BYTES} bytes") from error
        except OSError as error:
            raise ChannelClosed(f"the connection broke: {error}") from error
        if self._closed:
            raise ChannelClosed("the connection is closed")
        return decode(line)

    def close(self) -> None:
        """See Channel. A side that does not read is not waited for."""
        self._closed = True
        if self.is_congested:
            self._writer.transport.abort()
        else:
            self._writer.close()


def unix_channel(path: str) -> Connect:
    """Connects to the streamer's socket at `path`."""

    async def connect() -> Channel:
        reader, writer = await asyncio.open_unix_connection(path, limit=MAX_MESSAGE_BYTES)
        return SocketChannel(reader, writer)

    return connect


class MemoryChannel:
    """One end of a pair within this process; `peer` is the other."""

    def __init__(self) -> None:
        self.peer: MemoryChannel = self
        self._inbox: deque[Message] = deque()
        self._arrived = asyncio.Event()
        self._taken = asyncio.Event()
        self._ended: str | None = None

    @property
    def is_congested(self) -> bool:
        """See Channel."""
        return len(self.peer._inbox) > HIGH_WATER_MESSAGES

    def send(self, message: Message) -> None:
        """See Channel."""
        encode(message)  # the same limit as on a socket
        if self._ended is not None:
            raise ChannelClosed(self._ended)
        self.peer._inbox.append(message)
        self.peer._arrived.set()

    async def drained(self) -> None:
        """See Channel."""
        while self.is_congested and self._ended is None:
            self.peer._taken.clear()
            await self.peer._taken.wait()
        if self._ended is not None:
            raise ChannelClosed(self._ended)

    async def receive(self) -> Message:
        """See Channel."""
        while not self._inbox:
            if self._ended is not None:
                raise ChannelClosed(self._ended)
            self._arrived.clear()
            await self._arrived.wait()
        message = self._inbox.popleft()
        self._taken.set()
        return message

    def close(self) -> None:
        """See Channel."""
        self._end("the connection is closed")
        self._inbox.clear()
        self.peer._end("the other side closed the connection")

    def cut(self) -> None:
        """Break the connection as SIGKILL would: what is under way in either direction is lost."""
        self.peer._inbox.clear()
        self.close()

    def _end(self, reason: str) -> None:
        if self._ended is None:
            self._ended = reason
        self._arrived.set()
        self._taken.set()
        self.peer._taken.set()


def memory_pair() -> tuple[MemoryChannel, MemoryChannel]:
    """Two ends that are joined."""
    one, other = MemoryChannel(), MemoryChannel()
    one.peer, other.peer = other, one
    return one, other
