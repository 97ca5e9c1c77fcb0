"""The lists: `jobs/{all,unfinished}` of whoever asks, of all organizations, of one organization."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from aiohttp import web

from gateway.api.greenarrow.answers import FOUND, headers_of, reply
from gateway.api.greenarrow.listing import PageTokens, read_filter, read_paging
from gateway.api.greenarrow.mapping import work_object
from gateway.api.greenarrow.schemas import JobList, JobsQuery
from gateway.api.http import limits
from gateway.api.http.answers import encode, stream
from gateway.api.http.fragments import FRAGMENTS, list_body
from gateway.api.http.operations import READ, Call, PathParameter, operation
from gateway.api.http.problems import Failure
from gateway.api.http.services import EngineFace
from gateway.auth.access import JobScope, all_jobs
from gateway.domain.job import Job
from gateway.domain.task import Task
from gateway.engine.ports import WorkPage

_ORGANIZATION: Final = PathParameter(
    r"[0-9]{1,10}|[0-9a-f]{24}",
    {"type": "string", "pattern": "^([0-9]{1,10}|[0-9a-f]{24})$"},
    "Its number, or its id of 24 hex digits.",
)
_ASKED: Final[dict[str, Any]] = {"scopes": READ, "responses": {200: JobList}, "reads_query": False}
_ONE: Final[dict[str, Any]] = {**_ASKED, "path_parameters": {"organization_id": _ORGANIZATION}}
_Call = Call[JobsQuery, None]


@operation("GET", "/jobs/all", **_ASKED)
async def list_jobs(call: Call[JobsQuery, None]) -> web.StreamResponse:
    """All prints and tasks, oldest first.

    A system administrator's key sees every organization's, an organization administrator's its own
    organization's, any other key its member's own.
    """
    return await _answer(call, all_jobs(call.principal), only_unfinished=False)


@operation("GET", "/jobs/unfinished", **_ASKED)
async def list_unfinished_jobs(call: Call[JobsQuery, None]) -> web.StreamResponse:
    """Prints and tasks that are pending, scheduled, active or paused."""
    return await _answer(call, all_jobs(call.principal), only_unfinished=True)


@operation("GET", "/jobs/all_on_all_organizations", **_ASKED)
async def list_jobs_everywhere(call: Call[JobsQuery, None]) -> web.StreamResponse:
    """All prints and tasks of all organizations. For system administrators."""
    _need_system_admin(call)
    return await _answer(call, JobScope(), only_unfinished=False)


@operation("GET", "/jobs/unfinished_on_all_organizations", **_ASKED)
async def list_unfinished_jobs_everywhere(call: Call[JobsQuery, None]) -> web.StreamResponse:
    """Unfinished prints and tasks of all organizations. For system administrators."""
    _need_system_admin(call)
    return await _answer(call, JobScope(), only_unfinished=True)


@operation("GET", "/organizations/{organization_id}/jobs/all", **_ONE)
async def list_jobs_of_organization(call: Call[JobsQuery, None]) -> web.StreamResponse:
    """All prints and tasks of one organization. For system administrators."""
    return await _answer(call, _organization_asked_for(call), only_unfinished=False)


@operation("GET", "/organizations/{organization_id}/jobs/unfinished", **_ONE)
async def list_unfinished_jobs_of_organization(call: Call[JobsQuery, None]) -> web.StreamResponse:
    """Unfinished prints and tasks of one organization. For system administrators."""
    return await _answer(call, _organization_asked_for(call), only_unfinished=True)


JOB_OPERATIONS: Final = (
    list_jobs,
    list_unfinished_jobs,
    list_jobs_everywhere,
    list_unfinished_jobs_everywhere,
    list_jobs_of_organization,
    list_unfinished_jobs_of_organization,
)


def _need_system_admin(call: _Call) -> None:
    if not call.principal.is_admin:
        text = (
            "This list is for keys with system administrator authority. Ask for jobs/all or jobs/unfinished."
        )
        raise Failure(403, text)


def _organization_asked_for(call: _Call) -> JobScope:
    _need_system_admin(call)
    named = call.path("organization_id")
    for number, organization in call.services.engine.state.organizations.items():
        if named in (str(number), organization.public_id):
            return JobScope(organization_id=number)
    raise Failure(404, f"There is no organization {named}.")


async def _answer(call: _Call, scope: JobScope, *, only_unfinished: bool) -> web.StreamResponse:
    query, services = call.request.query, call.services
    now = services.clock.wall()
    tokens = PageTokens(services.signer, now)
    paging = read_paging(query, tokens)
    wanted = read_filter(query, scope, only_unfinished=only_unfinished)
    found = await services.queries.works(
        replace(wanted, with_admin_kinds=call.principal.is_admin),
        now=now,
        limit=paging.per_page,
        offset=paging.offset,
        after=paging.after,
        with_total=paging.is_shown,
    )
    tail: dict[str, Any] = dict(FOUND)
    if paging.is_shown:
        next_token = tokens.make(found.works[-1].work_id) if found.has_more else None
        tail |= paging.shown(found.total or 0, next_token)
    if len(found.works) > limits.FETCH_ROWS:
        head = b'{"success":true,"data":['
        return await stream(call.request, head, _pieces(call, found, tail), headers_of(call.request))
    return reply(call.request, list_body({"success": True}, "data", _rows(call, found.works), tail))


async def _pieces(call: _Call, found: WorkPage, tail: dict[str, Any]) -> AsyncIterator[bytes]:
    """A long page in slices: the event loop gets its turn after each."""
    for start in range(0, len(found.works), limits.STREAM_ROWS):
        rows = _rows(call, found.works[start : start + limits.STREAM_ROWS])
        yield (b"," if start else b"") + b",".join(rows)
    yield b"]," + encode(tail)[1:]


def _rows(call: _Call, works: Sequence[Job | Task]) -> list[bytes]:
    """As JSON: what is over as it was made once, the rest with its newest progress."""
    engine, now = call.services.engine, call.services.clock.wall()
    kept = call.request.app[FRAGMENTS]
    rows = []
    for work in works:
        if work.is_over:
            key = ("greenarrow job", work.work_id, work.version)
            rows.append(kept.of(key, partial(work_object, work, now)))
        else:
            rows.append(encode(work_object(_live(engine, work), now)))
    return rows


def _live(engine: EngineFace, work: Job | Task) -> Job | Task:
    return engine.live(work) if isinstance(work, Job) else engine.live_task(work)
