"""One HTTP session with one gateway: requests, and every foreign error told in words for people."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import aiohttp

from gateway.client.errors import GatewayUnreachable, Refused

#: Where a gateway on this host listens for its own people.
DEFAULT_SOCKET = "/run/print-gateway/api.sock"
#: Seconds for an answer: the slowest is a commit on a worn SD card.
ANSWER_WITHIN = 30.0
#: Seconds between two tries of a creation, and how often it is tried when the connection breaks.
#: Its Idempotency-Key keeps it single.
CREATE_AGAIN_AFTER, CREATE_TRIES = 0.25, 3

Sleep = Callable[[float], Awaitable[None]]
#: What an HTTP exchange may raise for reasons outside this program.
BROKEN = (aiohttp.ClientError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Address:
    """Where the gateway is. A URL goes before the socket."""

    url: str | None = None
    socket: str = DEFAULT_SOCKET
    token: str | None = None

    @property
    def base(self) -> str:
        """What requests are made to; over the socket the host name means nothing."""
        return f"{(self.url or 'http://gateway').rstrip('/')}/gateway/v1"

    def __str__(self) -> str:
        return self.url or self.socket


class Calls:
    """Requests of the native API and their answers as JSON."""

    def __init__(self, address: Address, *, sleep: Sleep = asyncio.sleep) -> None:
        self.address = address
        self.sleep = sleep
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the session; nothing is connected yet."""
        connector = None if self.address.url else aiohttp.UnixConnector(path=self.address.socket)
        headers = {"Accept": "application/json"}
        if self.address.token:
            headers["Authorization"] = f"Bearer {self.address.token}"
        self._session = aiohttp.ClientSession(
            connector=connector, headers=headers, timeout=aiohttp.ClientTimeout(total=ANSWER_WITHIN)
        )

    async def close(self) -> None:
        """Close what is open. Idempotent."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def open(
        self, method: str, path: str, **options: Any
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """A request whose answer the caller reads; may raise BROKEN."""
        if self._session is None:
            raise RuntimeError("the client is used outside its context")
        return self._session.request(method, self.address.base + path, **options)

    async def call(self, method: str, path: str, **options: Any) -> Any:
        """The answer's JSON, GatewayUnreachable or Refused."""
        try:
            async with self.open(method, path, **options) as response:
                await refuse(response, self.address)
                body = await response.read()
        except BROKEN as error:
            raise GatewayUnreachable(explain(self.address, error)) from error
        try:
            return json.loads(body) if body else {}
        except ValueError as error:
            text = f"{self.address} answers, but not like a Print Gateway; check the URL"
            raise GatewayUnreachable(text) from error

    async def create(self, attempt: Callable[[], Awaitable[Any]]) -> Any:
        """Do a creation that carries an Idempotency-Key, again when the connection broke in the middle."""
        for left in reversed(range(CREATE_TRIES)):
            try:
                return await attempt()
            except GatewayUnreachable as error:
                if left == 0 or isinstance(error.__cause__, aiohttp.ClientConnectorError):
                    raise
                await self.sleep(CREATE_AGAIN_AFTER)
        raise AssertionError("the last try returns or raises")


def explain(address: Address, error: BaseException) -> str:
    """Why nobody answered at an address, and what to do about it."""
    cause = getattr(error, "os_error", None) or error
    if isinstance(cause, TimeoutError):
        return f"the gateway at {address} did not answer in time; try again, then look at its journal"
    if address.url:
        return f"no gateway answers at {address} ({_why(cause)}); check the URL, and that the gateway runs"
    if isinstance(cause, PermissionError):
        return f"you may not use {address}; run this as root or as print-gateway, or give --url and --token"
    if isinstance(cause, FileNotFoundError | ConnectionRefusedError):
        return (
            f"no gateway runs on this host (nothing listens at {address}); start it "
            "(systemctl start print-gateway), or give --url and --token of another one"
        )
    return f"the connection to the gateway at {address} broke ({_why(cause)}); try again"


def _why(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno).lower()  # asyncio's own texts name the call and the address again
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()


async def refuse(response: aiohttp.ClientResponse, address: Address) -> None:
    """Raise what the gateway said against it, if it did."""
    if response.status < 400:
        return
    try:
        problem = json.loads(await response.read())
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    title = str(problem.get("title") or f"{response.status} {response.reason or ''}".strip())
    detail = str(problem.get("detail") or "")
    if response.status == 401 and (address.token or address.url):
        detail = _about_keys(address)
    raise Refused(response.status, title, detail)


def _about_keys(address: Address) -> str:
    how = "make one with `print-gateway keys create` on its host, give it by --token or PRINT_GATEWAY_TOKEN"
    if address.token:
        return f"the gateway at {address} does not know this key, or it was revoked; {how}"
    return f"the gateway at {address} wants a key; {how}"
