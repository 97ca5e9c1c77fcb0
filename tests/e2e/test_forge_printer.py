"""Real processes: a printer calls in, is registered by its code, prints; its gateway is killed meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.call_in_house import CallInHouse

LAYERS = 30
PART = b"".join(b";LAYER:%d\nG1 X%d Y5 E1\n" % (layer, layer) for layer in range(LAYERS))
SPEED = 5  # of loading and layers: a layer takes 0.2 s; a busy host has 5 s to pause the print


@pytest.fixture
def house(tmp_path: Path) -> Iterator[CallInHouse]:
    with CallInHouse(tmp_path) as running:
        running.until(running.is_up)
        yield running


def registered(house: CallInHouse, token: str) -> int:
    """A documented printer that belongs to the token's member, listens, and has a clear plate."""
    house.call_in("ada", "documented", SPEED)
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
    form = {"printable_id": house.upload(token, "part.gcode", PART), "job_name": "clip"}
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
