"""TCP ports against a listener on this host."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.transport.opener import BadPortAddress, opener_for
from gateway.transport.port import PortUnavailable
from gateway.transport.tcp_port import MAX_UNSENT_BYTES, open_tcp
from tests.transport.ptys import Listener, PtyMachine

Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[int, Callable[[], Awaitable[Peer]]]]:
    peers: asyncio.Queue[Peer] = asyncio.Queue()
    opened: list[asyncio.StreamWriter] = []

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)
        peers.put_nowait((reader, writer))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], peers.get
    finally:
        server.close()
        for writer in opened:
            writer.transport.abort()
        for _ in range(3):
            await asyncio.sleep(0)


async def test_bytes_go_both_ways() -> None:
    async with listening() as (number, peer):
        listener = Listener()
        port = await opener_for(f"tcp://127.0.0.1:{number}", 0)(listener)
        reader, writer = await peer()
        port.write(b"M105\n")
        assert await reader.readexactly(5) == b"M105\n"
        writer.write(b"ok\n")
        assert await listener.until_heard(3) == b"ok\n"
        port.close()
        assert await reader.read() == b""
        assert listener.lost == []


async def test_the_other_side_closing_is_told_once() -> None:
    async with listening() as (number, peer):
        listener = Listener()
        port = await open_tcp("127.0.0.1", number, listener)
        _, writer = await peer()
        writer.close()
        assert "closed by the other side" in await listener.until_lost()
        port.write(b"M105\n")
        port.close()
        port.close()
        await asyncio.sleep(0)
        assert len(listener.lost) == 1
        assert port.unsent == 0


async def test_a_peer_that_never_reads_is_given_up() -> None:
    async with listening() as (number, peer):
        listener = Listener()
        port = await open_tcp("127.0.0.1", number, listener)
        await peer()
        while port.unsent <= MAX_UNSENT_BYTES:
            port.write(b"x" * 65536)
        assert listener.lost == []
        assert "takes no bytes any more" in await listener.until_lost()
        assert len(listener.lost) == 1


async def test_closing_with_bytes_unsent_drops_them() -> None:
    async with listening() as (number, peer):
        port = await open_tcp("127.0.0.1", number, Listener())
        await peer()
        while port.unsent == 0:
            port.write(b"x" * 65536)
        port.close()
        assert port.unsent == 0


async def test_nobody_listening_is_a_refusal_with_advice() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        number = taken.getsockname()[1]
        with pytest.raises(PortUnavailable, match="refuses the connection: nothing listens there"):
            await open_tcp("127.0.0.1", number, Listener())


async def test_an_unknown_name_is_said_to_be_one() -> None:
    with pytest.raises(PortUnavailable, match=r"the name no-such\.invalid is unknown"):
        await open_tcp("no-such.invalid", 1, Listener())


async def test_a_silent_address_times_out() -> None:
    with pytest.raises(PortUnavailable, match="does not answer within 0 s"):
        await open_tcp("127.0.0.1", 1, Listener(), connect_seconds=0)


@pytest.mark.parametrize(
    "port",
    ["tcp://", "tcp://host", "tcp://host:0", "tcp://host:99999", "tcp://host:x", "tcp://:80", "tcp://a:1/b",
     "tcp://me@a:1", "usb://a:1", "COM3", "", "ttyUSB0", "/dev/a\0b"],
)  # fmt: skip
def test_what_is_no_address(port: str) -> None:
    with pytest.raises(BadPortAddress):
        opener_for(port, 115200)


def test_a_speed_of_zero_is_refused() -> None:
    with pytest.raises(BadPortAddress, match="baud 0"):
        opener_for("/dev/ttyUSB0", 0)


@pytest.mark.parametrize("port", ["tcp://192.0.2.7:23", "socket://[::1]:8080", "/dev/serial/by-id/usb-x"])
def test_what_is_an_address(port: str) -> None:
    assert callable(opener_for(port, 115200))


async def test_a_path_opens_a_tty(machine: PtyMachine) -> None:
    listener = Listener()
    port = await opener_for(machine.path, 115200)(listener)
    machine.say(b"start\n")
    assert await listener.until_heard(6) == b"start\n"
    port.close()
