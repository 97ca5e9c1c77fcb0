"""Heaters take time, and thermal protection watches them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.machine.thermal import Heater
from firmware_sim.personality import HeaterConstants
from tests.firmware_sim.talk import Talk

CONSTANTS = HeaterConstants(rate=3.0, tau=180.0, max_celsius=290.0)


def heater() -> Heater:
    return Heater("E0", CONSTANTS, 20.0)


def test_heat_comes_in_its_own_time_and_stays_at_the_target() -> None:
    hot = heater()
    hot.set_target(215.0, 0.0)
    assert hot.celsius(0.0) == 20.0
    assert 170.0 < hot.celsius(60.0) < 180.0
    assert hot.celsius(hot.reaches_at(214.0, 0.0)) == pytest.approx(214.0)
    assert hot.celsius(500.0) == 215.0
    assert hot.output(1.0) == 127
    assert 0 < hot.output(500.0) < 127


def test_it_cools_towards_the_room_and_no_further() -> None:
    hot = heater()
    hot.set_target(200.0, 0.0)
    hot.set_target(0.0, 300.0)
    assert hot.celsius(300.0) == 200.0
    assert hot.celsius(480.0) == pytest.approx(20.0 + 180.0 / math.e)
    assert hot.celsius(1e6) == pytest.approx(20.0)
    assert hot.output(301.0) == 0


def test_cooling_stops_at_a_lower_target() -> None:
    hot = heater()
    hot.set_target(200.0, 0.0)
    hot.set_target(100.0, 300.0)
    assert hot.celsius(1e5) == 100.0
    assert hot.reaches_at(50.0, 300.0) == math.inf


@given(st.lists(st.tuples(st.floats(0, 260), st.floats(0.1, 300)), max_size=8))
def test_no_order_makes_the_temperature_jump(orders: list[tuple[float, float]]) -> None:
    hot, now = heater(), 0.0
    for target, seconds in orders:
        before = hot.celsius(now)
        hot.set_target(target, now)
        assert hot.celsius(now) == pytest.approx(before)
        now += seconds
        assert 19.99 <= hot.celsius(now) <= 275.0
        # Full power from cold is the steepest there is, up or down.
        assert abs(hot.celsius(now) - before) <= CONSTANTS.rate * seconds + 1e-6


def test_m109_counts_nine_to_zero_when_near_and_then_says_ok() -> None:
    talk = Talk("marlin-sd")
    heard = talk.send("M109 S200\n") + talk.wait_for("ok")
    waits = [line.partition("W:")[2] for line in heard if line.startswith(" T:")]
    assert waits[0] == "?"
    assert waits[-10:] == ["9", "8", "7", "6", "5", "4", "3", "2", "1", "0"]
    assert talk.board.hotend.celsius(talk.now) == 200.0
    assert 60.0 < talk.now < 120.0
    assert sum(line.startswith("echo:busy") for line in heard) == pytest.approx((talk.now - 1) / 2, abs=1)


def test_m109_s_does_not_wait_for_cooling_but_r_does() -> None:
    talk = Talk("marlin-sd")
    talk.send("M109 S100\n")
    talk.wait_for("ok")
    assert talk.send("M109 S50\n") == ["ok"]
    talk.send("M109 R50\n")
    before = talk.now
    talk.wait_for("ok")
    assert talk.now - before > 60.0


def test_m190_waits_for_the_bed() -> None:
    talk = Talk("marlin-sd")
    talk.send("M190 S60\n")
    talk.wait_for("ok")
    assert talk.board.bed.celsius(talk.now) == 60.0
    assert [(e.line, e.effect) for e in talk.ledger.events("heater")] == [("bed", "target 60")]


def test_m108_ends_the_wait_at_once() -> None:
    talk = Talk("marlin-stock")
    talk.send("M109 S200\n")
    talk.wait(5.5)
    assert talk.send("M105\nM108\n")[0] == "ok"


def test_m155_reports_with_a_leading_blank_and_without_ok() -> None:
    talk = Talk("marlin-stock")
    talk.send("M155 S2\n")
    assert talk.wait(4.1) == [" T:19.37 /0.00 B:19.37 /0.00 @:0 B@:0"] * 2
    talk.send("M155 S0\n")
    assert talk.wait(60.0) == []


SHUTDOWNS = [
    ("dead", "Heating failed", "echo:Heating Failed", 40.0),
    ("open", "MINTEMP triggered", "echo:Err: MINTEMP", 0.0),
    ("short", "MAXTEMP triggered", "echo:Err: MAXTEMP", 0.0),
]


@pytest.mark.parametrize(("kind", "error", "status", "seconds"), SHUTDOWNS)
@pytest.mark.parametrize("name", ["E0", "bed"])
def test_thermal_shutdowns(kind: str, error: str, status: str, seconds: float, name: str) -> None:
    talk = Talk("marlin-full")
    talk.send("M104 S100\nM140 S60\n")
    talk.board.fault_heater(name, kind, talk.now)
    assert talk.wait(seconds - 0.1 if seconds else 0.0) == ([] if seconds else talk_of(error, status, name))
    if seconds:
        assert talk.wait(0.2) == talk_of(error, status, name)
    assert talk.board.is_halted
    assert talk.board.hotend.target == talk.board.bed.target == 0.0
    assert talk.ledger.count("kill") == 1


def talk_of(error: str, status: str, name: str) -> list[str]:
    return [
        f"Error:{error}, system stopped! Heater_ID: {name}",
        "",
        "echo:Home XYZ First\r",
        "//action:notification Home XYZ First\r",
        status,
        "Error:Printer halted. kill() called!",
        "//action:poweroff",
    ]


def test_runaway_comes_40_s_after_the_temperature_has_left_its_target() -> None:
    talk = Talk("marlin-stock")
    talk.send("M109 S80\n")
    talk.wait_for("ok")
    talk.board.fault_heater("E0", "dead", talk.now)
    died = talk.now
    talk.wait_for("Error:Thermal Runaway, system stopped! Heater_ID: E0")
    sank = 325.0 * math.log((80.0 - 19.37) / (76.0 - 19.37))
    assert talk.now - died == pytest.approx(sank + 40.0)


def test_an_open_sensor_is_not_noticed_while_nothing_heats() -> None:
    talk = Talk("marlin-stock")
    talk.board.fault_heater("E0", "open", talk.now)
    assert talk.wait(100.0) == []
    assert talk.send("M105\n")[0].startswith("ok T:-15.00 /0.00")
    assert talk.send("M104 S50\n")[1].startswith("Error:MINTEMP")


def test_unknown_faults_are_named() -> None:
    talk = Talk("marlin-stock")
    with pytest.raises(ValueError, match="dead, slow, open, short"):
        talk.board.fault_heater("E0", "sad", talk.now)
    with pytest.raises(ValueError, match="E0, bed"):
        talk.board.fault_heater("E7", "dead", talk.now)
