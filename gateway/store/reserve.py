"""Bytes of the disk that no file may take: the database beside the files needs them to go on committing.

A database that cannot commit is a gateway that cannot write down what a printer does. So what comes in (print
files, results of tasks, backups) is refused while there is still room for rows, and for the write-ahead log,
which grows while a backup reads.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from gateway.engine.ports import StoreFull

#: Gives the bytes that are free where a folder is; raises OSError.
Free = Callable[[Path], int]
_MEGABYTE = 1_000_000


def free_bytes(folder: Path) -> int:
    """What an ordinary user may still write there; a filesystem that does not say its size has room."""
    usage = shutil.disk_usage(folder)
    return usage.free if usage.total else sys.maxsize


class Reserve:
    """`reserved` bytes stay free where a folder is; 0: all may be taken. `free` stands in for the disk."""

    def __init__(self, reserved: int, free: Free = free_bytes) -> None:
        self._reserved = reserved
        self._free = free

    def must_fit(self, folder: Path, size: int) -> None:
        """Raises StoreFull where `size` more bytes would touch the reserve; OSError. Quick, and blocks."""
        if not self._reserved:
            return
        free = self._free(folder)
        if free - size < self._reserved:
            raise StoreFull(
                f"{folder}: the disk is nearly full: {max(free, 0) // _MEGABYTE} MB are free, and "
                f"{self._reserved // _MEGABYTE} MB are kept for the database (reserve_bytes under [store]); "
                "free some space there, then try again"
            )
