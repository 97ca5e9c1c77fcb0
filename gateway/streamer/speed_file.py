"""The last good speed of a printer, in a small file beside its line record."""

from __future__ import annotations

import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)

#: Bytes read of the file: a speed has seven digits at most.
_MAX_BYTES = 16


class SpeedFile:
    """`drivers.marlin.speed.SpeedMemory` in `<folder>/<printer>.baud`."""

    def __init__(self, folder: Path, printer: str) -> None:
        """`printer` must be fit for a file name, as configured names are."""
        self._path = folder / f"{printer}.baud"

    def recall(self) -> int | None:
        """See SpeedMemory."""
        try:
            with self._path.open("rb") as file:
                text = file.read(_MAX_BYTES).strip()
        except OSError:
            return None
        return int(text) if text.isdigit() else None

    def remember(self, speed: int) -> None:
        """See SpeedMemory."""
        fresh = self._path.with_name(f"{self._path.name}.new")
        try:
            fresh.write_text(f"{speed}\n")
            os.replace(fresh, self._path)  # whole or not there
        except OSError as error:
            log.warning("the speed of a printer could not be kept in %s: %s", self._path, error.strerror)
