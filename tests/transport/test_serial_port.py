"""The serial port against real pseudo-terminals of this kernel."""

from __future__ import annotations

import array
import asyncio
import fcntl
import os
import termios
import threading
from pathlib import Path

import pytest
import serial

from gateway.transport import serial_port
from gateway.transport.port import PortUnavailable
from gateway.transport.serial_port import MAX_UNSENT_BYTES, open_serial
from gateway.transport.tty import TIOCGEXCL, TtyCalls, open_tty, release_tty, system_ioctl
from tests.transport.ptys import Listener, PtyMachine

TCGETS2 = 0x802C542A


def speed_of(fd: int) -> int:
    """The output speed as the kernel has it, also for speeds that have no B constant."""
    termios2 = array.array("i", [0] * 64)
    fcntl.ioctl(fd, TCGETS2, termios2)
    return termios2[10]


class WatchedSerial(serial.Serial):
    """A pyserial port that writes down every order to the modem lines."""

    orders: list[tuple[str, bool]]

    def _update_dtr_state(self) -> None:
        self.__dict__.setdefault("orders", []).append(("DTR", self._dtr_state))
        super()._update_dtr_state()

    def _update_rts_state(self) -> None:
        self.__dict__.setdefault("orders", []).append(("RTS", self._rts_state))
        super()._update_rts_state()


class WatchedIoctl:
    """Passes system calls on, or answers them itself where told to."""

    def __init__(self, answers: dict[int, list[bytes]] | None = None) -> None:
        self.requests: list[int] = []
        self.answers = answers or {}

    def __call__(self, fd: int, request: int, argument: bytes) -> bytes:
        self.requests.append(request)
        if self.answers.get(request):
            answers = self.answers[request]
            return answers.pop(0) if len(answers) > 1 else answers[0]
        return system_ioctl(fd, request, argument)


async def test_bytes_go_both_ways(machine: PtyMachine) -> None:
    listener = Listener()
    port = await open_serial(machine.path, 115200, listener)
    port.write(b"N1 M105*38\n")
    assert await machine.hear_bytes(11) == b"N1 M105*38\n"
    machine.say(b"ok T:20.0\n\xff\x00\x11\x13")
    assert await listener.until_heard(14) == b"ok T:20.0\n\xff\x00\x11\x13"  # raw: no byte is special
    port.close()
    assert listener.lost == []


async def test_a_symlink_is_as_good_as_the_device(machine: PtyMachine, tmp_path: Path) -> None:
    link = tmp_path / "usb-Prusa_Research"
    link.symlink_to(machine.path)
    listener = Listener()
    port = await open_serial(str(link), 250000, listener)
    machine.say(b"start\n")
    assert await listener.until_heard(6) == b"start\n"
    port.close()


@pytest.mark.parametrize("baud", [115200, 230400, 250000, 500000, 1000000, 123456])
def test_the_speed_arrives_in_the_kernel(machine: PtyMachine, baud: int) -> None:
    tty = open_tty(machine.path, baud, TtyCalls())
    assert speed_of(tty.fileno()) == baud
    release_tty(tty, TtyCalls())


def test_hupcl_is_cleared_and_reads_tell_no_data_from_no_device(machine: PtyMachine) -> None:
    before = os.open(machine.path, os.O_RDWR | os.O_NOCTTY)
    attributes = termios.tcgetattr(before)
    attributes[2] |= termios.HUPCL
    termios.tcsetattr(before, termios.TCSANOW, attributes)
    tty = open_tty(machine.path, 250000, TtyCalls())
    after = termios.tcgetattr(tty.fileno())
    assert not after[2] & termios.HUPCL
    assert after[6][termios.VMIN] in (1, b"\x01")
    with pytest.raises(BlockingIOError):
        os.read(tty.fileno(), 1)
    release_tty(tty, TtyCalls())
    assert not termios.tcgetattr(before)[2] & termios.HUPCL, "and so it stays when the port is closed"
    os.close(before)


def test_hupcl_is_cleared_even_when_the_speed_is_refused(machine: PtyMachine) -> None:
    # The kernel has raised DTR by then; a close with HUPCL would lower it and the board would reset.
    class Slow(serial.Serial):
        def _set_special_baudrate(self, baudrate: int) -> None:
            raise ValueError("Failed to set custom baud rate")

    before = os.open(machine.path, os.O_RDWR | os.O_NOCTTY)
    attributes = termios.tcgetattr(before)
    attributes[2] |= termios.HUPCL
    termios.tcsetattr(before, termios.TCSANOW, attributes)
    with pytest.raises(PortUnavailable, match="cannot run at 250000 baud"):
        open_tty(machine.path, 250000, TtyCalls(new_serial=Slow))
    assert not termios.tcgetattr(before)[2] & termios.HUPCL
    os.close(before)


def test_dtr_is_raised_and_never_lowered(machine: PtyMachine) -> None:
    watched: list[WatchedSerial] = []

    def new_serial() -> serial.Serial:
        watched.append(WatchedSerial())
        return watched[-1]

    ioctl = WatchedIoctl()
    calls = TtyCalls(new_serial=new_serial, ioctl=ioctl)
    tty = open_tty(machine.path, 115200, calls)
    release_tty(tty, calls)
    assert ("DTR", True) in watched[0].orders
    assert all(is_up for _, is_up in watched[0].orders)
    assert termios.TIOCMBIC not in ioctl.requests
    assert termios.TIOCMSET not in ioctl.requests


def test_hardware_gets_the_exclusive_mode_and_gives_it_back(machine: PtyMachine) -> None:
    ioctl = WatchedIoctl()
    calls = TtyCalls(ioctl=ioctl, set_exclusive=lambda fd: True)
    tty = open_tty(machine.path, 115200, calls)
    assert system_ioctl(tty.fileno(), TIOCGEXCL, b"\0" * 4) == b"\1\0\0\0"
    release_tty(tty, calls)
    assert ioctl.requests[-2:] == [termios.TIOCEXCL, termios.TIOCNXCL]
    again = open_tty(machine.path, 115200, calls)
    release_tty(again, calls)


def test_a_pseudo_terminal_gets_no_exclusive_mode(machine: PtyMachine) -> None:
    # Its flag would outlive this program, because the machine's side keeps the tty open.
    tty = open_tty(machine.path, 115200, TtyCalls())
    assert system_ioctl(tty.fileno(), TIOCGEXCL, b"\0" * 4) == b"\0\0\0\0"
    release_tty(tty, TtyCalls())


def test_releasing_twice_is_once(machine: PtyMachine) -> None:
    tty = open_tty(machine.path, 115200, TtyCalls())
    release_tty(tty, TtyCalls())
    release_tty(tty, TtyCalls())
    assert not tty.is_open


@pytest.mark.parametrize("size", [100, 4096, 60000])
async def test_what_was_said_while_nobody_listened_is_dropped(machine: PtyMachine, size: int) -> None:
    assert machine.say_much(size) >= min(size, 4096)
    listener = Listener()
    port = await open_serial(machine.path, 115200, listener)
    machine.say(b"fresh\n")
    assert await listener.until_heard(6) == b"fresh\n"
    port.close()


async def test_short_writes_are_finished_in_order(machine: PtyMachine) -> None:
    listener = Listener()
    port = await open_serial(machine.path, 115200, listener)
    lines = [b"N%d G1 X%d Y%d E%d*%d\n" % (n, n % 200, n % 190, n, n % 256) for n in range(1500)]
    for line in lines:
        port.write(line)
    assert port.unsent > 0, "the pty was meant to be full"
    everything = b"".join(lines)
    assert await machine.hear_bytes(len(everything)) == everything
    assert port.unsent == 0
    port.write(b"M105\n")
    assert await machine.hear_bytes(5) == b"M105\n"
    port.close()


async def test_a_device_that_takes_nothing_is_given_up(machine: PtyMachine) -> None:
    listener = Listener()
    port = await open_serial(machine.path, 115200, listener)
    line = b"G1 X10\n" * 1000
    while port.unsent <= MAX_UNSENT_BYTES:
        port.write(line)
    assert listener.lost == [], "never told from within write()"
    assert "takes no bytes any more" in await listener.until_lost()
    assert len(listener.lost) == 1
    port.write(b"M105\n")
    assert port.unsent == 0


async def test_unplugging_is_told_once(machine: PtyMachine) -> None:
    listener = Listener()
    port = await open_serial(machine.path, 115200, listener)
    machine.say(b"ok\n")
    assert await listener.until_heard(3) == b"ok\n"
    machine.unplug()
    port.write(b"M105\n")
    port.write(b"M105\n")
    assert "gone" in await listener.until_lost() or "failed" in listener.lost[0]
    for _ in range(3):
        await asyncio.sleep(0)
    assert len(listener.lost) == 1
    port.close()
    port.write(b"M105\n")
    assert len(listener.lost) == 1


async def test_unplugging_while_silent_is_noticed(machine: PtyMachine) -> None:
    listener = Listener()
    await open_serial(machine.path, 115200, listener)
    machine.unplug()
    assert "unplugged or switched off" in await listener.until_lost()


async def test_close_is_silent_and_idempotent(machine: PtyMachine) -> None:
    listener = Listener()
    port = await open_serial(machine.path, 115200, listener)
    machine.say(b"too late\n")
    port.close()
    port.close()
    port.write(b"M105\n")
    await asyncio.sleep(0)
    assert (listener.data, listener.lost, machine.hear()) == (b"", [], b"")


async def test_close_lets_the_kernel_send_what_it_took(machine: PtyMachine) -> None:
    # A pty has no such buffer of its own: TIOCOUTQ is answered as a UART would, 3 times "still 64 bytes".
    waiting = [(64).to_bytes(4, "little")] * 3 + [bytes(4)]
    ioctl = WatchedIoctl({termios.TIOCOUTQ: waiting})
    listener = Listener()
    port = await open_serial(machine.path, 115200, listener, calls=TtyCalls(ioctl=ioctl))
    port.write(b"M112\n")
    port.close()
    for thread in threading.enumerate():
        if thread.name.startswith("closing "):
            thread.join(serial_port.CLOSE_DRAIN_SECONDS * 3)
    assert ioctl.requests.count(termios.TIOCOUTQ) == 4
    assert ioctl.requests[-1] == termios.TIOCNXCL, "closed behind the last byte"
    assert machine.hear() == b"M112\n"


async def test_a_port_dropped_while_opening_is_closed(machine: PtyMachine) -> None:
    closed = asyncio.Event()
    gate = threading.Event()
    loop = asyncio.get_running_loop()

    class Slow(serial.Serial):
        def open(self) -> None:
            gate.wait(10)
            super().open()

        def close(self) -> None:
            super().close()
            loop.call_soon_threadsafe(closed.set)

    opening = asyncio.create_task(
        open_serial(machine.path, 115200, Listener(), calls=TtyCalls(new_serial=Slow)), name="opening"
    )
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    gate.set()
    await asyncio.wait_for(closed.wait(), 10)
    port = await open_serial(machine.path, 115200, Listener())
    port.close()


async def test_opening_failures_come_out_of_the_thread(tmp_path: Path) -> None:
    with pytest.raises(PortUnavailable, match="is not there"):
        await open_serial(str(tmp_path / "ttyUSB0"), 115200, Listener())
