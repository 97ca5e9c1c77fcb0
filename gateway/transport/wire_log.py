"""The wire log of one printer: every byte both ways, as text, in a ring of two files.

    # print-gateway wire log 1; seconds (monotonic), > to the printer, < from the printer, ! events
    12.345678 ! opened /dev/serial/by-id/usb-... 115200
    12.345901 > N1 M105*38\\n
    12.350000 < ok T:20.00 /0.00\\r\\n

One record for each chunk handed to or read from the port; a chunk may hold several lines or parts of one.
Bytes 0x20 to 0x7E stand for themselves, except the backslash (`\\\\`); newline is `\\n`, carriage return
`\\r`, every other byte `\\xHH`.

What happens is put in a list and written in batches: a process that is killed loses the last second at most.
The files belong on a tmpfs (the default folder is below /run): 800 lines/s are 5 GB a day, which would wear
out an SD card, and a file on a slow disk could hold up the loop that feeds the printers.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

log = logging.getLogger(__name__)

#: First line of every file. The number is raised with every change that a reader would misunderstand.
HEADER = "# print-gateway wire log 1; seconds (monotonic), > to the printer, < from the printer, ! events\n"
#: Seconds from a record to its file at most.
FLUSH_SECONDS = 1.0
#: Records formatted at once: about 0.3 ms, for which the loop does nothing else.
FLUSH_RECORDS = 256
#: Bytes of all wire logs together: /run is memory. 16 printers have 4 MB a file, 64 have 1 MB.
ALL_BYTES = 128 * 1024 * 1024
#: Files of one printer: the one being written and the one before it.
GENERATIONS = 2
#: The owner writes; the service's group may read. Not everybody: print files are their owners' own.
FILE_MODE = 0o640

TO_PRINTER, FROM_PRINTER, EVENT = ">", "<", "!"
Record = tuple[float, str, bytes]


def formatted(records: list[Record]) -> str:
    """The records as lines of the file.

    Python's own spelling of bytes is the format's, but for the quotes around it, tabs, and quotes within;
    whole microseconds are spelt quicker than a float. Spelling byte by byte costs three times as much, and is
    left for batches that have such bytes, and for the first second of a clock.
    """
    stamped = [(str(int(at * 1e6)), mark, data) for at, mark, data in records]
    text = "".join([f"{us[:-6]}.{us[-6:]} {mark}\0{data!r}\0\n" for us, mark, data in stamped])
    if "\\t" in text or "\\'" in text or records[0][0] < 1.0:
        return "".join([f"{at:.6f} {mark} {escaped(data)}\n" for at, mark, data in records])
    for quote in ("'", '"'):
        text = text.replace(f"\0b{quote}", " ").replace(f"{quote}\0", "")
    return text


def escaped(data: bytes) -> str:
    """`data` as printable ASCII."""
    return "".join([_SPELLED[byte] for byte in data])


_NAMED = {0x5C: "\\\\", 0x0A: "\\n", 0x0D: "\\r"}
_SPELLED = tuple(
    _NAMED.get(byte) or (chr(byte) if 0x20 <= byte <= 0x7E else f"\\x{byte:02x}") for byte in range(256)
)


def file_bytes(configured: int, printers: int) -> int:
    """Bytes of one file: as configured, or the printer's share of ALL_BYTES where that is less."""
    return min(configured, ALL_BYTES // (GENERATIONS * max(1, printers)))


class WireLog:
    """Takes records at no cost worth counting, and writes them in batches. Never raises, never waits."""

    def __init__(
        self,
        folder: Path,
        printer: str,
        *,
        max_bytes: int,
        monotonic: Callable[[], float],
        wall: Callable[[], datetime],
    ) -> None:
        """`printer` must be fit for a file name, as configured ones are. `max_bytes`: of each files."""
        self.path = folder / f"{printer}.wire"
        self.former = folder / f"{printer}.wire.1"
        self._printer = printer
        self._max_bytes = max_bytes
        self._clock = monotonic
        self._wall = wall
        self.is_port_gone = True  # the tap's word: not opened, or lost; not: closed by its owner
        self._records: list[Record] = []
        self._fd = -1
        self._size = 0
        self._header_bytes = 0
        self._is_failing = False
        self._timer: asyncio.TimerHandle | None = None

    def sent(self, data: bytes) -> None:
        """Bytes were handed to the port."""
        records = self._records
        records.append((self._clock(), TO_PRINTER, data))
        if self._timer is None or len(records) >= FLUSH_RECORDS:
            self._attend()

    def received(self, data: bytes) -> None:
        """Bytes were read from the port."""
        records = self._records
        records.append((self._clock(), FROM_PRINTER, data))
        if self._timer is None or len(records) >= FLUSH_RECORDS:
            self._attend()

    def event(self, text: str) -> None:
        """Something happened that no byte tells of."""
        self._records.append((self._clock(), EVENT, text.encode("utf-8", "backslashreplace")))
        self._attend()

    def _attend(self) -> None:
        if len(self._records) >= FLUSH_RECORDS:
            self.flush()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._overdue)

    def _overdue(self) -> None:
        self._timer = None
        self.flush()

    def flush(self) -> None:
        """Write what is in memory."""
        if not self._records:
            return
        text = formatted(self._records)
        self._records.clear()
        try:
            self._write(text)
        except OSError as error:
            self._failed(error)

    def close(self) -> None:
        """Write what is in memory, and let go of the file."""
        self.flush()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._close_file()

    def _write(self, batch: str) -> None:
        if self._fd < 0:
            self._open()
        if self._size + len(batch) <= self._max_bytes:
            self._append(batch)
        else:
            for line in batch.splitlines(keepends=True):
                if self._size + len(line) > self._max_bytes:
                    self._rotate()
                self._append(line)
        self._is_failing = False

    def _append(self, text: str) -> None:
        data = text.encode("ascii")
        written = os.write(self._fd, data)
        if written < len(data):
            os.ftruncate(self._fd, self._size)  # whole records or none
            raise OSError(None, "no space is left")
        self._size += written

    def _open(self) -> None:
        """Go on with the file of a former process, behind its last whole record."""
        self.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(self.path, flags, FILE_MODE)
        os.fchmod(self._fd, FILE_MODE)
        self._size = _whole(self._fd)
        os.ftruncate(self._fd, self._size)
        self._begin()

    def _rotate(self) -> None:
        if self._size <= self._header_bytes:
            return  # one record is longer than a file may be
        self._close_file()
        self.path.replace(self.former)
        self._open()

    def _begin(self) -> None:
        """What the monotonic seconds mean, once in each file and life."""
        when = f"{self._clock():.6f} {EVENT} it is {self._wall():%Y-%m-%dT%H:%M:%SZ}\n"
        head = HEADER + when
        self._header_bytes = len(head)
        self._append(head if self._size == 0 else when)

    def _close_file(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _failed(self, error: OSError) -> None:
        """What could not be written is dropped: a log is no reason to stop a print."""
        self._close_file()
        if not self._is_failing:
            self._is_failing = True
            log.warning(
                "the wire log of %s cannot be written (%s: %s); printing goes on without it",
                self._printer,
                self.path,
                error.strerror or error,
            )


def _whole(fd: int) -> int:
    """Bytes of the file up to the end of its last whole record."""
    size = os.fstat(fd).st_size
    step = 64 * 1024
    while size > 0:
        start = max(0, size - step)
        end = os.pread(fd, size - start, start).rfind(b"\n")
        if end >= 0:
            return start + end + 1
        size = start
    return 0
