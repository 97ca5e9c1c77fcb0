"""The two operations of the seed: all async jobs of a shop, and one of them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web
from multidict import MultiDict

from gateway.api.conversio.answers import not_found
from gateway.api.conversio.mapping import async_job
from gateway.api.conversio.schemas import AsyncJobs, JobsQuery, OneAsyncJob
from gateway.api.conversio.shop import is_shown, partner_app_of, shown_tasks
from gateway.api.http import limits
from gateway.api.http.answers import reply_body_if_changed
from gateway.api.http.fragments import FRAGMENTS, list_body
from gateway.api.http.operations import AnyCall, Call, NoQuery, operation
from gateway.api.http.reading import read_query
from gateway.api.http.task_results import ASYNC_JOBS
from gateway.domain.member import Scope
from gateway.domain.task import Task

_ID: Final = re.compile(r"[0-9a-f]{24}", re.ASCII)
_OPTIONS: Final[dict[str, Any]] = {
    "scopes": (Scope.READ_ASYNC_JOBS,),
    "reads_query": False,  # what a client of that time adds to the address is ignored
    "is_conditional": True,
}


@operation(
    "GET",
    "",
    responses={200: AsyncJobs},
    response_headers={"Link": "The next page (RFC 8288), when there is one."},
    **_OPTIONS,
)
async def list_async_jobs(call: Call[JobsQuery, None]) -> web.StreamResponse:
    """All async jobs of the shop, newest first.

    With a key: those of the organization to its admin, else the member's own. With an app's token: those that
    the app created. A shop with more than fit on a page finds the next in `Link`.
    """
    asked = _page(call)
    found, last = await _newest(call, asked)
    headers = {}
    if last is not None:
        query = urlencode({"limit": asked.limit, "after": last})
        headers["Link"] = f'<{call.services.public_url}{ASYNC_JOBS}?{query}>; rel="next"'
    return reply_body_if_changed(call.request, list_body({}, "data", found), headers=headers)


async def _newest(call: AnyCall, asked: JobsQuery) -> tuple[list[bytes], int | None]:
    """The jobs of a page, and the row behind which the next one begins; None: there is none.

    By that row, not by how many came before: whatever is created meanwhile, none is told twice, and the last
    page is found as fast as the first. A long page is read in short ones: those are kept between two commits,
    and the loop gets its turns.
    """
    services, shown, now = call.services, shown_tasks(call), call.services.clock.wall()
    found: list[bytes] = []
    offset, after, left = asked.offset, asked.after, asked.limit
    while True:
        rows = min(limits.STREAM_ROWS, left)
        page = await services.queries.tasks(
            shown, now=now, limit=rows, offset=offset, after=after, newest_first=True
        )
        found += _pieces(call, [task for task in page.tasks if not task.is_gone(now)])
        if not page.has_more:
            return found, None
        offset, after, left = 0, page.tasks[-1].work_id, left - rows
        if not left:
            return found, after
        await asyncio.sleep(0)


def _page(call: AnyCall) -> JobsQuery:
    """The page that is asked for; other parameters are ignored. Raises Failure 400."""
    given = call.request.query
    known = MultiDict((name, text) for name, text in given.items() if name in JobsQuery.model_fields)
    page = read_query(JobsQuery, known)
    assert isinstance(page, JobsQuery)
    return page


@operation("GET", "/{async_job_id}", responses={200: OneAsyncJob}, **_OPTIONS)
async def get_async_job(call: Call[NoQuery, None]) -> web.StreamResponse:
    """One async job.

    404 for an id that is unknown, of another shop or another app, and one week after the job's end.
    """
    text = call.path("async_job_id").lower()
    task = await call.services.queries.task(hex24=text) if _ID.fullmatch(text) else None
    if task is None or task.is_gone(call.services.clock.wall()) or not is_shown(task, shown_tasks(call)):
        raise not_found()
    (piece,) = _pieces(call, [task])
    body = b'{"data":' + piece + b"}"
    return reply_body_if_changed(call.request, body, version=task.version)


def _pieces(call: AnyCall, tasks: Iterable[Task]) -> list[bytes]:
    """Tasks as JSON. All that one says here changes with its version, but for what the shop alone is told."""
    kept, link, app_of = call.request.app[FRAGMENTS], call.services.result_link, partner_app_of(call)
    pieces = []
    for task in tasks:
        app = app_of(task)
        key = ("async job", task.work_id, task.version, app)
        pieces.append(kept.of(key, partial(_said, task, link, app)))
    return pieces


def _said(task: Task, link: Callable[[Task], str | None], app: str | None) -> dict[str, Any]:
    return async_job(task, link(task) if task.file is not None else None, app)
