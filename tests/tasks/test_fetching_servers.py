"""Fetching from real servers: what is refused, and that nothing of it stays."""

from __future__ import annotations

import asyncio
import io
import tarfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.domain.file import FileRejected
from gateway.domain.job import Job
from gateway.gcode.inspect import NotPrintable
from gateway.gcode.printables import inspect_printable
from gateway.tasks.fetching import Fetcher
from gateway.transport.web import WebClient
from tests.support.office import Office

GCODE = b"G28\nG1 X10 Y10 F3000\nM104 S0\n"
MOST = 100_000  # bytes


def archive() -> bytes:
    """A tar.gz as Ember takes it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        member = tarfile.TarInfo("slice_1.png")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"png"))
    return out.getvalue()


def look(path: str) -> Mapping[str, Any]:
    """The real inspection, as `main` hands it in."""
    try:
        return inspect_printable(Path(path))
    except NotPrintable as refused:
        raise FileRejected(str(refused)) from refused


async def serve(request: web.Request) -> web.StreamResponse:
    what = request.match_info["what"]
    if what == "endless":
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"G1 X1\n" * 1000)
    if what == "moved":
        raise web.HTTPFound("/part.gcode")
    if what == "inside":
        raise web.HTTPFound(f"http://0.0.0.0:{request.url.port}/part.gcode")
    if what == "download":
        return web.Response(
            body=archive(), headers={"Content-Disposition": 'attachment; filename="p.tar.gz"'}
        )
    bodies = {"part.gcode": GCODE, "page": b"<html></html>", "stl": b"solid cube\n", "nothing": b""}
    return web.Response(body=bodies[what]) if what in bodies else web.Response(status=404)


@asynccontextmanager
async def fetching(folder: Path) -> AsyncIterator[tuple[Office, str]]:
    app = web.Application()
    app.router.add_get("/{what}", serve)
    client = WebClient(is_private_allowed=True)
    async with TestServer(app) as server, Office(folder) as office:
        office.run(
            Fetcher(
                engine=office.engine, subscribe=office.hub.subscribe, web=client, files=office.files,
                inspect=look, most_bytes=MOST, clock=office.clock,
                ids=office.ids, chance=office.chance,
            ).run()
        )  # fmt: skip
        try:
            yield office, str(server.make_url("/"))
        finally:
            await client.close()


async def fetched(folder: Path, what: str) -> Job:
    async with fetching(folder) as (office, url):
        listening = office.hub.subscribe()
        await office.submit(printable_url=url + what)
        while office.job().printable_url is not None and office.job().file_sha256 is None:
            async with asyncio.timeout(30.0):
                await listening.take()
        assert office.incoming() == []
        return office.job()


@pytest.mark.parametrize(
    ("what", "name", "ending"),
    [("part.gcode", "part.gcode", ".gcode"), ("moved", "part.gcode", ".gcode"),
     ("download", "p.tar.gz", ".tar.gz")],
)  # fmt: skip
async def test_files_come_whole(tmp_path: Path, what: str, name: str, ending: str) -> None:
    job = await fetched(tmp_path, what)
    assert (job.file_name, (job.printable_id or "").endswith(ending)) == (name, True)


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("endless", f"it sends more than {MOST} bytes"),
        ("inside", "not of the public internet"),
        ("page", "a web page"),
        ("stl", "an STL model"),
        ("nothing", "The file is empty"),
        ("missing", "status 404"),
    ],
)
async def test_what_is_no_file_is_refused_with_the_reason(tmp_path: Path, what: str, says: str) -> None:
    job = await fetched(tmp_path, what)
    assert job.file_sha256 is None
    assert says in (job.message or "")
    assert "send another printable_url" in (job.message or "")
