"""How this API fails. Conversio's own shape is not documented in what there is of its reference: this is
an object with `error`, a word for programs, and `message`, for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from aiohttp import web

from gateway.api.http.answers import reply
from gateway.api.http.problems import Failure

#: HTTP status -> the word for programs.
WORDS: Final[Mapping[int, str]] = MappingProxyType(
    {
        400: "bad_request",
        401: "unauthorized",
        403: "forbidden",
        404: "not_found",
        405: "method_not_allowed",
        429: "too_many_requests",
        500: "internal_error",
        503: "unavailable",
    }
)
UNAUTHORIZED: Final = (
    "No key or token that is known here. Send a key as `X-ApiKey: KEY`, or an app's token as "
    "`Authorization: Bearer TOKEN`."
)
#: The seed's own words for 404, for an id that was never given, that is somebody else's, and that expired.
NOT_FOUND: Final = "Async Job not found."
FORBIDDEN: Final = "This key or token lacks the scope read_async_jobs."


def not_found() -> Failure:
    """The one answer for what does not exist, is not the caller's, or is gone."""
    return Failure(404, NOT_FOUND)


def render(failure: Failure, request: web.Request) -> web.Response:
    """A failure in this API's words."""
    status = failure.status if failure.status in WORDS else 500 if failure.status >= 500 else 400
    message = {401: UNAUTHORIZED, 403: FORBIDDEN, 404: NOT_FOUND}.get(status, failure.detail)
    return reply({"error": WORDS[status], "message": message}, status, failure.headers)
