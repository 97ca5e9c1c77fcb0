"""Whatever a server says, the printer lives on, and keeps its manners."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.forge import ForgePrinter, NoAnswer, WebAnswer
from firmware_sim.forge.bayeux import MOST_ADVISED_SECONDS, BayeuxClient
from firmware_sim.forge.web import Socket
from tests.firmware_sim.forge.play import PRINT_DATA, belonging
from tests.firmware_sim.forge.scene import at_home

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
CHANNELS = st.sampled_from(
    ["/meta/handshake", "/meta/connect", "/meta/subscribe", "/meta/disconnect", "/a", "/b"]
)
ADVICE = st.fixed_dictionaries(
    {},
    optional={
        "reconnect": st.sampled_from(["retry", "handshake", "none"]) | JSON,
        "interval": JSON,
        "timeout": JSON,
    },
)
FIELDS = st.fixed_dictionaries(
    {"channel": CHANNELS},
    optional={
        "clientId": st.sampled_from(["c1", "c2"]) | JSON,
        "successful": JSON,
        "subscription": st.just("/a") | JSON,
        "data": JSON,
        "advice": ADVICE | JSON,
    },
)  # fmt: skip


@settings(max_examples=60)
@given(st.lists(st.lists(FIELDS | JSON, max_size=4), max_size=12))
def test_no_message_kills_the_bayeux_client_or_makes_it_storm(batches: list[list[Any]]) -> None:
    client = BayeuxClient("long-polling", connect_timeout=120.0, retry=5.0)
    client.subscribe("/a", {}, 0.0)
    for second, batch in enumerate(batches):
        out = client.poll(float(second))
        assert sum(one.is_connect for one in out) <= 1
        assert len(out) <= 3
        json.dumps([one.messages for one in out])
        client.receive(batch, float(second))
        # As the client multiplies: 1.2 * 24 * 3600 is a bit less than 86400 * 1.2.
        assert 0.0 < client.connect_timeout <= MOST_ADVISED_SECONDS * 1.2


COMMANDS = st.fixed_dictionaries(
    {
        "command": st.sampled_from(["print_data", "pause", "resume", "cancel", "settings", "logs", "reset"])
        | JSON
    },
    optional={"task_id": JSON, "job_id": JSON, "file_url": JSON, "settings": JSON, "upload_url": JSON},
)


@pytest.mark.parametrize("personality", ["documented", "ember", "spark-simulator"])
@settings(max_examples=25)
@given(st.lists(COMMANDS | JSON, max_size=5))
def test_no_command_kills_the_firmware(personality: str, commands: list[Any]) -> None:
    play = belonging(personality)
    for data in commands:
        play.firmware.heard("/printers/58/command", data, play.now)
        play.wait(1.0)
    play.firmware.heard("/printers/58/command", {**PRINT_DATA, "task_id": "t"}, play.now)
    play.take()
    assert play.posts()


class Babble:
    """A network where everything is answered with the same."""

    def __init__(self, status: int, body: bytes) -> None:
        self.answer = WebAnswer(status, body)
        self.requests = 0

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> WebAnswer:
        self.requests += 1
        await asyncio.sleep(0.01)
        return self.answer

    async def fetch(self, url: str, take: Callable[[bytes], None], *, seconds: float, redirects: int) -> int:
        take(self.answer.body)
        return self.answer.status

    @asynccontextmanager
    async def socket(self, url: str) -> AsyncIterator[Socket]:
        raise NoAnswer("no sockets here")
        yield  # a context manager is a generator


IDENTITY = {"printer_id": 58, "auth_token": "t", "registered": True, "registration_code": None}


@pytest.mark.parametrize("transport", ["long-polling", "callback-polling", "websocket"])
@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"<html>", b"null", b"[]", b"[null, 1, []]", b"{}", b'{"printer_id": 58}',
     b'{"printer_id": "58", "auth_token": "t"}', b'{"printer_id": 58, "auth_token": null}',
     json.dumps(IDENTITY).encode()],
)  # fmt: skip
async def test_a_server_that_babbles_is_asked_again_in_peace(body: bytes, transport: str) -> None:
    web = Babble(200, body)
    async with ForgePrinter("ember", "http://127.0.0.1/v1", web, transport=transport) as printer:
        await asyncio.sleep(600)
        await printer.until(lambda: True)
        assert 1 <= web.requests <= 600 / printer.personality.bayeux_retry + 60


@pytest.mark.parametrize("status", [200, 301, 400, 401, 404, 429, 500, 503])
async def test_no_status_for_a_status_post_stops_the_pings(status: int) -> None:
    async with at_home() as (server, _):
        server.refuse["status"] = [status] * 4
        await asyncio.sleep(100)
        assert not server.refuse["status"]
        assert len(server.of("printers/status")) >= 6
