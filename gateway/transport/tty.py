"""Opening and configuring a serial device; all of it blocking, for a worker thread.

The order of the steps is the point. Opening a tty raises DTR, and the last close lowers it again while HUPCL
is set; an Arduino-class board resets on every rise of DTR. A board that prints must not be reset by its own
host, so a probe descriptor comes first: it finds out whether somebody else owns the port, clears HUPCL
before anything can be closed, and stays open until pyserial has the port. From then on DTR stays up, also
when this program dies.

Two locks guard a port, because each alone leaks: `flock` is advisory (a program that does not ask gets in),
and TIOCEXCL (no further open at all) does not bind root. Both are set and both are looked at.
A pseudo-terminal gets no TIOCEXCL: the flag lives as long as *anybody* has the tty open, and a simulator or
Klipper keeps its own side open for ever, so a host killed with SIGKILL would lock itself out of the printer.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import termios
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import serial

from gateway.transport import port_trouble
from gateway.transport.fd_store import NO_KEEPER, PortKeeper
from gateway.transport.port import PortUnavailable

#: One system call on a descriptor: (fd, request, argument) -> answer. An argument so that tests can watch.
Ioctl = Callable[[int, int, bytes], bytes]

#: "Is the tty in exclusive mode?"; Linux >= 3.8, asm-generic number (x86, arm, riscv).
TIOCGEXCL: int = getattr(termios, "TIOCGEXCL", 0x80045440)
#: Device majors of pseudo-terminal slaves (Linux, Documentation/admin-guide/devices.txt).
PTY_SLAVE_MAJORS = range(136, 144)
_CFLAG = 2  # index in what termios.tcgetattr returns


def system_ioctl(fd: int, request: int, argument: bytes) -> bytes:
    """The real thing."""
    return fcntl.ioctl(fd, request, argument)


def is_hardware(fd: int) -> bool:
    """Whether the tty is a real device (USB, UART) and not a pseudo-terminal."""
    return os.major(os.fstat(fd).st_rdev) not in PTY_SLAVE_MAJORS


@dataclass(frozen=True, slots=True)
class TtyCalls:
    """What opening a port does to the world, as arguments."""

    new_serial: Callable[[], serial.Serial] = serial.Serial
    ioctl: Ioctl = system_ioctl
    set_exclusive: Callable[[int], bool] = is_hardware  # whether this tty gets TIOCEXCL
    proc: Path = port_trouble.PROC
    by_id: Path = port_trouble.BY_ID
    keeper: PortKeeper = NO_KEEPER


def open_tty(device: str, baud: int, calls: TtyCalls) -> serial.Serial:
    """Open `device` at `baud`, 8N1 raw, locked, HUPCL cleared, DTR up, stale input gone.

    Blocks for as long as the driver takes (USB control transfers). Raises PortUnavailable.
    """
    try:
        with calls.keeper.beside_inherited(device):
            tty = _open(device, baud, calls)
        calls.keeper.opened(tty.fileno())
        return tty
    except PortUnavailable:
        raise
    except (OSError, ValueError, OverflowError, termios.error) as error:
        raise port_trouble.explain(device, baud, _as_os_error(error), calls.proc, calls.by_id) from error


def release_tty(tty: serial.Serial, calls: TtyCalls) -> None:
    """Close, giving the locks back. DTR is left as it is (HUPCL was cleared at open).

    A copy that is kept for the next process keeps the locks too: nobody else gets in meanwhile.
    """
    if not tty.is_open:
        return
    if not calls.keeper.closing():
        try:
            fcntl.flock(tty.fileno(), fcntl.LOCK_UN)  # closing is not enough: a copy may be in the store yet
            calls.ioctl(tty.fileno(), termios.TIOCNXCL, b"")
        except OSError:
            pass  # unplugged: nothing is left to give back
    tty.close()


def _open(device: str, baud: int, calls: TtyCalls) -> serial.Serial:
    if baud <= 0:
        raise ValueError("baud 0 means hang up")  # and would lower DTR
    probe = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not os.isatty(probe):
            raise OSError(errno.ENOTTY, "not a tty")
        if _is_claimed(probe, calls):
            os.close(probe)
            probe = -1  # before the search, which would find this very descriptor
            raise port_trouble.in_use(device, calls.proc)
        _clear_hupcl(probe)
        tty = _configure(device, baud, calls)
    finally:
        if probe >= 0:
            os.close(probe)
    return tty


def _is_claimed(fd: int, calls: TtyCalls) -> bool:
    """Whether another program has locked the port in either way. Leaves no lock behind."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(fd, fcntl.LOCK_UN)  # pyserial's own descriptor takes it; ours would be in its way
    try:
        (exclusive,) = struct.unpack("i", calls.ioctl(fd, TIOCGEXCL, struct.pack("i", 0)))
    except OSError:
        return False  # a kernel or a tty that cannot be asked
    return bool(exclusive)


def _clear_hupcl(fd: int) -> None:
    attributes = termios.tcgetattr(fd)
    attributes[_CFLAG] &= ~termios.HUPCL
    termios.tcsetattr(fd, termios.TCSANOW, attributes)


def _configure(device: str, baud: int, calls: TtyCalls) -> serial.Serial:
    tty = calls.new_serial()
    tty.port = device
    tty.baudrate = baud
    tty.exclusive = True
    tty.timeout = 0
    # VMIN=1: with VMIN=0 a read without data returns b'', the very sign of an unplugged device.
    tty.inter_byte_timeout = 0
    tty.open()  # raises DTR and RTS, never lowers them; TCIFLUSH drops what came while nobody listened
    try:
        if calls.set_exclusive(tty.fileno()):
            calls.ioctl(tty.fileno(), termios.TIOCEXCL, b"")
    except BaseException:
        release_tty(tty, calls)
        raise
    return tty


def _as_os_error(error: Exception) -> Exception:
    """termios.error and pyserial's wrapped errors carry the errno in other places than OSError does."""
    if isinstance(error, termios.error):
        return OSError(*error.args)
    if isinstance(error, serial.SerialException) and error.errno is None:
        cause = error.__context__
        if isinstance(cause, termios.error):
            return OSError(*cause.args)
    return error
