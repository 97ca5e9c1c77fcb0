"""The round trip with everything real but the printer: app -> gateway -> file server and receiver.

An app hands in a job by the address of its file, and an address that wants to know; both are real servers.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.api.forge.mapping import callback_body
from gateway.domain.job import Job
from gateway.domain.observations import PrintPhase
from gateway.domain.orders import StartPrint
from gateway.engine.ports import CallbackState
from gateway.publish.callbacks import CallbackSender
from gateway.tasks.fetching import Fetcher
from gateway.transport.web import WebClient
from tests.api.host import GCODE, MAX_UPLOAD, Host, look_at_printable
from tests.support.stand import ANA, BEN, report, seen

#: Forge API 1.4, callbacks: the keys of an update, and those of its `data` that are there once reported.
KEYS = {
    "printer_status", "progress", "job_id", "job_progress", "job_status", "data", "job_name", "member_id",
    "printer_id", "printer_name",
}  # fmt: skip
PATIENCE = 60.0  # seconds, on a busy machine


class App:
    """The app's own server: it has the file, answers the probe by GET alone, and keeps what it is told."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.updates: list[dict[str, Any]] = []
        self.heard = asyncio.Event()
        app = web.Application()
        app.router.add_get("/files/part.gcode", self._file)
        app.router.add_route("*", "/hook/support", self._support)
        app.router.add_post("/hook", self._update)
        self.server = TestServer(app)

    @property
    def url(self) -> str:
        return str(self.server.make_url("")).rstrip("/")

    async def _file(self, request: web.Request) -> web.Response:
        return web.Response(body=GCODE)

    async def _support(self, request: web.Request) -> web.Response:
        self.asked.append((request.method, request.path))
        if request.method != "GET":
            return web.Response(status=405)
        return web.json_response({"callback": "supported"})

    async def _update(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/json"
        self.updates.append(json.loads(await request.read()))
        self.heard.set()
        return web.Response(status=204)

    async def told(self, status: str) -> dict[str, Any]:
        """The first update with that status."""
        async with asyncio.timeout(PATIENCE):
            while not any(update["job_status"] == status for update in self.updates):
                self.heard.clear()
                await self.heard.wait()
        return next(update for update in self.updates if update["job_status"] == status)


@pytest.fixture
async def app() -> AsyncIterator[App]:
    made = App()
    async with made.server:
        yield made


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    """With a fetcher and a sender, as `main` has them; private addresses are allowed."""
    async with Host(tmp_path, private_addresses=True) as built:
        going_out = WebClient(is_private_allowed=True)
        state = built.engine.state

        def render(job: Job) -> dict[str, Any]:
            number = job.printer_id or 0
            return callback_body(job, state.printers.get(number), state.presence.get(number))

        given: dict[str, Any] = {
            "engine": built.engine, "subscribe": built.hub.subscribe, "web": going_out,
            "clock": built.clock, "chance": Random(0),
        }  # fmt: skip
        sender = CallbackSender(queries=built.queries, outbox=built.outbox, render=render, **given)
        fetcher = Fetcher(
            files=built.files, inspect=look_at_printable, most_bytes=MAX_UPLOAD, ids=built.ids, **given
        )
        tasks = [asyncio.create_task(sender.run()), asyncio.create_task(fetcher.run())]
        yield built
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await going_out.close()


async def forge(host: Host, method: str, path: str, body: Any = None, member: Any = BEN) -> Any:
    answer = await host.client.request(method, f"/ps/v1{path}", json=body, headers=await host.bearer(member))
    return answer.status, await answer.json()


async def test_an_app_hears_of_its_job_from_the_file_to_the_end(host: Host, app: App) -> None:
    status, receipt = await forge(
        host, "POST", "/print/printers/1/jobs",
        {"printable_url": f"{app.url}/files/part.gcode", "job_name": "my_job",
         "callback_url": f"{app.url}/hook", "callback_interval": 1},
    )  # fmt: skip
    assert (status, receipt["status"]) == (200, "created")
    await app.told("queued")
    await host.client.post(
        "/gateway/v1/printers/mk3/plate", json={"plate": "clear"}, headers=await host.bearer(ANA)
    )
    await app.told("sent")
    (start,) = host.drivers.of(StartPrint)
    assert isinstance(start, StartPrint)
    assert Path(start.path).read_bytes() == GCODE
    await host.observe(seen(report(start.key, progress=0.5)))
    printing = await app.told("printing")
    await host.observe(seen(ended=(report(start.key, PrintPhase.COMPLETED, progress=1.0),)))
    completed = await app.told("completed")
    assert app.asked == [("GET", "/hook/support")]
    assert {key for update in app.updates for key in update} == KEYS
    assert printing | {"data": None} == {
        "printer_status": "printing", "progress": 0.5, "job_id": receipt["job_id"], "job_progress": 0.5,
        "job_status": "printing", "data": None, "job_name": "my_job", "member_id": BEN.member_id,
        "printer_id": 1, "printer_name": "mk3",
    }  # fmt: skip
    assert printing["data"].items() >= {"job_id": receipt["job_id"], "job_status": "printing"}.items()
    assert (completed["job_progress"], completed["printer_status"]) == (1.0, "ready")
    order = list(dict.fromkeys(update["job_status"] for update in app.updates))
    assert [word for word in order if word != "created"] == ["queued", "sent", "printing", "completed"]


async def test_a_callback_can_be_registered_later(host: Host, app: App) -> None:
    _, receipt = await forge(host, "POST", "/print/printers/0/jobs", {"job_name": "my_job"})
    path = f"/print/jobs/{receipt['job_id']}/register"
    status, _ = await forge(host, "POST", path, {"callback_url": f"{app.url}/hook"})
    assert status == 200
    told = await app.told("created")
    assert (told["printer_id"], told["printer_name"], told["progress"]) == (None, None, None)


async def test_a_file_that_cannot_be_had_is_told_in_the_job_and_to_the_app(host: Host, app: App) -> None:
    body = {"printable_url": f"{app.url}/files/none.gcode", "callback_url": f"{app.url}/hook"}
    _, receipt = await forge(host, "POST", "/print/printers/1/jobs", body)
    path = f"/gateway/v1/jobs/{receipt['job_id']}"
    async with asyncio.timeout(PATIENCE):
        while True:
            shown = await (await host.client.get(path, headers=await host.bearer())).json()
            if "could not be fetched" in (shown["message"] or ""):
                break
            await asyncio.sleep(0.01)
    assert "it answers with status 404; send another printable_url" in shown["message"]
    await app.told("created")


async def test_an_app_that_is_not_there_is_seen_to_be_so(host: Host, app: App) -> None:
    _, receipt = await forge(host, "POST", "/print/printers/0/jobs", {"callback_url": f"{app.url}/elsewhere"})
    path = f"/gateway/v1/jobs/{receipt['job_id']}"
    async with asyncio.timeout(PATIENCE):
        while True:
            shown = await (await host.client.get(path, headers=await host.bearer())).json()
            if shown["callback"]["failures"]:
                break
            await asyncio.sleep(0.01)
    assert shown["callback"]["state"] == CallbackState.PROBING
    assert "/support" in shown["callback"]["last_error"]
    assert shown["callback"]["next_at"] is not None


@pytest.mark.parametrize("key", ["callback_url", "printable_url"])
async def test_private_addresses_are_refused_at_once_where_they_are_not_allowed(
    tmp_path: Path, key: str
) -> None:
    async with Host(tmp_path) as strict:
        for url in ("http://127.0.0.1:8080/x", "http://192.168.1.1/", "http://[::1]/", "http://2130706433/"):
            status, body = await forge(strict, "POST", "/print/printers/0/jobs", {key: url})
            assert status == 422, url
            assert "not of the public internet" in body["message"]
