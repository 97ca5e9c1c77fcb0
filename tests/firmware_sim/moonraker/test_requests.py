"""JSON-RPC as Moonraker speaks it, beyond the measured traps: shapes of answers, and words for mistakes."""

from __future__ import annotations

from typing import Any

import pytest

from firmware_sim.moonraker.uploads import UploadForm
from tests.firmware_sim.moonraker.bench import Bench


def test_how_server_and_printer_stand() -> None:
    bench = Bench().began()
    info = bench.get("server.info")
    assert (info["klippy_connected"], info["klippy_state"], info["failed_components"]) == (True, "ready", [])
    printer = bench.get("printer.info")
    assert (printer["state"], printer["state_message"]) == ("ready", "Printer is ready")


def test_klippy_starts_in_steps() -> None:
    bench = Bench().began()
    bench.printer.kill_klippy(bench.now)
    bench.printer.start_klippy(bench.now)
    seen = []
    for _ in range(30):
        seen.append(bench.get("server.info")["klippy_state"])
    steps = [state for index, state in enumerate(seen) if index == 0 or state != seen[index - 1]]
    assert steps == ["disconnected", "startup", "ready"]


def test_while_it_starts_there_is_little_to_ask() -> None:
    bench = Bench().began()
    bench.printer.restart_klippy(bench.now)
    bench.run(1.0)
    assert bench.get("printer.objects.list") == {"objects": ["gcode", "webhooks"]}
    assert "Printer is not ready" in bench.get("printer.print.start", filename="part.gcode")["message"]


def test_objects_are_those_asked_for() -> None:
    bench = Bench().began()
    assert {"webhooks", "print_stats", "virtual_sdcard"} <= set(bench.get("printer.objects.list")["objects"])
    asked = {"extruder": ["target", "nonsense"], "no_such_object": None}
    status = bench.get("printer.objects.query", objects=asked)["status"]
    assert status == {"extruder": {"target": 0.0, "nonsense": None}, "no_such_object": {}}


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"method": "server.info", "id": 1}, (-32600, "Invalid Request")),
        ({"jsonrpc": "1.0", "method": "server.info", "id": 1}, (-32600, "Invalid Request")),
        ({"jsonrpc": "2.0", "method": "server.info", "params": [1], "id": 1}, (-32602, "Invalid params:")),
        ({"jsonrpc": "2.0", "method": "nothing"}, (-32601, "Method not found")),
        (
            {"jsonrpc": "2.0", "method": "printer.print.start", "id": 1},
            (400, "No data for argument: filename"),
        ),
        (
            {"jsonrpc": "2.0", "method": "printer.objects.query", "id": 1},
            (400, "No data for argument: objects"),
        ),
    ],
)
def test_words_for_mistakes(asked: dict[str, Any], error: tuple[int, str]) -> None:
    bench = Bench().began()
    bench.send(asked)
    [reply] = bench.replies()
    assert (reply["error"]["code"], reply["error"]["message"]) == error
    assert reply["id"] == asked.get("id")


@pytest.mark.parametrize("payload", [b"", b"nul", b"[", b"{'a': 1}"])
def test_what_is_no_json(payload: bytes) -> None:
    bench = Bench().began()
    bench.send(payload)
    assert [reply["error"]["code"] for reply in bench.replies()] == [-32700]


@pytest.mark.parametrize("payload", [b"\xff\xfe", b"1", b'"x"', b"null", b"[]", b"[1]", b"{}"])
def test_what_is_no_request_is_not_answered(payload: bytes) -> None:
    bench = Bench().began()
    bench.send(payload)
    replies = [reply for reply in bench.replies() if reply.get("error", {}).get("code") != -32600]
    assert replies == []
    assert bench.get("server.info")["klippy_connected"]


def test_other_topics_are_not_its() -> None:
    bench = Bench().began()
    bench.printer.receive("other/moonraker/api/request", b"{", bench.now)
    bench.run(1.0)
    assert bench.replies() == []


def test_a_file_name_with_quotes_and_blanks() -> None:
    bench = Bench().began()
    bench.upload(UploadForm('a "b" c.gcode', b"G28\n"))
    assert bench.get("printer.print.start", filename='/a "b" c.gcode') == "ok"
    assert [entry.line for entry in bench.printer.physical_starts()] == ['a "b" c.gcode']


def test_restart_after_a_shutdown_is_an_error_until_firmware_restart() -> None:
    bench = Bench().began()
    bench.printer.shut_down_mcu(bench.now)
    bench.run(1.0)
    assert bench.get("printer.restart") == "ok"
    bench.run(4.0)
    assert bench.get("server.info")["klippy_state"] == "error"
    assert bench.get("printer.firmware_restart") == "ok"
    bench.run(4.0)
    assert bench.get("server.info")["klippy_state"] == "ready"


def test_the_answer_to_a_dead_moonraker_is_nobodys() -> None:
    bench = Bench().began()
    slow = bench.ask("printer.gcode.script", script="G28")
    bench.printer.kill_moonraker(bench.now, back_after=0.5)
    bench.run(4.0)
    bench.printer.broker_up(bench.now)
    bench.run(20.0)
    assert bench.reply(slow) is None
    assert bench.printer.ledger.executed("rpc") == ["G28"]
