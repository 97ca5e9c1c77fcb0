"""The bundle: what is in it, and that no secret is, wherever one was planted."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.auth.keys import make_key
from gateway.config import BambuPrinter, Config
from gateway.config.mqtt import Mqtt
from gateway.domain.commands import AddKey, AddMember, SubmitJob
from gateway.domain.member import Member, Scope
from gateway.domain.task import TaskKind, TaskStatus
from gateway.domain.task_commands import AddTask
from gateway.tasks.redacting import redacted, redacted_text
from tests.support.stand import BEN
from tests.tasks.shop import Shop, json_of, open_shop

#: Planted where one can be; nothing of them may come out.
EMAIL, PASSWORD = "eve.adams@example.com", "hunter2-Pa55"
URL = f"https://eve:{PASSWORD}@hooks.example.com/T0K3N-in-the-path/x?token=qu3ry-t0k3n"
WEAK = "4711-access-code"
PLANTED = ("eve.adams", PASSWORD, "T0K3N-in-the-path", "qu3ry-t0k3n", WEAK)


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(tmp_path) as shop:
        yield shop


async def test_what_is_in_it(shop: Shop) -> None:
    await shop.submit()
    shop.log.handle(logging.makeLogRecord({"msg": "the fan is loud", "levelno": logging.WARNING}))
    wire = shop.folder / "wire"
    wire.mkdir()
    (wire / "mk3-000001-20160518T054202Z.wire").write_text("# header\n> N1 G28*18\n< ok\n")
    task = await shop.done(TaskKind.DIAGNOSTICS, {})
    assert (task.status, task.error) == (TaskStatus.DONE, None)
    found = shop.members_of(task)
    assert task.result == {"parts": list(found)}
    assert task.progress_value == task.progress_total == len(found)
    assert b"the fan is loud" in found["log.txt"]
    assert found["wire/mk3-000001-20160518T054202Z.wire"] == b"# header\n> N1 G28*18\n< ok\n"
    (printer,) = json_of(found["printers.json"])
    assert (printer["status"], printer["plate"], printer["driver"]) == ("offline", "clear", "marlin")
    (job,) = json_of(found["jobs.json"])
    assert (job["number"], job["status"]) == (1, "created")
    assert [one["kind"] for one in json_of(found["tasks.json"])] == ["diagnostics"]
    events = json_of(found["events.json"])
    assert events[-1]["kind"] == "task-moved"
    assert events[-1]["details"]["status"] == "running"
    configuration = json_of(found["configuration.json"])
    assert configuration["store"]["url"] == f"sqlite:///{shop.folder}/gateway.db"
    assert configuration["outbound"] == {"private_addresses": True}
    assert json_of(found["counts.json"])["members"] >= 1
    assert json_of(found["version.json"])["version"]


def test_nothing_of_the_configuration_says_who_people_are() -> None:
    """Names of owners and of users, and what a maker knows a printer by; its own name stays."""
    config = Config(
        mqtt=Mqtt(url="mqtt://127.0.0.1", username="anas-broker", password_file="mqtt-password"),
        printers=(
            BambuPrinter(
                name="x1", driver="bambu", host="192.0.2.7", serial="01S00A000000000",
                access_code_file="x1-code", owner="ana",
            ),
        ),
    )  # fmt: skip
    text = json.dumps(redacted(config.model_dump(mode="json")))
    assert '"name": "x1"' in text
    for planted in ("ana", "01S00A000000000", "mqtt-password", "x1-code"):
        assert planted not in text


async def test_no_secret_is_in_it(shop: Shop) -> None:
    """One in every place that can hold one: rows, arguments, messages, events, the log, the wire, names."""
    eve = Member("EVEEVEEVEEVE0", EMAIL, 1, email=EMAIL)
    await shop.give(AddMember(eve))
    key = make_key(eve.member_id, f"key of {EMAIL}", frozenset(Scope), shop.clock.wall())
    await shop.give(AddKey(key.key))
    secret = key.token.split("_", 2)[2]
    await shop.give(
        SubmitJob(
            eve.member_id, 1, name=f"job {PASSWORD}", printable_url=URL, callback_url=URL,
            settings={"access_code": WEAK},
        )
    )  # fmt: skip
    later = shop.clock.wall() + timedelta(days=1)
    asked = AddTask(eve.member_id, 1, TaskKind.FILE_IMPORT, EMAIL, arguments={"url": URL}, begins_at=later)
    await shop.give(asked)
    presence = shop.engine.state.presence[1]
    shop.engine.state.presence[1] = replace(
        presence, message=f"token: {WEAK}", link_reason=f"{URL} refused", reported={"access_code": WEAK}
    )
    for text in (
        f"GET {URL} -> 401",
        f"Authorization: Bearer {key.token}",
        f"Authorization: Basic {WEAK}",
        f"X-ApiKey: {secret}",
        f'{{"password": "{PASSWORD}", "access_code":"{WEAK}"}}',
        f"mail to {EMAIL} failed",
        f"print-gateway --token {key.token} jobs",
        f"bare {secret}",
    ):
        shop.log.handle(logging.makeLogRecord({"msg": text, "levelno": logging.INFO}))
    wire = shop.folder / "wire"
    wire.mkdir()
    (wire / "mk3-000001-20160518T054202Z.wire").write_text(f'> M587 S"home" P"{PASSWORD}"\n< ok {URL}\n')
    task = await shop.done(TaskKind.DIAGNOSTICS, {})
    assert task.status is TaskStatus.DONE
    text = gzip.decompress(shop.result(task).read_bytes()).decode("utf-8", "replace")
    assert "hooks.example.com" in text  # where to is told
    for planted in (*PLANTED, secret, key.token, key.key.secret_sha256):
        assert planted not in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain words: the fan is loud, 215.5 of 215", "plain words: the fan is loud, 215.5 of 215"),
        ("N12 G1 X1.5 E0.3*7", "N12 G1 X1.5 E0.3*7"),
        ("4b5a3181-8997-4d6a-979f-e1af7eb5b545 failed", "4b5a3181-8997-4d6a-979f-e1af7eb5b545 failed"),
        ("https://a.example:8443/x?y=z#f", "https://a.example:8443/***"),
        ("mqtt://u:p@host:1883", "mqtt://host:1883"),
        ("postgresql://u:p@db/name", "postgresql://db/***"),
        ("sqlite:////var/lib/x.db", "sqlite:////var/lib/x.db"),
        ("API-Key=abc", "API-Key=***"),
        ("client_secret: 'abc'", "client_secret: '***'"),
        ("bearer abc", "bearer ***"),
        ("M587 S\"net\" P\"pw\"", "M587 ***"),
        ("ana@example.com", "***"),
        ("aB3/" * 12, "***"),
        ("/var/lib/print-gateway/files/.incoming/12-3", "/var/lib/print-gateway/files/.incoming/12-3"),
        ("/var/lib/" + "x" * 43, "/var/lib/***"),
    ],
)  # fmt: skip
def test_what_is_left_of_text(text: str, expected: str) -> None:
    assert redacted_text(text) == expected


@pytest.mark.parametrize(
    "text", ["apikey" * 4000, "a-" * 20_000, "a" * 40_000, "token" + " " * 40_000, "a." * 20_000]
)
def test_nobody_can_write_a_line_that_takes_forever(text: str) -> None:
    """Each took minutes or more when a name could be looked at from every letter on."""
    assert set(redacted_text(text)) <= set(text) | set("***")


@pytest.mark.parametrize(
    "name",
    [
        "token",
        "api_key",
        "apiKey",
        "X-Api-Key",
        "password",
        "access_code",
        "email",
        "client_secret",
        "code",
        "username",
        "broker_username",
        "owner",
        "serial",
    ],
)
def test_values_are_masked_by_their_names(name: str) -> None:
    value: Any = {"deep": [{name: "abc", "port": 8080}, {name: 4711}, {name: None}], "is_on": True}
    clean: Any = {"deep": [{name: "***", "port": 8080}, {name: "***"}, {name: None}], "is_on": True}
    assert redacted(value) == clean


def test_ben_is_not_in_it() -> None:
    assert redacted({"keyboard": "de", "monkey": 1, "state": BEN.name}) == {
        "keyboard": "de", "monkey": 1, "state": "ben",
    }  # fmt: skip
