"""Exports: the rows, in whole and filtered; text that is no formula; a list that is never whole in memory."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.commands import AddMember
from gateway.domain.job import Job, JobStatus, Verdict
from gateway.domain.task import Task, TaskKind, TaskStatus
from gateway.engine.ports import JobPage
from gateway.tasks.kinds.history_export import COLUMNS, HistoryExport
from gateway.tasks.work import Kind
from tests.support.stand import ANA, BEN, START
from tests.tasks.shop import Shop, open_shop

EXPORT = TaskKind.HISTORY_EXPORT
ALL: dict[str, Any] = {
    "member_id": None, "organization_id": None, "printer_id": None, "statuses": [],
    "created_after": None, "created_before": None,
}  # fmt: skip


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(tmp_path) as shop:
        yield shop


def a_job(number: int, **changes: Any) -> Job:
    job = Job(
        work_id=0, job_id=f"00000000-0000-4000-9000-{number:012d}", name=f"job {number}",
        member_id=BEN.member_id, organization_id=1, created_at=START + timedelta(minutes=number),
        status=JobStatus.COMPLETED, status_at=START, ended_at=START + timedelta(hours=2),
        started_at=START + timedelta(hours=1), printer_id=1, file_name="part.gcode", file_size=30,
        file_sha256="ab" * 32,
    )  # fmt: skip
    return replace(job, **changes)


async def put(shop: Shop, *jobs: Job) -> None:
    def add(draft: Any) -> None:
        for job in jobs:
            ordinal = draft.member_jobs.get(job.member_id, 0)
            draft.add_job(replace(job, work_id=draft.next_work_id(), member_ordinal=ordinal))

    await shop.change(add)


def rows_of(shop: Shop, task: Task) -> list[dict[str, str]]:
    with shop.result(task).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))


async def test_a_row_says_what_there_is(shop: Shop) -> None:
    await put(shop, a_job(1, verdict=Verdict.SUCCESSFUL, comment='good, "really"\nfine', message="\u00e4"))
    task = await shop.done(EXPORT, ALL)
    assert (task.status, task.result, task.progress_value, task.progress_total) == (
        TaskStatus.DONE, {"rows": 1}, 1, 1,
    )  # fmt: skip
    assert task.file is not None
    assert task.file.name == "print-history-2016-05-18.csv"
    assert task.file.media_type.startswith("text/csv; charset=utf-8")
    content = shop.result(task).read_bytes()
    assert content.startswith((",".join(COLUMNS) + "\r\n").encode())
    assert content.endswith(b"\r\n")
    (row,) = rows_of(shop, task)
    assert row == {
        "number": "1",
        "job_id": "00000000-0000-4000-9000-000000000001",
        "name": "job 1",
        "status": "completed",
        "verdict": "successful",
        "printer": "mk3",
        "member": "ben",
        "organization_id": "1",
        "is_local": "false",
        "attempts": "0",
        "created_at": "2016-05-18T05:43:02Z",
        "started_at": "2016-05-18T06:42:02Z",
        "ended_at": "2016-05-18T07:42:02Z",
        "elapsed_seconds": "3600",
        "file_name": "part.gcode",
        "file_size": "30",
        "file_sha256": "ab" * 32,
        "comment": 'good, "really"\nfine',
        "message": "\u00e4",
        "origin": "gateway",
    }


async def test_no_jobs_are_a_header(shop: Shop) -> None:
    task = await shop.done(EXPORT, ALL)
    assert rows_of(shop, task) == []
    assert task.result == {"rows": 0}


@pytest.mark.parametrize(
    "name",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "=cmd|' /C calc'!A0", "\u00a0=1", "\ufeff=1",
     "\v+1", "\uff1d1+1", "\u3000\uff201"],
)  # fmt: skip
async def test_text_that_would_be_a_formula_is_none(shop: Shop, name: str) -> None:
    await put(shop, a_job(1, name=name))
    (row,) = rows_of(shop, await shop.done(EXPORT, ALL))
    assert row["name"] == f"'{name}"


@pytest.mark.parametrize(
    ("name", "told"), [("a;=1", "a;'=1"), ("a; b;\t@c", "a; b;'\t@c"), ("a;b-c", "a;b-c")]
)
async def test_where_lines_are_split_at_semicolons_nothing_is_a_formula_either(
    shop: Shop, name: str, told: str
) -> None:
    await put(shop, a_job(1, name=name))
    (row,) = rows_of(shop, await shop.done(EXPORT, ALL))
    assert row["name"] == told


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [1, 2, 3, 4]),
        ({"member_id": BEN.member_id}, [1, 2, 3]),
        ({"organization_id": 1}, [1, 2, 3, 4]),
        ({"organization_id": 2}, []),
        ({"printer_id": 1}, [1, 2, 4]),
        ({"statuses": ["failed"]}, [2]),
        ({"statuses": ["failed", "successful"]}, [2, 3]),
        ({"created_after": "2016-05-18T05:43:02+00:00"}, [2, 3, 4]),
        ({"created_before": "2016-05-18T07:45:02+02:00"}, [1, 2]),
        ({"created_after": "2016-05-18T05:43:02Z", "created_before": "2016-05-18T05:45:02Z"}, [2]),
    ],
)
async def test_filters(shop: Shop, filters: dict[str, Any], expected: list[int]) -> None:
    await shop.give(AddMember(ANA))
    await put(
        shop,
        a_job(1),
        a_job(2, status=JobStatus.FAILED),
        a_job(3, verdict=Verdict.SUCCESSFUL, printer_id=None),
        a_job(4, member_id=ANA.member_id),
    )
    task = await shop.done(EXPORT, ALL | filters)
    assert [int(row["job_id"][-2:]) for row in rows_of(shop, task)] == expected


class Paged:
    """The real list, asked for in pages of twenty while jobs come in."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self.asked: list[int | None] = []

    async def jobs(self, **wanted: Any) -> JobPage:
        self.asked.append(wanted["from_work_id"])
        page = await self._shop.queries.jobs(**wanted)
        assert len(page.jobs) <= 20
        await put(self._shop, a_job(100 + len(self.asked)))
        return page


async def test_many_jobs_are_read_page_by_page_each_once(tmp_path: Path) -> None:
    """Jobs that come while the pages are read are not in it."""
    pages: list[Paged] = []

    def paged(shop: Shop) -> dict[str, Kind]:
        pages.append(Paged(shop))
        export = HistoryExport(
            engine=shop.engine, jobs=pages[0], results=shop.results, clock=shop.clock, page_jobs=20
        )
        return {"HISTORY_EXPORT": export}

    async with open_shop(tmp_path, paged) as shop:
        await put(shop, *(a_job(number) for number in range(1, 50)))
        task = await shop.done(EXPORT, ALL)
        assert [row["job_id"][-3:] for row in rows_of(shop, task)] == [f"{n:03d}" for n in range(1, 50)]
        assert pages[0].asked == [None, 21, 41]
        assert (task.progress_value, task.progress_total) == (49, 49)
