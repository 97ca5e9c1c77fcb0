"""A Moonraker that answers anything: the driver lives, and what it tells can be stored, shown and sent on."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from random import Random
from typing import Any

import pytest

from gateway.domain.observations import PrinterObserved
from gateway.domain.orders import EmergencyStop
from gateway.drivers.moonraker.asking import Send
from gateway.drivers.moonraker.machine import Machine
from gateway.drivers.moonraker.orders import Orders
from gateway.drivers.moonraker.settings import MoonrakerSettings
from gateway.protocol.moonraker.lax import MOST_CHARS, MOST_NUMBER
from gateway.protocol.moonraker.rpc import MOST_BYTES

USUAL: Mapping[str, Any] = {
    "server.info": {"moonraker_version": "v1"},
    "printer.info": {"software_version": "v2"},
    "printer.objects.list": {"objects": ["extruder", "print_stats"]},
    "printer.objects.query": {
        "status": {
            "webhooks": {"state": "ready", "state_message": "ok"},
            "print_stats": {
                "filename": "a.gcode", "state": "printing", "message": "m",
                "total_duration": 10.0, "print_duration": 9.0,
                "info": {"current_layer": 1, "total_layer": 9},
            },
            "virtual_sdcard": {"progress": 0.5, "file_position": 100, "file_size": 1000},
            "display_status": {"progress": 0.5, "message": "hi"},
            "idle_timeout": {"state": "Printing"},
            "gcode_move": {"speed_factor": 1.0},
            "extruder": {"temperature": 20, "target": 0},
        }
    },
    "server.history.list": {
        "jobs": [
            {"job_id": "0001", "start_time": 1.0, "status": "in_progress", "filename": "a.gcode", "user": "u",
             "metadata": {"estimated_time": 100, "layer_count": 9, "size": 1000}}
        ]
    },
    "server.files.metadata": {"estimated_time": 5},
}  # fmt: skip
ODD = [
    None, True, -1, 2**63, 10**400, 1e308, -1e308, 1e-308, float("inf"), float("nan"), "", "nan",
    "half \ud800 of a character", "a\r\nM112\x1b[2J", "x" * 50_000, [], [1], {}, {"a": [1]},
]  # fmt: skip
SECONDS, STEPS = 0.3, 12


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """All places in a document but its root."""
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inner:
        yield from paths(below, (*path, key))


def instead(path: tuple[Any, ...], odd: Any) -> Mapping[str, Any]:
    answers = copy.deepcopy(dict(USUAL))
    place: Any = answers
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = odd
    return answers


def told(answer: Callable[[str], Mapping[str, Any]]) -> list[PrinterObserved]:
    """What a printer is said to be that answers so."""
    ids = itertools.count()
    machine = Machine("k", chance=Random(1), new_id=lambda: str(next(ids)), settings=MoonrakerSettings("k1"))
    machine.begin([])
    machine.connected(0.0)
    shots = []
    for step in range(1, STEPS):
        for out in machine.take():
            if isinstance(out, PrinterObserved):
                shots.append(out)
            elif isinstance(out, Send):
                asked = json.loads(out.payload)
                reply = {"jsonrpc": "2.0", "id": asked["id"], **answer(asked["method"])}
                machine.heard(machine.topics.response, json.dumps(reply).encode(), False, SECONDS * step)
        machine.wake(SECONDS * step)
    assert shots
    return shots


def check(value: Any) -> None:
    """A database takes it, a terminal shows it, JSON carries it, and it is not long."""
    if isinstance(value, str):
        assert value.isprintable()
        assert len(value) <= 2 * MOST_CHARS + 100
        value.encode()
    elif isinstance(value, int | float):
        assert abs(value) <= MOST_NUMBER
    elif isinstance(value, dict):
        for key, inner in value.items():
            check(key)
            check(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            check(inner)


@pytest.mark.parametrize("path", list(paths(dict(USUAL))), ids=lambda path: ".".join(map(str, path)))
def test_any_value_in_any_place(path: tuple[Any, ...]) -> None:
    for odd in ODD:
        answers = instead(path, odd)
        for shot in told(lambda method, answers=answers: {"result": answers.get(method)}):
            check(asdict(shot))


def test_any_value_as_an_error() -> None:
    for odd in ODD:
        for error in (odd, {"code": odd, "message": "m"}, {"code": 1, "message": odd}):
            for shot in told(lambda _, error=error: {"error": error}):
                check(asdict(shot))


def test_a_row_of_the_history_with_a_status_that_is_no_word_is_a_row() -> None:
    answers = instead(("server.history.list", "jobs", 0, "status"), ["completed"])
    last = told(lambda method: {"result": answers.get(method)})[-1]
    assert last.current is not None
    assert last.current.name == "a.gcode"


def test_an_answer_beyond_all_bounds_is_none() -> None:
    padded = {"jobs": [], "padding": "x" * MOST_BYTES}
    shots = told(lambda method: {"result": padded if method == "printer.objects.query" else {}})
    assert all(shot.activity is None for shot in shots)


def test_any_number_of_births_leaves_the_printer_watched_and_stoppable() -> None:
    """Whoever may publish on the broker can say that Moonraker came back, a thousand times in a moment."""
    machine = Machine("k", chance=Random(1), new_id=lambda: "1", settings=MoonrakerSettings("k1"))
    machine.begin([])
    machine.connected(0.0)
    for number in range(1000):
        machine.heard(machine.topics.server, b'{"server": "online"}', False, number / 1000)
    asked = [json.loads(out.payload)["method"] for out in machine.take() if isinstance(out, Send)]
    assert len(asked) < 20
    Orders(machine).take(EmergencyStop("k", "stop-1"), 1.0)
    sent = [json.loads(out.payload)["method"] for out in machine.take() if isinstance(out, Send)]
    assert "printer.emergency_stop" in sent
    asked.clear()
    for step in range(1, 200):
        machine.wake(1.0 + step)
        asked += [json.loads(out.payload)["method"] for out in machine.take() if isinstance(out, Send)]
    assert asked.count("printer.objects.query") > 10
    assert "server.history.list" in asked
