"""A board behind a pseudo-terminal: what `/dev/serial/by-id/…` is for a real printer.

The slave side stays open here too, so that a host may close and open again without the machine noticing (no
EIO, and - as on real ptys - what the machine said meanwhile waits for the next opener). While the board's
receive side is full nothing is read: the host's writes become short and then block, as with USB flow control.

Pulling the cable closes both sides: the host sees a hang-up. Each plugging makes a new pty, and the links
lead to it; `by_id` is such a link in a folder of its own, as `/dev/serial/by-id` is one.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import math
import os
import struct
import tty
from pathlib import Path

from firmware_sim.endpoints.pump import Pump
from firmware_sim.machine.board import Board
from firmware_sim.wire.link import Link

READ_BYTES = 4096
MAX_UNREAD_BYTES = 1 << 20
"""What the machine may have said unread; beyond that it is lost, and the ledger says so."""


OWNER_CHECK_SECONDS = 0.5
"""How often a dead owner of the exclusive lock is looked for, and only while the host says nothing."""
TIOCNXCL = 0x540D
TIOCGEXCL = 0x80045440
TIOCEXCL = 0x540C
TCGETS2 = 0x802C542A
_TERMIOS2 = struct.Struct("IIIIB19sII")


class LinkRefused(OSError):
    """No link can be made at the path: it is taken by something that is no symlink, or there is no folder."""


class PtyEndpoint:
    """One board on one pty, reachable through the symlink `link`, and through `by_id` if there is one.

    cable: with a rate, the host must set the same on its side, or both hear garbage.
    """

    def __init__(
        self,
        board: Board,
        link: Path,
        *,
        speed: float = 1.0,
        cable: Link | None = None,
        by_id: Path | None = None,
    ) -> None:
        self._first_link = self._link = link
        self._by_id = by_id
        self._speed = speed
        self._out = bytearray()
        self._reading = False
        self._writing = False
        self._blocked_until = -math.inf
        self._plugged = 0
        self.is_plugged = False
        self._loop = asyncio.get_running_loop()
        self._replugging: asyncio.TimerHandle | None = None
        self._heard_since_check = False
        self._plug()
        self.pump = Pump(board, self._say, speed=speed, link=cable)
        self.pump.on_room = self._balance_reading
        self._owner_check = self._loop.call_later(OWNER_CHECK_SECONDS, self._check_owner)
        board.faults.cable = self
        self.pump.turn()

    def close(self) -> None:
        """Stop the machine, close the pty, remove the links if they are still ours."""
        self.pump.stop()
        self._owner_check.cancel()
        if self._replugging is not None:
            self._replugging.cancel()
        self._pull()

    # -- the plug ----------------------------------------------------------------------------------------

    def unplug(self, seconds: float = math.inf, *, elsewhere: bool = False) -> None:
        """Pull the cable for so many machine seconds; `elsewhere`: `link`.2 comes instead of `link`."""
        self._pull()
        if self.pump.link is not None:
            self.pump.link.forget()
        if elsewhere:
            self._link = self._first_link.with_name(f"{self._first_link.name}.{self._plugged + 1}")
        if self._replugging is not None:
            self._replugging.cancel()
        if seconds < math.inf:
            self._replugging = self._loop.call_later(seconds / self._speed, self.plug)

    def plug(self) -> None:
        """Put the cable back: a new pty, and the links lead to it."""
        if not self.is_plugged:
            self._plug()
            self.pump.turn()

    def block(self, seconds: float) -> None:
        """Nobody but root can open the port for so many machine seconds."""
        if self.is_plugged:
            self._blocked_until = self._loop.time() + seconds / self._speed
            fcntl.ioctl(self._slave, TIOCEXCL)

    def _plug(self) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.device = os.ttyname(self._slave)
        self.is_plugged = True
        try:
            for link in self._links():
                self._make_link(link)
        except OSError:
            self._pull()
            raise
        self._plugged += 1

    def _pull(self) -> None:
        if not self.is_plugged:
            return
        self.is_plugged = False
        self._loop.remove_reader(self._master)
        self._loop.remove_writer(self._master)
        self._reading = self._writing = False
        self._out.clear()
        for link in self._links():
            with contextlib.suppress(OSError):
                if os.readlink(link) == self.device:
                    link.unlink()
        os.close(self._slave)
        os.close(self._master)

    def _links(self) -> list[Path]:
        return [self._link] if self._by_id is None else [self._link, self._by_id]

    def _make_link(self, link: Path) -> None:
        if os.path.lexists(link) and not link.is_symlink():
            raise LinkRefused(f"{link} exists and is not a symlink; it is left alone")
        fresh = link.with_name(f".{link.name}.{os.getpid()}")
        try:
            with contextlib.suppress(FileNotFoundError):
                fresh.unlink()
            fresh.symlink_to(self.device)
            fresh.rename(link)
        except OSError as error:
            raise LinkRefused(f"no link at {link}: {error.strerror}") from error

    # -- bytes -------------------------------------------------------------------------------------------

    def _balance_reading(self) -> None:
        """Read exactly while the board has room."""
        if not self.is_plugged:
            return
        room = self.pump.rx_free()
        wanted = room is None or room > 0
        if wanted and not self._reading:
            self._loop.add_reader(self._master, self._read)
        elif self._reading and not wanted:
            self._loop.remove_reader(self._master)
        self._reading = wanted

    def _read(self) -> None:
        room = self.pump.rx_free()
        try:
            data = os.read(self._master, READ_BYTES if room is None else max(1, min(READ_BYTES, room)))
        except BlockingIOError:
            return
        self._heard_since_check = True
        self._look_at_rate()
        self.pump.feed(data)

    def _look_at_rate(self) -> None:
        """The rate that the host has set on its side is the rate at which it speaks and hears."""
        link = self.pump.link
        if link is not None and link.baud:
            answer = fcntl.ioctl(self._slave, TCGETS2, bytes(_TERMIOS2.size))
            link.host_baud = _TERMIOS2.unpack(answer)[-1]

    def _check_owner(self) -> None:
        """Undo the exclusive lock (TIOCEXCL) of a host that was killed.

        A real port forgets it with the last close; here the slave never sees a last close, and the next host
        would be told that the port is busy.
        """
        self._owner_check = self._loop.call_later(OWNER_CHECK_SECONDS, self._check_owner)
        blocked = self._loop.time() < self._blocked_until
        quiet = self.is_plugged and not blocked and not self._heard_since_check
        if quiet and self._is_locked() and not opened_elsewhere(self.device):
            fcntl.ioctl(self._slave, TIOCNXCL)
        self._heard_since_check = False

    def _is_locked(self) -> bool:
        try:
            answer = fcntl.ioctl(self._slave, TIOCGEXCL, struct.pack("i", 0))
        except OSError:
            return False
        return bool(struct.unpack("i", answer)[0])

    def _say(self, data: bytes) -> None:
        if not self.is_plugged:
            return
        if len(self._out) + len(data) > MAX_UNREAD_BYTES:
            self.pump.board.note("dropped", line=f"{len(data)} bytes", effect="nobody reads")
            return
        self._out += data
        if not self._writing:
            self._flush()

    def _flush(self) -> None:
        try:
            while self._out:
                del self._out[: os.write(self._master, self._out)]
        except BlockingIOError:
            pass
        pending = bool(self._out)
        if pending and not self._writing:
            self._loop.add_writer(self._master, self._flush)
        elif self._writing and not pending:
            self._loop.remove_writer(self._master)
        self._writing = pending


def opened_elsewhere(device: str) -> bool:
    """Whether another process has `device` open, as far as /proc tells this user."""
    own = str(os.getpid())
    for process in os.listdir("/proc"):
        if not process.isdigit() or process == own:
            continue
        with contextlib.suppress(OSError):
            for descriptor in os.listdir(f"/proc/{process}/fd"):
                with contextlib.suppress(OSError):
                    if os.readlink(f"/proc/{process}/fd/{descriptor}") == device:
                        return True
    return False
