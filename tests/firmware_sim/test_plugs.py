"""Cables on real descriptors: pulled and put back, another pty, a by-id link, a TCP port, a recording."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from firmware_sim import Board, FaultPlan, Ledger, Planned, Trigger
from firmware_sim.endpoints.control import obey
from firmware_sim.endpoints.pty import PtyEndpoint
from firmware_sim.endpoints.tcp import ListenRefused, TcpEndpoint
from firmware_sim.faults import catalogue
from firmware_sim.wire.link import Link

ROOT = Path(__file__).parents[2]
WIRELOG = ROOT / "tests" / "vectors" / "wirelogs" / "marlin-full-line-errors.wirelog"
PATIENCE = 60.0
"""Seconds for anything that must come; nothing waits for their end."""


async def heard(fd: int, ending: bytes) -> bytes:
    """What comes up to `ending`."""
    got = b""
    async with asyncio.timeout(PATIENCE):
        while not got.endswith(ending):
            try:
                got += os.read(fd, 4096)
            except BlockingIOError:
                await asyncio.sleep(0.002)
    return got


async def until_linked(path: Path) -> None:
    async with asyncio.timeout(PATIENCE):
        while not path.is_symlink():
            await asyncio.sleep(0.002)


async def is_hung_up(reader: asyncio.StreamReader) -> bool:
    """By an end or by a reset, as it reaches the host."""
    try:
        return await asyncio.wait_for(reader.read(1), PATIENCE) == b""
    except ConnectionResetError:
        return True


def opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_pulled_cable_hangs_up_and_comes_back(tmp_path: Path, elsewhere: bool) -> None:
    link, by_id = tmp_path / "tty", tmp_path / "usb-Printer_1"
    board = Board("marlin-stock", ledger=Ledger())
    endpoint = PtyEndpoint(board, link, speed=100.0, by_id=by_id)
    fd = opened(link)
    await heard(fd, b"28377)\n")
    board.faults.arm(catalogue.unplug_and_return(2.0) if elsewhere else catalogue.unplug(2.0))
    endpoint.pump.turn()
    assert not link.is_symlink()
    assert not by_id.is_symlink()
    with pytest.raises(OSError, match="Input/output error"):
        os.write(fd, b"M105\n")
    back = tmp_path / "tty.2" if elsewhere else link
    await until_linked(back)
    assert os.readlink(by_id) == os.readlink(back)
    assert link.is_symlink() != elsewhere
    fresh = opened(by_id)
    os.write(fresh, b"M118 E1 here\n")
    assert await heard(fresh, b"ok\n") == b"echo:here\r\nok\n"
    assert board.ledger.count("boot") == 1, "the board lived on"
    os.close(fd)
    os.close(fresh)
    endpoint.close()
    assert list(tmp_path.iterdir()) == []


async def test_unplug_and_replug_by_hand(tmp_path: Path) -> None:
    board = Board("marlin-stock", ledger=Ledger())
    endpoint = PtyEndpoint(board, tmp_path / "tty")
    obey(board, "unplug", endpoint.pump.now())
    assert not endpoint.is_plugged
    obey(board, "replug", endpoint.pump.now())
    obey(board, "replug", endpoint.pump.now())
    assert (tmp_path / "tty").is_symlink()
    endpoint.close()


async def test_the_host_must_set_the_boards_rate(tmp_path: Path) -> None:
    board = Board("marlin-stock", ledger=Ledger())
    endpoint = PtyEndpoint(board, tmp_path / "tty", speed=100.0, cable=Link(board, baud=115200))
    fd = opened(tmp_path / "tty")
    await heard(fd, b"28377)\n")
    for rate, understood in ((termios.B57600, False), (termios.B115200, True)):
        settings = termios.tcgetattr(fd)
        settings[4] = settings[5] = rate
        termios.tcsetattr(fd, termios.TCSANOW, settings)
        os.write(fd, b"\nM118 E1 hi\n")
        if understood:
            await heard(fd, b"echo:hi\r\nok\n")
        else:
            async with asyncio.timeout(PATIENCE):
                while not endpoint.pump.link or endpoint.pump.link.host_baud != 57600:
                    await asyncio.sleep(0.002)
            await asyncio.sleep(0.01)
            assert board.ledger.executed() == []
    assert board.ledger.executed() == ["M118 E1 hi"]
    os.close(fd)
    endpoint.close()


# -- TCP --------------------------------------------------------------------------------------------------


async def test_a_printer_on_a_tcp_port_and_the_newcomer_takes_over() -> None:
    board = Board("marlin-stock", ledger=Ledger())
    endpoint = TcpEndpoint(board)
    await endpoint.open("127.0.0.1", 0)
    first_reader, first_writer = await asyncio.open_connection(*endpoint.address)
    first_writer.write(b"M118 E1 one\n")
    assert await asyncio.wait_for(first_reader.readuntil(b"ok\n"), PATIENCE) == b"echo:one\r\nok\n"
    second_reader, second_writer = await asyncio.open_connection(*endpoint.address)
    second_writer.write(b"M118 E1 two\n")
    assert await asyncio.wait_for(second_reader.readuntil(b"ok\n"), PATIENCE) == b"echo:two\r\nok\n"
    assert await is_hung_up(first_reader)
    board.faults.arm(catalogue.unplug())
    endpoint.pump.turn()
    assert await is_hung_up(second_reader)
    for writer in (first_writer, second_writer):
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    await endpoint.close()


async def test_an_address_that_is_taken() -> None:
    endpoint = TcpEndpoint(Board("marlin-stock"))
    await endpoint.open("127.0.0.1", 0)
    other = TcpEndpoint(Board("marlin-stock"))
    with pytest.raises(ListenRefused, match="cannot listen at 127"):
        await other.open(*endpoint.address)
    await other.close()
    await endpoint.close()


# -- the command ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[IO[str]]:
    """The command, and what it says."""
    command = [sys.executable, "-m", "firmware_sim", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield process.stdout
        finally:
            process.terminate()


def test_the_command_serves_tcp_with_a_plan_and_rates(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text('[[fault]]\nname = "ok-doubled"\n')
    command = [
        "tcp", "--listen", "127.0.0.1:0", "--faults", str(plan),
        "--rates", "ok-garbled=0.0", "--baud", "250000", "--personality", "marlin-stock",
    ]  # fmt: skip

    async def talk(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"M118 E1 hi\n")
        said = await asyncio.wait_for(reader.readuntil(b"ok\nok\n"), PATIENCE)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        return said

    with running(*command) as stdout:
        ready = stdout.readline()
        assert ready.startswith("ready tcp://127.0.0.1:")
        # The banner may still be under way at this rate.
        assert asyncio.run(talk(int(ready.rpartition(":")[2]))).endswith(b"echo:hi\r\nok\nok\n")


def test_the_command_replays_a_wire_log(tmp_path: Path) -> None:
    link = tmp_path / "tty"
    with running("replay", str(WIRELOG), "--link", str(link)) as stdout:
        assert stdout.readline() == f"ready {link}\n"
        fd = opened(link)
        os.write(fd, b"M110 N1\n")
        assert asyncio.run(heard(fd, b"ok P15 B7\n")) == b"ok P15 B7\n"
        os.close(fd)
        assert stdout.readline() == "line 1: the host sent 'M110 N1', recorded: M110 N0\n"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["serial", "--link", "x", "--faults", "nowhere.toml"], "nowhere.toml: No such file"),
        (["serial", "--link", "x", "--rates", "ok-lots=1"], "no fault 'ok-lots'"),
        (["serial", "--link", "x", "--baud", "7"], "baud is 0 or 300 to"),
        (["tcp", "--listen", "here"], "the address is HOST:PORT"),
        (["replay", "nowhere.log", "--link", "x"], "nowhere.log: No such file"),
    ],
)
def test_arguments_that_cannot_be_had_are_told_in_one_line(
    tmp_path: Path, options: list[str], says: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "firmware_sim", *options],
        capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_fault_of_the_cable_says_so_where_there_is_none() -> None:
    plan = FaultPlan([Planned(catalogue.unplug(), Trigger(at=1.0))])
    board = Board("marlin-stock", ledger=Ledger(), faults=plan)
    board.poll(2.0)
    [entry] = board.ledger.events("fault")
    assert entry.effect == "nothing happened: there is no cable here"
