# ruff: noqa: E501 - one request or row a line reads best here
"""Jobs in the native API: handed in, listed, commanded, resolved; who is told of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.api.native import job_schemas
from gateway.domain.job import JobStatus, Reason
from gateway.domain.member import Member, Scope
from gateway.domain.observations import PrintPhase
from gateway.domain.orders import PausePrint
from gateway.engine.ports import Callback, CallbackState
from tests.api.host import EVE, GCODE, Host, a_job
from tests.api.native import ROOT, call
from tests.support.stand import ANA, BEN, START, report, seen


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
