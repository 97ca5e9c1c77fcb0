"""What the four APIs must say of the demo for it to be a success, and each way in which they may not."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import pytest
from aiohttp import web

from gateway.cli.demo_children import DemoFailed
from gateway.cli.demo_http import Http
from gateway.cli.demo_people import Credentials, basic
from gateway.cli.demo_words import Said
from tests.client.fake_gateway import FakeGateway, served

PRINT = {"job_id": "J", "job_name": "clip", "status": "completed", "local_job": False}
LOCAL = {"job_id": "L", "job_name": "clip.gco", "status": "completed", "local_job": True}


def row(number: int, name: str, kind: str = "PrintJob", **changes: Any) -> Mapping[str, Any]:
    """A row of GreenArrow's."""
    return {
        "id": number,
        "name": name,
        "job_type": kind,
        "state": "finished",
        "organization_id": 1,
        **changes,
    }


EXPORT, THEIRS = row(3, "all", "HistoryExport"), row(4, "all", "HistoryExport", organization_id=2)
GOOD = Said(
    forge=[PRINT, LOCAL],
    greenarrow=[row(1, "clip"), row(2, "clip.gco"), EXPORT, THEIRS],
    school=[THEIRS],
    conversio=[{"kind": "history-export", "status": "done"}],
    cloud66=[{"name": "good morning", "status": 2}],
    action={"finished_success": True, "finished_message": "done on 2 of 2 printers"},
    exported=[{"job_id": "J", "status": "completed"}, {"job_id": "L", "status": "completed"}],
    greeted={"workshop": 1, "garage": 1},
)


def test_one_truth() -> None:
    assert GOOD.faults() == []
    assert GOOD.verdicts() == [
        "PROVEN: an app's export: its file has the 2 prints of the queue",
        'PROVEN: ledgers of "workshop" and "garage": each executed the schedule\'s line once',
    ]
    assert GOOD.rows() == [
        ("Forge", "GET /ps/v1/print/jobs", "2 completed, 1 of them local"),
        ("GreenArrow", "GET /ga/api/v2/jobs/all", "2 PrintJob finished, 2 HistoryExport finished"),
        ("Conversio", "GET /api/v1/async-jobs", "1 history-export done, 2 rows"),
        ("Cloud 66", "GET /stacks/{id}/jobs", "good morning: status 2, done on 2 of 2 printers"),
    ]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"forge": [{**PRINT, "status": "failed"}, LOCAL]}, "by the Forge API clip did not complete"),
        ({"greenarrow": [row(1, "clip"), EXPORT, THEIRS]}, "GreenArrow's finished prints are ['clip']"),
        (
            {"greenarrow": [row(1, "clip", state="active"), row(2, "clip.gco"), EXPORT, THEIRS]},
            "GreenArrow's finished prints are ['clip.gco']",
        ),
        ({"greenarrow": [row(1, "clip"), row(2, "clip.gco"), EXPORT]}, "does not see all"),
        ({"school": []}, "another organization sees "),
        ({"school": [THEIRS, EXPORT]}, "another organization sees all"),
        ({"conversio": []}, "the app's exports are []"),
        ({"conversio": [{"kind": "history-export", "status": "failed"}]}, "the app's exports are ['failed']"),
        ({"exported": []}, "the export has {}"),
        ({"exported": [{"job_id": "J", "status": "completed"}]}, "the export has {'J': 'completed'}"),
        (
            {"action": {"finished_success": False, "finished_message": "look at the machine"}},
            "the schedule's run failed: look at the machine",
        ),
        ({"cloud66": [{"name": "x", "status": 3}]}, "the statuses of the stack's jobs are [3]"),
        ({"greeted": {"workshop": 1, "garage": 2}}, "the schedule's line was executed {'garage': 2}"),
        ({"greeted": {"workshop": 0, "garage": 1}}, "the schedule's line was executed {'workshop': 0}"),
        ({"greeted": {}}, "the schedule's line was executed {}"),
    ],
)
def test_what_does_not_agree_is_told(changes: dict[str, Any], fault: str) -> None:
    said = replace(GOOD, **changes)
    assert fault in "; ".join(said.faults())
    assert all(line.startswith("FAILED: ") for line in said.verdicts())


# credentials


def test_basic_credentials() -> None:
    assert basic("1:5e96465c883f3309f0105a2e1076632b687e61d2") == {
        "Authorization": "Basic MTo1ZTk2NDY1Yzg4M2YzMzA5ZjAxMDVhMmUxMDc2NjMyYjY4N2U2MWQy"
    }


def test_there_is_a_credential_for_each_api() -> None:
    assert [field.name for field in fields(Credentials)] == [
        "forge", "forge_other", "greenarrow_admin", "greenarrow_org", "conversio", "conversio_app", "cloud66",
    ]  # fmt: skip


# refusals, in each dialect's words


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"message": "no"}, "no"),
        ({"detail": "no"}, "no"),
        ({"success": False, "data": None, "error_code": "x", "error_message": "no"}, "no"),
        ({"error": "x", "error_description": "no"}, "no"),
        ({"strange": 1}, '{"strange": 1}'),
        ([1], "[1]"),
    ],
)
async def test_a_refusal_is_told_in_its_own_words(body: Any, words: str) -> None:
    fake = FakeGateway()
    fake.instead["/printers"] = deque([web.json_response(body, status=418)])
    with served(fake) as url:
        with pytest.raises(DemoFailed, match="GET /gateway/v1/printers: 418 ") as caught:
            await Http(url, {}).ask("GET", "/gateway/v1/printers")
    assert str(caught.value).endswith(f"418 {words}")
    assert caught.value.child == "gateway"


async def test_an_answer_that_is_no_json_is_told() -> None:
    fake = FakeGateway()
    fake.instead["/printers"] = deque([web.Response(text="<html>")])
    with served(fake) as url:
        answer = await Http(url, {}).ask("GET", "/gateway/v1/printers")
    with pytest.raises(DemoFailed, match="is no JSON"):
        answer.json()
