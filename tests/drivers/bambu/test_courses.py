"""Courses of prints, message by message (tests/vectors/bambu), and any messages at all."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.observations import PrinterObserved, PrintReport
from gateway.drivers.bambu.machine import Machine
from gateway.drivers.bambu.settings import BambuSettings
from tests.protocol.bambu.lines import FOLDER, vectors
from tests.protocol.bambu.test_reading import MESSAGES

COURSES = sorted(path.stem for path in FOLDER.glob("course-*.jsonl"))


def machine() -> Machine:
    """One that is connected, on second 0."""
    new = Machine("p1", BambuSettings("01S00C000000001"), new_id=lambda: "n", chance=Random(1))
    new.begin([], (), 0.0)
    new.connected(0.0)
    return new


def pass_time(to: Machine, now: float) -> None:
    """Wake it whenever it wants, until `now`."""
    while to.deadline <= now:
        to.wake(max(0.0, to.deadline))


def check(shown: PrinterObserved, wanted: dict[str, Any]) -> None:
    for name, value in wanted.items():
        found = getattr(shown, name)
        if name == "current" and value is not None:
            check_print(found, value)
        elif name == "ended":
            assert len(found) == len(value)
            for report, fields in zip(found, value, strict=True):
                check_print(report, fields)
        elif name == "obstacle":
            assert (found is not None) is value
        else:
            assert found == value, name


def check_print(report: PrintReport | None, wanted: dict[str, Any]) -> None:
    assert report is not None
    assert {name: getattr(report, name) for name in wanted} == wanted


@pytest.mark.parametrize("course", COURSES)
def test_course(course: str) -> None:
    printer = machine()
    for row in vectors(course):
        pass_time(printer, row["t"])
        if "say" in row:
            printer.heard(json.dumps(row["say"]).encode(), row["t"])
        else:
            check(printer.snapshot(row["t"]), row["shown"])


@pytest.mark.parametrize("course", COURSES)
def test_course_from_any_moment_of_it(course: str) -> None:
    """Whoever comes later, and asks for the full state, is told of the same ends or of none."""
    rows = [row for row in vectors(course) if "say" in row]
    whole = machine()
    for row in rows:
        pass_time(whole, row["t"])
        whole.heard(json.dumps(row["say"]).encode(), row["t"])
    keys = {report.key for report in whole.snapshot(1e4).ended}
    for first in range(1, len(rows)):
        known: dict[str, Any] = {}
        for row in rows[: first + 1]:
            inner = row["say"]["print"]
            known.update(inner if inner.get("command") == "push_status" else {})
        late = machine()
        late.heard(json.dumps({"print": {**known, "msg": 0}}).encode(), 0.0)
        for row in rows[first + 1 :]:
            late.heard(json.dumps(row["say"]).encode(), row["t"])
        assert {report.key for report in late.snapshot(1e4).ended} <= keys


@settings(max_examples=30)
@given(st.lists(MESSAGES, max_size=3))
def test_any_messages(messages: list[dict[str, Any]]) -> None:
    printer = machine()
    for now, message in enumerate(messages):
        printer.heard(json.dumps(message).encode("utf-8", "replace"), float(now))
        printer.heard(json.dumps({"print": {"msg": 0, **message}}).encode("utf-8", "replace"), float(now))
        pass_time(printer, float(now))
        assert printer.snapshot(float(now)).printer == "p1"


STATES = st.sampled_from(["IDLE", "PREPARE", "RUNNING", "PAUSE", "FINISH", "FAILED", "SLICING", "?"])
REPORTS = st.fixed_dictionaries(
    {"gcode_state": STATES},
    optional={
        "subtask_id": st.sampled_from(["0", "", "7", "8"]),
        "subtask_name": st.sampled_from(["a", "b", ""]),
        "print_type": st.sampled_from(["local", "cloud", "idle"]),
        "print_error": st.sampled_from([0, 0x0300400C, 0x03008004]),
        "mc_percent": st.integers(0, 100),
        "msg": st.sampled_from([0, 1]),
    },
)


@given(st.lists(st.tuples(REPORTS, st.sampled_from([1.0, 7.0, 70.0]), st.booleans()), max_size=15))
def test_any_course_ends_each_print_once_and_shows_no_ended_one(course: list[Any]) -> None:
    printer, now, over = machine(), 0.0, set[str]()
    for report, seconds, reconnects in course:
        if reconnects:
            printer.lost("gone", now)
            printer.connected(now)
        printer.heard(json.dumps({"print": {**report, "command": "push_status"}}).encode(), now)
        now += seconds
        pass_time(printer, now)
        for shot in printer.outbox.take():
            if isinstance(shot, PrinterObserved):
                assert shot.current is None or shot.current.key not in over
                over |= {end.key for end in shot.ended}
                assert all(end.phase.is_end and end.is_local for end in shot.ended)
