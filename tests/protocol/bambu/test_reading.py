"""Any bytes, any JSON: nothing raises, nothing grows without bound."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.bambu.codes import error_words, read_hms, worst
from gateway.protocol.bambu.merging import LOOK_EACH, MOST_KEYS, Merged
from gateway.protocol.bambu.names import MOST_MARK, job_name, mark_in_name, plain
from gateway.protocol.bambu.reading import MOST_BYTES, read_message, whole
from gateway.protocol.bambu.replies import replies, status_of, versions_of
from gateway.protocol.bambu.state import read_state

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
KEYS = st.sampled_from(
    ["print", "system", "info", "command", "msg", "sequence_id", "gcode_state", "hms", "attr", "code",
     "subtask_id", "task_id", "mc_percent", "fun", "print_error", "module", "name", "result", "err_code"]
) | st.text(max_size=5)  # fmt: skip
OBJECTS = st.dictionaries(KEYS, LEAVES, max_size=4)
ANYTHING = LEAVES | OBJECTS | st.lists(LEAVES | OBJECTS, max_size=3)
MESSAGES = st.dictionaries(KEYS, st.dictionaries(KEYS, ANYTHING, max_size=4) | LEAVES, max_size=3)


def hear_all(payload: bytes) -> None:
    """Everything that is done to a message."""
    message = read_message(payload)
    if message is None:
        return
    for reply in replies(message):
        assert isinstance(reply.words, str)
        versions_of(reply)
    report = status_of(message)
    if report is not None:
        merged = Merged()
        merged.hear({**report, "msg": 0})
        merged.hear(report)
        assert merged.known is not None
        state = read_state(merged.known)
        assert state.percent is None or 0 <= state.percent <= 100


@given(st.binary(max_size=200))
def test_any_bytes(payload: bytes) -> None:
    hear_all(payload)


@settings(max_examples=60)
@given(MESSAGES)
def test_any_json(message: dict[str, Any]) -> None:
    hear_all(json.dumps(message).encode("utf-8", "replace"))


@settings(max_examples=40)
@given(ANYTHING)
def test_any_health_list(value: Any) -> None:
    worst(read_hms(value))


@given(st.integers(0, 2**32 - 1))
def test_every_error_has_words(code: int) -> None:
    assert bool(error_words(code)) is bool(code)


@given(st.text(max_size=300), st.integers(1, MOST_MARK))
def test_every_name_tells_its_mark(name: str, mark: int) -> None:
    for ending in ("", ".gcode", ".gcode.3mf"):
        assert mark_in_name(f"/cache/{job_name(name, mark)}{ending}") == mark
    assert plain(name).isascii()
    assert not set(plain(name)) & set(" /?#%&")


def test_a_message_that_is_too_long_is_none() -> None:
    assert read_message(b'{"print":{}}' + b" " * MOST_BYTES) is None


def test_what_is_nested_too_deep_is_survived() -> None:
    hear_all(b'{"print":' + b'{"a":' * 5000 + b"1" + b"}" * 5001)
    merged = Merged()
    deep: dict[str, Any] = {}
    for _ in range(100):
        deep = {"a": deep, "b": 1}
    merged.hear({"msg": 0, **deep})
    merged.hear({"msg": 1, **deep})


def test_keys_are_bounded() -> None:
    merged = Merged()
    merged.hear({"msg": 0})
    for number in range(3 * MOST_KEYS):
        merged.hear({f"k{number}": number, "gcode_state": "RUNNING"})
    assert merged.known is not None
    assert len(merged.known) <= MOST_KEYS
    assert merged.known["gcode_state"] == "RUNNING"


def test_objects_are_merged_and_lists_replaced() -> None:
    merged = Merged()
    assert not merged.hear({"msg": 1, "net": {"a": 1}})
    assert merged.hear({"msg": 0, "net": {"a": 1, "b": {"c": 1}}, "hms": [1, 2], "stg": [1]})
    assert merged.hear({"msg": 1, "net": {"b": {"d": 2}}, "hms": [], "wifi": None})
    assert merged.known == {
        "msg": 1, "net": {"a": 1, "b": {"c": 1, "d": 2}}, "hms": [], "stg": [1], "wifi": None,
    }  # fmt: skip


def test_a_report_of_many_keys_is_a_full_one() -> None:
    assert Merged().hear({f"k{number}": number for number in range(30)})
    assert not Merged().hear({f"k{number}": number for number in range(29)})


def test_numbers() -> None:
    assert [whole(value) for value in ("12", 12, 12.0, "12.0", 2**62)] == [12, 12, 12, 12, 2**62]
    assert [whole(value) for value in ("", "x", "-1", True, None, 1.5, float("nan"), 1e400, "9" * 50)] == [
        None
    ] * 9


def test_a_state_that_grows_without_end_is_forgotten() -> None:
    merged = Merged()
    assert merged.hear({"msg": 0, "gcode_state": "IDLE"})
    most = 0
    for number in range(3 * LOOK_EACH):
        merged.hear({"msg": 1, "inner": {f"key{number}": "x" * 200_000}})
        most = max(most, len(json.dumps(merged.known)))
    assert merged.known is None
    assert most < (LOOK_EACH + 1) * 210_000
    assert merged.hear({"msg": 0, "gcode_state": "RUNNING"})
    assert merged.known == {"msg": 0, "gcode_state": "RUNNING"}
