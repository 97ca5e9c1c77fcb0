"""Full states and deltas: how they look, when they come, and that the deltas add up to the full state."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.bambu.personality import bambu_personality_names
from tests.firmware_sim.bambu.bench import Bench

ENVELOPE = {"command", "msg", "sequence_id"}


def without_envelope(report: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in report.items() if key not in ENVELOPE}


@pytest.mark.parametrize("personality", bambu_personality_names())
def test_a_full_state_looks_like_a_real_one(personality: str) -> None:
    bench = Bench(personality)
    (full,) = [one.body for one in bench.heard]
    assert full["msg"] == 0
    assert full["command"] == "push_status"
    assert len(full) >= 61
    texts = ("mc_print_stage", "gcode_file_prepare_percent", "subtask_id", "task_id", "mc_print_line_number",
             "nozzle_diameter", "cooling_fan_speed", "k", "wifi_signal", "sequence_id")  # fmt: skip
    assert all(isinstance(full[name], str) for name in texts)
    numbers = ("mc_percent", "mc_remaining_time", "layer_num", "nozzle_temper", "print_error", "stg_cur")
    assert all(isinstance(full[name], int | float) for name in numbers)
    assert 2000 < len(json.dumps(full)) < 6000


def test_deltas_come_about_every_two_seconds_and_are_short() -> None:
    bench = Bench("a1")
    bench.live(600.0)
    deltas = bench.heard[1:]
    assert {one.body["msg"] for one in deltas} == {1}
    gaps = [later.at - one.at for one, later in pairwise(deltas)]
    assert min(gaps) >= 2.0
    assert max(gaps) <= 32.0
    assert 600.0 / len(deltas) < 3.0
    numbers = [int(one.body["sequence_id"]) for one in bench.heard]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@pytest.mark.parametrize("personality", ["x1c", "h2d-like"])
def test_larger_models_send_the_full_state_each_time(personality: str) -> None:
    bench = Bench(personality)
    bench.live(60.0)
    assert {one.body["msg"] for one in bench.heard} == {0}
    assert len(bench.heard) >= 60


def test_a_client_that_does_not_ask_hears_changes_alone() -> None:
    bench = Bench("p1s")
    bench.connect("second")
    bench.heard.clear()
    bench.live(60.0)
    assert {one.body["msg"] for one in bench.heard} == {1}


@settings(max_examples=40)
@given(
    st.lists(
        st.sampled_from(
            [
                "start",
                "pause",
                "resume",
                "stop",
                "panel",
                "light",
                "speed",
                "wait",
                "trip",
                "dismiss",
                "pushall",
            ]
        ),
        max_size=12,
    )
)
def test_deltas_add_up_to_the_full_state(acts: list[str]) -> None:
    bench = Bench("a1")
    for act in acts:
        match act:
            case "start":
                bench.start(len(bench.heard) + 1)
            case "pause" | "resume" | "stop":
                bench.ask("print", act, param="")
            case "panel":
                if not bench.printer.course.is_busy:
                    bench.printer.panel.start("plain.gcode")
            case "light":
                bench.ask("system", "ledctrl", led_node="chamber_light", led_mode="on")
            case "speed":
                bench.ask("print", "print_speed", param="4")
            case "trip":
                bench.printer.panel.trip(0x07008011)
            case "dismiss":
                bench.printer.panel.dismiss()
            case "pushall":
                bench.ask("pushing", "pushall")
        bench.live(7.0)
    added_up = without_envelope(bench.shown)
    bench.ask("pushing", "pushall")
    now_full = without_envelope(bench.heard[-1].body)
    differing = {key for key in now_full if added_up.get(key) != now_full[key]}
    # What moves by itself since the last report.
    assert differing <= {
        "nozzle_temper",
        "bed_temper",
        "mc_remaining_time",
        "mc_percent",
        "layer_num",
        "stg_cur",
    }
    assert added_up.keys() == now_full.keys()


def test_heaters_are_seen_to_warm_in_thirty_seconds_of_a_degree() -> None:
    bench = Bench("a1")
    bench.ask("print", "gcode_line", param="M104 S200\nM140 S60\n")
    bench.live(30.0)
    assert bench.shown["nozzle_target_temper"] == 200
    assert bench.shown["bed_target_temper"] == 60
    warming = [one.body["nozzle_temper"] for one in bench.heard if "nozzle_temper" in one.body]
    assert warming == sorted(warming)
    assert warming[-1] > 100
    assert all(value * 32 == int(value * 32) for value in warming)


@pytest.mark.parametrize(
    ("personality", "developer_mode", "fun"),
    [("a1", True, None), ("a1", False, None), ("x1c", True, "1"), ("x1c", False, "20000001")],
)
def test_the_bit_that_says_that_signatures_are_required(
    personality: str, developer_mode: bool, fun: str | None
) -> None:
    assert Bench(personality, developer_mode=developer_mode).shown.get("fun") == fun
