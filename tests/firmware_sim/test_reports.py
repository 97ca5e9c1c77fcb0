"""What the machine tells about itself, and the small talk between host, user and firmware."""

from __future__ import annotations

import pytest

from firmware_sim import load_personality, personality_names
from firmware_sim.machine import replies
from tests.firmware_sim.talk import Talk

MARLINS = [name for name in personality_names() if name.startswith("marlin")]


@pytest.mark.parametrize("name", MARLINS)
def test_m115_is_the_identity_the_capabilities_and_the_rest(name: str) -> None:
    build = load_personality(name)
    heard = Talk(name).send("M115\n")
    assert heard[0] == build.identity
    assert [line[4:] for line in heard if line.startswith("Cap:")] == list(build.capabilities)
    assert heard[-1].startswith("ok")
    assert len(heard) == 1 + len(build.capabilities) + len(build.identity_tail) + 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"), (59.9, "59s"), (60, "1m 0s"), (3599, "59m 59s"), (3600, "1h 0m 0s"),
        (86399, "23h 59m 59s"), (90061, "1d 1h 1m 1s"),
    ],
)  # fmt: skip
def test_print_times(seconds: float, text: str) -> None:
    assert replies.duration(seconds) == text


def test_the_print_timer() -> None:
    talk = Talk("marlin-stock")
    talk.send("M75\n")
    talk.wait(65.0)
    assert talk.send("M31\n") == ["echo:Print time: 1m 5s", "ok"]
    talk.send("M76\n")
    talk.wait(100.0)
    talk.send("M75\n")
    talk.wait(5.0)
    talk.send("M77\n")
    talk.wait(100.0)
    assert talk.send("M31\n") == ["echo:Print time: 1m 10s", "ok"]


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("M118 plain", "plain\r"), ("M118 E1 echo", "echo:echo\r"), ("M118 A1 action", "//action\r"),
        ("M118 P0 x", "x\r"), ("M118 E0 x", "x\r"), ("M118 E1 A1 both", "//both\r"), ("M118", "\r"),
        ("M118 Easy", "Easy\r"),
    ],
)  # fmt: skip
def test_echoes_end_in_cr_lf(command: str, line: str) -> None:
    assert Talk("marlin-stock").send(f"{command}\n") == [line, "ok"]


def test_m73_says_what_it_was_told() -> None:
    talk = Talk("marlin-sd")
    assert talk.send("M73 P42 R10\n")[0] == "echo: M73 Progress: 42%; Time left: 10m;"
    assert talk.send("M73 P7\n")[0] == "echo: M73 Progress: 7%;"


def test_keepalive_is_set_reported_and_switched_off() -> None:
    talk = Talk("marlin-stock")
    assert talk.send("M113\n") == ["echo:M113 S2", "ok"]
    talk.send("M113 S1\nG4 S3\n")
    assert talk.wait(2.9) == ["echo:busy: processing"] * 2
    talk.wait(1.0)
    talk.send("M113 S0\nG4 S60\n")
    assert talk.wait(61.0) == ["ok"]


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("M204", "  M204 P3000.00 R3000.00 T3000.00"),
        ("M301", "  M301 P22.20 I1.08 D114.00"),
        ("M92", "  M92 X80.00 Y80.00 Z400.00 E500.00"),
        ("M221", "echo:E0 Flow: 100%"),
        ("M220", "FR:100%"),
        ("M302", "echo:Cold extrudes are disabled (min temp 170C)"),
        ("M500", "echo:Settings Stored (618 bytes; crc 28377)"),
        ("M501", "echo:V87 stored settings retrieved (618 bytes; crc 28377)"),
        ("M502", "echo:Hardcoded Default Settings Loaded"),
    ],
)
def test_settings_tell_themselves(command: str, line: str) -> None:
    assert Talk("marlin-stock").send(f"{command}\n") == [line, "ok"]


def test_a_setting_stays_until_it_is_loaded_again() -> None:
    talk = Talk("marlin-stock")
    assert talk.send("M204 P500 T1000\nM204\n")[1] == "  M204 P500.00 R3000.00 T1000.00"
    assert "  M204 P500.00 R3000.00 T1000.00" in talk.send("M503\n")
    talk.send("M501\n")
    assert talk.send("M204\n")[0] == "  M204 P3000.00 R3000.00 T3000.00"


def test_steps_per_mm_count() -> None:
    talk = Talk("marlin-stock")
    talk.send("M92 X100\nG1 X10 F6000\n")
    assert talk.send("M114\n")[0].endswith("Count X:1000 Y:0 Z:0")


def test_tools() -> None:
    assert Talk("marlin-stock").send("T0\n") == ["ok"]
    assert Talk("marlin-stock").send("T5\n") == ["echo:T5 Invalid extruder", "ok"]
    assert Talk("marlin-bare").send("T5\n") == ["ok"]


def test_linear_advance_where_it_is_built_in() -> None:
    talk = Talk("marlin-sd")
    assert talk.send("M900 K0.08\nM900\n") == ["ok", "echo:Advance K=0.08", "ok"]
    assert Talk("marlin-full").send("M900 K0.1\n")[0] == 'echo:Unknown command: "M900 K0.1"'


def test_fans_are_reported_by_one_build_only() -> None:
    full = Talk("marlin-full")
    assert full.send("M106 S128\nM107\n") == ["M106 P0 S128", "ok P15 B6", "M106 P0 S0", "ok P15 B7"]
    assert Talk("marlin-stock").send("M106 S128\n") == ["ok"]
    full.send("M106 S999\n")
    assert full.board.fan == 255


def test_lower_case_is_unknown_and_so_is_g29_here() -> None:
    talk = Talk("marlin-stock")
    for text in ("m105", "g92 e0", "G29", "(x)", "X10", "M9999", "M862.3 P1"):
        assert talk.send(f"{text}\n") == [f'echo:Unknown command: "{text}"', "ok"]
    assert talk.ledger.executed() == []


def test_automatic_positions() -> None:
    talk = Talk("marlin-full")
    talk.send("M154 S1\n")
    assert talk.wait(2.1) == ["X:0.00 Y:0.00 Z:0.00 E:0.00 Count X:0 Y:0 Z:0"] * 2
    assert Talk("marlin-stock").send("M154 S1\n")[0].startswith("echo:Unknown")


def test_reports_at_one_instant_come_in_the_order_of_the_idle_loop() -> None:
    talk = Talk("marlin-full")
    talk.send("M154 S2\nM27 S2\nM155 S2\nG4 S10\n")
    heard = talk.wait(2.0)
    assert heard == [
        "echo:busy: processing",
        " T:19.37 /0.00 B:19.37 /0.00 @:0 B@:0",
        "Not SD printing",
        "X:0.00 Y:0.00 Z:0.00 E:0.00 Count X:0 Y:0 Z:0",
    ]


def test_m600_parks_and_waits() -> None:
    talk = Talk("marlin-full")
    assert talk.send("M600\n") == ["//action:paused"]
    heard = talk.wait(0.2)
    assert heard[0] == "echo:Insert filament and send M108"
    assert "//action:prompt_begin Nozzle Parked" in heard
    heard = talk.send("M876 S1\n")
    assert heard[0] == "//action:resumed"
    assert "//action:prompt_begin Resuming" in heard, "the answer closed the question before"
    assert heard[-2:] == ["ok P15 B7", "ok P15 B7"]


def test_m81_takes_a_second() -> None:
    talk = Talk("marlin-stock")
    talk.send("M104 S50\nM81\n")
    assert talk.wait(1.0) == []
    assert talk.wait(0.2) == ["ok"]
    assert talk.board.hotend.target == 0.0
