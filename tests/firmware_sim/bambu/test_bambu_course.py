"""A print from its order to its end: what is shown when, what moves, and one start in the ledger for each."""

from __future__ import annotations

import math

import pytest

from firmware_sim.bambu.course import CANCELED_BY_USER
from tests.firmware_sim.bambu.bench import PLATE, Bench, archive

MOVES = [line.decode() for line in PLATE.splitlines() if line.startswith(b"G1")]


def told_after(bench: Bench, began: float) -> list[tuple[float, str]]:
    return [(round(at - began, 3), state) for at, state in bench.states() if at > began]


def test_a_print_by_command_runs_every_line_once() -> None:
    bench = Bench()
    bench.live(10.0)
    echo = bench.start(77)
    assert echo is not None
    assert (echo["result"], echo["subtask_id"], echo["url"]) == ("success", "77", "ftp:///cube.gcode.3mf")
    bench.until("FINISH")
    assert [state for _, state in bench.states()] == ["IDLE", "PREPARE", "RUNNING", "FINISH"]
    assert bench.moves() == MOVES
    (start,) = bench.starts()
    assert (start.t, start.file, start.who) == (16.0, "cube.gcode.3mf", "mqtt")
    assert (start.subtask_id, start.task_id, start.project_id) == ("77", "77", "77")
    assert bench.shown["mc_percent"] == 100
    assert bench.shown["layer_num"] == bench.shown["total_layer_num"] == 3


def test_a_cloud_print_second_by_second() -> None:
    """The recorded one: echo 08:03:29, PREPARE :31, its file there :34, RUNNING :40."""
    bench = Bench()
    bench.live(29.0)
    bench.printer.panel.start_from_cloud("Würfel", archive())
    bench.live(20.0)
    (echo,) = bench.echoes()
    assert echo["command"] == "project_file"
    assert echo["task_id"] == echo["subtask_id"] == echo["project_id"] == "626732162"
    assert echo["job_id"] == 626732162
    assert echo["url"].startswith("https://")
    assert [one.at for one in bench.heard if "result" in one.body] == [29.0]
    assert told_after(bench, 29.0) == [(2.0, "PREPARE"), (11.0, "RUNNING")]
    prepared = [one.at for one in bench.heard if one.body.get("gcode_file_prepare_percent") == "100"]
    assert 34.0 <= prepared[-1] <= 36.0
    assert (bench.shown["print_type"], bench.shown["gcode_file"]) == ("cloud", "Würfel.3mf")
    assert bench.shown["subtask_name"] == "Würfel"
    bench.until("FINISH")
    assert (bench.shown["print_type"], bench.shown["gcode_file"]) == ("idle", "")
    assert bench.shown["subtask_id"] == "626732162"
    assert [start.who for start in bench.starts()] == ["cloud"]


def test_a_print_from_the_panel_second_by_second() -> None:
    """The recorded one: IDLE with its name 11:07:51, PREPARE :53, RUNNING :57; no echo, all ids "0"."""
    bench = Bench()
    bench.start(77)
    bench.until("FINISH")
    echoes, began = len(bench.echoes()), bench.now
    bench.printer.panel.start("cube.gcode.3mf")
    bench.live(20.0)
    assert [(round(at - began, 3), state) for at, state in bench.states()[-3:]] == [
        (0.0, "IDLE"), (2.0, "PREPARE"), (6.0, "RUNNING")
    ]  # fmt: skip
    assert len(bench.echoes()) == echoes
    assert [bench.shown[name] for name in ("project_id", "profile_id", "task_id", "subtask_id")] == ["0"] * 4
    assert bench.shown["print_type"] == "local"
    assert bench.shown["gcode_file"] == bench.shown["subtask_name"] == "cube.gcode.3mf"
    assert [start.who for start in bench.starts()] == ["mqtt", "panel"]


def test_newer_models_count_their_local_prints() -> None:
    bench = Bench("h2d-like")
    seen = []
    for _ in range(2):
        bench.printer.panel.start("plain.gcode")
        bench.until("RUNNING")
        seen.append(
            tuple(bench.shown[name] for name in ("subtask_id", "task_id", "project_id", "print_type"))
        )
        bench.until("FINISH")
        bench.printer.panel.dismiss()
        bench.until("IDLE")
    assert seen == [("", "9001", "0", "local"), ("", "9002", "0", "local")]


def test_a_finish_lingers_while_the_next_job_is_accepted_already() -> None:
    bench = Bench("h2d-like")
    bench.start(1)
    bench.until("FINISH")
    began = bench.now
    bench.start(2)
    bench.live(4.0)
    assert (bench.shown["subtask_id"], bench.shown["gcode_state"]) == ("2", "FINISH")
    bench.live(60.0)
    assert told_after(bench, began) == [(50.0, "PREPARE"), (54.0, "RUNNING")]
    assert [start.subtask_id for start in bench.starts()] == ["1", "2"]


def test_pause_and_resume_by_command_and_at_the_panel() -> None:
    bench = Bench()
    bench.start()
    bench.until("RUNNING")
    bench.live(30.0)
    assert bench.ask("print", "pause", param="")
    bench.until("PAUSE", 3.0)
    bench.live(20.0)
    moved = bench.moves()
    bench.live(300.0)
    assert bench.moves() == moved, "nothing moves in a pause"
    assert bench.ask("print", "resume", param="")
    bench.until("RUNNING", 3.0)
    bench.printer.panel.pause()
    bench.until("PAUSE", 3.0)
    bench.printer.panel.resume()
    bench.until("FINISH")
    assert bench.moves() == MOVES
    paused = [(entry.event, entry.source) for entry in bench.printer.ledger.events("print-paused")]
    assert paused == [("print-paused", "mqtt"), ("print-paused", "panel")]


@pytest.mark.parametrize(
    ("personality", "end", "print_error"), [("a1", "FAILED", CANCELED_BY_USER), ("p1s", "IDLE", 0)]
)
def test_a_stop_ends_as_the_model_shows_it(personality: str, end: str, print_error: int) -> None:
    bench = Bench(personality)
    bench.start()
    bench.until("RUNNING")
    bench.live(30.0)
    assert bench.ask("print", "stop", param="")
    bench.until(end, 3.0)
    assert bench.shown["print_error"] == print_error
    assert (bench.shown["gcode_file"], bench.shown["print_type"]) == ("", "idle")
    moved = bench.moves()
    bench.live(300.0)
    assert bench.moves() == moved
    assert len(moved) < len(MOVES)
    assert bench.printer.mover.is_idle


def test_a_stop_before_it_moves_is_no_physical_start() -> None:
    bench = Bench()
    bench.start()
    bench.until("PREPARE")
    bench.printer.panel.stop()
    bench.until("FAILED", 3.0)
    bench.live(60.0)
    assert bench.starts() == []
    assert bench.shown["subtask_id"] == "77"


def test_a_busy_printer_refuses() -> None:
    bench = Bench("a1")
    bench.start(1)
    bench.until("RUNNING")
    echo = bench.start(2)
    assert echo is not None
    assert (echo["result"], echo["err_code"], echo["subtask_id"]) == ("failed", 0x05004004, "2")
    bench.until("FINISH")
    assert [start.subtask_id for start in bench.starts()] == ["1"]
    assert bench.moves() == MOVES


def test_a_busy_a1_mini_cancels_the_running_job() -> None:
    bench = Bench("a1-mini")
    bench.start(1)
    bench.until("RUNNING")
    bench.live(20.0)
    echo = bench.start(2)
    assert echo is not None
    assert echo["result"] == "success"
    bench.until("FINISH")
    assert [start.subtask_id for start in bench.starts()] == ["1", "2"]
    assert bench.shown["subtask_id"] == "2"
    assert bench.moves()[-len(MOVES) :] == MOVES


def test_ids_beyond_32_bits_on_a_p1s() -> None:
    """They are clamped; after a failure the next clamped start continues that job: nothing prints."""
    bench = Bench("p1s")
    bench.start(2**31 - 1)
    bench.until("RUNNING")
    bench.printer.panel.trip(0x03008005, is_fatal=True)
    bench.until("FAILED", 3.0)
    echo = bench.start(9_999_999_999)
    assert echo is not None
    assert (echo["result"], echo["subtask_id"]) == ("success", "9999999999")
    bench.live(120.0)
    assert bench.shown["subtask_id"] == "2147483647"
    assert bench.shown["gcode_state"] == "FAILED"
    assert len(bench.starts()) == 1
    bench.start(5)
    bench.until("FINISH")
    assert [start.subtask_id for start in bench.starts()] == ["2147483647", "5"]


@pytest.mark.parametrize(
    ("changes", "print_error"),
    [
        ({"url": "ftp:///nothing.3mf"}, 0x05004002),
        ({"url": "http://somewhere/cube.gcode.3mf"}, 0x05004002),
        ({"param": "Metadata/plate_2.gcode"}, 0x05004003),
    ],
)
def test_a_start_of_what_is_not_there_fails_after_its_echo(changes: dict[str, str], print_error: int) -> None:
    bench = Bench()
    echo = bench.start(77, **changes)
    assert echo is not None
    assert echo["result"] == "success"
    bench.until("FAILED", 10.0)
    assert bench.shown["print_error"] == print_error
    assert bench.starts() == []


def test_a_plain_file_has_no_ids() -> None:
    bench = Bench()
    bench.start(7)
    bench.until("FINISH")
    assert bench.ask("print", "gcode_file", param="/plain.gcode")
    bench.until("RUNNING")
    assert (bench.shown["subtask_id"], bench.shown["gcode_file"]) == ("0", "plain.gcode")
    bench.until("FINISH")
    assert [(start.file, start.subtask_id) for start in bench.starts()][1:] == [("plain.gcode", "0")]


def test_a_start_by_a_slicer_on_the_network_is_heard() -> None:
    bench = Bench()
    bench.printer.panel.start_from_slicer("cube.gcode.3mf")
    bench.live(0.1)
    (echo,) = bench.echoes()
    assert (echo["sequence_id"], echo["subtask_id"]) == ("20007", "81817161")
    bench.until("FINISH")
    assert [start.who for start in bench.starts()] == ["slicer"]


def test_an_error_pauses_and_a_resume_clears_it() -> None:
    bench = Bench()
    bench.start()
    bench.until("RUNNING")
    bench.printer.panel.trip(0x07008011)
    bench.until("PAUSE", 1.0)
    assert bench.shown["print_error"] == 0x07008011
    bench.ask("print", "resume", param="")
    bench.until("FINISH")
    assert bench.shown["print_error"] == 0
    assert bench.moves() == MOVES


def test_a_heater_that_dies_fails_the_print_with_an_hms_message() -> None:
    bench = Bench()
    bench.printer.files.put("hot.gcode", b"M104 S200\nM109 S200\n" + PLATE)
    bench.start(7, "hot.gcode")
    bench.until("RUNNING")
    bench.live(20.0)
    bench.printer.panel.break_heater("E0", "dead")
    bench.until("FAILED", 300.0)
    assert bench.shown["hms"] == [{"attr": 0x03000200, "code": 0x00010001}]
    bench.start(8, "hot.gcode")
    bench.live(60.0)
    assert len(bench.starts()) == 1, "halted until it is switched off"


def test_power_that_fails_ends_the_print_for_good() -> None:
    bench = Bench()
    bench.start()
    bench.until("RUNNING")
    bench.live(20.0)
    bench.printer.panel.cut_power(10.0)
    assert bench.seat.lost == "the printer is off"
    moved = bench.moves()
    bench.live(34.9)
    assert not bench.printer.is_on
    bench.live(0.2)
    bench.connect()
    bench.ask("pushing", "pushall")
    bench.live(600.0)
    assert (bench.shown["gcode_state"], bench.shown["subtask_id"]) == ("IDLE", "0")
    assert bench.moves() == moved
    assert len(bench.starts()) == 1
    assert bench.printer.next_deadline() < math.inf


def test_the_same_orders_and_seed_give_the_same_reports() -> None:
    def night() -> list[str]:
        bench = Bench(seed=7)
        bench.start()
        bench.until("FINISH")
        return [str(one) for one in bench.heard]

    assert night() == night()
