"""Moves: when they are acknowledged, how long they last, where the head is."""

from __future__ import annotations

import math

import pytest

from firmware_sim.machine.motion import LOOK_AHEAD_MOVES, Planner
from tests.firmware_sim.talk import Talk

COLD = "echo: cold extrusion prevented"
HERE = (0.0, 0.0, 0.0, 0.0)


def test_the_ok_of_a_move_means_planned_not_done() -> None:
    talk = Talk("marlin-full")
    assert talk.send("G1 X150 Y150 F1200\n") == ["ok P14 B7"]
    assert talk.send("M400\n") == []
    heard = talk.wait_for("ok P15 B7")
    assert talk.now == pytest.approx(1.0 + 0.1 + math.hypot(150, 150) / 20)
    assert heard.count("echo:busy: processing") == 5


def test_fifteen_moves_fit_and_the_sixteenth_waits_unacknowledged() -> None:
    talk = Talk("marlin-stock")
    for index in range(15):
        assert talk.send(f"G1 X{index + 1} F60\n") == ["ok"], "1 mm/s: each takes a second"
    assert talk.send("G1 X16 F60\n") == []
    assert talk.ledger.executed()[-1] == "G1 X15 F60", "not executed before there is room"
    assert talk.wait(0.9) == []
    assert talk.wait(0.2) == ["ok"], "the first block has ended"
    assert talk.ledger.executed()[-1] == "G1 X16 F60"


def test_a_host_that_keeps_up_never_starves_the_planner() -> None:
    talk = Talk("marlin-stock")
    sent = 0
    while sent < 60:
        heard = talk.send(f"G1 X{sent % 2} F6000\n")
        sent += 1
        while heard.count("ok") == 0:
            heard += talk.wait(0.001)
    talk.send("M400\n")
    talk.wait_for("ok")
    # 59 moves of 1 mm at 100 mm/s, back to back, behind the first that went nowhere.
    assert talk.now == pytest.approx(1.0 + 59 * 0.01, abs=0.005)


def test_a_lone_first_move_starts_late_and_three_start_at_once() -> None:
    planner = Planner(16, 0.1)
    planner.push(5.0, 1.0, HERE, HERE)
    assert planner.drained_at(5.0) == pytest.approx(6.1)
    for _ in range(LOOK_AHEAD_MOVES - 1):
        planner.push(5.0, 1.0, HERE, HERE)
    assert planner.drained_at(5.0) == pytest.approx(8.0)
    assert planner.free(6.5) == 15 - 2


def test_positions_absolute_relative_and_shifted() -> None:
    talk = Talk("marlin-stock")
    talk.send("G1 X10 Y20 F6000\nG91\nG1 X-2\nG90\n")
    assert talk.send("M114\n")[0] == "X:8.00 Y:20.00 Z:0.00 E:0.00 Count X:640 Y:1600 Z:0"
    assert talk.send("G92 X100\n")[0] == "X:100.00 Y:20.00 Z:0.00 E:0.00 Count X:640 Y:1600 Z:0"
    talk.send("G1 X101\n")
    assert talk.send("M114\n")[0].startswith("X:101.00 Y:20.00")


def test_g28_takes_its_time_and_says_where_it_is() -> None:
    talk = Talk("marlin-stock")
    talk.send("G92 X7\nG28\n")
    heard = talk.wait_for("ok")
    assert talk.now == pytest.approx(1.0 + 16.2)
    assert heard[-2:] == ["X:0.00 Y:0.00 Z:0.00 E:0.00 Count X:0 Y:0 Z:0", "ok"]
    assert heard.count("echo:busy: processing") == 8


def test_homing_one_axis_is_a_third_of_it() -> None:
    talk = Talk("marlin-stock")
    talk.send("G28 Z\n")
    talk.wait_for("ok")
    assert talk.now == pytest.approx(1.0 + 5.4)
    assert talk.board.axes.homed == {"Z"}


def test_soft_endstops_hold_once_homed() -> None:
    talk = Talk("marlin-stock")
    talk.send("G1 X-5 F6000\n")
    assert talk.send("M114\n")[0].startswith("X:-5.00"), "nobody knows where X is"
    talk.send("G28\n")
    talk.wait(20.0)
    talk.send("G1 X999\n")
    assert talk.send("M114\n")[0].startswith("X:200.00")


def test_cold_filament_is_not_pushed_but_the_head_moves() -> None:
    talk = Talk("marlin-stock")
    assert talk.send("G1 X5 E5 F300\n") == [COLD, "ok"]
    assert talk.send("M114\n")[0].startswith("X:5.00 Y:0.00 Z:0.00 E:5.00")
    assert [entry.effect for entry in talk.ledger.events("refused")] == ["cold"]
    assert talk.send("M302 P1\nG1 E1\n") == ["ok", "ok"]
    assert talk.send("M302\n")[0] == "echo:Cold extrudes are enabled (min temp 170C)"


def test_too_much_filament_at_once_is_refused() -> None:
    assert Talk("marlin-stock").send("M302 P1\nG1 E201 F300\n")[1] == "echo: too long extrusion prevented"


def test_m410_drops_the_moves_and_tells_where_it_stopped() -> None:
    """Recorded: about a second until the ok, which in the build without emergency parser has the position."""
    talk = Talk("marlin-stock")
    talk.send("G1 X100 F600\n")
    talk.wait(5.1)
    assert talk.send("M410\n") == []
    heard = talk.wait(1.1)
    assert heard == ["X:50.00 Y:0.00 Z:0.00 E:0.00 Count X:4000 Y:0 Z:0", "ok"]
    assert talk.board.is_idle


@pytest.mark.parametrize(
    ("command", "seconds"),
    [
        ("G1 X60 F60000", 60 / 300),
        ("G1 Z10 F6000", 10 / 5),
        ("G0 X30 F1800", 1.0),
        ("G1 F1800", 0.0),
        ("G2 X20 I10 F600", math.pi),
        ("G3 X20 I10 F600", math.pi),
        ("G2 I10 F600", 2 * math.pi),
        ("G2 X20 R10 F600", math.pi),
        ("G4 P1500", 1.4),
        ("G4 S2", 1.9),
    ],
)
def test_how_long_things_take(command: str, seconds: float) -> None:
    talk = Talk("marlin-stock")
    heard = talk.send(f"{command}\nM400\n")
    while heard.count("ok") < 2:
        talk.now = talk.board.next_deadline() or talk.now
        heard += talk.wait(0.0)
    late = 0.1 if seconds else 0.0
    assert talk.now == pytest.approx(1.0 + seconds + late, abs=1e-3)


def test_m220_slows_everything_down() -> None:
    talk = Talk("marlin-stock")
    talk.send("M220 S50\nG1 X10 F600\nM400\n")
    talk.wait_for("ok")
    assert talk.now == pytest.approx(1.0 + 0.1 + 2.0)
    assert talk.send("M220\n") == ["FR:50%", "ok"]


def test_an_arc_without_a_centre_is_an_error_line_and_an_ok() -> None:
    assert Talk("marlin-stock").send("G2 X20 F600\n") == ["Error:G2/G3 bad parameters", "ok"]


def test_m203_limits_are_obeyed_and_reported() -> None:
    talk = Talk("marlin-stock")
    assert talk.send("M203 X50\nM203\n") == ["ok", "  M203 X50.00 Y300.00 Z5.00 E25.00", "ok"]
    talk.send("G1 X50 F60000\nM400\n")
    talk.wait_for("ok")
    assert talk.now == pytest.approx(1.0 + 0.1 + 1.0)
