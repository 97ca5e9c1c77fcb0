"""How this API fails and how its lists look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from gateway.api.forge.listing import Listing
from gateway.api.http.answers import reply
from gateway.api.http.problems import Failure
from gateway.api.http.services import SERVICES
from gateway.domain.commands import Refusal

#: The prefixes under which this API's clients knew it; the first is the documented one.
ROOTS: Final = ("/ps/v1", "/v1", "/api/v1")
#: The seed's words for 401. One text for a missing key, a missing scope, an unknown and a foreign id.
UNAUTHORIZED: Final = "Invalid authorization header, or the resource cannot be accessed. Send a valid token."
NO_SUCH_ENDPOINT: Final = "Endpoint does not exist."
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="print-gateway"'}


class FirmwareFailure(Failure):
    """For a printer, said as it is: its firmware tells 401 from 403 (Forge API 0, bad printer token)."""


def no_access() -> Failure:
    """The one answer for what does not exist and for what is not the caller's."""
    return Failure(401, UNAUTHORIZED)


def render(failure: Failure, request: web.Request) -> web.Response:
    """A failure in this API's words and codes: 400, 401, 404, 422, 429, 500 (Forge: status code summary).

    403 is never said to members: a missing scope is 401. 404 is an unknown address only: an endpoint was a
    method and an address there, so a method that an address does not take is 404 too, and `Allow` names those
    that it does. What is refused because of what it asks, or of the state things are in, is a semantic error.
    """
    status, message = failure.status, failure.detail
    headers: Mapping[str, str] = failure.headers
    if isinstance(failure, FirmwareFailure):
        pass
    elif status in (401, 403) or failure.refusal is Refusal.UNKNOWN:
        status, message, headers = 401, UNAUTHORIZED, _CHALLENGE
    elif status in (404, 405):
        status, message = 404, NO_SUCH_ENDPOINT
    elif status == 409:
        status = 422
    elif status == 415:
        status = 400
    body = {"error_id": request.app[SERVICES].ids.uuid(), "code": status, "message": message}
    return reply(body, status, headers)


def envelope(path: str, listing: Listing, count: int, total: int, member_id: str) -> dict[str, Any]:
    """What stands around a member's lists; the list's own key comes behind it."""
    return {**page_of(path, listing, count, total), "member_id": member_id}


def page_of(path: str, listing: Listing, count: int, total: int) -> dict[str, Any]:
    """What stands around every list (Forge 0, pagination envelope)."""
    return {
        "count": count,
        "limit": listing.limit,
        "offset": listing.offset,
        "_link_prev": listing.previous(path),
        "_link_next": listing.following(path, total),
        "_link": listing.link(path),
    }
