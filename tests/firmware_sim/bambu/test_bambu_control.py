"""Orders of the control socket: right and wrong."""

from __future__ import annotations

import pytest

from firmware_sim.bambu.control import obey
from tests.firmware_sim.bambu.bench import Bench

RIGHT = [
    "status", "panel start cube.gcode.3mf", "panel dismiss", "cloud plain.gcode", "cloud plain.gcode 4711",
    "slicer cube.gcode.3mf", "slicer cube.gcode.3mf 7", "trip 0300800B", "trip 0300_800B fatal",
    "hms 03000D00 00010003", "heater E0 dead", "heater bed slow", "power-cut", "power-cut 5", "power-on",
    "drop", "access-code 87654321", "fault no-echo",
    "fault echo-late command=pause seconds=2.5 count=3 at=10",
]  # fmt: skip

WRONG = [
    ("", "not understood"),
    ("dance", "not understood: 'dance'"),
    ("panel", "no such key"),
    ("panel start", "no such key"),
    ("panel dance", "no such key: 'dance'"),
    ("panel pause", "nothing prints"),
    ("panel resume", "nothing is paused"),
    ("panel stop", "there is no print"),
    ("panel start nope", "no file 'nope'"),
    ("cloud nope", "no file 'nope'"),
    ("cloud plain.gcode 0", "the cloud's ids"),
    ("cloud plain.gcode x", "not a number"),
    ("trip xyz", "hexadecimal"),
    ("heater E1 dead", "E1"),
    ("heater E0 tired", "tired"),
    ("power-cut -1", "not a number of seconds"),
    ("fault", "not understood"),
    ("fault nope", "no fault 'nope'"),
    ("fault no-echo command", "not KEY=VALUE"),
    ("fault no-echo when=3", "no such key"),
    ("fault no-echo seconds=x", "seconds = .x. is not a number"),
]


@pytest.mark.parametrize("order", RIGHT)
def test_right_orders(order: str) -> None:
    bench = Bench()
    obey(bench.printer, order, 1.0)
    bench.live(30.0)


@pytest.mark.parametrize(("order", "trouble"), WRONG)
def test_wrong_orders(order: str, trouble: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=trouble):
        obey(Bench().printer, order, 1.0)


def test_what_they_do() -> None:
    bench = Bench()
    obey(bench.printer, "cloud plain.gcode 4711", 1.0)
    bench.until("RUNNING")
    obey(bench.printer, "panel pause", bench.now)
    bench.until("PAUSE")
    status = obey(bench.printer, "status", bench.now)
    assert status["gcode_state"] == "PAUSE"
    assert (status["subtask_id"], status["starts"], status["connections"]) == ("4711", 1, 1)
    obey(bench.printer, "panel resume", bench.now)
    obey(bench.printer, "panel stop", bench.now + 1.0)
    obey(bench.printer, "power-cut", bench.now + 2.0)
    with pytest.raises(ValueError, match="the printer is off"):
        obey(bench.printer, "panel start plain.gcode", bench.now + 3.0)
    assert obey(bench.printer, "status", bench.now + 3.0)["on"] is False
