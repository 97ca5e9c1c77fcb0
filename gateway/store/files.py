"""The content of print files, addressed by its SHA-256 and immutable.

    <root>/ab/cd/abcd...        0640, there whole or not at all
    <root>/.incoming/<number>   uploads under way; what a crash left there is removed at start

An upload is written beside its destination, on the same filesystem; `finish` makes the bytes durable (fsync),
then gives them their name (rename), then makes the name durable (fsync of the folder). Writing and hashing
happen in threads: a slow SD card must not stop the loop.

Content goes when no row names it (`store.expiry`). An upload that was finished is not named yet, and may have
found its content there already: it holds it, for longer than any row needs to follow. Before it gets its name
it is noted (`store.loose`): if no row ever follows, because the process died or the task was canceled, it is
found by that. Content goes by being renamed to what a crash left: between the rows that name content and its
removal nothing can come.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import TypeVar

from gateway.store.reserve import Reserve
from gateway.store.trouble import explained_os

T = TypeVar("T")

INCOMING = ".incoming"
#: Content is for the service and its group (a backup, a camera script); nobody else.
CONTENT_MODE = 0o640
FOLDER_MODE = 0o750
#: Uploads that write at the same time; more only makes a disk seek.
WRITERS = 2
#: Seconds for which finished content stays, named by a row or not: the row follows within some.
HELD_SECONDS = 3600.0

#: `os.write`: how many of the bytes were taken.
Write = Callable[[int, bytes], int]
#: `LooseContents.note`: durable once it is awaited.
Note = Callable[[str], Awaitable[None]]


class Files:
    """`gateway.engine.ports.Files` in a folder that belongs to one gateway.

    `Files(root)` creates the folder, removes leftovers of uploads that a crash cut off, and blocks for that;
    raises StoreUnavailable. `write` stands in for `os.write`, `monotonic` gives seconds that never jump,
    `note` takes the hash of what is about to be finished; without one, what no row names is never found.
    `reserve` is what stays free; left out, nothing does.
    """

    def __init__(
        self,
        root: Path | str,
        write: Write = os.write,
        monotonic: Callable[[], float] = time.monotonic,
        note: Note | None = None,
        reserve: Reserve | None = None,
    ) -> None:
        self._reserve = reserve or Reserve(0)
        self._root = Path(root).absolute()
        self._write = write
        self._monotonic = monotonic
        self._note = note
        self._naming = threading.Lock()  # held while content gets its name, or loses it
        self._held: OrderedDict[str, float] = OrderedDict()  # hash -> when it was finished last, oldest first
        self._numbers = count(1)
        self._threads = ThreadPoolExecutor(WRITERS, thread_name_prefix="store-files")
        incoming = self._root / INCOMING
        try:
            incoming.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            for leftover in incoming.iterdir():
                leftover.unlink()
        except OSError as error:
            raise explained_os(error, str(self._root)) from error

    def path_of(self, sha256: str) -> str:
        """Absolute path of the content, whether it is there or not; ValueError for what is no SHA-256."""
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise ValueError(f"no SHA-256 in lower-case hex: {sha256!r}")
        return str(self._root / sha256[:2] / sha256[2:4] / sha256)

    async def begin(self, expected: int = 0) -> Upload:
        """Start an upload of about so many bytes, as far as known; raises StoreFull, StoreUnavailable."""
        path = self._root / INCOMING / f"{os.getpid()}-{next(self._numbers)}"

        def step() -> int:
            self._reserve.must_fit(self._root, expected)
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

        return Upload(self, path, await self._run(path, step))

    def must_fit(self, size: int) -> None:
        """Raises StoreFull if so many bytes more would touch the reserve; OSError. Quick, and blocks."""
        self._reserve.must_fit(self._root, size)

    def take_away(self, sha256: str) -> list[Path] | None:
        """Take its name from content that no row names; None: it stays, an upload holds it.

        Gives what is to be handed to `delete`: nothing if it was not there. Quick, and blocks; raises
        OSError. For the thread that commits: no row can come that names it before this is done.
        """
        with self._naming:
            self._let_go()
            if sha256 in self._held:
                return None
            content = Path(self.path_of(sha256))
            if not content.exists():
                return []
            return [content.rename(self._root / INCOMING / f"{os.getpid()}-{next(self._numbers)}")]

    async def delete(self, taken: Iterable[Path]) -> None:
        """Free what was taken away; raises StoreUnavailable, and then the next start does it."""
        for path in taken:
            await self._run(path, path.unlink)

    def close(self) -> None:
        """Wait for the pieces under way. Uploads that were not finished are removed at the next start."""
        self._threads.shutdown()

    async def _run(self, path: Path, step: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, step)
        except OSError as error:
            raise explained_os(error, str(path)) from error

    def _take(self, fd: int, chunk: bytes) -> None:
        self.must_fit(len(chunk))
        while chunk:
            chunk = chunk[self._write(fd, chunk) :]

    async def _announce(self, sha256: str) -> None:
        """Note it and hold it, before it is there: a sweep finds it, and leaves it for the row to come."""
        with self._naming:
            self._hold(sha256)
        if self._note is not None:
            await self._note(sha256)

    def _keep(self, temporary: Path, fd: int, sha256: str, size: int) -> None:
        """Give finished content its name, or drop it when the name has the same content already."""
        content = Path(self.path_of(sha256))
        with self._naming:
            self._hold(sha256)
            is_there = _has_size(content, size)
        if is_there:
            temporary.unlink()
            return
        os.fsync(fd)
        os.fchmod(fd, CONTENT_MODE)
        folders = (content.parent.parent, content.parent)
        for folder in folders:
            folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        with self._naming:
            self._hold(sha256)
            temporary.rename(content)
        for folder in (self._root, *folders):
            _fsync_folder(folder)

    def _hold(self, sha256: str) -> None:
        self._let_go()
        self._held[sha256] = self._monotonic()
        self._held.move_to_end(sha256)

    def _let_go(self) -> None:
        """Of what was finished long ago; so no more are held than uploads come in that time."""
        long_ago = self._monotonic() - HELD_SECONDS
        while self._held and next(iter(self._held.values())) <= long_ago:
            self._held.popitem(last=False)


class Upload:
    """`gateway.engine.ports.Upload`: content on its way in, by one task. After any error it is discarded."""

    def __init__(self, files: Files, path: Path, fd: int) -> None:
        self._files = files
        self._path = path
        self._fd: int | None = fd
        self._digest = hashlib.sha256()
        self._size = 0
        self._step = threading.Lock()  # held while a thread uses the descriptor

    @property
    def temporary_path(self) -> str:
        """Where the bytes lie before `finish`, so that they can be looked at first."""
        return str(self._path)

    async def write(self, chunk: bytes) -> None:
        """Append a piece; raises StoreUnavailable, StoreFull when the disk is, and frees what was written."""

        def step(fd: int) -> None:
            self._files._take(fd, chunk)
            self._digest.update(chunk)
            self._size += len(chunk)

        await self._or_discard(step)

    async def finish(self) -> tuple[str, int]:
        """Make it durable under its hash and give (sha256, size in bytes); raises StoreUnavailable."""

        sha256 = self._digest.hexdigest()

        def step(fd: int) -> None:
            self._files._keep(self._path, fd, sha256, self._size)
            self._fd = None
            os.close(fd)

        await self._or_discard(step, lambda: self._files._announce(sha256))
        return sha256, self._size

    async def discard(self) -> None:
        """Throw it away. Idempotent; does nothing after `finish`."""
        if self._fd is not None:
            await self._files._run(self._path, self._drop)

    async def _or_discard(
        self, step: Callable[[int], None], before: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Run a step on the descriptor; whatever goes wrong, also a cancelled task, ends the upload."""
        if self._fd is None:
            raise ValueError("this upload is over")
        try:
            if before is not None:
                await before()
            await self._files._run(self._path, lambda: self._locked(step))
        except BaseException:
            await self.discard()
            raise

    def _locked(self, step: Callable[[int], None]) -> None:
        # A cancelled task leaves its thread running: the descriptor must not be closed (and its number given
        # to another file) under a thread that writes.
        with self._step:
            if self._fd is not None:
                step(self._fd)

    def _drop(self) -> None:
        with self._step:
            if self._fd is not None:
                os.close(self._fd)
                self._fd = None
                self._path.unlink(missing_ok=True)


def _has_size(content: Path, size: int) -> bool:
    """Whether the content is there; a file of another size under this name was damaged and is replaced."""
    try:
        return content.stat().st_size == size
    except FileNotFoundError:
        return False


def _fsync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
