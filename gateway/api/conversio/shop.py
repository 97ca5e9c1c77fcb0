"""Which tasks a caller is shown. A shop is an organization.

    X-ApiKey, of the organization's admin     all tasks of the organization
    X-ApiKey, of another member               its own: what a colleague exports may hold what only the
                                              colleague may see, and the key is no more than the member
    Bearer                                    of those, the ones that this very app or key created

Backups and diagnostics, which hold what is everybody's, are shown to keys with the scope `admin` alone. A
key that reads (`data:read`) needs no other scope in X-ApiKey; a bearer needs `read_async_jobs`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from aiohttp import web

from gateway.api.http.credentials import API_KEY, by_api_key_or_bearer
from gateway.api.http.operations import AnyCall
from gateway.api.http.services import Services
from gateway.auth.access_work import task_scope
from gateway.domain.member import Principal, Scope
from gateway.domain.task import Task
from gateway.engine.ports import TaskFilter


async def authenticate(request: web.Request, services: Services) -> Principal | None:
    """Who asks. A key in X-ApiKey that may read everything of its member's may read its tasks."""
    known = await by_api_key_or_bearer(request, services)
    if known is None or not (is_by_api_key(request) and known.may(Scope.DATA_READ)):
        return known
    return replace(known, scopes=known.scopes | {Scope.READ_ASYNC_JOBS})


def is_by_api_key(request: web.Request) -> bool:
    """Whether the key in X-ApiKey decides who asks."""
    return API_KEY in request.headers


def shown_tasks(call: AnyCall) -> TaskFilter:
    """The caller's tasks, as the store is asked for them."""
    principal = call.principal
    shown = task_scope(principal)
    if principal.is_admin:  # of the gateway; but what is asked for is one shop's
        shown = replace(shown, organization_id=principal.organization_id)
    if is_by_api_key(call.request):
        return shown
    return replace(shown, app_id=principal.app_id or "")


def is_shown(task: Task, shown: TaskFilter) -> bool:
    """Whether the task is one of them."""
    return (
        shown.organization_id in (None, task.organization_id)
        and shown.member_id in (None, task.member_id)
        and shown.app_id in (None, task.app_id)
        and (shown.kinds is None or task.kind in shown.kinds)
    )


def partner_app_of(call: AnyCall) -> Callable[[Task], str | None]:
    """Tells the app that created a task, to the shop itself only; a key is no app."""
    if not is_by_api_key(call.request):
        return lambda _: None
    keys = call.services.engine.state.keys
    return lambda task: None if task.app_id in keys else task.app_id
