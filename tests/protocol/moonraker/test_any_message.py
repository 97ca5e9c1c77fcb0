"""Whatever is published on the topics: it is read as far as it makes sense, and nothing raises."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.moonraker import objects as reading
from gateway.protocol.moonraker.history import ROWS, estimate, rows
from gateway.protocol.moonraker.judging import judge
from gateway.protocol.moonraker.rpc import read, replies, request

NAMES = st.sampled_from(
    ["webhooks", "print_stats", "virtual_sdcard", "display_status", "idle_timeout", "gcode_move", "extruder",
     "extruder1", "heater_bed", "temperature_sensor chamber", "state", "filename", "info", "progress",
     "temperature", "target", "total_duration", "jobs", "job_id", "start_time", "status", "metadata", "id",
     "result", "error", "code", "message", "server", "file_size", "file_position", "estimated_time"]
)  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | NAMES
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=24,
)


@given(st.binary(max_size=64) | ANYTHING.map(lambda found: json.dumps(found).encode()))
def test_any_payload_is_read(payload: bytes) -> None:
    for reply in replies(payload):
        assert isinstance(reply.id, str)
    known = reading.objects(read(payload))
    standing = judge(known)
    assert standing.seconds == standing.seconds
    assert reading.progress(known) is None or 0.0 <= (reading.progress(known) or 0.0) <= 1.0
    at = reading.position(known)
    assert at is None or 0 <= at[0] <= at[1]
    assert all(isinstance(value, float) for value in reading.temperatures(known).values())
    reading.print_stats(known), reading.speed_percent(known), reading.display_message(known)
    reading.is_moving(known), estimate(known)
    assert len(rows(read(payload))) <= ROWS


@given(ANYTHING)
def test_any_list_of_objects_is_asked_for_within_bounds(listed: Any) -> None:
    names = listed if isinstance(listed, list) else [listed]
    asked = reading.wanted(names)
    assert {"webhooks", "print_stats"} <= set(asked)
    assert len(asked) <= 9 + reading.MOST_EXTRUDERS


def test_a_nested_bomb_is_no_message() -> None:
    assert replies(b"[" * 100_000) == []


def test_a_request_says_what_the_specification_wants() -> None:
    told = json.loads(request("printer.print.start", {"filename": "a.gcode"}, id="x-1", timestamp=7))
    assert told == {
        "jsonrpc": "2.0",
        "method": "printer.print.start",
        "params": {"filename": "a.gcode", "mqtt_timestamp": 7},
        "id": "x-1",
    }
    assert "params" not in json.loads(request("server.info", id="x-2"))


def test_the_chamber_is_found_by_its_name_and_the_best_kind_wins() -> None:
    listed = ["temperature_sensor chamber", "heater_generic Chamber_heater", "extruder1", "fan"]
    asked = reading.wanted(listed)
    assert "heater_generic Chamber_heater" in asked
    assert "temperature_sensor chamber" not in asked
    known = {
        "heater_generic Chamber_heater": {"temperature": 41.5, "target": 45.0},
        "extruder1": {"temperature": 9.0},
    }
    assert reading.temperatures(known) == {"C": 41.5, "C_target": 45.0, "T1": 9.0}


def test_a_fan_that_cools_the_chamber_has_no_target_that_heats() -> None:
    """Its target stands in printer.cfg and is always there: taken for heat, no such printer is ever cold."""
    name = "temperature_fan chamber"
    assert name in reading.wanted([name, "extruder"])
    assert reading.temperatures({name: {"temperature": 22.0, "target": 45.0}}) == {"C": 22.0}
