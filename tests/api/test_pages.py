"""Lists page by page over HTTP: whatever the page size and filter, links lead through all of it once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.job import ENDS, Job, JobStatus
from gateway.domain.member import Scope
from tests.api.host import EVE, Host, a_job
from tests.support.stand import ANA, BEN, START, printer

ROOT = "/ps/v1"
STATUSES = (JobStatus.QUEUED, JobStatus.CREATED, JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED)


def a_house(count: int) -> list[Job]:
    """Jobs of ben and eve in turns, in all statuses, a second apart."""
    jobs = []
    for number in range(count):
        at = START + timedelta(seconds=number)
        status = STATUSES[number * 7 % len(STATUSES)]
        over = {"ended_at": at} if status in ENDS else {}
        member, where = (EVE, 2) if number % 3 == 2 else (BEN, 1)
        job = a_job(
            f"job {number}", member, job_id=f"00000000-0000-4000-9000-{number:012d}", printer_id=where
        )
        jobs.append(replace(job, status=status, created_at=at, status_at=at, **over))
    return jobs


HOUSE = a_house(41)
BENS = [job for job in HOUSE if job.member_id == BEN.member_id]


def names(jobs: list[Job], statuses: tuple[str, ...]) -> list[str]:
    return [job.name for job in jobs if not statuses or job.status.value in statuses]


def within(folder: Path, work: Callable[[Host, dict[str, str]], Coroutine[Any, Any, None]]) -> None:
    """Run something in a house with jobs, as ben."""

    async def play() -> None:
        async with Host(folder) as host:
            await host.put_jobs(*HOUSE)
            await work(host, await host.bearer(BEN))

    asyncio.run(play())


async def page(host: Host, headers: dict[str, str], link: str) -> dict[str, Any]:
    response = await host.client.get(ROOT + link, headers=headers)
    body: dict[str, Any] = await response.json()
    assert response.status == 200, body
    assert body["count"] == len(body["jobs"])
    assert body["_link"].startswith("/print/jobs?limit=")
    return body | {"total": int(response.headers["X-Total-Count"])}


queries = st.tuples(
    st.integers(1, 50),
    st.lists(st.sampled_from([status.value for status in STATUSES]), max_size=3, unique=True),
)


def test_links_lead_through_all_of_it_once(tmp_path: Path) -> None:
    """Forward by `_link_next`, back by `_link_prev`, the same pages in both directions."""

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(queries)
    def each(query: tuple[int, list[str]]) -> None:
        asked.append(query)

    async def walk(host: Host, headers: dict[str, str]) -> None:
        for limit, statuses in asked:
            status = f"&status={quote(json.dumps(statuses))}" if statuses else ""
            link, pages = f"/print/jobs?limit={limit}{status}", []
            while link:
                pages.append(await page(host, headers, link))
                link = pages[-1]["_link_next"]
            wanted = names(BENS, tuple(statuses))
            assert [job["job_name"] for found in pages for job in found["jobs"]] == wanted
            assert {found["total"] for found in pages} == {len(wanted)}
            assert pages[0]["_link_prev"] == ""
            for earlier, later in pairwise(pages):
                assert later["_link_prev"] == earlier["_link"]
                assert earlier["_link_next"] == later["_link"]

    asked: list[tuple[int, list[str]]] = []
    each()
    within(tmp_path, walk)


async def test_every_spelling_of_a_filter_is_the_same_page(host: Host) -> None:
    """As the reference has it, its SDK, its sample apps, and a script: one answer, one normal `_link`."""
    await host.put_jobs(*HOUSE)
    headers = await host.bearer(BEN)
    spellings = [
        "status=%5B%22queued%22%2C%22failed%22%5D", 'status=["queued","failed"]', "status=queued,failed",
        "status=queued&status=failed", "status=queued%2Cfailed", 'status=["queued"]&status=failed',
        "status=%20queued%20,%20failed", 'status=[ "queued" , "failed" ]', 'status="queued,failed"',
        "status=queued,failed,queued", "limit=20&offset=0&status=queued,failed",
        "status=queued,failed&sort=member_id&member_id=1",
    ]  # fmt: skip
    bodies = [await page(host, headers, f"/print/jobs?{spelling}") for spelling in spellings]
    response = await host.client.get(
        f"{ROOT}/print/jobs", headers=headers, json={"status": ["queued", "failed"], "limit": "20"}
    )
    bodies.append(await response.json() | {"total": bodies[0]["total"]})
    assert all(body == bodies[0] for body in bodies)
    assert bodies[0]["_link"] == "/print/jobs?limit=20&offset=0&status=%5B%22queued%22%2C%22failed%22%5D"
    assert [job["job_name"] for job in bodies[0]["jobs"]] == names(BENS, ("queued", "failed"))


@pytest.mark.parametrize(
    ("query", "limit", "offset", "count", "prev", "following"),
    [
        ("", 20, 0, 20, "", "limit=20&offset=20"),
        ("limit=-1", -1, 0, 28, "", ""),
        ("limit=-1&offset=5", -1, 5, 23, "", ""),
        ("limit=28", 28, 0, 28, "", ""),
        ("limit=27", 27, 0, 27, "", "limit=27&offset=27"),
        ("limit=27&offset=27", 27, 27, 1, "limit=27&offset=0", ""),
        ("limit=10&offset=3", 10, 3, 10, "limit=10&offset=0", "limit=10&offset=13"),
        ("limit=5&offset=28", 5, 28, 0, "limit=5&offset=23", ""),
        ("offset=1000", 20, 1000, 0, "limit=20&offset=980", ""),
        ("limit=2147483647&offset=2147483647", 2147483647, 2147483647, 0, "limit=2147483647&offset=0", ""),
        ("limit=007", 7, 0, 7, "", "limit=7&offset=7"),
    ],
)  # fmt: skip
async def test_pages_at_the_edges(
    host: Host, query: str, limit: int, offset: int, count: int, prev: str, following: str
) -> None:
    await host.put_jobs(*HOUSE)
    body = await page(host, await host.bearer(BEN), f"/print/jobs?{query}")
    assert (body["limit"], body["offset"], body["count"]) == (limit, offset, count)
    assert body["_link"] == f"/print/jobs?limit={limit}&offset={offset}"
    assert body["_link_prev"] == (f"/print/jobs?{prev}" if prev else "")
    assert body["_link_next"] == (f"/print/jobs?{following}" if following else "")
    assert body["total"] == len(BENS)


async def test_jobs_that_come_meanwhile_come_at_the_end(host: Host) -> None:
    """Order is creation: pages that were read stay as they are."""
    await host.put_jobs(*HOUSE)
    headers = await host.bearer(BEN)
    first = await page(host, headers, "/print/jobs?limit=20")
    await host.put_jobs(a_job("later", BEN, job_id="00000000-0000-4000-9000-999999999999"))
    second = await page(host, headers, first["_link_next"])
    again = await page(host, headers, second["_link_prev"])
    assert again["jobs"] == first["jobs"]
    assert second["jobs"][-1]["job_name"] == "later"


async def test_a_time_that_goes_back_changes_no_order(host: Host) -> None:
    """A Raspberry Pi starts in the past until somebody tells it the time: numbers order, not clocks."""
    await host.put_jobs(
        *(
            a_job(f"{number}", BEN, job_id=f"00000000-0000-4000-9000-{number:012d}",
                  created_at=START - timedelta(days=number), status_at=START)
            for number in range(5)
        )
    )  # fmt: skip
    body = await page(host, await host.bearer(BEN), "/print/jobs")
    assert [job["job_name"] for job in body["jobs"]] == ["0", "1", "2", "3", "4"]


async def test_each_member_has_its_own_list(host: Host) -> None:
    """Also the administrator: "Lists all the member's jobs"."""
    await host.put_jobs(*HOUSE)
    for member, scopes, count in ((BEN, (), 28), (EVE, (), 13), (ANA, (), 0), (ANA, (Scope.ADMIN,), 0)):
        body = await page(host, await host.bearer(member, *scopes), "/print/jobs?limit=-1")
        assert (body["count"], body["member_id"]) == (count, member.member_id)
        assert {job["member_id"] for job in body["jobs"]} <= {member.member_id}


# ---------------------------------------------------------------- printers


async def test_printers_page_by_page(host: Host) -> None:
    """The same envelope; oldest first."""
    await host.put_printers(*(printer(number, f"p{number}") for number in range(3, 9)))
    headers = await host.bearer(BEN)
    link, seen = "/print/printers?limit=3", []
    while link:
        body = await (await host.client.get(ROOT + link, headers=headers)).json()
        seen += [found["printer_id"] for found in body["printers"]]
        link = body["_link_next"]
    assert seen == [1, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize(
    ("query", "status"),
    [("limit=0", 422), ("limit=-2", 422), ("limit=x", 400), ("offset=-1", 422), ("limit=1&limit=2", 400),
     ("limit=-1", 200), ("sort=member_id&member_id=20711941", 200)],
)  # fmt: skip
async def test_printers_refuse_as_jobs_do(host: Host, query: str, status: int) -> None:
    response = await host.client.get(f"{ROOT}/print/printers?{query}", headers=await host.bearer(BEN))
    assert response.status == status


# ---------------------------------------------------------------- the native list


@pytest.mark.parametrize("limit", [1, 7, 28, 1000])
async def test_native_pages_are_the_whole(host: Host, limit: int) -> None:
    await host.put_jobs(*HOUSE)
    headers, seen, offset = await host.bearer(BEN), [], 0
    while True:
        response = await host.client.get(f"/gateway/v1/jobs?limit={limit}&offset={offset}", headers=headers)
        body = await response.json()
        assert body["total"] == 28
        seen += [job["name"] for job in body["jobs"]]
        offset += limit
        if offset >= body["total"]:
            break
    assert seen == names(BENS, ())


# ---------------------------------------------------------------- asking again


@pytest.mark.parametrize(
    "path",
    [
        "/ps/v1/print/jobs", "/ps/v1/print/jobs?status=queued",
        f"/ps/v1/print/jobs/{HOUSE[0].job_id}",
        "/gateway/v1/jobs", f"/gateway/v1/jobs/{HOUSE[0].job_id}", "/gateway/v1/printers",
        "/gateway/v1/printers/1", "/openapi.json",
    ],
)  # fmt: skip
async def test_what_is_unchanged_is_not_sent_again(host: Host, path: str) -> None:
    """`If-None-Match` with the ETag one has, weak or in a list or `*`: 304, without a body, with the ETag."""
    await host.put_jobs(*HOUSE[:4])
    headers = await host.bearer(BEN)
    first = await host.client.get(path, headers=headers)
    etag = first.headers["ETag"]
    assert first.headers["Cache-Control"] == "private, no-cache"
    for condition in (etag, f"W/{etag}", f'"other", {etag}', f'"other",W/{etag} ', "*"):
        again = await host.client.get(path, headers={**headers, "If-None-Match": condition})
        assert (again.status, await again.read()) == (304, b""), condition
        assert again.headers["ETag"] == etag
    for condition in ('"other"', etag.strip('"'), etag[:-2] + '"', ""):
        assert (await host.client.get(path, headers={**headers, "If-None-Match": condition})).status == 200
    head = await host.client.head(path, headers={**headers, "If-None-Match": etag})
    assert head.status == 304


async def test_an_etag_is_ones_own(host: Host) -> None:
    """Two members' lists never share a validator, not even empty ones."""
    etags = {
        (await host.client.get("/ps/v1/print/jobs", headers=await host.bearer(member))).headers["ETag"]
        for member in (ANA, BEN, EVE)
    }
    assert len(etags) == 3


async def test_a_new_status_is_a_new_etag(host: Host) -> None:
    await host.put_jobs(HOUSE[0])
    headers = await host.bearer(BEN)
    paths = (
        "/ps/v1/print/jobs",
        f"/ps/v1/print/jobs/{HOUSE[0].job_id}",
        f"/gateway/v1/jobs/{HOUSE[0].job_id}",
    )
    before = [(await host.client.get(path, headers=headers)).headers["ETag"] for path in paths]
    await host.client.post(f"/gateway/v1/jobs/{HOUSE[0].job_id}/cancel", headers=headers)
    for path, etag in zip(paths, before, strict=True):
        response = await host.client.get(path, headers={**headers, "If-None-Match": etag})
        assert (response.status, "canceled" in await response.text()) == (200, True)
