"""`file-import`: is this print file whole, what is in it, is it safe? An upload's, or one fetched by address.

    {"file_id": uuid}                 an upload that is there already
    {"url": address, "name": or null} fetched first, as jobs' files are; then it is the member's upload

Progress is in bytes: those fetched, and those read again. The file of an address has an id that follows from
the task's: a try after a crash finds it and fetches nothing twice.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, Final, Protocol
from urllib.parse import urlsplit

from gateway.domain.commands import AddFile, Command
from gateway.domain.file import FileRejected, StoredFile
from gateway.domain.task import Task
from gateway.engine.ports import Clock, Files
from gateway.gcode.layers import layers_in
from gateway.gcode.safe import check_safety, verdict
from gateway.gcode.thumbnails import thumbnails_in
from gateway.tasks.downloading import Fetching
from gateway.tasks.file_names import NAME_CHARS
from gateway.tasks.work import Outcome, TaskFailed, Work
from gateway.transport.web_errors import WebTrouble

#: Bytes read and hashed at once: the try is given up between two of them.
PIECE_BYTES: Final = 1 << 20


class Deciding(Protocol):
    """The engine, as far as it is needed here."""

    async def execute(self, command: Command) -> Any:
        """Carry out a command."""


class Uploads(Protocol):
    """`engine.ports.Queries`, as far as it is needed here."""

    async def file(self, file_id: str) -> StoredFile | None:
        """One upload."""


class FileImport:
    """The kind. `inspect`: (path, called between pieces) -> what the slicer says; raises FileRejected."""

    def __init__(
        self,
        *,
        engine: Deciding,
        uploads: Uploads,
        files: Files,
        fetching: Fetching,
        inspect: Callable[[str, Callable[[], None]], Mapping[str, Any]],
        breathe: Callable[[], None],  # lets the event loop have its turn
        clock: Clock,
    ) -> None:
        self._engine = engine
        self._uploads = uploads
        self._files = files
        self._fetching = fetching
        self._inspect = inspect
        self._breathe = breathe
        self._clock = clock

    async def run(self, task: Task, work: Work) -> Outcome:
        """One try; raises as `Kind` says."""
        try:
            file, fetched = await self._file(task, work)
            found = await work.blocking(self._look, file, fetched, work)
        except FileRejected as rejected:
            raise TaskFailed(f"this cannot be printed: {rejected}") from rejected
        except WebTrouble as trouble:
            host = urlsplit(str(task.arguments["url"])).hostname
            text = f"it could not be fetched from {host}: {trouble.reason}"
            raise TaskFailed(text, is_passing=trouble.is_passing) from trouble
        except OSError as error:
            raise TaskFailed(f"the file cannot be read: {error.strerror}", is_passing=True) from error
        return Outcome(found)

    async def _file(self, task: Task, work: Work) -> tuple[StoredFile, int]:
        """The file, and how many bytes of it were fetched by this try."""
        file_id = task.arguments.get("file_id") or _id_of(task)
        known = await self._uploads.file(file_id)
        if known is not None:
            return known, 0
        if task.arguments.get("url") is None:
            raise TaskFailed("the file is not there any more: upload it again")
        return await self._fetch(task, file_id, work)

    async def _fetch(self, task: Task, file_id: str, work: Work) -> tuple[StoredFile, int]:
        come = 0

        def written(size: int) -> None:
            nonlocal come
            come += size
            work.at(come, None, "fetching the file")

        async with self._fetching.file(task.arguments["url"], written) as came:
            metadata = await work.blocking(self._inspect, came.path, work.go_on)
            sha256, size = await came.keep()
        name = (task.arguments.get("name") or came.name)[-NAME_CHARS:]
        now = self._clock.wall()
        file = StoredFile(file_id, sha256, name, size, task.member_id, task.organization_id, now, metadata)
        stored: StoredFile = await self._engine.execute(AddFile(file))
        return stored, size

    def _look(self, file: StoredFile, fetched: int, work: Work) -> Mapping[str, Any]:
        """Everything that is said of the file; blocks. Raises FileRejected, OSError, TaskFailed, GivenUp."""
        total = fetched + 2 * file.size

        def read(size: int) -> None:
            work.at(fetched + size, total, "looking at the file")
            self._breathe()

        path = self._files.path_of(file.sha256)
        with _opened(path) as content:
            _verify(content, file, read)
            found: dict[str, Any] = {
                "file_id": file.file_id,
                "name": file.name,
                "size": file.size,
                "sha256": file.sha256,
                "format": file.format,
            }
            if file.is_gcode:
                found |= _gcode(content, file.metadata, lambda size: read(file.size + size))
        work.at(total, total)
        return found


def _id_of(task: Task) -> str:
    """The id of the file that this task fetches."""
    return str(uuid.uuid5(uuid.UUID(task.task_id), "file"))


def _opened(path: str) -> BinaryIO:
    try:
        return open(path, "rb")
    except FileNotFoundError as missing:
        raise TaskFailed("the file's content is not there any more: upload it again") from missing


def _verify(content: BinaryIO, file: StoredFile, read: Callable[[int], None]) -> None:
    """Whether the content is what was uploaded; raises TaskFailed."""
    digest, size = hashlib.sha256(), 0
    while piece := content.read(PIECE_BYTES):
        digest.update(piece)
        size += len(piece)
        read(size)
    if digest.hexdigest() != file.sha256:
        raise TaskFailed("the file was damaged on the gateway's disk: upload it again, and check the disk")


def _gcode(content: BinaryIO, metadata: Mapping[str, Any], read: Callable[[int], None]) -> Mapping[str, Any]:
    """What G-code says of the print, and what is found in it."""
    findings = check_safety(content, breathe=read)
    size = content.seek(0, 2)
    layers = metadata.get("layers") or len(layers_in(content, size, lambda: read(size))) or None
    return {
        "slicer": metadata.get("slicer"),
        "lines": metadata.get("lines"),
        "layers": layers,
        "seconds": metadata.get("estimated_time"),
        "filament_mm": metadata.get("filament_mm"),
        "filament_g": metadata.get("filament_g"),
        "thumbnails": [picture._asdict() for picture in thumbnails_in(content)],
        "verdict": verdict(findings).value,
        "findings": [
            {
                "line": found.line,
                "code": found.code,
                "severity": found.severity.value,
                "words": found.words,
                "count": found.count,
            }
            for found in findings
        ],
    }
