"""The limit on requests at the application's border: who is counted, and what every limited answer says.

Connections on the Unix socket are not limited: they are processes of this host. A stream, a long-poll and an
upgrade to a websocket are one request each.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from gateway.api.http.credentials import proven_token, shown_tokens
from gateway.api.http.problems import Failure
from gateway.api.http.rate import Budget, RequestLimit

RATE_LIMIT: Final = web.AppKey("rate_limit", RequestLimit)
#: Where a printer that calls in shows its token (Forge API 0, printer auth).
PRINTER_TOKEN: Final = "X-Printer-Auth-Token"  # noqa: S105 - a header's name
#: Sent with every limited answer; browsers of other origins may read them.
HEADERS: Final = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")

_BUDGET: Final = web.RequestKey("rate_budget", Budget)
Next = Callable[[web.Request], Awaitable[web.StreamResponse]]


def limit_requests(app: web.Application, limit: RequestLimit) -> None:
    """Count every request to `app`; one too many is answered 429 in its dialect's words."""
    app[RATE_LIMIT] = limit
    app.middlewares.append(_limited)
    app.on_response_prepare.append(_tell)


def recognise_caller(request: web.Request) -> None:
    """The token that proved who asks: from the next request on it has a budget of its own."""
    limit = request.app.get(RATE_LIMIT)
    token = proven_token(request)
    if limit is not None and token is not None:
        limit.recognise(token)


def recognise_printer(request: web.Request) -> None:
    """Its printer's token was looked up and is good: the same for that."""
    limit = request.app.get(RATE_LIMIT)
    token = request.headers.get(PRINTER_TOKEN)
    if limit is not None and token is not None:
        limit.recognise(token)


@web.middleware
async def _limited(request: web.Request, handler: Next) -> web.StreamResponse:
    address = _address(request)
    if address is not None:
        shown = [*shown_tokens(request), *request.headers.getall(PRINTER_TOKEN, [])[:1]]
        budget = request.app[RATE_LIMIT].count(shown, address)
        request[_BUDGET] = budget
        if budget.is_spent:
            text = f"Too many requests. Wait {budget.wait} seconds."
            raise Failure(429, text, headers={"Retry-After": str(budget.wait)})
    return await handler(request)


def _address(request: web.Request) -> str | None:
    """Where it comes from; None for the Unix socket."""
    transport = request.transport
    peer = None if transport is None else transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) else None


async def _tell(request: web.Request, response: web.StreamResponse) -> None:
    budget = request.get(_BUDGET)
    if budget is not None:
        response.headers.update(zip(HEADERS, budget.figures(), strict=True))
