"""A task's result as a file: written piece by piece into the file store, there whole or not at all.

Results stay for a week, so what they keep together is bounded: of a member, and in all. A try that has no
room left fails with words before it begins, one that outgrows it as soon as it does. What other tries write
meanwhile is not counted: as many as run at once may end beyond the bound, each alone within it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.domain.task import ADMIN_KINDS, Task, TaskFile
from gateway.engine.ports import Files, Upload
from gateway.tasks.work import TaskFailed

#: Bytes gathered before they are handed to the store: few hops between threads.
GATHERED_BYTES: Final = 256 * 1024
_MEGABYTE: Final = 1_000_000


class Kept(Protocol):
    """What results keep now (`store.kept_results`)."""

    async def sizes(self, member_id: str) -> tuple[int, int]:
        """Bytes of the member's own results, and of all; raises StoreUnavailable."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bytes that results may keep together: in all, and those of one member that are no administrator's."""

    of_all: int
    of_member: int


@dataclass(frozen=True, slots=True)
class _Room:
    """What is left of a bound when a try begins."""

    kept: int  # bytes
    most: int
    whose: str
    key: str  # in the configuration, under [tasks]

    @property
    def left(self) -> int:
        return self.most - self.kept

    def must_take(self, size: int) -> None:
        """Raises TaskFailed for a result of more bytes than are left."""
        if size > self.left:
            raise TaskFailed(
                f"there is no room for the result: {self.whose} may keep {self.most / _MEGABYTE:.1f} MB "
                f"({self.key} under [tasks]) and keep {self.kept / _MEGABYTE:.1f} MB; each goes a week after "
                "its end"
            )


class ResultFile:
    """A file in the making. `write` is for the loop, `sink` gives the same for a thread."""

    def __init__(self, upload: Upload, room: _Room) -> None:
        self._upload = upload
        self._room = room
        self._gathered: list[bytes] = []
        self._size = 0  # bytes gathered
        self._written = 0  # bytes in all

    async def write(self, piece: bytes) -> None:
        """Append; raises StoreUnavailable when the disk is full, TaskFailed when the bound is reached."""
        self._written += len(piece)
        self._room.must_take(self._written)
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


class Results:
    """Where results of tasks go."""

    def __init__(self, files: Files, kept: Kept, bounds: Bounds) -> None:
        self._files = files
        self._kept = kept
        self._bounds = bounds

    @asynccontextmanager
    async def file_of(self, task: Task) -> AsyncIterator[ResultFile]:
        """A new result; what is not finished inside is thrown away behind.

        Raises StoreUnavailable, TaskFailed.
        """
        room = await self._room(task)
        room.must_take(1)
        upload = await self._files.begin()
        try:
            yield ResultFile(upload, room)
        finally:
            await upload.discard()

    async def _room(self, task: Task) -> _Room:
        own, everybodys = await self._kept.sizes(task.member_id)
        of_all = _Room(everybodys, self._bounds.of_all, "the results of all", "results_bytes")
        if task.kind in ADMIN_KINDS:
            return of_all
        of_member = _Room(own, self._bounds.of_member, "your results", "results_bytes_of_member")
        return min(of_member, of_all, key=lambda room: room.left)
