"""The course of the demo: whatever comes first, the work, a signal, a death, the time; and what is said."""

from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path

import pytest
from aiohttp import ClientSession, web

from gateway.cli.demo import Demo, run_demo
from gateway.cli.demo_acts import at_panel, shown_code
from gateway.cli.demo_children import DemoFailed
from gateway.cli.demo_forge import ForgeApp
from gateway.cli.demo_place import Place
from gateway.cli.demo_receiver import receiving
from gateway.cli.demo_waiting import unless_stopped, until, while_all_live
from gateway.cli.progress import make_progress, move, watch_job
from gateway.client.calls import Address
from gateway.client.models import Job
from gateway.client.native import GatewayClient
from tests.client.fake_gateway import FakeGateway, event, job, served


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    return Demo(Place(tmp_path, 1, 2), keep=False, ready_file=None)


async def never() -> bool:
    await asyncio.Event().wait()
    return True


async def at_once() -> bool:
    return True


async def test_the_works_answer_counts() -> None:
    assert await unless_stopped(at_once(), asyncio.Event()) is True


async def test_a_signal_ends_the_work() -> None:
    stopped = asyncio.Event()
    stopped.set()
    assert await unless_stopped(never(), stopped) is False


async def test_the_time_ends_the_work() -> None:
    with pytest.raises(DemoFailed, match="did not end within 0 s"):
        await unless_stopped(never(), asyncio.Event(), within=0.0)


async def test_what_is_late_is_told_by_name() -> None:
    async def nothing() -> None:
        return None

    with pytest.raises(DemoFailed, match='"garage" was not reached within 0 s') as caught:
        await until('"garage" was not reached', "streamer", nothing, within=0.0)
    assert caught.value.child == "streamer"


async def test_a_death_ends_the_work(demo: Demo, capsys: pytest.CaptureFixture[str]) -> None:
    await demo.children.start("streamer", "no_such_module")
    with pytest.raises(DemoFailed, match=r"the streamer ended \(exit code 1\)") as caught:
        await while_all_live(demo.children, never())
    demo._explain(caught.value)
    await demo.children.stop()
    told = capsys.readouterr().err
    assert told.startswith("print-gateway: the demo failed: the streamer ended (exit code 1)\n")
    assert "the end of the streamer's log:\n  " in told
    assert "No module named no_such_module" in told


def test_it_fails_with_a_sentence_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Below a folder so deep that no Unix socket fits, a child says so, and the demo repeats it."""
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    ready = tmp_path / "ready.json"
    ready.write_text("of an earlier run")
    assert run_demo(keep=True, ready_file=ready, within=deep) == 1
    assert "print-gateway: the demo failed: the " in capsys.readouterr().err
    assert list(deep.iterdir()) == []
    assert not ready.exists()


def test_it_needs_a_folder_to_be_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_demo(keep=False, ready_file=None, within=tmp_path / "none") == 1
    assert capsys.readouterr().err.startswith("print-gateway: the demo cannot start: ")


def test_it_says_what_is_not_installed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_demo(keep=False, ready_file=None, needs=("no_such_broker", "json")) == 1
    told = "print-gateway: the demo needs no_such_broker: pip install '.[demo]'\n"
    assert capsys.readouterr() == ("", told)


# the panel and the queue


async def test_a_panel_that_refuses_is_told(demo: Demo) -> None:
    machine = demo.place.machines[1]
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readline())
        writer.write(b'{"ok": false, "error": "no such file"}\n')
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_unix_server(answer, machine.control):
        with pytest.raises(DemoFailed, match=r'"garage" refused "panel start x\.gco": no such file'):
            await at_panel(machine, "panel start x.gco")
    assert heard == [b"panel start x.gco\n"]


async def test_a_queue_that_cannot_be_read_is_told(free_port: int) -> None:
    with pytest.raises(DemoFailed, match="GET /ps/v1/print/jobs: ") as caught:
        await ForgeApp(f"http://127.0.0.1:{free_port}", "token").jobs()
    assert caught.value.child == "gateway"


async def test_an_order_that_is_refused_is_told(tmp_path: Path) -> None:
    fake = FakeGateway()
    refusal = {"error_id": "x", "code": 422, "message": "the printable is not known"}
    fake.instead["/ps/v1/print/printers/1/jobs"] = deque([web.json_response(refusal, status=422)])
    with served(fake) as url:
        with pytest.raises(DemoFailed, match="422 the printable is not known"):
            await ForgeApp(url, "token").order(1, "urn:x", "clip")
    assert fake.headers[0]["Authorization"] == "Bearer token"


# the printer that calls in, and its callback


async def test_the_code_is_the_one_on_the_display_now(demo: Demo) -> None:
    caller = demo.place.caller
    assert await shown_code(demo.children, caller) is None
    await demo.children.start(f"printer {caller.name}", "no_such_module")
    await demo.children.first_death()
    demo.children.all[0].log.write_text("code AAAAAA\ncode\ncode YKNRKT\nready http://x\n")
    assert await shown_code(demo.children, caller) == "YKNRKT"
    await demo.children.stop()


async def test_a_receiver_hears_what_is_posted_at_its_address_alone() -> None:
    async with receiving() as receiver, ClientSession() as session:
        async with session.get(f"{receiver.url}/support") as answer:
            assert await answer.json() == {"callback": "supported"}
        for job_id, status in (("a", "printing"), ("b", "queued"), ("a", "completed")):
            async with session.post(receiver.url, json={"job_id": job_id, "job_status": status}) as answer:
                assert answer.status == 204
        async with session.post(f"{receiver.url}x", json={"job_id": "b", "job_status": "x"}) as answer:
            assert answer.status == 404
        told = {job_id: receiver.last_status(job_id) for job_id in "abc"}
    assert told == {"a": "completed", "b": "queued", "c": None}


# the bars


@pytest.mark.parametrize(
    ("changes", "done", "note"),
    [
        ({"status": "queued"}, 0.0, "queued - waiting for a clear plate"),
        ({"status": "printing", "progress": 0.25, "waiting": None}, 0.25, "printing"),
        ({"status": "completed", "progress": None, "waiting": None}, 1.0, "completed"),
        ({"status": "failed", "progress": 0.5, "message": "jammed"}, 0.5, "failed - jammed"),
        (
            {"status": "printing", "reasons": ["processing-to-stop-point"], "waiting": None},
            0.0,
            "printing (stopping)",
        ),
        ({"status": "completed", "verdict": "successful", "waiting": None}, 1.0, "successful"),
    ],
)
def test_a_bar_says_where_a_job_is(changes: dict[str, object], done: float, note: str) -> None:
    bars = make_progress(shown=False)
    line = bars.add_task("job", total=1.0, note="")
    move(bars, line, Job.model_validate(job(**changes)))
    assert (bars.tasks[0].completed, bars.tasks[0].fields["note"]) == (done, note)


async def test_watching_gives_the_job_as_it_ended(tmp_path: Path) -> None:
    fake = FakeGateway()
    fake.fate.extend({"status": status} for status in ("printing", "completed"))
    fake.streams.append([event("job-moved", 1, job_id=fake.jobs[0]["id"])])
    with served(fake, tmp_path / "api.sock") as where:
        async with GatewayClient(Address(socket=where)) as client:
            assert (await watch_job(client, fake.jobs[0]["id"])).status == "completed"
