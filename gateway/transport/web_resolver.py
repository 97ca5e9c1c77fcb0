"""Names to the addresses that may be connected to, in threads of its own.

Its own because a name server that does not answer holds a thread for half a minute, and the event loop's own
threads have files to look at.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Any, Final

from aiohttp.abc import AbstractResolver, ResolveResult

from gateway.transport.web_addresses import is_allowed
from gateway.transport.web_errors import PRIVATE, AddressRefused

#: Names looked up at the same time.
LOOKUPS: Final = 8

#: `socket.getaddrinfo`: (host, port) -> (family, kind, protocol, canonical name, socket address), several.
Lookup = Callable[[str, int], list[tuple[Any, ...]]]


def system_lookup(host: str, port: int) -> list[tuple[Any, ...]]:
    """The system's answer; blocks."""
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG))


def is_open(text: str, *, is_private_allowed: bool) -> bool:
    """`is_allowed` for a numeric address; False for what is none."""
    try:
        return is_allowed(ip_address(text), is_private_allowed=is_private_allowed)
    except ValueError:
        return False


class GuardedResolver(AbstractResolver):
    """aiohttp's resolver; leaves out what is not allowed, AddressRefused when nothing is left."""

    def __init__(self, lookup: Lookup, *, is_private_allowed: bool) -> None:
        self._lookup = lookup
        self._is_private_allowed = is_private_allowed
        self._threads = ThreadPoolExecutor(LOOKUPS, thread_name_prefix="web-names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """All addresses of the name that may be connected to; OSError when it has none."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, self._lookup, host, port)
        allowed = [
            ResolveResult(
                hostname=host,
                host=str(where[0]),
                port=port,
                family=kind_of_address,
                proto=protocol,
                flags=socket.AI_NUMERICHOST,
            )
            for kind_of_address, _, protocol, _, where in found
            if is_open(str(where[0]), is_private_allowed=self._is_private_allowed)
        ]
        if found and not allowed:
            raise AddressRefused(PRIVATE)
        return allowed

    async def close(self) -> None:
        """Wait for no lookup."""
        self._threads.shutdown(wait=False, cancel_futures=True)
