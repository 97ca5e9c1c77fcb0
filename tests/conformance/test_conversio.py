"""Conversio's async jobs against their reference: its example key by key, then each statement."""

from __future__ import annotations

import json
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from multidict import CIMultiDict
from yarl import URL

from gateway.domain.task import TASK_KEPT, TaskStatus
from tests.api.host import PUBLIC_URL, Host
from tests.conformance.conversio_house import CSV, ENDED, a_task, furnish, headers_of, put_content, put_tasks
from tests.support.stand import START

DATA = Path(__file__).parent / "conversio"
EXAMPLE: list[dict[str, str]] = json.loads((DATA / "example.json").read_text())["data"]
CONTRACT: dict[str, Any] = tomllib.loads((DATA / "contract.toml").read_text())
LIST = "/api/v1/async-jobs"
THEIRS = "https://app.conversio.com"


async def ask(host: Host, who: str, path: str = "", method: str = "GET") -> tuple[int, Any]:
    """What the API answers somebody."""
    return await ask_with(host, await headers_of(host, who), path, method)


async def ask_with(
    host: Host, headers: dict[str, str] | CIMultiDict[str], path: str = "", method: str = "GET"
) -> tuple[int, Any]:
    url = URL(f"{LIST}{path}", encoded=True)
    async with host.client.request(method, url, headers=headers) as response:
        assert response.content_type == "application/json"
        return response.status, await response.json()


# ---------------------------------------------------------------- the example


async def arrange_example(host: Host) -> None:
    """The three jobs of the example, the newest first, on the day after."""
    host.clock.advance((datetime(2017, 1, 4, tzinfo=UTC) - START).total_seconds())
    file = await put_content(host)
    changes = {
        "done": {"status": TaskStatus.DONE, "file": file},
        "pending": {},
        "failed": {"status": TaskStatus.FAILED, "error": EXAMPLE[2]["error"]},
    }
    found = {}
    for job in reversed(EXAMPLE):
        times = {
            name: datetime.fromisoformat(job[key])
            for name, key in (("started_at", "startedAt"), ("ended_at", "completedAt"))
            if key in job
        }
        found[job["id"]] = a_task(hex24=job["id"], **changes[job["status"]], **times)
    await put_tasks(host, found)


def as_theirs(shown: dict[str, str]) -> dict[str, str]:
    """A job as their host would have told it: the kind and the host are ours, an address has a permit."""
    theirs = {**shown, "kind": "newsletter-recipients"}
    if "result" in shown:
        assert re.search(r"\?permit=\d+\.[A-Za-z0-9_-]{43}$", shown["result"])
        theirs["result"] = shown["result"].partition("?")[0].replace(PUBLIC_URL, THEIRS)
    return theirs


def exactly(value: Any) -> Any:
    """With the order of keys and the types of values."""
    if isinstance(value, dict):
        return [(key, exactly(item)) for key, item in value.items()]
    return [exactly(item) for item in value] if isinstance(value, list) else (type(value), value)


async def test_the_examples_list(host: Host) -> None:
    """Lines 17 to 51: the request as it is written, and its answer."""
    await arrange_example(host)
    headers = {**await headers_of(host, "ben"), "Accept": "application/json"}
    status, body = await ask_with(host, headers)
    assert (status, list(body)) == (200, ["data"])
    assert exactly([as_theirs(job) for job in body["data"]]) == exactly(EXAMPLE)


async def test_the_examples_single_job(host: Host) -> None:
    """Lines 94 to 113."""
    await arrange_example(host)
    headers = {**await headers_of(host, "ben"), "Accept": "application/json"}
    status, body = await ask_with(host, headers, f"/{EXAMPLE[0]['id']}")
    assert (status, list(body)) == (200, ["data"])
    assert exactly(as_theirs(body["data"])) == exactly(EXAMPLE[0])


# ---------------------------------------------------------------- statement by statement


async def test_every_key_is_where_and_what_it_should_be(host: Host) -> None:
    ids = await furnish(host)
    _, body = await ask(host, "root")
    found = {job["id"]: job for job in body["data"]}
    shown = {name: found[number] for name, number in ids.items() if number in found}
    keys = [row["key"] for row in CONTRACT["attribute"]]
    for row in CONTRACT["attribute"]:
        key, on = row["key"], set(shown) if row["on"] == "*" else set(row["on"])
        assert {name for name, job in shown.items() if key in job} == on, key
        values = [shown[name][key] for name in on]
        assert [value for value in values if not re.search(row["pattern"], value)] == [], key
    for job in shown.values():
        assert list(job) == sorted(job, key=keys.index), "in the order of the table"
        assert ("completedAt" in job) == ("result" in job or "error" in job), "line 79"
        assert not ("result" in job and "error" in job), "line 81"
        assert None not in job.values()


async def test_who_is_shown_which(host: Host) -> None:
    """The same in the list, newest first, and one by one."""
    ids = await furnish(host)
    for row in CONTRACT["shown"]:
        who, headers = row["who"], await headers_of(host, row["who"])
        _, body = await ask_with(host, headers)
        listed = {job["id"]: job for job in body["data"]}
        assert list(listed) == [ids[name] for name in ids if name in row["jobs"]][::-1], (
            f"{who}, newest first"
        )
        for name, number in ids.items():
            status, one = await ask_with(host, headers, f"/{number}")
            assert status == (200 if name in row["jobs"] else 404), (who, name)
            assert one.get("data") == listed.get(number), (who, name)


async def test_partner_apps_are_told_to_the_shop_alone(host: Host) -> None:
    """Lines 85, 155."""
    ids = await furnish(host)
    _, by_key = await ask(host, "ben", f"/{ids['of-app']}")
    _, by_app = await ask(host, "app reports for ben", f"/{ids['of-app']}")
    assert by_key["data"] == {**by_app["data"], "partnerApp": "reports"}


async def test_the_word_of_every_standing(host: Host) -> None:
    ids = await furnish(host)
    _, body = await ask(host, "ben")
    words = {job["id"]: job["status"] for job in body["data"]}
    assert {name: words[ids[name]] for name in CONTRACT["statuses"]} == CONTRACT["statuses"]


async def test_what_is_refused(host: Host) -> None:
    ids = await furnish(host)
    for row in CONTRACT["refused"]:
        headers: Any = await headers_of(host, "ben" if row["who"] == "two keys" else row["who"])
        if row["who"] == "two keys":
            headers = CIMultiDict([*headers.items(), *headers.items()])
        path = row.get("path", "").format_map(ids)
        status, body = await ask_with(host, headers, path, row.get("method", "GET"))
        assert (status, body["error"], list(body)) == (row["status"], row["error"], ["error", "message"]), row
        if status == 404:
            assert body["message"] == "Async Job not found.", "one answer for all that is not there"


async def test_an_async_job_is_gone_a_week_after_its_end_to_the_second(host: Host) -> None:
    """Lines 9 and 131: out of the list, by itself, and its file."""
    ids = await furnish(host)
    exported = ids["exported"]
    _, body = await ask(host, "ben", f"/{exported}")
    link = URL(body["data"]["result"]).relative()
    host.clock.advance((ENDED + TASK_KEPT - START).total_seconds() - 0.5)
    assert (await ask(host, "ben", f"/{exported}"))[0] == 200
    async with host.client.get(link) as response:
        assert (response.status, await response.read()) == (200, CSV)
    host.clock.advance(0.5)
    assert (await ask(host, "ben", f"/{exported}"))[0] == 404
    assert exported not in [job["id"] for job in (await ask(host, "ben"))[1]["data"]]
    async with host.client.get(link) as response:
        assert response.status == 404
    assert (await ask(host, "ben", f"/{ids['running']}"))[0] == 200, "what is not over does not expire"
