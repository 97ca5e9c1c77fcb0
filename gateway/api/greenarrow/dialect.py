"""GreenArrow Studio's job API as one dialect."""

from __future__ import annotations

from aiohttp import web

from gateway.api.greenarrow.answers import BEGAN, render
from gateway.api.greenarrow.jobs import JOB_OPERATIONS
from gateway.api.greenarrow.schemas import Refused
from gateway.api.http.credentials import by_basic_key
from gateway.api.http.operations import JSON, Dialect
from gateway.api.http.services import Services
from gateway.domain.member import Principal


async def _authenticate(request: web.Request, services: Services) -> Principal | None:
    request[BEGAN] = services.clock.monotonic()
    return await by_basic_key(request, services)


GREENARROW = Dialect(
    name="greenarrow",
    description="GreenArrow Studio's background jobs, API version 2: prints and tasks in one list.",
    roots=("/ga/api/v2",),
    operations=JOB_OPERATIONS,
    authenticate=_authenticate,
    render=render,
    error_model=Refused,
    error_media=JSON,
    error_codes=frozenset({400, 401, 403, 404, 405, 429, 500, 503}),
    security={"type": "http", "scheme": "basic", "description": "The key's id, and the key."},
)
