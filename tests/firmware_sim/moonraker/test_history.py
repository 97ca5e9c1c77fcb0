"""Moonraker's history: which prints become jobs, with which id, and how they end in it."""

from __future__ import annotations

import pytest

from tests.firmware_sim.moonraker.bench import Bench

RUNNING = [("000001", "part.gcode", "in_progress")]


def test_a_job_has_an_id_and_a_start() -> None:
    bench = Bench().began().started()
    [row] = bench.get("server.history.list")["jobs"]
    epoch = bench.printer.config.epoch
    assert (row["job_id"], row["status"], row["user"]) == ("000001", "in_progress", "No User")
    assert row["end_time"] is None
    assert epoch + 2.0 < row["start_time"] < epoch + 3.0
    assert row["exists"]
    assert bench.get("server.history.get_job", uid="000001")["job"]["filename"] == "part.gcode"


def test_ids_are_counted_in_hex() -> None:
    bench = Bench(short=b"G4 P1500\n").began()
    for _ in range(17):
        bench.ask("printer.print.start", filename="short.gcode")
        bench.run(2.0)
    ids = [row["job_id"] for row in bench.get("server.history.list", limit=3)["jobs"]]
    assert ids == ["000011", "000010", "00000F"]


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("wait", "completed"),
        ("cancel", "cancelled"),
        ("emergency", "klippy_shutdown"),
        ("klippy death", "klippy_disconnect"),
        ("klippy restart", "klippy_disconnect"),
        ("reset file", "cancelled"),
    ],
)
def test_how_a_job_ends(end: str, status: str) -> None:
    bench = Bench().began().started()
    printer = bench.printer
    match end:
        case "cancel":
            bench.ask("printer.print.cancel")
        case "emergency":
            bench.ask("printer.emergency_stop")
        case "klippy death":
            printer.kill_klippy(bench.now)
        case "klippy restart":
            printer.restart_klippy(bench.now)
        case "reset file":
            bench.ask("printer.gcode.script", script="SDCARD_RESET_FILE")
    bench.run(60.0)
    assert bench.jobs() == [("000001", "part.gcode", status)]
    [row] = bench.get("server.history.list")["jobs"]
    assert row["end_time"] > row["start_time"]
    assert 10.0 < row["total_duration"] < 40.0


def test_moonrakers_death_interrupts_a_job_that_goes_on() -> None:
    bench = Bench().began().started()
    bench.printer.kill_moonraker(bench.now, back_after=0.5)
    bench.run(4.0)
    bench.printer.broker_up(bench.now)
    assert bench.query("print_stats")["state"] == "printing"
    assert bench.jobs() == [("000001", "part.gcode", "interrupted")]
    bench.run(60.0)
    assert bench.query("print_stats")["state"] == "complete"
    assert bench.jobs() == [("000001", "part.gcode", "interrupted")], "nobody writes its real end"
    assert bench.events() == ["print-started", "print-completed"]


def test_a_resumed_job_is_the_same_job() -> None:
    bench = Bench().began().started()
    bench.ask("printer.print.pause")
    bench.run(5.0)
    bench.ask("printer.print.resume")
    bench.run(1.0)
    assert bench.jobs() == RUNNING


def test_the_ledger_tells_which_start_became_which_job() -> None:
    bench = Bench().began().started()
    [start] = bench.printer.physical_starts()
    [added] = bench.printer.ledger.events("history-added")
    assert (added.n, added.line, added.effect) == (start.n, "part.gcode", "000001 in_progress")


def test_a_page_of_history() -> None:
    bench = Bench(short=b"G4 P1500\n").began()
    for _ in range(5):
        bench.ask("printer.print.start", filename="short.gcode")
        bench.run(10.0)
    epoch = bench.printer.config.epoch
    later = bench.get("server.history.list", since=epoch + 30.0, order="asc")
    assert [row["job_id"] for row in later["jobs"]] == ["000004", "000005"]
    assert later["count"] == 2
    middle = bench.get("server.history.list", start=1, limit=2)
    assert [row["job_id"] for row in middle["jobs"]] == ["000004", "000003"]
    earlier = bench.get("server.history.list", before=epoch + 20.0)
    assert [row["job_id"] for row in earlier["jobs"]] == ["000002", "000001"]
    assert bench.get("server.history.totals")["job_totals"]["total_jobs"] == 5


def test_what_history_refuses() -> None:
    bench = Bench().began()
    unknown = bench.get("server.history.get_job", uid="0000FF")
    assert unknown == {"code": -32601, "message": "Invalid job uid: 0000FF"}
    assert bench.get("server.history.get_job")["message"] == "No data for argument: uid"
    assert bench.get("server.history.list", order="random")["code"] == 400
