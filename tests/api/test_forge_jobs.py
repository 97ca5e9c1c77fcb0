"""Jobs through the Forge API: hand in, look at, command; and what nobody may find out."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from aiohttp import ClientResponse
from yarl import URL

from gateway.domain.job import ENDS, ON_PRINTER, WAITING, JobStatus, Reason
from gateway.domain.member import Member
from gateway.domain.observations import Activity, PrintPhase
from gateway.domain.orders import CancelPrint
from tests.api.host import EVE, GCODE, Host, a_job
from tests.support.stand import ANA, BEN, START, report, seen

ROOT = "/ps/v1"


async def post(host: Host, path: str, body: Any = None, member: Member = BEN, **more: Any) -> ClientResponse:
    headers = {**await host.bearer(member), **more.pop("headers", {})}
    if body is not None:
        more["json"] = body
    return await host.client.post(ROOT + path, headers=headers, **more)


async def get(host: Host, path: str, member: Member = BEN, **headers: str) -> ClientResponse:
    return await host.client.get(ROOT + path, headers={**await host.bearer(member), **headers})


async def test_new_job_with_printer_and_file_is_queued(host: Host) -> None:
    file = await host.put_file()
    body = {"printable_id": file.printable_id, "job_name": "Benchy", "settings": {"profile_id": "p"}}
    response = await post(host, "/print/printers/1/jobs", body)
    receipt = await response.json()
    assert response.status == 200
    assert receipt == {"printer_id": 1, "job_id": receipt["job_id"], "status": "queued"}
    assert UUID(receipt["job_id"])
    shown = await (await get(host, f"/print/jobs/{receipt['job_id']}")).json()
    assert shown["job_name"] == "Benchy"
    link = shown["job_data"].pop("printable_url")
    assert link.startswith(
        f"http://printhost.local:8080/ps/v1/print/printables/{receipt['job_id']}/"
    )
    assert link.endswith("-part.gcode")
    assert shown["job_data"] == {"printable_id": file.printable_id}
    assert shown["member_id"] == BEN.member_id
    assert shown["local_job"] is False
    assert shown["job_status"]["data"] == {}


async def test_the_file_of_a_job(host: Host) -> None:
    """Byte by byte: by the link in `job_data` without a token, and by the job's own address with one."""
    file = await host.put_file(name="Würfel 2.gcode")
    await post(host, "/print/printers/1/jobs", {"printable_id": file.printable_id})
    (job,) = (await (await get(host, "/print/jobs")).json())["jobs"]
    link = URL(job["job_data"]["printable_url"]).relative()
    linked = await host.client.get(link)
    assert (linked.status, await linked.read()) == (200, GCODE)
    path = f"/print/jobs/{job['job_id']}/printable"
    fetched = await get(host, path)
    assert (fetched.status, await fetched.read()) == (200, GCODE)
    assert fetched.content_type == "application/octet-stream"
    assert fetched.headers["Content-Disposition"] == "attachment; filename*=UTF-8''W%C3%BCrfel%202.gcode"
    part = await get(host, path, Range="bytes=4-9")
    assert (part.status, await part.read()) == (206, GCODE[4:10])
    assert (await get(host, path, ANA)).status == 200, "the printer's owner"
    assert (await get(host, path, EVE)).status == 401


@pytest.mark.parametrize("status", JobStatus)
async def test_the_printable_url_is_there_until_the_printer_has_the_file(
    host: Host, status: JobStatus
) -> None:
    """ "Forge removes received printable files": the running job of the example has none."""
    over = {"started_at": START, "ended_at": START} if status in ENDS else {}
    key = {"print_key": "m"} if status in ON_PRINTER else {}
    await host.put_jobs(a_job(status=status, **over, **key))
    data = (await (await get(host, f"/print/jobs/{a_job().job_id}")).json())["job_data"]
    is_waiting = status in WAITING or status is JobStatus.SENT
    assert ("printable_url" in data) == is_waiting


async def test_a_job_without_a_file_has_nothing_to_fetch(host: Host) -> None:
    receipt = await (await post(host, "/print/printers/1/jobs", {"job_name": "later"})).json()
    path = f"/print/jobs/{receipt['job_id']}"
    assert (await (await get(host, path)).json())["job_data"] == {"printable_id": None}
    assert (await get(host, f"{path}/printable")).status == 422
    await host.put_jobs(a_job())  # its content, `abab…`, is not there
    assert (await get(host, f"/print/jobs/{a_job().job_id}/printable")).status == 422


async def test_new_job_starts_when_the_plate_is_clear(host: Host) -> None:
    """With nothing in its way a job is sent at once (Forge API 1.4)."""
    file = await host.put_file()
    await host.client.post(
        "/gateway/v1/printers/mk3/plate", json={"plate": "clear"}, headers=await host.bearer(ANA)
    )
    receipt = await (await post(host, "/print/printers/1/jobs", {"printable_id": file.printable_id})).json()
    listed = await (await get(host, "/print/jobs")).json()
    assert [(job["job_id"], job["status"]) for job in listed["jobs"]] == [(receipt["job_id"], "sent")]


async def test_printer_zero_is_none_yet(host: Host) -> None:
    receipt = await (await post(host, "/print/printers/0/jobs", {"job_name": "later"})).json()
    assert (receipt["printer_id"], receipt["status"]) == (None, "created")


async def test_form_body_as_old_clients_send_it(host: Host) -> None:
    file = await host.put_file()
    form = {
        "printable_id": file.printable_id, "job_name": "form", "printer_id": "1",
        "settings[profile_id]": "p1", "callback_url": "", "callback_interval": "20",
    }  # fmt: skip
    response = await post(host, "/print/printers/1/jobs", data=form)
    assert (response.status, (await response.json())["status"]) == (200, "queued")
    job = next(iter(host.engine.state.jobs.values()))
    assert job.settings == {"profile_id": "p1"}


async def test_settings_as_json_text_in_a_form(host: Host) -> None:
    response = await post(host, "/print/printers/0/jobs", data={"settings": '{"a": [1]}', "job_name": "x"})
    assert response.status == 200
    assert next(iter(host.engine.state.jobs.values())).settings == {"a": [1]}


async def test_body_without_content_type_is_json(host: Host) -> None:
    headers = {**await host.bearer(), "Content-Type": ""}
    response = await host.client.post(
        f"{ROOT}/print/printers/0/jobs",
        data=b'{"job_name": "n"}',
        headers=headers,
        skip_auto_headers=["Content-Type"],
    )
    assert response.status in (200, 400)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"printable_url": "ftp://example.org/part.gcode"}, "printable_url"),
        ({"printable_url": "http://127.0.0.1/part.gcode"}, "printable_url"),
        ({"callback_url": "example.org/hook"}, "callback_url: an address is needed that begins with http"),
        ({"callback_url": "http://[::1]/hook"}, "callback_url"),
        ({"callback_url": "http://example.org/hook", "callback_interval": 0}, "callback_interval"),
        (
            {"printable_id": "urn:adsk.objects:os.object:x/00000000-0000-4000-8000-00000000ffff.gcode"},
            "upload",
        ),
        ({"printable_id": "nonsense"}, "upload"),
        ({"job_name": "x" * 201}, "job_name"),
        ({"settings": [1]}, "settings"),
        ([1], "body"),
    ],
)
async def test_new_job_that_makes_no_sense(host: Host, body: Any, word: str) -> None:
    response = await post(host, "/print/printers/1/jobs", body)
    found = await response.json()
    assert (response.status, found["code"]) == (422, 422)
    assert word in found["message"]
    assert not host.engine.state.jobs


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("two\nlines", "two lines"), ("  much\t\tspace ", "much space"), ("bell\x07 \x1b[2J", "bell [2J"),
        ("Würfel №5 🧊", "Würfel №5 🧊"), ("\u202egnp.exe", "gnp.exe"), ("", "part.gcode"),
        (" \n", "part.gcode"), (None, "part.gcode"),
    ],
)  # fmt: skip
async def test_a_job_name_is_one_line(host: Host, given: str | None, shown: str) -> None:
    """Names go to terminals, panels and logs; a name that says nothing is the file's."""
    file = await host.put_file()
    body = {"printable_id": file.printable_id, "job_name": given}
    receipt = await (await post(host, "/print/printers/1/jobs", body)).json()
    found = await (await get(host, f"/print/jobs/{receipt['job_id']}")).json()
    assert found["job_name"] == found["job_status"]["job_name"] == shown


async def test_somebody_elses_file_is_as_good_as_none(host: Host) -> None:
    file = await host.put_file(EVE)
    answers = [
        await (await post(host, "/print/printers/1/jobs", {"printable_id": given})).json()
        for given in (
            file.printable_id,
            "urn:adsk.objects:os.object:x/00000000-0000-4000-8000-00000000ffff.gcode",
        )
    ]
    assert answers[0]["message"] == answers[1]["message"]


async def test_repeated_idempotency_key_gives_the_first_job(host: Host) -> None:
    file = await host.put_file()
    body = {"printable_id": file.printable_id, "job_name": "once"}
    key = {"Idempotency-Key": "8e03978e-40d5-43e8-bc93-6894a57f9324"}
    first = await (await post(host, "/print/printers/1/jobs", body, headers=key)).json()
    again = await (await post(host, "/print/printers/1/jobs", body, headers=key)).json()
    assert first == again
    other = await post(host, "/print/printers/1/jobs", body | {"job_name": "other"}, headers=key)
    assert other.status == 422
    assert "Idempotency-Key" in (await other.json())["message"]
    assert len(host.engine.state.jobs) == 1


async def test_unusable_idempotency_key(host: Host) -> None:
    response = await post(host, "/print/printers/0/jobs", {}, headers={"Idempotency-Key": "x" * 256})
    assert response.status == 400


@pytest.mark.parametrize(
    "path",
    [
        "/print/jobs/{foreign}", "/print/jobs/{unknown}", "/print/jobs/nonsense",
        "/print/printers/2", "/print/printers/99", "/print/printers/status/2", "/print/printers/status/99",
        "/print/printers/command/{unknown}",
    ],
)  # fmt: skip
async def test_foreign_and_unknown_are_one_answer(host: Host, path: str) -> None:
    foreign = replace(a_job(member=EVE), printer_id=2)
    await host.put_jobs(foreign)
    unknown = "00000000-0000-4000-8000-00000000ffff"
    response = await get(host, path.format(foreign=foreign.job_id, unknown=unknown))
    body = await response.json()
    assert response.status == body["code"] == 401
    wrong = await host.client.get(f"{ROOT}/print/jobs", headers={"Authorization": "Bearer no"})
    assert (await wrong.json())["message"] == body["message"]
    assert response.headers["WWW-Authenticate"] == wrong.headers["WWW-Authenticate"]


async def test_job_for_a_printer_one_may_not_use(host: Host) -> None:
    assert (await post(host, "/print/printers/2/jobs", {})).status == 401
    assert (await post(host, "/print/printers/77/jobs", {})).status == 401


async def test_job_id_in_the_printers_spelling(host: Host) -> None:
    job = replace(a_job(), is_local=True)
    await host.put_jobs(job)
    assert (await get(host, f"/print/jobs/local_{job.job_id}")).status == 200
    assert (await get(host, f"/print/jobs/{job.job_id.upper()}")).status == 200


async def test_owner_of_the_printer_sees_jobs_of_others_there(host: Host) -> None:
    await host.put_jobs(a_job())
    assert (await get(host, f"/print/jobs/{a_job().job_id}", ANA)).status == 200
    assert (await (await get(host, "/print/jobs", ANA)).json())["count"] == 0


async def test_cancel_of_a_waiting_job(host: Host) -> None:
    await host.put_jobs(a_job(file_sha256="ab" * 32))
    body = {"command": "cancel", "job_id": a_job().job_id, "printer_id": 1}
    response = await post(host, "/print/printers/1/command", body)
    task = await response.json()
    assert response.status == 200
    assert list(task) == ["task_id"]
    state = await (await get(host, f"/print/printers/command/{task['task_id']}")).json()
    assert (state["command"], state["progress"], state["job_status"]) == ("cancel", 1.0, "canceled")
    assert (await (await get(host, "/print/jobs?status=canceled")).json())["count"] == 1


async def test_cancel_of_a_running_job_goes_to_its_printer(host: Host) -> None:
    job = replace(a_job(), status=JobStatus.PRINTING, print_key="mark", started_at=a_job().created_at)
    await host.put_jobs(job)
    await host.observe(seen(report("mark", PrintPhase.PRINTING, progress=0.25)))
    task = await (
        await post(host, "/print/printers/1/command", data={"command": "cancel", "job_id": job.job_id})
    ).json()
    assert [(order.expect, order.order_id) for order in host.drivers.of(CancelPrint)] == [
        ("mark", task["task_id"])
    ]
    shown = await (await get(host, f"/print/jobs/{job.job_id}")).json()
    assert shown["status"] == "printing"
    assert shown["job_status"]["job_progress"] == 0.25
    state = await (await get(host, f"/print/printers/command/{task['task_id']}")).json()
    assert (state["progress"], state["data"]["state"]) == (0.0, "received")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"command": "pause"}, 422),
        ({"command": "firmware_upgrade", "package_url": "http://x"}, 401),  # for who may tell the printer
        ({"command": ""}, 422),
        ({}, 422),
        ({"command": "pause", "job_id": "00000000-0000-4000-8000-00000000ffff"}, 401),
        (
            {"command": "pause", "job_id": "4b5a3181-8997-4d6a-979f-e1af7eb5b545"},
            422,
        ),  # it waits: nothing to pause
    ],
)
async def test_commands_that_are_not_carried_out(host: Host, body: dict[str, str], status: int) -> None:
    await host.put_jobs(a_job(file_sha256="ab" * 32))
    response = await post(host, "/print/printers/1/command", body)
    assert response.status == status, await response.text()


async def test_command_for_a_job_on_another_printer(host: Host) -> None:
    await host.put_jobs(a_job(printer_id=None, status=JobStatus.CREATED))
    body = {"command": "cancel", "job_id": a_job().job_id}
    assert (await post(host, "/print/printers/1/command", body)).status == 401


async def test_status_in_a_json_body_on_get(host: Host) -> None:
    await host.put_jobs(a_job())
    headers = await host.bearer()
    for statuses, count in ((["queued"], 1), (["failed"], 0)):
        response = await host.client.get(f"{ROOT}/print/jobs", headers=headers, json={"status": statuses})
        assert (await response.json())["count"] == count
    broken = await host.client.get(
        f"{ROOT}/print/jobs", headers={**headers, "Content-Type": "application/json"}, data=b"{"
    )
    assert broken.status == 400
    array = await host.client.get(f"{ROOT}/print/jobs", headers=headers, json=[1])
    assert array.status == 400


@pytest.mark.parametrize("query", ["", "&status=queued", "&status=failed"])
async def test_streamed_list_equals_the_pages(host: Host, query: str) -> None:
    """`-1` is written piece by piece; put together it is what the pages are."""
    await host.put_jobs(*(a_job(f"job {n}", job_id=str(UUID(int=n + 1))) for n in range(1234)))
    everything = await (await get(host, f"/print/jobs?limit=-1{query}")).json()
    pages: list[Any] = []
    for offset in range(0, everything["count"] + 1, 500):
        page = await (await get(host, f"/print/jobs?limit=500&offset={offset}{query}")).json()
        pages += page["jobs"]
    assert everything["jobs"] == pages
    assert everything["count"] == len(pages) == (0 if "failed" in query else 1234)
    some = await (await get(host, f"/print/jobs?limit=700&offset=100{query}")).json()
    assert some["jobs"] == pages[100:800]


async def test_an_old_job_does_not_show_the_printer_of_today(host: Host) -> None:
    await host.put_jobs(
        replace(
            a_job(),
            status=JobStatus.CANCELED,
            reasons=frozenset({Reason.CANCELED_BY_USER}),
            started_at=START,
            ended_at=START,
        )
    )
    host.engine.state.presence[1] = replace(host.engine.state.presence[1], activity=Activity.PRINTING)
    one = (await (await get(host, f"/print/jobs/{a_job().job_id}")).json())["job_status"]
    (listed,) = (await (await get(host, "/print/jobs")).json())["jobs"]
    assert one["printer_status"] == listed["job_status"]["printer_status"] == "ready"


async def test_streamed_list_has_no_body_on_head(host: Host) -> None:
    await host.put_jobs(a_job())
    headers = await host.bearer()
    response = await host.client.head(f"{ROOT}/print/jobs?limit=-1", headers=headers)
    assert (response.status, response.headers["X-Total-Count"]) == (200, "1")
    assert (await host.client.get(f"{ROOT}/print/jobs", headers=headers)).status == 200


async def test_unchanged_list_is_not_sent_again(host: Host) -> None:
    await host.put_jobs(a_job())
    etag = (await get(host, "/print/jobs")).headers["ETag"]
    unchanged = await get(host, "/print/jobs", **{"If-None-Match": etag})
    assert (unchanged.status, await unchanged.read()) == (304, b"")
    await host.put_jobs(a_job(job_id=str(UUID(int=7))))
    assert (await get(host, "/print/jobs", **{"If-None-Match": etag})).status == 200


async def test_printers_of_the_organization(host: Host) -> None:
    body = await (await get(host, "/print/printers")).json()
    assert (body["count"], body["limit"], body["_link"]) == (1, 20, "/print/printers?limit=20&offset=0")
    found = body["printers"][0]
    assert (found["printer_id"], found["printer_name"], found["is_primary"]) == (1, "mk3", False)
    assert found["printer_last_health"] == "online"
    assert (await (await get(host, "/print/printers/1", ANA)).json())["is_primary"] is True
    assert (await (await get(host, "/print/printers?limit=-1&offset=1")).json())["printers"] == []


async def test_printer_that_says_nothing_is_offline(host: Host) -> None:
    host.clock.advance(61.0)
    status = await (await get(host, "/print/printers/status/1")).json()
    assert (status["printer_availability"], status["last_check_in"]) == ("offline", 61_000)
    assert "job_id" not in status["last_reported_state"]


async def test_printer_status_shows_ones_own_job(host: Host) -> None:
    await host.put_jobs(a_job(status=JobStatus.PRINTING, progress=0.1))
    host.engine.state.presence[1] = replace(host.engine.state.presence[1], activity=Activity.PRINTING)
    mine = (await (await get(host, "/print/printers/status/1")).json())["last_reported_state"]
    assert (mine["printer_status"], mine["job_id"], mine["job_progress"]) == ("printing", a_job().job_id, 0.1)


async def test_upload_gives_a_printable_id(host: Host) -> None:
    import aiohttp

    form = aiohttp.FormData()
    form.add_field("unzip", "false")
    form.add_field("file", GCODE, filename="C:\\parts\\benchy.gcode")
    response = await post(host, "/files/upload", data=form)
    body = await response.json()
    assert response.status == 200, body
    assert body["files"][0]["name"] == "benchy.gcode"
    created = {"printable_id": body["files"][0]["printable_id"]}
    receipt = await (await post(host, "/print/printers/1/jobs", created)).json()
    assert receipt["status"] == "queued"


async def test_browsers_of_other_origins_may_call(host: Host) -> None:
    preflight = await host.client.options(
        f"{ROOT}/print/jobs",
        headers={"Origin": "https://app.example", "Access-Control-Request-Method": "GET"},
    )
    assert preflight.status == 204
    assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
    assert "GET" in preflight.headers["Access-Control-Allow-Methods"]
    refused = await host.client.get(f"{ROOT}/print/jobs", headers={"Origin": "https://app.example"})
    assert refused.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in refused.headers


@pytest.mark.parametrize("root", ["/ps/v1", "/v1", "/api/v1"])
@pytest.mark.parametrize("path", ["/print", "/print/jobs/", "/print/printers/abc/jobs", "/nothing", ""])
async def test_unknown_route_is_404_in_this_apis_words(host: Host, root: str, path: str) -> None:
    response = await host.client.get(root + path)
    body = await response.json()
    assert response.status == body["code"] == 404
    assert list(body) == ["error_id", "code", "message"]


@pytest.mark.parametrize(
    ("kind", "data", "status"),
    [
        ("application/json", b"{", 400),
        ("application/json", b'{"settings": {"a": NaN}}', 400),
        ("text/plain", b"[object Object]", 400),
        ("application/x-www-form-urlencoded", b"a=%ff%fe", 400),
        ("application/x-www-form-urlencoded", b"a[b][c][d][e][f]=1", 400),
        ("application/x-www-form-urlencoded", b"&".join(b"a=1" for _ in range(300)), 400),
        ("application/json", json.dumps({"job_name": "x" * 300_000}).encode(), 413),
    ],
)
async def test_bodies_that_cannot_be_read(host: Host, kind: str, data: bytes, status: int) -> None:
    response = await host.client.post(
        f"{ROOT}/print/printers/0/jobs", data=data, headers={**await host.bearer(), "Content-Type": kind}
    )
    body = await response.json()
    assert (response.status, body["code"]) == (status, status), body
