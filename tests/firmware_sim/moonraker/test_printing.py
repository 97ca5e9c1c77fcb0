"""What the machine really does with a file: every line, who asked, and how prints end."""

from __future__ import annotations

import json

import pytest

from tests.firmware_sim.moonraker.bench import MOVES, PART, Bench

HOT = b"M104 S50\nM140 S30\nG28\nM109 S50\nM190 S30\nG1 X10 F6000\nG1 X20 E5\nM104 S0\n"


def finished(bench: Bench) -> Bench:
    bench.run(120.0)
    return bench


def test_every_line_is_run_once_and_in_order() -> None:
    bench = finished(Bench().began().started())
    assert bench.printer.ledger.executed("sd") == ["G28", "G1 X10 F6000", *MOVES]
    assert bench.events() == ["print-started", "print-completed"]
    assert bench.query("print_stats")["state"] == "complete"


def test_a_start_says_who_asked_and_for_what() -> None:
    bench = Bench(other=PART).began()
    number = bench.ask("printer.print.start", filename="part.gcode")
    finished(bench)
    bench.printer.panel.start("other.gcode", bench.now)
    finished(bench)
    mine, theirs = bench.printer.physical_starts()
    assert (mine.source, mine.n, mine.line) == ("rpc", 1, "part.gcode")
    assert json.loads(mine.effect or "") == {"request": str(number)}
    assert (theirs.source, theirs.n, theirs.line) == ("panel", 2, "other.gcode")


def test_homing_and_heating_take_time() -> None:
    bench = Bench(hot=HOT).began()
    bench.ask("printer.print.start", filename="hot.gcode")
    bench.run(5.0)
    assert 21.6 < bench.query("extruder")["temperature"] < 50.0
    assert bench.query("extruder")["target"] == 50.0
    finished(bench)
    assert bench.query("print_stats")["state"] == "error"
    assert bench.query("print_stats")["message"].startswith("Extrude below minimum temp")
    assert bench.query("extruder")["target"] == 0.0, "virtual_sdcard's on_error_gcode cools"


def test_pause_and_resume() -> None:
    bench = Bench().began().started()
    assert bench.get("printer.print.pause") is None, "it waits for the moves"
    bench.run(3.0)
    assert bench.query("print_stats")["state"] == "paused"
    assert bench.query("pause_resume")["is_paused"]
    there = bench.query("virtual_sdcard")["file_position"]
    bench.run(30.0)
    assert bench.query("virtual_sdcard")["file_position"] == there
    assert bench.get("printer.print.resume") == "ok"
    assert bench.query("print_stats")["state"] == "printing"
    finished(bench)
    assert bench.events() == ["print-started", "print-paused", "print-resumed", "print-completed"]
    assert bench.printer.ledger.executed("sd") == ["G28", "G1 X10 F6000", *MOVES]


def test_a_cancel_waits_for_the_line_that_runs() -> None:
    """The G-code lock: a heat-up of minutes is not interrupted by a cancel."""
    bench = Bench(hot=b"M109 S200\n" + PART).began()
    bench.ask("printer.print.start", filename="hot.gcode")
    bench.run(5.0)
    number = bench.ask("printer.print.cancel")
    bench.run(20.0)
    assert bench.reply(number) is None
    assert bench.query("print_stats")["state"] == "printing"
    finished(bench)
    assert bench.reply(number) == "ok"
    assert bench.query("print_stats")["state"] == "cancelled"
    assert bench.printer.ledger.executed("sd") == ["M109 S200"]


def test_an_emergency_stop_does_not_wait() -> None:
    bench = Bench(hot=b"M109 S200\n").began()
    bench.ask("printer.print.start", filename="hot.gcode")
    bench.run(5.0)
    assert bench.get("printer.emergency_stop") == "ok"
    assert bench.query("extruder")["target"] == 0.0
    assert bench.query("webhooks")["state"] == "shutdown"


def test_a_start_on_a_paused_print_replaces_it() -> None:
    bench = Bench(other=PART).began().started()
    bench.ask("printer.print.pause")
    bench.run(3.0)
    assert bench.get("printer.print.start", filename="other.gcode") == "ok"
    bench.run(1.0)
    stats = bench.query("print_stats")
    assert (stats["state"], stats["filename"]) == ("printing", "other.gcode")
    assert bench.query("pause_resume")["is_paused"], "nobody clears it"
    assert bench.jobs() == [("000001", "part.gcode", "cancelled"), ("000002", "other.gcode", "in_progress")]


def test_a_pause_in_the_file_is_one() -> None:
    bench = Bench(halted=b"G28\nPAUSE\nG1 X10 F6000\n").began()
    bench.ask("printer.print.start", filename="halted.gcode")
    finished(bench)
    assert bench.query("print_stats")["state"] == "paused"
    bench.ask("printer.print.resume")
    finished(bench)
    assert bench.query("print_stats")["state"] == "complete"


def test_the_panel_pauses_resumes_and_cancels() -> None:
    bench = Bench().began()
    bench.printer.panel.start("PART.gcode", bench.now)
    bench.run(13.0)
    bench.printer.panel.pause(bench.now)
    bench.run(3.0)
    bench.printer.panel.resume(bench.now)
    bench.run(1.0)
    bench.printer.panel.cancel(bench.now)
    bench.run(5.0)
    done = [(e.event, e.source) for e in bench.printer.ledger if e.event.startswith("print-")]
    assert done == [
        ("print-started", "panel"), ("print-paused", "panel"), ("print-resumed", "panel"),
        ("print-paused", "panel"), ("print-cancelled", "panel"),
    ]  # fmt: skip


def test_a_panel_without_moonraker_does_nothing() -> None:
    bench = Bench().began()
    bench.printer.kill_moonraker(bench.now)
    bench.printer.panel.start("part.gcode", bench.now)
    [press] = bench.printer.ledger.events("panel")
    assert press.effect == "no reaction"
    assert bench.events() == []


def test_a_panel_names_a_file_that_is_there() -> None:
    with pytest.raises(FileNotFoundError, match=r"no\.gcode"):
        Bench().began().printer.panel.start("no.gcode", 5.0)


def test_slicer_lines_show_layers_and_progress() -> None:
    lines = ("SET_PRINT_STATS_INFO TOTAL_LAYER=3 CURRENT_LAYER=2", "M73 P40", "M117 Layer 2", "G28")
    bench = Bench(layers="\n".join(lines).encode()).began()
    bench.ask("printer.print.start", filename="layers.gcode")
    bench.run(5.0)
    assert bench.query("print_stats")["info"] == {"total_layer": 3, "current_layer": 2}
    assert bench.query("display_status") == {"progress": 0.4, "message": "Layer 2"}


def test_a_heater_that_gives_no_heat_ends_in_a_shutdown() -> None:
    bench = Bench(hot=b"M109 S200\n").began()
    bench.printer.break_heater("E0", "dead", bench.now)
    bench.ask("printer.print.start", filename="hot.gcode")
    finished(bench)
    message = bench.query("webhooks")["state_message"]
    assert message.startswith("Heater extruder not heating at expected rate\n")


def test_after_ten_idle_minutes_heaters_and_motors_go_off() -> None:
    bench = Bench().began()
    bench.ask("printer.gcode.script", script="G28\nM104 S100")
    bench.run(590.0)
    assert bench.query("extruder")["target"] == 100.0
    bench.run(60.0)
    assert bench.query("extruder")["target"] == 0.0
    assert bench.query("toolhead")["homed_axes"] == ""


def test_the_same_calls_are_the_same_run() -> None:
    def one() -> list[object]:
        bench = finished(Bench(hot=HOT).began().started("hot.gcode"))
        return [bench.said, list(bench.printer.ledger)]

    assert one() == one()
