"""Printers in the native API: what is shown of them, and what they are told to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.api.native import printer_schemas
from gateway.domain.adjustment import Adjustment
from gateway.domain.job import JobStatus
from gateway.domain.observations import Alarm, HeadPosition, Prompt
from gateway.domain.orders import Adjust, AnswerPrompt, EmergencyStop, StartPrint
from tests.api.host import EVE, Host, a_job
from tests.api.native import ROOT, call
from tests.support.stand import ANA, seen


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
