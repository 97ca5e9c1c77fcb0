"""What can go wrong with an exchange on the web, in one sentence each, and whether it may pass."""

from __future__ import annotations

import errno
import os
import ssl
from typing import Final

import aiohttp

#: Statuses that another try may not meet again (RFC 9110 15.5.9, RFC 8470 5.2, RFC 6585 4), besides 5xx.
_PASSING: Final = frozenset({408, 425, 429})
_WORDS: Final = {
    errno.ECONNREFUSED: "nothing listens there",
    errno.EHOSTUNREACH: "there is no way to that host",
    errno.ENETUNREACH: "there is no way to that network",
    errno.ECONNRESET: "the other side broke the connection off",
    errno.EPIPE: "the other side broke the connection off",
    errno.ETIMEDOUT: "nothing answered",
}

#: The refusal of an address, in the words that people get.
PRIVATE: Final = (
    "its address is not of the public internet; the gateway's operator can allow that "
    "(`private_addresses` under [outbound])"
)


class WebTrouble(Exception):
    """An exchange failed. The text is a clause without the URL, which may hold credentials."""

    def __init__(self, reason: str, *, is_passing: bool, status: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_passing = is_passing  # another try may succeed
        self.status = status  # of HTTP, when there was an answer


class AddressRefused(OSError):
    """The name leads only to addresses that are not allowed."""


def refused_status(status: int) -> WebTrouble:
    """An answer that is no success."""
    is_passing = status >= 500 or status in _PASSING
    if 300 <= status < 400:
        return WebTrouble(f"it answers with a redirect ({status})", is_passing=False, status=status)
    return WebTrouble(f"it answers with status {status}", is_passing=is_passing, status=status)


def explained(error: Exception) -> WebTrouble:
    """What aiohttp or the network complained about."""
    if isinstance(error, WebTrouble):
        return error
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, AddressRefused):
            return WebTrouble(PRIVATE, is_passing=False)
        cause = cause.__cause__
    if isinstance(error, TimeoutError):
        return WebTrouble("it took too long", is_passing=True)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return WebTrouble("its name cannot be resolved", is_passing=True)
    # A clock that is not set yet makes every certificate invalid: on boards without one that passes.
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.CertificateError):
        return WebTrouble("its certificate is not valid", is_passing=True)
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return WebTrouble("no secure connection came about", is_passing=True)
    if isinstance(error, aiohttp.InvalidURL):
        return WebTrouble("that is no web address", is_passing=False)
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        words = _WORDS.get(error.errno) or (os.strerror(error.errno).lower())
        return WebTrouble(words, is_passing=True)
    if isinstance(error, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError):
        return WebTrouble("the answer broke off", is_passing=True)
    return WebTrouble("what it answers is no HTTP", is_passing=True)
