"""A pseudo-terminal with a hand on the machine's side, and a listener that can be waited for."""

from __future__ import annotations

import asyncio
import os
import tty
from pathlib import Path


class PtyMachine:
    """The machine's side of a pty. Keeps the host's side open too, as simulators and Klipper do."""

    def __init__(self, *, keeps_slave: bool = True) -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        os.set_blocking(self.master, False)
        if not keeps_slave:
            os.close(self._slave)
            self._slave = -1

    def say(self, data: bytes) -> None:
        os.write(self.master, data)

    def say_much(self, size: int) -> int:
        """Fill the pty until it takes no more, at most `size` bytes."""
        done = 0
        while done < size:
            try:
                done += os.write(self.master, b"x" * min(4096, size - done))
            except BlockingIOError:
                break
        return done

    def hear(self, size: int = 65536) -> bytes:
        try:
            return os.read(self.master, size)
        except BlockingIOError:
            return b""

    async def hear_bytes(self, count: int) -> bytes:
        """Exactly `count` bytes, waiting for them."""
        loop = asyncio.get_running_loop()
        heard = bytearray()
        done: asyncio.Future[None] = loop.create_future()

        def readable() -> None:
            heard.extend(self.hear(count - len(heard)))
            if len(heard) >= count and not done.done():
                done.set_result(None)

        loop.add_reader(self.master, readable)
        try:
            await asyncio.wait_for(done, 60)
        finally:
            loop.remove_reader(self.master)
        return bytes(heard)

    def unplug(self) -> None:
        for fd in (self._slave, self.master):
            if fd >= 0:
                os.close(fd)
        self._slave = self.master = -1


class Listener:
    """Writes down what a port says."""

    def __init__(self) -> None:
        self.data = b""
        self.lost: list[str] = []
        self._changed = asyncio.Event()

    def bytes_received(self, data: bytes) -> None:
        assert not self.lost, "nothing follows port_lost"
        self.data += data
        self._changed.set()

    def port_lost(self, reason: str) -> None:
        self.lost.append(reason)
        self._changed.set()

    async def until_heard(self, count: int) -> bytes:
        async with asyncio.timeout(60):
            while len(self.data) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.data

    async def until_lost(self) -> str:
        async with asyncio.timeout(60):
            while not self.lost:
                self._changed.clear()
                await self._changed.wait()
        return self.lost[0]


def fake_proc(folder: Path, programs: dict[int, tuple[str, str | None]]) -> Path:
    """A /proc with programs: pid -> (name, device it has open); a None device is a folder without fds."""
    for pid, (name, device) in programs.items():
        (folder / str(pid) / "fd").mkdir(parents=True)
        (folder / str(pid) / "comm").write_text(name + "\n")
        if device is not None:
            (folder / str(pid) / "fd" / "7").symlink_to(device)
    return folder
