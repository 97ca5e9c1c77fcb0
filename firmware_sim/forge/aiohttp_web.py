"""The real network: aiohttp behind `Web`. Loaded by who wants it: serial printers start without it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import aiohttp

from firmware_sim.forge.web import NoAnswer, Socket, WebAnswer

MOST_ANSWER_BYTES = 4 * 1024 * 1024
"""No answer of the API or of Bayeux is larger; more counts as none."""
OPENING_SECONDS = 60.0
"""Until the try to open a websocket is given up."""
CHUNK_BYTES = 64 * 1024
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None)  # each call has its own


class AiohttpWeb:
    """Web on an aiohttp session, which stays its owner's."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> WebAnswer:
        """See Web."""
        try:
            async with (
                asyncio.timeout(seconds),
                self._session.request(
                    method, url, headers=headers, data=body, allow_redirects=False, timeout=_NO_TIMEOUT
                ) as answer,
            ):
                pieces = bytearray()
                async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
                    pieces += chunk
                    if len(pieces) > MOST_ANSWER_BYTES:
                        raise NoAnswer(f"more than {MOST_ANSWER_BYTES} bytes")
                return WebAnswer(answer.status, bytes(pieces))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NoAnswer(str(error) or type(error).__name__) from error

    async def fetch(self, url: str, take: Callable[[bytes], None], *, seconds: float, redirects: int) -> int:
        """See Web."""
        try:
            async with (
                asyncio.timeout(seconds),
                self._session.get(
                    url, timeout=_NO_TIMEOUT, allow_redirects=redirects > 0, max_redirects=redirects + 1
                ) as answer,
            ):
                if answer.status // 100 == 2:
                    async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
                        take(chunk)
                return answer.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise NoAnswer(str(error) or type(error).__name__) from error

    @asynccontextmanager
    async def socket(self, url: str) -> AsyncIterator[Socket]:
        """See Web."""
        try:
            async with asyncio.timeout(OPENING_SECONDS):
                opened = await self._session.ws_connect(url)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NoAnswer(str(error) or type(error).__name__) from error
        async with opened:
            yield _AiohttpSocket(opened)


class _AiohttpSocket:
    def __init__(self, opened: aiohttp.ClientWebSocketResponse) -> None:
        self._opened = opened

    async def send(self, text: str) -> None:
        try:
            await self._opened.send_str(text)
        except (aiohttp.ClientError, OSError) as error:
            raise NoAnswer(str(error) or "the socket is closed") from error

    async def receive(self) -> str:
        frame = await self._opened.receive()
        if frame.type is not aiohttp.WSMsgType.TEXT:
            raise NoAnswer("the socket is closed")
        return str(frame.data)
