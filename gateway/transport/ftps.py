"""A printer's storage over implicit FTPS: each call is one login in a thread of its own pool.

Transfers take minutes, so they never use the loop's own threads, where the database's neighbours wait.
Cancelling a call closes its sockets; the thread ends with them.
"""

from __future__ import annotations

import asyncio
import ftplib
import os
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, TypeVar

from gateway.transport.ftps_client import PIECE, FtpsClient
from gateway.transport.ftps_trouble import Refused, explained
from gateway.transport.storage import StorageTrouble

T = TypeVar("T")

PORT: Final = 990
#: Transfers at the same time, of all printers: beyond that they take each other's network.
TRANSFERS: Final = 8
#: Bytes a second that a printer takes at least; they take 75 to 150 kB (measured by others), and slow down
#: while they print.
SLOWEST: Final = 25_000
#: Seconds beside the bytes: connecting, logging in, the printer's last write.
MARGIN_SECONDS: Final = 60.0
#: Seconds between two words on progress.
TOLD_SECONDS: Final = 1.0
#: Bytes of names that are read to see that a data channel works: those of a thousand files. The rest is not.
MOST_NAMES: Final = 64 * 1024
_BUSY: Final = "not looked at: a file is on its way there; ask again when it is there"
#: Seconds that a thread whose sockets were closed is waited for.
ABORT_SECONDS: Final = 2.0


class FtpsThreads:
    """The threads that all printers share. Make it inside the loop, close it at the end."""

    def __init__(self, most: int = TRANSFERS) -> None:
        self.places = asyncio.Semaphore(most)
        self.pool = ThreadPoolExecutor(most, thread_name_prefix="ftps")

    def close(self) -> None:
        """No more transfers; those that run end when their calls are cancelled."""
        self.pool.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class FtpsStorage:
    """One printer's Storage. `who` and `if_refused` are for people."""

    host: str
    context: ssl.SSLContext
    threads: FtpsThreads
    username: str
    password: str = field(repr=False)
    port: int = PORT
    who: str = "the printer"
    if_refused: str = "read the access code again on the printer's screen"
    #: Names of files on their way there, also by copies of this (`replace`).
    under_way: set[str] = field(default_factory=set, repr=False, compare=False)

    async def store(self, path: str, name: str, *, told: Callable[[int], None]) -> None:
        """Upload and compare the size. Raises StorageTrouble."""
        self.under_way.add(name)
        try:
            await self._put(path, name, told)
        finally:
            self.under_way.discard(name)

    async def _put(self, path: str, name: str, told: Callable[[int], None]) -> None:
        loop = asyncio.get_running_loop()

        def tell(sent: int) -> None:
            loop.call_soon_threadsafe(told, sent)

        size = _size(path)
        await self._call(f"upload {name}", size, lambda client: _store(client, path, name, loop.time, tell))

    async def fetch(self, name: str, most_bytes: int) -> bytes:
        """Download. Raises StorageTrouble."""
        return await self._call(f"read {name}", most_bytes, lambda client: _fetch(client, name, most_bytes))

    async def delete(self, name: str) -> None:
        """Raises StorageTrouble, unless it is not there."""
        await self._call(f"delete {name}", 0, lambda client: _delete(client, name))

    async def check(self) -> str | None:
        """Log in, and read names over a data channel: both ways that a file needs. Raises StorageTrouble.

        Not while a file is on its way there, which one login more might cost its own: then this says so.
        """
        if self.under_way:
            return _BUSY
        await self._call("put print files there", 0, lambda client: client.read_names(MOST_NAMES))
        return None

    async def _call(self, what: str, size: int, work: Callable[[FtpsClient], T]) -> T:
        """`work` in a thread, logged in; `size` in bytes bounds its time."""
        client = FtpsClient(self.context)

        def run() -> T:
            try:
                client.open(self.host, self.port, self.username, self.password)
                return work(client)
            finally:
                client.close()

        seconds = MARGIN_SECONDS + size / SLOWEST
        where = f"{self.who} at {self.host}:{self.port}"
        async with self.threads.places:
            running = asyncio.get_running_loop().run_in_executor(self.threads.pool, run)
            try:
                async with asyncio.timeout(seconds):
                    return await asyncio.shield(running)
            except TimeoutError as error:
                if running.done():
                    raise explained(error, what, where, self.if_refused) from error
                await _given_up(client, running)
                raise StorageTrouble(
                    f"{where} is too slow to {what}: {seconds:.0f} s were not enough"
                ) from None
            except asyncio.CancelledError:
                await _given_up(client, running)
                raise
            except (OSError, ftplib.Error, EOFError, Refused) as error:
                raise explained(error, what, where, self.if_refused) from error


async def _given_up(client: FtpsClient, running: asyncio.Future[T]) -> None:
    """Close the sockets and see the thread end; what it says is of no interest."""
    client.abort_all()
    running.add_done_callback(lambda done: done.cancelled() or done.exception())
    await asyncio.wait({running}, timeout=ABORT_SECONDS)


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError as error:
        raise StorageTrouble(f"{path} cannot be read: {error.strerror}") from error


def _store(
    client: FtpsClient, path: str, name: str, clock: Callable[[], float], tell: Callable[[int], None]
) -> None:
    size = _size(path)
    try:
        answer = client.send(name, _pieces(path, clock, tell))
    except ftplib.Error as error:
        raise Refused(error, is_absent=_is_absent(client, name)) from error
    there = client.size_of(name)
    if there != size:
        raise StorageTrouble(
            f"of {name} {there or 0} of {size} bytes arrived on the printer ({answer[:100]}): try again",
            is_absent=there is None,
        )


def _is_absent(client: FtpsClient, name: str) -> bool:
    """Whether the printer says that there is no such file; when it says nothing, there may be."""
    try:
        return client.size_of(name) is None
    except (OSError, EOFError, ftplib.Error):
        return False


def _fetch(client: FtpsClient, name: str, most_bytes: int) -> bytes:
    size = client.size_of(name)
    if size is None:
        raise StorageTrouble(f"{name} is not on the printer", is_absent=True)
    if size > most_bytes:
        raise StorageTrouble(f"{name} has {size} bytes, more than {most_bytes}")
    found = client.receive(name, most_bytes)
    if len(found) != size:
        raise StorageTrouble(f"of {name} {len(found)} of {size} bytes came from the printer: try again")
    return found


def _delete(client: FtpsClient, name: str) -> None:
    try:
        client.delete(name)
    except ftplib.error_perm:
        if client.size_of(name) is not None:
            raise


def _pieces(path: str, clock: Callable[[], float], tell: Callable[[int], None]) -> Iterator[bytes]:
    """A file's content; what is asked for next was sent."""
    sent, due = 0, clock() + TOLD_SECONDS
    with open(path, "rb") as file:
        while piece := file.read(PIECE):
            yield piece
            sent += len(piece)
            if clock() >= due:
                due = clock() + TOLD_SECONDS
                tell(sent)
