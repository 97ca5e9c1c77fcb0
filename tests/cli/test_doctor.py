"""`doctor`: what is well, what is not, and an exit code for scripts."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

import pytest
from aiohttp import web
from typer.testing import Result

from tests.cli.conftest import Run
from tests.client.fake_gateway import NOW, FakeGateway

MK3 = {"id": 1, "name": "mk3", "driver": "marlin", "link": "up", "troubles": []}
A1 = {"id": 2, "name": "a1", "driver": "bambu", "link": "up", "troubles": ["takes no job now: signed only"]}
BROKER = {"is_connected": True, "since": NOW, "reason": None, "rights": []}


def answered(fake: FakeGateway, *printers: dict[str, Any], broker: dict[str, Any] | None = None) -> None:
    body = {"version": "0.1.0", "printers": list(printers), "broker": broker}
    fake.instead["/health"] = deque([web.json_response(body)])


def failing(told: Result) -> Result:
    assert told.exit_code == 1
    return told


def test_all_is_well(run: Run, fake: FakeGateway) -> None:
    answered(fake, MK3)
    told = run("doctor")
    assert told.exit_code == 0
    assert told.stdout.splitlines() == [
        "printer mk3 (marlin): well",
        "broker: none is configured (url under [mqtt])",
    ]


def test_a_printer_in_trouble_says_why_and_scripts_notice(run: Run, fake: FakeGateway) -> None:
    answered(fake, MK3, A1)
    told = failing(run("doctor"))
    assert "printer a1 (bambu): takes no job now: signed only" in told.stdout


def test_whether_print_files_get_there_is_looked_at(run: Run, fake: FakeGateway) -> None:
    well, refused = {"is_open": True, "reason": None}, {"is_open": False, "reason": "set api_key_file"}
    unknown = {"is_open": None, "reason": "not looked at"}
    printers = (
        {**A1, "troubles": [], "storage": well},
        {**MK3, "name": "v2", "troubles": ["set api_key_file"], "storage": refused},
        {**MK3, "name": "v3", "storage": unknown},
    )
    answered(fake, *printers)
    told = failing(run("doctor"))
    assert told.stdout.splitlines()[:3] == [
        "printer a1 (bambu): well; takes print files",
        "printer v2 (marlin): set api_key_file",
        "printer v3 (marlin): well; its storage: not looked at",
    ]
    assert fake.asked == [("GET", "/health?storage=true")]


@pytest.mark.parametrize(
    ("broker", "expected", "code"),
    [
        (BROKER, "broker: connected since", 0),
        (
            {**BROKER, "is_connected": False, "reason": "nothing listens on that port"},
            ": nothing listens on that port",
            1,
        ),
        (
            {
                **BROKER,
                "rights": [{"prefix": "homeassistant", "proof": "denied", "advice": "let it write there"}],
            },
            "broker homeassistant/: let it write there",
            1,
        ),
        (
            {**BROKER, "rights": [{"prefix": "print-gateway/shelf", "proof": "proven", "advice": None}]},
            "broker print-gateway/shelf/: may read and write there",
            0,
        ),
    ],
    ids=["well", "away", "denied", "proven"],
)
def test_the_users_broker(
    run: Run, fake: FakeGateway, broker: dict[str, Any], expected: str, code: int
) -> None:
    answered(fake, MK3, broker=broker)
    told = run("doctor")
    assert (expected in told.stdout, told.exit_code) == (True, code)


def test_json_for_scripts(run: Run, fake: FakeGateway) -> None:
    answered(fake, A1, broker=BROKER)
    told = json.loads(failing(run("doctor", "--json")).stdout)
    assert told["printers"][0]["troubles"] == A1["troubles"]
    assert told["broker"]["is_connected"] is True
