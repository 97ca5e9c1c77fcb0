"""Tasks as typed calls: created, looked at, commanded, their files taken."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from typing import Any

import aiohttp

from gateway.client.answers import one, segment
from gateway.client.calls import ANSWER_WITHIN, BROKEN, Calls, explain, refuse
from gateway.client.errors import GatewayUnreachable, Refused
from gateway.client.models import Task, TaskPage

#: Tasks asked for at once while looking for a number.
PAGE = 500
#: Characters of a whole id, and the fewest that may stand for one: a slip must not cancel a task.
ID_CHARS, SHORTEST = 36, 4
#: A result may take as long as it moves.
DOWNLOAD_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=ANSWER_WITHIN, sock_read=ANSWER_WITHIN)


class TaskCalls:
    """Long work inside the gateway."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._call = calls.call

    async def create(
        self,
        kind: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        begins_at: datetime | None = None,
        is_paused: bool = False,
    ) -> Task:
        """A new task; made once, however often the connection breaks."""
        wanted: dict[str, Any] = {"kind": kind, "name": name, "is_paused": is_paused}
        wanted |= {} if arguments is None else {"arguments": dict(arguments)}
        wanted |= {} if begins_at is None else {"begins_at": begins_at.isoformat()}
        key = str(uuid.uuid4())

        async def attempt() -> Any:
            return await self._call("POST", "/tasks", json=wanted, headers={"Idempotency-Key": key})

        return one(Task, await self._calls.create(attempt))

    async def page(
        self,
        *,
        kinds: Sequence[str] = (),
        over: bool | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> TaskPage:
        """A page of tasks, oldest first."""
        params = [("kind", kind) for kind in kinds]
        params += [] if over is None else [("over", "true" if over else "false")]
        params += [("limit", str(limit)), ("offset", str(offset))]
        return one(TaskPage, await self._call("GET", "/tasks", params=params))

    async def one(self, task_id: str) -> Task:
        """One task by its id."""
        return one(Task, await self._call("GET", f"/tasks/{segment(task_id)}"))

    async def find(self, text: str) -> Task:
        """A task by its number, its id or an unmistakable beginning of it. Raises Refused."""
        if len(text) >= ID_CHARS:
            return await self.one(text)
        begins: list[Task] = []
        async for task in self._newest_first():
            if str(task.number) == text or task.async_job_id == text:
                return task
            if len(text) >= SHORTEST and task.id.startswith(text.lower()):
                begins.append(task)
        if len(begins) == 1:
            return begins[0]
        if begins:
            raise Refused(
                404, "Ambiguous", f'"{text}" begins the ids of {len(begins)} tasks; give more of it'
            )
        raise Refused(404, "Not found", f'there is no task "{text}"; see print-gateway tasks list')

    async def _newest_first(self) -> AsyncGenerator[Task, None]:
        offset = (await self.page(limit=1)).total
        while offset > 0:
            start = max(0, offset - PAGE)
            page = await self.page(limit=offset - start, offset=start)
            for task in reversed(page.tasks):
                yield task
            offset = start

    async def command(self, task_id: str, verb: str) -> Task:
        """`pause`, `resume` or `cancel` a task: done when it returns."""
        return one(Task, await self._call("POST", f"/tasks/{segment(task_id)}/{verb}"))

    async def result(self, task_id: str) -> AsyncGenerator[bytes, None]:
        """The file that a task made, piece by piece.

        Raises GatewayUnreachable when it breaks off: what came is no whole file then.
        """
        path = f"/tasks/{segment(task_id)}/result"
        try:
            async with self._calls.open("GET", path, timeout=DOWNLOAD_TIMEOUT) as response:
                await refuse(response, self._calls.address)
                async for piece in response.content.iter_any():
                    yield piece
        except aiohttp.ClientPayloadError as error:
            raise GatewayUnreachable("the result broke off in the middle; take it again") from error
        except BROKEN as error:
            raise GatewayUnreachable(explain(self._calls.address, error)) from error
