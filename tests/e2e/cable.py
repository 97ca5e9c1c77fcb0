"""A USB cable between a simulated printer and the host: it can be pulled, and put back as another device.

The host's side is a pseudo-terminal of its own behind a stable name, so that pulling the cable is what it is
on a real host: the tty hangs up and is gone, while the board lives on and what it says is lost.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import tty
from pathlib import Path


class Cable:
    """Carries bytes between the printer's tty and the one that `name` links to."""

    def __init__(self, printer: Path, name: Path) -> None:
        self._printer = os.open(printer, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self._printer)
        self._name = name
        self._host = -1
        self._lock = threading.Lock()
        self._is_over = False
        self._slave = -1
        self._taken: list[int] = []
        self.devices: list[str] = []
        self.plug()
        self._thread = threading.Thread(target=self._carry, name="cable", daemon=True)
        self._thread.start()

    def plug(self) -> None:
        """The kernel makes a tty, udev its stable name."""
        host, slave = os.openpty()
        if (
            os.ttyname(slave) in self.devices
        ):  # the kernel gives numbers again; a printer gets another one here
            self._taken += (host, slave)
            host, slave = os.openpty()
        tty.setraw(slave)
        self.devices.append(os.ttyname(slave))
        os.set_blocking(host, False)
        self._name.symlink_to(self.devices[-1])
        self._slave = slave
        with self._lock:
            self._host = host

    def pull(self) -> None:
        """The tty hangs up; its stable name goes."""
        with self._lock:
            self._name.unlink()
            os.close(self._slave)
            os.close(self._host)
            self._host = -1

    def close(self) -> None:
        """The test is over."""
        self._is_over = True
        self._thread.join(10)
        if self._host >= 0:
            self.pull()
        for fd in (self._printer, *self._taken):
            os.close(fd)

    def _carry(self) -> None:
        while not self._is_over:
            with self._lock, contextlib.suppress(OSError):
                ends = [self._printer] + ([self._host] if self._host >= 0 else [])
                ready = select.select(ends, [], [], 0.002)[0]
                if self._printer in ready:
                    said = os.read(self._printer, 4096)
                    if self._host >= 0:
                        os.write(self._host, said)
                if self._host in ready:
                    _write_all(self._printer, os.read(self._host, 4096))


def _write_all(fd: int, data: bytes) -> None:
    while data:
        select.select([], [fd], [], 1.0)
        with contextlib.suppress(BlockingIOError):
            data = data[os.write(fd, data) :]
