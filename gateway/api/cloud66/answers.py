"""How this API fails: an object with `error`, a word for programs, and `error_description`, for people."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from aiohttp import web

from gateway.api.http.answers import reply
from gateway.api.http.problems import Failure

#: The paths under which this API's clients know it; the first one is the documentation's.
ROOTS: Final = ("/stacks", "/api/3/stacks")
#: HTTP status -> the word of Cloud 66's table of response statuses, which has a limit that is spent as 503.
#: It has no word for 405, 500 and a store that cannot write.
WORDS: Final[Mapping[int, str]] = MappingProxyType(
    {
        400: "bad_request",
        401: "unauthenticated",
        403: "forbidden",
        404: "not_found",
        405: "method_not_allowed",
        409: "conflict",
        500: "internal_error",
        503: "unavailable",
    }
)
#: What the gateway says apart and that table does not.
_SAID_AS: Final[Mapping[int, int]] = MappingProxyType({413: 400, 415: 400, 422: 400, 429: 503})
_THROTTLED: Final = "throttled"
#: One text for a stack, a job or an action that does not exist and for one that is not the caller's.
NOT_FOUND: Final = "There is no such stack, job or action for you."


def not_found() -> Failure:
    """The one answer for what does not exist and for what is not the caller's."""
    return Failure(404, NOT_FOUND)


def render(failure: Failure, request: web.Request) -> web.Response:
    """A failure in this API's words and codes."""
    status = _SAID_AS.get(failure.status, failure.status)
    word = _THROTTLED if failure.status == 429 else WORDS.get(status, WORDS[500])
    description = NOT_FOUND if status == 404 else failure.detail
    return reply({"error": word, "error_description": description}, status, failure.headers)
