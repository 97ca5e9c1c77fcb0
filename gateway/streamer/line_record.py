"""The line record: which lines were handed to the port, in a file that outlives the process.

One memory-mapped file a printer. `sent` is one `pack_into` on the map: no system call, no flush. The page
belongs to the kernel, so the bytes survive `kill -9` and an upgrade of this program; power loss they do not
survive (the database row once a second is for that).

Layout, native byte order (the file never leaves its host):

    0      magic 8s, version, ring entries, entry bytes (u32)
    24     state u32: 0 closed, 1 open
    28     crc32 u32 over the description below
    32     stage u32: a RecordedStage
    40     seconds (double) on the monotonic clock when the print was fed last
    48     description: lengths of key, sha256, path, name (u32), size of the file (u64), the texts as UTF-8
    8128   where a pause found the machine: x, y, z, e, hotend, bed (double), crc32 over them (u32); the crc
           is stored last and cleared first, so that half a place is none
    8192   ring of 256 entries: sequence, number, offset, line, kind, sequence again (u64)

Torn stores. The process can die between any two bytes of a store. An entry is therefore its own proof:
pack_into stores its fields in order, so the second copy of the sequence equals the first only when all
between them is there. The newest whole entry is the truth; a half-written one describes a line that had not
gone to the port yet (`sent` comes before the write), so losing it is right. No separate index is published.
The stage is one aligned word, stored at once: it is the old one or the new one.
Version 2 had a longer description and no parked place: its end is always empty. Such a record becomes one of
this version when it is opened: first its checksum, then its version, and either is good with the new one.
`open` works on a closed record: state to closed, ring and description rewritten, state to open; dying in
between leaves a closed record, and no line had been sent.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from gateway.drivers.contract import LineKind, OpenRecord, Parked, RecordedStage

MAGIC = b"PGLINES\n"
VERSION = 3
#: The version before, and how many bytes its descriptions had.
FORMER_VERSION, FORMER_DESCRIPTION_BYTES = 2, 8192 - 48
#: Lines remembered. A window is at most a few dozen lines and a Resend goes back no further than that.
RING_ENTRIES = 256
#: Bytes for the print's description: a Linux path (4096) and three names fit.
DESCRIPTION_BYTES = 8128 - 48
#: Bytes of a file name on Linux (255) less room for our suffixes.
MAX_FILE_NAME_BYTES = 200

_HEAD = struct.Struct("@8sIII4x")
_VERSION_AT = 8
_STATE_AT = 24
_CRC_AT = 28
_STAGE_AT = 32
_ALIVE_AT = 40
_DESCRIPTION_AT = 48
_PARKED_AT = 8128
_PARKED_CRC_AT = 8176
_RING_AT = 8192
_ENTRY = struct.Struct("@QQQQQQ")
_ENTRY_BYTES = _ENTRY.size
_FLAG = struct.Struct("@I")
_SECONDS = struct.Struct("@d")
_PLACE = struct.Struct("@6d")
_LENGTHS = struct.Struct("@IIIIQ")  # key, sha256, path, name (bytes); size of the print file
FILE_BYTES = _RING_AT + RING_ENTRIES * _ENTRY_BYTES

_CLOSED, _OPEN = 0, 1
_KINDS = frozenset(int(kind) for kind in LineKind)
_STAGES = frozenset(int(stage) for stage in RecordedStage)


class LineRecordError(Exception):
    """A line record cannot be used. The text says why and what to do, for people."""


class LineRecordUnreadable(LineRecordError):
    """The file is there and is no line record of this version: what it told is lost."""


class LineRecordBusy(LineRecordError):
    """Another process has this record."""


def file_name_of(printer: str) -> str:
    """A file name for a printer's record: different for different printers, never a way out of the folder."""
    try:
        name = quote(printer, safe=" ")
    except UnicodeEncodeError as error:
        raise LineRecordError(f"printer name {printer!r} is not text") from error
    if not name or len(name) > MAX_FILE_NAME_BYTES:
        raise LineRecordError(
            f"printer name {printer!r} makes no file name: 1 to {MAX_FILE_NAME_BYTES} characters are possible"
        )
    return f"{name}.lines"


@dataclass(frozen=True, slots=True)
class TakenRecord:
    """A record ready for use, and what had to be put aside for it (None: nothing)."""

    record: MappedLineRecord
    warning: str | None


def take_line_record(folder: Path, printer: str) -> TakenRecord:
    """The record of `printer` in `folder`, made if it is absent.

    An unreadable file is renamed, never deleted, and `warning` says so: whether that printer was in mid-print
    is then unknown, and a person must look. Raises LineRecordBusy, or LineRecordError when the folder is full
    or may not be written.
    """
    path = folder / file_name_of(printer)
    try:
        return TakenRecord(MappedLineRecord(path), None)
    except LineRecordUnreadable as error:
        aside = _put_aside(path)
        warning = (
            f"the line record of {printer} cannot be read ({error}); it was kept as {aside.name}. "
            "Whether a print was under way is not known: look at the printer before anything is started on it"
        )
        return TakenRecord(MappedLineRecord(path), warning)


def _put_aside(path: Path) -> Path:
    """Rename to the first free name: evidence of earlier trouble is not overwritten."""
    number = 1
    while (aside := path.with_name(f"{path.name}.unreadable-{number}")).exists():
        number += 1
    try:
        path.rename(aside)
    except OSError as error:
        raise _cannot_use(path, error) from error
    return aside


class MappedLineRecord:
    """`drivers.contract.LineRecord` on one memory-mapped file. Held by one process at a time.

    Raises LineRecordUnreadable, LineRecordBusy or LineRecordError; a missing file is made (mode 0600).
    """

    def __init__(self, path: Path) -> None:
        self._fd = _open_or_make(path)
        try:
            self._map = _map(self._fd, path)
        except BaseException:
            os.close(self._fd)
            raise
        self._sequence = max((entry[0] for entry in self._entries()), default=0)

    def open(self, *, key: str, path: str, sha256: str, size: int, name: str) -> None:
        """Begin a record; see the contract. A description that does not fit raises LineRecordError."""
        texts = [text.encode("utf-8", "surrogateescape") for text in (key, sha256, path, name)]
        body = _LENGTHS.pack(*(len(text) for text in texts), size) + b"".join(texts)
        if len(body) > DESCRIPTION_BYTES:
            raise LineRecordError(
                f"the description of print {key} has {len(body)} bytes, {DESCRIPTION_BYTES} fit: "
                "use a shorter path or name"
            )
        self._set_state(_CLOSED)
        self._map[_RING_AT:FILE_BYTES] = bytes(FILE_BYTES - _RING_AT)
        self._map[_DESCRIPTION_AT:_PARKED_AT] = body.ljust(DESCRIPTION_BYTES, b"\0")
        _FLAG.pack_into(self._map, _CRC_AT, zlib.crc32(self._map[_DESCRIPTION_AT:_PARKED_AT]))
        self.park(None)
        self._sequence = 0
        self.enter(RecordedStage.STREAMING)
        self.alive(0.0)
        self._set_state(_OPEN)

    def sent(self, number: int, offset: int, line: int, kind: LineKind) -> None:
        """Line `number` goes to the port next. One store; nothing here may block."""
        sequence = self._sequence = self._sequence + 1
        at = _RING_AT + sequence % RING_ENTRIES * _ENTRY_BYTES
        _ENTRY.pack_into(self._map, at, sequence, number, offset, line, kind, sequence)

    def enter(self, stage: RecordedStage) -> None:
        """The print is in this stage from now on. One store."""
        _FLAG.pack_into(self._map, _STAGE_AT, stage)

    def park(self, parked: Parked | None) -> None:
        """What a resume must restore; None: nothing. A few stores, once a pause."""
        _FLAG.pack_into(self._map, _PARKED_CRC_AT, 0)
        if parked is None:
            return
        place = (parked.x, parked.y, parked.z, parked.e, parked.hotend, parked.bed)
        _PLACE.pack_into(self._map, _PARKED_AT, *place)
        _FLAG.pack_into(self._map, _PARKED_CRC_AT, zlib.crc32(self._map[_PARKED_AT:_PARKED_CRC_AT]))

    def alive(self, at: float) -> None:
        """Somebody fed this print at monotonic `at`: all processes of a boot share that clock. One store."""
        _SECONDS.pack_into(self._map, _ALIVE_AT, at)

    def close(self) -> None:
        """The print is over. The lines stay readable by `find` until the next `open`."""
        self._set_state(_CLOSED)

    def unfinished(self) -> OpenRecord | None:
        """What a former driver host left open. Numbers are 0 when no line was handed over."""
        (state,) = _FLAG.unpack_from(self._map, _STATE_AT)
        if state == _CLOSED:
            return None
        key, sha256, path, name, size = _description(self._map)
        newest = max(self._entries(), default=(0, 0, 0, 0, 0, 0))
        return OpenRecord(
            key=key,
            path=path,
            sha256=sha256,
            size=size,
            name=name,
            last_number=newest[1],
            last_offset=newest[2],
            last_line=newest[3],
            stage=RecordedStage(_FLAG.unpack_from(self._map, _STAGE_AT)[0]),
            parked=_parked(self._map),
            alive_at=_SECONDS.unpack_from(self._map, _ALIVE_AT)[0],
        )

    def find(self, number: int) -> tuple[int, int, LineKind] | None:
        """(offset, line, kind) of the latest sending of line `number` among the last 256; None outside."""
        # From the newest back: a Resend asks for one of the last few, and must not hold up other printers.
        for sequence in range(self._sequence, max(0, self._sequence - RING_ENTRIES), -1):
            entry = _ENTRY.unpack_from(self._map, _slot(sequence))
            if entry[1] == number and entry[0] == entry[5] == sequence and entry[4] in _KINDS:
                return entry[2], entry[3], LineKind(entry[4])
        return None

    def release(self) -> None:
        """Give the file back to other processes, as it is. Idempotent; nothing else works afterwards."""
        if not self._map.closed:
            self._map.close()
            os.close(self._fd)

    def _set_state(self, state: int) -> None:
        _FLAG.pack_into(self._map, _STATE_AT, state)

    def _entries(self) -> Iterator[tuple[int, int, int, int, int, int]]:
        """Whole entries of the present print, in no order."""
        ring = self._map[_RING_AT:FILE_BYTES]
        whole = [
            entry
            for slot, entry in enumerate(_ENTRY.iter_unpack(ring))
            if entry[0] and entry[0] == entry[5] and entry[0] % RING_ENTRIES == slot and entry[4] in _KINDS
        ]
        newest = max((entry[0] for entry in whole), default=0)
        # Older than the ring is long: a slot whose newer entry is torn. It says nothing about the last 256.
        yield from (entry for entry in whole if entry[0] > newest - RING_ENTRIES)


def _slot(sequence: int) -> int:
    return _RING_AT + sequence % RING_ENTRIES * _ENTRY_BYTES


def _open_or_make(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _cannot_use(path, error) from error
    fresh = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()
        fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            # Real blocks, not a hole: a store to a hole on a full disk would kill the process (SIGBUS).
            os.posix_fallocate(fd, 0, FILE_BYTES)
            os.pwrite(fd, _HEAD.pack(MAGIC, VERSION, RING_ENTRIES, _ENTRY.size), 0)
            os.pwrite(fd, _FLAG.pack(zlib.crc32(bytes(DESCRIPTION_BYTES))), _CRC_AT)
            fresh.rename(path)  # whole or not there
        except BaseException:
            os.close(fd)
            raise
    except OSError as error:
        raise _cannot_use(path, error) from error
    return fd


def _map(fd: int, path: Path) -> mmap.mmap:
    """Lock and map the file; everything that can be wrong with its content is found here."""
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise LineRecordError(f"{path} is not a file: remove it")
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise LineRecordBusy(f"{path} is in use: another streamer runs with the same printer") from error
    if status.st_size != FILE_BYTES:
        raise LineRecordUnreadable(f"{status.st_size} bytes instead of {FILE_BYTES}")
    mapped = mmap.mmap(fd, FILE_BYTES)
    try:
        _check(mapped)
    except BaseException:
        mapped.close()
        raise
    return mapped


def _check(mapped: mmap.mmap) -> None:
    magic, version, entries, entry_bytes = _HEAD.unpack_from(mapped, 0)
    if magic != MAGIC:
        raise LineRecordUnreadable("it does not begin like one")
    if version == FORMER_VERSION:
        _renew(mapped)
        version = VERSION
    if (version, entries, entry_bytes) != (VERSION, RING_ENTRIES, _ENTRY.size):
        raise LineRecordUnreadable(f"it is of version {version}, this program writes {VERSION}")
    (state,) = _FLAG.unpack_from(mapped, _STATE_AT)
    if state == _CLOSED:
        return
    if state != _OPEN:
        raise LineRecordUnreadable(f"its state is {state}")
    (crc,) = _FLAG.unpack_from(mapped, _CRC_AT)
    if crc != zlib.crc32(mapped[_DESCRIPTION_AT:_PARKED_AT]):
        raise LineRecordUnreadable("its description of the print is damaged")
    (stage,) = _FLAG.unpack_from(mapped, _STAGE_AT)
    if stage not in _STAGES:
        raise LineRecordUnreadable(f"its stage is {stage}")
    _description(mapped)


def _renew(mapped: mmap.mmap) -> None:
    """Make a record of the former version one of this: two single words, good in between."""
    (crc,) = _FLAG.unpack_from(mapped, _CRC_AT)
    renewed = zlib.crc32(mapped[_DESCRIPTION_AT:_PARKED_AT])
    former = zlib.crc32(mapped[_DESCRIPTION_AT : _DESCRIPTION_AT + FORMER_DESCRIPTION_BYTES])
    if any(mapped[_PARKED_AT:_RING_AT]) or crc not in (former, renewed):
        raise LineRecordUnreadable(f"it is of version {FORMER_VERSION} and damaged")
    _FLAG.pack_into(mapped, _CRC_AT, renewed)
    _FLAG.pack_into(mapped, _VERSION_AT, VERSION)


def _parked(mapped: mmap.mmap) -> Parked | None:
    (crc,) = _FLAG.unpack_from(mapped, _PARKED_CRC_AT)
    if crc == 0 or crc != zlib.crc32(mapped[_PARKED_AT:_PARKED_CRC_AT]):
        return None
    return Parked(*_PLACE.unpack_from(mapped, _PARKED_AT))


def _description(mapped: mmap.mmap) -> tuple[str, str, str, str, int]:
    """key, sha256, path, name, size."""
    *lengths, size = _LENGTHS.unpack_from(mapped, _DESCRIPTION_AT)
    at = _DESCRIPTION_AT + _LENGTHS.size
    if at + sum(lengths) > _PARKED_AT:
        raise LineRecordUnreadable("its description of the print is damaged")
    texts = []
    for length in lengths:
        texts.append(mapped[at : at + length].decode("utf-8", "surrogateescape"))
        at += length
    key, sha256, path, name = texts
    return key, sha256, path, name, size


def _cannot_use(path: Path, error: OSError) -> LineRecordError:
    if error.errno == errno.ENOSPC:
        return LineRecordError(
            f"no space for the line record {path}: free some, nothing is printed without it"
        )
    if error.errno == errno.ELOOP:
        return LineRecordError(f"the line record {path} is a symbolic link: remove it")
    return LineRecordError(f"the line record {path} cannot be used: {error.strerror or error}")
