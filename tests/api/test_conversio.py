"""Async jobs beyond their reference: pages, result files, browsers, budgets, and the mapping by itself."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from gateway.api.conversio import mapping
from gateway.api.http.limits import STREAM_ROWS
from gateway.domain.job import ENDS, JobStatus
from gateway.domain.member import Scope
from gateway.domain.schedule import RUN_ENDS, RunState, ScheduleStatus
from gateway.domain.task import ADMIN_KINDS, TASK_ENDS, Standing, Task, TaskFile, TaskKind, TaskStatus
from tests.api.host import PUBLIC_URL, Host
from tests.api.oauth_stand import register, set_password, tokens_for
from tests.conformance.conversio_house import CSV, ENDED, a_task, key, put_content, put_tasks
from tests.support.stand import ANA, BEN, START

LIST = "/api/v1/async-jobs"


async def by_key(host: Host) -> dict[str, str]:
    return {"X-ApiKey": await key(host, BEN)}


# ---------------------------------------------------------------- pages


async def test_pages_are_linked_from_the_newest_to_the_oldest(host: Host) -> None:
    """Each behind the last job of the one before: what is created meanwhile moves none of them."""
    ids = await put_tasks(host, {str(number): a_task() for number in range(5)})
    headers, seen = await by_key(host), []
    link: URL | None = URL(f"{LIST}?limit=2&_=1467890123")  # a parameter that nobody knows does not matter
    while link is not None:
        async with host.client.get(link, headers=headers) as response:
            seen.append([job["id"] for job in (await response.json())["data"]])
            link = response.links["next"]["url"].relative() if "Link" in response.headers else None
            if len(seen) == 1:
                following = rf'<{PUBLIC_URL}{LIST}\?limit=2&after=\d+>; rel="next"'
                assert re.fullmatch(following, response.headers["Link"])
                await put_tasks(host, {"meanwhile": a_task()})
    assert seen == [[ids["4"], ids["3"]], [ids["2"], ids["1"]], [ids["0"]]]
    async with host.client.get(f"{LIST}?limit=2&offset=2", headers=headers) as response:
        assert [job["id"] for job in (await response.json())["data"]] == [ids["3"], ids["2"]]


async def test_all_jobs_of_a_shop_are_one_list(host: Host) -> None:
    """As the reference has it: also those of a shop that is asked for piece by piece."""
    ids = await put_tasks(host, {str(number): a_task() for number in range(2 * STREAM_ROWS + 1)})
    async with host.client.get(LIST, headers=await by_key(host)) as response:
        found = [job["id"] for job in (await response.json())["data"]]
        assert (found, "Link" in response.headers) == (list(ids.values())[::-1], False)


async def test_a_list_that_has_not_changed_is_not_sent_again(host: Host) -> None:
    ids = await put_tasks(host, {"one": a_task()})
    headers = await by_key(host)
    for path in (LIST, f"{LIST}/{ids['one']}"):
        async with host.client.get(path, headers=headers) as response:
            etag = response.headers["ETag"]
        async with host.client.get(path, headers={**headers, "If-None-Match": etag}) as response:
            assert response.status == 304


# ---------------------------------------------------------------- result files


async def finished(host: Host, **changes: Any) -> tuple[str, str]:
    """A task with a file: its id, and the address of its file as the API tells it."""
    file = await put_content(host)
    task = a_task(status=TaskStatus.DONE, started_at=ENDED, ended_at=ENDED, file=file)
    ids = await put_tasks(host, {"done": replace(task, **changes)})
    async with host.client.get(f"{LIST}/{ids['done']}", headers=await by_key(host)) as response:
        return ids["done"], (await response.json())["data"]["result"].removeprefix(PUBLIC_URL)


async def test_a_result_is_saved_not_shown(host: Host) -> None:
    """Nothing that a file says is run by a browser, and nothing of it is kept on the way."""
    _, link = await finished(host)
    async with host.client.get(link) as response:
        assert (response.status, await response.read()) == (200, CSV)
        assert response.headers["Content-Type"] == "text/csv"
        assert response.headers["Content-Disposition"] == "attachment; filename*=UTF-8''history.csv"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "no-store"


async def test_a_result_without_its_very_permit_is_not_there(host: Host) -> None:
    first, link = await finished(host)
    second, other = await finished(host)
    path, _, permit = link.partition("?permit=")
    expires, _, signature = permit.partition(".")
    wrong = [
        path, f"{path}?permit=", f"{path}?permit={permit}x", f"{path}?permit={permit}&permit={permit}",
        f"{path}?permit={int(expires) + 1}.{signature}", other.partition("?")[0] + f"?permit={permit}",
        link.replace(".csv", ".txt"), link.replace(first, "0" * 24), link.replace(first, second),
        f"/async-jobs/{first}", "/async-jobs/..%2f..%2fetc%2fpasswd?permit=1.x",
    ]  # fmt: skip
    for address in wrong:
        async with host.client.get(URL(address, encoded=True)) as response:
            assert response.status == 404, address
            assert await response.json() == {"error": "not_found", "message": "Async Job not found."}


@pytest.mark.parametrize("kind", sorted(ADMIN_KINDS))
async def test_what_is_everybodys_has_no_address_without_a_key(host: Host, kind: TaskKind) -> None:
    done = {"status": TaskStatus.DONE, "started_at": ENDED, "ended_at": ENDED, "result": {"files": 3}}
    task = a_task(kind=kind, file=await put_content(host), **done)
    number = (await put_tasks(host, {"done": task}))["done"]
    headers = {"X-ApiKey": await key(host, BEN, Scope.ADMIN)}
    async with host.client.get(f"{LIST}/{number}", headers=headers) as response:
        assert (await response.json())["data"]["result"] == '{"files":3}'
    path = f"/async-jobs/{number}.csv"
    permit = host.services.signer.sign(path, int(host.clock.wall().timestamp()) + 60)
    async with host.client.get(f"{path}?permit={permit}") as response:
        assert response.status == 404


async def test_a_result_goes_with_its_content(host: Host) -> None:
    """Whatever removed the content: the address tells nothing but that nothing is there."""
    _, link = await finished(host, file=TaskFile("ab" * 32, "history.csv", 30, "text/csv"))
    async with host.client.get(link) as response:
        assert response.status == 404


@pytest.mark.parametrize(
    ("name", "ending"),
    [("history.csv", "csv"), ("backup.tar.gz", "tar.gz"), ("no ending", "bin"), ("part.GCODE", "gcode"),
     ("odd.c s", "bin"), ("Würfel.€", "bin")],
)  # fmt: skip
async def test_an_address_ends_as_the_file_does(host: Host, name: str, ending: str) -> None:
    number, link = await finished(host, file=replace(await put_content(host), name=name))
    assert link.partition("?")[0] == f"/async-jobs/{number}.{ending}"
    async with host.client.get(link) as response:
        assert response.status == 200


# ---------------------------------------------------------------- browsers and budgets


async def test_browsers_of_any_origin_may_call(host: Host) -> None:
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "GET"}
    async with host.client.options(LIST, headers=asked) as response:
        assert response.status == 204
        assert "X-ApiKey" in response.headers["Access-Control-Allow-Headers"]
    async with host.client.get(LIST, headers=await by_key(host)) as response:
        assert response.headers["Access-Control-Allow-Origin"] == "*"


@pytest.fixture
async def limited(tmp_path: Path) -> AsyncIterator[Host]:
    """A gateway that takes three requests a minute of one client."""
    async with Host(tmp_path, rate="3/minute") as built:
        yield built


async def test_a_key_has_one_budget_wherever_it_is_shown(limited: Host) -> None:
    token = await key(limited, BEN)
    shown = [{"X-ApiKey": token}, {"Authorization": f"Bearer {token}"}]
    statuses = []
    for number in range(5):  # the first is of the address: nobody knew the key before
        path = LIST if number % 2 == 0 else "/gateway/v1/jobs"
        async with limited.client.get(path, headers=shown[number % 2]) as response:
            statuses.append(response.status)
    assert statuses == [200, 200, 200, 200, 429]
    async with limited.client.get(LIST, headers=shown[0]) as response:
        assert (await response.json())["error"] == "too_many_requests"
        assert response.headers["Retry-After"] == "60"


async def test_a_key_makes_no_other_token_known(limited: Host) -> None:
    """Else whoever has one key had as many budgets as there are tokens to invent."""
    good, invented = await key(limited, ANA), {"Authorization": "Bearer invented"}
    async with limited.client.get(LIST, headers={"X-ApiKey": good, **invented}) as response:
        assert response.status == 200
    statuses = []
    for _ in range(3):
        async with limited.client.get("/gateway/v1/jobs", headers=invented) as response:
            statuses.append(response.status)
    assert statuses == [401, 401, 429], "of the address, of which one was spent with the key"


# ---------------------------------------------------------------- apps


async def test_an_app_sees_what_it_started_once_a_member_agreed(host: Host) -> None:
    """By OAuth: created over the native API, polled here; the scope opens nothing else."""
    await set_password(host, BEN)
    app = await register(host, scopes=frozenset({Scope.DATA_READ, Scope.DATA_WRITE, Scope.READ_ASYNC_JOBS}))
    tokens = await tokens_for(host, app, scope="data:read data:write read_async_jobs")
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    await put_tasks(host, {"bens own": a_task()})
    async with host.client.post(
        "/gateway/v1/tasks", json={"kind": "history-export"}, headers=headers
    ) as made:
        place = made.headers["Location"].removeprefix(PUBLIC_URL)
    async with host.client.get(place, headers=headers) as response:
        polled = (await response.json())["data"]
    assert (polled["status"], "partnerApp" in polled) == ("pending", False)
    async with host.client.get(LIST, headers=headers) as response:
        assert (await response.json())["data"] == [polled]
    async with host.client.get(place, headers=await by_key(host)) as response:
        assert (await response.json())["data"] == {**polled, "partnerApp": app.id}
    narrow = await tokens_for(host, app, scope="read_async_jobs")
    only = {"Authorization": f"Bearer {narrow['access_token']}"}
    statuses = []
    for path in (LIST, "/gateway/v1/tasks", "/ps/v1/print/jobs"):
        async with host.client.get(path, headers=only) as response:
            statuses.append(response.status)
    assert statuses == [200, 403, 401]


# ---------------------------------------------------------------- the mapping


@pytest.mark.parametrize("states", [TaskStatus, Standing, JobStatus, RunState, ScheduleStatus])
def test_every_state_has_a_word(states: Any) -> None:
    assert {mapping.state_word(state) for state in states} <= set(mapping.STATUSES)


def test_what_is_over_is_over_in_their_words() -> None:
    def is_over(state: Any) -> bool:
        return mapping.state_word(state) not in mapping.UNFINISHED

    assert {status for status in TaskStatus if is_over(status)} == TASK_ENDS
    assert {status for status in JobStatus if is_over(status)} == ENDS
    assert {state for state in RunState if is_over(state)} == RUN_ENDS


INSTANTS = st.datetimes(
    datetime(2016, 1, 1),  # noqa: DTZ001 - the zone comes behind
    datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.builds(timezone, st.timedeltas(timedelta(hours=-14), timedelta(hours=14))),
)
TASKS = st.builds(
    lambda status, started, ended, error, result, file: a_task(
        status=status, started_at=started, ended_at=ended if status in TASK_ENDS else None,
        error=error, result=result, file=file,
    ),
    st.sampled_from(TaskStatus), st.none() | INSTANTS, INSTANTS, st.none() | st.text(),
    st.none() | st.dictionaries(st.text(), st.integers() | st.text() | st.none()),
    st.none() | st.just(TaskFile("ab" * 32, "history.csv", 3, "text/csv")),
)  # fmt: skip


@given(TASKS, st.none() | st.just("https://host/file"), st.none() | st.text(min_size=1))
def test_every_task_is_told_by_the_rules_of_the_table(task: Task, link: str | None, app: str | None) -> None:
    shown = mapping.async_job(task, link, app)
    assert all(isinstance(value, str) for value in shown.values())
    assert ("completedAt" in shown) == (task.ended_at is not None)
    assert ("result" in shown) == (shown["status"] == "done")
    assert ("error" in shown) == (shown["status"] == "failed")
    assert shown.get("error") != ""
    assert shown.get("partnerApp") == app


def test_times_are_utc_in_milliseconds() -> None:
    at = START.replace(microsecond=741_999).astimezone(timezone(timedelta(hours=2)))
    assert mapping.shown_time(at) == "2016-05-18T05:42:02.741Z"
