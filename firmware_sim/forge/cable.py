"""The network cable of a simulated printer: what is under way when it is pulled gets no answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from firmware_sim.forge.web import NoAnswer, Socket, Web, WebAnswer

T = TypeVar("T")


class Cable:
    """A Web that can be pulled out."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self.is_pulled = False
        self._under_way: set[asyncio.Task[Any]] = set()
        self._cut: set[asyncio.Task[Any]] = set()

    def pull(self) -> None:
        """Nothing goes in or out any more."""
        self.is_pulled = True
        self.cut()

    def plug(self) -> None:
        """It works again."""
        self.is_pulled = False

    def cut(self) -> None:
        """Everything under way breaks off; the next try works."""
        for task in list(self._under_way):
            self._cut.add(task)
            task.cancel()

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> WebAnswer:
        """See Web."""
        return await self._watched(
            lambda: self._web.request(method, url, headers=headers, body=body, seconds=seconds)
        )

    async def fetch(self, url: str, take: Callable[[bytes], None], *, seconds: float, redirects: int) -> int:
        """See Web."""
        return await self._watched(lambda: self._web.fetch(url, take, seconds=seconds, redirects=redirects))

    @asynccontextmanager
    async def socket(self, url: str) -> AsyncIterator[Socket]:
        """See Web."""
        if self.is_pulled:
            raise NoAnswer("the cable is pulled")
        async with self._web.socket(url) as opened:
            yield _WatchedSocket(opened, self._watched)

    async def _watched(self, begin: Callable[[], Coroutine[Any, Any, T]]) -> T:
        if self.is_pulled:
            raise NoAnswer("the cable is pulled")
        task = asyncio.ensure_future(begin())
        self._under_way.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            own = asyncio.current_task()
            if task not in self._cut or (own is not None and own.cancelling()):
                raise  # it is not the cable: the printer itself ends
            raise NoAnswer("the connection broke off") from None
        finally:
            self._under_way.discard(task)
            self._cut.discard(task)


class _WatchedSocket:
    def __init__(
        self, opened: Socket, watched: Callable[[Callable[[], Coroutine[Any, Any, Any]]], Awaitable[Any]]
    ) -> None:
        self._opened = opened
        self._watched = watched

    async def send(self, text: str) -> None:
        await self._watched(lambda: self._opened.send(text))

    async def receive(self) -> str:
        return str(await self._watched(self._opened.receive))
