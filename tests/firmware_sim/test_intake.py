"""Bytes to lines: collecting, cutting, judging."""

from __future__ import annotations

import itertools
import tomllib
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.machine import replies
from firmware_sim.machine.intake import (
    MAX_COMMAND_BYTES,
    Accepted,
    Intake,
    LineNumbers,
    Refused,
    Repeated,
    is_end_of_upload,
    leading_number,
    strip,
)
from tests.firmware_sim.transcripts import VECTORS


def lines_of(data: bytes) -> list[bytes]:
    intake, rx = Intake(), deque(data)
    found = []
    while (line := intake.next_line(rx)) is not None:
        found.append(line)
    return found


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"M105\n", [b"M105"]),
        (b"M105\r\n", [b"M105"]),
        (b"M105\r", [b"M105"]),
        (b"M105\nG28\n", [b"M105", b"G28"]),
        (b"\n\n\r\n", []),
        (b"; only a comment\n", []),
        (b"G92 E0 ; trailing\n", [b"G92 E0 "]),
        (b"  \n", [b"  "]),
        (b"M118 a\\;b\n", [b"M118 a;b"]),
        (b"M10\x085\n", [b"M15"]),
        (b"M105", []),
        (b"M118 \xff\x80\n", [b"M118 \xff\x80"]),
    ],
)
def test_a_line_is_what_stands_between_line_ends(data: bytes, lines: list[bytes]) -> None:
    assert lines_of(data) == lines


def test_the_buffer_holds_95_bytes_and_the_rest_of_the_line_is_lost() -> None:
    assert lines_of(b"M118 " + b"x" * 300 + b"\nM105\n") == [b"M118 " + b"x" * 90, b"M105"]
    assert MAX_COMMAND_BYTES == 96


def test_reading_stops_behind_a_line_so_that_the_rest_stays_in_the_receive_buffer() -> None:
    intake, rx = Intake(), deque(b"M105\nM114\n")
    assert intake.next_line(rx) == b"M105"
    assert bytes(rx) == b"M114\n"


def test_a_flush_forgets_half_a_line() -> None:
    intake, rx = Intake(), deque(b"N1 G9")
    assert intake.next_line(rx) is None
    intake.forget()
    rx.extend(b"M105\n")
    assert intake.next_line(rx) == b"M105"


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=8))
def test_it_does_not_matter_where_the_bytes_are_cut(data: bytes, cuts: list[int]) -> None:
    intake, rx, found = Intake(), deque[int](), []
    edges = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    for start, end in itertools.pairwise(edges):
        rx.extend(data[start:end])
        while (line := intake.next_line(rx)) is not None:
            found.append(line)
    assert found == lines_of(data)


@given(st.binary(max_size=2000))
def test_no_line_is_longer_than_the_buffer(data: bytes) -> None:
    assert all(0 < len(line) < MAX_COMMAND_BYTES for line in lines_of(data))


FRAMES = tomllib.loads((VECTORS / "frames.toml").read_text(encoding="utf-8"))["frame"]


@pytest.mark.parametrize("row", FRAMES, ids=[row["framed"].strip() for row in FRAMES])
def test_every_frame_real_marlin_took_is_taken(row: dict[str, object]) -> None:
    numbers = LineNumbers()
    numbers.last = int(str(row["number"])) - 1
    line = str(row["framed"]).encode("latin-1").rstrip(b"\n")
    assert numbers.judge(line) == Accepted(line)
    stripped = strip(line)
    assert stripped.command.decode("latin-1") == row["payload"]
    assert stripped.number == row["number"]


@pytest.mark.parametrize("row", FRAMES, ids=[row["framed"].strip() for row in FRAMES])
def test_any_flipped_bit_of_a_checksum_is_noticed(row: dict[str, object]) -> None:
    line = str(row["framed"]).encode("latin-1").rstrip(b"\n")
    body, _, checksum = line.rpartition(b"*")
    for bit in range(8):
        numbers = LineNumbers()
        numbers.last = int(str(row["number"])) - 1
        damaged = body + b"*%d" % (int(checksum) ^ (1 << bit))
        if b"M110" not in line:
            assert numbers.judge(damaged) == Refused(replies.ERR_CHECKSUM)


def at_line(last: int) -> LineNumbers:
    numbers = LineNumbers()
    numbers.last = last
    return numbers


def test_the_last_line_and_the_one_before_are_dropped_without_a_word() -> None:
    assert at_line(3).judge(b"N3 G92 E0*68") == Repeated(3)
    assert at_line(3).judge(b"N2 G92 E0*69") == Repeated(2)
    assert at_line(3).judge(b"N1 G92 E0*70") == Refused(replies.ERR_LINE_NUMBER)


def test_a_repeat_is_recognised_before_its_checksum_is_looked_at() -> None:
    assert at_line(3).judge(b"N3 G92 E0*1") == Repeated(3)
    assert at_line(3).judge(b"N3 G92 E0") == Repeated(3)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"N5 G92 E0*66", replies.ERR_LINE_NUMBER),
        (b"N-5 G92 E0*111", replies.ERR_LINE_NUMBER),
        (b"N4294967300 G92 E0*119", replies.ERR_LINE_NUMBER),
        (b"N4 G92 E0", replies.ERR_NO_CHECKSUM),
        (b"N4 G92 E0*1", replies.ERR_CHECKSUM),
        (b"N4 G92 E0*67N5 G92 E0*66", replies.ERR_CHECKSUM),
        (b"N0 M110 N0*1", replies.ERR_CHECKSUM),
    ],
)
def test_refused_lines(line: bytes, reason: str) -> None:
    numbers = at_line(3)
    assert numbers.judge(line) == Refused(reason)
    assert numbers.last == 3, "a refused line moves nothing"


@pytest.mark.parametrize("line", [b"G92 E0*67", b"4 G92 E0*67", b"O4 G92 E0*67", b"M105", b"  "])
def test_a_line_without_a_number_is_not_checked(line: bytes) -> None:
    assert at_line(3).judge(line) == Accepted(line)


def test_m110_may_jump_and_its_own_n_wins() -> None:
    numbers = at_line(3)
    assert isinstance(numbers.judge(b"N100 M110*34"), Accepted)
    assert numbers.last == 100
    assert isinstance(numbers.judge(b"N0 M110 N200*127"), Accepted)
    assert numbers.last == 200


def test_while_a_file_is_uploaded_lines_need_numbers_but_m29_does_not() -> None:
    assert at_line(0).judge(b"G28", saving=True) == Refused(replies.ERR_NO_CHECKSUM)
    assert isinstance(at_line(0).judge(b"M29", saving=True), Accepted)
    assert is_end_of_upload(b"M29 ")
    assert not is_end_of_upload(b"M290 Z0.1")


@pytest.mark.parametrize(
    ("text", "value"), [(b"12", 12), (b" 12x", 12), (b"-3", -3), (b"+4", 4), (b"", 0), (b"x", 0), (b"- 3", 0)]
)
def test_numbers_are_read_as_c_reads_them(text: bytes, value: int) -> None:
    assert leading_number(text) == value


def test_stripping_leaves_the_command() -> None:
    assert strip(b"N7 G1 X1 *99").command == b"G1 X1"
    assert strip(b"  N7 M105*1").number == 7
    assert strip(b"NOPE").command == b"NOPE"
    assert strip(b"4 G92 E0*67").command == b"4 G92 E0"
