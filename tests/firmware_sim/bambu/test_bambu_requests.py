"""Commands and their echoes: every parameter comes back, with what came of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.firmware_sim.bambu.bench import Bench


@pytest.mark.parametrize(
    ("kind", "command", "parameters"),
    [
        ("print", "pause", {"param": ""}),
        ("print", "stop", {"param": "", "extra": [1, {"deep": None}]}),
        ("print", "gcode_line", {"param": "G28 X\n"}),
        ("print", "print_speed", {"param": "3"}),
        ("system", "ledctrl", {"led_node": "chamber_light", "led_mode": "on", "led_on_time": 500}),
    ],
)
@pytest.mark.parametrize(("personality", "word"), [("a1", "success"), ("x1c", "SUCCESS")])
def test_an_echo_repeats_every_parameter(
    personality: str, word: str, kind: str, command: str, parameters: dict[str, Any]
) -> None:
    bench = Bench(personality)
    echo = bench.ask(kind, command, **parameters)
    sent = {"sequence_id": "1", "command": command, **parameters}
    assert echo == {**sent, "result": word, "reason": word}
    assert next(one.kind for one in bench.heard if one.body is echo) == kind


@pytest.mark.parametrize(
    ("kind", "command", "parameters"),
    [
        ("print", "print_speed", {"param": "5"}),
        ("print", "print_speed", {}),
        ("print", "gcode_line", {"param": 7}),
        ("print", "gcode_line", {"param": "\n; nothing\n"}),
        ("print", "gcode_line", {"param": "G28\n" * 65}),
        ("print", "gcode_file", {"param": "/"}),
        ("print", "project_file", {"param": "Metadata/plate_1.gcode"}),
        ("system", "ledctrl", {"led_node": "work_light", "led_mode": "on"}),
    ],
)
def test_what_makes_no_sense_fails(kind: str, command: str, parameters: dict[str, Any]) -> None:
    bench = Bench()
    echo = bench.ask(kind, command, **parameters)
    assert echo is not None
    assert echo["result"] == "failed"
    assert echo["err_code"] == 0x05004001
    assert bench.starts() == []


def test_lines_are_run_and_are_not_those_of_a_file() -> None:
    bench = Bench()
    bench.ask("print", "gcode_line", param="G28\nG1 X10 ; go\n")
    bench.live(30.0)
    assert bench.printer.ledger.executed("mqtt") == ["G28", "G1 X10"]
    assert bench.moves() == []


def test_light_and_speed_are_shown() -> None:
    bench = Bench()
    bench.ask("system", "ledctrl", led_node="chamber_light", led_mode="on")
    bench.ask("print", "print_speed", param="1")
    bench.live(2.0)
    assert bench.shown["lights_report"] == [{"node": "chamber_light", "mode": "on"}]
    assert (bench.shown["spd_lvl"], bench.shown["spd_mag"]) == (1, 50)


def test_versions() -> None:
    bench = Bench("p1s", serial="01P00A000000001")
    echo = bench.ask("info", "get_version")
    assert echo is not None
    ota = next(module for module in echo["module"] if module["name"] == "ota")
    assert ota["sw_ver"] == "01.08.02.00"
    assert ota["product_name"] == "Bambu Lab P1S"
    assert ota["sn"] == "01P00A000000001"


def test_without_developer_mode_commands_are_refused_and_reading_goes_on() -> None:
    bench = Bench("a1", developer_mode=False)
    for echo in (bench.start(), bench.ask("print", "pause", param="")):
        assert echo is not None
        assert (echo["result"], echo["reason"]) == ("failed", "mqtt message verify failed")
        assert echo["err_code"] == 0x05024007
    bench.live(60.0)
    assert bench.starts() == []
    assert bench.shown["hms"] == [{"attr": 0x05000500, "code": 0x00010007}]
    assert bench.ask("info", "get_version")
    bench.printer.panel.start("plain.gcode")
    bench.until("FINISH")


def test_the_screen_takes_hms_and_errors_away() -> None:
    bench = Bench()
    bench.printer.panel.warn(0x03000D00, 0x00010003)
    bench.printer.panel.trip(0x0300800B)
    bench.live(2.0)
    assert bench.shown["hms"] == [{"attr": 0x03000D00, "code": 0x00010003}]
    assert bench.shown["print_error"] == 0x0300800B
    assert bench.ask("print", "clean_print_error")
    bench.live(2.0)
    assert (bench.shown["hms"], bench.shown["print_error"]) == ([], 0)


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xff\xfe", b"{", b"[]", b"7", b'"print"', b'{"print":7}', b'{"print":{}}',
     b'{"print":{"command":7}}', b'{"print":{"command":"unheard_of"}}', b"[" * 100_000,
     b'{"pushing":{"command":"dance"}}'],
)  # fmt: skip
def test_what_is_no_command_gets_no_answer(payload: bytes) -> None:
    bench = Bench()
    heard = len(bench.heard)
    bench.send(payload)
    assert len(bench.heard) == heard
    assert bench.seat.lost is None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
COMMANDS = ["project_file", "gcode_file", "gcode_line", "print_speed", "pause", "stop", "ledctrl", "pushall"]


@settings(max_examples=40)
@given(
    st.sampled_from(["print", "system", "pushing", "info"]),
    st.sampled_from(COMMANDS),
    st.dictionaries(
        st.sampled_from(["param", "url", "subtask_id", "led_mode", "led_node", "task_id"]), VALUES
    ),
    st.sampled_from(["a1", "p1s"]),
)
def test_no_command_breaks_the_printer(
    kind: str, command: str, parameters: dict[str, Any], personality: str
) -> None:
    bench = Bench(personality)
    bench.send(json.dumps({kind: {"command": command, **parameters}}).encode())
    bench.live(5.0)
    bench.start(7)
    bench.live(20.0)
    assert bench.shown["gcode_state"] in ("IDLE", "PREPARE", "RUNNING", "FAILED", "FINISH")
