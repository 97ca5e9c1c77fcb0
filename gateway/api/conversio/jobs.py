"""The two operations of the seed: all async jobs of a shop, and one of them."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web
from multidict import MultiDict

from gateway.api.conversio.answers import not_found
from gateway.api.conversio.mapping import async_job
from gateway.api.conversio.schemas import AsyncJobs, JobsQuery, OneAsyncJob
from gateway.api.conversio.shop import is_shown, partner_app, shown_tasks
from gateway.api.http.answers import reply_if_changed
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
    page_asked = _page(call)
    limit, offset, now = page_asked.limit, page_asked.offset, call.services.clock.wall()
    page = await call.services.queries.tasks(
        shown_tasks(call), now=now, limit=limit, offset=offset, newest_first=True
    )
    found = [_shape(call, task) for task in page.tasks if not task.is_gone(now)]
    headers = {}
    if offset + len(page.tasks) < page.total:
        query = urlencode({"limit": limit, "offset": offset + limit})
        headers["Link"] = f'<{call.services.public_url}{ASYNC_JOBS}?{query}>; rel="next"'
    return reply_if_changed(call.request, {"data": found}, headers=headers)


def _page(call: AnyCall) -> JobsQuery:
    """The page that is asked for; other parameters are ignored. Raises Failure 400."""
    given = call.request.query
    known: MultiDict[str] = MultiDict((name, value) for name, value in given.items() if _is_known(name))
    return JobsQuery.model_validate(read_query(JobsQuery, known).model_dump())


def _is_known(name: str) -> bool:
    return name in JobsQuery.model_fields


@operation("GET", "/{async_job_id}", responses={200: OneAsyncJob}, **_OPTIONS)
async def get_async_job(call: Call[NoQuery, None]) -> web.StreamResponse:
    """One async job.

    404 for an id that is unknown, of another shop or another app, and one week after the job's end.
    """
    text = call.path("async_job_id").lower()
    task = await call.services.queries.task(hex24=text) if _ID.fullmatch(text) else None
    if task is None or task.is_gone(call.services.clock.wall()) or not is_shown(task, shown_tasks(call)):
        raise not_found()
    return reply_if_changed(call.request, {"data": _shape(call, task)}, version=task.version)


def _shape(call: AnyCall, task: Task) -> dict[str, Any]:
    link = call.services.result_link(task) if task.file is not None else None
    return async_job(task, link, partner_app(call, task))
