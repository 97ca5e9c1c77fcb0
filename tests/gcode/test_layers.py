"""Where layers begin, in every slicer's words and in none."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import pytest

from gateway.gcode import chunks, state
from gateway.gcode.layers import Layer, layers_in

DEMO_FILES = Path(state.__file__).parents[1] / "cli" / "demo_files"


def layers(text: str, end: int | None = None) -> tuple[Layer, ...]:
    with tempfile.TemporaryFile() as file:
        file.write(text.encode())
        file.flush()
        return layers_in(file, len(text) if end is None else end)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (";LAYER_CHANGE\n;Z:0.2\n;HEIGHT:0.2\n", ";LAYER_CHANGE\n;Z:0.4\n"),
        ("; CHANGE_LAYER\n; Z_HEIGHT: 0.2\n", "; CHANGE_LAYER\n; Z_HEIGHT: 0.4\n"),
        ("; layer 1, Z = 0.200\n", "; layer 2, Z = 0.400\n"),
        ("; BEGIN_LAYER_OBJECT z=0.20\n", "; BEGIN_LAYER_OBJECT z=0.40\n"),
        (";LAYER:0\n;Z:0.2\n", ";LAYER:1\n;Z:0.4\n"),
        ("G1 Z0.2 F600\n", "G1 Z.4\n"),
        ("G0 X1 Y1 Z0.2\n", "G0 F6000 X9 Y9 Z.4\n"),
    ],
    ids=["PrusaSlicer", "Bambu Studio", "Simplify3D", "KISSlicer", "ideaMaker", "Z alone", "Z in a travel"],
)
def test_each_slicer(first: str, second: str) -> None:
    head, lines = "G28\nG1 Z5\n", "G1 X1 Y1 E1\nG1 X2 E2 ; Z7\n"
    text = head + first + lines + second + lines
    begin = len(head + first + lines)
    assert layers(text) == (Layer(1, len(head), 0.2), Layer(2, begin, 0.4))
    assert layers(text, begin) == layers(text)[:1]
    assert layers(text, len(head)) == ()


def test_cura_counts_its_raft_below_zero_and_says_no_height() -> None:
    text = ";LAYER:-1\nG1 X1 E1\n;LAYER:0\nG1 X2 E2\n;LAYER:1\n"
    assert [(layer.number, layer.z) for layer in layers(text)] == [(1, None), (2, None), (3, None)]


def test_a_hop_is_no_layer_and_neither_is_a_lift_without_plastic() -> None:
    text = (
        "G1 Z0.2\nG1 X1 E1\n"
        "G1 Z0.6\nG1 X5 F9000\nG1 Z0.2\nG1 X6 E2\n"  # a hop, and back
        "G1 Z0.8\nG1 X0\nG1 Z0.4\nG1 X1 E3\n"  # a hop on the way to the next layer
        "G1 Z50\n"
    )
    assert [layer.z for layer in layers(text)] == [0.2, 0.4]


def test_objects_one_after_another_begin_again_at_the_plate() -> None:
    text = "".join(f"G1 Z{z}\nG1 X1 E1\n" for z in (0.2, 0.4, 0.2, 0.4))
    assert [layer.z for layer in layers(text)] == [0.2, 0.4, 0.2, 0.4]


def test_a_spiral_is_cut_where_it_has_risen_enough() -> None:
    text = "G1 X0 E1\n" + "".join(f"G1 X{i} Y1 Z{i / 100} E{i}\n" for i in range(1, 101))
    heights = [layer.z or 0.0 for layer in layers(text)]
    assert 20 <= len(heights) <= 25
    assert all(0.039 < later - earlier < 0.051 for earlier, later in itertools.pairwise(heights))


def test_a_real_file_with_and_without_its_comments() -> None:
    text = (DEMO_FILES / "cable-clip.gcode").read_text()
    said = layers(text)
    assert len(said) == text.count(";LAYER_CHANGE") > 10
    assert all(text[layer.begin :].startswith(";LAYER_CHANGE") for layer in said)
    bare = "".join(line for line in text.splitlines(keepends=True) if not line.startswith(";"))
    seen = layers(bare)
    # The start script lays a line of its own, at another height.
    assert [layer.z for layer in seen[1:]] == [layer.z for layer in said]


@pytest.mark.parametrize("cut", range(1, 30))
def test_a_mark_that_lies_across_two_chunks(cut: int) -> None:
    head = ";" + "x" * (chunks.CHUNK_BYTES - cut - 2) + "\n"
    mark = ";LAYER_CHANGE\n;Z:0.2\nG1 X1 E1\n"
    assert layers(head + mark) == (Layer(1, len(head), 0.2),)
