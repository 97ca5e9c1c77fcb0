"""How Bayeux messages travel: long-polling, callback-polling (JSONP) or one websocket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any, Protocol
from urllib.parse import urlencode

from firmware_sim.forge.bayeux import BayeuxClient, Outgoing
from firmware_sim.forge.web import NoAnswer, Socket, Web

REQUEST_SECONDS = 60.0
"""Until the answer to anything but a connect is given up, as Faye clients do."""

Receive = Callable[[Sequence[Any]], None]
Lose = Callable[[Outgoing], None]


class Transport(Protocol):
    """Carries what `BayeuxClient.poll` hands out; each `carry` runs as a task of its own."""

    async def carry(self, outgoing: Outgoing) -> None:
        """Send, and tell what came of it."""


class PollingTransport:
    """A request each: POST with a JSON array, or GET with a callback around the answer."""

    def __init__(self, web: Web, url: str, client: BayeuxClient, receive: Receive, lose: Lose) -> None:
        self._web = web
        self._url = url
        self._client = client
        self._receive = receive
        self._lose = lose
        self._calls = 0

    async def carry(self, outgoing: Outgoing) -> None:
        """See Transport."""
        seconds = self._client.connect_timeout if outgoing.is_connect else REQUEST_SECONDS
        try:
            if self._client.connection_type == "callback-polling":
                messages = await self._call_back(outgoing, seconds)
            else:
                messages = await self._post(outgoing, seconds)
        except (NoAnswer, ValueError):
            self._lose(outgoing)
            return
        self._receive(messages)

    async def _post(self, outgoing: Outgoing, seconds: float) -> list[Any]:
        headers = {"Content-Type": "application/json"}
        body = json.dumps(outgoing.messages).encode()
        answer = await self._web.request("POST", self._url, headers=headers, body=body, seconds=seconds)
        return _messages(answer.status, answer.body.decode("utf-8"))

    async def _call_back(self, outgoing: Outgoing, seconds: float) -> list[Any]:
        self._calls += 1
        name = f"__jsonp{self._calls}__"
        query = urlencode({"message": json.dumps(outgoing.messages), "jsonp": name})
        answer = await self._web.request(
            "GET", f"{self._url}?{query}", headers={}, body=None, seconds=seconds
        )
        # A browser runs the answer: a call of our function, perhaps behind an empty comment.
        text = answer.body.decode("utf-8").strip().removeprefix("/**/").strip().removesuffix(";")
        if not (text.startswith(f"{name}(") and text.endswith(")")):
            raise ValueError("the answer calls something else")
        return _messages(answer.status, text[len(name) + 1 : -1])


class WebsocketTransport:
    """One socket for everything; when it closes, what is unanswered is lost."""

    def __init__(self, web: Web, url: str, client: BayeuxClient, receive: Receive, lose: Lose) -> None:
        self._web = web
        self._url = "ws" + url.removeprefix("http")
        self._client = client
        self._receive = receive
        self._lose = lose
        self._waiting: dict[str, Outgoing] = {}
        self._unsent: asyncio.Queue[Outgoing] = asyncio.Queue()
        self._is_running = False

    async def carry(self, outgoing: Outgoing) -> None:
        """The first one opens the socket and stays with it until it closes."""
        self._unsent.put_nowait(outgoing)
        if self._is_running:
            return
        self._is_running = True
        try:
            async with self._web.socket(self._url) as opened:
                await self._talk(opened)
        except (NoAnswer, ValueError, TimeoutError):
            pass
        finally:
            self._is_running = False
        lost = {id(one): one for one in self._waiting.values()}
        while not self._unsent.empty():
            one = self._unsent.get_nowait()
            lost[id(one)] = one
        self._waiting.clear()
        for one in lost.values():
            self._lose(one)

    async def _talk(self, opened: Socket) -> None:
        sending = asyncio.create_task(self._send_all(opened))
        try:
            while True:
                async with asyncio.timeout(max(self._client.connect_timeout, REQUEST_SECONDS)):
                    messages = _messages(200, await opened.receive())
                for message in messages:
                    if isinstance(message, dict) and isinstance(message.get("id"), str):
                        self._waiting.pop(message["id"], None)
                self._receive(messages)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _send_all(self, opened: Socket) -> None:
        while True:
            outgoing = await self._unsent.get()
            for message in outgoing.messages:
                self._waiting[message["id"]] = outgoing
            await opened.send(json.dumps(outgoing.messages))


def transport_for(web: Web, url: str, client: BayeuxClient, receive: Receive, lose: Lose) -> Transport:
    """The one for the client's connection type."""
    kind = WebsocketTransport if client.connection_type == "websocket" else PollingTransport
    return kind(web, url, client, receive, lose)


def _messages(status: int, text: str) -> list[Any]:
    """The messages of an answer. Raises ValueError when it is none of Bayeux."""
    if status != 200:
        raise ValueError(f"status {status}")
    messages = json.loads(text)
    if not isinstance(messages, list):
        raise ValueError("a Bayeux answer is an array")
    return messages
