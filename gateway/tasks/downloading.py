"""One print file from an address that somebody named, into the file store: whole or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, Protocol

from gateway.domain.file import FileRejected
from gateway.engine.ports import Files, Upload
from gateway.tasks.file_names import file_name
from gateway.transport.web import Downloaded, Sink

#: Seconds for one file: 600 MB at 330 kB/s.
FETCH_SECONDS: Final = 1800.0
#: Redirects of one file: a short link, a login, a mirror, and two more.
REDIRECTS: Final = 5


class Web(Protocol):
    """`transport.web.WebClient`, as far as it is needed here."""

    async def download(
        self, url: str, sink: Sink, *, seconds: float, most_bytes: int, redirects: int
    ) -> Downloaded:
        """Raises WebTrouble."""


class Fetched:
    """Content that has come in and is not kept yet."""

    def __init__(self, upload: Upload, came: Downloaded) -> None:
        self._upload = upload
        self.name = file_name(came.disposition, came.path)
        self.path = upload.temporary_path
        self.size = came.size  # bytes

    async def keep(self) -> tuple[str, int]:
        """Store it for good: (sha256, bytes). Raises StoreUnavailable."""
        return await self._upload.finish()


class Fetching:
    """Fetches files of up to `most_bytes`."""

    def __init__(self, web: Web, files: Files, most_bytes: int) -> None:
        self._web, self._files, self._most_bytes = web, files, most_bytes

    @asynccontextmanager
    async def file(
        self, url: str, written: Callable[[int], None] = lambda size: None
    ) -> AsyncIterator[Fetched]:
        """The file at `url`; what is not kept inside is thrown away behind. `written`: bytes of each piece.

        Raises WebTrouble, StoreUnavailable, and FileRejected for nothing at all.
        """
        upload = await self._files.begin()

        async def sink(chunk: bytes) -> None:
            await upload.write(chunk)
            written(len(chunk))

        try:
            came = await self._web.download(
                url, sink, seconds=FETCH_SECONDS, most_bytes=self._most_bytes, redirects=REDIRECTS
            )
            if came.size == 0:
                raise FileRejected("The file is empty.")
            yield Fetched(upload, came)
        finally:
            await upload.discard()
