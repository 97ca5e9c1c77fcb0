"""`GET jobs` against its reference: the example key by key, every attribute, every documented request.

What is expected is data (`forge/`), each piece with the line of the reference it comes from.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiohttp import FormData

from gateway.domain.commands import SetPlate
from gateway.domain.job import Job, JobStatus
from gateway.domain.member import Scope
from gateway.domain.observations import Activity, PrintPhase
from gateway.domain.orders import StartPrint
from gateway.domain.printer import Plate
from tests.api.host import EVE, GCODE, Host, a_job
from tests.support.stand import ANA, BEN, START, printer, ready, report, seen

DATA = Path(__file__).parent / "forge"
ROOTS = ("/ps/v1", "/v1", "/api/v1")
EXAMPLE = json.loads((DATA / "get_jobs_example.json").read_text())["body"]
ATTRIBUTES = tomllib.loads((DATA / "get_jobs_attributes.toml").read_text())["attributes"]
CASES = tomllib.loads((DATA / "get_jobs_requests.toml").read_text())["case"]

URN = "urn:adsk.objects:os.object:print-services-external/b1996dd1-4b7f-44d8-9040-01615530073c.tar.gz"
SIGNED = "https://developer.api.autodesk.com/oss/v2/signedresources/"


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2016-05-18T{text}").replace(tzinfo=UTC)


async def arrange_example(host: Host) -> None:
    """The three jobs of the example, and the printers they are for."""
    await host.put_printers(printer(1092, "my_test_printer"), presence=ready(activity=Activity.PRINTING))
    await host.put_printers(printer(1093, "my_other_printer"))
    running = replace(
        a_job("my_job", ANA),
        job_id="4b5a3181-8997-4d6a-979f-e1af7eb5b545",
        printer_id=1092,
        status=JobStatus.PRINTING,
        printable_id=URN,
        printable_url=SIGNED + "0e65b",
        status_at=at("08:59:59"),
        started_at=at("08:59:59"),
    )
    second = replace(
        a_job("my_job2", ANA),
        job_id="d075f5ee-98b7-491a-b4b1-188260b01c59",
        printer_id=1092,
        printable_id=URN,
        printable_url=SIGNED + "5d1f9e09-0eb9-43df-bdc6-9cdea0f0e65b",
        created_at=at("06:01:12"),
        status_at=at("06:01:12"),
    )
    third = replace(
        a_job("my_job3", ANA),
        job_id="37ef6f6a-abe0-43c7-a738-9c6fab4504d9",
        printer_id=1093,
        printable_id=URN,
        printable_url=SIGNED + "6e47bd27-f96c-418e-834d-604c3ca9143c",
        created_at=at("12:26:32"),
        status_at=at("12:26:42"),
    )
    await host.put_jobs(running, second, third)


def differences(expected: Any, found: Any, where: str = "") -> Iterator[str]:
    """Where `found` lacks or changes what `expected` has; more keys are no difference."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key, value in expected.items():
            if key not in found:
                yield f"{where}.{key} is missing"
            else:
                yield from differences(value, found[key], f"{where}.{key}")
    elif isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            yield f"{where}: {len(found)} instead of {len(expected)}"
        for number, (one, other) in enumerate(zip(expected, found, strict=False)):
            yield from differences(one, other, f"{where}[{number}]")
    elif expected != found or type(expected) is not type(found):
        yield f"{where}: {found!r} instead of {expected!r}"


@pytest.mark.parametrize("root", ROOTS)
async def test_example_of_the_reference(host: Host, root: str) -> None:
    await arrange_example(host)
    response = await host.client.get(f"{root}/print/jobs", headers=await host.bearer(ANA))
    assert response.status == 200
    assert response.content_type == "application/json"
    assert list(differences(EXAMPLE, await response.json())) == []


async def test_url_is_gone_once_the_printer_has_the_file(host: Host) -> None:
    """The running job of the example (line 163) has no printable_url any more."""
    await arrange_example(host)
    body = await (await host.client.get("/ps/v1/print/jobs", headers=await host.bearer(ANA))).json()
    assert body["jobs"][0]["job_data"] == {"printable_id": URN}


def values_at(body: Any, path: str) -> Iterator[Any]:
    """All values at a dotted path; arrays are walked through. KeyError when it is missing."""
    first, _, rest = path.partition(".")
    value = body[first]
    if not rest:
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from values_at(item, rest)
    else:
        yield from values_at(value, rest)


MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"


def is_a(kind: str, value: Any) -> bool:
    match kind:
        case "int":
            return type(value) is int
        case "bool":
            return type(value) is bool
        case "object":
            return type(value) is dict
        case "array":
            return type(value) is list
        case "uuid":
            return str(UUID(value)) == value
        case "link":
            return (
                value == ""
                or re.fullmatch(r"/print/jobs\?limit=-?\d+&offset=\d+(&status=.+)?", value) is not None
            )
        case "urn":
            return isinstance(value, str) and value.startswith("urn:")
        case "time":
            return re.fullmatch(rf"({MONTHS}) \d\d, \d{{4}} \d\d:\d\d:\d\d", value) is not None
    return type(value) is str


@pytest.mark.parametrize("attribute", ATTRIBUTES, ids=lambda attribute: f"line {attribute['line']}")
async def test_every_attribute_is_there_with_its_type(host: Host, attribute: dict[str, Any]) -> None:
    await arrange_example(host)
    body = await (await host.client.get("/ps/v1/print/jobs", headers=await host.bearer(ANA))).json()
    values = list(values_at(body, attribute["path"]))
    assert values, attribute["path"]
    for value in values:
        assert (value is None and attribute.get("nullable")) or is_a(attribute["type"], value), value


async def test_dates_read_back_as_clients_read_them(host: Host) -> None:
    """moment's `MMMM D, YYYY HH:mm:ss` in UTC is strptime's `%B %d, %Y %H:%M:%S` (lines 115, 116)."""
    await arrange_example(host)
    body = await (await host.client.get("/ps/v1/print/jobs", headers=await host.bearer(ANA))).json()
    read = [datetime.strptime(job["job_date_time"], "%B %d, %Y %H:%M:%S") for job in body["jobs"]]  # noqa: DTZ007
    assert [moment.replace(tzinfo=UTC) for moment in read] == [START, at("06:01:12"), at("12:26:32")]


HOUSE_STATUSES = ("queued", "completed", "failed", "canceled", "created")


def house() -> list[Job]:
    """45 jobs of the member and 3 of somebody else in between, created a minute apart."""
    jobs: list[Job] = []
    for number in range(48):
        is_foreign = number % 16 == 15
        mine = number - number // 16
        created = START + timedelta(minutes=number)
        status = JobStatus("printing" if mine == 44 else HOUSE_STATUSES[mine % 5])
        jobs.append(
            replace(
                a_job(f"job {mine}", EVE if is_foreign else ANA),
                job_id=str(UUID(int=number + 1)),
                status=status,
                created_at=created,
                status_at=created,
                ended_at=created
                if status in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED)
                else None,
                printer_id=2 if is_foreign else 1,
            )
        )
    return jobs


async def authorization(host: Host, given: str | None) -> dict[str, str]:
    if given is None:
        return await host.bearer(ANA)
    if given.startswith("scope "):
        return await host.bearer(ANA, Scope(given.removeprefix("scope ")))
    return {"Authorization": given} if given else {}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"line {case['line']}: {case['name']}")
async def test_documented_request(host: Host, case: dict[str, Any]) -> None:
    await host.put_jobs(*house())
    query = f"?{case['query']}" if "query" in case else ""
    response = await host.client.get(
        f"/ps/v1{case.get('path', '/print/jobs')}{query}",
        headers=await authorization(host, case.get("authorization")),
    )
    expected = case["expect"]
    body = await response.json()
    assert response.status == expected["status"], body
    if response.status == 200:
        check_page(body, response.headers["X-Total-Count"], expected)
    else:
        assert set(body) == {"error_id", "code", "message"}
        assert UUID(body["error_id"]).version == 4
        assert body["code"] == response.status
        assert body["message"]


def check_page(body: dict[str, Any], total: str, expected: dict[str, Any]) -> None:
    assert body["count"] == len(body["jobs"]) == expected["count"]
    assert body["member_id"] == ANA.member_id
    assert {job["member_id"] for job in body["jobs"]} <= {ANA.member_id}
    created = [datetime.strptime(job["job_date_time"], "%B %d, %Y %H:%M:%S") for job in body["jobs"]]  # noqa: DTZ007
    assert created == sorted(created)
    found = {
        "total": int(total), "link": body["_link"], "next": body["_link_next"], "prev": body["_link_prev"],
    }  # fmt: skip
    assert {key: found[key] for key in found if key in expected} == {
        key: expected[key] for key in found if key in expected
    }
    if "statuses" in expected:
        assert {job["status"] for job in body["jobs"]} == set(expected["statuses"])
        assert {job["job_status"]["job_status"] for job in body["jobs"]} == set(expected["statuses"])


async def test_links_lead_through_all_jobs_once(host: Host) -> None:
    """Following `_link_next` (line 90) from the API's root shows every job exactly once, in order."""
    await host.put_jobs(*house())
    headers, link, names = await host.bearer(ANA), "/print/jobs?limit=7", []
    while link:
        body = await (await host.client.get("/ps/v1" + link, headers=headers)).json()
        names += [job["job_name"] for job in body["jobs"]]
        link = body["_link_next"]
    assert names == [f"job {number}" for number in range(45)]


# ---------------------------------------------------------------- the example, lived


def shape(value: Any) -> Any:
    """Keys and types; links, names and numbers do not matter."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return type(value).__name__


async def live_the_example(host: Host) -> None:
    """The example's three jobs as they come about: uploaded, handed in, and the first one started."""
    await host.put_printers(printer(1092, "my_test_printer"), printer(1093, "my_other_printer"))
    headers = await host.bearer(ANA)
    for name, number in (("my_job", 1092), ("my_job2", 1092), ("my_job3", 1093)):
        form = FormData()
        form.add_field("file", GCODE, filename=f"{name}.gcode")
        uploaded = await host.client.post("/ps/v1/files/upload", data=form, headers=headers)
        printable = (await uploaded.json())["files"][0]["printable_id"]
        body = {"printable_id": printable, "job_name": name}
        made = await host.client.post(f"/ps/v1/print/printers/{number}/jobs", json=body, headers=headers)
        assert (await made.json())["status"] == "queued"
        host.clock.advance(60)
    await host.engine.execute(SetPlate(1092, Plate.CLEAR, "ana"))
    (start,) = host.drivers.of(StartPrint)
    assert isinstance(start, StartPrint)
    await host.observe(seen(report(start.key, PrintPhase.PRINTING, progress=0.1), "my_test_printer"))


async def test_the_example_comes_about(host: Host) -> None:
    """Every key of the example (lines 142 to 207) is there with its type, made by nothing but requests."""
    await live_the_example(host)
    body = await (await host.client.get("/ps/v1/print/jobs", headers=await host.bearer(ANA))).json()
    assert list(differences(shape(EXAMPLE), shape(body))) == []
    running, second, third = body["jobs"]
    assert (running["job_status"]["printer_status"], running["status"]) == ("printing", "printing")
    assert "printable_url" not in running["job_data"]
    assert second["job_status"]["job_status"] == third["job_status"]["job_status"] == "queued"
    assert [job["job_name"] for job in body["jobs"]] == ["my_job", "my_job2", "my_job3"]


async def test_the_order_of_the_keys_is_the_examples(host: Host) -> None:
    """No program needs it, every reader does."""
    await live_the_example(host)
    text = await (await host.client.get("/ps/v1/print/jobs", headers=await host.bearer(ANA))).text()
    body = json.loads(text)

    def in_order(expected: Any, found: Any) -> bool:
        if isinstance(expected, dict):
            known = [key for key in found if key in expected]
            return known == list(expected) and all(in_order(expected[key], found[key]) for key in expected)
        if isinstance(expected, list):
            return all(in_order(one, other) for one, other in zip(expected, found, strict=True))
        return True

    assert in_order(EXAMPLE, body)


async def test_a_print_to_its_end_as_the_list_shows_it(host: Host) -> None:
    """Each answer between the start and the end has the words of the firmware workflow."""
    await live_the_example(host)
    (start,) = host.drivers.of(StartPrint)
    key = start.key  # type: ignore[attr-defined]
    headers, seen_words = await host.bearer(ANA), []

    async def look() -> None:
        body = await (await host.client.get("/ps/v1/print/jobs?limit=1", headers=headers)).json()
        (job,) = body["jobs"]
        assert job["status"] == job["job_status"]["job_status"]
        seen_words.append(
            (job["status"], job["job_status"]["printer_status"], "printable_url" in job["job_data"])
        )

    await look()
    await host.observe(seen(report(key, PrintPhase.PAUSED, progress=0.5), "my_test_printer"))
    await look()
    await host.observe(seen(report(key, PrintPhase.PRINTING, progress=0.6), "my_test_printer"))
    await look()
    await host.observe(seen(name="my_test_printer", ended=(report(key, PrintPhase.COMPLETED),)))
    await look()
    host.clock.advance(3600)  # the printer is switched off: that is no word about this job
    await look()
    assert seen_words == [
        ("printing", "printing", False), ("paused", "paused", False), ("printing", "printing", False),
        ("completed", "ready", False), ("completed", "ready", False),
    ]  # fmt: skip


async def test_a_local_job_is_the_owners(host: Host) -> None:
    """ "Non-Forge jobs ... are integrated into the Forge job queue and assigned to the printer owner"."""
    local = report("local-1", PrintPhase.PRINTING, is_local=True, name="from the card", progress=0.2)
    await host.observe(seen(local))
    mine = await (await host.client.get("/ps/v1/print/jobs", headers=await host.bearer(ANA))).json()
    (job,) = mine["jobs"]
    assert (job["local_job"], job["member_id"], job["printer_id"]) == (True, ANA.member_id, 1)
    assert job["job_data"] == {"printable_id": None}
    assert UUID(job["job_id"])
    others = await (await host.client.get("/ps/v1/print/jobs", headers=await host.bearer(BEN))).json()
    assert others["jobs"] == []
