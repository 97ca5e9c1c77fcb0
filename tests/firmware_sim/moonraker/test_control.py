"""Orders of the control socket, right and wrong."""

from __future__ import annotations

import pytest

from firmware_sim.moonraker.control import obey
from tests.firmware_sim.moonraker.bench import Bench

RIGHT = [
    "panel start part.gcode", "panel pause", "panel resume", "panel cancel", "panel firmware-restart",
    "klippy kill", "klippy start", "klippy restart", "moonraker kill", "moonraker kill 2.5",
    "moonraker start", "power-cycle", "power-cycle 3", "emergency-stop", "mcu-shutdown",
    "mcu-shutdown Lost communication", "heater E0 dead", "heater bed open", "fault reply-lost",
    "fault reply-late method=server.info seconds=3 count=2", " status ",
]  # fmt: skip

WRONG = [
    ("", "not understood: ''"),
    ("dance", "not understood: 'dance'"),
    ("panel start", "not understood"),
    ("moonraker kill soon", "not a number of seconds: 'soon'"),
    ("power-cycle -1", "not a number of seconds: '-1'"),
    ("heater E1 dead", "not understood"),
    ("heater E0 sad", "not understood"),
    ("fault", "not understood"),
    ("fault nothing", "no fault 'nothing'"),
    ("fault reply-lost now", "not KEY=VALUE: 'now'"),
    ("fault reply-lost count=0", "count = 0 is not a whole number"),
    ("panel start no.gcode", "no file 'no.gcode' in gcodes"),
]


@pytest.mark.parametrize("order", RIGHT)
def test_orders(order: str) -> None:
    bench = Bench().began().started()
    assert isinstance(obey(bench.printer, order, bench.now), dict)
    bench.run(30.0)


@pytest.mark.parametrize(("order", "why"), WRONG)
def test_orders_that_are_none(order: str, why: str) -> None:
    bench = Bench().began()
    with pytest.raises((ValueError, FileNotFoundError), match=why):
        obey(bench.printer, order, bench.now)


def test_status_is_the_machine_as_it_is() -> None:
    bench = Bench().began().started()
    bench.printer.kill_moonraker(bench.now)
    status = obey(bench.printer, "status", bench.now)
    assert (status["state"], status["file"], status["starts"]) == ("printing", "part.gcode", 1)
    assert (status["klippy"], status["moonraker"], status["broker"]) == ("ready", "down", False)


def test_after_a_power_cut_everything_is_as_new() -> None:
    bench = Bench().began().started()
    obey(bench.printer, "power-cycle 3", bench.now)
    bench.run(10.0)
    bench.printer.broker_up(bench.now)
    assert bench.query("print_stats")["state"] == "standby"
    assert bench.jobs() == [("000001", "part.gcode", "interrupted")]
