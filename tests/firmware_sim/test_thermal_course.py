"""Heat takes time, waits end, sensors and heaters break: the course of temperatures as a host sees it."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.machine.thermal import RUNAWAY_HYSTERESIS, WATCH_SECONDS, Heater
from firmware_sim.personality import HeaterConstants, load_personality
from tests.firmware_sim.talk import Talk

REPORT = re.compile(r"T:(-?[\d.]+) /([\d.]+) B:(-?[\d.]+) /([\d.]+) @:(\d+) B@:(\d+)")


def reading(talk: Talk) -> tuple[float, float, int]:
    """Hotend: actual, target and output, as M105 says."""
    found = REPORT.search(talk.send("M105\n")[0])
    assert found is not None
    return float(found[1]), float(found[2]), int(found[5])


def test_full_power_until_the_target_then_just_enough_to_hold_it() -> None:
    talk = Talk("marlin-sd")
    talk.send("M104 S210\n")
    course = []
    for _ in range(40):
        talk.wait(5.0)
        course.append(reading(talk))
    temperatures = [row[0] for row in course]
    assert temperatures == sorted(temperatures)
    assert {row[2] for row in course if row[0] < 209.9} == {127}
    assert temperatures[-1] == 210.0
    assert 20 < course[-1][2] < 127
    assert all(row[1] == 210.0 for row in course)


def test_it_heats_more_slowly_the_hotter_it_is() -> None:
    talk = Talk("marlin-sd")
    talk.send("M104 S260\n")
    gains = []
    before = reading(talk)[0]
    for _ in range(8):
        talk.wait(10.0)
        gains.append(reading(talk)[0] - before)
        before += gains[-1]
    assert gains == sorted(gains, reverse=True)
    assert gains[0] == pytest.approx(10 * 3.0, rel=0.05), "the rate of the personality, from cold"


@pytest.mark.parametrize("name", ["marlin-sd", "marlin-full", "marlin-stock", "marlin-bare"])
def test_targets_are_cut_at_fifteen_below_the_limit(name: str) -> None:
    build = load_personality(name)
    talk = Talk(name)
    talk.send("M104 S999\nM140 S999\n")
    assert talk.board.hotend.target == build.hotend.max_celsius - 15.0
    assert talk.board.bed.target == build.plate.max_celsius - 15.0
    talk.send("M104 S-5\n")
    assert talk.board.hotend.target == 0.0


@pytest.mark.parametrize("line", ["M104", "M104 S", "M140 S", "M109", "M190 S", "M104 R50"])
def test_an_order_without_a_temperature_sets_nothing(line: str) -> None:
    talk = Talk("marlin-stock")
    talk.send("M104 S50\nM140 S40\n")
    assert talk.send(f"{line}\n") == ["ok"]
    assert (talk.board.hotend.target, talk.board.bed.target) == (50.0, 40.0)


# -- waits ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "heater"), [("M109", "hotend"), ("M190", "bed")])
def test_a_wait_says_a_line_a_second_and_ends_ten_seconds_after_it_is_near(code: str, heater: str) -> None:
    talk = Talk("marlin-sd")
    heard = talk.send(f"{code} S60\n") + talk.wait_for("ok")
    waiting = [line for line in heard if line.startswith(" T:")]
    assert [line.rpartition("W:")[2] for line in waiting[-11:]] == ["?", *map(str, range(9, -1, -1))]
    assert len(waiting) == pytest.approx(talk.now - 1.0, abs=2.0)
    near = getattr(talk.board, heater).celsius(talk.now - 10.0)
    assert near == pytest.approx(59.0, abs=0.1)
    assert all(REPORT.search(line) for line in waiting)
    others = [line for line in heard if not line.startswith(" T:")]
    assert set(others) == {"echo:busy: processing", "ok"}


def test_a_wait_for_what_is_there_already_counts_down_at_once() -> None:
    talk = Talk("marlin-stock")
    heard = talk.send("M109 S20\n") + talk.wait_for("ok")
    waits = [line.rpartition("W:")[2] for line in heard if line.startswith(" T:")]
    assert waits == ["?", *map(str, range(9, 0, -1))]
    assert talk.now - 1.0 == pytest.approx(10.0)


def test_m109_r_waits_for_cooling_and_s_wins_over_r() -> None:
    talk = Talk("marlin-sd")
    talk.send("M109 S120\n")
    talk.wait_for("ok")
    assert talk.send("M109 S60 R60\n") == ["ok"]
    talk.send("M104 S120\n")
    talk.wait(60.0)
    talk.send("M109 R80\n")
    before = talk.now
    talk.wait_for("ok")
    assert talk.board.hotend.celsius(talk.now) == pytest.approx(80.0, abs=1.0)
    assert talk.now - before > 30.0


@pytest.mark.parametrize("line", ["M109 R0", "M109 R5", "M190 R0"])
def test_a_wait_for_a_cold_that_will_not_come_is_given_up(line: str) -> None:
    """As Marlin does: a minute that cools by less than 1.5 °C is the last one."""
    talk = Talk("marlin-sd")
    talk.send("M104 S100\nM140 S60\n")
    talk.wait(120.0)
    talk.send(f"{line}\n")
    heard = talk.wait_for("ok", 3600.0)
    heater = talk.board.bed if "190" in line else talk.board.hotend
    assert heater.celsius(talk.now - 60.0) - heater.celsius(talk.now) < 1.5
    assert {row.rpartition("W:")[2] for row in heard if row.startswith(" T:")} == {"?"}


def test_m876_does_not_end_a_heat_up_but_m108_does() -> None:
    talk = Talk("marlin-full")
    talk.send("M109 S200\n")
    talk.wait(5.2)
    assert talk.send("M876 S1\n") == []
    assert talk.wait(1.0)[-1].endswith("W:?")
    assert talk.send("M108\n") == ["ok P15 B6", "ok P15 B6", "ok P15 B7"], "the wait, the M876 and itself"
    assert talk.board.hotend.target == 200.0, "only the wait is cancelled"


def test_without_an_emergency_parser_m108_is_obeyed_only_if_it_can_be_read() -> None:
    talk = Talk("marlin-stock")
    talk.send("M109 S200\n" + "M117 x\n" * 3)
    talk.wait(3.5)
    talk.send("M108\n")
    assert not any(line == "ok" for line in talk.wait(20.0)), "the ring is full: nobody reads it"
    other = Talk("marlin-stock")
    other.send("M109 S200\nM117 x\n")
    other.wait(3.5)
    assert other.send("M108\n") == ["ok"] * 3


def test_a_numbered_m108_without_the_parser_never_ends_the_wait() -> None:
    talk = Talk("marlin-stock")
    talk.send("M109 S60\n")
    talk.wait(2.0)
    talk.send("N1 M108*43\n")
    assert talk.wait(3.0)[-1].endswith("W:?")


# -- faults -----------------------------------------------------------------------------------------------


def last_words(heard: list[str]) -> str:
    """The `Error:` of a shutdown, behind which nothing comes but what belongs to it."""
    first = next(index for index, line in enumerate(heard) if line.startswith("Error:"))
    assert heard[first + 1] == ""
    assert heard[-2:] == ["Error:Printer halted. kill() called!", "//action:poweroff"]
    return heard[first]


@pytest.mark.parametrize(("code", "heater", "bench"), [("M104", "E0", 100), ("M140", "bed", 60)])
def test_a_heater_dead_from_cold_is_noticed_after_the_watch_time(code: str, heater: str, bench: int) -> None:
    talk = Talk("marlin-sd")
    talk.board.fault_heater(heater, "dead", talk.now)
    assert talk.wait(1000.0) == [], "nobody heats"
    talk.send(f"{code} S{bench}\n")
    assert talk.wait(WATCH_SECONDS - 0.1) == []
    assert last_words(talk.wait(0.2)) == f"Error:Heating failed, system stopped! Heater_ID: {heater}"


@pytest.mark.parametrize(("code", "heater", "bench"), [("M109", "E0", 100), ("M190", "bed", 60)])
def test_a_heater_that_dies_hot_is_a_runaway_when_it_has_sunk_and_stayed_low(
    code: str, heater: str, bench: int
) -> None:
    talk = Talk("marlin-sd")
    talk.send(f"{code} S{bench}\n")
    talk.wait_for("ok")
    talk.board.fault_heater(heater, "dead", talk.now)
    died = talk.now
    heard = talk.wait_for("//action:poweroff")
    assert last_words(heard) == f"Error:Thermal Runaway, system stopped! Heater_ID: {heater}"
    hit = talk.board.hotend if heater == "E0" else talk.board.bed
    assert hit.celsius(talk.now) < bench - RUNAWAY_HYSTERESIS
    assert talk.now - died > WATCH_SECONDS


@pytest.mark.parametrize("kind", ["dead", "open"])
def test_a_fault_that_is_gone_before_it_is_noticed_has_no_consequences(kind: str) -> None:
    talk = Talk("marlin-sd")
    talk.board.fault_heater("E0", kind, talk.now)
    talk.wait(20.0)
    talk.board.hotend.repair(talk.now)
    talk.send("M104 S60\n")
    assert talk.wait(500.0) == []
    assert talk.board.hotend.celsius(talk.now) == 60.0


def test_the_first_of_two_faults_is_the_one_that_is_told() -> None:
    talk = Talk("marlin-sd")
    talk.send("M104 S100\nM140 S60\n")
    talk.board.fault_heater("E0", "dead", talk.now)
    talk.wait(10.0)
    talk.board.fault_heater("bed", "open", talk.now)
    assert last_words(talk.wait(0.0)).endswith("MINTEMP triggered, system stopped! Heater_ID: bed")
    assert talk.wait(1000.0) == [], "total silence"
    assert talk.ledger.count("kill") == 1


def test_a_homed_machine_does_not_ask_to_be_homed_when_it_dies() -> None:
    talk = Talk("marlin-sd")
    talk.send("G28\nM104 S100\n")
    talk.wait(30.0)
    talk.board.fault_heater("E0", "short", talk.now)
    assert talk.wait(0.0) == [
        "Error:MAXTEMP triggered, system stopped! Heater_ID: E0",
        "",
        "echo:Err: MAXTEMP",
        "Error:Printer halted. kill() called!",
        "//action:poweroff",
    ]


@pytest.mark.parametrize("during", ["G4 S60", "G28", "M190 S60", "M0 look", "G1 X200 F60\nM400"])
def test_a_shutdown_leaves_the_command_in_flight_without_an_ok(during: str) -> None:
    talk = Talk("marlin-sd")
    talk.send(f"M104 S100\n{during}\nM117 behind\n")
    talk.wait(3.0)
    talk.board.fault_heater("E0", "open", talk.now)
    heard = talk.wait(1000.0)
    assert last_words(heard).startswith("Error:MINTEMP")
    assert "ok" not in heard
    assert "M117 behind" not in talk.ledger.executed()
    assert talk.send("M105\nM999\nM112\n") + talk.wait(1000.0) == []


def test_a_broken_heater_is_still_broken_after_a_reset() -> None:
    talk = Talk("marlin-sd")
    talk.send("M104 S100\n")
    talk.board.fault_heater("E0", "open", talk.now)
    talk.board.reset(talk.now + 5.0)
    assert talk.wait(10.0)[0].startswith("Error:MINTEMP")
    assert talk.send("M105\n") == ["ok T:-15.00 /0.00 B:21.00 /0.00 @:0 B@:0"]
    assert talk.send("M104 S100\n")[1].startswith("Error:MINTEMP"), "as soon as it is to heat again"


# -- the model by itself ----------------------------------------------------------------------------------

constants = st.builds(
    HeaterConstants, rate=st.floats(0.3, 5.0), tau=st.floats(60.0, 600.0), max_celsius=st.floats(120.0, 300.0)
)


@given(constants, st.floats(30.0, 400.0), st.floats(0.0, 2000.0))
def test_a_heater_never_passes_its_target_nor_falls_below_the_room(
    build: HeaterConstants, target: float, seconds: float
) -> None:
    hot = Heater("E0", build, 20.0)
    hot.set_target(target, 0.0)
    assert 20.0 - 1e-9 <= hot.celsius(seconds) <= max(20.0, hot.target) + 1e-9
    assert 0 <= hot.output(seconds) <= 127
    hot.set_target(0.0, seconds)
    assert 20.0 - 1e-9 <= hot.celsius(seconds + 1.0) <= hot.celsius(seconds) + 1e-9


@given(constants, st.floats(30.0, 300.0), st.floats(21.0, 290.0))
def test_when_it_says_it_will_pass_a_temperature_it_does(
    build: HeaterConstants, target: float, wanted: float
) -> None:
    hot = Heater("E0", build, 20.0)
    hot.set_target(target, 0.0)
    at = hot.reaches_at(wanted, 0.0)
    if at < math.inf:
        assert hot.celsius(at) == pytest.approx(wanted, abs=1e-6)
        assert hot.celsius(at * 0.99) <= wanted + 1e-9
    else:
        assert hot.celsius(1e7) < wanted + 1e-6
