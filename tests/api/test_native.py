# ruff: noqa: E501 - one request or row a line reads best here
"""The native API: printers, files, jobs, members, keys; shapes as the command line reads them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientResponse
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.http.answers import encode
from gateway.api.native import job_schemas, printer_schemas, shapes
from gateway.domain.adjustment import Adjustment
from gateway.domain.commands import PrinterCommand, TaskState
from gateway.domain.job import Job, JobStatus, Reason
from gateway.domain.member import Member, Scope
from gateway.domain.observations import Alarm, HeadPosition, PrintPhase, Prompt
from gateway.domain.orders import Adjust, AnswerPrompt, EmergencyStop, PausePrint, StartPrint
from gateway.engine.ports import Callback, CallbackState, StoreUnavailable
from tests.api.host import EVE, GCODE, MAX_UPLOAD, Host, a_job
from tests.api.test_forge_mapping import jobs
from tests.support.stand import ANA, BEN, START, house, report, seen

ROOT = "/gateway/v1"


async def call(
    host: Host, method: str, path: str, member: Member = BEN, *scopes: Scope, **more: Any
) -> ClientResponse:
    headers = {**await host.bearer(member, *scopes), **more.pop("headers", {})}
    return await host.client.request(method, ROOT + path, headers=headers, **more)


def form(content: bytes = GCODE, name: str = "part.gcode", **fields: str) -> aiohttp.FormData:
    data = aiohttp.FormData()
    for field, value in fields.items():
        data.add_field(field, value)
    data.add_field("file", content, filename=name)
    return data


# ---------------------------------------------------------------- printers


async def test_printers_one_may_use(host: Host) -> None:
    body = await (await call(host, "GET", "/printers")).json()
    assert [printer["name"] for printer in body["printers"]] == ["mk3"]
    printer_schemas.Printers.model_validate(body)
    assert body["printers"][0] | {"temperatures": {}} == {
        "id": 1, "name": "mk3", "driver": "marlin", "owner": "ana", "owner_id": ANA.member_id, "link": "up",
        "link_reason": None, "port": "", "status": "ready", "plate": "occupied", "plate_clear": "confirm",
        "enabled": True, "firmware": None, "message": None, "temperatures": {}, "position": None,
        "alarms": [], "obstacle": None, "prompt": None, "current_job": None, "hold": None, "queued": 0,
        "display_name": "mk3", "type_id": None,
    }  # fmt: skip


async def test_alarms_are_told_while_they_last(host: Host) -> None:
    await host.observe(replace(seen(), alarms=(Alarm("idle-heat", "The heaters are on."),)))
    body = await (await call(host, "GET", "/printers/mk3")).json()
    printer_schemas.Printer.model_validate(body)
    assert body["alarms"] == [{"rule": "idle-heat", "message": "The heaters are on."}]
    await host.observe(seen())
    assert (await (await call(host, "GET", "/printers/mk3")).json())["alarms"] == []


async def test_where_the_head_is(host: Host) -> None:
    await host.observe(replace(seen(), position=HeadPosition(10.0, 20.5, 0.3, -1.25)))
    body = await (await call(host, "GET", "/printers/mk3")).json()
    printer_schemas.Printer.model_validate(body)
    assert body["position"] == {"x": 10.0, "y": 20.5, "z": 0.3, "e": -1.25}


async def test_a_printers_queue_is_what_is_queued(host: Host) -> None:
    """A job without a file waits for one; it is not in the printer's queue yet."""
    await host.put_jobs(
        a_job(file_sha256="ab" * 32),
        a_job(job_id="00000000-0000-4000-9000-000000000001", status=JobStatus.CREATED, file_sha256=None),
    )
    assert (await (await call(host, "GET", "/printers/mk3")).json())["queued"] == 1


@pytest.mark.parametrize("name", ["mk3", "1"])
async def test_printer_by_name_or_id(host: Host, name: str) -> None:
    response = await call(host, "GET", f"/printers/{name}")
    assert (await response.json())["id"] == 1
    unchanged = await call(
        host, "GET", f"/printers/{name}", headers={"If-None-Match": response.headers["ETag"]}
    )
    assert unchanged.status == 304


@pytest.mark.parametrize("name", ["xl", "2", "99", "nonsense"])
async def test_foreign_and_unknown_printers_are_one_answer(host: Host, name: str) -> None:
    response = await call(host, "GET", f"/printers/{name}")
    assert response.status == 404
    assert "Yours: mk3" in (await response.json())["detail"]


async def test_confirmed_plate_lets_the_next_job_start(host: Host) -> None:
    file = await host.put_file()
    await call(host, "POST", "/jobs", json={"printer": "mk3", "file_id": file.file_id})
    assert not host.drivers.of(StartPrint)
    response = await call(host, "POST", "/printers/mk3/plate", json={"plate": "clear"})
    assert response.status == 200
    assert len(host.drivers.of(StartPrint)) == 1
    shown = await (await call(host, "GET", "/printers/mk3")).json()
    assert shown["plate"] == "occupied"
    assert shown["current_job"] is not None


async def test_plate_is_clear_or_occupied(host: Host) -> None:
    assert (await call(host, "POST", "/printers/mk3/plate", json={"plate": "dirty"})).status == 422
    assert (
        await call(host, "POST", "/printers/mk3/plate", json={"plate": "clear"}, member=EVE)
    ).status == 404


async def test_emergency_stop_is_sent_and_journaled(host: Host) -> None:
    response = await call(host, "POST", "/printers/mk3/stop")
    task = await response.json()
    assert response.status == 202
    assert [order.order_id for order in host.drivers.of(EmergencyStop)] == [task["task_id"]]
    assert (await (await call(host, "GET", f"/commands/{task['task_id']}")).json())["command"] == task[
        "command"
    ]
    assert (await call(host, "POST", "/printers/xl/stop")).status == 404


async def test_an_adjustment_becomes_an_order(host: Host) -> None:
    response = await call(host, "POST", "/printers/mk3/adjust", json={"fan": 50, "hotend": 215})
    task = await response.json()
    assert (response.status, task["command"], task["state"]) == (202, "adjust", "pending")
    assert response.headers["Location"] == f"{ROOT}/commands/{task['task_id']}"
    assert host.drivers.of(Adjust) == [Adjust("mk3", task["task_id"], "", Adjustment(fan=50, hotend=215))]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "name at least one of speed"),
        ({"hotend": 301}, "hotend 301 °C is out of range; it may be 0 to 300 °C"),
        ({"bed": 121}, "it may be 0 to 120 °C"),
        ({"fan": 101}, "fan"),
        ({"speed": 0}, "speed"),
        ({"z_step": 5}, "z_step"),
        ({"colour": 1}, "colour"),
    ],
)
async def test_an_adjustment_out_of_range_is_refused(host: Host, body: dict[str, Any], words: str) -> None:
    response = await call(host, "POST", "/printers/mk3/adjust", json=body)
    assert response.status == 422
    assert words in str(await response.json())
    assert not host.drivers.of(Adjust)


@pytest.mark.parametrize("body", [{"speed": 120}, {"flow": 98}, {"z_step": 0.05}, {"fan": 50, "speed": 120}])
async def test_what_needs_a_print_is_refused_without_one(host: Host, body: dict[str, Any]) -> None:
    response = await call(host, "POST", "/printers/mk3/adjust", json=body)
    assert response.status == 409
    assert "nothing is printed on mk3" in (await response.json())["detail"]


async def test_a_question_is_shown_and_answered(host: Host) -> None:
    asked = replace(seen(), prompt=Prompt(7, "Nozzle Parked", ("Continue", "Purge more")))
    await host.observe(asked)
    shown = await (await call(host, "GET", "/printers/mk3")).json()
    assert shown["prompt"] == {"text": "Nozzle Parked", "choices": ["Continue", "Purge more"]}
    wrong = await call(host, "POST", "/printers/mk3/prompt", json={"choice": 2})
    assert wrong.status == 422
    assert "it offers: 0 (Continue), 1 (Purge more)" in (await wrong.json())["detail"]
    right = await call(host, "POST", "/printers/mk3/prompt", json={"choice": 1})
    task = await right.json()
    assert (right.status, task["command"]) == (202, "answer-prompt")
    assert host.drivers.of(AnswerPrompt) == [AnswerPrompt("mk3", task["task_id"], 7, 1)]


async def test_nothing_is_answered_that_is_not_asked(host: Host) -> None:
    response = await call(host, "POST", "/printers/mk3/prompt", json={"choice": 0})
    assert response.status == 409
    assert "mk3 asks nothing now" in (await response.json())["detail"]


# ---------------------------------------------------------------- files


async def test_uploaded_file_is_there(host: Host) -> None:
    response = await call(host, "POST", "/files", data=form(name="Würfel 2.gcode"))
    file = await response.json()
    assert response.status == 201, file
    assert (file["name"], file["size"], file["metadata"]) == ("Würfel 2.gcode", len(GCODE), {"lines": 3})
    assert response.headers["Location"] == f"{ROOT}/files/{file['id']}"
    assert await (await call(host, "GET", f"/files/{file['id']}")).json() == file
    listed = await (await call(host, "GET", "/files")).json()
    assert listed == {"files": [file], "limit": 20, "offset": 0}
    assert (await call(host, "GET", f"/files/{file['id']}", EVE)).status == 404


async def test_raw_upload(host: Host) -> None:
    response = await call(
        host, "POST", "/files?name=a.gcode", data=GCODE, headers={"Content-Type": "application/octet-stream"}
    )
    assert (response.status, (await response.json())["name"]) == (201, "a.gcode")


async def test_an_archive_is_taken_from_who_says_so(host: Host) -> None:
    """For printers that call in and read it themselves."""
    raw: dict[str, Any] = {"data": b"PK\x03\x04", "headers": {"Content-Type": "application/octet-stream"}}
    assert (await call(host, "POST", "/files?name=a.zip", **raw)).status == 422
    response = await call(host, "POST", "/files?name=a.zip&archive=true", **raw)
    assert (response.status, (await response.json())["name"]) == (201, "a.zip")


async def test_repeated_upload_is_one_file(host: Host) -> None:
    key = {"Idempotency-Key": "k1"}
    ids = [(await (await call(host, "POST", "/files", data=form(), headers=key)).json())["id"] for _ in "ab"]
    assert ids[0] == ids[1]
    other = await call(host, "POST", "/files", data=form(b"G28\n"), headers=key)
    assert other.status == 422


def leftovers(host: Host) -> list[str]:
    return [path.name for path in (host.folder / "files" / ".incoming").iterdir()]


@pytest.mark.parametrize(
    ("data", "status", "word"),
    [
        (form(b"PK\x03\x04"), 422, "sliced file"),
        (form(b""), 422, "empty"),
        (
            form(b"x" * (MAX_UPLOAD + 1)),
            413,
            f"the {MAX_UPLOAD} bytes this gateway takes. Its operator can raise",
        ),
        (form(member="eve"), 422, "member"),
        (form(note="x" * 5000), 413, "field"),
        (aiohttp.FormData({"a": "b"}), 415, "multipart"),
    ],
    ids=["archive", "empty", "large", "member", "note", "urlencoded"],
)
async def test_upload_that_is_refused_leaves_nothing(
    host: Host, data: aiohttp.FormData, status: int, word: str
) -> None:
    response = await call(host, "POST", "/files", data=data)
    problem = await response.json()
    assert response.status == status, problem
    assert word in problem["detail"]
    assert leftovers(host) == []
    assert (await (await call(host, "GET", "/files")).json())["files"] == []


@pytest.mark.parametrize(
    "body",
    [
        b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x--\r\n",
        b"nonsense",
        b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y--\r\n--x--\r\n",
        b"".join(b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n" for _ in range(40))
        + b"--x--\r\n",
    ],
)
async def test_broken_multipart(host: Host, body: bytes) -> None:
    response = await call(
        host, "POST", "/files", data=body, headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert response.status in (400, 422)
    assert leftovers(host) == []


async def test_part_header_that_cannot_be_read(host: Host) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="\xff\x1f"\r\n\r\n1\r\n--x--\r\n'
    response = await call(
        host, "POST", "/files", data=body, headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert response.status in (400, 422)
    assert leftovers(host) == []


async def test_body_that_is_not_compressed_as_it_says(host: Host) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    response = await call(host, "POST", "/jobs", data=b"{}", headers=headers)
    assert response.status == 400


async def test_multipart_without_boundary(host: Host) -> None:
    response = await call(host, "POST", "/files", data=b"x", headers={"Content-Type": "multipart/form-data"})
    assert response.status == 400


async def test_disk_that_cannot_be_written_is_503(host: Host) -> None:
    class Full:
        async def begin(self, expected: int) -> None:
            raise StoreUnavailable("/var/lib cannot be written")

    object.__setattr__(host.services, "files", Full())
    response = await call(host, "POST", "/files", data=form())
    assert (response.status, "cannot be written" in await response.text()) == (503, True)


# ---------------------------------------------------------------- jobs


async def test_new_job(host: Host) -> None:
    file = await host.put_file()
    asked = {"printer": "mk3", "file_id": file.file_id, "name": "Benchy", "settings": {"copies": 1}}
    response = await call(host, "POST", "/jobs", json=asked)
    job = await response.json()
    assert response.status == 201, job
    assert response.headers["Location"] == f"{ROOT}/jobs/{job['id']}"
    job_schemas.Job.model_validate(job)
    assert job | {"waiting": None} == {
        "id": job["id"], "number": 1, "name": "Benchy", "status": "queued", "reasons": job["reasons"], "verdict": None,
        "is_local": False, "origin": "gateway", "is_held": False, "member_id": BEN.member_id, "member": "ben", "printer_id": 1,
        "printer": "mk3", "file": {"sha256": file.sha256, "name": "part.gcode", "size": len(GCODE)},
        "progress": None, "position": None, "line": None, "layer": None, "layers": None, "seconds_left": None,
        "message": job["message"], "waiting": None, "attempts": 0,
        "created_at": "2016-05-18T05:42:02.000Z", "status_at": "2016-05-18T05:42:02.000Z", "started_at": None,
        "ended_at": None, "version": 1,
    }  # fmt: skip
    assert "plate" in job["waiting"]
    shown = await call(host, "GET", f"/jobs/{job['id']}")
    assert await shown.json() == job | {"attempt_list": [], "callback": None}


@pytest.mark.parametrize("printer", ["mk3", 1, "1"])
async def test_printer_of_a_job_by_name_or_id(host: Host, printer: str | int) -> None:
    response = await call(host, "POST", "/jobs", json={"printer": printer, "name": "x"})
    assert (await response.json())["printer"] == "mk3"


async def test_job_without_a_name_has_its_files(host: Host) -> None:
    file = await host.put_file(name="cube.gcode")
    response = await call(host, "POST", "/jobs", json={"file_id": file.file_id})
    job = await response.json()
    assert (job["name"], job["status"], job["printer"]) == ("cube.gcode", "created", None)


@pytest.mark.parametrize(
    "body",
    [
        {"printer": "xl"},
        {"printer": 99},
        {"file_id": "00000000-0000-4000-8000-00000000ffff"},
        {"member": "ana"},
        {"member": "nobody"},
    ],
)
async def test_job_for_what_one_may_not(host: Host, body: dict[str, Any]) -> None:
    response = await call(host, "POST", "/jobs", json=body)
    assert response.status == 422
    assert next(iter(body)) in (await response.json())["detail"]


async def test_administrator_hands_in_for_others(host: Host) -> None:
    response = await call(host, "POST", "/jobs", ANA, Scope.ADMIN, json={"printer": "mk3", "member": "ben"})
    assert (await response.json())["member"] == "ben"


async def test_repeated_submission_is_one_job(host: Host) -> None:
    key = {"Idempotency-Key": "k2"}
    asked = {"printer": "mk3", "name": "x"}
    ids = [(await (await call(host, "POST", "/jobs", json=asked, headers=key)).json())["id"] for _ in "ab"]
    assert ids[0] == ids[1]
    assert (await call(host, "POST", "/jobs", json={**asked, "name": "y"}, headers=key)).status == 422


async def test_lists_show_whose_they_are(host: Host) -> None:
    await host.put_jobs(
        a_job("bens"),
        a_job("anas", ANA, job_id="00000000-0000-4000-9000-000000000001", status=JobStatus.CREATED, printer_id=None),
        a_job("eves", EVE, job_id="00000000-0000-4000-9000-000000000002", printer_id=2),
    )  # fmt: skip

    async def names(query: str, member: Member, *scopes: Scope) -> list[str]:
        response = await call(host, "GET", f"/jobs{query}", member, *scopes)
        body = await response.json()
        assert body["total"] == len(body["jobs"])
        return [job["name"] for job in body["jobs"]]

    assert await names("", BEN) == ["bens"]
    assert await names("?scope=all", BEN) == ["bens"]
    assert await names("?scope=all&printer=mk3", ANA) == ["bens"]
    assert await names("?scope=all&printer=mk3", BEN) == ["bens"]
    assert await names("?scope=mine&printer=mk3", ANA) == []
    assert await names("?scope=all", ANA, Scope.ADMIN) == ["bens", "anas", "eves"]
    assert await names("?scope=all&status=created,failed", ANA, Scope.ADMIN) == ["anas"]
    assert await names("?scope=all&status=created&status=queued&limit=3", ANA, Scope.ADMIN) == [
        "bens", "anas", "eves",
    ]  # fmt: skip


async def test_page_of_a_list(host: Host) -> None:
    await host.put_jobs(*(a_job(str(n), job_id=f"00000000-0000-4000-9000-{n:012d}") for n in range(7)))
    body = await (await call(host, "GET", "/jobs?limit=3&offset=5")).json()
    assert ([job["name"] for job in body["jobs"]], body["total"]) == (["5", "6"], 7)
    assert (body["limit"], body["offset"]) == (3, 5)


async def test_pause_goes_to_the_printer(host: Host) -> None:
    job = replace(a_job(), status=JobStatus.PRINTING, print_key="mark", started_at=START)
    await host.put_jobs(job)
    details = {"layer": 84, "layers": 200, "seconds_left": 1200, "stage": "printing"}
    await host.observe(seen(report("mark", PrintPhase.PRINTING, progress=0.5, line=12, details=details)))
    response = await call(host, "POST", f"/jobs/{job.job_id}/pause")
    task = await response.json()
    assert (response.status, task["state"], task["job_id"]) == (202, "pending", job.job_id)
    assert response.headers["Location"] == f"{ROOT}/commands/{task['task_id']}"
    assert [order.expect for order in host.drivers.of(PausePrint)] == ["mark"]
    shown = await (await call(host, "GET", f"/jobs/{job.job_id}")).json()
    assert (shown["progress"], shown["line"]) == (0.5, 12)
    assert (shown["layer"], shown["layers"], shown["seconds_left"]) == (84, 200, 1200)


async def test_etag_changes_with_progress_too(host: Host) -> None:
    job = replace(a_job(), status=JobStatus.PRINTING, print_key="mark", started_at=START)
    await host.put_jobs(job)
    await host.observe(seen(report("mark", PrintPhase.PRINTING, progress=0.5)))
    before = await call(host, "GET", f"/jobs/{job.job_id}")
    await host.observe(seen(report("mark", PrintPhase.PRINTING, progress=0.6)))
    after = await call(host, "GET", f"/jobs/{job.job_id}", headers={"If-None-Match": before.headers["ETag"]})
    assert (after.status, (await after.json())["progress"]) == (200, 0.6)


async def test_commands_that_do_not_fit_the_state(host: Host) -> None:
    await host.put_jobs(a_job(file_sha256="ab" * 32))
    for verb in ("pause", "resume"):
        response = await call(host, "POST", f"/jobs/{a_job().job_id}/{verb}")
        assert response.status == 409
        assert (await response.json())["detail"]
    assert (await call(host, "POST", f"/jobs/{a_job().job_id}/cancel")).status == 202
    assert (await call(host, "POST", f"/jobs/{a_job().job_id}/cancel")).status == 409


async def test_foreign_and_unknown_jobs_are_one_answer(host: Host) -> None:
    await host.put_jobs(a_job(member=EVE, printer_id=2))
    details = set()
    for job_id in (a_job().job_id, "00000000-0000-4000-8000-00000000ffff", "nonsense"):
        for method, path in (("GET", ""), ("POST", "/cancel"), ("POST", "/pause")):
            response = await call(host, method, f"/jobs/{job_id}{path}")
            assert response.status == 404
            details.add((await response.json())["detail"])
    assert len(details) == 1
    assert (await call(host, "GET", "/commands/nonsense")).status == 404


async def test_held_job_is_resolved_by_a_person(host: Host) -> None:
    job = replace(
        a_job(), status=JobStatus.SENT, reasons=frozenset({Reason.HOLD}), print_key="mark", attempts=1
    )
    await host.put_jobs(job)
    assert (await (await call(host, "GET", f"/jobs/{job.job_id}")).json())["is_held"] is True
    assert (await call(host, "POST", f"/jobs/{job.job_id}/resolve", json={"outcome": "queued"})).status == 422
    response = await call(host, "POST", f"/jobs/{job.job_id}/resolve", json={"outcome": "failed"})
    assert (response.status, (await response.json())["status"]) == (200, "failed")
    assert (await call(host, "POST", f"/jobs/{job.job_id}/resolve", json={"outcome": "failed"})).status == 409


# ---------------------------------------------------------------- members and keys


async def test_members_are_added_by_administrators(host: Host) -> None:
    new = {"name": "cleo", "email": "cleo@example.org"}
    assert (await call(host, "POST", "/members", json=new)).status == 403
    response = await call(host, "POST", "/members", ANA, Scope.ADMIN, json=new)
    member = await response.json()
    assert response.status == 201
    assert (member["name"], member["email"], member["organization_id"]) == ("cleo", "cleo@example.org", 1)
    assert (await call(host, "POST", "/members", ANA, Scope.ADMIN, json=new)).status == 409
    assert (
        await call(host, "POST", "/members", ANA, Scope.ADMIN, json={"name": "x", "email": "x"})
    ).status == 422
    everybody = await (await call(host, "GET", "/members", ANA, Scope.ADMIN)).json()
    assert {"ana", "ben", "eve", "cleo"} <= {item["name"] for item in everybody["members"]}
    me = await (await call(host, "GET", "/members")).json()
    assert [item["name"] for item in me["members"]] == ["ben"]


async def test_token_is_shown_once(host: Host) -> None:
    asked = {"member": "ben", "name": "slicer", "scopes": ["data:read", "data:write"]}
    assert (await call(host, "POST", "/keys", json=asked)).status == 403
    response = await call(host, "POST", "/keys", ANA, Scope.ADMIN, json=asked)
    key = await response.json()
    assert response.status == 201, key
    assert (key["member"], key["name"], key["scopes"]) == ("ben", "slicer", ["data:read", "data:write"])
    assert response.headers["Cache-Control"] == "no-store"
    works = await host.client.get(f"{ROOT}/jobs", headers={"Authorization": f"Bearer {key['token']}"})
    assert works.status == 200
    listed = await (await call(host, "GET", "/keys", ANA, Scope.ADMIN)).json()
    assert "token" not in str(listed)
    assert key["id"] in [item["id"] for item in listed["keys"]]
    assert (await call(host, "DELETE", f"/keys/{key['id']}", EVE)).status == 404
    for _ in range(2):
        assert (await call(host, "DELETE", f"/keys/{key['id']}")).status == 204
    gone = await host.client.get(f"{ROOT}/jobs", headers={"Authorization": f"Bearer {key['token']}"})
    assert gone.status == 401


@pytest.mark.parametrize(
    "asked",
    [
        {"member": "nobody", "name": "x", "scopes": ["data:read"]},
        {"member": "ben", "name": "x", "scopes": []},
        {"member": "ben", "name": "x", "scopes": ["root"]},
        {"member": "ben", "name": "x"},
    ],
)
async def test_keys_that_are_not_made(host: Host, asked: dict[str, Any]) -> None:
    assert (await call(host, "POST", "/keys", ANA, Scope.ADMIN, json=asked)).status == 422


# ---------------------------------------------------------------- shapes


@given(jobs(), st.none() | st.text(max_size=5))
def test_every_job_has_a_shape(job: Job, waiting: str | None) -> None:
    job_schemas.Job.model_validate_json(encode(shapes.job(job, house(), waiting)))


@given(st.sampled_from(TaskState), st.none() | st.integers(1, 9))
def test_every_command_has_a_shape(state: TaskState, printer_id: int | None) -> None:
    number = "00000000-0000-4000-8000-000000000001"
    command = PrinterCommand(number, printer_id, 1, "pause", "M", START, state)
    printer_schemas.Task.model_validate_json(encode(shapes.task(command)))


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/members", {"name": "a\tb"}, "name: A name is one line of text"),
        ("/members", {"name": " "}, "name: A name is one line of text"),
        (
            "/members",
            {"name": "zoe", "email": "zoe"},
            "email: An e-mail address is needed, like ana@example.org",
        ),
        ("/members", {}, "name: this field is needed"),
        ("/keys", {"member": "ben", "name": "k", "scopes": []}, "scopes: List should have at least 1 item"),
        (
            "/keys",
            {"member": "ben", "name": "k", "scopes": ["root"]},
            "scopes.0: Input should be 'data:read'",
        ),
        ("/keys", {"member": "zoe", "name": "k", "scopes": ["admin"]}, "print-gateway members add"),
        ("/printers/mk3/plate", {"plate": "dirty"}, "plate: Input should be 'clear' or 'occupied'"),
        ("/jobs", {"name": "x" * 201}, "name: String should have at most 200 characters"),
        ("/printers/mk3/adjust", {"fan": 101}, "fan: 100 is the most that is possible"),
        ("/printers/mk3/adjust", {"z_step": -1}, "z_step: -0.5 is the least that is possible"),
        ("/jobs", [], "body: an object is needed"),
    ],
)
async def test_what_is_wrong_is_said_in_words(host: Host, path: str, body: Any, words: str) -> None:
    """The field first, then what it takes: no regular expressions, no "body:" in front."""
    response = await call(host, "POST", path, ANA, Scope.ADMIN, json=body)
    detail = (await response.json())["detail"]
    assert response.status == 422
    assert words in detail
    assert "pattern" not in detail


async def test_how_the_updates_of_a_job_go_is_shown(host: Host) -> None:
    url = "https://app.example/hook?token=secret"
    await host.put_jobs(a_job(callback_url=url, callback_interval=30))
    path = f"{ROOT}/jobs/{a_job().job_id}"
    first = (await (await call(host, "GET", f"/jobs/{a_job().job_id}")).json())["callback"]
    assert (first["host"], first["state"], first["interval"], first["is_up_to_date"]) == (
        "app.example", "probing", 30, False,
    )  # fmt: skip
    known = Callback(
        1, url, CallbackState.ACTIVE, failures=2, tried_at=START, next_at=START, last_status=503,
        last_error="it answers with status 503", delivered_version=1, delivered_at=START,
    )  # fmt: skip
    await host.outbox.save(known)
    response = await host.client.get(path, headers=await host.bearer())
    text = await response.text()
    assert "secret" not in text
    job_schemas.JobWithAttempts.model_validate_json(text)
    shown = (await response.json())["callback"]
    assert (shown["failures"], shown["last_status"], shown["is_up_to_date"]) == (2, 503, True)
    assert shown["delivered_at"] == shown["next_at"] == "2016-05-18T05:42:02.000Z"
