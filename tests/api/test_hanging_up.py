"""Clients hang up in the middle of everything. It costs nothing, leaves nothing, and is no error of ours."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.domain.commands import SubmitJob
from tests.api.host import GCODE, Host, a_job
from tests.api.raw import Line, request
from tests.support.stand import BEN

EVENTS = "/gateway/v1/events"
FILES = "/gateway/v1/files"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "api.sock"


async def until(is_so: Callable[[], bool]) -> None:
    """Let the others run until something is so."""
    async with asyncio.timeout(60.0):
        while not is_so():
            await asyncio.sleep(0.001)


def troubles(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def incoming(host: Host) -> list[str]:
    return [file.name for file in (host.folder / "files" / ".incoming").iterdir()]


async def test_an_event_stream_ends_without_a_trace_in_the_log(
    host: Host, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Every `--watch` ends by hanging up; the next event finds a closed connection."""
    line = await Line.to(host, path)
    await line.send(request("GET", EVENTS, await host.bearer()))
    await line.until(b"event: hello")
    await line.hang_up()
    while host.hub.listeners:
        await host.engine.execute(SubmitJob(BEN.member_id, BEN.organization_id, "part"))
    assert troubles(caplog) == []


async def test_an_event_stream_is_forgotten_though_nothing_happens(
    tmp_path: Path, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """On a quiet night no event finds the closed connection: the heartbeat does."""
    async with Host(tmp_path, heartbeat=0.005) as host:
        line = await Line.to(host, path)
        await line.send(request("GET", EVENTS, await host.bearer()))
        await line.until(b": ping\n\n")
        assert host.hub.listeners == 1
        await line.hang_up()
        await until(lambda: host.hub.listeners == 0)
    assert troubles(caplog) == []


async def test_heartbeats_are_comments_and_the_stream_goes_on(tmp_path: Path, path: Path) -> None:
    async with Host(tmp_path, heartbeat=0.005) as host:
        line = await Line.to(host, path)
        await line.send(request("GET", EVENTS, await host.bearer()))
        for _ in range(3):
            await line.until(b": ping\n\n")
        await host.engine.execute(SubmitJob(BEN.member_id, BEN.organization_id, "part"))
        await line.until(b"event: job-submitted")
        await line.hang_up()


@pytest.mark.parametrize(
    ("headers", "begun"),
    [
        ({"Content-Type": "application/octet-stream", "Content-Length": "9999"}, GCODE),
        ({"Content-Type": "application/octet-stream", "Transfer-Encoding": "chunked"}, b"400\r\n" + GCODE),
        (
            {"Content-Type": "multipart/form-data; boundary=b", "Content-Length": "9999"},
            b"--b\r\nContent-Disposition: form-data; name=file; filename=a.gcode\r\n\r\n" + GCODE,
        ),
        ({"Content-Type": "multipart/form-data; boundary=b", "Content-Length": "9999"}, b"--b\r\nContent-Di"),
        (
            {"Content-Type": "multipart/form-data; boundary=b", "Content-Length": "9999"},
            b"--b\r\nContent-Disposition: form-data; name=member\r\n\r\nan",
        ),
    ],
    ids=["raw", "chunked", "in the file", "in a part's header", "in a field"],
)
async def test_half_an_upload_leaves_nothing(
    host: Host, path: Path, headers: dict[str, str], begun: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    line = await Line.to(host, path)
    await line.send(request("POST", f"{FILES}?name=a.gcode", {**await host.bearer(), **headers}), begun)
    await until(lambda: len(incoming(host)) == 1)
    await line.hang_up()
    await until(lambda: incoming(host) == [])
    listed = await host.client.get(FILES, headers=await host.bearer())
    assert (await listed.json())["files"] == []
    assert troubles(caplog) == []


async def test_half_a_json_body_changes_nothing(
    host: Host, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    line = await Line.to(host, path)
    headers = {**await host.bearer(), "Content-Type": "application/json", "Content-Length": "50"}
    await line.send(request("POST", "/gateway/v1/jobs", headers), b'{"name": "half')
    await asyncio.sleep(0.01)
    await line.hang_up()
    await asyncio.sleep(0.01)
    assert not host.engine.state.jobs
    assert troubles(caplog) == []


async def test_a_long_list_nobody_reads_to_its_end(
    host: Host, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = (replace(a_job("x" * 200), job_id=f"00000000-0000-4000-9000-{n:012d}") for n in range(700))
    await host.put_jobs(*jobs)
    line = await Line.to(host, path)
    await line.send(request("GET", "/ps/v1/print/jobs?limit=-1", await host.bearer(BEN)))
    await line.until(b"\r\n\r\n")
    await line.hang_up()
    await asyncio.sleep(0.05)
    again = await host.client.get("/ps/v1/print/jobs?limit=1", headers=await host.bearer(BEN))
    assert (again.status, again.headers["X-Total-Count"]) == (200, "700")
    assert troubles(caplog) == []


@pytest.mark.parametrize(
    "sent",
    [
        b"GARBAGE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"GET /ps/v1/print/jobs HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 9000 + b"\r\n\r\n",
        b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /ps/v1/print/jobs HTTP/1.1\r\nAuthorization : Bearer x\r\nHost: x\r\n\r\n",
        b"GET /ps/v1/print/jobs HTTP/1.1\r\nHost: x\r\nA: b\r\n folded\r\n\r\n",
        b"GET /ps/v1/print/jobs HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=lambda sent: repr(sent[:20]),
)
async def test_bytes_that_are_no_request(
    host: Host, path: Path, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Two meanings in one request are none (RFC 9112 6.3, 11.2); and strangers fill no log with traces."""
    line = await Line.to(host, path)
    await line.send(sent)
    answer = await line.answer()
    assert answer.status == 400
    assert await line.is_closed()
    assert troubles(caplog) == []
    assert "Traceback" not in caplog.text


async def test_a_second_request_cannot_hide_in_the_first(host: Host, path: Path) -> None:
    """What follows a body is the next request, with its own (missing) authority."""
    line = await Line.to(host, path)
    headers = {**await host.bearer(), "Content-Type": "application/json"}
    hidden = request("GET", "/ps/v1/print/jobs")
    await line.send(request("POST", "/ps/v1/print/printers/0/jobs", headers, b'{"job_name": "one"}') + hidden)
    assert (await line.answer()).status == 200
    assert (await line.answer()).status == 401
    await line.hang_up()


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("/ps/v1/print/printers/0/jobs", "application/json"),
        ("/oauth/token", "application/x-www-form-urlencoded"),
        ("/gateway/v1/files?name=a.gcode", "application/octet-stream"),
        ("/gateway/v1/files", "multipart/form-data; boundary=x"),
    ],
)
async def test_a_body_that_never_comes_is_not_waited_for(
    host: Host, path: Path, target: str, kind: str
) -> None:
    """Any stranger may send the beginning of a request, on as many connections as there are."""
    object.__setattr__(host.services, "body_seconds", 0.01)
    object.__setattr__(host.services, "stall_seconds", 0.01)
    line = await Line.to(host, path)
    headers = {**await host.bearer(), "Content-Type": kind, "Content-Length": "100"}
    await line.send(request("POST", target, headers) + b"--x")
    assert (await line.answer()).status == 400
    await line.hang_up()
    assert incoming(host) == []


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: "])
async def test_a_connection_on_which_nobody_asks_is_closed(host: Host, path: Path, sent: bytes) -> None:
    await host.on_socket(path, idle=0.01)
    line = await Line.to(host, path)
    await line.send(sent)
    assert await line.is_closed()
