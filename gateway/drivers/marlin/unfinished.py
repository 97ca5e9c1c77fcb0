"""An unfinished print on its way back: what is known of it, and its file, opened and hashed in a thread."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from collections.abc import Callable
from functools import partial
from typing import BinaryIO

from gateway.drivers.contract import OpenRecord, RecordedStage
from gateway.drivers.marlin.stages import Place

#: Stages in which nothing of the file is sent any more.
_ENDING = frozenset({RecordedStage.CANCELED_BY_USER, RecordedStage.CANCELED_AT_DEVICE, RecordedStage.FAILED})
_PIECE_BYTES = 1 << 20


class FileChanged(Exception):
    """The recorded print file cannot be gone on with. The text says why, for people."""


def open_unchanged(path: str, size: int, sha256: str, is_wanted: Callable[[], bool]) -> BinaryIO:
    """The file, open, if it is still the one described. Raises FileChanged. Blocks: run it in a thread."""
    try:
        file = open(path, "rb")
    except (OSError, ValueError) as error:
        raise FileChanged(f"its file cannot be read: {getattr(error, 'strerror', error)}") from error
    try:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_size != size:
            raise FileChanged(f"its file has {found.st_size} bytes instead of {size}")
        digest = hashlib.sha256()
        while is_wanted() and (piece := file.read(_PIECE_BYTES)):
            digest.update(piece)
        if digest.hexdigest() != sha256:
            raise FileChanged("its file was replaced by another one")
    except OSError as error:
        file.close()
        raise FileChanged(f"its file cannot be read: {error.strerror}") from error
    except BaseException:
        file.close()
        raise
    return file


class Recovery:
    """One unfinished print on its way back, over as many connections as it takes."""

    def __init__(self, left: OpenRecord) -> None:
        self.left = left
        self.stage = left.stage
        self.told: int | None = None  # the line that the firmware named on this connection
        self.place: Place | None = None  # where the print goes on, once that is decided
        self.file: BinaryIO | None = None
        self.trouble: str | None = None
        self._is_checking = False
        self._is_over = False

    @property
    def needs_file(self) -> bool:
        """Whether lines of the file are still to be sent."""
        return self.stage not in _ENDING

    def check_file(self, checked: Callable[[], None]) -> None:
        """Open and hash the file in a thread, once; `checked` is called when that is done."""
        if self._is_checking or not self.needs_file:
            return
        self._is_checking = True
        left = self.left
        work = partial(open_unchanged, left.path, left.size, left.sha256, lambda: not self._is_over)
        future = asyncio.get_running_loop().run_in_executor(None, work)
        future.add_done_callback(lambda done: self._checked(done, checked))

    def _checked(self, done: asyncio.Future[BinaryIO], checked: Callable[[], None]) -> None:
        if done.cancelled():
            return
        error = done.exception()
        if error is not None:
            self.trouble = str(error)
        elif self._is_over:
            done.result().close()
        else:
            self.file = done.result()
        if not self._is_over:
            checked()

    def take_file(self) -> BinaryIO | None:
        """The file, which is the print's from now on."""
        file, self.file = self.file, None
        return file

    def let_go(self) -> None:
        """It came to its end, or the driver's run did."""
        self._is_over = True
        if self.file is not None:
            self.file.close()
            self.file = None
