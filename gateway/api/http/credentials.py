"""Who asks: a key, an access token, or on the Unix socket the peer the kernel vouches for.

A bearer shows a key of the gateway, an access token of its own authorization server, or one of the configured
issuer. A key is also taken as Basic authentication (GreenArrow) and in `X-ApiKey` (Conversio), each where its
dialect says so. What is sent decides alone: a wrong key is refused even on the Unix socket. Without any, the
socket's peer is the first authority: that is how the very first key comes into being.
"""

from __future__ import annotations

import base64
import binascii
import pwd
import re
import socket
import struct
from typing import Final

from aiohttp import web

from gateway.api.http.problems import unauthorized
from gateway.api.http.services import Services
from gateway.auth.issuer import is_signed_token
from gateway.auth.keys import TOKEN_PREFIX, authenticate, key_id_of
from gateway.auth.peer import peer_principal
from gateway.auth.tokens import authenticate_token
from gateway.domain.member import Principal

#: RFC 6750 2.1: the characters of a token; the length is ours (a key has 60, a signed token thousands).
_BEARER = re.compile(r"Bearer +([A-Za-z0-9._~+/-]{1,4096}=*) *", re.IGNORECASE | re.ASCII)
#: RFC 7617 2: base64 of `id:key`. A key's id and its whole token are 73 characters, 100 in base64.
_BASIC = re.compile(r"Basic +([A-Za-z0-9+/]{1,198}={0,2}) *", re.IGNORECASE | re.ASCII)
#: Where Conversio's clients send their key.
API_KEY: Final = "X-ApiKey"
#: The credential that proved good, set by whatever recognised it.
_PROVEN: Final = web.RequestKey("proven_credential", str)
#: What proxies add (RFC 7239, RFC 9110 7.6.3, and older habits) and only browsers send, which reach no Unix
#: socket by themselves.
_PASSED_ON = (
    "Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Origin", "Sec-Fetch-Site",
)  # fmt: skip
_UCRED = struct.Struct("3i")  # pid, uid, gid: unix(7), SO_PEERCRED


def bearer_token(request: web.Request) -> str | None:
    """The token of the `Authorization` header; None when there is none or more than one."""
    match = _BEARER.fullmatch(_only(request, "Authorization"))
    return match[1] if match else None


def basic_token(request: web.Request) -> str | None:
    """The key that Basic authentication shows, as a bearer would send it; None for anything else."""
    shown = _basic(request)
    return None if shown is None else shown[1]


def _basic(request: web.Request) -> tuple[str, str] | None:
    """The name that Basic authentication shows, and the key.

    The password is the key's whole token, or only the secret behind `gwk_<id>_`: then the name is its id.
    """
    match = _BASIC.fullmatch(_only(request, "Authorization"))
    if match is None:
        return None
    try:
        name, colon, password = base64.b64decode(match[1], validate=True).decode("ascii").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    token = password if key_id_of(password) is not None else f"{TOKEN_PREFIX}{name}_{password}"
    return (name, token) if colon and key_id_of(token) is not None else None


def api_key(request: web.Request) -> str | None:
    """The key of the `X-ApiKey` header; None for anything that is not in the form of one, and for two."""
    token = _only(request, API_KEY).strip(" ")
    return token if key_id_of(token) is not None else None


def shown_tokens(request: web.Request) -> list[str]:
    """Every token that a request shows, good or not, each as a bearer would send it."""
    shown = (bearer_token(request), basic_token(request), api_key(request))
    return [token for token in shown if token is not None]


def proven_token(request: web.Request) -> str | None:
    """The one of them by which its sender was recognised; None for a peer of the socket, and for nobody."""
    return request.get(_PROVEN)


def _only(request: web.Request, name: str) -> str:
    """The value of a header; empty when there is none or more than one."""
    values = request.headers.getall(name, [])
    return values[0] if len(values) == 1 else ""


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
    return _proven(request, token, known)


async def by_basic_key(request: web.Request, services: Services) -> Principal | None:
    """The principal of the key that Basic authentication shows; None for anything odd, unknown or revoked.

    The name is the key's id or, as GreenArrow has it, the number of the key's organization.
    """
    name, token = _basic(request) or ("", "")
    state = services.engine.state
    known = authenticate(token, state.keys, state.members)
    if known is None or name not in (known.app_id, str(known.organization_id)):
        return None
    return _proven(request, token, known)


async def by_api_key_or_bearer(request: web.Request, services: Services) -> Principal | None:
    """The principal of the key in `X-ApiKey`; without that header, of the bearer."""
    if API_KEY in request.headers:
        return _by_key(request, services, api_key(request))
    return await by_bearer(request, services)


def _by_key(request: web.Request, services: Services, token: str | None) -> Principal | None:
    if token is None:
        return None
    state = services.engine.state
    return _proven(request, token, authenticate(token, state.keys, state.members))


def _proven(request: web.Request, token: str, known: Principal | None) -> Principal | None:
    if known is not None:
        request[_PROVEN] = token
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
