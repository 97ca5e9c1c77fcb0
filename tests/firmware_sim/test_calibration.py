"""G29 and M303 as Marlin 2.1.2 answers them: the words are its own, the ledger says what came of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from firmware_sim import Board, Ledger, load_personality
from firmware_sim.faults import acts, catalogue
from firmware_sim.machine.heat_commands import WINDOW_CELSIUS
from tests.firmware_sim.talk import Talk

FINISHED = "PID Autotune finished! Put the last Kp, Ki and Kd constants from below into Configuration.h"
TOO_HOT = "PID Autotune failed! Temperature too high"


def homed(personality: str = "marlin-probe") -> Talk:
    talk = Talk(personality)
    talk.send("G28\n")
    talk.wait_for("ok P15 B7")
    return talk


def came_of(talk: Talk) -> list[tuple[str, str | None, str | None]]:
    return [(e.event, e.line, e.effect) for e in talk.ledger.events("calibrated", "calibration_failed")]


def strike(talk: Talk, fault: catalogue.Fault) -> None:
    acts.strike(fault, talk.board, talk.board.faults)


def test_a_bed_is_probed_with_busy_lines_and_its_grid_is_printed() -> None:
    talk = homed()
    began = talk.now
    assert talk.send("G29\n") == []
    heard = talk.wait_for("ok P15 B7")
    assert heard == ["echo:busy: processing"] * 11 + [
        "Bilinear Leveling Grid:",
        "      0      1      2",
        " 0 -0.040 +0.000 +0.040",
        " 1 -0.040 -0.050 +0.040",
        " 2 -0.040 +0.000 +0.040",
        "",
        "X:190.00 Y:190.00 Z:5.00 E:0.00 Count X:15200 Y:15200 Z:2000",
        "ok P15 B7",
    ]
    assert talk.now - began == pytest.approx(9 * 2.6, abs=0.01)
    assert came_of(talk) == [("calibrated", "G29", "9 points")]


def test_a_machine_that_is_not_homed_is_not_probed() -> None:
    talk = Talk("marlin-probe")
    first = ["echo:Home XYZ First\r", "//action:notification Home XYZ First\r"]
    assert talk.send("G29\n") == [*first, "ok P15 B7"]
    assert came_of(talk) == [("calibration_failed", "G29", "not homed")]


def test_a_probe_that_does_not_trigger_is_an_error_and_an_ok() -> None:
    talk = homed()
    talk.send("G29\n")
    talk.wait(10.0)
    strike(talk, catalogue.probe_dead())
    heard = talk.wait_for("ok P15 B7")
    assert [line for line in heard if "busy" not in line] == [
        "Error:Probing Failed",
        "X:10.00 Y:100.00 Z:5.00 E:0.00 Count X:800 Y:8000 Z:2000",
        "ok P15 B7",
    ]
    assert came_of(talk) == [("calibration_failed", "G29", "no trigger")]


def test_without_a_probe_nobody_knows_g29_and_without_pid_nobody_m303() -> None:
    assert Talk("marlin-full").send("G29\n")[0] == 'echo:Unknown command: "G29"'
    assert Talk("slow-board").wait(0.0) == []
    talk = Talk("slow-board")
    talk.send("M303 E0 S200\n")
    assert talk.wait(1.0)[0] == 'echo:Unknown command: "M303 E0 S200"'


@pytest.mark.parametrize(
    ("command", "prefix", "rule", "setting"),
    [
        ("M303 E0 S200 C8 U1", "#define DEFAULT_K", " Classic PID ", "M301"),
        ("M303 E-1 S60 C8 U1", "#define DEFAULT_bedK", " No overshoot", "M304"),
    ],
)
def test_a_heater_is_tuned(command: str, prefix: str, rule: str, setting: str) -> None:
    talk = Talk()
    talk.send("M155 S1\n")
    heard = talk.send(f"{command}\n") + talk.wait_for("ok")
    assert heard[0] == "PID Autotune start"
    assert not [line for line in heard if "busy" in line], "it is not in its idle loop"
    reports = [line for line in heard if "T:" in line]
    assert all("T:" in line and " /0.00" in line for line in reports), "without a target"
    swings = [line for line in heard if line.startswith(" bias: ")]
    assert [" T:" in line for line in swings] == [True, True, *[False] * 6], "the first two lines go on"
    assert all(" Ku: " in line and " Tu: " in line for line in swings[2:])
    assert heard.count(rule) == 6
    constants = heard[heard.index(FINISHED) + 1 : heard.index("ok")]
    assert [line.rsplit(" ", 1)[0] for line in constants] == [prefix + letter for letter in "pid"]
    values = [float(line.rsplit(" ", 1)[1]) for line in constants]
    p, i, d = values
    assert min(values) > 0.0
    assert talk.send(f"{setting}\n")[0] == f"  {setting} P{p:.2f} I{i:.2f} D{d:.2f}"
    assert came_of(talk) == [("calibrated", command, f"Kp {p:.2f} Ki {i:.2f} Kd {d:.2f}")]
    assert talk.board.hotend.output(talk.now) == talk.board.bed.output(talk.now) == 0
    assert len(talk.wait(3.0)) == 3, "the automatic reports are back"


def test_without_u_the_result_is_only_told() -> None:
    talk = Talk()
    talk.send("M303 E0 S150 C3\n")
    talk.wait_for("ok")
    assert talk.send("M301\n")[0] == "  M301 P22.20 I1.08 D114.00"


def test_it_swings_about_its_target_and_no_further_than_it_may() -> None:
    talk = Talk()
    talk.send("M303 E0 S200 C8\n")
    hottest = 0.0
    while not came_of(talk):
        talk.wait(0.5)
        hottest = max(hottest, talk.board.hotend.true_celsius(talk.now))
    assert 200.0 + WINDOW_CELSIUS < hottest < 230.0


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("M303 E0 S270", TOO_HOT),  # the cut-off is at 275
        ("M303 E-1 S140", TOO_HOT),
        ("M303 E1 S200", "PID Autotune failed! Bad heater id"),
    ],
)
def test_what_cannot_be_tuned_is_told_at_once(command: str, words: str) -> None:
    talk = Talk()
    assert talk.send(f"{command}\n") == [words, "ok"]
    assert came_of(talk) == [("calibration_failed", command, words)]


def test_a_heater_that_does_not_stop_is_too_hot() -> None:
    talk = Talk()
    talk.send("M303 E0 S150\n")
    talk.wait(30.0)
    strike(talk, catalogue.heater_fault("runaway"))
    assert TOO_HOT in talk.wait_for("ok")
    assert came_of(talk) == [("calibration_failed", "M303 E0 S150", TOO_HOT)]


def test_what_never_cools_to_its_target_is_given_up_after_twenty_minutes() -> None:
    talk = Talk()
    talk.send("M303 E-1 S15\n")  # the room is warmer
    began = talk.now
    assert "PID Autotune failed! timeout" in talk.wait_for("ok")
    assert talk.now - began == pytest.approx(1205.0, abs=10.0)
    assert came_of(talk)[0][2] == "PID Autotune failed! timeout"


def test_a_heater_that_is_too_weak_kills_the_machine() -> None:
    """At its end it creeps: less than two degrees in forty seconds are no heating."""
    ledger = Ledger()
    stock = load_personality("marlin-stock")
    board = Board(replace(stock, plate=replace(stock.plate, rate=0.28)), ledger=ledger)
    board.poll(0.0)
    board.receive(b"M303 E-1 S110 C8\n", 1.0)
    board.poll(3000.0)
    [entry] = ledger.events("calibration_failed")
    assert (entry.effect, board.is_halted) == ("Heating failed", True)


def test_a_dead_heater_kills_the_machine() -> None:
    talk = Talk()
    talk.send("M303 E0 S200\n")
    talk.wait(20.0)
    strike(talk, catalogue.heater_fault("dead"))
    talk.wait(60.0)
    assert talk.board.is_halted
    assert came_of(talk) == [("calibration_failed", "M303 E0 S200", "Heating failed")]


@pytest.mark.parametrize("kind", ["open", "drift"])
def test_a_sensor_that_lies_kills_the_machine(kind: str) -> None:
    talk = Talk()
    talk.send("M303 E0 S200\n")
    talk.wait(40.0)
    strike(talk, catalogue.heater_fault(kind))
    talk.wait(400.0)
    assert talk.board.is_halted
    assert [event for event, _, _ in came_of(talk)] == ["calibration_failed"]


def test_m108_ends_it_without_a_word() -> None:
    talk = Talk("marlin-full")
    talk.send("M303 E0 S200\n")
    talk.wait(20.0)
    heard = talk.send("M108\n") + talk.wait(1.0)
    assert "PID Autotune" not in "".join(heard)
    assert came_of(talk) == []
    assert talk.board.hotend.output(talk.now) == 0


def test_a_reset_ends_it_and_the_heater_is_off() -> None:
    talk = Talk("marlin-full")
    talk.send("M303 E0 S200\nM155 S1\n")
    talk.wait(20.0)
    talk.board.reset(talk.now)
    talk.wait(5.0)
    assert talk.board.hotend.output(talk.now) == 0
    talk.send("M155 S1\n")
    assert len(talk.wait(3.0)) == 3
