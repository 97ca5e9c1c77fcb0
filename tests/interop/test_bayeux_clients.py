"""Faye's and CometD's own clients hear commands from our server, over each transport they have.

    pytest -m interop tests/interop/test_bayeux_clients.py
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.api.forge.faye.hub import BayeuxHub
from gateway.protocol.bayeux.bounds import Bounds
from gateway.protocol.bayeux.outcome import Outcome
from gateway.system import SystemClock, SystemIds
from tests.interop.bayeux_clients import NotInstalled, cometd_command, faye_command
from tests.interop.foreign import place

CHANNEL = "/printers/58/command"
TOKEN = "WfsVvaD84sN3wQoygfNK-JqmB4pvJko5Mrl2xgUFBzM"
PATIENCE = 30.0
"""Real seconds for one answer of a client, on a busy machine."""
CLIENTS = {"faye": faye_command, "aiocometd": cometd_command}

pytestmark = [pytest.mark.interop, pytest.mark.timeout(240)]


class House:
    """Our server on a port, and what its hooks heard."""

    def __init__(self) -> None:
        self.outcomes: asyncio.Queue[Outcome] = asyncio.Queue()
        self.listening: asyncio.Queue[tuple[str, bool]] = asyncio.Queue()
        self.hub = BayeuxHub(
            may_subscribe=lambda channel, token: (channel, token) == (CHANNEL, TOKEN),
            on_listening=lambda channel, is_heard: self.listening.put_nowait((channel, is_heard)),
            clock=SystemClock(), ids=SystemIds(), bounds=Bounds(timeout=2.0),
        )  # fmt: skip
        app = web.Application()
        app.add_routes(self.hub.routes)
        self.server = TestServer(app)

    @property
    def url(self) -> str:
        return str(self.server.make_url("/faye"))

    async def publish(self, number: int) -> Outcome:
        self.hub.publish(CHANNEL, {"command": "pause", "n": number}, self.outcomes.put_nowait)
        return await asyncio.wait_for(self.outcomes.get(), PATIENCE)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    built = House()
    await built.server.start_server()
    yield built
    built.hub.close()
    await built.server.close()


@pytest.fixture(scope="session", params=CLIENTS)
def command(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    try:
        return CLIENTS[request.param](place(request.config, tmp_path_factory, f"bayeux-{request.param}"))
    except NotInstalled as error:
        pytest.skip(f"{request.param} cannot be installed: {error}")


async def line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), PATIENCE)).decode().strip()


async def run(command: list[str], *words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(*command, *words, stdout=asyncio.subprocess.PIPE)


@pytest.mark.parametrize("kind", ["long-polling", "websocket"])
async def test_a_client_hears_its_commands(house: House, command: list[str], kind: str) -> None:
    """The second command comes when the client has connected several times: polls end after two seconds."""
    process = await run(command, house.url, TOKEN, CHANNEL, kind)
    try:
        assert await line(process) == "ready"
        assert await house.listening.get() == (CHANNEL, True)
        assert await house.publish(1) is Outcome.DELIVERED
        assert json.loads(await line(process)) == {"command": "pause", "n": 1}
        await asyncio.sleep(5.0)
        assert await house.publish(2) is Outcome.DELIVERED
        assert json.loads(await line(process)) == {"command": "pause", "n": 2}
        assert await asyncio.wait_for(house.listening.get(), PATIENCE) == (CHANNEL, False)  # it said goodbye
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_client_with_a_wrong_token_is_refused(house: House, command: list[str]) -> None:
    process = await run(command, house.url, "wrong", CHANNEL, "long-polling")
    try:
        assert await line(process) != "ready"
        assert not house.hub.has_listener(CHANNEL)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_faye_comes_back_when_it_is_forgotten(
    house: House, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """After a restart here nobody knows its id: told so, it shakes hands and subscribes again by itself."""
    try:
        command = faye_command(place(pytestconfig, tmp_path_factory, "bayeux-faye"))
    except NotInstalled as error:
        pytest.skip(f"faye cannot be installed: {error}")
    process = await run(command, house.url, TOKEN, CHANNEL, "long-polling")
    try:
        assert await line(process) == "ready"
        port, successor = house.server.port, House()
        house.hub.close()
        await house.server.close()
        successor.server = TestServer(successor.server.app, port=port)
        await successor.server.start_server()
        assert await asyncio.wait_for(successor.listening.get(), PATIENCE) == (CHANNEL, True)
        assert await successor.publish(1) is Outcome.DELIVERED
        assert json.loads(await line(process))["n"] == 1
        successor.hub.close()
        await successor.server.close()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
