"""kill -9 between a change and its delivery: real processes, a real receiver, told after the restart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.house import PATIENCE, House, UnixConnection
from tests.e2e.receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


def post(house: House, token: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    connection = UnixConnection("localhost", timeout=PATIENCE)
    connection.path = f"{house.folder}/api.sock"
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection.request("POST", f"/ps/v1{path}", json.dumps(body), headers)
    answer = connection.getresponse()
    said = json.loads(answer.read())
    connection.close()
    assert answer.status == 200, said
    return dict(said)


@pytest.mark.soak
def test_killed_in_the_middle_of_a_delivery(tmp_path: Path, receiver: Receiver) -> None:
    house = House(tmp_path, {})
    with (tmp_path / "config.toml").open("a") as config:
        config.write("\n[outbound]\nprivate_addresses = true\n")
    with house:
        house.until(house.is_up)
        assert house.cli("members", "add", "ben").returncode == 0
        made = house.cli("keys", "create", "ben", "--name", "app", "--json")
        token = json.loads(made.stdout)["token"]
        receiver.is_hanging.set()
        job = post(house, token, "/print/printers/0/jobs", {"job_name": "clip", "callback_url": receiver.url})
        house.until(lambda: receiver.begun)
        house.kill("gateway")
        assert receiver.taken == []
        receiver.is_hanging.clear()
        house.start("gateway")
        house.until(lambda: receiver.taken)
        assert receiver.taken[0] == receiver.begun[0]
        assert (receiver.taken[0]["job_id"], receiver.taken[0]["job_status"]) == (job["job_id"], "created")
        house.until(lambda: house.job(job["job_id"])["callback"]["is_up_to_date"])
        shown = house.cli("jobs", "show", job["job_id"])
        assert "127.0.0.1: active; delivered " in shown.stdout
