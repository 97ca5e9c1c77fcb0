"""A serial device as a Port: pyserial opens it, the event loop reads and writes its descriptor.

Measured against pyserial-asyncio and threads, `add_reader` with os.read/os.write costs the least processor
time a line, which is what decides how many printers a small host carries.
"""

from __future__ import annotations

import asyncio
import os
import struct
import termios
import threading
import time

import serial

from gateway.transport.port import Port, PortListener
from gateway.transport.tty import TtyCalls, open_tty, release_tty

#: Bytes read at one wake-up: what the kernel's line discipline holds at most.
READ_BYTES = 4096
#: Bytes kept for a device that does not take them. A window is below 1 KiB; this much means it is stuck.
MAX_UNSENT_BYTES = 64 * 1024
#: Seconds that bytes the kernel already took may need to leave after `close`: 4 KiB at 115200 baud take 0.36.
#: Cutting them off would leave half a line in the firmware ("M104 S2" of "M104 S210"), or lose an M112.
CLOSE_DRAIN_SECONDS = 1.0
_DRAIN_STEP_SECONDS = 0.005

_SYSTEM = TtyCalls()


async def open_serial(device: str, baud: int, listener: PortListener, *, calls: TtyCalls = _SYSTEM) -> Port:
    """Open `device` and join it to `listener`.

    Raises PortUnavailable with a text that says what to do. Opening runs in a worker thread: a USB driver may
    take seconds, and other printers of this process must not wait for it.
    """
    loop = asyncio.get_running_loop()
    opening = loop.run_in_executor(None, open_tty, device, baud, calls)
    try:
        tty = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(lambda done: _close_orphan(done, calls))
        raise
    return SerialPort(tty, device, listener, loop, calls)


def _close_orphan(opening: asyncio.Future[serial.Serial], calls: TtyCalls) -> None:
    if not opening.cancelled() and opening.exception() is None:
        release_tty(opening.result(), calls)


class SerialPort:
    """An open tty. One owner, one life: `close` or `port_lost` ends it."""

    def __init__(
        self,
        tty: serial.Serial,
        device: str,
        listener: PortListener,
        loop: asyncio.AbstractEventLoop,
        calls: TtyCalls,
    ) -> None:
        self._tty = tty
        self._fd = tty.fileno()
        self._device = device
        self._listener = listener
        self._loop = loop
        self._calls = calls
        self._unsent = bytearray()
        self._is_open = True
        loop.add_reader(self._fd, self._readable)

    @property
    def unsent(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return len(self._unsent)

    def write(self, data: bytes) -> None:
        """Queue bytes; what the kernel does not take at once follows when it can. Ignored after the end."""
        if not self._is_open or not data:
            return
        if self._unsent:
            self._keep(data)
            return
        try:
            taken = os.write(self._fd, data)
        except (BlockingIOError, InterruptedError):
            taken = 0
        except OSError as error:
            self._lose_soon(f"writing to {self._device} failed: {error.strerror}")
            return
        if taken < len(data):
            self._keep(data[taken:])
            self._loop.add_writer(self._fd, self._writable)

    def close(self) -> None:
        """Close; DTR stays asserted. What the kernel has taken still goes out, what it has not is dropped."""
        if not self._is_open:
            return
        self._detach()
        if self._kernel_backlog() == 0:
            release_tty(self._tty, self._calls)
        else:
            threading.Thread(
                target=self._release_when_drained, name=f"closing {self._device}", daemon=False
            ).start()

    def _keep(self, data: bytes) -> None:
        self._unsent += data
        if len(self._unsent) > MAX_UNSENT_BYTES:
            self._lose_soon(
                f"{self._device} takes no bytes any more ({len(self._unsent)} are waiting): "
                "the printer hangs; switch it off and on"
            )

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(self._gone(error.strerror))
            return
        if data:
            self._listener.bytes_received(data)
        else:
            self._lose(self._gone("hung up"))

    def _writable(self) -> None:
        try:
            taken = os.write(self._fd, self._unsent)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(f"writing to {self._device} failed: {error.strerror}")
            return
        del self._unsent[:taken]
        if not self._unsent:
            self._loop.remove_writer(self._fd)

    def _gone(self, how: str | None) -> str:
        return f"{self._device} is gone ({how}): was the printer unplugged or switched off?"

    def _lose_soon(self, reason: str) -> None:
        # Not from within write(): the writer is in the middle of its own thoughts.
        self._loop.call_soon(self._lose, reason)

    def _lose(self, reason: str) -> None:
        if not self._is_open:
            return
        self._detach()
        release_tty(self._tty, self._calls)
        self._listener.port_lost(reason)

    def _detach(self) -> None:
        self._is_open = False
        self._unsent.clear()
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)

    def _kernel_backlog(self) -> int:
        try:
            answer = self._calls.ioctl(self._fd, termios.TIOCOUTQ, struct.pack("i", 0))
        except OSError:
            return 0
        (waiting,) = struct.unpack("i", answer)
        return int(waiting)

    def _release_when_drained(self) -> None:
        until = time.monotonic() + CLOSE_DRAIN_SECONDS
        while self._kernel_backlog() > 0 and time.monotonic() < until:
            time.sleep(_DRAIN_STEP_SECONDS)
        try:
            termios.tcflush(self._fd, termios.TCOFLUSH)  # else close() may wait 30 s for a dead device
        except termios.error:
            pass
        release_tty(self._tty, self._calls)
