"""What was measured on a real Moonraker and a naive simulator misses, trap by trap.

The numbers are those of the notes of the measured runs (see docs/SIMULATOR.md).
"""

from __future__ import annotations

import json

import pytest

from firmware_sim.moonraker.settings import MoonrakerConfig
from tests.firmware_sim.moonraker.bench import LATEST_SHOWN, PART, Bench

NOT_CONNECTED = {"code": 503, "message": "Klippy Host not connected"}


def test_1_a_killed_klippy_publishes_nothing() -> None:
    bench = Bench().began().started()
    bench.run(0.1)  # what was gathered before its death still goes out
    died = bench.now
    bench.printer.kill_klippy(died)
    bench.run(600.0)
    assert [h for h in bench.since(died + 0.5)] == []
    assert bench.shown("print_stats", "state")[-1] == "printing"
    assert bench.shown("webhooks", "state")[-1] == "ready"
    info = bench.get("server.info")
    assert (info["klippy_connected"], info["klippy_state"]) == (False, "disconnected")
    assert bench.get("printer.objects.query", objects={"print_stats": None}) == NOT_CONNECTED
    assert bench.get("printer.print.start", filename="part.gcode") == NOT_CONNECTED


def test_1_who_waits_for_klippy_hears_that_it_is_gone() -> None:
    bench = Bench().began()
    slow = bench.ask("printer.gcode.script", script="G28")
    bench.run(1.0)
    bench.printer.kill_klippy(bench.now)
    bench.run(0.1)
    assert bench.reply(slow) == {"code": 503, "message": "Klippy Disconnected"}


def test_2_an_emergency_stop_shows_as_paused() -> None:
    bench = Bench().began().started()
    assert bench.get("printer.emergency_stop") == "ok"
    bench.run(2.0)
    stats = bench.query("print_stats")
    assert (stats["state"], stats["message"]) == ("paused", "")
    assert bench.shown("print_stats", "state")[-1] == "paused"
    webhooks = bench.query("webhooks")
    assert webhooks["state"] == "shutdown"
    assert webhooks["state_message"].startswith("Shutdown due to webhooks request\n")
    assert bench.shown("webhooks", "state")[-1] == "shutdown"
    assert not bench.query("pause_resume")["is_paused"]


def test_2_a_shutdown_while_homing_is_an_error_of_the_file() -> None:
    bench = Bench().began()
    bench.ask("printer.print.start", filename="part.gcode")
    bench.run(5.0)
    bench.printer.shut_down_mcu(bench.now)
    bench.run(2.0)
    stats = bench.query("print_stats")
    assert (stats["state"], stats["message"]) == ("error", "Homing failed due to printer shutdown")


def test_2_after_a_shutdown_only_a_firmware_restart_helps() -> None:
    bench = Bench().began().started()
    bench.printer.emergency_stop(bench.now)
    bench.run(1.0)
    refused = bench.get("printer.print.start", filename="part.gcode")
    assert refused["code"] == 400
    assert refused["message"].startswith("Shutdown due to webhooks request\nOnce the underlying issue")
    assert bench.get("printer.firmware_restart") == "ok"
    bench.run(4.0)
    assert bench.get("printer.info")["state"] == "ready"


def test_3_a_restarted_klippy_has_never_heard_of_the_job() -> None:
    bench = Bench().began().started()
    restarted = bench.now
    bench.printer.restart_klippy(restarted)
    bench.run(5.0)
    assert bench.shown("print_stats", "state", restarted) == ["standby"]
    assert bench.shown("print_stats", "filename", restarted) == [""]
    assert bench.events() == ["print-started", "print-lost"]


def test_4_status_is_changes_only_and_not_retained() -> None:
    bench = Bench().began()
    idle = bench.now
    bench.run(60.0)
    assert bench.since(idle) == []
    bench.started()
    messages = [h for h in bench.since(idle) if h.message.topic == "voron1/klipper/status"]
    assert messages
    assert not any(h.message.retain for h in messages)
    assert messages[0].body.keys() == {"eventtime", "status"}
    assert "webhooks" not in messages[0].body["status"]


def test_4_split_status_is_retained_field_by_field() -> None:
    bench = Bench(config=MoonrakerConfig(is_split=True)).began().started()
    split = [h for h in bench.said if h.message.topic.startswith("voron1/klipper/")]
    assert all(h.message.retain for h in split)
    states = [h.body for h in split if h.message.topic == "voron1/klipper/state/print_stats/state"]
    assert [state["value"] for state in states] == ["standby", "printing"]
    assert all(state.keys() == {"eventtime", "value"} for state in states)


def test_4_a_client_that_subscribes_replaces_the_subscription_of_all() -> None:
    bench = Bench().began()
    reply = bench.get("printer.objects.subscribe", objects={"toolhead": ["homed_axes"]})
    assert reply["status"] == {"toolhead": {"homed_axes": ""}}
    subscribed = bench.now
    bench.started()
    assert bench.shown("toolhead", "homed_axes", subscribed) == ["xyz"]
    assert bench.shown("print_stats", "state", subscribed) == []


def test_5_a_file_that_fails_at_once_was_never_printing() -> None:
    bench = Bench(bad=b"G1 X10 F600\n").began()
    number = bench.ask("printer.print.start", filename="bad.gcode")
    asked = bench.now
    bench.run(2.0)
    assert bench.reply(number) == "ok"
    assert bench.shown("print_stats", "state", asked) == ["error"]
    assert bench.jobs() == [("000001", "bad.gcode", "error")]


def test_5_a_second_failure_at_once_is_not_seen_at_all() -> None:
    """`error` after `error` is no change: `ok` is all that anybody hears, and there is no job."""
    bench = Bench(bad=b"G1 X10 F600\n").began()
    for _ in range(2):
        bench.ask("printer.print.start", filename="bad.gcode")
        bench.run(2.0)
    assert bench.shown("print_stats", "state")[-1:] == ["error"]
    assert bench.shown("print_stats", "state").count("error") == 1
    assert bench.jobs() == [("000001", "bad.gcode", "error")]
    assert len(bench.printer.physical_starts()) == 2


@pytest.mark.parametrize("after", [0.0, 0.1, 0.2, 0.3, 0.4])
def test_5_printing_shows_a_moment_after_ok(after: float) -> None:
    bench = Bench().began()
    bench.run(after)
    asked = bench.now
    bench.ask("printer.print.start", filename="part.gcode")
    bench.run(2.0)
    [shown] = [h.at for h in bench.since(asked) if "printing" in h.message.payload.decode()]
    assert 0.25 <= shown - asked <= LATEST_SHOWN


def test_5_a_repeated_print_does_not_name_its_file_again() -> None:
    bench = Bench().began().started()
    bench.run(30.0)
    assert bench.query("print_stats")["state"] == "complete"
    again = bench.now
    bench.started()
    assert bench.shown("print_stats", "state", again) == ["printing"]
    assert bench.shown("print_stats", "filename", again) == []


def test_6_a_broker_that_forgot_gets_only_the_server_status_back() -> None:
    bench = Bench(config=MoonrakerConfig(is_split=True)).began()
    bench.printer.broker_lost(bench.now)
    bench.run(3.0)
    bench.printer.broker_up(bench.now)
    back = bench.now
    bench.run(15.0)
    assert [h.message.topic for h in bench.since(back)] == ["voron1/moonraker/status"]


def test_7_a_killed_moonraker_comes_back_with_the_whole_state() -> None:
    bench = Bench().began().started()
    bench.printer.kill_moonraker(bench.now)
    assert not bench.printer.wants_broker, "the connection breaks, and the broker says the will"
    assert bench.printer.will.payload == b'{"server":"offline"}'
    assert bench.printer.will.retain
    bench.run(5.0)
    born = bench.now
    bench.printer.start_moonraker(born)
    while not bench.printer.wants_broker:
        bench.run(0.1)
    bench.printer.broker_up(bench.now)
    bench.run(2.0)
    topics = [(round(h.at - born, 2), h.message.topic) for h in bench.since(born)]
    assert topics[1] == (2.8, "voron1/klipper/status")
    whole = bench.since(born)[1].body["status"]
    assert whole["webhooks"]["state"] == "ready"
    assert whole["print_stats"]["state"] == "printing"
    assert whole["print_stats"]["filename"] == "part.gcode"


def test_8_errors_word_for_word() -> None:
    bench = Bench().began()
    assert bench.get("printer.print.start", filename="no.gcode") == {
        "code": 400,
        "message": "Unable to open file",
    }
    bench.started()
    bench.ask("printer.print.start", filename="part.gcode")
    bench.send(b"{no json")
    bench.run(2.0)
    busy, parse = bench.replies()[-1], bench.replies()[-2]
    assert busy["error"] == {"code": 400, "message": "SD busy"}
    assert parse == {"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": None}
    assert bench.get("no.such.thing") == {"code": -32601, "message": "Method not found"}
    assert bench.get("printer.gcode.script", script="FLY_AWAY") == "ok"
    assert [entry.line for entry in bench.printer.ledger.events("unknown")] == ["FLY_AWAY"]
    assert len(bench.printer.physical_starts()) == 1


def test_8_the_same_timestamp_is_a_duplicate() -> None:
    bench = Bench().began()
    asked = {
        "jsonrpc": "2.0", "method": "printer.print.start", "id": 7,
        "params": {"filename": "part.gcode", "mqtt_timestamp": 12.5},
    }  # fmt: skip
    bench.send(asked)
    bench.send(asked)
    bench.run(1.0)
    first, second = bench.replies()
    assert first["result"] == "ok"
    assert second["error"] == {"code": -10000, "message": "Duplicate MQTT Request"}


def test_8_without_a_timestamp_both_copies_run() -> None:
    bench = Bench(quick=b"G4 P1\n").began()
    asked = {
        "jsonrpc": "2.0",
        "method": "printer.print.start",
        "params": {"filename": "quick.gcode"},
        "id": 7,
    }
    bench.send(asked)
    bench.run(5.0)
    bench.send(asked)
    bench.run(5.0)
    assert [entry.line for entry in bench.printer.physical_starts()] == ["quick.gcode", "quick.gcode"]


@pytest.mark.parametrize(
    "asked",
    [
        {"jsonrpc": "2.0", "id": 1},
        {"jsonrpc": "2.0", "id": 1, "result": "ok"},
        {"jsonrpc": "2.0", "method": "server.info"},
    ],
)
def test_8_without_method_or_id_there_is_no_reply(asked: object) -> None:
    bench = Bench().began()
    bench.send(asked)
    bench.run(1.0)
    assert bench.replies() == []


def test_9_replies_come_when_they_are_ready() -> None:
    bench = Bench().began()
    slow = bench.ask("printer.gcode.script", script="G28")
    quick = bench.ask("server.info")
    bench.run(12.0)
    assert [reply["id"] for reply in bench.replies()] == [quick, slow]


def test_9_a_cancel_waits_for_the_moves() -> None:
    bench = Bench().began().started()
    number, asked = bench.ask("printer.print.cancel"), bench.now
    bench.run(5.0)
    assert bench.reply(number) == "ok"
    [answered] = [h.at for h in bench.since(asked) if h.message.topic == bench.printer.response_topic]
    assert 1.0 < answered - asked < 3.0


def test_9_a_batch_is_answered_as_one() -> None:
    bench = Bench().began()
    bench.send(
        [
            {"jsonrpc": "2.0", "method": "printer.gcode.script", "params": {"script": "G4 P100"}, "id": 1},
            {"jsonrpc": "2.0", "method": "server.info"},
            {"jsonrpc": "2.0", "method": "nothing", "id": 2},
        ]
    )
    bench.run(1.0)
    [batch] = bench.replies()
    assert [item["id"] for item in batch] == [1, 2]


def test_10_an_interval_of_a_quarter_second_leaves_no_mqtt() -> None:
    bench = Bench(config=MoonrakerConfig(interval=0.25))
    bench.run(5.0)
    assert not bench.printer.wants_broker
    info = bench.printer.info(bench.now).body
    assert isinstance(info, dict)
    assert info["result"]["failed_components"] == ["mqtt"]


def test_11_where_the_print_was_is_forgotten() -> None:
    bench = Bench().began().started()
    bench.run(2.0)
    assert 0.0 < bench.query("virtual_sdcard")["progress"] < 1.0
    bench.ask("printer.print.cancel")
    bench.run(5.0)
    card = bench.query("virtual_sdcard")
    assert bench.query("print_stats")["state"] == "cancelled"
    assert (card["progress"], card["file_position"], card["file_size"]) == (0.0, 0, 0)
    bench.started()
    bench.run(30.0)
    card = bench.query("virtual_sdcard")
    assert bench.query("print_stats")["state"] == "complete"
    assert (card["progress"], card["file_path"], card["file_size"]) == (1.0, None, len(PART))


def test_leftovers_of_a_former_life_are_there_to_be_left() -> None:
    bench = Bench()
    left = {message.topic: json.loads(message.payload) for message in bench.printer.leftovers()}
    assert left["voron1/moonraker/status"] == {"server": "online"}
    assert left["voron1/klipper/state/print_stats/state"]["value"] == "printing"


def test_an_m112_out_of_a_script_ends_that_script_too() -> None:
    bench = Bench().began()
    number = bench.ask("printer.gcode.script", script="G28\nM112\nG28")
    bench.run(30.0)
    assert bench.reply(number)["message"].startswith("Shutdown due to M112 command\n")
    assert bench.printer.ledger.executed("rpc") == ["G28", "M112"]
    bench.run(60.0)
