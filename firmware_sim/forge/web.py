"""The network as the printer uses it. `aiohttp_web` is the real one; tests may hand in their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol


class NoAnswer(OSError):
    """The connection could not be made, broke, or took too long."""


@dataclass(frozen=True, slots=True)
class WebAnswer:
    """Status code and the whole body."""

    status: int
    body: bytes


class Socket(Protocol):
    """An open websocket."""

    async def send(self, text: str) -> None:
        """One text frame. Raises NoAnswer."""

    async def receive(self) -> str:
        """The next text frame. Raises NoAnswer when the socket is closed."""


class Web(Protocol):
    """What the printer needs of a network. Times in seconds."""

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> WebAnswer:
        """One request and its whole answer. Raises NoAnswer."""

    async def fetch(self, url: str, take: Callable[[bytes], None], *, seconds: float, redirects: int) -> int:
        """GET, at most so many redirects followed, the body of a success in pieces to `take`; the status.

        Raises NoAnswer.
        """

    def socket(self, url: str) -> AbstractAsyncContextManager[Socket]:
        """A websocket. Raises NoAnswer on entering."""
