"""Faults by name and by seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from firmware_sim.faults.strokes import BadFaults
from firmware_sim.moonraker.faults import Misfortune, Misfortunes
from tests.firmware_sim.moonraker.bench import Bench

START = "printer.print.start"


def test_a_lost_reply_is_a_print_all_the_same() -> None:
    bench = Bench(Misfortune("reply-lost", method=START)).began()
    number = bench.ask(START, filename="part.gcode")
    bench.run(20.0)
    assert bench.reply(number) is None
    assert len(bench.printer.physical_starts()) == 1


def test_a_lost_request_is_none() -> None:
    bench = Bench(Misfortune("request-lost", method=START)).began()
    number = bench.ask(START, filename="part.gcode")
    bench.run(20.0)
    assert bench.reply(number) is None
    assert bench.printer.physical_starts() == []
    assert [entry.line for entry in bench.printer.ledger.events("fault")] == [f"request-lost {START}"]


def test_a_late_reply_is_late() -> None:
    bench = Bench(Misfortune("reply-late", method="server.info", seconds=7.0)).began()
    number = bench.ask("server.info")
    bench.run(6.9)
    assert bench.reply(number) is None
    bench.run(0.2)
    assert bench.reply(number)["klippy_connected"]


def test_a_doubled_request_runs_twice_without_a_timestamp() -> None:
    bench = Bench(Misfortune("request-doubled", method="printer.gcode.script")).began()
    params = {"script": "M118 once"}
    bench.send({"jsonrpc": "2.0", "method": "printer.gcode.script", "params": params, "id": 1})
    bench.run(1.0)
    assert bench.printer.ledger.executed("rpc") == ["M118 once", "M118 once"]
    stamped = Bench(Misfortune("request-doubled", method="printer.gcode.script")).began()
    params = {"script": "M118 once", "mqtt_timestamp": 1.0}  # type: ignore[dict-item]
    stamped.send({"jsonrpc": "2.0", "method": "printer.gcode.script", "params": params, "id": 1})
    stamped.run(1.0)
    assert stamped.printer.ledger.executed("rpc") == ["M118 once"]


@pytest.mark.parametrize("name", ["klippy-death", "klippy-restart", "emergency-stop", "mcu-shutdown"])
def test_accidents_strike_at_their_instant(name: str) -> None:
    bench = Bench(Misfortune(name, at=15.0)).began().started()
    bench.run(30.0)
    [lost] = bench.printer.ledger.events("print-lost")
    assert lost.t == 15.0


def test_a_moonraker_that_dies_comes_back() -> None:
    bench = Bench(Misfortune("moonraker-death", at=15.0, seconds=3.0)).began()
    bench.run(14.0)
    assert not bench.printer.wants_broker
    bench.run(4.0)
    assert bench.printer.wants_broker


def test_the_third_request_only() -> None:
    bench = Bench(Misfortune("reply-lost", request=3)).began()
    numbers = [bench.ask("server.info") for _ in range(4)]
    assert [bench.reply(number) is not None for number in numbers] == [True, True, False, True]


def struck(seed: int) -> list[int]:
    bench = Bench()
    bench.printer.faults = Misfortunes(rates={"reply-lost": 0.3}, seed=seed)
    bench.began()
    numbers = [bench.ask("server.info") for _ in range(40)]
    return [number for number in numbers if bench.reply(number) is None]


def test_random_faults_are_those_of_the_seed() -> None:
    assert struck(1) == struck(1)
    assert struck(1) != struck(2)
    assert 3 < len(struck(1)) < 25


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ({"fault": [{"name": "nothing"}]}, "no fault 'nothing'; there are: request-lost"),
        ({"fault": [{}]}, "fault 1 has no name"),
        ({"fault": {}}, "`fault` is a list"),
        ({"fault": [{"name": "reply-lost", "when": 1}]}, "no such key: when"),
        ({"fault": [{"name": "reply-lost", "count": 0}]}, "count = 0 is not a whole number from 1 up"),
        ({"fault": [{"name": "reply-late", "seconds": -1}]}, "seconds = -1 is not a number from 0 up"),
        ({"fault": [{"name": "reply-late", "method": 1}]}, "method = 1 is no text"),
        ({"random": {"klippy-death": 0.1}}, "no fault 'klippy-death' at random"),
        ({"random": {"reply-lost": 2}}, "rates from 0 to 1"),
        ({"chance": {}}, "no such key: chance"),
    ],
)
def test_a_plan_that_is_none(table: dict[str, Any], why: str) -> None:
    with pytest.raises(BadFaults, match=why):
        Misfortunes.parsed(table)


def test_a_plan_file(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text('[[fault]]\nname = "reply-lost"\nrequest = 1\n[random]\nreply-late = 0.5\n')
    read = Misfortunes.read(path, 3)
    assert read.plan == [Misfortune("reply-lost", request=1)]
    assert (read.rates, read.seed) == ({"reply-late": 0.5}, 3)
    path.write_text("[[fault")
    with pytest.raises(BadFaults, match=r"plan\.toml"):
        Misfortunes.read(path)
