"""The part of a wire log that is kept for good: what was said around some trouble, on the disk.

The wire log itself lies in memory and is overwritten within minutes. A kept file is a copy of its end, in the
same format, whole or not there.
"""

from __future__ import annotations

import os
import re
from contextlib import ExitStack, suppress
from datetime import datetime
from pathlib import Path

from gateway.transport.wire_log import FILE_MODE, HEADER

#: Bytes of one kept file: half a minute at 800 lines/s, a quarter of an hour of an idle printer.
KEPT_BYTES = 2 * 1024 * 1024
#: Kept files of one printer; the oldest makes room. 20 MB a printer are little on the smallest card.
KEPT_FILES = 10


def open_files(*paths: Path) -> list[int]:
    """Descriptors of those that are there, so that a rotation meanwhile does no harm. For `keep`."""
    found = []
    for path in paths:
        with suppress(OSError):
            found.append(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC))
    return found


def keep(sources: list[int], folder: Path, printer: str, when: datetime) -> Path:
    """Copy the end of `sources` (oldest first; they are closed) to a new file in `folder`; its path.

    The name has a running number, which orders the files, and the time by the host's clock, which may err.
    Blocks until the bytes are on the disk: for a worker thread. Raises OSError.
    """
    with ExitStack() as stack:
        for fd in sources:
            stack.callback(os.close, fd)
        text = _end_of(sources)
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        former = kept_files(folder, printer)
        number = _number(former[-1]) + 1 if former else 1
        path = folder / f"{printer}-{number:06d}-{when:%Y%m%dT%H%M%SZ}.wire"
        _write_whole(path, text)
        for old in former[: max(0, len(former) + 1 - KEPT_FILES)]:
            old.unlink(missing_ok=True)
    return path


def kept_files(folder: Path, printer: str) -> list[Path]:
    """The kept files of `printer`, oldest first."""
    named = re.compile(re.escape(printer) + r"-\d{6,}-\d{8}T\d{6}Z\.wire")
    try:
        found = [path for path in folder.iterdir() if named.fullmatch(path.name)]
    except OSError:
        return []
    return sorted(found, key=_number)


def _number(path: Path) -> int:
    return int(path.stem.rsplit("-", 2)[1])


def _end_of(sources: list[int]) -> bytes:
    """The last KEPT_BYTES of the files together, from the beginning of a record, with a header."""
    pieces: list[bytes] = []
    room = KEPT_BYTES
    for fd in reversed(sources):
        size = os.fstat(fd).st_size
        start = max(0, size - room)
        piece = os.pread(fd, size - start, start)
        if start > 0:
            piece = piece[piece.find(b"\n") + 1 :]
        pieces.insert(0, piece)
        room -= len(piece)
        if start > 0:
            break
    text = b"".join(pieces)
    return text if text.startswith(HEADER.encode()) else HEADER.encode() + text


def _write_whole(path: Path, text: bytes) -> None:
    part = path.with_name(f"{path.name}.part")
    with suppress(FileNotFoundError):
        part.unlink()  # of a process that was killed in the middle
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
    with os.fdopen(fd, "wb") as file:
        os.fchmod(fd, FILE_MODE)
        file.write(text)
        file.flush()
        os.fsync(fd)
    part.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
