"""Stacks and schedules as people type them: against the real API, with faked drivers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.show_schedules import run_waits
from gateway.client.models import Action
from gateway.domain.observations import OrderAnswered, OrderResult
from gateway.domain.orders import SendGcode
from gateway.domain.printer import Plate
from tests.api.host import Host
from tests.cli.real_gateway import RealGateway, real_gateway
from tests.support.stand import printer

CRON = ("--cron", "30 6 * * 1-5", "--timezone", "Europe/Berlin")


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[RealGateway]:
    """With a second printer beside mk3; both plates are clear."""
    with real_gateway(tmp_path) as running:
        running.do(add_mini)
        yield running


async def add_mini(host: Host) -> None:
    await host.put_printers(printer(3, "mini"))
    for number in (1, 3):
        cleared = replace(host.engine.state.printers[number], plate=Plate.CLEAR)
        await host.change(lambda draft, row=cleared: draft.put_printer(row))


def said(gateway: RealGateway, *words: str) -> str:
    result = gateway.run(*words)
    assert (result.exit_code, result.stderr) == (0, ""), result.stderr
    return result.stdout


def told(gateway: RealGateway, *words: str) -> Any:
    return json.loads(said(gateway, *words, "--json"))


def refused(gateway: RealGateway, *words: str) -> tuple[int, str]:
    """The exit code and the one line."""
    result = gateway.run(*words)
    assert (result.stdout, result.stderr.count("\n")) == ("", 1), result.stderr
    return result.exit_code, result.stderr


async def the_drivers_answer(host: Host, *results: OrderResult) -> None:
    """Wait for as many macros, and answer them in their order."""
    async with asyncio.timeout(60):
        while len(orders := host.drivers.of(SendGcode)) < len(results):
            await asyncio.sleep(0.001)
    for order, result in zip(orders, results, strict=True):
        assert isinstance(order, SendGcode)
        why = None if result is OrderResult.ACCEPTED else "the cable was pulled"
        host.engine.observe(OrderAnswered(order.printer, order.order_id, result, why))


def test_stacks_from_making_to_removing(gateway: RealGateway) -> None:
    assert "all: mk3, mini" in said(gateway, "stacks", "list")
    made = told(gateway, "stacks", "create", "shelf", "--printer", "mk3", "--printer", "mini")
    assert [one["name"] for one in made["printers"]] == ["mk3", "mini"]
    for name in ("shelf", str(made["number"]), made["id"]):
        assert told(gateway, "stacks", "show", name) == made
    renamed = told(gateway, "stacks", "change", "shelf", "--name", "left shelf")
    assert (renamed["name"], renamed["printers"]) == ("left shelf", made["printers"])
    assert told(gateway, "stacks", "change", "left shelf", "--printer", "mini")["printers"] == [
        {"id": 3, "name": "mini"}
    ]
    assert told(gateway, "stacks", "change", "left shelf", "--all")["is_all"] is True
    assert refused(gateway, "stacks", "change", "left shelf")[0] == 2
    assert said(gateway, "stacks", "remove", "left shelf") == "stack left shelf is removed\n"
    code, line = refused(gateway, "stacks", "show", "left shelf")
    assert (code, 'no stack "left shelf"' in line) == (2, True)


def test_a_schedule_is_shown_in_its_own_zone(gateway: RealGateway) -> None:
    shown = said(
        gateway, "schedules", "create", "warm up", "--gcode", "M104 S60", "--gcode", "M140 S50", *CRON
    )
    assert "2016-05-18 06:30" not in shown, "that was before the gateway's clock"
    assert "next         2016-05-19 06:30 CEST" in shown
    assert "cron         30 6 * * 1-5 (Europe/Berlin)" in shown
    assert shown.count("gcode ") == 2
    line = next(row for row in said(gateway, "schedules", "list").splitlines() if "warm up" in row)
    assert "2016-05-19 06:30 CEST" in line
    assert "paused; next" not in said(gateway, "schedules", "pause", "warm up")
    assert " paused " in said(gateway, "schedules", "list")
    assert "is resumed; next 2016-05-19 06:30 CEST" in said(gateway, "schedules", "resume", "warm up")


def test_what_is_not_said_stays(gateway: RealGateway) -> None:
    words = ("schedules", "create", "warm up", "--gcode", "M104 S60", "--missed", "run-once", *CRON)
    made = told(gateway, *words)
    changed = told(gateway, "schedules", "change", "warm up", "--gcode", "M104 S70")
    assert changed == {**made, "params": {"gcode": ["M104 S70"]}} | {
        key: changed[key] for key in ("version", "updated_at")
    }
    by_hand = told(gateway, "schedules", "change", made["id"][:6], "--by-hand", "--name", "w")
    assert (by_hand["cron"], by_hand["name"], by_hand["next_at"]) == (None, "w", None)


def test_every_kind_of_schedule(gateway: RealGateway, tmp_path: Path) -> None:
    lines = tmp_path / "macro.gcode"
    lines.write_text("; home\nG28 ; all axes\n\nG1 Z{1}\n")
    kinds = {
        "macro": ("--file", str(lines)),
        "oil": ("--note", "oil the rods", "--gcode", "G28"),
        "level": ("--calibrate", "bed-level", "--cron", "0 3 * * 0"),
        "tune": ("--calibrate", "pid-hotend", "--target", "210"),
        "export": ("--export", "--cron", "0 0 1 * *"),
    }
    made = {name: told(gateway, "schedules", "create", name, *words) for name, words in kinds.items()}
    assert {name: (one["type"], one["params"]) for name, one in made.items()} == {
        "macro": ("GcodeMacroJob", {"gcode": ["G28", "G1 Z{1}"]}),
        "oil": ("MaintenanceJob", {"note": "oil the rods", "gcode": ["G28"]}),
        "level": ("CalibrationJob", {"procedure": "bed-level"}),
        "tune": ("CalibrationJob", {"procedure": "pid-hotend", "target": 210.0}),
        "export": ("HistoryExportJob", {"statuses": []}),
    }


def test_mistakes_are_one_line_that_says_what_to_do(gateway: RealGateway) -> None:
    for words, told_them in (
        (("--gcode", "G28", "--cron", "0 25 * * *"), "`30 6 * * 1-5` is 6:30 from Monday to Friday"),
        (("--gcode", "G28", "--cron", "daily"), "five fields"),
        (("--gcode", "G28", "--timezone", "Berlin"), "Europe/Berlin"),
        (("--gcode", "M24"), "card"),
        (("--gcode", "G28", "--stack", "attic"), "all printers (1)"),
        ((), "--gcode or --file, --note, --calibrate, or --export"),
        (("--gcode", "G28", "--export"), "--gcode or --file, --note, --calibrate, or --export"),
        (("--gcode", "G28", "--target", "200"), "--target belongs to --calibrate"),
    ):
        code, line = refused(gateway, "schedules", "create", "s", *words)
        assert (code, told_them in line) == (2, True), line


def test_what_a_type_does_not_have_is_named_as_it_was_typed(gateway: RealGateway) -> None:
    said(gateway, "schedules", "create", "warm up", "--gcode", "M104 S60")
    said(gateway, "schedules", "create", "history", "--export")
    for words, told_them in (
        (("change", "warm up", "--calibrate", "home"), "warm up is a GcodeMacroJob: it has no --calibrate\n"),
        (
            ("change", "history", "--gcode", "G28"),
            "history is a HistoryExportJob: it has no --gcode or --file\n",
        ),
        (("runs", "--stack", "1"), "name the schedule, too"),
    ):
        code, line = refused(gateway, "schedules", *words)
        assert (code, told_them in line) == (2, True), line


def test_how_the_last_run_went(gateway: RealGateway) -> None:
    assert "none since it was changed" in said(gateway, "schedules", "create", "hot", "--gcode", "M104 S400")
    assert "updated" not in said(gateway, "schedules", "list")
    result = gateway.run("schedules", "run", "hot", "--watch")
    assert (result.exit_code, result.stdout.count("run ")) == (4, 1), "it failed before anybody could watch"
    assert "400 °C, and mk3 may be set to 300 °C at most" in result.stdout
    assert "last run     failed" in said(gateway, "schedules", "show", "hot")


def test_a_run_with_arguments_is_watched_to_its_end(gateway: RealGateway) -> None:
    said(gateway, "schedules", "create", "jog", "--gcode", "G1 X{1} Y{2} F3000")
    wait = gateway.meanwhile(
        lambda host: the_drivers_answer(host, OrderResult.ACCEPTED, OrderResult.ACCEPTED)
    )
    result = gateway.run("schedules", "run", "jog", "10", "20", "--watch")
    wait()
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-1].endswith('of "jog" succeeded: done on 2 of 2 printers')
    orders = gateway.do(sent)
    assert orders == {"mk3": ("G1 X10 Y20 F3000",), "mini": ("G1 X10 Y20 F3000",)}
    [run] = told(gateway, "schedules", "runs", "jog")
    assert (run["arguments"], run["state"]) == ("10 20", "succeeded")
    assert "succeeded" in said(gateway, "schedules", "runs")


async def sent(host: Host) -> dict[str, tuple[str, ...]]:
    return {one.printer: one.lines for one in host.drivers.of(SendGcode) if isinstance(one, SendGcode)}


def test_a_run_that_failed_says_so_by_its_exit_code(gateway: RealGateway) -> None:
    said(gateway, "schedules", "create", "jog", "--gcode", "G1 X10 F3000")
    wait = gateway.meanwhile(lambda host: the_drivers_answer(host, OrderResult.ACCEPTED, OrderResult.UNCLEAR))
    result = gateway.run("schedules", "run", "jog", "--watch")
    wait()
    assert result.exit_code == 4
    assert "done on 1 of 2 printers; mini: nobody knows how far this went" in result.stdout
    assert "look at the machine" in result.stdout
    assert told(gateway, "schedules", "show", "jog")["status"] == "failed"


def test_a_run_that_waits_says_for_what_and_is_canceled(
    gateway: RealGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    said(gateway, "stacks", "create", "one", "--printer", "mk3")
    said(gateway, "schedules", "create", "jog", "--gcode", "G1 X10 F3000", "--stack", "one")
    gateway.do(occupy)
    assert said(gateway, "schedules", "run", "jog").endswith('of "jog" is waiting\n')
    [run] = told(gateway, "schedules", "runs")
    assert "plate" in said(gateway, "schedules", "runs", "jog")
    lines = run_waits(Action.model_validate(run), ())
    assert run_waits(Action.model_validate(run), lines) == lines
    assert capsys.readouterr().out.count("mk3: waiting (") == 1, "what was said is not said again"
    assert "canceled" in said(gateway, "schedules", "cancel", str(run["number"]))
    assert refused(gateway, "schedules", "cancel", "999")[0] == 2
    assert gateway.do(sent) == {}


async def occupy(host: Host) -> None:
    taken = replace(host.engine.state.printers[1], plate=Plate.OCCUPIED)
    await host.change(lambda draft: draft.put_printer(taken))


def test_a_removed_schedule_leaves_its_runs(gateway: RealGateway) -> None:
    said(gateway, "schedules", "create", "heat", "--gcode", "M104 S60")
    said(gateway, "schedules", "run", "heat")
    assert "is removed" in said(gateway, "schedules", "remove", "heat")
    assert refused(gateway, "schedules", "show", "heat")[0] == 2
    assert [run["name"] for run in told(gateway, "schedules", "runs")] == ["heat"]


def test_a_name_in_two_stacks_is_no_name(gateway: RealGateway) -> None:
    said(gateway, "stacks", "create", "one", "--printer", "mk3")
    for stack in ("one", "all printers"):
        said(gateway, "schedules", "create", "heat", "--gcode", "M104 S60", "--stack", stack)
    code, line = refused(gateway, "schedules", "run", "heat")
    assert (code, "means 2 schedules" in line) == (2, True)
    assert told(gateway, "schedules", "show", "heat", "--stack", "one")["stack"] == "one"
