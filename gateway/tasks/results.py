"""A task's result as a file: written piece by piece into the file store, there whole or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from gateway.domain.task import TaskFile
from gateway.engine.ports import Files, Upload

#: Bytes gathered before they are handed to the store: few hops between threads.
GATHERED_BYTES: Final = 256 * 1024


class ResultFile:
    """A file in the making. `write` is for the loop, `sink` gives the same for a thread."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload
        self._gathered: list[bytes] = []
        self._size = 0

    async def write(self, piece: bytes) -> None:
        """Append; raises StoreUnavailable when the disk is full."""
        self._gathered.append(piece)
        self._size += len(piece)
        if self._size >= GATHERED_BYTES:
            await self._flush()

    def sink(self) -> Callable[[bytes], None]:
        """Append from a thread, which waits for the disk as the loop would."""
        loop = asyncio.get_running_loop()
        return lambda piece: asyncio.run_coroutine_threadsafe(self.write(piece), loop).result()

    async def finish(self, name: str, media_type: str) -> TaskFile:
        """Store it for good; raises StoreUnavailable."""
        await self._flush()
        sha256, size = await self._upload.finish()
        return TaskFile(sha256, name, size, media_type)

    async def _flush(self) -> None:
        gathered, self._gathered, self._size = self._gathered, [], 0
        if gathered:
            await self._upload.write(b"".join(gathered))


@asynccontextmanager
async def result_file(files: Files) -> AsyncIterator[ResultFile]:
    """A new result; what is not finished inside is thrown away behind. Raises StoreUnavailable."""
    upload = await files.begin()
    try:
        yield ResultFile(upload)
    finally:
        await upload.discard()
