"""Prints from the server and from the panel, over the network; judged by the ledger and by the posts."""

from __future__ import annotations

import asyncio
import hashlib
from uuid import UUID

import pytest

from firmware_sim.forge.state import Refused
from tests.firmware_sim.forge.play import JOB, TASK
from tests.firmware_sim.forge.scene import at_home, at_rest
from tests.firmware_sim.forge.stub_server import GCODE

PERSONALITIES = ["documented", "ember", "spark-simulator"]
OTHER = "9b2d7f0e-0a53-4b6e-8f6d-2f8f0c1f7c11"


@pytest.mark.parametrize("transport", ["long-polling", "callback-polling", "websocket"])
@pytest.mark.parametrize("personality", PERSONALITIES)
async def test_a_print_is_fetched_printed_layer_by_layer_and_told(personality: str, transport: str) -> None:
    async with at_home(personality, transport=transport) as (server, printer):
        server.print_data()
        await printer.until(lambda: printer.ledger.count("completed") and at_rest(printer))
        [file] = printer.ledger.events("downloaded")
        assert (file.facts["bytes"], file.facts["layers"]) == (len(GCODE), 6)
        [start] = printer.ledger.events("print_started")
        assert (start.job, start.source, start.facts["sha256"]) == (
            JOB,
            "server",
            hashlib.sha256(GCODE).hexdigest(),
        )
        assert [deed.facts["layer"] for deed in printer.ledger.events("layer")] == [1, 2, 3, 4, 5, 6]
        assert printer.ledger.violations() == []
        assert server.statuses()[-1] == ("ready", None)


async def test_ember_tells_the_course_of_a_print_by_status_posts() -> None:
    async with at_home("ember") as (server, printer):
        server.print_data()
        await printer.until(lambda: printer.ledger.count("completed") and at_rest(printer))
        assert server.statuses() == [
            ("ready", None),
            ("busy", "received"),
            ("printing", "printing"),
            ("busy", "completed"),
            ("ready", None),
        ]
        last = [
            post.body for post in server.of("printers/status") if post.body.get("job_status") == "completed"
        ]
        assert last[0]["data"]["settings"] == {}, "once, at the end of a print"
        states = [post.body["data"]["state"] for post in server.of("printers/command")]
        assert states == ["received", "completed"]


async def test_the_page_tells_it_to_the_task_once_a_layer() -> None:
    async with at_home("spark-simulator") as (server, printer):
        server.print_data(name="part.gcode")
        await printer.until(lambda: printer.ledger.count("completed") and at_rest(printer))
        acks = server.of(f"printers/command/{JOB}")
        layers = [(post.body["job_status"], post.body["data[layer]"]) for post in acks]
        assert layers == [
            ("received", "1"), ("printing", "1"), ("printing", "2"), ("printing", "3"), ("printing", "4"),
            ("printing", "5"), ("completed", "6"),
        ]  # fmt: skip
        assert all(post.body["job_id"] == JOB for post in acks)
        assert {post.content_type for post in acks} == {"application/x-www-form-urlencoded"}
        assert server.statuses() == [("ready", None)]


@pytest.mark.parametrize("personality", PERSONALITIES)
async def test_a_second_print_in_mid_print_is_refused_and_never_starts(personality: str) -> None:
    async with at_home(personality) as (server, printer):
        server.print_data()
        await printer.until(lambda: printer.ledger.count("layer") == 2)
        server.print_data(job=OTHER)
        await printer.until(lambda: printer.ledger.count("completed"))
        await asyncio.sleep(60)
        assert printer.ledger.starts() == [JOB]
        [refusal] = [
            post for post in server.of(f"printers/command/{OTHER}") if int(post.body.get("error_code", 0))
        ]
        assert "the printer is printing" in refusal.body["error_message"]


@pytest.mark.parametrize("personality", PERSONALITIES)
async def test_a_start_sent_twice_prints_twice_and_the_ledger_says_so(personality: str) -> None:
    async with at_home(personality) as (server, printer):
        server.print_data()
        await printer.until(lambda: printer.ledger.count("completed"))
        await asyncio.sleep(10)
        printer.panel.clear_plate()
        server.print_data()
        await printer.until(lambda: printer.ledger.count("completed") == 2)
        assert printer.ledger.starts() == [JOB, JOB]
        assert printer.ledger.violations() == ["started twice"]


@pytest.mark.parametrize(("name", "status"), [("nothing.tar.gz", 404), ("empty.tar.gz", 200)])
@pytest.mark.parametrize("personality", PERSONALITIES)
async def test_a_file_that_is_not_there_or_empty_is_not_printed(
    personality: str, name: str, status: int
) -> None:
    async with at_home(personality) as (server, printer):
        server.print_data(name)
        await printer.until(lambda: printer.ledger.count("failed"))
        await asyncio.sleep(10)
        [file] = printer.ledger.events("downloaded")
        assert (file.facts["status"], file.facts["bytes"]) == (status, 0)
        assert printer.ledger.starts() == []
        codes = [int(post.body.get("error_code") or 0) for post in server.of(f"printers/command/{JOB}")]
        assert max(codes) in (404, 500)
        assert server.statuses()[-1][0] == "ready"


async def test_ember_finds_only_what_is_named_as_a_print_file() -> None:
    """Its name is what stands behind the last slash, a query included."""
    async with at_home("ember") as (server, printer):
        server.print_data(file_url=f"{server.root}/files/part.tar.gz?signature=ab")
        await printer.until(lambda: printer.ledger.count("failed") and at_rest(printer))
        assert printer.ledger.starts() == []
        [failure] = printer.ledger.events("failed")
        assert "part.tar.gz?signature=ab" in failure.facts["reason"]
        states = [post.body["data"]["state"] for post in server.of("printers/command")]
        assert states == ["received", "completed"], "the client does not know"
        assert server.statuses()[-2:] == [("busy", "failed"), ("ready", None)]


@pytest.mark.parametrize(("personality", "prints"), [("ember", False), ("documented", True)])
async def test_ember_follows_no_redirect_to_a_print(personality: str, prints: bool) -> None:
    async with at_home(personality) as (server, printer):
        server.print_data(file_url=f"{server.root}/moved/part.tar.gz")
        await printer.until(lambda: printer.ledger.count("completed" if prints else "failed"))
        assert bool(printer.ledger.starts()) is prints


async def test_ember_prints_again_what_it_has_when_the_name_is_the_same() -> None:
    """Whatever is behind the URL by now: the server must give every file a name of its own."""
    async with at_home("ember") as (server, printer):
        server.print_data()
        await printer.until(lambda: printer.ledger.count("completed"))
        await asyncio.sleep(10)
        server.files["part.tar.gz"] = GCODE * 2
        server.print_data(job=OTHER)
        await printer.until(lambda: printer.ledger.count("completed") == 2)
        assert printer.ledger.count("downloaded") == 1
        first, second = (deed.facts["sha256"] for deed in printer.ledger.events("print_started"))
        assert first == second
        assert printer.ledger.starts() == [JOB, OTHER]


# --------------------------------------------------------------------------------------------------- commands


@pytest.mark.parametrize("personality", PERSONALITIES)
async def test_pause_resume_and_cancel_from_the_server(personality: str) -> None:
    async with at_home(personality) as (server, printer):
        server.print_data()
        await printer.until(lambda: printer.ledger.count("layer") == 2)
        server.tell("pause", job_id=JOB)
        await printer.until(lambda: printer.ledger.count("paused"))
        await asyncio.sleep(100)
        assert printer.ledger.count("layer") == 2
        server.tell("resume", job_id=JOB)
        await printer.until(lambda: printer.ledger.count("layer") == 4)
        server.tell("cancel", job_id=JOB)
        await printer.until(lambda: printer.ledger.count("canceled"))
        await asyncio.sleep(60)
        assert printer.ledger.count("layer") == 4
        sources = [
            (deed.event, deed.source) for deed in printer.ledger.events("paused", "resumed", "canceled")
        ]
        assert sources == [("paused", "server"), ("resumed", "server"), ("canceled", "server")]
        said = [status for _, status in server.statuses()]
        assert [status for status in said if status in ("paused", "canceled")] == ["paused", "canceled"]


@pytest.mark.parametrize(
    ("personality", "hits"), [("ember", True), ("spark-simulator", True), ("documented", False)]
)
async def test_who_looks_at_the_job_of_a_cancel(personality: str, hits: bool) -> None:
    """Neither of the real clients did: a cancel that comes late ends another print."""
    async with at_home(personality) as (server, printer):
        server.print_data()
        await printer.until(lambda: printer.ledger.count("layer") == 1)
        server.tell("cancel", job_id=OTHER)
        await printer.until(lambda: server.of(f"printers/command/{TASK}"))
        assert bool(printer.ledger.count("canceled")) is hits


async def test_ember_sends_its_logs_where_it_is_told() -> None:
    async with at_home("ember") as (server, printer):
        server.tell("logs", upload_url=f"{server.root}/logs")
        await printer.until(lambda: len(server.of("printers/command")) == 2)
        [(content_type, archive)] = server.puts
        assert content_type == "application/gzip"
        assert archive[:2] == b"\x1f\x8b"
        server.tell("logs", upload_url=f"{server.root}/nowhere")
        await printer.until(lambda: len(server.of("printers/command")) == 4)
        assert server.of("printers/command")[-1].body["error_code"] == 500


async def test_a_reset_reboots_ember_after_it_was_acknowledged() -> None:
    async with at_home("ember") as (server, printer):
        server.print_data()
        await printer.until(lambda: printer.ledger.count("layer") == 1)
        server.tell("reset")
        await printer.until(lambda: printer.ledger.count("power_on") == 2)
        await printer.until(lambda: len(server.of("registration_code")) == 2)
        states = [post.body["data"]["state"] for post in server.of(f"printers/command/{TASK}")]
        assert states == ["received", "completed"]


@pytest.mark.parametrize(
    "data", ['{"command": "pause", "task_id": "x"}', "text", None, 7, [], {"command": "pause"}]
)
async def test_the_page_chokes_on_anything_but_an_object_with_a_task(data: object) -> None:
    async with at_home("spark-simulator") as (server, printer):
        server.publish("/printers/58/command", data)
        await printer.until(lambda: printer.ledger.count("choked"))
        server.tell("home")
        await printer.until(lambda: server.of(f"printers/command/{TASK}"))


async def test_ember_takes_a_json_string_for_an_object() -> None:
    async with at_home("ember") as (server, printer):
        server.publish("/printers/58/command", '{"command": "home", "task_id": "x"}')
        await printer.until(lambda: printer.ledger.count("moved"))


# -------------------------------------------------------------------------------------------------- the panel


@pytest.mark.parametrize("personality", ["documented", "ember"])
async def test_a_local_job_is_told_from_its_start_to_its_end(personality: str) -> None:
    async with at_home(personality) as (server, printer):
        job = printer.panel.start_local("vase", layers=4)
        assert job.startswith("local_")
        assert UUID(job.removeprefix("local_")).version == 4
        await printer.until(lambda: printer.ledger.count("completed") and at_rest(printer))
        said = [post.body for post in server.of("printers/status") if post.body.get("job_id") == job]
        assert {body["job_status"] for body in said} == {"received", "printing", "completed"}
        assert {body["data"]["job_name"] for body in said} == {"vase"}
        announced = [post.body["job_id"] for post in server.of("printers/jobs")]
        assert announced == ([job] if personality == "documented" else [])


async def test_nobody_hears_how_a_local_job_of_the_page_ended() -> None:
    async with at_home("spark-simulator") as (server, printer):
        job = printer.panel.start_local("vase", layers=4)
        await printer.until(lambda: printer.ledger.count("completed") and at_rest(printer))
        assert server.statuses() == [("ready", None), ("printing", "printing"), ("ready", None)]
        assert [post.body["job_id"] for post in server.of("printers/status") if "job_id" in post.body] == [
            job
        ]
        assert not server.of("printers/command")


@pytest.mark.parametrize("personality", PERSONALITIES)
async def test_a_cancel_at_the_panel_is_told(personality: str) -> None:
    async with at_home(personality) as (server, printer):
        server.print_data()
        await printer.until(lambda: printer.ledger.count("layer") == 2)
        printer.panel.cancel()
        await printer.until(lambda: at_rest(printer))
        assert server.statuses()[-1] == ("ready", None)
        assert "canceled" in [status for _, status in server.statuses()]
        [deed] = printer.ledger.events("canceled")
        assert (deed.source, deed.job) == ("panel", JOB)


async def test_the_door_is_maintenance_and_the_print_goes_on_afterwards() -> None:
    async with at_home("ember") as (server, printer):
        server.print_data()
        await printer.until(lambda: printer.ledger.count("layer") == 2)
        printer.panel.open_door()
        await asyncio.sleep(100)
        assert server.statuses()[-1] == ("maintenance", "printing")
        printer.panel.close_door()
        await printer.until(lambda: printer.ledger.count("completed"))


async def test_an_error_of_the_machine_is_told_with_code_and_words() -> None:
    async with at_home("documented") as (server, printer):
        server.print_data()
        await printer.until(lambda: printer.ledger.count("layer") == 2)
        printer.panel.break_down(70, "resin tray")
        await printer.until(lambda: server.statuses()[-1][0] == "error")
        body = server.of("printers/status")[-1].body
        assert (body["error_code"], body["error_message"]) == (70, "resin tray")
        printer.panel.clear_error()
        await printer.until(lambda: server.statuses()[-1] == ("ready", None))


async def test_what_the_panel_refuses_is_no_deed() -> None:
    async with at_home("ember") as (_, printer):
        before = len(printer.ledger)
        for press in (printer.panel.cancel, printer.panel.pause, printer.panel.resume, printer.panel.press):
            with pytest.raises(Refused):
                press()
        assert len(printer.ledger) == before
