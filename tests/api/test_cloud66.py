"""Cloud 66's stack jobs beyond their documentation's lines: runs to their end, refusals, limits, words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.cloud66 import answers, mapping, schemas
from gateway.api.cloud66.paging import PER_PAGE, pages_of, pagination
from gateway.api.http.answers import encode
from gateway.api.http.problems import Failure
from gateway.domain.member import Member, Scope
from gateway.domain.observations import OrderAnswered, OrderResult
from gateway.domain.orders import SendGcode
from gateway.domain.schedule import (
    RUN_ENDS,
    RUNS_KEPT,
    Action,
    RunState,
    Schedule,
    ScheduleStatus,
    ScheduleType,
    StartedVia,
)
from tests.api.host import Host
from tests.conformance.cloud66_house import (
    ACTION,
    RAKE,
    STACK,
    WARM_UP,
    a_run,
    a_schedule,
    furnish,
    headers_of,
)
from tests.support.stand import ANA, BEN

JOBS = f"/stacks/{STACK}/jobs"
RUN = f"{JOBS}/{WARM_UP.schedule_id}/run_now.json"
instants = st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2100, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(tzinfo=UTC)
)
members = st.none() | st.builds(
    Member, st.just(ANA.member_id), st.just("ana"), st.just(1), st.none() | st.just("ana@example.org")
)


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Any schedule the domain can hold."""
    return a_schedule(
        draw(st.integers(0, 2**20)), draw(st.text(max_size=20)), 1, type=draw(st.sampled_from(ScheduleType)),
        status=draw(st.sampled_from(ScheduleStatus)), cron=draw(st.none() | st.just("* * * * *")),
        created_at=draw(instants), updated_at=draw(instants), is_paused=draw(st.booleans()),
        params=draw(st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.none(), max_size=3)),
    )  # fmt: skip


@st.composite
def runs(draw: st.DrawFn) -> Action:
    """Any run the domain can hold."""
    state = draw(st.sampled_from(RunState))
    return a_run(
        1, work_id=draw(st.integers(1, 2**31 - 1)), state=state, created_at=draw(instants),
        started_via=draw(st.sampled_from(StartedVia)), started_at=draw(st.none() | instants),
        ended_at=draw(instants) if state in RUN_ENDS else None, message=draw(st.none() | st.text(max_size=9)),
    )  # fmt: skip


@given(schedules())
def test_every_schedule_is_a_job_as_documented(schedule: Schedule) -> None:
    shown = mapping.job_object(schedule)
    schemas.Job.model_validate_json(encode(shown), strict=True)
    assert list(shown) == list(schemas.Job.model_fields)


@given(runs(), members)
def test_every_run_is_an_action_as_documented(action: Action, member: Member | None) -> None:
    shown = mapping.action_object(action, member)
    schemas.Action.model_validate_json(encode(shown), strict=True)
    assert list(shown) == list(schemas.Action.model_fields)
    assert (shown["finished_at"] is None) == (shown["finished_success"] is None) == (not action.is_over)
    assert shown["finished_success"] in (None, action.state is RunState.SUCCEEDED)
    assert shown["user"] == ((member.email or member.name) if member else action.member_id)


@given(st.integers(0, 200), st.integers(1, 20))
def test_following_next_shows_every_row_once(count: int, page: int) -> None:
    shown = pagination(page, count)
    assert shown["pages"] == pages_of(count) >= 1
    seen, at = 0, 1
    while True:
        seen += min(PER_PAGE, count - (at - 1) * PER_PAGE)
        if (following := pagination(at, count)["next"]) is None:
            break
        assert pagination(following, count)["previous"] == at
        at = following
    assert (seen, at) == (count, pages_of(count))
    assert shown["previous"] is None or 1 <= shown["previous"] < page


@pytest.mark.parametrize(
    ("status", "shown", "word"),
    [
        (400, 400, "bad_request"), (401, 401, "unauthenticated"), (403, 403, "forbidden"),
        (404, 404, "not_found"), (405, 405, "method_not_allowed"), (409, 409, "conflict"),
        (413, 400, "bad_request"), (415, 400, "bad_request"), (422, 400, "bad_request"),
        (429, 503, "throttled"), (500, 500, "internal_error"), (503, 503, "unavailable"),
    ],
)  # fmt: skip
def test_every_failure_has_its_word(status: int, shown: int, word: str) -> None:
    response = answers.render(Failure(status, "why"), None)  # type: ignore[arg-type]
    assert response.status == shown
    body = schemas.Error.model_validate_json(response.body)  # type: ignore[arg-type]
    assert body.error == word
    assert body.error_description == ("why" if status != 404 else answers.NOT_FOUND)


# ---------------------------------------------------------------- runs


async def read(host: Host, path: str, method: str = "GET", **more: Any) -> tuple[int, Any]:
    headers = await headers_of(host, "ana") | more.pop("headers", {})
    async with host.client.request(method, path, headers=headers, **more) as response:
        return response.status, await response.json()


async def answer(host: Host, result: OrderResult, message: str | None = None) -> None:
    """The driver's word on the macro that was sent last."""
    order = host.drivers.of(SendGcode)[-1]
    assert isinstance(order, SendGcode)
    host.engine.observe(OrderAnswered("mk3", order.order_id, result, message))
    await host.engine.settled()


async def job_status(host: Host) -> int:
    _, body = await read(host, f"{JOBS}/{WARM_UP.schedule_id}")
    return int(body["response"]["status"])


async def test_a_run_from_its_start_to_its_success(host: Host) -> None:
    await furnish(host)
    assert await job_status(host) == 0
    status, body = await read(host, RUN, "POST")
    assert (status, body["response"]["id"]) == (200, ACTION)
    assert await job_status(host) == 1
    host.clock.advance(60)
    await answer(host, OrderResult.ACCEPTED)
    _, body = await read(host, f"/api/3/stacks/{STACK}/actions/{ACTION}.json")
    assert body["response"] == {
        "id": ACTION, "user": "test@example.com", "resource_type": "stack", "action": "job_run_now",
        "resource_id": "1602", "started_via": "api", "started_at": "2016-05-18T05:42:02Z",
        "finished_at": "2016-05-18T05:43:02Z", "finished_success": True,
        "finished_message": "done on 1 of 1 printer",
    }  # fmt: skip
    assert await job_status(host) == 2


async def test_a_run_whose_driver_cannot_tell_has_failed(host: Host) -> None:
    await furnish(host)
    await read(host, RUN, "POST")
    await answer(host, OrderResult.UNCLEAR, "the cable was pulled")
    _, body = await read(host, f"/stacks/{STACK}/actions/{ACTION}")
    assert body["response"]["finished_success"] is False
    assert "look at the machine" in body["response"]["finished_message"]
    assert await job_status(host) == 3


async def test_runs_wait_for_each_other_so_many_of_them(host: Host) -> None:
    await furnish(host)
    for _ in range(RUNS_KEPT):
        assert (await read(host, RUN, "POST"))[0] == 200
    status, body = await read(host, RUN, "POST")
    assert (status, body["error"]) == (409, "conflict")
    assert "not over" in body["error_description"]
    assert len(host.drivers.of(SendGcode)) == 1
    await answer(host, OrderResult.ACCEPTED)
    assert (await read(host, RUN, "POST"))[0] == 200


async def test_a_request_with_a_name_runs_once(host: Host) -> None:
    await furnish(host)
    named = {"Idempotency-Key": "k-1"}
    first = await read(host, RUN, "POST", headers=named)
    assert await read(host, RUN, "POST", headers=named) == first
    await answer(host, OrderResult.ACCEPTED)
    _, again = await read(host, RUN, "POST", headers=named)
    assert (again["response"]["id"], again["response"]["finished_success"]) == (ACTION, True)
    assert len(host.drivers.of(SendGcode)) == 1
    other = f"{JOBS}/{RAKE.schedule_id}/run_now"
    status, body = await read(host, other, "POST", data={"job_args": "x"}, headers=named)
    assert (status, body["error"]) == (400, "bad_request")


async def test_a_run_of_a_removed_schedule_is_found_by_its_number(host: Host) -> None:
    names = await furnish(host)
    headers = await host.bearer(ANA)
    path = f"/gateway/v1/schedules/{WARM_UP.schedule_id}"
    assert (await host.client.delete(path, headers=headers)).status == 204
    assert (await read(host, f"{JOBS}/{WARM_UP.schedule_id}"))[0] == 404
    assert (await read(host, f"/stacks/{STACK}/actions/{names['done']}"))[0] == 200


async def test_a_list_shows_a_change_at_once(host: Host) -> None:
    await furnish(host)
    _, before = await read(host, JOBS)
    await read(host, RUN, "POST")
    _, after = await read(host, JOBS)
    changed = {
        one["uid"] for one, two in zip(before["response"], after["response"], strict=True) if one != two
    }
    assert changed == {WARM_UP.schedule_id}


# ---------------------------------------------------------------- limits, scopes


@pytest.fixture
async def limited(tmp_path: Path) -> AsyncIterator[Host]:
    """A gateway that takes three requests a minute of one client."""
    async with Host(tmp_path, rate="3/minute") as built:
        yield built


async def test_the_limit_is_told_and_kept_in_the_documented_words(limited: Host) -> None:
    await furnish(limited)
    headers = await headers_of(limited, "ben")
    await limited.client.get(JOBS, headers=headers)  # of the address: nobody knew the token before
    for remaining in ("2", "1", "0"):
        async with limited.client.get(JOBS, headers=headers) as response:
            assert response.status == 200
            assert response.headers["X-RateLimit-Limit"] == "3"
            assert response.headers["X-RateLimit-Remaining"] == remaining
    async with limited.client.get(JOBS, headers=headers) as response:
        assert response.status == 503
        assert (await response.json())["error"] == "throttled"
        assert response.headers["Retry-After"] == "60"
        assert response.headers["X-RateLimit-Remaining"] == "0"


async def test_every_scope_but_one_is_refused(host: Host) -> None:
    await furnish(host)
    for scope in Scope:
        headers = await host.bearer(BEN, scope)
        async with host.client.get(JOBS, headers=headers) as response:
            assert response.status == (200 if scope in (Scope.PUBLIC, Scope.ADMIN) else 403), scope
