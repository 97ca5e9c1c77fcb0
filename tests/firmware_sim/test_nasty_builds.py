"""What builds do to a host: slow, overflowing, checking nothing, protecting nothing."""

from __future__ import annotations

import dataclasses

import pytest

from firmware_sim import Board, Ledger, load_personality
from firmware_sim.machine.thermal import DRIFT_CELSIUS_PER_SECOND, WATCH_SECONDS
from tests.firmware_sim.talk import Talk, frame


def build(name: str, *features: str) -> Talk:
    kind = load_personality(name)
    talk = Talk(name)
    talk.ledger = Ledger()
    talk.board = Board(dataclasses.replace(kind, features=kind.features | set(features)), ledger=talk.ledger)
    talk.now = 0.0
    talk.wait(0.0)
    talk.wait(1.0)
    return talk


def lines_a_second(window: int) -> float:
    """Short lines through the slow board, so many in flight."""
    board = Board("slow-board")
    board.poll(0.0)
    board.poll(1.0)
    now, sent, done = 1.0, 0, 0
    while done < 400:
        while sent < min(400, done + window):
            board.receive(b"M117 x\n", now)
            sent += 1
        if (due := board.next_deadline()) is not None:
            now = max(now, due)
        done += board.poll(now).count(b"ok\n")
    return 400 / (now - 1.0)


def test_a_slow_board_tells_a_window_of_one_from_four() -> None:
    assert lines_a_second(1) == pytest.approx(200, rel=0.02), "1 ms of work and 4 ms on the way back"
    assert lines_a_second(4) == pytest.approx(800, rel=0.05)
    assert lines_a_second(8) == pytest.approx(1000, rel=0.05), "the processor is the limit"


def test_a_uart_fed_byte_by_byte_loses_only_what_does_not_fit() -> None:
    talk = Talk("marlin-uart")
    talk.send("G4 S1\n")
    data = "".join(frame(number, f"M118 E1 q{number:03d}") for number in range(1, 16))
    for byte in data:
        talk.now += 10 / 115200
        talk.board.receive(byte.encode(), talk.now)
    assert talk.ledger.count("dropped") > 0
    heard = talk.wait(1.1)
    said = [line.strip() for line in heard if line.startswith("echo:q")]
    assert said == [f"echo:q{number:03d}" for number in range(1, len(said) + 1)]
    assert 3 <= len(said) < 15


def test_a_resend_without_ok() -> None:
    heard = build("marlin-stock", "resend_without_ok").send("N1 G90*1\n")
    assert heard == ["Error:checksum mismatch, Last Line: 0", "Resend: 1"]


def test_a_firmware_without_line_numbers_takes_everything() -> None:
    talk = build("marlin-stock", "no_line_numbers")
    assert talk.send("N7 G90*1\nN3 G91\n") == ["ok", "ok"]
    assert talk.ledger.executed() == ["G90", "G91"]


def test_m110_that_is_ignored() -> None:
    talk = build("marlin-stock", "ignores_m110")
    talk.send(frame(1, "G90") + frame(2, "G90"))
    assert talk.send(frame(0, "M110 N0")) == ["ok"]
    assert talk.board.last_line_number == 2
    assert talk.send("M110 N9\n") == ["ok"]
    assert talk.board.last_line_number == 2


def test_a_heater_that_runs_away_is_killed_by_maxtemp_and_stays_hot() -> None:
    talk = Talk("marlin-stock")
    talk.send("M104 S200\n")
    talk.wait(200.0)
    talk.board.fault_heater("E0", "runaway", talk.now)
    talk.wait(20.0)
    assert talk.board.hotend.celsius(talk.now) > 210.0
    heard = talk.wait(300.0)
    assert heard[0] == "Error:MAXTEMP triggered, system stopped! Heater_ID: E0"
    assert talk.board.is_halted
    assert talk.board.hotend.true_celsius(talk.now) > 275.0, "no firmware switches off a shorted transistor"


def test_without_thermal_protection_it_only_gets_hotter_whatever_is_ordered() -> None:
    talk = build("marlin-stock", "no_thermal_protection")
    talk.send("M104 S200\n")
    talk.wait(200.0)
    talk.board.fault_heater("E0", "runaway", talk.now)
    talk.send("M104 S0\n")
    assert talk.wait(600.0) == []
    assert talk.board.hotend.celsius(talk.now) > 400.0
    assert " /0.00 " in talk.send("M105\n")[0]


def test_a_sensor_that_slips_out_reads_less_while_the_heater_is_at_full_power() -> None:
    talk = Talk("marlin-stock")
    talk.send("M104 S200\n")
    talk.wait(300.0)
    talk.board.fault_heater("E0", "drift", talk.now)
    talk.wait(10.0)
    assert talk.board.hotend.celsius(talk.now) == pytest.approx(200.0 - 10.0 * DRIFT_CELSIUS_PER_SECOND)
    assert talk.board.hotend.true_celsius(talk.now) > 205.0
    heard = talk.wait(WATCH_SECONDS + 20.0)
    assert heard[0] == "Error:Thermal Runaway, system stopped! Heater_ID: E0"


def test_filament_out_where_the_host_is_told() -> None:
    talk = Talk("marlin-sd")
    talk.board.panel.filament_out(talk.now)
    assert talk.wait(0.0) == ["//action:out_of_filament T0", "//action:pause filament_runout 0"]


def test_filament_out_where_the_machine_parks() -> None:
    talk = Talk("marlin-runout")
    talk.board.panel.filament_out(talk.now)
    heard = talk.wait(1.0)
    assert heard[:3] == [
        "//action:prompt_end",
        "//action:prompt_begin FilamentRunout T0",
        "//action:prompt_show",
    ]
    assert "//action:paused filament_runout 0" in heard
    assert "//action:prompt_begin Nozzle Parked" in heard
    assert talk.send("M24\n") == [], "held until somebody answers"
    assert "//action:resumed" in talk.send("M876 S1\n")


def test_the_door_and_a_menu_that_says_disconnect() -> None:
    talk = Talk("marlin-sd")
    talk.board.panel.open_door(talk.now)
    talk.board.panel.announce("disconnect", talk.now)
    assert talk.wait(0.0) == ["//action:pause", "//action:disconnect"]


def test_marlin_1_1_says_who_it_is_in_one_line() -> None:
    heard = Talk("marlin-1.1").send("M115\n")
    assert heard[0].startswith("FIRMWARE_NAME:Marlin 1.1.9 (Github) SOURCE_CODE_URL:")
    assert not any("AUTOREPORT_POS" in line for line in heard)
    assert heard[-1] == "ok"
