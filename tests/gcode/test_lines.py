"""What is read from a file, and where it ends."""

from __future__ import annotations

import contextlib
import io
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.gcode.lines import (
    CHUNK_BYTES,
    FILE_LINE_BYTES_MAX,
    LineOverlong,
    line_blocks,
    printable,
    printable_lines,
    raw_lines,
)
from gateway.protocol.marlin.framing import LineNotSendable, checksum, numbered


def texts(content: bytes) -> list[str]:
    return [line.text for line in printable_lines(io.BytesIO(content))]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"G1 X1 Y2", "G1 X1 Y2"),
        (b"  G1 X1\r", "G1 X1"),
        (b"G1 X1 ; move", "G1 X1"),
        (b"; comment", ""),
        (b"", ""),
        (b" \t", ""),
        (b"g1 x10 e.5", "G1 X10 E.5"),
        (b"m117 Hello World", "M117 Hello World"),
        (b"M117 Hello;World", "M117 Hello"),
        (b"M118 E1 lower", "M118 E1 lower"),
        (b"m23 Model.gco", "M23 Model.gco"),
        (b"M1171 x", "M1171 X"),
        (b"N12 G1 X5*99", "G1 X5"),
        (b"n3 g28", "G28"),
        (b"M117 caf\xc3\xa9", "M117 caf?"),
        (b"\xef\xbb\xbfG28", "G28"),
        (b"\xef\xbb\xbf; header", ""),
        (b"T0", "T0"),
        (b"N0 M110 N0*125", ""),
        (b"M110", ""),
        (b"m110 n5", ""),
        (b"M1100 S1", "M1100 S1"),
        (b"G1\tX1\t\tY2", "G1 X1  Y2"),
        (b"\tG1 X1\t; move", "G1 X1"),
        (b"M117 a\\b.gcode", "M117 a/b.gcode"),
        (b"M117 \\", "M117 /"),
        (b"M23 DIR\\PART.GCO", "M23 DIR/PART.GCO"),
        (b"M117 50% (LAYER 3)", "M117 50% (LAYER 3)"),
        (b"g", "G"),
        (b"N", "N"),
        (b"N5", ""),
        (b"*33", "*33"),
        (b"(comment)", "(comment)"),
        (b"%", "%"),
    ],
)
def test_printable(raw: bytes, text: str) -> None:
    assert printable(raw) == text


@pytest.mark.parametrize("word", [b"Long ", b"LONG ", b"1234 "])
def test_a_long_display_text_is_cut_to_fit(word: bytes) -> None:
    for command in (b"M117 ", b"M118 "):
        assert 60 <= len(printable(command + word * 40)) <= 70


@given(st.binary(max_size=200).filter(lambda raw: b"\n" not in raw))
def test_any_line_is_printed_as_a_frame_or_refused_by_name(raw: bytes) -> None:
    text = printable(raw)
    assert text.startswith("N") or printable(text.encode()) == text, "what has been tidied stays as it is"
    assert text == text.strip(" \t\r\x0b\x0c")
    assert text.isascii()
    assert not {"\\", "\t", ";"} & set(text)
    with contextlib.suppress(LineNotSendable):
        assert numbered(1, text) == b"N1 %b*%d\n" % (text.encode(), checksum(b"N1 " + text.encode()))


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\n\n; the end", "\n\x0c"])
def test_the_last_line_counts_whatever_follows_it(ending: str) -> None:
    content = f"G28\nG1 X1{ending}".encode()
    assert texts(content)[:2] == ["G28", "G1 X1"]
    ends = [line.end for line in printable_lines(io.BytesIO(content))]
    assert ends[1] in (9, 10, 11)
    assert ends == sorted(ends)


def test_lines_come_with_their_end_and_ordinal() -> None:
    content = b"; head\r\nG28\r\n\r\nG1 X1 ; a\nM84"
    lines = list(printable_lines(io.BytesIO(content)))
    assert [(line.text, line.ordinal) for line in lines] == [("G28", 1), ("G1 X1", 2), ("M84", 3)]
    assert [
        content[: line.end].endswith(end)
        for line, end in zip(lines, (b"G28\r\n", b"a\n", b"M84"), strict=True)
    ]
    assert lines[-1].end == len(content)


@given(st.lists(st.sampled_from([b"G1 X1", b"; c", b"", b"M117 x", b"g28\r"]), max_size=40), st.data())
def test_reading_on_from_any_line_gives_the_rest(rows: list[bytes], data: st.DataObject) -> None:
    content = b"\n".join(rows)
    lines = list(printable_lines(io.BytesIO(content)))
    if not lines:
        return
    index = data.draw(st.integers(0, len(lines) - 1))
    at = lines[index]
    rest = list(printable_lines(io.BytesIO(content), start=at.end, start_ordinal=at.ordinal))
    assert rest == lines[index + 1 :]


PIECES = st.sampled_from(
    [b"G1 X1.5", b"G1 X2 ", b" ", b"\n", b"\r\n", b";", b"N7 ", b"*99", b"T1", b"g28", b"M110 N0", b"\t",
     b"\\", b"M117 Hi", b"\xff", b"\xc3\xa9", b"=:_", b"(", b"\0", b"\x0b"]
)  # fmt: skip


@given(st.lists(st.one_of(PIECES, st.binary(max_size=4)), max_size=60), st.integers(0, 3))
def test_the_quick_look_at_a_line_says_what_the_slow_one_says(pieces: list[bytes], long: int) -> None:
    content = b"".join(pieces) + b"G1 X1\n" * (long * CHUNK_BYTES // 6)
    blocks = [line for block in line_blocks(io.BytesIO(content)) for line in block]
    expected = [(text, end) for raw, end in raw_lines(io.BytesIO(content)) if (text := printable(raw))]
    assert [(text.decode("ascii"), end) for text, end, _ in blocks] == expected
    assert [ordinal for _, _, ordinal in blocks] == list(range(1, len(blocks) + 1))
    assert all(end <= len(content) for _, end, _ in blocks)


def test_chunks_cut_lines_anywhere() -> None:
    rows = [b"G1 X%d.%03d" % (index, index % 1000) for index in range(20_000)]
    content = b"\n".join(rows)
    assert len(content) > 3 * CHUNK_BYTES
    assert texts(content) == [row.decode() for row in rows]


def test_a_line_without_end_is_a_clear_error() -> None:
    with pytest.raises(LineOverlong, match="line 3") as error:
        texts(b"G28\nG1\n" + b"x" * (FILE_LINE_BYTES_MAX * 3))
    assert error.value.number == 3


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "large.gcode"
    with path.open("wb") as file:
        for _ in range(10):  # 3.5 MB
            file.write(b"G1 X10.123 Y20.456 E0.789 ; infill\n" * 10_000)
    tracemalloc.start()
    with path.open("rb") as file:
        count = sum(1 for _ in printable_lines(file))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 100_000
    assert peak < 500_000
