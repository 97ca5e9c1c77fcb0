"""Channels: what both kinds promise, over real sockets and in memory."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from gateway.domain.orders import SendGcode
from gateway.streamer.channel import (
    HIGH_WATER_BYTES,
    Channel,
    ChannelClosed,
    SocketChannel,
    memory_pair,
)
from gateway.streamer.messages import MAX_MESSAGE_BYTES, BadMessage, Bye, Drain, Gcode, order_message

BIG = order_message(SendGcode("mk3", "o1", ("G1 X1 Y1",) * 500))


@asynccontextmanager
async def in_memory() -> AsyncIterator[tuple[Channel, Channel]]:
    one, other = memory_pair()
    yield one, other
    one.close()
    other.close()


@asynccontextmanager
async def on_a_socket() -> AsyncIterator[tuple[Channel, Channel]]:
    ends = socket.socketpair()
    channels = []
    for end in ends:
        reader, writer = await asyncio.open_unix_connection(sock=end, limit=MAX_MESSAGE_BYTES)
        channels.append(SocketChannel(reader, writer))
    yield channels[0], channels[1]
    for channel in channels:
        channel.close()
    for _ in range(3):
        await asyncio.sleep(0)


Pair = Callable[[], AbstractAsyncContextManager[tuple[Channel, Channel]]]
both = pytest.mark.parametrize("pair", [in_memory, on_a_socket])


@both
async def test_messages_arrive_in_order(pair: Pair) -> None:
    async with pair() as (one, other):
        for n in range(10):
            one.send(Bye(reason=str(n)))
        assert [(await other.receive()).reason for _ in range(10)] == [str(n) for n in range(10)]
        other.send(Drain())
        assert await one.receive() == Drain()


@both
async def test_what_was_sent_before_closing_arrives(pair: Pair) -> None:
    async with pair() as (one, other):
        one.send(Bye(reason="last words"))
        one.close()
        one.close()
        assert await other.receive() == Bye(reason="last words")
        with pytest.raises(ChannelClosed):
            await other.receive()
        with pytest.raises(ChannelClosed):
            one.send(Drain())
        with pytest.raises(ChannelClosed):
            await one.receive()


@both
async def test_closing_wakes_a_waiting_reader_on_either_side(pair: Pair) -> None:
    async with pair() as (one, other):
        readers = [asyncio.ensure_future(channel.receive()) for channel in (one, other)]
        await asyncio.sleep(0)
        one.close()
        ends = await asyncio.gather(*readers, return_exceptions=True)
        assert [type(end) for end in ends] == [ChannelClosed, ChannelClosed]


@both
async def test_a_slow_reader_is_felt_and_relieved(pair: Pair) -> None:
    async with pair() as (one, other):
        sent = 0
        while not one.is_congested:
            one.send(BIG)
            sent += 1
            assert sent < 10_000
        waiting = asyncio.ensure_future(one.drained())
        await asyncio.sleep(0)
        assert not waiting.done()
        for _ in range(sent):
            assert isinstance(await other.receive(), Gcode)
        await asyncio.wait_for(waiting, 60)
        assert not one.is_congested


@both
async def test_closing_wakes_a_sender_that_waits(pair: Pair) -> None:
    async with pair() as (one, other):
        while not one.is_congested:
            one.send(BIG)
        waiting = asyncio.ensure_future(one.drained())
        await asyncio.sleep(0)
        other.close()
        with pytest.raises(ChannelClosed):
            await asyncio.wait_for(waiting, 60)


@both
async def test_too_long_is_refused_before_it_is_sent(pair: Pair) -> None:
    async with pair() as (one, other):
        with pytest.raises(BadMessage):
            one.send(order_message(SendGcode("mk3", "o1", ("G1",) * 900_000)))
        one.send(Drain())
        assert await other.receive() == Drain()


async def test_closing_does_not_wait_for_who_never_reads() -> None:
    async with on_a_socket() as (one, _):
        while not one.is_congested:
            one.send(BIG)
        one.close()
        with pytest.raises(ChannelClosed):
            await one.receive()


@pytest.mark.parametrize("raw", [b"hello\n", b"{}\n", b"x" * (2 * MAX_MESSAGE_BYTES)])
async def test_nonsense_on_a_socket_is_a_bad_message(raw: bytes) -> None:
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_unix_connection(sock=ours, limit=MAX_MESSAGE_BYTES)
    channel = SocketChannel(reader, writer)
    theirs.setblocking(False)
    sending = asyncio.ensure_future(asyncio.get_running_loop().sock_sendall(theirs, raw))
    with pytest.raises(BadMessage):
        await channel.receive()
    channel.close()
    await asyncio.gather(sending, return_exceptions=True)
    theirs.close()


async def test_half_a_line_is_no_message() -> None:
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_unix_connection(sock=ours, limit=MAX_MESSAGE_BYTES)
    channel = SocketChannel(reader, writer)
    theirs.send(b'{"type":"drain"')
    theirs.close()
    with pytest.raises(ChannelClosed, match="closed the connection"):
        await channel.receive()
    channel.close()


def test_the_high_water_mark_holds_a_few_full_snapshots() -> None:
    assert HIGH_WATER_BYTES < MAX_MESSAGE_BYTES


async def test_cutting_loses_what_is_under_way() -> None:
    one, other = memory_pair()
    one.send(Drain())
    one.cut()
    with pytest.raises(ChannelClosed):
        await other.receive()
