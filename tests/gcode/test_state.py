"""The machine as the file wants it at a byte: held against an interpreter that reads line by line."""

from __future__ import annotations

import io
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.gcode import chunks, state
from gateway.gcode.lines import printable_lines
from gateway.gcode.state import MachineState, state_at

DEMO_FILES = Path(state.__file__).parents[1] / "cli" / "demo_files"


class LineByLine:
    """One line after the other, as a textbook would."""

    def __init__(self, g90_sets_extruder: bool = True) -> None:
        self.g90_sets_extruder = g90_sets_extruder
        self.at: dict[str, float | None] = dict.fromkeys("XYZE")
        self.relative, self.e_relative, self.unit = False, False, 1.0
        self.values: dict[str, Any] = {}
        self.hotends: dict[int, float] = {}
        self.fans: dict[int, float] = {}
        self.flow: dict[int, float] = {}
        self.modal: list[tuple[str, str, set[str], str]] = []

    def run(self, text: str) -> None:
        code, *_ = re.split(r"[^A-Z\d.]|(?<=\d)(?=[A-Z])", text)
        words: dict[str, float | None] = {}
        for letter, number in re.findall(r"([A-Z]) ?(-?[\d.]*)", text[len(code) :]):
            words[letter] = float(number) if number else None
        if code in ("G0", "G1", "G2"):
            for letter, number in words.items():
                if number is not None and letter in self.at:
                    relative = self.e_relative if letter == "E" else self.relative
                    before = self.at[letter] if relative else 0.0
                    self.at[letter] = None if before is None else before + number * self.unit
            if words.get("F") is not None:
                self.values["feedrate"] = words["F"] * self.unit
        elif code in ("G20", "G21"):
            self.unit = 25.4 if code == "G20" else 1.0
        elif code in ("G90", "G91"):
            self.relative = code == "G91"
            self.e_relative = self.relative if self.g90_sets_extruder else self.e_relative
        elif code in ("M82", "M83"):
            self.e_relative = code == "M83"
        elif code == "G92":
            for letter, number in words.items():
                if number is not None:
                    shifted = letter != "E" and self.at[letter] != number * self.unit
                    self.values["is_shifted"] = self.values.get("is_shifted", False) or shifted
                    self.at[letter] = number * self.unit
        elif code == "G28":
            named = [letter for letter in "XYZ" if letter in words]
            self.at |= dict.fromkeys(named or "XYZ")
            if not named:
                self.values["is_shifted"] = False
        elif code == "G29":
            self.at |= dict.fromkeys("XYZ")
        elif code in ("G10", "G11"):
            self.values["is_retracted"] = code == "G10"
        elif code in ("T0", "T1"):
            self.values["tool"] = int(code[1])
        elif code in ("M104", "M109"):
            self.hotends[int(words.get("T", self.values.get("tool", 0)))] = words.get("S", words.get("R"))
        elif code in ("M140", "M190"):
            self.values["bed"] = words.get("S", words.get("R"))
        elif code == "M106":
            self.fans[int(words.get("P", 0))] = words.get("S", 255.0)
        elif code == "M107":
            self.fans[int(words.get("P", 0))] = 0.0
        elif code == "M220":
            self.values["speed_percent"] = words["S"]
        elif code == "M221":
            self.flow[self.values.get("tool", 0)] = words["S"]
        elif code in ("M201", "M204", "M205", "M900"):
            if code == "M900":
                self.values["linear_advance"] = words["K"]
            tool = str(words.get("T")) if code == "M900" else ""
            self.modal = [
                entry for entry in self.modal if entry[:2] != (code, tool) or not entry[2] <= words.keys()
            ]
            self.modal.append((code, tool, set(words), text))

    @property
    def state(self) -> MachineState:
        return MachineState(
            is_absolute=not self.relative,
            is_extruder_absolute=not self.e_relative,
            is_inch=self.unit != 1.0,
            **{axis.lower(): value for axis, value in self.at.items()},
            hotends=self.hotends,
            fans=self.fans,
            flow_percent=self.flow,
            modal_lines=tuple(sorted(text for *_, text in self.modal)),
            **self.values,
        )


def comparable(found: MachineState) -> MachineState:
    """Sums of many numbers differ in their last bits; the lines' order among different commands is free."""
    rounded = {axis: None if (v := getattr(found, axis)) is None else round(v, 5) for axis in "xyze"}
    return replace(found, **rounded, modal_lines=tuple(sorted(found.modal_lines)))


def line_by_line(content: bytes, **how: bool) -> MachineState:
    reference = LineByLine(**how)
    for line in printable_lines(io.BytesIO(content)):
        reference.run(line.text)
    return comparable(reference.state)


def fast(content: bytes, offset: int | None = None, **how: bool) -> MachineState:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        return comparable(state_at(file, len(content) if offset is None else offset, **how))


NUMBERS = st.sampled_from(["0", "1", "-2.5", "10.25", "117", ".5", "3."])


@st.composite
def moves(draw: st.DrawFn) -> str:
    axes = draw(st.lists(st.sampled_from("XYZEF"), unique=True, max_size=5))
    words = [axis + (draw(NUMBERS) if axis != "F" else "1200") for axis in axes]
    line = " ".join([draw(st.sampled_from(["G0", "G1", "G1", "G1", "G2"])), *words])
    return draw(st.sampled_from([line] * 6 + [line.lower(), "  " + line, f"N7 {line}*93"]))


OTHERS = st.sampled_from(
    [
        "G90", "G91", "M82", "M83", "G20", "G21", "G92 E0", "G92 X5 E-1.5", "G92 Z0.2", "G28", "G28 X Y",
        "G29", "G10", "G11", "T0", "T1", "M104 S210", "M109 R190", "M104 T1 S0", "M140 S60", "M190 R50",
        "M106", "M106 S127.5", "M106 P1 S30", "M107", "M107 P1", "M220 S80", "M221 S95", "M204 P800",
        "M204 S1000", "M204 P500 T900", "M205 X8 Y8", "M900 K0.05", "M900 T1 K0.1", "M201 X500 Y400",
        "M117 X9 Y9 G1 X77", "M73 P5 R9", "EXCLUDE_OBJECT_START NAME=E7", "GOTO X8", "M400", "",
        "; G1 X900 E900",
    ]
)  # fmt: skip
COMMENTS = st.sampled_from(["", "", "", " ; X8 E9", ";X5"])
FILES = st.lists(st.tuples(st.one_of(moves(), moves(), OTHERS), COMMENTS), max_size=60)


@given(FILES, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans(), st.integers(2, 600))
def test_any_file(
    lines: list[tuple[str, str]], newline: str, is_closed: bool, g90_sets_extruder: bool, cut: int
) -> None:
    """`cut`: where in these lines the first chunk ends."""
    head = ";" + "x" * (chunks.CHUNK_BYTES - cut) + "\n"
    content = (head + newline.join(line + comment for line, comment in lines)).encode()
    content += newline.encode() if is_closed else b""
    found = fast(content, g90_sets_extruder=g90_sets_extruder)
    assert found == line_by_line(content, g90_sets_extruder=g90_sets_extruder)


@pytest.mark.parametrize("name", ["cable-clip.gcode", "cable-clip-small.gcode"])
def test_every_place_of_a_slicers_file(name: str) -> None:
    content = (DEMO_FILES / name).read_bytes()
    reference, checked = LineByLine(), 0
    with (DEMO_FILES / name).open("rb") as file:
        for line in printable_lines(io.BytesIO(content)):
            reference.run(line.text)
            if line.ordinal % 61 == 0:
                assert comparable(state_at(file, line.end)) == comparable(reference.state)
                checked += 1
    assert checked > 10


def test_the_files_own_position_is_left_alone() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"G1 X1\nG1 X2\n")
        file.seek(3)
        assert state_at(file, 12).x == 2.0
        assert file.tell() == 3


def test_relative_extrusion_over_a_long_stretch_is_added_up() -> None:
    assert fast(b"M83\nG92 E1\n" + b"G1 X1 E0.5\n" * 20_000).e == 10_001.0


def test_a_caller_may_breathe_between_chunks() -> None:
    breaths = []
    with tempfile.TemporaryFile() as file:
        file.write(b"G1 X1\n" * 50_000)
        file.flush()
        state_at(file, 300_000, breathe=lambda: breaths.append(1))
    assert len(breaths) == -(-300_000 // chunks.CHUNK_BYTES)


def test_firmware_retraction_is_not_a_tools_offset() -> None:
    assert fast(b"G10\n").is_retracted
    assert not fast(b"G10 P1 X5\n").is_retracted
