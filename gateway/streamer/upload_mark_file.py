"""The file that a printer's card is being sent, in a small file beside its line record."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from pathlib import Path

log = logging.getLogger(__name__)

#: Bytes read of the file: an 8.3 name has twelve.
_MAX_BYTES = 64
_NAME = re.compile(r"[A-Z0-9_-]{1,8}\.[A-Z0-9]{1,3}")


class UploadMarkFile:
    """`drivers.contract.UploadMark` in `<folder>/<printer>.upload`.

    It survives the process, not the loss of power (nothing is flushed): that switches the printer off as
    well, as a rule, and what it costs is an unfinished file on the card.
    """

    def __init__(self, folder: Path, printer: str) -> None:
        """`printer` must be fit for a file name, as configured names are."""
        self._path = folder / f"{printer}.upload"

    def note(self, name: str) -> None:
        """See the contract."""
        fresh = self._path.with_name(f"{self._path.name}.new")
        fresh.write_text(f"{name}\n")
        os.replace(fresh, self._path)  # whole or not there

    def clear(self) -> None:
        """See the contract. A file that cannot be removed is only said: the next start closes and deletes."""
        try:
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()
        except OSError as error:
            log.warning("%s cannot be removed: %s", self._path, error.strerror)

    def left(self) -> str | None:
        """See the contract. What is no 8.3 name is not believed."""
        try:
            with self._path.open("rb") as file:
                name = file.read(_MAX_BYTES).decode("ascii", "replace").strip()
        except OSError:
            return None
        return name if _NAME.fullmatch(name) else None
