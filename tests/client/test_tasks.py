"""Tasks by the typed client: made once, found, followed, their files taken whole or not at all."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime

import pytest
from aiohttp import web

from gateway.client.errors import GatewayUnreachable, Refused
from gateway.client.follow import follow_task
from gateway.client.native import GatewayClient
from tests.client.fake_gateway import FakeGateway, event, problem, task

TASK_ID = task()["id"]


async def test_a_creation_is_repeated_with_the_same_key(client: GatewayClient, fake: FakeGateway) -> None:
    fake.instead["/tasks"] = deque([None])
    at = datetime(2030, 1, 31, 6, tzinfo=UTC)
    made = await client.tasks.create("backup", {"with_files": True}, name="monthly", begins_at=at)
    assert (made.number, made.is_over) == (9, False)
    assert fake.asked == [("POST", "/tasks")] * 2
    assert len({headers["Idempotency-Key"] for headers in fake.headers}) == 1
    assert fake.bodies == [
        {"kind": "backup", "name": "monthly", "is_paused": False, "arguments": {"with_files": True},
         "begins_at": "2030-01-31T06:00:00+00:00"}
    ]  # fmt: skip


async def test_lists_with_what_is_asked(client: GatewayClient, fake: FakeGateway) -> None:
    page = await client.tasks.page(kinds=["backup", "diagnostics"], over=True, limit=2)
    assert (page.total, page.tasks[0].name) == (1, "history export")
    assert fake.asked == [("GET", "/tasks?kind=backup&kind=diagnostics&over=true&limit=2&offset=0")]


async def test_finds_a_task_by_what_people_call_it(client: GatewayClient, fake: FakeGateway) -> None:
    fake.tasks = [task(number=1, id="11111111" + TASK_ID[8:], async_job_id="0" * 24), task()]
    for text in ("9", TASK_ID[:8], TASK_ID, task()["async_job_id"]):
        assert (await client.tasks.find(text)).number == 9
    for text in ("2", "11", "zzzz"):
        with pytest.raises(Refused, match="there is no task"):
            await client.tasks.find(text)
    fake.tasks.append(task(number=10, id=TASK_ID[:-4] + "ffff"))
    with pytest.raises(Refused, match="begins the ids of 2 tasks"):
        await client.tasks.find(TASK_ID[:8])


async def test_follows_a_task_through_a_restart(client: GatewayClient, fake: FakeGateway) -> None:
    """Progress comes with its event; what else happened is asked for, also after each new connection."""
    fake.streams.extend(
        [
            [
                event("task-progressed", task_id=TASK_ID, value=30, total=120),
                event("task-progressed", task_id="another", value=1, total=2),
                event("job-moved", 4, job_id="j"),
            ],
            [event("task-moved", 5, task_id=TASK_ID, status="done")],
        ]
    )
    fake.fate.extend([{}, {"status": "running", "progress": {"value": 60, "total": 120}}, {"status": "done"}])
    seen = [(one.status, one.progress.value) async for one in follow_task(client, TASK_ID)]
    assert seen == [("pending", 0), ("pending", 30), ("running", 60), ("done", 60)]


async def test_a_result_comes_whole(client: GatewayClient, fake: FakeGateway) -> None:
    assert b"".join([piece async for piece in client.tasks.result(TASK_ID)]) == fake.result


async def test_a_result_that_breaks_off_is_no_result(client: GatewayClient, fake: FakeGateway) -> None:
    fake.result_breaks_at = 6
    with pytest.raises(GatewayUnreachable, match="broke off in the middle"):
        [piece async for piece in client.tasks.result(TASK_ID)]


async def test_why_there_is_no_result_is_the_gateways_sentence(
    client: GatewayClient, fake: FakeGateway
) -> None:
    fake.instead[f"/tasks/{TASK_ID}/result"] = deque([problem(409, "This task is not over yet.")])
    with pytest.raises(Refused, match="not over yet"):
        [piece async for piece in client.tasks.result(TASK_ID)]


async def test_commands_give_the_task_as_it_is_then(client: GatewayClient, fake: FakeGateway) -> None:
    fake.fate.append({"status": "canceled", "standing": "canceled"})
    assert (await client.tasks.command(TASK_ID, "cancel")).is_over
    assert fake.asked == [("POST", f"/tasks/{TASK_ID}/cancel")]


async def test_another_server_is_told_from_a_gateway(client: GatewayClient, fake: FakeGateway) -> None:
    fake.instead[f"/tasks/{TASK_ID}"] = deque([web.json_response({"hello": "world"})])
    with pytest.raises(GatewayUnreachable, match="no Task of a Print Gateway"):
        await client.tasks.one(TASK_ID)
