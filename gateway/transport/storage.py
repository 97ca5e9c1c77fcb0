"""The port to a printer's own storage, for files that are printed from there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class StorageTrouble(Exception):
    """A file is not where it should be. The text is for people: why, and what to do.

    `is_absent`: provably nothing of the file is on the printer.
    """

    def __init__(self, text: str, *, is_absent: bool = False) -> None:
        super().__init__(text)
        self.is_absent = is_absent


class Storage(Protocol):
    """One printer's. Calls take minutes; cancelling one stops it and leaves an unfinished file at most."""

    async def store(self, path: str, name: str, *, told: Callable[[int], None]) -> None:
        """Put the file `path` there as `name`, replacing; `told(bytes)` on the way, at most once a second.

        Returns when the printer has said that all of it is there (size compared). Raises StorageTrouble.
        """

    async def fetch(self, name: str, most_bytes: int) -> bytes:
        """A file's content. Raises StorageTrouble, also for one that is longer."""

    async def delete(self, name: str) -> None:
        """Remove it; one that is not there is fine. Raises StorageTrouble."""
