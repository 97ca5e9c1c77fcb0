"""The newest lines of the log in memory: on most hosts the journal is not the gateway's to read."""

from __future__ import annotations

import logging
from collections import deque
from typing import Final

#: Lines kept, and characters of each: at most 1 MB.
LINES: Final = 1000
LINE_CHARS: Final = 1000


class LogTail(logging.Handler):
    """A handler for the root logger."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        self._lines: deque[str] = deque(maxlen=LINES)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line; tracebacks are cut."""
        self._lines.append(self.format(record)[:LINE_CHARS])

    @property
    def lines(self) -> tuple[str, ...]:
        """Oldest first."""
        return tuple(self._lines)
