"""When files are fetched, how often, how many at once, and what a restart does; on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.commands import AddMember, CancelJob, ChooseFile, SubmitJob
from gateway.domain.file import FileRejected
from gateway.domain.job import Job, JobStatus
from gateway.tasks.fetching import FETCHES, FETCHES_PER_HOST, FETCHES_PER_MEMBER, TRIES, Fetcher
from gateway.transport.web import Downloaded, Sink
from gateway.transport.web_errors import WebTrouble
from tests.support.office import Office
from tests.support.stand import ANA, BEN

URL = "https://files.example/a/part.gcode"
GCODE = b"G28\nG1 X10\n"
PASSING = WebTrouble("it answers with status 503", is_passing=True, status=503)
FINAL = WebTrouble("it answers with status 404", is_passing=False, status=404)
MINUTE, HOUR = 60.0, 3600.0  # seconds


class FakeWeb:
    """Answers by URL; an answer is bytes, trouble, or a second and one of both."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[float, str]] = []
        self.now: list[str] = []
        self.most_now: list[str] = []
        self.seconds = 1.0

    async def download(
        self, url: str, sink: Sink, *, seconds: float, most_bytes: int, redirects: int
    ) -> Downloaded:
        self.asked.append((asyncio.get_running_loop().time(), url))
        self.now.append(url)
        self.most_now = max(self.most_now, list(self.now), key=len)
        try:
            await asyncio.sleep(self.seconds)
            answer = self.answers.get(url, GCODE)
            if isinstance(answer, list):
                answer = answer.pop(0) if len(answer) > 1 else answer[0]
            if isinstance(answer, Exception):
                await sink(b"half of it")
                raise answer
            await sink(answer)
            return Downloaded(url.partition("example")[2], None, len(answer))
        finally:
            self.now.remove(url)


def look(path: str) -> Mapping[str, Any]:
    content = Path(path).read_bytes()
    if content.startswith(b"<html"):
        raise FileRejected("The file is a web page, not G-code.")
    return {"lines": content.count(b"\n")}


class House(Office):
    web = FakeWeb()

    def fetch(self) -> None:
        """Start a fetcher, as a process does."""
        self.run(
            Fetcher(
                engine=self.engine, subscribe=self.hub.subscribe, web=self.web, files=self.files,
                inspect=look, most_bytes=1000, clock=self.clock, ids=self.ids, chance=self.chance,
            ).run()
        )  # fmt: skip

    async def until(self, condition: Callable[[], bool], seconds: float = HOUR) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.1)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path) as built:
        built.web = FakeWeb()
        built.fetch()
        yield built


def is_settled(job: Job) -> bool:
    return job.printable_url is None or job.file_sha256 is not None


async def test_a_job_gets_its_file(house: House) -> None:
    job = await house.submit(printable_url=URL)
    assert (job.status, job.file_sha256) == (JobStatus.CREATED, None)
    await house.until(lambda: house.job().file_sha256 is not None)
    job = house.job()
    assert (job.file_name, job.file_size) == ("part.gcode", len(GCODE))
    assert Path(house.files.path_of(job.file_sha256 or "")).read_bytes() == GCODE
    (file,) = await house.queries.files(member_id=BEN.member_id, limit=9, offset=0)
    assert (file.printable_id, file.metadata) == (job.printable_id, {"lines": 2})
    assert [url for _, url in house.web.asked] == [URL]


async def test_the_same_address_twice_is_fetched_twice(house: House) -> None:
    await house.submit(printable_url=URL)
    await house.submit(printable_url=URL)
    await house.until(lambda: all(job.file_sha256 for job in house.engine.state.jobs.values()))
    assert [url for _, url in house.web.asked] == [URL, URL]


async def test_what_may_pass_is_tried_again_later_and_later(house: House) -> None:
    house.web.answers[URL] = [PASSING, PASSING, PASSING, GCODE]
    await house.submit(printable_url=URL)
    await house.until(lambda: house.job().file_sha256 is not None)
    times = [at for at, _ in house.web.asked]
    waits = [after - before - 1.0 for before, after in pairwise(times)]
    assert [round(wait / 5.0 / 2**number, 0) for number, wait in enumerate(waits)] == [1, 1, 1]
    assert house.incoming() == []


async def test_a_final_failure_is_told_in_the_job_with_what_to_do(house: House) -> None:
    house.web.answers[URL] = FINAL
    await house.submit(printable_url=URL)
    await house.until(lambda: is_settled(house.job()))
    assert house.job().message == (
        "its file could not be fetched from files.example: it answers with status 404; "
        "send another printable_url or a printable_id (POST jobs/:job_id/printable)"
    )
    await asyncio.sleep(HOUR)
    assert (len(house.web.asked), house.incoming()) == (1, [])


async def test_it_gives_up_after_some_tries(house: House) -> None:
    house.web.answers[URL] = PASSING
    await house.submit(printable_url=URL)
    await house.until(lambda: is_settled(house.job()))
    assert "status 503" in (house.job().message or "")
    assert len(house.web.asked) == TRIES


@pytest.mark.parametrize(
    ("content", "says"), [(b"<html>login</html>", "a web page"), (b"", "The file is empty")]
)
async def test_what_cannot_be_printed_is_no_file(house: House, content: bytes, says: str) -> None:
    house.web.answers[URL] = content
    await house.submit(printable_url=URL)
    await house.until(lambda: is_settled(house.job()))
    assert says in (house.job().message or "")
    assert await house.queries.files(member_id=None, limit=9, offset=0) == ()
    assert house.incoming() == []


async def test_another_address_is_fetched_instead(house: House) -> None:
    """After a failure, and in the middle of a fetch that nobody wants any more."""
    house.web.answers[URL] = FINAL
    job = await house.submit(printable_url=URL)
    await house.until(lambda: is_settled(house.job()))
    await house.give(ChooseFile(job.job_id, BEN.member_id, printable_url="https://files.example/b.gcode"))
    await asyncio.sleep(0.5)
    await house.give(ChooseFile(job.job_id, BEN.member_id, printable_url="https://files.example/c.gcode"))
    await house.until(lambda: house.job().file_sha256 is not None)
    assert [url[-8:] for _, url in house.web.asked] == ["rt.gcode", "/b.gcode", "/c.gcode"]
    assert (house.job().file_name, house.incoming()) == ("c.gcode", [])


async def test_a_canceled_job_is_not_fetched_on(house: House) -> None:
    job = await house.submit(printable_url=URL)
    await asyncio.sleep(0.5)
    await house.give(CancelJob(job.job_id, BEN.member_id))
    await asyncio.sleep(MINUTE)
    assert (len(house.web.asked), house.web.now, house.incoming()) == (1, [], [])
    assert await house.queries.files(member_id=None, limit=9, offset=0) == ()


async def test_a_few_at_a_time_and_fewer_of_one_host(house: House) -> None:
    for number in range(4):
        await house.submit(printable_url=f"https://slow.example/{number}")
    for number in range(4):
        await house.submit(printable_url=f"https://{number}.example/{number}")
    await house.until(lambda: all(job.file_sha256 for job in house.engine.state.jobs.values()))
    assert len(house.web.most_now) == FETCHES_PER_MEMBER
    assert sum("slow" in url for url in house.web.most_now) == FETCHES_PER_HOST


async def test_one_member_s_slow_servers_hold_up_nobody_else(house: House) -> None:
    house.web.seconds = HOUR
    for number in range(8):
        await house.submit(printable_url=f"https://{number}.slow.example/part.gcode")
    await asyncio.sleep(MINUTE)
    await house.give(AddMember(ANA))
    house.web.seconds = 1.0
    await house.give(SubmitJob(ANA.member_id, ANA.organization_id, "hers", printable_url=URL))
    await house.until(lambda: house.job(9).file_sha256 is not None, 2.0)
    assert (len(house.web.now), FETCHES_PER_MEMBER < FETCHES) == (FETCHES_PER_MEMBER, True)


async def test_a_fetch_that_a_death_cut_off_is_found_again(house: House) -> None:
    await house.submit(printable_url=URL)
    await asyncio.sleep(0.5)
    assert house.web.now == [URL]
    await house.kill()
    await house.start()
    assert house.incoming() == []
    house.fetch()
    await house.until(lambda: house.job().file_sha256 is not None)
    assert len(house.web.asked) == 2


async def test_a_full_disk_is_no_final_failure(house: House) -> None:
    """Nor is any trouble of the gateway's own."""
    house.web.answers[URL] = [OSError(28, "No space left on device"), GCODE]
    await house.submit(printable_url=URL)
    await house.until(lambda: house.job().file_sha256 is not None)
    assert len(house.web.asked) == 2
