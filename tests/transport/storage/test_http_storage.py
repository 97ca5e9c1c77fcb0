"""Files onto printers and back over Moonraker's HTTP, on real sockets."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from firmware_sim.moonraker.faults import Misfortune, Misfortunes
from firmware_sim.moonraker.printer import MoonrakerPrinter
from firmware_sim.moonraker.pump import MachinePump
from firmware_sim.moonraker.settings import MoonrakerConfig
from firmware_sim.moonraker.web import WebEndpoint
from gateway.transport.http_storage import HttpStorage
from gateway.transport.storage import StorageTrouble

CONTENT = b"; a print\n" + os.urandom(700_000)
KEY = "0123456789abcdef"


@pytest.fixture
def path(tmp_path: Path) -> str:
    found = tmp_path / "print.gcode"
    found.write_bytes(CONTENT)
    return str(found)


@asynccontextmanager
async def moonraker(*faults: str, api_key: str = "") -> AsyncIterator[tuple[HttpStorage, MoonrakerPrinter]]:
    """A simulated Moonraker, and its storage without a key."""
    printer = MoonrakerPrinter(
        MoonrakerConfig(api_key=api_key), faults=Misfortunes(tuple(Misfortune(name) for name in faults))
    )
    pump = MachinePump(printer)
    endpoint = WebEndpoint(pump)
    await endpoint.open("127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{endpoint.address[1]}"
            yield HttpStorage(session, url, who="Moonraker of mk3"), printer
    finally:
        await endpoint.close()
        pump.stop()


@asynccontextmanager
async def answering(status: int, body: Any, info: Any = None) -> AsyncIterator[HttpStorage]:
    """A server with one answer to everything, once it has read all. `info`: what it says of itself."""

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/server/info":
            return web.json_response(info or {})
        assert request.content_length is not None
        async for _ in request.content.iter_any():
            pass
        if isinstance(body, str):
            return web.Response(text=body, status=status)
        return web.json_response(body, status=status)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with aiohttp.ClientSession() as session:
            yield HttpStorage(session, f"http://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()


def ignored(_sent: int) -> None:
    """No word on progress wanted."""


@pytest.mark.parametrize("name", ["a.gcode", "gateway/a b.gcode", "Würfel #1 100%.gcode"])
async def test_what_was_stored_is_there_and_is_not_printed(name: str, path: str) -> None:
    async with moonraker() as (storage, printer):
        await storage.store(path, name, told=ignored)
        found = printer.gcodes.find(name)
        assert found is not None
        assert hashlib.sha256(found[1].content).digest() == hashlib.sha256(CONTENT).digest()
        assert await storage.fetch(name, len(CONTENT)) == CONTENT
        with pytest.raises(StorageTrouble, match="more than 1000 bytes"):
            await storage.fetch(name, 1000)
        await storage.delete(name)
        assert printer.gcodes.find(name) is None
        await storage.delete(name)
        with pytest.raises(StorageTrouble, match="has no such file") as raised:
            await storage.fetch(name, 1000)
        assert raised.value.is_absent
        assert [entry for entry in printer.ledger.entries if entry.event == "print-started"] == []


async def test_a_look_puts_nothing_there() -> None:
    async with moonraker(api_key=KEY) as (storage, printer):
        with pytest.raises(StorageTrouble, match=r"cannot put print files there: .* wants an API key"):
            await storage.check()
        await HttpStorage(storage._session, str(storage._url), api_key=KEY).check()
        assert [entry for entry in printer.ledger.entries if entry.event == "file-stored"] == []


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ({"result": {"registered_directories": ["config", "logs"]}}, "no folder gcodes .*virtual_sdcard"),
        ({"result": {}}, "is no Moonraker: check url"),
        (["a web page"], "is no Moonraker: check url"),
    ],
)
async def test_what_answers_but_takes_no_files(info: Any, words: str) -> None:
    async with answering(200, {}, info) as storage:
        with pytest.raises(StorageTrouble, match=words):
            await storage.check()


async def test_the_api_key(path: str) -> None:
    async with moonraker(api_key=KEY) as (storage, _):
        with pytest.raises(StorageTrouble, match="wants an API key, or another one: set api_key_file"):
            await storage.store(path, "a.gcode", told=ignored)
        right = HttpStorage(storage._session, str(storage._url), api_key=KEY)
        await right.store(path, "a.gcode", told=ignored)
        await right.delete("a.gcode")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("upload-truncated", "it arrived damaged at Moonraker of mk3 at .*: try again"),
        ("upload-refused", "answers with status .*Unable to save file"),
        ("upload-answer-lost", "broke the connection off"),
    ],
)
async def test_an_upload_that_goes_wrong(fault: str, words: str, path: str) -> None:
    async with moonraker(fault) as (storage, _):
        with pytest.raises(StorageTrouble, match=words) as raised:
            await storage.store(path, "a.gcode", told=ignored)
        assert not raised.value.is_absent
        await storage.store(path, "a.gcode", told=ignored)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (201, {"item": {"path": "a.gcode", "root": "gcodes", "size": 5}}, "5 of 700010 bytes are on"),
        (201, {"item": {"path": "b.gcode", "root": "gcodes", "size": 700010}}, "stored it as gcodes/b.gcode"),
        (201, {"item": {"path": "a.gcode", "root": "config", "size": 700010}}, "stored it as config/a.gcode"),
        (201, {}, "does not say what it stored"),
        (201, ["what"], "does not say what it stored"),
        (201, "[" * 60_000, "does not say what it stored"),
        (500, "[" * 60_000, "answers with status 500"),
        (201, {"item": {"path": "x" * 9000, "root": "a\r\n\x1b[2J"}}, r"stored it as a \[2J/x{50,200}$"),
        (413, {}, "raise max_upload_size in moonraker.conf"),
        (500, {"error": {"message": "[Errno 28] No space left on device"}}, "is full: delete files there"),
        (404, {"error": {"message": "Not Found"}}, r"answers with status 404 \(Not Found\)"),
        (302, {}, "answers with status 302"),
    ],
)
async def test_what_servers_answer(status: int, body: Any, words: str, path: str) -> None:
    async with answering(status, body) as storage:
        with pytest.raises(StorageTrouble, match=words):
            await storage.store(path, "a.gcode", told=ignored)


async def test_an_answer_in_a_result_and_one_without_a_size(path: str) -> None:
    item = {"path": "a.gcode", "root": "gcodes"}
    for body in ({"result": {"item": item | {"size": len(CONTENT)}}}, {"item": item}):
        async with answering(201, body) as storage:
            await storage.store(path, "a.gcode", told=ignored)


async def test_an_upload_can_be_cancelled(path: str) -> None:
    reached = asyncio.Event()
    broken = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        reached.set()
        try:
            while await reader.read(65536):
                pass
        except ConnectionError:
            pass
        broken.set()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    async with server, aiohttp.ClientSession() as session:
        storage = HttpStorage(session, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        storing = asyncio.create_task(storage.store(path, "a.gcode", told=ignored))
        async with asyncio.timeout(60):
            await reached.wait()
            storing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await storing
            await broken.wait()


async def test_nobody_there_no_name_and_no_file(tmp_path: Path, path: str) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        async with aiohttp.ClientSession() as session:
            storage = HttpStorage(session, f"http://127.0.0.1:{bound.getsockname()[1]}")
            with pytest.raises(StorageTrouble, match=r"cannot be reached .*: check url"):
                await storage.store(path, "a.gcode", told=ignored)
            with pytest.raises(StorageTrouble, match=r"nothing\.gcode: No such file"):
                await storage.store(str(tmp_path / "nothing.gcode"), "a.gcode", told=ignored)
            nowhere = HttpStorage(session, "http://printer.invalid:7125")
            with pytest.raises(StorageTrouble, match="has a name that is unknown: check url"):
                await nowhere.delete("a.gcode")
