"""klippy's `virtual_sdcard`: the loaded file and the work loop that runs it line by line.

The loop hands over one line at a time and only while nobody else has a script to run; `must_pause` ends it
behind the line that runs. How it ends decides what print_stats shows: file gone = complete, an error = error,
anything else = paused. Source: klippy/extras/virtual_sdcard.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from firmware_sim.moonraker.files import HOME
from firmware_sim.moonraker.print_stats import PrintStats


@dataclass(slots=True)
class VirtualSdcard:
    """Positions and sizes in bytes. `is_active`: the work loop lives. `in_line`: it runs a line just now."""

    stats: PrintStats
    name: str = ""
    content: bytes | None = None
    position: int = 0
    size: int = 0
    is_active: bool = False
    must_pause: bool = False
    in_line: bool = False
    _next: int = 0

    def load(self, name: str, content: bytes) -> None:
        """A file is loaded; print_stats begins a new page."""
        self.unload()
        self.name, self.content, self.size = name, content, len(content)
        self.stats.filename = name

    def unload(self) -> None:
        """No file, and nothing told of one."""
        self.close()
        self.position = self.size = 0
        self.stats.wipe()

    def close(self) -> None:
        """The file is gone; its size and position stay to be seen."""
        self.name, self.content = "", None

    def next_line(self) -> str | None:
        """The next line that says anything; None at the end of the file."""
        content = self.content or b""
        while self.position < len(content):
            end = content.find(b"\n", self.position)
            self._next = len(content) if end < 0 else end + 1
            line = content[self.position : self._next].partition(b";")[0].strip()
            if line:
                return line.decode("utf-8", "replace")
            self.position = self._next
        return None

    def line_done(self) -> None:
        """The line that `next_line` gave has run."""
        self.position, self.in_line = self._next, False

    def status(self) -> dict[str, object]:
        """What `get_status` tells. Complete: progress 1.0 and no path; cancelled: all zero (measured)."""
        return {
            "file_path": f"{HOME}/{self.name}" if self.content is not None else None,
            "progress": self.position / self.size if self.size else 0.0,
            "is_active": self.is_active,
            "file_position": self.position,
            "file_size": self.size,
        }
