"""What a print file says up to where it was paused, read in a thread while the machine comes to a stand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from gateway.drivers.marlin.park import FileState
from gateway.gcode.homing import said_by
from gateway.gcode.layers import highest_in
from gateway.gcode.state import state_at

#: Seconds the thread sleeps between two pieces of the file, so that the event loop gets its turn.
_BREATH_SECONDS = 0.0002


class FileReading:
    """One place of one file; `state` or `trouble` is there once it was read."""

    def __init__(self, path: str, offset: int, *, is_homed: bool, g90_sets_extruder: bool) -> None:
        """`is_homed`: by the start script, before the first line of the file."""
        self.path = path
        self.offset = offset
        self._is_homed = is_homed
        self._g90_sets_extruder = g90_sets_extruder
        self.state: FileState | None = None
        self.trouble: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether it was read, or cannot be."""
        return self.state is not None or self.trouble is not None

    def begin(self, done: Callable[[], None]) -> None:
        """Read in a thread; `done` is called in the event loop afterwards."""
        future = asyncio.get_running_loop().run_in_executor(None, self._read)
        future.add_done_callback(lambda read: self._take(read, done))

    def _read(self) -> FileState:
        with open(self.path, "rb") as file:
            machine = state_at(file, self.offset, g90_sets_extruder=self._g90_sets_extruder, breathe=_breathe)
            said = said_by(file, self.offset, is_homed=self._is_homed, breathe=_breathe)
            highest = highest_in(file, self.offset, _breathe)
        return FileState(machine, said, highest)

    def _take(self, read: asyncio.Future[FileState], done: Callable[[], None]) -> None:
        if read.cancelled():
            return
        error = read.exception()
        if error is None:
            self.state = read.result()
        else:
            self.trouble = f"the file cannot be read ({error})"
        done()


def _breathe() -> None:
    time.sleep(_BREATH_SECONDS)
