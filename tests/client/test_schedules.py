"""Stacks, schedules and runs in the typed client: names, a run asked for once, a run followed to its end."""

from __future__ import annotations

from collections import deque
from contextlib import aclosing
from typing import Any

import pytest
from aiohttp import web

from gateway.client.calls import CREATE_AGAIN_AFTER
from gateway.client.errors import GatewayUnreachable, Refused
from gateway.client.follow import follow_run
from gateway.client.native import GatewayClient
from tests.client.fake_gateway import NOW, FakeGateway, event

ID, OTHER = "98ee5a9b93919d9b63bd5377636675bd", "98ffffffffffffffffffffffffffffff"
RUN = "4b5a3181-8997-4d6a-979f-e1af7eb5b545"


def schedule(**changes: Any) -> dict[str, Any]:
    """A schedule as the native API shows it."""
    return {
        "id": ID, "name": "warm up", "type": "GcodeMacroJob", "stack_id": "5" * 32, "stack": "all printers",
        "member_id": "FPEJMQHAG3NXE", "status": "updated", "params": {"gcode": ["M104 S60"]}, "later": 1,
        "next_at": NOW, **changes,
    }  # fmt: skip


def action(**changes: Any) -> dict[str, Any]:
    """A run as the native API shows it."""
    return {
        "id": RUN, "number": 9, "schedule_id": ID, "name": "warm up", "type": "GcodeMacroJob",
        "state": "waiting", "steps": [{"printer_id": 1, "printer": "mk3", "state": "waiting"}], **changes,
    }  # fmt: skip


def answers(fake: FakeGateway, path: str, *bodies: Any) -> None:
    """What the next requests for a path get; None: the connection breaks."""
    fake.instead[path] = deque(None if body is None else web.json_response(body) for body in bodies)


async def test_a_run_is_asked_for_again_under_the_same_key(
    client: GatewayClient, fake: FakeGateway, slept: list[float]
) -> None:
    answers(fake, f"/schedules/{ID}/run", None, action())
    run = await client.schedules.run(ID, "10 20")
    assert (run.number, run.is_over, run.steps[0].printer) == (9, False, "mk3")
    keys = {headers["Idempotency-Key"] for headers in fake.headers}
    assert (len(fake.asked), len(keys), slept) == (2, 1, [CREATE_AGAIN_AFTER])


async def test_schedules_are_found_by_name_and_by_the_beginning_of_an_id(
    client: GatewayClient, fake: FakeGateway
) -> None:
    both = {"schedules": [schedule(), schedule(id=OTHER, name="98ee")]}
    answers(fake, "/schedules", *[both] * 5)
    assert (await client.schedules.find("warm up")).id == ID
    assert (await client.schedules.find("98ee5a")).id == ID
    assert (await client.schedules.find("98ee")).id == OTHER, "a name goes first"
    with pytest.raises(Refused, match="no schedule"):
        await client.schedules.find("98f")
    with pytest.raises(Refused, match="schedules list"):
        await client.schedules.find("cool down")
    answers(fake, "/schedules", {"schedules": [schedule(), schedule(id=OTHER)]})
    with pytest.raises(Refused, match="means 2 schedules"):
        await client.schedules.find("warm up")


async def test_an_answer_that_is_none(client: GatewayClient, fake: FakeGateway) -> None:
    answers(fake, "/schedules", {"schedules": [{"id": ID}]})
    with pytest.raises(GatewayUnreachable, match="no Schedule of a Print Gateway"):
        await client.schedules.all()


async def test_a_run_is_followed_over_broken_streams_to_its_end(
    client: GatewayClient, fake: FakeGateway
) -> None:
    waiting, running = action(), action(state="running")
    done = action(state="succeeded", message="done on 1 of 1 printer")
    fake.streams.extend([[event("job-progressed", job_id="x"), event("job-moved", 1, job_id="x")], []])
    answers(fake, f"/actions/{RUN}", waiting, waiting, running, done)
    async with aclosing(follow_run(client, RUN)) as pictures:
        seen = [picture.state async for picture in pictures]
    assert seen == ["waiting", "running", "succeeded"], "what did not change is not shown again"
