"""HTTP to addresses that other people named: guarded, bounded, without memory.

    url --checked--> resolver --allowed addresses--> socket --checked again--> request --> answer, streamed
           ^                                                                                  |
           +------------------------ redirect, if any may be followed ------------------------+

The check is made on what is connected to, not on the name: a name that resolves to something else the second
time gains nothing. No cookies, no proxies of the environment, no decompression; a URL never gets into a log.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from yarl import URL

from gateway.transport.web_addresses import is_allowed, literal_address
from gateway.transport.web_errors import PRIVATE, AddressRefused, WebTrouble, explained, refused_status
from gateway.transport.web_resolver import GuardedResolver, Lookup, is_open, system_lookup

#: Characters of a URL: what every proxy and server passes on; longer ones are attacks or mistakes.
URL_CHARS: Final = 2000
#: Seconds for one try to connect, TLS included.
CONNECT_SECONDS: Final = 10.0
#: Seconds between two pieces of a download: a server that sends less often has lost us.
STALL_SECONDS: Final = 60.0
#: Bytes of one piece.
PIECE: Final = 64 * 1024
#: Bytes of a header line: a server's cookies and policies included.
HEADER_BYTES: Final = 16 * 1024
#: Connections at the same time, of everything that goes out.
CONNECTIONS: Final = 64
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_HEADERS: Final = {"User-Agent": "print-gateway", "Accept-Encoding": "identity"}

#: Takes one piece of a body.
Sink = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class WebAnswer:
    """The status of an answer and the beginning of its body."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What came with a body that went into a sink."""

    path: str  # of the last URL, decoded
    disposition: str | None  # the header Content-Disposition
    size: int  # bytes


def refusal_of(url: str, *, is_private_allowed: bool) -> str | None:
    """Why the gateway will not connect to a URL, as far as its text tells; None: it may try."""
    if len(url) > URL_CHARS:
        return f"it is longer than {URL_CHARS} characters"
    if not url.isprintable() or " " in url:
        return "it holds spaces or control characters"
    try:
        parsed = URL(url)
        port = parsed.port
    except ValueError:
        return "it is no web address; write it like https://example.com/path"
    if parsed.scheme not in ("http", "https") or not parsed.host or not port:
        return "it is no web address; write it like https://example.com/path"
    address = literal_address(parsed.host)
    if address is not None and not is_allowed(address, is_private_allowed=is_private_allowed):
        return PRIVATE
    return None


class WebClient:
    """Make it inside a running loop, close it at the end. `lookup` stands in for the system's."""

    def __init__(self, *, is_private_allowed: bool, lookup: Lookup = system_lookup) -> None:
        self._is_private_allowed = is_private_allowed
        connector = aiohttp.TCPConnector(
            resolver=GuardedResolver(lookup, is_private_allowed=is_private_allowed),
            use_dns_cache=False,
            socket_factory=self._socket,
            limit=CONNECTIONS,
            force_close=True,  # a kept connection would be used again without a look at its address
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_HEADERS,
            auto_decompress=False,
            trust_env=False,
            max_line_size=HEADER_BYTES,
            max_field_size=HEADER_BYTES,
        )

    async def close(self) -> None:
        """End all exchanges."""
        await self._session.close()

    def refusal(self, url: str) -> str | None:
        """Why this client will not connect to a URL, as far as its text tells."""
        return refusal_of(url, is_private_allowed=self._is_private_allowed)

    async def get(self, url: str, *, seconds: float, most_bytes: int) -> WebAnswer:
        """GET without redirects; the body is cut at `most_bytes`. Raises WebTrouble when none answers."""
        return await self._exchange("GET", url, None, seconds, most_bytes)

    async def post_json(self, url: str, body: bytes, *, seconds: float, most_bytes: int) -> WebAnswer:
        """POST a JSON body without redirects; the answer's body is cut. Raises WebTrouble."""
        return await self._exchange("POST", url, body, seconds, most_bytes)

    async def download(
        self, url: str, sink: Sink, *, seconds: float, most_bytes: int, redirects: int
    ) -> Downloaded:
        """GET a body into a sink, over at most that many redirects; raises WebTrouble.

        Nothing is decompressed: an encoded body is refused, it was not asked for.
        """
        async with self._bounded(seconds):
            for _ in range(redirects + 1):
                async with self._request("GET", url, None) as response:
                    location = response.headers.get("Location")
                    if response.status in _REDIRECTS and location is not None:
                        url = _joined(response.url, location)
                        continue
                    if response.status != 200:
                        raise refused_status(response.status)
                    return await _pour(response, sink, most_bytes)
            raise WebTrouble(f"it redirects more than {redirects} times", is_passing=False)

    async def _exchange(
        self, method: str, url: str, body: bytes | None, seconds: float, most_bytes: int
    ) -> WebAnswer:
        async with self._bounded(seconds), self._request(method, url, body) as response:
            return WebAnswer(response.status, await _beginning(response, most_bytes))

    @asynccontextmanager
    async def _bounded(self, seconds: float) -> AsyncIterator[None]:
        """Everything between here and the end of the block takes `seconds`, or is WebTrouble."""
        try:
            async with asyncio.timeout(seconds):
                yield
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise explained(error) from error

    @asynccontextmanager
    async def _request(
        self, method: str, url: str, body: bytes | None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        refusal = self.refusal(url)
        if refusal is not None:
            raise WebTrouble(refusal, is_passing=False)
        async with self._session.request(
            method,
            URL(url),
            data=body,
            headers={"Content-Type": "application/json"} if body is not None else None,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=STALL_SECONDS),
        ) as response:
            yield response

    def _socket(self, info: tuple[Any, ...]) -> socket.socket:
        """The last word before a connection: no way of naming an address gets around it."""
        family, kind, protocol, _, where = info
        if not is_open(str(where[0]), is_private_allowed=self._is_private_allowed):
            raise AddressRefused(PRIVATE)
        return socket.socket(family, kind, protocol)


def _joined(base: URL, location: str) -> str:
    """Where a redirect leads. It is checked like any URL: it came from outside."""
    try:
        return str(base.join(URL(location)))
    except ValueError:
        raise WebTrouble("it redirects to what is no web address", is_passing=False) from None


async def _pour(response: aiohttp.ClientResponse, sink: Sink, most_bytes: int) -> Downloaded:
    """The body into the sink. Content-Length is only believed when it says too much."""
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    if encoding not in ("", "identity"):
        text = f"it sends the file encoded ({encoding[:20]}) although the file itself was asked for"
        raise WebTrouble(text, is_passing=False)
    too_large = WebTrouble(f"it sends more than {most_bytes} bytes", is_passing=False)
    if (response.content_length or 0) > most_bytes:
        raise too_large
    size = 0
    async for piece in response.content.iter_chunked(PIECE):
        size += len(piece)
        if size > most_bytes:
            raise too_large
        await sink(piece)
    return Downloaded(response.url.path, response.headers.get("Content-Disposition"), size)


async def _beginning(response: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    found = b""
    async for piece in response.content.iter_chunked(PIECE):
        found += piece
        if len(found) >= most_bytes:
            break
    return found[:most_bytes]
