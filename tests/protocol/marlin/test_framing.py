"""Frames against the bytes recorded from Marlin 2.1.2."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.marlin.framing import (
    LineEmpty,
    LineNotSendable,
    LineTooLong,
    LineUnprintable,
    bare,
    checksum,
    numbered,
)


@pytest.mark.parametrize(
    ("number", "text", "frame"),
    [
        (1, "M105", b"N1 M105*38\n"),
        (2, "G92 E0", b"N2 G92 E0*69\n"),
        (10, "G92 E0", b"N10 G92 E0*118\n"),
        (57, "M105", b"N57 M105*21\n"),
        (100, "M110", b"N100 M110*34\n"),
        (0, "M110 N200", b"N0 M110 N200*127\n"),
        (202, "M117 safe M112 text", b"N202 M117 safe M112 text*119\n"),
        (256, "M118 E1 q256", b"N256 M118 E1 q256*30\n"),
    ],
)
def test_frames_are_those_the_firmware_accepted(number: int, text: str, frame: bytes) -> None:
    assert numbered(number, text) == frame


def test_comment_and_blanks_are_stripped() -> None:
    assert numbered(2, "  G92 E0 ; trailing\r") == b"N2 G92 E0*69\n"
    assert bare("M105 ") == b"M105\n"


@pytest.mark.parametrize("text", ["", "  ", "\t", "; only comment", " ;x", "\r\n"])
def test_a_line_that_gets_no_answer_is_not_sent(text: str) -> None:
    with pytest.raises(LineEmpty):
        numbered(1, text)


@pytest.mark.parametrize(
    "text", ["M117 caf\xe9", "G1\tX1", "M105\nM112", "G1 X1\x00", "M117 \x7f", "M117 a\\b"]
)
def test_only_printable_ascii_is_sent(text: str) -> None:
    with pytest.raises(LineUnprintable):
        numbered(1, text)


def test_the_longest_frame_has_95_characters() -> None:
    for length in range(60, 95):
        text = "M118 " + "y" * length
        fits = len(b"N1234 %b*" % text.encode()) + len(str(checksum(b"N1234 %b" % text.encode()))) <= 95
        if fits:
            assert len(numbered(1234, text)) <= 95 + 1
        else:
            with pytest.raises(LineTooLong, match="the firmware takes 95"):
                numbered(1234, text)
    with pytest.raises(LineTooLong):
        bare("M118 " + "y" * 95)


@given(st.text(max_size=120), st.integers(0, 10**7))
def test_any_text_is_one_checked_line_or_a_typed_error(text: str, number: int) -> None:
    try:
        frame = numbered(number, text)
    except LineNotSendable:
        return
    assert frame.count(b"\n") == 1
    assert frame.endswith(b"\n")
    body, _, declared = frame[:-1].rpartition(b"*")
    assert checksum(body) == int(declared)
    assert len(frame) <= 96
