"""The pty's two buffers: what nobody reads is bounded, what nobody takes is not fetched. No waiting here."""

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


class Port:
    """The endpoint and a host's descriptor of it."""

    def __init__(self, folder: Path) -> None:
        self.ledger = Ledger()
        self.board = Board("marlin-stock", ledger=self.ledger)
        self.link = folder / "printer"
        self.endpoint = PtyEndpoint(self.board, self.link)
        self.fd = os.open(self.link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    async def drain(self) -> bytes:
        """Everything there is to read, letting the endpoint write on in between."""
        heard = b""
        idle = 0
        while idle < 20:
            try:
                heard += os.read(self.fd, 65536)
                idle = 0
            except BlockingIOError:
                idle += 1
            await asyncio.sleep(0)
        return heard

    async def write(self, data: bytes) -> int:
        """As much as the machine takes; how much that was."""
        written = idle = 0
        while written < len(data) and idle < 20:
            try:
                written += os.write(self.fd, data[written:])
                idle = 0
            except BlockingIOError:
                idle += 1
            await asyncio.sleep(0)
        return written


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
    heard = await port.drain()
    assert MAX_UNREAD_BYTES * 0.99 < len(heard) < MAX_UNREAD_BYTES + KERNEL_BYTES
    assert heard.endswith(b"\nok\n"), "whole answers are lost, never half a line"
    port.endpoint.pump.feed(b"M118 again\n")
    assert await port.drain() == b"again\r\nok\n"


async def test_what_the_machine_does_not_read_stays_with_the_host(port: Port) -> None:
    await port.drain()
    line = b"M117 fill the receive side\n"
    await port.write(b"G4 S3600\n")
    taken = await port.write(line * 20_000)
    assert taken < len(line) * 20_000, "the host's write came back short"
    assert port.board.firmware.unread() <= port.board.personality.rx_buffer  # what flow control is for
    assert port.ledger.count("dropped") == 0
    port.endpoint.pump.board.reset(port.endpoint.pump.now())
    port.endpoint.pump.turn()
    assert await port.write(line * 200) > 0, "room again"


async def test_what_was_said_between_two_hosts_waits_for_the_second(port: Port) -> None:
    await port.drain()
    os.close(port.fd)
    port.endpoint.pump.feed(b"M118 stale\n")
    port.fd = os.open(port.link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    assert await port.drain() == b"stale\r\nok\n"


async def test_bytes_go_through_as_they_are(port: Port) -> None:
    await port.drain()
    every = bytes(byte for byte in range(1, 256) if byte not in b"\n\r\b;\\*")
    for start in range(0, len(every), 60):
        piece = every[start : start + 60].lstrip(b" ")
        await port.write(b"M118 P0 " + piece + b"\n")
        assert await port.drain() == piece + b"\r\nok\n"


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
