"""Writing a tar.gz piece by piece, in a thread, to wherever its bytes go; nothing of it lies in memory.

POSIX pax in gzip at its quickest: G-code shrinks to a quarter at any level, and a Raspberry Pi has better
things to do.
"""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self, cast

#: Of gzip: the first level takes a third of the default's time.
LEVEL: Final = 1
#: Owner may read and write, the service's group may read.
MODE: Final = 0o640
MEDIA_TYPE: Final = "application/gzip"


class Archive:
    """A tar.gz; `with Archive(sink, now) as archive: ...`. `now`: seconds since 1970, of all its members."""

    def __init__(self, sink: Callable[[bytes], None], now: float) -> None:
        self._now = int(now)
        self._end = _Sink(sink)
        self._out = io.BufferedWriter(self._end, buffer_size=64 * 1024)
        self._gzip = gzip.GzipFile("", "wb", LEVEL, cast(Any, self._out), mtime=self._now)
        self._tar = tarfile.open(fileobj=self._gzip, mode="w|", format=tarfile.PAX_FORMAT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._close()
        finally:
            # Closed whatever went wrong: else the garbage collector would write the rest, in whatever thread,
            # and the loop's own would wait for itself.
            self._end.sink = _nowhere
            self._close()

    def _close(self) -> None:
        """What was closed before stays so."""
        self._tar.close()
        self._gzip.close()
        self._out.close()

    def add_bytes(self, name: str, content: bytes) -> None:
        """A member from memory."""
        self._tar.addfile(self._member(name, len(content)), io.BytesIO(content))

    def add_file(self, name: str, path: str, read: Callable[[bytes], None]) -> int:
        """A member from the disk, as long as it is now; its bytes. `read` sees each piece and may raise.

        Raises OSError; FileNotFoundError before anything of it is written.
        """
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            self._tar.addfile(self._member(name, size), cast(Any, _Watched(file, read)))
        return size

    def _member(self, name: str, size: int) -> tarfile.TarInfo:
        member = tarfile.TarInfo(name)
        member.size, member.mtime, member.mode = size, self._now, MODE
        return member


class _Sink(io.RawIOBase):
    """The end of the pipe."""

    def __init__(self, sink: Callable[[bytes], None]) -> None:
        self.sink = sink

    def writable(self) -> bool:
        """It is there to be written."""
        return True

    def write(self, piece: Any) -> int:
        """Hand on."""
        content = bytes(piece)
        self.sink(content)
        return len(content)


def _nowhere(piece: bytes) -> None:
    pass


class _Watched:
    """A file whose pieces somebody sees as they are read."""

    def __init__(self, file: io.BufferedReader, read: Callable[[bytes], None]) -> None:
        self._file, self._read = file, read

    def read(self, size: int) -> bytes:
        """The next piece."""
        piece = self._file.read(size)
        self._read(piece)
        return piece
