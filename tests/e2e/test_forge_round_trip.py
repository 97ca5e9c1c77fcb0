"""The whole way on real processes: a person lets an app in, the app prints on an Ember, and hears of the end.

Judged by the machine's ledger and by what the app's own server was told.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.e2e.call_in_house import CallInHouse
from tests.e2e.receiver import Receiver, receiving
from tests.e2e.sign_in import SIGNED_IN, token_for

PASSWORD = "a very good password"
LAYERS = 50  # of an archive on the simulated Ember
SPEED = 8  # a layer takes 0.13 s, the print 6 s: a busy host sends some updates between its start and its end


@pytest.fixture
def house(tmp_path: Path) -> Iterator[CallInHouse]:
    house = CallInHouse(tmp_path)
    with (tmp_path / "config.toml").open("a") as config:
        config.write("\n[outbound]\nprivate_addresses = true\n")
    with house:
        house.until(house.is_up)
        house.call_in("ember", "ember", SPEED)
        yield house


def archive() -> bytes:
    """What an Ember prints: slices in a tar.gz."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("slice_1.png"))
    return made.getvalue()


def signed_in(house: CallInHouse) -> str:
    """The token of an app that a member, ana, let in."""
    assert house.ask("/members", {"name": "ana"})
    assert house.cli("members", "password", "ana", typed=PASSWORD + "\n").returncode == 0
    made = house.cli(
        "apps", "create", "Slicer", "--owner", "ana", "--redirect-uri", SIGNED_IN, "--public", "--json"
    )
    return token_for(house.url, json.loads(made.stdout)["id"], "ana", PASSWORD)


def registered(house: CallInHouse, token: str) -> int:
    """The Ember, registered through the app by the code on its display, with a clear plate."""
    form = {"printer_name": "my ember", "registration_code": house.code("ember")}
    answer = house.forge("/printers/register", token, form)
    assert answer["registered"] is True
    house.until(lambda: house.ask(f"/printers/{answer['printer_id']}/plate", {"plate": "clear"}))
    return int(answer["printer_id"])


def test_app_gateway_printer_receiver(house: CallInHouse) -> None:
    token = signed_in(house)
    printer_id = registered(house, token)
    content = archive()
    with receiving() as receiver:
        order = {
            "printable_id": house.upload(token, "clip.tar.gz", content), "job_name": "clip",
            "callback_url": receiver.url, "callback_interval": "1",
        }  # fmt: skip
        job_id = house.forge(f"/printers/{printer_id}/jobs", token, order)["job_id"]
        house.until(lambda: receiver.taken and receiver.taken[-1]["job_status"] == "completed")
    printed_once(house, job_id, content)
    told_all_of_it(receiver, job_id, printer_id)
    listed = house.forge("/jobs", token)["jobs"]
    assert [(job["job_id"], job["status"], job["local_job"]) for job in listed] == [
        (job_id, "completed", False)
    ]


def printed_once(house: CallInHouse, job_id: str, content: bytes) -> None:
    """The machine fetched the file, started once, and laid every layer once and in order."""
    ledger = house.deeds("ember")
    assert ledger.starts() == [job_id]
    assert [deed.facts["layer"] for deed in ledger.events("layer")] == list(range(1, LAYERS + 1))
    assert [deed.facts["bytes"] for deed in ledger.events("downloaded")] == [len(content)]
    assert [deed.job for deed in ledger.events("completed")] == [job_id]
    assert ledger.violations() == []


def told_all_of_it(receiver: Receiver, job_id: str, printer_id: int) -> None:
    """One probe, then updates: never back, some on the way, the last one is the end."""
    assert receiver.probes == ["/hook/support"]
    told = receiver.taken
    about = {(one["job_id"], one["printer_id"], one["printer_name"], one["job_name"]) for one in told}
    assert about == {(job_id, printer_id, "my ember", "clip")}
    progress = [one["job_progress"] or 0.0 for one in told]
    assert all(earlier <= later for earlier, later in pairwise(progress)), progress
    on_the_way = [one for one in told if one["job_status"] == "printing" and 0 < one["job_progress"] < 1]
    assert on_the_way, told
    assert on_the_way[-1]["data"]["total_layers"] == LAYERS
    words = [one["job_status"] for one in told]
    assert set(words[words.index("completed") :]) == {"completed"}
    assert progress[-1] == 1
