"""Who asks: a key, an access token, or on the Unix socket the peer the kernel vouches for.

A bearer shows a key of the gateway, an access token of its own authorization server, or one of the configured
issuer. What is sent decides alone: a wrong key is refused even on the Unix socket. Without any, the socket's
peer is the first authority: that is how the very first key comes into being.
"""

from __future__ import annotations

import pwd
import re
import socket
import struct

from aiohttp import web

from gateway.api.http.problems import unauthorized
from gateway.api.http.services import Services
from gateway.auth.issuer import is_signed_token
from gateway.auth.keys import authenticate
from gateway.auth.peer import peer_principal
from gateway.auth.tokens import authenticate_token
from gateway.domain.member import Principal

#: RFC 6750 2.1: the characters of a token; the length is ours (a key has 60, a signed token thousands).
_BEARER = re.compile(r"Bearer +([A-Za-z0-9._~+/-]{1,4096}=*) *", re.IGNORECASE | re.ASCII)
#: What proxies add (RFC 7239, RFC 9110 7.6.3, and older habits) and only browsers send, which reach no Unix
#: socket by themselves.
_PASSED_ON = (
    "Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Origin", "Sec-Fetch-Site",
)  # fmt: skip
_UCRED = struct.Struct("3i")  # pid, uid, gid: unix(7), SO_PEERCRED


def bearer_token(request: web.Request) -> str | None:
    """The token of the `Authorization` header; None when there is none or more than one."""
    headers = request.headers.getall("Authorization", [])
    match = _BEARER.fullmatch(headers[0]) if len(headers) == 1 else None
    return match[1] if match else None


def peer_uid(request: web.Request) -> int | None:
    """The user at the other end of a Unix socket, from the kernel; None on any other connection."""
    transport = request.transport
    sock = transport.get_extra_info("socket") if transport is not None else None
    if sock is None or sock.family != socket.AF_UNIX:
        return None
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    _, uid, _ = _UCRED.unpack(raw)
    return int(uid)


async def by_bearer(request: web.Request, services: Services) -> Principal | None:
    """The principal of the bearer; None when it shows nothing, or what is unknown, expired or revoked.

    Waits for nothing but the configured issuer's keys, and only for a token in the form of its own.
    """
    token = bearer_token(request)
    if token is None:
        return None
    state = services.engine.state
    known = authenticate(token, state.keys, state.members)
    if known is None:
        known = authenticate_token(token, state.grants, state.members, services.clock.wall())
    if known is None and services.issuer is not None and is_signed_token(token):
        clock = services.clock
        known = await services.issuer.principal(token, state.members, clock.wall(), clock.monotonic())
    return known


async def by_bearer_or_peer(request: web.Request, services: Services) -> Principal | None:
    """The principal of the key; without any key on a Unix socket, of the peer.

    Raises Failure 401 that tells a peer why it is nobody, and how to become somebody. A proxy's word is not
    taken for the word of who asks through it.
    """
    if "Authorization" in request.headers:
        return await by_bearer(request, services)
    uid = peer_uid(request)
    if uid is None:
        return None
    if any(name in request.headers for name in _PASSED_ON):
        text = (
            "The socket vouches for programs of this host; this was passed on by another program: send a key."
        )
        raise unauthorized(text)
    peer = peer_principal(uid, login_name(uid), services.service_uid, services.engine.state.members)
    if peer.principal is None:
        raise unauthorized(f"{peer.reason[:1].upper()}{peer.reason[1:]}.")
    return peer.principal


def login_name(uid: int) -> str | None:
    """The name of a user of this host; None when it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None
