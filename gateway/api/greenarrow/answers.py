"""How this API answers: its headers, its envelope, and its six words for what went wrong.

GreenArrow's introduction names the codes; which status goes with which is its manner: what a request lacks or
must not do is `invalid_request`, whatever the status.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from gateway.api.http.answers import encode
from gateway.api.http.operations import JSON
from gateway.api.http.problems import Failure
from gateway.api.http.services import SERVICES

#: Sent with every answer (seed, example request).
HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-cache, no-store, max-age=0, must-revalidate",
    "Pragma": "no-cache",
    "Expires": "Fri, 01 Jan 1990 00:00:00 GMT",
    "Content-Type": f"{JSON}; charset=utf-8",
}
RUNTIME: Final = "X-Runtime"
#: What follows the rows of a list that was found.
FOUND: Final = {"error_code": None, "error_message": None}

INVALID, TOO_MANY, NOT_FOUND = "invalid_request", "requested_too_many", "not_found"
VALIDATION, INTERNAL = "validation_failed", "internal_error"
#: Every `error_code` there is here.
ERROR_CODES: Final = (INVALID, TOO_MANY, NOT_FOUND, VALIDATION, INTERNAL)
_CODES: Final = {404: NOT_FOUND, 422: VALIDATION}

_CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="print-gateway", charset="UTF-8"'}
NO_KEY: Final = (
    "A valid API key is needed: send `Authorization: Basic` with the base64 of `ID:KEY`. "
    "ID is the key's id, KEY the key."
)
#: When the request was let in, in seconds of the monotonic clock.
BEGAN: Final = web.RequestKey("greenarrow_began", float)


class RequestedTooMany(Failure):
    """More records were asked for than a page may have."""

    def __init__(self, detail: str) -> None:
        super().__init__(400, detail)


def headers_of(request: web.Request) -> dict[str, str]:
    """The headers of an answer, `X-Runtime` in seconds among them."""
    began = request.get(BEGAN)
    if began is None:
        return dict(HEADERS)  # nobody was let in: nothing was measured
    return {**HEADERS, RUNTIME: f"{request.app[SERVICES].clock.monotonic() - began:.6f}"}


def reply(request: web.Request, body: bytes, status: int = 200) -> web.Response:
    """A whole answer; `body` is JSON."""
    return web.Response(body=body, status=status, headers=headers_of(request))


def render(failure: Failure, request: web.Request) -> web.Response:
    """A failure in this API's envelope."""
    message = NO_KEY if failure.status == 401 else failure.detail
    body = {"success": False, "data": None, "error_code": code_of(failure), "error_message": message}
    response = reply(request, encode(body), failure.status)
    response.headers.update(_CHALLENGE if failure.status == 401 else failure.headers)
    return response


def code_of(failure: Failure) -> str:
    """The word for it."""
    if isinstance(failure, RequestedTooMany):
        return TOO_MANY
    return INTERNAL if failure.status >= 500 else _CODES.get(failure.status, INVALID)
