"""`StartRecord` in a small file a printer: one line, replaced whole, and flushed with its folder.

One thread writes for all printers, so the event loop waits for no disk, and no two writes meet. A start is
noted twice, which is two flushes each.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Final

FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700
#: Bytes read of the file; a word and a UUID are 47.
_MOST_BYTES: Final = 256


class StartRecords:
    """Those of all printers, below `folder`. `close` waits for the write that is under way."""

    def __init__(self, folder: Path, *, flush: Callable[[int], None] = os.fsync) -> None:
        """`folder` is made with the first start; `flush` gets file descriptors."""
        self._folder = folder
        self._flush = flush
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="start-record")

    def of(self, printer: str) -> StartRecordFile:
        """`printer` must be fit for a file name, as configured names are."""
        return StartRecordFile(self._folder / f"{printer}.start", self._writer, self._flush)

    def close(self) -> None:
        """Nothing is noted any more: what is asked for from now on raises RuntimeError."""
        self._writer.shutdown(wait=True, cancel_futures=True)


class StartRecordFile:
    """drivers.start_record.StartRecord."""

    def __init__(self, path: Path, writer: Executor, flush: Callable[[int], None]) -> None:
        """`writer` must do one thing after the other, in order."""
        self._path = path
        self._writer = writer
        self._flush = flush

    async def preparing(self, key: str) -> None:
        """See the protocol."""
        await self._note(_preparing(key))

    async def sending(self, key: str) -> None:
        """See the protocol."""
        await self._note(f"sending {key}\n")

    def is_unsent(self, key: str) -> bool:
        """See the protocol."""
        try:
            with self._path.open("rb") as file:
                return file.read(_MOST_BYTES) == _preparing(key).encode()
        except OSError:
            return False

    async def _note(self, line: str) -> None:
        await asyncio.get_running_loop().run_in_executor(self._writer, self._write, line)

    def _write(self, line: str) -> None:
        folder = self._path.parent
        if not folder.is_dir():
            folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            self._flush_folder(folder.parent)
        fresh = self._path.with_name(f"{self._path.name}.new")
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
        with os.fdopen(fd, "wb") as file:
            file.write(line.encode())
            file.flush()
            self._flush(fd)
        os.replace(fresh, self._path)  # whole or not there
        self._flush_folder(folder)

    def _flush_folder(self, folder: Path) -> None:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._flush(fd)
        finally:
            os.close(fd)


def _preparing(key: str) -> str:
    return f"preparing {key}\n"
