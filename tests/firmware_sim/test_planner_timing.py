"""How long moves take: length over feedrate, limited per axis, one after the other."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.machine.motion import Axes, Planner
from firmware_sim.personality import load_personality
from tests.firmware_sim.talk import Talk

FIRST_MOVE_LATE = 0.1
HERE = (0.0, 0.0, 0.0, 0.0)


def seconds_until_still(talk: Talk, moves: str) -> float:
    """From writing the moves to the ok of the M400 behind them."""
    began, oks = talk.now, moves.count("\n") + 1
    heard = talk.send(f"{moves}M400\n")
    while heard.count("ok") < oks:
        due = talk.board.next_deadline()
        assert due is not None
        talk.now = max(talk.now, due)
        heard += talk.wait(0.0)
    return talk.now - began


moves = st.lists(
    st.tuples(st.integers(0, 200), st.integers(0, 200), st.sampled_from([600, 1800, 6000, 12000])),
    min_size=1,
    max_size=25,
)


@given(moves)
@settings(deadline=None, max_examples=40)
def test_a_path_takes_its_length_over_its_feedrate(path: list[tuple[int, int, int]]) -> None:
    x = y = 0
    expected, blocks, text = 0.0, 0, ""
    for to_x, to_y, feed in path:
        length = math.hypot(to_x - x, to_y - y)
        expected += length / (feed / 60)
        blocks += length > 0
        x, y = to_x, to_y
        text += f"G1 X{x} Y{y} F{feed}\n"
    late = FIRST_MOVE_LATE if 0 < blocks < 3 else 0.0
    took = seconds_until_still(Talk("marlin-stock"), text)
    assert took == pytest.approx(expected + late, abs=0.11 if blocks >= 3 else 1e-6)


@pytest.mark.parametrize(
    ("move", "seconds"),
    [
        ("G1 X60 F3600", 1.0),
        ("G1 X30 Y40 F3000", 1.0),
        ("G1 Z10 F6000", 2.0),
        ("G1 X10 Z5 F60000", 1.0),
        ("G1 E50 F6000", 2.0),
        ("G1 X300 F60000", 1.0),
        ("G1 X-10 F600", 1.0),
        ("G1 X0.5 F30", 1.0),
    ],
)
def test_the_slowest_axis_sets_the_pace(move: str, seconds: float) -> None:
    """M203 of the recorded builds: X and Y 300 mm/s, Z 5, E 25."""
    talk = Talk("marlin-stock")
    talk.send("M302 P1\n")
    assert seconds_until_still(talk, f"{move}\n") == pytest.approx(seconds + FIRST_MOVE_LATE)


@pytest.mark.parametrize("percent", [10, 50, 100, 200, 999])
def test_m220_scales_the_feedrate(percent: int) -> None:
    talk = Talk("marlin-stock")
    talk.send(f"M220 S{percent}\n")
    took = seconds_until_still(talk, "G1 X20 F600\n")
    assert took == pytest.approx(2.0 / (percent / 100) + FIRST_MOVE_LATE)


def test_the_feedrate_stays_until_the_next_f() -> None:
    talk = Talk("marlin-stock")
    seconds_until_still(talk, "G1 X10 F600\n")
    assert seconds_until_still(talk, "G0 X20\n") == pytest.approx(1.0 + FIRST_MOVE_LATE)
    assert seconds_until_still(talk, "G1 F1200\nG1 X30\n") == pytest.approx(0.5 + FIRST_MOVE_LATE)
    assert seconds_until_still(talk, "G1 X40 F0\n") == pytest.approx(0.5 + FIRST_MOVE_LATE), (
        "F0 is no feedrate"
    )


def test_a_move_to_where_the_head_is_takes_no_time_and_no_block() -> None:
    talk = Talk("marlin-full")
    assert talk.send("G1 X0 Y0 F600\n") == ["ok P15 B7"]
    assert seconds_until_still(Talk("marlin-stock"), "G1 X0\nG1\nG1 F1200\n") == 0.0


@given(st.lists(st.floats(0.001, 3.0), max_size=40), st.integers(4, 32))
def test_the_planner_empties_in_order_and_never_overfills(lengths: list[float], blocks: int) -> None:
    planner, now, total = Planner(blocks, FIRST_MOVE_LATE), 0.0, 0.0
    for seconds in lengths:
        now = max(now, planner.room_at(now))
        assert planner.free(now) > 0
        planner.push(now, seconds, HERE, HERE)
        total += seconds
        assert 0 <= planner.free(now) < planner.capacity == blocks - 1
        assert planner.drained_at(now) >= now
    end = planner.drained_at(now)
    assert total <= end + 1e-9 <= total + FIRST_MOVE_LATE * (1 + len(lengths)) + 1e-6
    assert planner.free(end) == planner.capacity
    assert planner.drained_at(end + 5.0) == end + 5.0


@given(st.floats(0.0, 11.0))
def test_a_stop_finds_the_head_on_its_way(after: float) -> None:
    planner = Planner(16, FIRST_MOVE_LATE)
    planner.push(0.0, 10.0, HERE, (100.0, 50.0, 0.0, 5.0))
    stopped = planner.stop(after)
    share = min(1.0, max(0.0, (after - FIRST_MOVE_LATE) / 10.0))
    if after >= 10.1:
        assert stopped is None
    else:
        assert stopped == pytest.approx((100.0 * share, 50.0 * share, 0.0, 5.0 * share))
    assert planner.free(after) == planner.capacity


def test_after_a_stop_the_next_move_starts_where_the_head_stands() -> None:
    talk = Talk("marlin-full")
    talk.send("G1 X100 F600\nG1 Y100\n")
    talk.wait(5.1)
    talk.send("M410\n")
    talk.wait(2.0)
    assert talk.send("M114\n")[0].startswith("X:50.00 Y:0.00")
    talk.send("G1 X60 F600\n")
    talk.wait(1.2)
    assert talk.board.is_idle
    assert talk.send("M114\n")[0].startswith("X:60.00")


def test_how_many_moves_a_second_go_through() -> None:
    """Recorded: 1 mm at 60 mm/s is bound by the planner, 50 lines a second; here the bare arithmetic, 60."""
    talk = Talk("marlin-stock")
    text = "".join(f"G1 X{index % 2} F3600\n" for index in range(1, 201))
    took = seconds_until_still(talk, text)
    assert 200 / took == pytest.approx(60, rel=0.05)


@pytest.mark.parametrize(
    ("start", "line", "millimetres"),
    [
        ((0, 0), "G2 X10 Y0 I5 J0", 5 * math.pi),
        ((0, 0), "G3 X10 Y0 I5 J0", 5 * math.pi),
        ((0, 0), "G2 X5 Y5 I5 J0", 2.5 * math.pi),
        ((0, 0), "G3 X5 Y5 I5 J0", 7.5 * math.pi),
        ((0, 0), "G2 X10 R5", 5 * math.pi),
        ((0, 0), "G2 X10 R-10", 10 * (2 * math.pi - math.pi / 3)),
        ((0, 0), "G2 I5", 10 * math.pi),
        ((20, 20), "G3 I3 J4", 10 * math.pi),
    ],
)
def test_arcs_take_their_length(start: tuple[int, int], line: str, millimetres: float) -> None:
    talk = Talk("marlin-stock")
    talk.send(f"G92 X{start[0]} Y{start[1]}\n")
    assert seconds_until_still(talk, f"{line} F600\n") == pytest.approx(millimetres / 10 + FIRST_MOVE_LATE)


@pytest.mark.parametrize("line", ["G2 X10", "G3 X10 Y10 R1", "G2 R5", "G2"])
def test_an_arc_that_is_none_moves_nothing(line: str) -> None:
    talk = Talk("marlin-stock")
    assert talk.send(f"{line} F600\n") == ["Error:G2/G3 bad parameters", "ok"]
    assert talk.board.is_idle


@pytest.mark.parametrize("axes", ["X", "Y", "Z", "XY", "XZ", "XYZ", ""])
def test_homing_takes_a_third_of_its_time_for_each_axis(axes: str) -> None:
    talk = Talk("marlin-sd")
    talk.send(f"G28 {' '.join(axes)}\n")
    talk.wait_for("ok")
    assert talk.now - 1.0 == pytest.approx(18.0 * (len(axes) or 3) / 3)
    assert talk.board.axes.homed == set(axes or "XYZ")


def test_soft_endstops_of_each_bed() -> None:
    for name in ("marlin-stock", "marlin-sd"):
        axes = Axes(load_personality(name))
        axes.homed |= {"X", "Y", "Z"}
        far = axes.goal_of({"X": 999.0, "Y": -999.0, "Z": 999.0})
        assert far[:3] == [axes.personality.bed[0], 0.0, axes.personality.bed[2]]


def test_dwell_counts_from_the_end_of_the_moves() -> None:
    talk = Talk("marlin-stock")
    assert seconds_until_still(talk, "G1 X10 F600\nG4 P250\nG4 S1\n") == pytest.approx(2.25 + FIRST_MOVE_LATE)
    assert seconds_until_still(talk, "G4\nG4 P\nG4 S0\n") == 0.0
    assert seconds_until_still(talk, "G4 S1 P9000\n") == pytest.approx(1.0), "S wins"
