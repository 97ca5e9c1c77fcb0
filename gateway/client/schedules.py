"""Stacks, schedules and their runs as typed calls; what a person may call them by."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from gateway.client.answers import many, one, segment
from gateway.client.calls import Calls
from gateway.client.errors import Refused
from gateway.client.models import Action, ActionPage, Schedule, Stack

T = TypeVar("T", Stack, Schedule)
#: Characters of a whole id, and the fewest that may stand for one: a slip must not start a machine.
ID_CHARS, SHORTEST = 32, 4


class StackCalls:
    """Groups of printers."""

    def __init__(self, calls: Calls) -> None:
        self._call = calls.call

    async def all(self) -> tuple[Stack, ...]:
        """All stacks one may see, oldest first."""
        return many(Stack, await self._call("GET", "/stacks"), "stacks")

    async def find(self, text: str) -> Stack:
        """A stack by its name, its number, its id or an unmistakable beginning of it. Raises Refused."""
        found = await self.all()
        named = [stack for stack in found if text in (stack.name, str(stack.number), stack.id)]
        begins = [stack for stack in found if _begins(stack.id, text)]
        return _only("stack", text, named or begins)

    async def add(self, name: str, printers: Sequence[str] | None, organization: str | None) -> Stack:
        """A new stack; without printers it has all of the organization."""
        wanted: dict[str, Any] = {"name": name, "printers": None if printers is None else list(printers)}
        if organization is not None:
            wanted["organization"] = organization
        return one(Stack, await self._call("POST", "/stacks", json=wanted))

    async def change(self, stack_id: str, name: str, printers: Sequence[str | int] | None) -> Stack:
        """Another name, other printers."""
        wanted = {"name": name, "printers": None if printers is None else list(printers)}
        return one(Stack, await self._call("PUT", f"/stacks/{segment(stack_id)}", json=wanted))

    async def remove(self, stack_id: str) -> None:
        """Remove one that has no schedules."""
        await self._call("DELETE", f"/stacks/{segment(stack_id)}")


class ScheduleCalls:
    """Named recurring jobs of stacks, and their runs."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._call = calls.call

    async def all(self, stack: str | None = None) -> tuple[Schedule, ...]:
        """Schedules, oldest first; of one stack (id, number or name) or of all."""
        params = {} if stack is None else {"stack": stack}
        return many(Schedule, await self._call("GET", "/schedules", params=params), "schedules")

    async def find(self, text: str, stack: str | None = None) -> Schedule:
        """A schedule by its name, its id or an unmistakable beginning of it. Raises Refused."""
        found = await self.all(stack)
        named = [schedule for schedule in found if text in (schedule.name, schedule.id)]
        begins = [schedule for schedule in found if _begins(schedule.id, text)]
        return _only("schedule", text, named or begins)

    async def add(self, wanted: Mapping[str, Any]) -> Schedule:
        """A new schedule, as the body of `POST /gateway/v1/schedules`."""
        return one(Schedule, await self._call("POST", "/schedules", json=dict(wanted)))

    async def replace(self, schedule_id: str, wanted: Mapping[str, Any]) -> Schedule:
        """What a schedule says of itself, whole."""
        path = f"/schedules/{segment(schedule_id)}"
        return one(Schedule, await self._call("PUT", path, json=dict(wanted)))

    async def remove(self, schedule_id: str) -> None:
        """It runs no more; its runs stay."""
        await self._call("DELETE", f"/schedules/{segment(schedule_id)}")

    async def pause(self, schedule_id: str) -> Schedule:
        """The clock does not run it."""
        return one(Schedule, await self._call("POST", f"/schedules/{segment(schedule_id)}/pause"))

    async def resume(self, schedule_id: str) -> Schedule:
        """The clock runs it again."""
        return one(Schedule, await self._call("POST", f"/schedules/{segment(schedule_id)}/resume"))

    async def run(self, schedule_id: str, arguments: str | None = None) -> Action:
        """Run it now, once: asking again because the connection broke starts no second run."""
        path, key = f"/schedules/{segment(schedule_id)}/run", str(uuid.uuid4())

        async def attempt() -> Any:
            asked = {} if arguments is None else {"arguments": arguments}
            return await self._call("POST", path, json=asked, headers={"Idempotency-Key": key})

        return one(Action, await self._calls.create(attempt))

    async def runs(self, schedule_id: str | None = None, *, limit: int = 20, offset: int = 0) -> ActionPage:
        """A page of runs, newest first; of one schedule or of all."""
        asked = {"schedule_id": schedule_id, "limit": limit, "offset": offset}
        params = {name: str(value) for name, value in asked.items() if value is not None}
        return one(ActionPage, await self._call("GET", "/actions", params=params))

    async def action(self, action_id: str) -> Action:
        """One run."""
        return one(Action, await self._call("GET", f"/actions/{segment(action_id)}"))

    async def cancel(self, action_id: str) -> Action:
        """Give up what waits for its printer."""
        return one(Action, await self._call("POST", f"/actions/{segment(action_id)}/cancel"))


def _begins(known: str, text: str) -> bool:
    return SHORTEST <= len(text) <= ID_CHARS and known.startswith(text.lower())


def _only(what: str, text: str, found: Sequence[T]) -> T:
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(row.id[:8] for row in found)
        raise Refused(404, "Ambiguous", f'"{text}" means {len(found)} {what}s; name one by its id: {ids}')
    raise Refused(404, "Not found", f'there is no {what} "{text}"; see print-gateway {what}s list')
