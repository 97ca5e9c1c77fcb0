"""What Moonraker says, case by case (tests/vectors/moonraker)."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway.protocol.moonraker.history import rows
from gateway.protocol.moonraker.judging import judge
from gateway.protocol.moonraker.objects import objects
from gateway.protocol.moonraker.rpc import replies

FOLDER = Path(__file__).parents[2] / "vectors" / "moonraker"


def cases(name: str) -> list[dict[str, Any]]:
    return list(tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))["case"])


@pytest.mark.parametrize("case", cases("judging"), ids=lambda case: case["title"])
def test_print_stats_is_judged_together_with_webhooks(case: dict[str, Any]) -> None:
    known = objects(json.loads(case["status"])) if "status" in case else None
    standing = judge(known, "nobody there")
    assert standing.doing.value == case["doing"]
    assert (standing.file, standing.seconds) == (case.get("file", ""), case.get("seconds", 0.0))
    assert standing.why == case.get("why", standing.why if "why" in case else "")


@pytest.mark.parametrize("case", cases("replies"), ids=lambda case: case["title"])
def test_replies_are_found_by_their_ids(case: dict[str, Any]) -> None:
    told: list[dict[str, Any]] = []
    for reply in replies(case["message"].encode()):
        if reply.error is None:
            told.append({"id": reply.id, "result": reply.result})
        else:
            told.append({"id": reply.id, "error": [reply.error.code, reply.error.message]})
    assert told == case["replies"]


@pytest.mark.parametrize("case", cases("history"), ids=lambda case: case["status"])
def test_a_row_says_how_its_print_ended(case: dict[str, Any]) -> None:
    [row] = rows(
        {"jobs": [{"job_id": "00001F", "start_time": 1.5, "status": case["status"], "user": "No User"}]}
    )
    assert (row.end.value, row.end.may_go_on) == (case["end"], case["may_go_on"])
    assert bool(row.words) is (case["end"] not in ("running", "completed", "canceled"))
    assert (row.native_id, row.user) == ("00001F/1.500000", None)


@pytest.mark.parametrize(
    ("told", "user"), [("No User", None), (None, None), ("_TRUSTED_USER_", None), ("ana", "ana")]
)
def test_a_user_is_somebody_who_logged_in(told: str | None, user: str | None) -> None:
    [row] = rows({"jobs": [{"job_id": "1", "start_time": 1, "status": "completed", "user": told}]})
    assert row.user == user
