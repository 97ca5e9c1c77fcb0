"""A board behind a pseudo-terminal: what `/dev/serial/by-id/…` is for a real printer.

The slave side stays open here too, so that a host may close and open again without the machine noticing (no
EIO, and - as on real ptys - what the machine said meanwhile waits for the next opener). While the board's
receive side is full nothing is read: the host's writes become short and then block, as with USB flow control.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import struct
import tty
from pathlib import Path

from firmware_sim.endpoints.pump import Pump
from firmware_sim.machine.board import Board

READ_BYTES = 4096
MAX_UNREAD_BYTES = 1 << 20
"""What the machine may have said unread; beyond that it is lost, and the ledger says so."""


OWNER_CHECK_SECONDS = 0.5
"""How often a dead owner of the exclusive lock is looked for, and only while the host says nothing."""
TIOCNXCL = 0x540D
TIOCGEXCL = 0x80045440


class LinkRefused(OSError):
    """No link can be made at the path: it is taken by something that is no symlink, or there is no folder."""


class PtyEndpoint:
    """One board on one pty, reachable through the symlink `link`."""

    def __init__(self, board: Board, link: Path, *, speed: float = 1.0) -> None:
        self._link = link
        self._out = bytearray()
        self._reading = False
        self._writing = False
        self._loop = asyncio.get_running_loop()
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.device = os.ttyname(self._slave)
        try:
            self._make_link()
        except OSError:
            os.close(self._master)
            os.close(self._slave)
            raise
        self.pump = Pump(board, self._say, speed=speed)
        self.pump.on_room = self._balance_reading
        self._heard_since_check = False
        self._owner_check = self._loop.call_later(OWNER_CHECK_SECONDS, self._check_owner)
        self.pump.turn()

    def close(self) -> None:
        """Stop the machine, close the pty, remove the link if it is still ours."""
        self.pump.stop()
        self._owner_check.cancel()
        self._loop.remove_reader(self._master)
        self._loop.remove_writer(self._master)
        os.close(self._master)
        os.close(self._slave)
        with contextlib.suppress(OSError):
            if os.readlink(self._link) == self.device:
                self._link.unlink()

    def _make_link(self) -> None:
        if os.path.lexists(self._link) and not self._link.is_symlink():
            raise LinkRefused(f"{self._link} exists and is not a symlink; it is left alone")
        fresh = self._link.with_name(f".{self._link.name}.{os.getpid()}")
        try:
            with contextlib.suppress(FileNotFoundError):
                fresh.unlink()
            fresh.symlink_to(self.device)
            fresh.rename(self._link)
        except OSError as error:
            raise LinkRefused(f"no link at {self._link}: {error.strerror}") from error

    def _balance_reading(self) -> None:
        """Read exactly while the board has room."""
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
        self.pump.feed(data)

    def _check_owner(self) -> None:
        """Undo the exclusive lock (TIOCEXCL) of a host that was killed.

        A real port forgets it with the last close; here the slave never sees a last close, and the next host
        would be told that the port is busy.
        """
        self._owner_check = self._loop.call_later(OWNER_CHECK_SECONDS, self._check_owner)
        if not self._heard_since_check and self._is_locked() and not opened_elsewhere(self.device):
            fcntl.ioctl(self._slave, TIOCNXCL)
        self._heard_since_check = False

    def _is_locked(self) -> bool:
        try:
            answer = fcntl.ioctl(self._slave, TIOCGEXCL, struct.pack("i", 0))
        except OSError:
            return False
        return bool(struct.unpack("i", answer)[0])

    def _say(self, data: bytes) -> None:
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
