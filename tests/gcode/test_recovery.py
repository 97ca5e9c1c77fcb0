"""What a plan to recover a print says, and what it refuses."""

from __future__ import annotations

import hashlib
import tempfile

import pytest

from gateway.gcode.recovery import SETTLED_LINES, NotRecoverable, RecoveryPlan, plan_recovery

HEAD = "M140 S60\nM109 S210\nG28\nG90\nM82\nG92 E0\n"
WIDTH = 40


def layers(count: int = 6, z: float = 0.2) -> str:
    return "".join(
        f";LAYER_CHANGE\n;Z:{number * z:g}\nG1 Z{number * z:g} F600\n"
        + "".join(f"G1 X{n} Y{number} E{number}.{n:02} F1800\n" for n in range(WIDTH))
        for number in range(1, count + 1)
    )


def planned(text: str, position: int | None = None, layer: int | None = None) -> RecoveryPlan:
    content = text.encode()
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        sha256 = hashlib.sha256(content).hexdigest()
        return plan_recovery(file, sha256, len(content) if position is None else position, layer)


@pytest.mark.parametrize(("g90_sets_extruder", "mode"), [(True, "M82"), (False, "M83")])
def test_what_g90_means_for_the_filament_is_the_firmwares_to_say(g90_sets_extruder: bool, mode: str) -> None:
    content = (HEAD.replace("G90\nM82\n", "M83\nG90\n") + layers()).encode()
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        sha256 = hashlib.sha256(content).hexdigest()
        plan = plan_recovery(file, sha256, len(content), g90_sets_extruder=g90_sets_extruder)
    assert [line for line in plan.move_lines if line in ("M82", "M83")][-1] == mode


def test_it_lifts_above_objects_that_stand_beside_it() -> None:
    plan = planned(HEAD + layers(200) + "G0 Z45 F600\n" + layers(6))
    assert plan.z_lost == pytest.approx(1.2)
    assert "G0 Z45 F300" in plan.move_lines
    assert plan.move_lines.index("G0 Z45 F300") < plan.move_lines.index("G28 X Y")


def place(text: str, words: str, lines: int) -> int:
    """The byte behind so many lines that follow `words`."""
    at = text.index(words)
    for _ in range(lines):
        at = text.index("\n", at) + 1
    return at


def test_the_layer_is_one_that_begins_in_front_of_what_may_not_be_done() -> None:
    text = HEAD + layers()
    for lines, layer in ((3 + 1 + SETTLED_LINES, 4), (3 + WIDTH, 4), (SETTLED_LINES - 5, 3), (3, 3)):
        plan = planned(text, place(text, ";LAYER_CHANGE\n;Z:0.8\n", lines))
        assert (plan.layer, plan.layers_done, plan.offset) == (
            layer, layer - 1, text.index(f";LAYER_CHANGE\n;Z:{layer * 0.2:g}\n"),
        )  # fmt: skip
        assert plan.line == len([line for line in text[: plan.offset].splitlines() if line[0] != ";"])


def test_the_lowest_of_the_heights_it_may_stand_at() -> None:
    text = HEAD + layers()
    plan = planned(text, place(text, ";LAYER_CHANGE\n;Z:0.8\n", 10))
    assert plan.z_lost == 0.6
    assert any("between Z 0.6 and 0.8" in warning for warning in plan.warnings)
    sure = planned(text, place(text, ";LAYER_CHANGE\n;Z:0.8\n", 3 + SETTLED_LINES + 2))
    assert sure.z_lost == 0.8


def test_heat_first_and_nothing_moves_sideways_before_the_lift() -> None:
    plan = planned(HEAD + layers())
    assert plan.heat_lines == ("M107", "M190 S60", "M109 S210")
    moves = [line for line in plan.move_lines if line.startswith(("G0", "G1", "G28", "G92 Z"))]
    assert moves[0].startswith("G92 Z")
    assert moves[1].startswith("G0 Z")
    assert moves[2] == "G28 X Y"


def test_relative_extrusion_and_modes_come_back() -> None:
    text = HEAD.replace("M82", "M83") + "M204 P700\nM220 S90\n" + layers().replace(" E", " E0.")
    plan = planned(text.replace("E0.1.", "E0.1").replace("E0.", "E."))
    assert {"M83", "M204 P700", "M220 S90"} <= set(plan.move_lines)
    assert plan.move_lines.index("M83") > plan.move_lines.index("M82")


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        (HEAD + layers(1), None, "no layer"),
        (HEAD + layers(), 40, "no layer"),
        (HEAD + "G1 X1 E1\n" * 500, None, "no layer"),
        (HEAD.replace("M109 S210\n", "") + layers(), None, "how hot"),
        ("G20\n" + HEAD + layers(), None, "inches"),
        (HEAD + "G92 X20\n" + layers(), None, "coordinates"),
        (HEAD + "T1\n" + layers(), None, "several tools"),
        (HEAD + "M104 T1 S200\n" + layers(), None, "several tools"),
    ],
)
def test_what_cannot_be_known_is_refused(text: str, position: int | None, words: str) -> None:
    with pytest.raises(NotRecoverable, match=words):
        planned(text, position)


def test_another_file_is_refused() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"G28\n")
        file.flush()
        with pytest.raises(NotRecoverable, match="not the one"):
            plan_recovery(file, "0" * 64, 4)


def test_a_file_that_measures_the_bed_is_warned_of() -> None:
    plan = planned(HEAD.replace("G90\n", "G29\nG90\n") + layers())
    assert any("measured the bed" in warning for warning in plan.warnings)


def test_a_layer_may_be_asked_for_but_not_a_later_one() -> None:
    text = HEAD + layers()
    assert planned(text, layer=3).layer == 3
    with pytest.raises(NotRecoverable, match="it may be 2 to"):
        planned(text, layer=1)
