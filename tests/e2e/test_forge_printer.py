"""Real processes: a printer calls in, is registered by its code, prints; its gateway is killed meanwhile."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from firmware_sim.forge import CallInLedger, read_call_in_ledger
from tests.e2e.house import PATIENCE, House

LAYERS = 6
PART = b"".join(b";LAYER:%d\nG1 X%d Y5 E1\n" % (layer, layer) for layer in range(LAYERS))
SPEED = 5  # of loading and layers: a layer takes 0.2 s


class CallInHouse(House):
    """A gateway with a port of its own and no serial printers; printers call in there."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, {})
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        config = folder / "config.toml"
        address = self.url.removeprefix("http://")
        text = config.read_text().replace("127.0.0.1:0", address)
        config.write_text(text.replace("[store]", f'public_url = "{self.url}"\n[store]'))

    def owner(self, name: str) -> str:
        """A member, and a key of theirs."""
        assert self.cli("members", "add", name).returncode == 0
        made = self.cli(
            "keys", "create", name, "--name", "app", "--scope", "data:read", "--scope", "data:write", "--json"
        )
        assert made.returncode == 0, made.stderr
        return str(json.loads(made.stdout)["token"])

    def forge(self, path: str, token: str, form: dict[str, str] | None = None) -> Any:
        """What an app asks the Forge API."""
        body = None if form is None else urlencode(form).encode()
        request = Request(f"{self.url}/ps/v1/print{path}", body, {"Authorization": f"Bearer {token}"})
        try:
            with urlopen(request, timeout=PATIENCE) as answer:
                return json.load(answer)
        except HTTPError as error:
            raise AssertionError(f"{path}: {error.code} {error.read().decode()}") from error

    def upload(self, token: str) -> str:
        """A print file as Ember takes it; its printable_id."""
        head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="part.gcode"\r\n\r\n'
        request = Request(
            f"{self.url}/ps/v1/files/upload", head + PART + b"\r\n--b--\r\n",
            {"Authorization": f"Bearer {token}", "Content-Type": "multipart/form-data; boundary=b"},
        )  # fmt: skip
        with urlopen(request, timeout=PATIENCE) as answer:
            return str(json.load(answer)["files"][0]["printable_id"])

    def call_in(self, name: str, personality: str) -> None:
        """A printer is switched on."""
        self.run(
            name, "firmware_sim", "forge", "--personality", personality, "--url", f"{self.url}/v1",
            "--speed", str(SPEED), "--ledger", f"{self.folder}/{name}.ledger",
            "--control", f"{self.folder}/{name}.control", "--state", f"{self.folder}/{name}.state",
        )  # fmt: skip

    def code(self, name: str) -> str:
        """The code on its display."""
        self.until(lambda: re.search(r"code ([A-Z]{6})", self.log(name)))
        return re.findall(r"code ([A-Z]{6})", self.log(name))[-1]

    def deeds(self, name: str) -> CallInLedger:
        """What the machine did."""
        return read_call_in_ledger(self.folder / f"{name}.ledger")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[CallInHouse]:
    with CallInHouse(tmp_path) as running:
        running.until(running.is_up)
        yield running


def registered(house: CallInHouse, token: str) -> int:
    """A documented printer that belongs to the token's member, listens, and has a clear plate."""
    house.call_in("ada", "documented")
    form = {"printer_name": "ada", "registration_code": house.code("ada")}
    answer = house.forge("/printers/register", token, form)
    assert answer["registered"] is True
    printer_id = int(answer["printer_id"])
    house.until(lambda: any("command" in str(d.facts) for d in house.deeds("ada").events("subscribed")))
    house.until(lambda: house.ask(f"/printers/{printer_id}/plate", {"plate": "clear"}))
    return printer_id


def test_registered_by_code_printed_and_restarted_under(house: CallInHouse) -> None:
    token = house.owner("ana")
    printer_id = registered(house, token)
    form = {"printable_id": house.upload(token), "job_name": "clip"}
    job_id = house.forge(f"/printers/{printer_id}/jobs", token, form)["job_id"]
    house.until(lambda: house.deeds("ada").count("layer") >= 2)
    house.at_panel("ada", "pause")  # so that it does not end while nobody hears it
    house.until(lambda: house.forge(f"/jobs/{job_id}", token)["status"] == "paused")
    house.kill("gateway")
    house.start("gateway")
    house.until(house.is_up)
    assert house.forge(f"/jobs/{job_id}", token)["status"] == "paused"
    house.at_panel("ada", "resume")
    house.until(lambda: house.forge(f"/jobs/{job_id}", token)["status"] == "completed")
    ledger = house.deeds("ada")
    assert ledger.starts() == [job_id]
    assert [deed.facts["layer"] for deed in ledger.events("layer")] == list(range(1, LAYERS + 1))
    assert [deed.facts["bytes"] for deed in ledger.events("downloaded")] == [len(PART)]
    assert ledger.violations() == []
    shown = house.forge(f"/printers/status/{printer_id}", token)
    assert (shown["printer_availability"], shown["last_reported_state"]["printer_status"]) == (
        "online",
        "ready",
    )
    house.at_panel("ada", "start-local Vase.stl 4")
    house.until(lambda: house.deeds("ada").count("completed") == 2)
    house.until(lambda: len(house.forge("/jobs?status=completed", token)["jobs"]) == 2)
    local = house.forge("/jobs?status=completed", token)["jobs"][-1]
    assert (local["local_job"], local["job_name"]) == (True, "Vase.stl")
    assert ledger.starts()[0] == job_id
    assert "another machine" in house.log("gateway"), "its public_url is a loopback address"
