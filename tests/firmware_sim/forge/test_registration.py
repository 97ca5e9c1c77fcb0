"""How a printer comes to belong to somebody, stays who it is, and is told to forget who it was."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from pathlib import Path

import pytest

from tests.firmware_sim.forge.play import TOKEN
from tests.firmware_sim.forge.scene import at_home, called_in

TRANSPORTS = ["long-polling", "callback-polling", "websocket"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_ember_shows_its_code_and_listens_to_both_channels_with_its_token(transport: str) -> None:
    async with called_in(transport=transport) as (server, printer):
        await printer.until(lambda: printer.ledger.count("subscribed") == 2)
        assert await printer.code() == "YKNRKT"
        ext = {"authentication_token": TOKEN}
        [client] = server.clients.values()
        assert client.channels == {"/printers/58/users": ext, "/printers/58/command": ext}
        server.belong()
        await printer.until(lambda: printer.ledger.count("registered"))
        assert printer.firmware.panel_text == ""
        assert printer.firmware.identity.registered


async def test_the_page_sends_no_token_and_listens_for_commands_only_when_it_belongs_to_somebody() -> None:
    async with called_in("spark-simulator") as (server, printer):
        [client] = server.clients.values()
        await asyncio.sleep(100)
        assert client.channels == {"/printers/58/users": None}
        assert not server.of("printers/status"), "it is offline until somebody owns it"
        server.belong()
        await printer.until(lambda: len(client.channels) == 2)
        assert client.channels["/printers/58/command"] is None


@pytest.mark.parametrize(("personality", "interval"), [("ember", 15.0), ("spark-simulator", 30.0)])
async def test_pings_come_by_the_clock_whatever_the_speed(personality: str, interval: float) -> None:
    async with at_home(personality, speed=100.0) as (server, _):
        await asyncio.sleep(200)
        times = [post.at for post in server.of("printers/status")][-4:]
        assert [round(late - early, 3) for early, late in pairwise(times)] == [interval] * 3
        assert {post.token for post in server.of("printers/status")} == {TOKEN}


async def test_a_printer_that_starts_again_is_the_same_printer(tmp_path: Path) -> None:
    state = tmp_path / "printer.json"
    async with at_home(state=state) as (_, printer):
        assert (printer.printer_id, printer.auth_token) == (58, TOKEN)
    assert json.loads(state.read_text())["registered"] is True
    async with called_in(state=state) as (server, printer):
        [contact] = server.of("registration_code")
        assert contact.token == TOKEN
        assert printer.printer_id == 58


async def test_the_page_that_is_loaded_again_calls_nobody_for_a_code(tmp_path: Path) -> None:
    state = tmp_path / "printer.json"
    async with at_home("spark-simulator", state=state):
        pass
    async with called_in("spark-simulator", state=state) as (server, printer):
        assert not server.of("registration_code")
        await printer.until(lambda: server.of("printers/status"))


@pytest.mark.parametrize("status", [500, 422, 429])
async def test_a_registration_that_fails_is_tried_again_after_a_minute(status: int) -> None:
    async with at_home() as (server, printer):
        server.refuse["registration_code"] = [status, status]
        at = asyncio.get_running_loop().time()
        printer.power_cycle(0.0)
        await printer.until(lambda: printer.ledger.count("contacted") == 2)
        assert [round(post.at - at, 1) for post in server.of("registration_code")[1:]] == [0.0, 60.0, 120.0]


@pytest.mark.parametrize(("status", "wiped"), [(403, True), (401, False), (404, False), (500, False)])
async def test_403_alone_revokes_an_identity(status: int, wiped: bool) -> None:
    async with at_home() as (server, printer):
        server.refuse["status"] = [status]
        server.registered = False
        await printer.until(lambda: not server.refuse["status"])
        await asyncio.sleep(30)
        assert bool(printer.ledger.count("identity_wiped")) is wiped
        assert bool(server.left) is wiped, "it leaves the Bayeux server with a word"
        contacts = server.of("registration_code")
        assert [contact.token for contact in contacts] == ([None, None] if wiped else [None])


async def test_the_page_only_takes_note_of_403() -> None:
    async with at_home("spark-simulator") as (server, printer):
        server.refuse["status"] = [403]
        await asyncio.sleep(100)
        assert not printer.ledger.count("identity_wiped")
        assert len(server.of("registration_code")) == 1


async def test_a_server_that_refuses_everybody_is_not_stormed() -> None:
    async with at_home() as (server, printer):
        server.refuse["status"] = [403]
        server.refuse["registration_code"] = [403] * 100
        await printer.until(lambda: printer.ledger.count("identity_wiped"))
        before = len(server.posted)
        await asyncio.sleep(600)
        assert len(server.posted) - before <= 11, "one try a minute"


async def test_a_refused_subscription_is_not_asked_for_again_and_again() -> None:
    async with called_in() as (server, printer):
        server.allow = lambda channel, ext: False
        printer.power_cycle()
        await printer.until(lambda: printer.ledger.count("subscription_refused") == 2)
        [first, _] = printer.ledger.events("subscription_refused")
        assert first.facts["error"] == "403:/printers/58/users:Forbidden"
        await asyncio.sleep(300)
        assert printer.ledger.count("subscription_refused") == 2


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_server_that_has_forgotten_its_clients_gets_a_handshake_and_the_subscriptions(
    transport: str,
) -> None:
    async with at_home(transport=transport) as (server, printer):
        server.forget_clients()
        await printer.until(lambda: server.shaken == 2 and server.clients["client2"].channels)
        server.tell("home")
        await printer.until(lambda: printer.ledger.count("moved"))
