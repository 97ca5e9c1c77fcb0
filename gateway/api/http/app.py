"""The one aiohttp application: routes of all dialects, the border where exceptions become answers, headers.

`build_app` wires; it starts nothing. Serve it with `runner_options()`, on TCP and on the Unix socket.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from aiohttp import web
from aiohttp.http import HttpProcessingError

from gateway.api.http import limits, openapi, rate_border
from gateway.api.http.answers import reply, reply_if_changed
from gateway.api.http.fragments import FRAGMENTS, Fragments
from gateway.api.http.front_page import show_front_page
from gateway.api.http.operations import NOBODY, Call, Dialect, Operation
from gateway.api.http.problems import BUG, Failure, as_problem, from_exception, unauthorized
from gateway.api.http.rate_border import limit_requests, recognise_caller
from gateway.api.http.reading import read_body, read_query
from gateway.api.http.services import SERVICES, Services
from gateway.domain.member import Principal
from gateway.engine.ports import StoreUnavailable

log = logging.getLogger(__name__)

DIALECTS: Final = web.AppKey("dialects", Sequence[Dialect])
Next = Callable[[web.Request], Awaitable[web.StreamResponse]]

_REQUEST_ID: Final = web.RequestKey("request_id", str)
#: What goes into the log for a client that hung up in the middle; it is never sent.
CLIENT_GONE: Final = 499
_SAFE_REQUEST_ID: Final = re.compile(rf"[A-Za-z0-9._-]{{1,{limits.REQUEST_ID_CHARS}}}", re.ASCII)
#: Sent with every answer. An API reply is never a page, a frame or a script.
SECURITY_HEADERS: Final = {
    "Server": "print-gateway",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
_CROSS_ORIGIN: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "ETag, Link, Location, Retry-After, WWW-Authenticate, X-Request-Id, "
    f"X-Total-Count, {', '.join(rate_border.HEADERS)}",
}
_PREFLIGHT: Final = {
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, If-None-Match, "
    "X-ApiKey, X-Member-ID, X-Printer-Auth-Token, X-Request-Id",
    "Access-Control-Max-Age": "600",
}


def build_app(
    services: Services, dialects: Sequence[Dialect], *, extra_routes: Sequence[web.RouteDef] = ()
) -> web.Application:
    """The application with all routes. Raises ValueError when two operations claim one address.

    `extra_routes` speak a protocol of their own (Bayeux), with headers of their own.
    """
    app = web.Application(middlewares=[_border], client_max_size=limits.BODY_BYTES)
    app[SERVICES] = services
    app[DIALECTS] = dialects
    app[FRAGMENTS] = Fragments()
    claimed: set[tuple[str, str]] = set()
    for dialect in dialects:
        for operation in dialect.operations:
            for address in (root + route for root in dialect.roots for route in operation.routes()):
                if (operation.method, address) in claimed:
                    raise ValueError(f"{operation.method} {address} is declared twice")
                claimed.add((operation.method, address))
                _add(app, address, operation, dialect)
    _add_operations_pages(app, services, dialects)
    app.add_routes(extra_routes)
    app.on_response_prepare.append(_dress)
    if services.rate_limit is not None:
        limit_requests(app, services.rate_limit)
    app.on_shutdown.append(_end_streams)
    return app


class _OneLineForStrangers(logging.Filter):
    """Bytes that are no HTTP: anybody may send them, so they are one line in the log, without a trace."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
            record.msg, record.args = "what was sent is no HTTP request: %s", (type(error).__name__,)
            record.exc_info = record.exc_text = None
        return True


def runner_options(idle: float = limits.IDLE_SECONDS) -> dict[str, Any]:
    """Keyword arguments for `web.AppRunner`: bounds that aiohttp's server enforces, and its log.

    `idle` is in seconds.
    """
    server_log = logging.getLogger(f"{__name__}.server")
    if not server_log.filters:
        server_log.addFilter(_OneLineForStrangers())
    return {
        "logger": server_log,
        "keepalive_timeout": idle,
        "max_line_size": limits.HEADER_BYTES,
        "max_field_size": limits.HEADER_BYTES,
        "handle_signals": False,
    }


def _add(app: web.Application, address: str, operation: Operation, dialect: Dialect) -> None:
    handler = _handler(operation, dialect)
    if operation.method == "GET":
        app.router.add_get(address, handler)  # and HEAD
    else:
        app.router.add_route(operation.method, address, handler)


def _handler(operation: Operation, dialect: Dialect) -> Next:
    async def handle(request: web.Request) -> web.StreamResponse:
        services = request.app[SERVICES]
        principal = await _admit(request, services, operation, dialect)
        query = read_query(operation.query, request.query) if operation.reads_query else None
        body = await read_body(request, operation, dialect)
        return await operation.handler(Call(request, services, principal, query, body))

    return handle


async def _admit(
    request: web.Request, services: Services, operation: Operation, dialect: Dialect
) -> Principal:
    if operation.door is not None:
        operation.door.admit(request, services)
    if operation.scopes is None:
        return NOBODY
    principal = await dialect.authenticate(request, services)
    if principal is None:
        raise unauthorized(_who_are_you(request))
    recognise_caller(request)
    if not principal.may(*operation.scopes):
        needed = " ".join(scope.value for scope in operation.scopes)
        raise Failure(403, f"This key lacks a scope: {needed} is needed here.")
    return principal


def _who_are_you(request: web.Request) -> str:
    if "Authorization" in request.headers:
        return "This key is not known here, or was revoked or has expired. Send `Authorization: Bearer KEY`."
    return "A key is needed: send it as `Authorization: Bearer KEY`."


def request_id(request: web.Request) -> str:
    """The id of this request in answers and log: the caller's `X-Request-Id` if harmless, else new."""
    known = request.get(_REQUEST_ID)
    if known is None:
        given = request.headers.get("X-Request-Id", "")
        known = given if _SAFE_REQUEST_ID.fullmatch(given) else request.app[SERVICES].ids.uuid()
        request[_REQUEST_ID] = known
    return known


def dialect_of(request: web.Request) -> Dialect | None:
    """The dialect whose root the path lies under, the longest one; None outside all of them."""
    path = request.path
    best: tuple[int, Dialect | None] = (-1, None)
    for dialect in request.app[DIALECTS]:
        for root in dialect.roots:
            if len(root) > best[0] and path.startswith(root) and path[len(root) : len(root) + 1] in ("", "/"):
                best = (len(root), dialect)
    return best[1]


@web.middleware
async def _border(request: web.Request, handler: Next) -> web.StreamResponse:
    try:
        return await handler(request)
    except Exception as error:
        if _is_gone(request):
            log.debug("%s: the client went away: %r", _asked(request), error)
            return web.Response(status=CLIENT_GONE)  # nobody reads it; it ends the exchange without a trace
        if request.writer is not None and request.writer.output_size > 0:
            log.warning("%s broke off: %r", _asked(request), error)
            raise  # half an answer is out: aiohttp drops the connection, so that it is not taken for a whole
        if isinstance(error, web.HTTPException) and error.status < 400:
            raise
        return _answer_failure(request, error)


def _asked(request: web.Request) -> str:
    """A request for the log: the address as it is declared. What stands in its place may be a permit, or a
    line break."""
    resource = request.match_info.route.resource
    return f"{request.method} {'nowhere' if resource is None else resource.canonical}"


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _answer_failure(request: web.Request, error: Exception) -> web.Response:
    dialect = dialect_of(request)
    if isinstance(error, web.HTTPMethodNotAllowed) and _is_preflight(request, dialect):
        methods = ", ".join(sorted(error.allowed_methods))
        return web.Response(status=204, headers={**_PREFLIGHT, "Access-Control-Allow-Methods": methods})
    failure = from_exception(error)
    if failure is None:
        log.error("request %s: %s", request_id(request), _asked(request), exc_info=error)
        failure = BUG
    return dialect.render(failure, request) if dialect else render_problem(failure, request)


def _is_preflight(request: web.Request, dialect: Dialect | None) -> bool:
    is_asked = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
    return is_asked and dialect is not None and dialect.is_cross_origin


def render_problem(failure: Failure, request: web.Request) -> web.Response:
    """A failure as RFC 9457 has it."""
    response = reply(as_problem(failure, request_id(request)), failure.status, failure.headers)
    response.content_type = "application/problem+json"
    return response


async def _dress(request: web.Request, response: web.StreamResponse) -> None:
    headers = response.headers
    for name, value in SECURITY_HEADERS.items():
        if name == "Server" or name not in headers:
            headers[name] = value
    headers["X-Request-Id"] = request_id(request)
    dialect = dialect_of(request)
    # A page is for a person at a browser; what it says and carries is for no script of another origin.
    if dialect is not None and dialect.is_cross_origin and response.content_type != "text/html":
        headers.update(_CROSS_ORIGIN)


async def _end_streams(app: web.Application) -> None:
    app[SERVICES].events.close()


def _add_operations_pages(app: web.Application, services: Services, dialects: Sequence[Dialect]) -> None:
    described: list[Any] = []  # made when first asked for: a second on a Raspberry Pi

    async def healthz(request: web.Request) -> web.Response:
        return reply({"status": "ok", "version": services.version})

    async def readyz(request: web.Request) -> web.Response:
        try:
            await services.queries.last_event_seq()
        except StoreUnavailable:
            raise
        except Exception as error:
            log.warning("not ready: the store cannot be read: %r", error)
            raise StoreUnavailable("The store cannot be read. Look at the service's log.") from None
        return reply({"status": "ready", "version": services.version})

    async def describe(request: web.Request) -> web.Response:
        if not described:
            described.append(openapi.document(dialects, version=services.version, server=services.public_url))
        return reply_if_changed(request, described[0])

    app.router.add_get("/", show_front_page)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/openapi.json", describe)
