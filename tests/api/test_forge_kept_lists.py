"""Lists whose pages and rows are kept say at every moment what a list that is made anew would say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.domain.job import JobStatus
from gateway.domain.member import Member
from tests.api.host import EVE, Host, a_job
from tests.support.stand import ANA, BEN, START

LIST = "/ps/v1/print/jobs"


async def listed(host: Host, member: Member = BEN, path: str = LIST) -> list[dict[str, Any]]:
    """Asked for twice: the second answer is the first one, to the byte."""
    headers = await host.bearer(member)
    answers = [await host.client.get(path, headers=headers) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200]
    assert await answers[0].read() == await answers[1].read()
    assert answers[0].headers["ETag"] == answers[1].headers["ETag"]
    jobs: list[dict[str, Any]] = (await answers[1].json())["jobs"]
    return jobs


def over(name: str = "my_job", member: Member = BEN, **changes: Any) -> Any:
    return a_job(name, member, status=JobStatus.COMPLETED, started_at=START, ended_at=START, **changes)


async def test_a_verdict_is_in_the_very_next_list(host: Host) -> None:
    await host.put_jobs(over())
    [before] = await listed(host)
    address = f"{LIST}/{before['job_id']}"
    for verdict in ("failed", "successful"):
        changed = await host.client.put(f"{address}?status={verdict}", headers=await host.bearer(BEN))
        assert changed.status == 200, await changed.text()
        assert [job["status"] for job in await listed(host)] == [verdict]
    assert len(await listed(host, path=f"{LIST}?status=successful")) == 1
    assert await listed(host, path=f"{LIST}?status=failed") == []


async def test_a_printers_new_name_is_in_the_very_next_list(host: Host) -> None:
    await host.put_jobs(over())
    assert [job["job_status"]["printer_name"] for job in await listed(host)] == ["mk3"]
    renamed = replace(host.engine.state.printers[1], display_name="Workshop")
    await host.change(lambda draft: draft.put_printer(renamed))
    assert [job["job_status"]["printer_name"] for job in await listed(host)] == ["Workshop"]


async def test_members_are_shown_their_own(host: Host) -> None:
    mine, hers = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
    await host.put_jobs(over("mine", BEN, job_id=mine), over("hers", EVE, job_id=hers))
    for _ in range(2):
        assert [job["job_name"] for job in await listed(host, BEN)] == ["mine"]
        assert [job["job_name"] for job in await listed(host, EVE)] == ["hers"]
        assert await listed(host, ANA) == []


async def test_progress_that_is_not_written_yet_is_shown(host: Host) -> None:
    """The page is kept, and what runs is said anew each time."""
    running = a_job(status=JobStatus.PRINTING, print_key="m", started_at=START, printer_id=1)
    await host.put_jobs(over(job_id="11111111-1111-4111-8111-111111111111"), running)
    work_id = max(host.engine.state.jobs)
    for progress in (0.25, 0.5):
        jobs = host.engine.state.jobs
        jobs[work_id] = replace(jobs[work_id], progress=progress)
        shown = await listed(host)
        assert shown[1]["job_status"]["job_progress"] == progress


async def test_a_clients_copy_holds_until_something_changed(host: Host) -> None:
    await host.put_jobs(over())
    headers = await host.bearer(BEN)
    tag = (await host.client.get(LIST, headers=headers)).headers["ETag"]
    again = headers | {"If-None-Match": tag}
    assert (await host.client.get(LIST, headers=again)).status == 304
    await host.put_jobs(over(job_id="22222222-2222-4222-8222-222222222222"))
    changed = await host.client.get(LIST, headers=again)
    assert (changed.status, changed.headers["X-Total-Count"]) == (200, "2")
    assert changed.headers["ETag"] != tag
