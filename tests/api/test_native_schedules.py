"""Stacks, schedules and their runs in the native API: made, changed, paused, run, looked at; and by whom."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from gateway.domain.member import Member, Scope
from gateway.domain.observations import OrderAnswered, OrderResult
from gateway.domain.orders import SendGcode
from gateway.domain.printer import Plate
from gateway.domain.schedule import SCHEDULES_KEPT
from tests.api.host import EVE, Host
from tests.support.stand import ANA, BEN, printer

NOON = {"name": "warm up", "type": "GcodeMacroJob", "params": {"gcode": ["M104 S60"]}, "cron": "0 12 * * *"}
ALL = "all printers"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Host]:
    """One host for all requests that are refused."""
    async with Host(tmp_path_factory.mktemp("house")) as built:
        yield built


refused = pytest.mark.asyncio(loop_scope="module")


async def ask(
    host: Host, method: str, path: str, body: Any = None, who: Member = ANA, **headers: str
) -> tuple[int, Any]:
    shown = await host.bearer(who) | headers
    more = {} if body is None else {"json": body}
    async with host.client.request(method, f"/gateway/v1{path}", headers=shown, **more) as response:
        raw = await response.read()
        return response.status, json.loads(raw) if raw else None


async def made(host: Host, **changes: Any) -> dict[str, Any]:
    status, body = await ask(host, "POST", "/schedules", {**NOON, **changes})
    assert status == 201, body
    assert isinstance(body, dict)
    return body


async def clear_plate(host: Host) -> None:
    cleared = replace(host.engine.state.printers[1], plate=Plate.CLEAR)
    await host.change(lambda draft: draft.put_printer(cleared))


async def answered(host: Host, result: OrderResult = OrderResult.ACCEPTED) -> None:
    order = host.drivers.of(SendGcode)[-1]
    assert isinstance(order, SendGcode)
    host.engine.observe(OrderAnswered("mk3", order.order_id, result))
    await host.engine.settled()


# ---------------------------------------------------------------- stacks


async def test_every_organization_has_a_stack_of_all_printers(host: Host) -> None:
    _, body = await ask(host, "GET", "/stacks")
    [stack] = body["stacks"]
    assert (stack["name"], stack["is_all"], stack["organization_id"]) == (ALL, True, 1)
    assert stack["printers"] == [{"id": 1, "name": "mk3"}]
    await host.put_printers(printer(3, "mini"))
    _, body = await ask(host, "GET", f"/stacks/{stack['id']}")
    assert [one["name"] for one in body["printers"]] == ["mk3", "mini"], "as they come and go"


async def test_a_stack_is_made_changed_and_removed(host: Host) -> None:
    await host.put_printers(printer(3, "mini"))
    status, stack = await ask(host, "POST", "/stacks", {"name": "left shelf", "printers": ["mk3", 3, "mk3"]})
    assert status == 201
    assert ([one["id"] for one in stack["printers"]], stack["is_all"]) == ([1, 3], False)
    path = f"/stacks/{stack['id']}"
    status, changed = await ask(host, "PUT", path, {"name": "shelf", "printers": ["mini"]})
    assert (status, changed["name"], [one["id"] for one in changed["printers"]]) == (200, "shelf", [3])
    assert changed["version"] == stack["version"] + 1
    assert await ask(host, "DELETE", path) == (204, None)
    assert (await ask(host, "GET", path))[0] == 404


@refused
@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"name": "s", "printers": ["nope"]}, 422, "printers: There is no printer 'nope'"),
        ({"name": "s", "printers": ["xl"]}, 422, "printers: There is no printer 'xl'"),
        ({"name": "s", "printers": []}, 403, "by an administrator, or by the owner"),
        ({"name": ALL, "printers": ["mk3"]}, 409, "already"),
        ({"name": "s", "printers": ["mk3"], "organization": "shop"}, 422, "organization:"),
        ({"name": ""}, 422, "name:"),
    ],
)
async def test_a_stack_that_is_not_made(house: Host, body: dict[str, Any], status: int, told: str) -> None:
    found, problem = await ask(house, "POST", "/stacks", body)
    assert (found, told in problem["detail"]) == (status, True), problem


async def test_a_stack_with_schedules_stays(host: Host) -> None:
    schedule = await made(host)
    status, problem = await ask(host, "DELETE", f"/stacks/{schedule['stack_id']}")
    assert (status, "has schedules" in problem["detail"]) == (409, True)


async def test_what_a_colleague_and_a_stranger_may(host: Host) -> None:
    """Ben sees and runs what is his organization's; Eve knows nothing of it."""
    await clear_plate(host)
    schedule = await made(host)
    stack, path = f"/stacks/{schedule['stack_id']}", f"/schedules/{schedule['id']}"
    assert (await ask(host, "GET", stack, who=BEN))[0] == 200
    assert (await ask(host, "PUT", stack, {"name": "mine"}, BEN))[0] == 403
    assert (await ask(host, "PUT", path, NOON, BEN))[0] == 403
    assert (await ask(host, "POST", "/schedules", {**NOON, "name": "mine"}, BEN))[0] == 403
    status, action = await ask(host, "POST", f"{path}/run", who=BEN)
    assert (status, action["member"], action["state"]) == (202, "ben", "running")
    run = f"/actions/{action['id']}"
    for method, foreign in (
        ("GET", stack), ("PUT", stack), ("DELETE", stack), ("GET", path), ("PUT", path), ("DELETE", path),
        ("POST", f"{path}/run"), ("POST", f"{path}/pause"), ("GET", run), ("POST", f"{run}/cancel"),
    ):  # fmt: skip
        body = (
            {"stacks": {"name": "x"}, "schedules": NOON}[foreign.split("/")[1]] if method == "PUT" else None
        )
        assert (await ask(host, method, foreign, body, EVE))[0] == 404, (method, foreign)
    for listed, name in (("/stacks", "stacks"), ("/schedules", "schedules"), ("/actions", "actions")):
        assert not [one for one in (await ask(host, "GET", listed, who=EVE))[1][name] if one["name"] != ALL]


# ---------------------------------------------------------------- schedules


async def test_a_schedule_says_when_it_runs_next(host: Host) -> None:
    schedule = await made(host, timezone="Europe/Berlin")
    assert schedule["next_at"] == "2016-05-18T10:00:00.000Z", "noon there"
    assert (schedule["status"], schedule["is_paused"], schedule["running"]) == ("updated", False, None)
    assert (schedule["stack"], schedule["member"], schedule["missed"]) == (ALL, "ana", "skip")
    _, listed = await ask(host, "GET", "/schedules?stack=all printers")
    assert listed["schedules"] == [schedule]
    assert await ask(host, "GET", f"/schedules/{schedule['id']}") == (200, schedule)


async def test_a_schedule_is_replaced_whole(host: Host) -> None:
    schedule = await made(host, timezone="Europe/Berlin", missed="run-once")
    body = {"name": "cool down", "type": "GcodeMacroJob", "params": {"gcode": ["M104 S0"]}}
    status, changed = await ask(host, "PUT", f"/schedules/{schedule['id']}", body)
    assert status == 200
    assert (changed["name"], changed["cron"], changed["timezone"], changed["missed"], changed["next_at"]) == (
        "cool down", None, "UTC", "skip", None,
    )  # fmt: skip
    assert changed["params"] == {"gcode": ["M104 S0"]}
    await clear_plate(host)
    await ask(host, "POST", f"/schedules/{schedule['id']}/run")
    [order] = host.drivers.of(SendGcode)
    assert isinstance(order, SendGcode)
    assert order.lines == ("M104 S0",)


async def test_a_pause_forgets_what_was_due_in_it(host: Host) -> None:
    schedule = await made(host)
    path = f"/schedules/{schedule['id']}"
    _, paused = await ask(host, "POST", f"{path}/pause")
    assert (paused["is_paused"], paused["next_at"]) == (True, None)
    assert (await ask(host, "POST", f"{path}/pause"))[1] == paused, "once more changes nothing"
    host.clock.advance(3 * 86_400)
    _, resumed = await ask(host, "POST", f"{path}/resume")
    assert (resumed["is_paused"], resumed["next_at"]) == (False, "2016-05-21T12:00:00.000Z")
    assert resumed["params"] == schedule["params"]


@refused
@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"cron": "0 12 * *"}, "five fields"),
        ({"cron": "0 25 * * *"}, "30 6 * * 1-5"),
        ({"cron": "0 0 30 2 *"}, "30 6 * * 1-5"),
        ({"cron": "@daily"}, "five fields"),
        ({"cron": "0 0 12 * * *"}, "five fields"),  # with seconds
        ({"cron": "* * * * *"}, "5 minutes is the shortest"),
        ({"cron": "*/3 * * * *", "is_paused": True}, "3 minutes apart"),
        ({"cron": "0 25 * * *", "is_paused": True}, "cron"),
        ({"timezone": "Berlin"}, "Europe/Berlin"),
        ({"timezone": "../etc/passwd", "cron": None}, "Europe/Berlin"),
        ({"params": {"gcode": []}}, "gcode is empty"),
        ({"params": {"gcode": ["G28 ; home"]}}, "line 1"),
        ({"params": {"gcode": ["M24"]}}, "card"),
        ({"params": {"gcode": ["M104 S{1}"]}}, "the clock cannot fill"),
        ({"params": {"gcode": ["M104 S{0}"]}}, "{1} to {9}"),
        ({"params": {"gcode": ["M104 S999"]}}, "mistake"),
        ({"params": {"note": "x"}}, "gcode"),
        ({"params": {"gcode": ["G28"] * 300}}, "256"),
        ({"type": "RakeJob"}, "GcodeMacroJob"),
        ({"type": "CalibrationJob", "params": {"procedure": "dance"}}, "home"),
        ({"type": "CalibrationJob", "params": {"procedure": "home", "target": 200}}, "no target"),
        ({"type": "HistoryExportJob", "params": {"member_id": BEN.member_id}}, "your own"),
        ({"type": "HistoryExportJob", "params": {"printer_id": 2}}, "no printer 2"),
        ({"type": "HistoryExportJob", "params": {"statuses": ["lost"]}}, "no status 'lost'"),
        ({"type": "HistoryExportJob", "params": {"created_after": "0001-01-01T00:00:00+10:00"}}, "calendar"),
        ({"stack": "nowhere"}, "no one stack 'nowhere'"),
        ({"missed": "all"}, "run-once"),
        ({"name": " "}, "name"),
    ],
)
async def test_a_schedule_that_is_not_made(house: Host, changes: dict[str, Any], told: str) -> None:
    status, problem = await ask(house, "POST", "/schedules", {**NOON, **changes})
    assert (status, told in problem["detail"]) == (422, True), problem
    assert not house.engine.state.schedules


async def test_a_pause_puts_nothing_back_that_was_changed_in_the_same_moment(host: Host) -> None:
    schedule = await made(host)
    path = f"/schedules/{schedule['id']}"
    change, pause = await asyncio.gather(
        ask(host, "PUT", path, {**NOON, "cron": "0 13 * * *"}), ask(host, "POST", f"{path}/pause")
    )
    assert {change[0], pause[0]} <= {200, 409}
    _, found = await ask(host, "GET", path)
    assert found["cron"] == "0 13 * * *"


async def test_names_are_used_once_in_a_stack(host: Host) -> None:
    first = await made(host)
    status, problem = await ask(host, "POST", "/schedules", NOON)
    assert (status, "another name" in problem["detail"]) == (409, True)
    await ask(host, "POST", "/stacks", {"name": "other", "printers": ["mk3"]})
    await made(host, stack="other")
    second = await made(host, name="cool down", stack=ALL)
    rename = await ask(host, "PUT", f"/schedules/{second['id']}", NOON)
    assert rename[0] == 409
    assert (await ask(host, "PUT", f"/schedules/{first['id']}", NOON))[0] == 200, "its own is no other"


async def test_a_type_stays_what_it_is(host: Host) -> None:
    schedule = await made(host)
    body = {**NOON, "type": "MaintenanceJob", "params": {"note": "oil"}}
    status, problem = await ask(host, "PUT", f"/schedules/{schedule['id']}", body)
    assert (status, "another schedule" in problem["detail"]) == (422, True)


async def test_there_is_an_end_to_schedules(host: Host) -> None:
    schedule = await made(host)
    known = host.engine.state.schedules[schedule["id"]]
    for number in range(SCHEDULES_KEPT - 1):
        other = replace(known, schedule_id=f"{number + 10**6:032x}", name=str(number))
        host.engine.state.schedules[other.schedule_id] = other
    status, problem = await ask(host, "POST", "/schedules", {**NOON, "name": "one too many"})
    assert (status, "remove one first" in problem["detail"]) == (409, True)


# ---------------------------------------------------------------- runs


async def test_a_run_waits_for_the_plate_and_is_told_printer_by_printer(host: Host) -> None:
    schedule = await made(host, params={"gcode": ["G28", "G1 X{1} Y{2} F3000"]}, cron=None)
    path = f"/schedules/{schedule['id']}"
    async with host.client.post(
        f"/gateway/v1{path}/run", json={"arguments": "10 20"}, headers=await host.bearer(ANA)
    ) as response:
        assert response.status == 202
        action = await response.json()
        assert response.headers["Location"] == f"/gateway/v1/actions/{action['id']}"
    assert (action["state"], action["arguments"], action["started_via"]) == ("waiting", "10 20", "api")
    _, waiting = await ask(host, "GET", f"/actions/{action['id']}")
    [step] = waiting["steps"]
    assert (step["printer"], step["state"], "plate" in step["message"]) == ("mk3", "waiting", True)
    assert (await ask(host, "GET", path))[1]["running"] == action["id"]
    assert not host.drivers.of(SendGcode)
    await ask(host, "POST", "/printers/mk3/plate", {"plate": "clear"})
    [order] = host.drivers.of(SendGcode)
    assert isinstance(order, SendGcode)
    assert order.lines == ("G28", "G1 X10 Y20 F3000")
    await answered(host)
    _, done = await ask(host, "GET", f"/actions/{action['id']}")
    assert (done["state"], done["steps"][0]["state"], done["message"]) == (
        "succeeded", "succeeded", "done on 1 of 1 printer",
    )  # fmt: skip
    assert (await ask(host, "GET", path))[1]["status"] == "success"


async def test_what_has_a_text_of_its_own_runs_by_the_clock_and_by_hand(host: Host) -> None:
    await clear_plate(host)
    schedule = await made(host, params={"gcode": ["M140 S{1=60}"]})
    assert schedule["cron"] == NOON["cron"]
    for given in ({}, {"arguments": "70"}, {"arguments": " "}):
        assert (await ask(host, "POST", f"/schedules/{schedule['id']}/run", given))[0] == 202
        await answered(host)
    sent = [order.lines for order in host.drivers.of(SendGcode) if isinstance(order, SendGcode)]
    assert sent == [("M140 S60",), ("M140 S70",), ("M140 S60",)]
    by_clock = host.engine.state.schedules[schedule["id"]].macro
    assert by_clock is not None
    assert by_clock.lines == ("M140 S60",)


async def test_a_run_that_waits_is_canceled_and_one_that_is_over_is_not(host: Host) -> None:
    schedule = await made(host, params={"gcode": ["G28"]})
    _, action = await ask(host, "POST", f"/schedules/{schedule['id']}/run")
    cancel = f"/actions/{action['id']}/cancel"
    assert (await ask(host, "POST", cancel, who=BEN))[0] == 403
    status, canceled = await ask(host, "POST", cancel)
    assert (status, canceled["state"]) == (202, "canceled")
    assert (await ask(host, "POST", cancel))[0] == 409
    assert not host.drivers.of(SendGcode)


async def test_a_request_with_a_name_runs_once(host: Host) -> None:
    await clear_plate(host)
    schedule = await made(host)
    named = {"Idempotency-Key": "k-1"}
    first = await ask(host, "POST", f"/schedules/{schedule['id']}/run", {}, **named)
    assert await ask(host, "POST", f"/schedules/{schedule['id']}/run", {}, **named) == first
    assert len(host.drivers.of(SendGcode)) == 1


@refused
async def test_arguments_that_do_not_fit(house: Host) -> None:
    schedule = await made(house)
    for arguments, told in (
        ("a b", "takes none"), ("a;b", "`;`"), ("a*7", "`*`"), ("a\nM112", "printable"), ("x" * 256, "255"),
    ):  # fmt: skip
        path = f"/schedules/{schedule['id']}/run"
        status, problem = await ask(house, "POST", path, {"arguments": arguments})
        assert (status, told in problem["detail"]) == (422, True), problem
    assert not house.engine.state.actions
    assert (await ask(house, "DELETE", f"/schedules/{schedule['id']}"))[0] == 204


async def test_runs_are_listed_newest_first(host: Host) -> None:
    await clear_plate(host)
    first, second = await made(host), await made(host, name="other")
    for schedule in (first, second, first):
        await ask(host, "POST", f"/schedules/{schedule['id']}/run")
        await answered(host)
    _, page = await ask(host, "GET", "/actions?limit=2")
    assert ([one["name"] for one in page["actions"]], page["total"]) == (["warm up", "other"], 3)
    _, page = await ask(host, "GET", f"/actions?schedule_id={first['id']}&limit=1&offset=1")
    assert (len(page["actions"]), page["total"]) == (1, 2)
    assert (await ask(host, "GET", "/actions", who=EVE))[1]["total"] == 0


async def test_an_export_by_schedule_is_a_task(host: Host) -> None:
    params = {"statuses": ["completed"], "created_after": "2016-01-01T00:00:00Z"}
    schedule = await made(host, type="HistoryExportJob", params=params)
    assert schedule["params"] == {"statuses": ["completed"], "created_after": "2016-01-01T00:00:00.000Z"}
    again = {key: schedule[key] for key in ("name", "type", "params", "cron")}
    assert (await ask(host, "PUT", f"/schedules/{schedule['id']}", again))[0] == 200, "what is shown is taken"
    _, action = await ask(host, "POST", f"/schedules/{schedule['id']}/run")
    [task] = host.engine.state.tasks.values()
    assert (action["task_id"], action["steps"]) == (task.task_id, [])
    assert task.arguments["member_id"] == ANA.member_id, "of her own jobs: she is no administrator"


async def test_what_happens_is_in_the_event_stream(host: Host) -> None:
    await clear_plate(host)
    headers = await host.bearer(ANA, Scope.DATA_READ)
    async with host.client.get("/gateway/v1/events?after=0", headers=headers) as response:
        schedule = await made(host)
        await ask(host, "POST", f"/schedules/{schedule['id']}/run")
        await answered(host)
        await ask(host, "DELETE", f"/schedules/{schedule['id']}")
        seen = []
        async for line in response.content:
            if not line.startswith(b"data: "):
                continue
            event = json.loads(line[6:])
            if event.get("kind") in ("schedule-changed", "action-moved"):
                details = event["details"]
                seen.append(details.get("what") or details["state"])
            if seen[-1:] == ["removed"]:
                break
    assert seen == ["added", "waiting", "running", "succeeded", "removed"]
