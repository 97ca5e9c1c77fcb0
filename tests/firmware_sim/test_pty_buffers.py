"""The pty's two buffers: what nobody reads is bounded, what nobody takes is not fetched."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from firmware_sim import Board, Ledger
from firmware_sim.endpoints.pty import MAX_UNREAD_BYTES, PtyEndpoint, opened_elsewhere
from firmware_sim.endpoints.pump import Pump

KERNEL_BYTES = 65536
"""More than a pty itself holds in one direction."""
PATIENCE = 30.0
"""Seconds for anything that must come; nothing waits for their end."""
LOOK = 0.001
"""Seconds between two looks at what the kernel has to carry over."""
STARTED = b"28377)\n"
"""How the banner of `marlin-stock` ends."""
AGAIN = b"echo:again\r\nok\n"


class Port:
    """The endpoint and a host's descriptor of it."""

    def __init__(self, folder: Path) -> None:
        self.ledger = Ledger()
        self.board = Board("marlin-stock", ledger=self.ledger)
        self.link = folder / "printer"
        self.endpoint = PtyEndpoint(self.board, self.link)
        self.fd = os.open(self.link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    async def heard(self, ending: bytes) -> bytes:
        """Everything there is to read up to `ending`, letting the endpoint write on in between.

        The kernel carries bytes from one side to the other when it finds the time: only an ending says that
        all of them have come.
        """
        got = b""
        async with asyncio.timeout(PATIENCE):
            while not got.endswith(ending):
                try:
                    got += os.read(self.fd, 65536)
                except BlockingIOError:
                    await asyncio.sleep(LOOK)
                await asyncio.sleep(0)
        return got

    async def write(self, data: bytes) -> None:
        """All of it."""
        written = 0
        async with asyncio.timeout(PATIENCE):
            while written < len(data):
                written += await self.write_some(data[written:])

    async def write_some(self, data: bytes) -> int:
        """What the kernel takes at once, 0 for nothing; then the endpoint has its turn."""
        try:
            return os.write(self.fd, data)
        except BlockingIOError:
            await asyncio.sleep(LOOK)
            return 0
        finally:
            await asyncio.sleep(0)


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[Port]:
    port = Port(tmp_path)
    yield port
    os.close(port.fd)
    port.endpoint.close()
    assert not os.path.lexists(port.link)


async def test_what_nobody_reads_is_kept_up_to_a_megabyte_and_then_lost(port: Port) -> None:
    for _ in range(6000):
        port.endpoint.pump.feed(b"M503\n")
    assert len(port.ledger.executed()) == 6000, "the machine itself does not care"
    lost = port.ledger.events("dropped")
    assert {entry.effect for entry in lost} == {"nobody reads"}
    heard = b""
    while len(heard) < MAX_UNREAD_BYTES * 0.99:
        heard += await port.heard(b"\nok\n")
    port.endpoint.pump.feed(b"M118 E1 again\n")  # there is room again
    heard += await port.heard(AGAIN)
    heard = heard.removesuffix(AGAIN)
    assert MAX_UNREAD_BYTES * 0.99 < len(heard) < MAX_UNREAD_BYTES + KERNEL_BYTES
    assert heard.endswith(b"\nok\n"), "whole answers are lost, never half a line"


async def test_what_the_machine_does_not_read_stays_with_the_host(port: Port) -> None:
    await port.heard(STARTED)
    line = b"M117 fill the receive side\n"
    lines = line * 20_000
    await port.write(b"G4 S3600\n")
    taken, more = 0, 1
    async with asyncio.timeout(PATIENCE):
        while taken < len(lines) and (more or port.endpoint.pump.rx_free()):
            more = await port.write_some(lines[taken:])
            taken += more
    assert taken < KERNEL_BYTES, "the host's write came back short"
    assert port.board.firmware.unread() <= port.board.personality.rx_buffer  # what flow control is for
    assert port.ledger.count("dropped") == 0
    port.endpoint.pump.board.reset(port.endpoint.pump.now())
    port.endpoint.pump.turn()
    await port.write(line * 200)  # room again


async def test_what_was_said_between_two_hosts_waits_for_the_second(port: Port) -> None:
    await port.heard(STARTED)
    os.close(port.fd)
    port.endpoint.pump.feed(b"M118 stale\n")
    port.fd = os.open(port.link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    assert await port.heard(b"ok\n") == b"stale\r\nok\n"


async def test_bytes_go_through_as_they_are(port: Port) -> None:
    await port.heard(STARTED)
    every = bytes(byte for byte in range(1, 256) if byte not in b"\n\r\b;\\*")
    for start in range(0, len(every), 60):
        piece = every[start : start + 60].lstrip(b" ")
        await port.write(b"M118 P0 " + piece + b"\n")
        assert await port.heard(b"\nok\n") == piece + b"\r\nok\n"


async def test_closing_leaves_a_link_alone_that_is_no_longer_ours(tmp_path: Path) -> None:
    endpoint = PtyEndpoint(Board("marlin-stock"), tmp_path / "printer")
    (tmp_path / "printer").unlink()
    (tmp_path / "printer").symlink_to("/dev/null")
    endpoint.close()
    assert os.readlink(tmp_path / "printer") == "/dev/null"


async def test_nobody_else_has_our_pty_open(tmp_path: Path) -> None:
    endpoint = PtyEndpoint(Board("marlin-stock"), tmp_path / "printer")
    assert not opened_elsewhere(endpoint.device)
    endpoint.close()


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
async def test_a_pump_needs_a_speed(speed: float) -> None:
    with pytest.raises(ValueError, match="speed must be more than 0"):
        Pump(Board("marlin-stock"), lambda _: None, speed=speed)


async def test_a_stopped_pump_sets_no_timer() -> None:
    pump = Pump(Board("marlin-stock"), lambda _: None)
    pump.feed(b"M155 S1\n")
    pump.stop()
    pump.stop()
    assert pump._timer is None  # the one thing it must not leave behind
