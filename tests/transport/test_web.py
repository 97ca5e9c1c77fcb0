"""The guarded client against servers that cheat, and names that change their minds."""

from __future__ import annotations

import asyncio
import gzip
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from gateway.transport.web import Downloaded, WebClient
from gateway.transport.web_errors import PRIVATE, WebTrouble

MOST = 100_000  # bytes
MINUTE = 60.0  # seconds; no test waits for it


def leads_to(*addresses: str) -> Callable[[str, int], list[tuple[Any, ...]]]:
    """A name server that answers everything with the same addresses."""

    def lookup(host: str, port: int) -> list[tuple[Any, ...]]:
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
            for one in addresses
        ]

    return lookup


@asynccontextmanager
async def client(**options: Any) -> AsyncIterator[WebClient]:
    made = WebClient(**{"is_private_allowed": True, **options})
    try:
        yield made
    finally:
        await made.close()


@asynccontextmanager
async def serving(handler: Any) -> AsyncIterator[str]:
    """The URL of a server on loopback that answers everything with one handler."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    server = TestServer(app)
    await server.start_server()
    try:
        yield str(server.make_url("/")).rstrip("/")
    finally:
        await server.close()


async def fetch(made: WebClient, url: str, **options: Any) -> tuple[bytes, Downloaded]:
    pieces: list[bytes] = []

    async def sink(piece: bytes) -> None:
        pieces.append(piece)

    wanted = {"seconds": MINUTE, "most_bytes": MOST, "redirects": 5, **options}
    came = await made.download(url, sink, **wanted)
    return b"".join(pieces), came


async def trouble(made: WebClient, url: str, **options: Any) -> WebTrouble:
    with pytest.raises(WebTrouble) as caught:
        await fetch(made, url, **options)
    return caught.value


# ---------------------------------------------------------------- what it does


async def test_a_file_is_streamed_with_its_name() -> None:
    async def serve(request: web.Request) -> web.Response:
        return web.Response(
            body=b"G28\n" * 20_000, headers={"Content-Disposition": 'attachment; filename="a b.gcode"'}
        )

    async with serving(serve) as url, client() as made:
        content, came = await fetch(made, f"{url}/files/part%201.gcode?x=1")
    assert content == b"G28\n" * 20_000
    assert came == Downloaded("/files/part 1.gcode", 'attachment; filename="a b.gcode"', 80_000)


async def test_it_says_who_it_is_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """No cookies come back, no credentials of ours, no proxy of the environment."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{unused_port()}")
    seen: list[dict[str, str]] = []

    async def serve(request: web.Request) -> web.Response:
        seen.append(dict(request.headers))
        return web.Response(text="{}", headers={"Set-Cookie": "id=1; Path=/"})

    async with serving(serve) as url, client() as made:
        await made.get(f"{url}/a", seconds=MINUTE, most_bytes=10)
        await made.post_json(f"{url}/a", b'{"a": 1}', seconds=MINUTE, most_bytes=10)
    assert [headers.get("Content-Type") for headers in seen] == [None, "application/json"]
    assert {name for headers in seen for name in headers} <= {
        "Host", "User-Agent", "Accept-Encoding", "Accept", "Content-Type", "Content-Length", "Connection",
    }  # fmt: skip
    assert seen[0]["Accept-Encoding"] == "identity"


async def test_the_answer_to_a_post_is_cut() -> None:
    async def serve(request: web.Request) -> web.Response:
        return web.Response(status=202, body=b"x" * 1000)

    async with serving(serve) as url, client() as made:
        answer = await made.post_json(url, b"{}", seconds=MINUTE, most_bytes=10)
    assert (answer.status, answer.body) == (202, b"x" * 10)


# ---------------------------------------------------------------- where it does not go


@pytest.mark.parametrize(
    "addresses", [("127.0.0.1",), ("::1", "10.0.0.1"), ("::ffff:127.0.0.1",), ("169.254.169.254",)]
)
async def test_a_name_that_leads_into_the_own_network_is_refused(addresses: tuple[str, ...]) -> None:
    reached: list[str] = []

    async def serve(request: web.Request) -> web.Response:
        reached.append(request.path)
        return web.Response()

    async with serving(serve) as url, client(is_private_allowed=False, lookup=leads_to(*addresses)) as made:
        refused = await trouble(made, url.replace("127.0.0.1", "files.example"))
    assert (refused.reason, refused.is_passing, reached) == (PRIVATE, False, [])


async def test_a_name_that_changes_its_mind_gains_nothing() -> None:
    """DNS rebinding: public when it is looked at, loopback when it is used. Each use is looked at."""
    answers = iter([("198.51.100.9",), ("127.0.0.1",), ("127.0.0.1",)])
    asked: list[str] = []

    def lookup(host: str, port: int) -> list[tuple[Any, ...]]:
        asked.append(host)
        return leads_to(*next(answers))(host, port)

    async with client(is_private_allowed=False, lookup=lookup) as made:
        for _ in range(3):
            assert (await trouble(made, "http://rebinding.example/")).reason == PRIVATE
    assert asked == ["rebinding.example"] * 3


async def test_of_several_addresses_only_the_allowed_ones_are_tried() -> None:
    """The first of them answers; the other one must not be asked. Here none is allowed but loopback."""

    async def serve(request: web.Request) -> web.Response:
        return web.Response(body=b"G28\n")

    async with serving(serve) as url, client(lookup=leads_to("0.0.0.0", "224.0.0.1", "127.0.0.1")) as made:
        content, _ = await fetch(made, url.replace("127.0.0.1", "files.example"))
    assert content == b"G28\n"


@pytest.mark.parametrize(
    "where",
    ["http://0.0.0.0:{port}/", "http://0:{port}/", "//[::]:{port}/x", "http://inner.example:{port}/",
     "file:///etc/passwd", "ftp://files.example/", "http://["],
)  # fmt: skip
async def test_a_redirect_is_checked_like_any_url(where: str) -> None:
    """0.0.0.0 is this host, and refused whatever is allowed; `inner.example` leads there too."""
    reached: list[str] = []

    async def serve(request: web.Request) -> web.Response:
        reached.append(request.path)
        return web.Response(status=302, headers={"Location": where.format(port=request.url.port)})

    async with serving(serve) as url, client(lookup=leads_to("0.0.0.0")) as made:
        assert (await trouble(made, f"{url}/first")).is_passing is False
    assert reached == ["/first"]


async def test_the_last_word_is_at_the_socket() -> None:
    """Even if the name's addresses had not been looked at."""

    class Blind(WebClient):
        def refusal(self, url: str) -> str | None:
            return None

    async def serve(request: web.Request) -> web.Response:
        raise AssertionError("reached")

    async with serving(serve) as url:
        made = Blind(is_private_allowed=False)
        assert (await trouble(made, url)).reason == PRIVATE
        await made.close()


# ---------------------------------------------------------------- redirects


async def test_redirects_are_followed_and_bounded() -> None:
    async def serve(request: web.Request) -> web.Response:
        left = int(request.path.rpartition("/")[2])
        if left == 0:
            return web.Response(body=b"there")
        raise [web.HTTPFound, web.HTTPPermanentRedirect][left % 2](f"../a/{left - 1}")

    async with serving(serve) as url, client() as made:
        assert (await fetch(made, f"{url}/a/5"))[0] == b"there"
        assert (await trouble(made, f"{url}/a/6")).reason == "it redirects more than 5 times"


async def test_credentials_of_the_url_do_not_follow_a_redirect() -> None:
    seen: list[str | None] = []

    async def serve(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        if request.path == "/a":
            raise web.HTTPFound("/b")
        return web.Response()

    async with serving(serve) as url, client() as made:
        await fetch(made, url.replace("http://", "http://ana:word@") + "/a")
    assert seen == ["Basic YW5hOndvcmQ=", None]


async def test_a_post_follows_none() -> None:
    async def serve(request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect("/elsewhere")

    async with serving(serve) as url, client() as made:
        assert (await made.post_json(url, b"{}", seconds=MINUTE, most_bytes=10)).status == 307


# ---------------------------------------------------------------- bounds


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
    await response.prepare(request)
    while True:
        await response.write(b"x" * 10_000)


async def test_an_endless_body_ends_at_the_bound() -> None:
    async with serving(endless) as url, client() as made:
        assert (await trouble(made, url)).reason == f"it sends more than {MOST} bytes"


async def test_the_announced_size_is_believed_when_it_is_too_much() -> None:
    async def serve(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(MOST + 1)})
        await response.prepare(request)
        await asyncio.sleep(MINUTE)
        return response

    async with serving(serve) as url, client() as made:
        assert (await trouble(made, url)).reason == f"it sends more than {MOST} bytes"


async def test_a_body_that_is_shorter_than_announced_broke_off() -> None:
    async def serve(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"G28\n")
        assert request.transport is not None
        request.transport.close()
        return response

    async with serving(serve) as url, client() as made:
        broken = await trouble(made, url)
    assert (broken.reason, broken.is_passing) == ("the answer broke off", True)


async def test_a_slow_body_ends_with_the_time() -> None:
    async def serve(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b";\n")
            await asyncio.sleep(0.01)

    began = time.monotonic()
    async with serving(serve) as url, client() as made:
        slow = await trouble(made, url, seconds=0.1)
    assert (slow.reason, slow.is_passing) == ("it took too long", True)
    assert time.monotonic() - began < MINUTE


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, gzip"])
async def test_nothing_is_decompressed(encoding: str) -> None:
    async def serve(request: web.Request) -> web.Response:
        bomb = gzip.compress(b"\0" * 10_000_000)
        return web.Response(body=bomb, headers={"Content-Encoding": encoding})

    async with serving(serve) as url, client() as made:
        assert "encoded" in (await trouble(made, url)).reason
        answer = await made.get(url, seconds=MINUTE, most_bytes=MOST)
        assert len(answer.body) < 20_000


# ---------------------------------------------------------------- what went wrong, in words


@pytest.mark.parametrize(
    ("status", "is_passing"),
    [(204, False), (206, False), (304, False), (400, False), (401, False), (404, False), (410, False),
     (408, True), (425, True), (429, True), (500, True), (502, True), (503, True)],
)  # fmt: skip
async def test_which_statuses_may_pass(status: int, is_passing: bool) -> None:
    async def serve(request: web.Request) -> web.Response:
        return web.Response(status=status)

    async with serving(serve) as url, client() as made:
        told = await trouble(made, url)
    assert (told.status, told.is_passing) == (status, is_passing)


async def test_trouble_with_the_network_may_pass_and_has_words() -> None:
    def nobody(host: str, port: int) -> list[tuple[Any, ...]]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async with client(lookup=nobody) as made:
        assert (await trouble(made, f"http://127.0.0.1:{unused_port()}/")).reason == "nothing listens there"
        unknown = await trouble(made, "http://nowhere.example/")
    assert (unknown.reason, unknown.is_passing) == ("its name cannot be resolved", True)


async def test_what_is_no_http_is_told_so() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with client() as made:
        assert (await trouble(made, f"http://127.0.0.1:{port}/")).reason == "what it answers is no HTTP"
        assert (await trouble(made, f"https://127.0.0.1:{port}/")).reason == "no secure connection came about"
    server.close()


async def test_no_url_gets_into_a_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def serve(request: web.Request) -> web.Response:
        return web.Response(status=500)

    async with serving(serve) as url, client() as made:
        told = await trouble(made, url.replace("http://", "http://ana:secret@") + "/?token=secret")
    assert "secret" not in str(told)
    assert "secret" not in "".join(
        record.getMessage() for record in caplog.records if not record.name.startswith("aiohttp.access")
    )
