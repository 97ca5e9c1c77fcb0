"""Which printer asks: the header `X-Printer-Auth-Token`, and the same token at `/faye`.

A printer's token is no member's: it opens the firmware's side and nothing else. 401 when there is none, 403
when nobody has it any more: on 403, and only then, a firmware forgets who it is and registers anew (Forge
API 0, bad printer token).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from gateway.api.forge.answers import FirmwareFailure
from gateway.api.http.operations import AnyCall, Door
from gateway.api.http.rate_border import recognise_printer
from gateway.api.http.services import Services
from gateway.domain.call_in import CallIn
from gateway.domain.state import State

HEADER: Final = "X-Printer-Auth-Token"
_CALLER: Final = web.RequestKey("caller", CallIn)
#: What a token looks like; the gateway's own have 43 characters (Forge API 0, printer auth).
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{20,100}", re.ASCII)
_PRINTERS_OWN: Final = re.compile(r"/printers/([0-9]{1,10})/(?:command|users)", re.ASCII)
_SCHEME: Final[Mapping[str, Any]] = {
    "type": "apiKey",
    "in": "header",
    "name": HEADER,
    "description": "The token that a printer got with its registration code.",
}


def hash_of(token: str) -> str:
    """What is kept of a token: its SHA-256, hexadecimal. It is random, so nothing slower is needed."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def caller_of(call: AnyCall) -> CallIn:
    """The printer that asks, where the door lets nobody else in."""
    return call.request[_CALLER]


def caller_or_stranger(call: AnyCall) -> CallIn | None:
    """The printer that asks; None for one that shows no token."""
    return call.request.get(_CALLER)


def may_subscribe(state: State, channel: str, token: str | None) -> bool:
    """Whether who has this token may hear this channel: a printer its own two, by name."""
    match = _PRINTERS_OWN.fullmatch(channel)
    if match is None or token is None or not _TOKEN.fullmatch(token):
        return False
    caller = state.call_in_by_token(hash_of(token))
    return caller is not None and caller.printer_id == int(match[1])


def _admit(request: web.Request, services: Services) -> None:
    given = request.headers.getall(HEADER, [])
    if not given:
        raise FirmwareFailure(401, f"The printer's token is needed, as {HEADER}.")
    caller = None
    if len(given) == 1 and _TOKEN.fullmatch(given[0]):
        caller = services.engine.state.call_in_by_token(hash_of(given[0]))
    if caller is None:
        text = "This token is not known here, or was revoked: ask for a new registration code without it."
        raise FirmwareFailure(403, text)
    request[_CALLER] = caller
    printer = services.engine.state.printers.get(caller.printer_id)
    if printer is not None and printer.enabled:  # any stranger gets a token for the asking
        recognise_printer(request)


def _admit_strangers(request: web.Request, services: Services) -> None:
    if HEADER in request.headers:
        _admit(request, services)


PRINTER_DOOR: Final = Door("forge-printer", _SCHEME, _admit, frozenset({401, 403}))
#: For the first contact: who has no token yet shows none.
FIRST_DOOR: Final = Door("forge-printer", _SCHEME, _admit_strangers, frozenset({403, 429}), is_optional=True)
