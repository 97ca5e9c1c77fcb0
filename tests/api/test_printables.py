"""Files for printers that read archives, and the links by which printers fetch them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientResponse, FormData

from gateway.api.forge.apps.printables import LINK_SECONDS, NAME_CHARS, SAME_SECONDS, name_in_link
from gateway.domain.job import Job, JobStatus
from tests.api.host import GCODE, PUBLIC_URL, Host, a_job
from tests.gcode.test_printables import tar_gz, zipped
from tests.support.stand import BEN

ROOTS = ("/ps/v1", "/v1", "/api/v1")


async def upload(host: Host, path: str, name: str, content: bytes) -> ClientResponse:
    form = FormData()
    form.add_field("file", content, filename=name)
    return await host.client.post(path, data=form, headers=await host.bearer())


@pytest.mark.parametrize(
    ("name", "content", "ending"),
    [("a.tar.gz", tar_gz(), ".tar.gz"), ("b.zip", zipped(), ".zip"), ("c", GCODE, ".gcode")],
)
async def test_forge_uploads_take_archives(host: Host, name: str, content: bytes, ending: str) -> None:
    response = await upload(host, "/ps/v1/files/upload", name, content)
    (file,) = (await response.json())["files"]
    assert response.status == 200
    assert file["printable_id"].endswith(file["file_id"] + ending)


@pytest.mark.parametrize("content", [tar_gz(), zipped()])
async def test_native_uploads_stay_gcode(host: Host, content: bytes) -> None:
    """Its printers are fed line by line; the refusal comes before a job does."""
    if content.startswith(b"PK"):
        assert (await upload(host, "/gateway/v1/files", "a", content)).status == 422
    stored = await host.queries.files(member_id=None, limit=9, offset=0)
    assert not [file for file in stored if not file.is_gcode]


async def a_stored_job(host: Host, **changes: Any) -> Job:
    file = await host.put_file(name="grün 1.gcode")
    job = a_job(file_sha256=file.sha256, file_name=file.name, file_size=file.size, **changes)
    await host.put_jobs(job)
    return job


def path_of(link: str) -> str:
    parts = urlsplit(link)
    assert f"{parts.scheme}://{parts.netloc}" == PUBLIC_URL
    assert not parts.query
    return parts.path


async def test_a_link_needs_no_token_and_answers_ranges(host: Host) -> None:
    job = await a_stored_job(host)
    link = path_of(host.services.printable_link(job))
    assert link.startswith(f"/ps/v1/print/printables/{job.job_id}/")
    assert link.endswith(f"/{(job.file_sha256 or '')[:8]}-gr_n_1.gcode")
    whole = await host.client.get(link)
    assert (whole.status, await whole.read(), whole.content_type) == (200, GCODE, "application/octet-stream")
    part = await host.client.get(link, headers={"Range": "bytes=4-"})
    assert (part.status, await part.read()) == (206, GCODE[4:])
    for root in ROOTS:
        assert (await host.client.get(root + link.removeprefix("/ps/v1"))).status == 200


@pytest.mark.parametrize("status", [JobStatus.QUEUED, JobStatus.PRINTING, JobStatus.COMPLETED])
async def test_it_lasts_whatever_becomes_of_the_job(host: Host, status: JobStatus) -> None:
    """Ember says `received` before it fetches."""
    over = {"ended_at": a_job().created_at} if status is JobStatus.COMPLETED else {"is_local": True}
    job = await a_stored_job(host, status=status, **over)
    assert (await host.client.get(path_of(host.services.printable_link(job)))).status == 200


async def test_it_expires(host: Host) -> None:
    link = path_of(host.services.printable_link(await a_stored_job(host)))
    host.clock.advance(LINK_SECONDS)
    assert (await host.client.get(link)).status == 200
    host.clock.advance(SAME_SECONDS + 1)
    response = await host.client.get(link)
    assert (response.status, (await response.json())["code"]) == (401, 401)


async def test_it_stays_the_same_for_an_hour(host: Host) -> None:
    job, links = a_job(), set()
    for _ in range(6):
        links.add(host.services.printable_link(job))
        host.clock.advance(SAME_SECONDS / 6)
    assert len(links) == 2  # the hour of the test does not begin with its first second


@pytest.mark.parametrize(
    "spoil",
    [
        lambda link: link + "x",
        lambda link: re.sub(r"/1(\d{9})\.", r"/2\1.", link),
        lambda link: re.sub(r"\.[^./]+/", "./", link),
        lambda link: re.sub(r"/\d{10}\.", "/", link),
        lambda link: link.replace("part.gcode", "other.gcode"),
        lambda link: link.replace("4b5a3181", "4b5a3182"),
    ],
)
async def test_a_link_that_was_changed_is_none(host: Host, spoil: Any) -> None:
    await host.put_jobs(a_job())
    response = await host.client.get(spoil(path_of(host.services.printable_link(a_job()))))
    body = await response.json()
    assert (response.status, set(body)) == (401, {"error_id", "code", "message"})


class Broken:
    """A store with a bug."""

    async def job(self, job_id: str) -> None:
        raise RuntimeError("a bug")


async def test_a_link_never_stands_in_the_log(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever reads the log would read the file; and a line break in an address would write a line there."""
    link = path_of(host.services.printable_link(await a_stored_job(host)))
    object.__setattr__(host.services, "queries", Broken())
    assert (await host.client.get(link)).status == 500
    lines = [record.getMessage() for record in caplog.records]
    assert any("/print/printables/{job_id}/{permit}/{file_name}" in line for line in lines)
    assert link.split("/")[-2] not in caplog.text
    bearer = await host.bearer()
    assert (await host.client.get("/ps/v1/print/jobs/a%0aforged", headers=bearer)).status == 500
    assert "\nforged" not in caplog.text


async def test_a_job_whose_file_is_gone(host: Host) -> None:
    await host.put_jobs(a_job())
    assert (await host.client.get(path_of(host.services.printable_link(a_job())))).status == 422


URN = "urn:adsk.objects:os.object:print-gateway/00000000-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    ("file_name", "printable_id", "name"),
    [
        ("part.gcode", f"{URN}.gcode", "part.gcode"),
        ("part", f"{URN}.gcode", "part"),
        ("print.tar.gz", f"{URN}.tar.gz", "print.tar.gz"),
        ("PRINT.TAR.GZ", f"{URN}.tar.gz", "PRINT.TAR.GZ"),
        ("print", f"{URN}.tar.gz", "print.tar.gz"),
        ("print.zip", f"{URN}.zip", "print.zip"),
        ("../../etc/passwd", f"{URN}.zip", ".._.._etc_passwd.zip"),
        ("a b ü?.gcode", f"{URN}.gcode", "a_b_.gcode"),
        ("x" * 300 + ".tar.gz", f"{URN}.tar.gz", "x" * (NAME_CHARS - 9 - 7) + ".tar.gz"),
        ("x" * 300, f"{URN}.tar.gz", "x" * (NAME_CHARS - 9 - 7) + ".tar.gz"),
        (None, None, "my_job"),
    ],
)
def test_the_name_in_a_link_is_one_that_firmware_can_have(
    file_name: str | None, printable_id: str | None, name: str
) -> None:
    job = replace(a_job(member=BEN), file_name=file_name, printable_id=printable_id)
    assert name_in_link(job) == f"abababab-{name}"
    assert len(name_in_link(job)) <= NAME_CHARS
