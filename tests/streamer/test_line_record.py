"""The line record: what it tells after every way a process or a file can come to harm."""

from __future__ import annotations

import os
import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.drivers.contract import LineKind, LineRecord, OpenRecord, Parked, RecordedStage
from gateway.streamer.line_record import (
    FILE_BYTES,
    RING_ENTRIES,
    LineRecordBusy,
    LineRecordError,
    LineRecordUnreadable,
    MappedLineRecord,
    file_name_of,
    take_line_record,
)

RING_AT = 8192
ENTRY = 48


@contextmanager
def record_at(path: Path) -> Iterator[MappedLineRecord]:
    record = MappedLineRecord(path)
    try:
        yield record
    finally:
        record.release()


def begin(record: LineRecord, key: str = "attempt-7") -> None:
    record.open(key=key, path="/files/ab/cd.gcode", sha256="ab" * 32, size=12345, name="benchy.gcode")


def fill(record: LineRecord, count: int) -> None:
    for n in range(1, count + 1):
        record.sent(n, n * 30, n, LineKind.JOB)


def slot_of(sequence: int) -> int:
    return RING_AT + sequence % RING_ENTRIES * ENTRY


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records" / "mk3.lines"


def test_a_new_record_is_closed_and_private(path: Path) -> None:
    with record_at(path) as record:
        assert record.unfinished() is None
        assert record.find(1) is None
    status = path.stat()
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert status.st_size == FILE_BYTES
    assert status.st_blocks * 512 >= FILE_BYTES, "real blocks: a full disk must not kill a store later"


def test_what_was_left_open_is_told_by_the_next_process(path: Path) -> None:
    with record_at(path) as record:
        begin(record)
        fill(record, 1000)
        record.sent(1001, 30000, 1000, LineKind.SIDE)
        record.alive(77.25)
    with record_at(path) as record:
        assert record.unfinished() == OpenRecord(
            key="attempt-7",
            path="/files/ab/cd.gcode",
            sha256="ab" * 32,
            size=12345,
            name="benchy.gcode",
            last_number=1001,
            last_offset=30000,
            last_line=1000,
            alive_at=77.25,
        )
        assert record.find(1001) == (30000, 1000, LineKind.SIDE)
        assert record.find(1000) == (30000, 1000, LineKind.JOB)
        assert record.find(746) == (746 * 30, 746, LineKind.JOB)
        assert record.find(745) is None, "the 257th last is gone"
        assert record.find(1002) is None


def test_an_open_record_without_a_line_says_zero(path: Path) -> None:
    with record_at(path) as record:
        begin(record)
        left = record.unfinished()
    assert left is not None
    assert (left.last_number, left.last_offset, left.last_line) == (0, 0, 0)


def test_sending_goes_on_behind_what_a_former_process_recorded(path: Path) -> None:
    with record_at(path) as record:
        begin(record)
        fill(record, 300)
    with record_at(path) as record:
        record.sent(301, 9030, 301, LineKind.JOB)
        assert record.find(301) == (9030, 301, LineKind.JOB)
        assert record.find(300) == (9000, 300, LineKind.JOB)
        assert record.find(46) == (1380, 46, LineKind.JOB)
        assert record.find(45) is None


def test_a_closed_record_tells_nothing_of_the_print(path: Path) -> None:
    with record_at(path) as record:
        begin(record)
        fill(record, 3)
        record.close()
        assert record.unfinished() is None
    with record_at(path) as record:
        assert record.unfinished() is None


def test_a_new_print_forgets_the_lines_of_the_former(path: Path) -> None:
    with record_at(path) as record:
        begin(record)
        fill(record, 500)
        record.close()
        begin(record, "attempt-8")
        assert record.find(500) is None
        record.sent(1, 20, 1, LineKind.JOB)
        left = record.unfinished()
    assert left is not None
    assert (left.key, left.last_number) == ("attempt-8", 1)


def test_a_line_sent_again_counts_as_sent_last(path: Path) -> None:
    with record_at(path) as record:
        begin(record)
        fill(record, 10)
        record.sent(9, 270, 9, LineKind.JOB)
        left = record.unfinished()
        record.sent(1, 111, 11, LineKind.JOB)  # numbering began anew
        assert record.find(1) == (111, 11, LineKind.JOB)
    assert left is not None
    assert left.last_number == 9


@pytest.mark.parametrize("stored", range(ENTRY))
@pytest.mark.parametrize("before", [0, 5, 255, 256, 700])
def test_an_entry_torn_anywhere_leaves_the_one_before(path: Path, stored: int, before: int) -> None:
    with record_at(path) as record:
        begin(record)
        fill(record, before)
    at = slot_of(before + 1)
    whole = struct.pack("@6Q", before + 1, before + 1, 99, 99, 1, before + 1)
    content = bytearray(path.read_bytes())
    was = bytes(content[at : at + ENTRY])
    content[at : at + stored] = whole[:stored]
    path.write_bytes(content)
    with record_at(path) as record:
        left = record.unfinished()
        assert left is not None
        if bytes(content[at : at + ENTRY]) == whole:  # the rest of the bytes happened to be right already
            assert left.last_number == before + 1
        else:
            assert left.last_number == before
            assert record.find(before + 1) is None
        record.sent(before + 1, 1, 2, LineKind.JOB)
        assert record.find(before + 1) == (1, 2, LineKind.JOB)
    assert len(was) == ENTRY


@given(
    key=st.text(max_size=200),
    name=st.text(max_size=200),
    path=st.text(max_size=500).map(lambda text: "/" + text),
    size=st.integers(0, 2**63),
)
def test_any_description_comes_back(
    tmp_path_factory: pytest.TempPathFactory, key: str, name: str, path: str, size: int
) -> None:
    file = tmp_path_factory.mktemp("records") / "x.lines"
    with record_at(file) as record:
        record.open(key=key, path=path, sha256="00" * 32, size=size, name=name)
    with record_at(file) as record:
        left = record.unfinished()
    assert left is not None
    assert (left.key, left.path, left.name, left.size) == (key, path, name, size)


def test_a_path_that_is_not_utf8_comes_back(path: Path) -> None:
    odd = os.fsdecode(b"/files/\xff.gcode")
    with record_at(path) as record:
        record.open(key="k", path=odd, sha256="", size=1, name="n")
        left = record.unfinished()
    assert left is not None
    assert left.path == odd


def test_the_longest_path_of_linux_fits_and_more_is_refused(path: Path) -> None:
    with record_at(path) as record:
        record.open(key="k" * 100, path="/" * 4096, sha256="ab" * 32, size=1, name="n" * 255)
        begin(record)
        with pytest.raises(LineRecordError, match="use a shorter path or name"):
            record.open(key="k", path="/" * 9000, sha256="", size=1, name="n")
        left = record.unfinished()
    assert left is not None
    assert left.key == "attempt-7", "a refused description leaves the record as it was"


def damaged(content: bytes, kind: str) -> bytes:
    match kind:
        case "empty":
            return b""
        case "short":
            return content[: FILE_BYTES // 2]
        case "long":
            return content + b"\0"
        case "garbage":
            return bytes(range(256)) * (FILE_BYTES // 256) + bytes(FILE_BYTES % 256)
        case "zeros":
            return bytes(FILE_BYTES)
        case "version":
            return content[:8] + struct.pack("@I", 99) + content[12:]
        case "state":
            return content[:24] + struct.pack("@I", 7) + content[28:]
        case "description":
            return content[:60] + b"\xaa" + content[61:]
    raise AssertionError(kind)


DAMAGES = ["empty", "short", "long", "garbage", "zeros", "version", "state", "description"]


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_file_is_a_typed_error(path: Path, kind: str) -> None:
    with record_at(path) as record:
        begin(record)
        fill(record, 10)
    path.write_bytes(damaged(path.read_bytes(), kind))
    with pytest.raises(LineRecordUnreadable):
        MappedLineRecord(path)


@pytest.mark.parametrize("kind", DAMAGES)
def test_taking_a_damaged_record_keeps_it_and_says_so(tmp_path: Path, kind: str) -> None:
    path = tmp_path / file_name_of("mk3")
    for round_ in (1, 2):
        with record_at(path) as record:
            begin(record)
        broken = damaged(path.read_bytes(), kind)
        path.write_bytes(broken)
        taken = take_line_record(tmp_path, "mk3")
        assert taken.warning is not None
        assert "look at the printer" in taken.warning
        assert f"mk3.lines.unreadable-{round_}" in taken.warning
        assert (tmp_path / f"mk3.lines.unreadable-{round_}").read_bytes() == broken
        assert taken.record.unfinished() is None
        taken.record.release()


def test_taking_a_sound_record_warns_of_nothing(tmp_path: Path) -> None:
    taken = take_line_record(tmp_path / "new", "mk3")
    begin(taken.record)
    taken.record.release()
    taken.record.release()
    again = take_line_record(tmp_path / "new", "mk3")
    assert again.warning is None
    assert again.record.unfinished() is not None
    again.record.release()


@given(flips=st.lists(st.tuples(st.integers(0, FILE_BYTES - 1), st.integers(1, 255)), max_size=40))
def test_no_damage_makes_reading_crash(
    tmp_path_factory: pytest.TempPathFactory, flips: list[tuple[int, int]]
) -> None:
    path = tmp_path_factory.mktemp("records") / "x.lines"
    with record_at(path) as record:
        begin(record)
        fill(record, 300)
    content = bytearray(path.read_bytes())
    for at, mask in flips:
        content[at] ^= mask
    path.write_bytes(content)
    try:
        record = MappedLineRecord(path)
    except LineRecordUnreadable:
        return
    left = record.unfinished()
    assert left is None or left.key == "attempt-7"
    for number in range(40, 310):
        record.find(number)
    record.sent(301, 1, 1, LineKind.JOB)
    record.release()


def test_one_process_at_a_time(path: Path) -> None:
    with record_at(path), pytest.raises(LineRecordBusy, match="another streamer"):
        MappedLineRecord(path)
    with record_at(path):
        pass


def test_a_symbolic_link_is_not_followed(path: Path) -> None:
    path.parent.mkdir()
    target = path.with_name("passwd")
    target.write_text("root:x")
    path.symlink_to(target)
    with pytest.raises(LineRecordError, match="symbolic link"):
        MappedLineRecord(path)
    assert target.read_text() == "root:x"


def test_a_folder_in_the_way_is_said_so(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(LineRecordError, match="cannot be used"):
        MappedLineRecord(path)


def test_a_fifo_in_the_way_is_said_so(path: Path) -> None:
    path.parent.mkdir()
    os.mkfifo(path)
    with pytest.raises(LineRecordError, match="is not a file"):
        MappedLineRecord(path)


def test_a_folder_that_is_a_file_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "records").write_text("")
    with pytest.raises(LineRecordError, match="cannot be used"):
        take_line_record(tmp_path / "records", "mk3")


def test_a_half_made_file_of_a_killed_process_is_replaced(path: Path) -> None:
    path.parent.mkdir()
    path.with_name("mk3.lines.new").write_bytes(b"half")
    with record_at(path) as record:
        assert record.unfinished() is None
    assert not path.with_name("mk3.lines.new").exists()


@pytest.mark.parametrize(
    "name", ["..", ".", "../../etc/passwd", "/abs", "a\0b", "a/b", "Prusa MK3 links", "ä"]
)
def test_no_printer_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    taken = take_line_record(tmp_path, name)
    taken.record.release()
    (made,) = tmp_path.iterdir()
    assert made.name == file_name_of(name)


@given(st.lists(st.text(min_size=1, max_size=10), min_size=2, max_size=2, unique=True))
def test_different_printers_have_different_files(names: list[str]) -> None:
    assert file_name_of(names[0]) != file_name_of(names[1])


@pytest.mark.parametrize("name", ["", "x" * 201, "ä" * 40, "\ud800"])
def test_names_that_make_no_file_name_are_refused(name: str) -> None:
    with pytest.raises(LineRecordError, match="printer name"):
        file_name_of(name)


@pytest.mark.parametrize("stage", RecordedStage)
def test_the_stage_outlives_the_process(path: Path, stage: RecordedStage) -> None:
    with record_at(path) as record:
        begin(record)
        fill(record, 3)
        record.enter(stage)
    with record_at(path) as record:
        left = record.unfinished()
        assert left is not None
        assert left.stage is stage
        record.close()
        begin(record, "attempt-8")
        again = record.unfinished()
        assert again is not None
        assert again.stage is RecordedStage.STREAMING, "a new print begins anew"


def test_a_damaged_stage_is_unreadable(path: Path) -> None:
    with record_at(path) as record:
        begin(record)
    content = bytearray(path.read_bytes())
    content[32] = 99
    path.write_bytes(content)
    with pytest.raises(LineRecordUnreadable, match="stage"):
        MappedLineRecord(path)


def test_a_record_of_the_version_before_is_unreadable(path: Path) -> None:
    with record_at(path) as record:
        begin(record)
    content = bytearray(path.read_bytes())
    content[8] = 1
    path.write_bytes(content)
    with pytest.raises(LineRecordUnreadable, match="version 1"):
        MappedLineRecord(path)


PARKED = Parked(110.25, 95.0, 12.4, 3.1, 215.0, 60.0)


def test_where_a_pause_found_the_machine_outlives_the_process(path: Path) -> None:
    with record_at(path) as record:
        begin(record)
        record.enter(RecordedStage.PAUSED)
        record.park(PARKED)
    with record_at(path) as record:
        left = record.unfinished()
        assert left is not None
        assert (left.stage, left.parked) == (RecordedStage.PAUSED, PARKED)
        record.park(None)
        begin_again = record.unfinished()
        assert begin_again is not None
        assert begin_again.parked is None


def test_a_new_print_is_not_parked(path: Path) -> None:
    with record_at(path) as record:
        begin(record)
        record.park(PARKED)
        record.close()
        begin(record, "attempt-8")
        left = record.unfinished()
        assert left is not None
        assert left.parked is None


@pytest.mark.parametrize("at", range(8128, 8180))
def test_half_a_place_is_none(path: Path, at: int) -> None:
    with record_at(path) as record:
        begin(record)
        record.park(PARKED)
    content = bytearray(path.read_bytes())
    content[at] ^= 0x10
    path.write_bytes(content)
    with record_at(path) as record:
        left = record.unfinished()
        assert left is not None
        assert left.parked is None


@pytest.mark.parametrize("is_half_renewed", [False, True])
def test_a_record_of_the_version_before_is_read(path: Path, is_half_renewed: bool) -> None:
    """The streamer was upgraded in mid-print; dying while it makes the record one of its own does no harm."""
    with record_at(path) as record:
        begin(record)
        fill(record, 3)
        before = record.unfinished()
    content = bytearray(path.read_bytes())
    content[8] = 2
    content[8176:8180] = bytes(4)
    if not is_half_renewed:
        content[28:32] = struct.pack("@I", zlib.crc32(content[48:8192]))
    path.write_bytes(content)
    for _ in range(2):
        with record_at(path) as record:
            assert record.unfinished() == before
    assert path.read_bytes()[8] == 3
