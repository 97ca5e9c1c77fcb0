"""The firmware's side over HTTP: who a printer is, what it posts in every spelling, what apps then read."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.api.http import limits
from gateway.domain.call_in_commands import RegisterPrinter
from gateway.domain.commands import CancelJob, SetPlate, SubmitJob, TellPrinter
from gateway.domain.job import Job, JobStatus
from gateway.domain.printer import Plate
from gateway.engine.ports import StoreUnavailable
from tests.api.host import Host
from tests.support.stand import ANA, BEN

ROOT = "/v1/print/printers"
EMBER = "7FAF097F-DB2E-45DC-9395-A30210E789AA"
FORM = "application/x-www-form-urlencoded"
LOCAL = "d075f5ee-98b7-491a-b4b1-188260b01c59"


@dataclass
class Answered:
    status: int
    body: Any
    headers: dict[str, str]


@dataclass
class Firmware:
    """A printer, or a stranger, at the API."""

    host: Host
    token: str | None = None
    printer_id: int = 0

    async def call(self, method: str, path: str, body: Any = None, form: str | None = None) -> Answered:
        headers = {} if self.token is None else {"X-Printer-Auth-Token": self.token}
        if form is not None:
            headers["Content-Type"] = FORM
        answer = await self.host.client.request(
            method, f"{ROOT}{path}", json=body, data=form, headers=headers
        )
        text = await answer.text()
        return Answered(answer.status, json.loads(text) if text else None, dict(answer.headers))

    async def contact(self, **changes: Any) -> Answered:
        asked = {"firmware": "1.1.1.1", "type_id": EMBER, "serial_number": "", **changes}
        answer = await self.call("POST", "/registration_code", asked)
        if answer.status == 200:
            self.token, self.printer_id = answer.body["auth_token"], answer.body["printer_id"]
        return answer

    async def listen(self) -> None:
        """Subscribe to its commands, as smith's client does."""

        async def say(**message: Any) -> dict[str, Any]:
            [said] = await (await self.host.client.post("/faye", json=[message])).json()
            assert said["successful"], said
            return dict(said)

        hello = await say(channel="/meta/handshake", version="1.0", supportedConnectionTypes=["long-polling"])
        await say(
            channel="/meta/subscribe",
            clientId=hello["clientId"],
            subscription=f"/printers/{self.printer_id}/command",
            ext={"authentication_token": self.token},
        )

    async def status(self, word: str, **more: Any) -> Answered:
        return await self.call("POST", "/status", {"printer_status": word, **more})

    async def ack(self, task_id: str, **more: Any) -> Answered:
        return await self.call("POST", f"/command/{task_id}", {"progress": 0.0, **more})


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    async with Host(tmp_path) as running:
        yield running


@pytest.fixture
async def ember(host: Host) -> Firmware:
    """A printer of Ana's, its plate clear; it listens to its commands."""
    printer = Firmware(host)
    code = (await printer.contact()).body["registration_code"]
    await host.engine.execute(RegisterPrinter(ANA.member_id, code, "my_ember"))
    await host.engine.execute(SetPlate(printer.printer_id, Plate.CLEAR, "ana"))
    await printer.listen()
    return printer


async def app(host: Host, path: str) -> Any:
    """What Ana's app reads."""
    answer = await host.client.get(f"/ps/v1/print{path}", headers=await host.bearer(ANA))
    assert answer.status == 200, await answer.text()
    return await answer.json()


async def submit(host: Host, printer: Firmware) -> Job:
    """Ana submits; the printer is told at once if it can take it."""
    file = await host.put_file(ANA)
    job = await host.engine.execute(
        SubmitJob(ANA.member_id, 1, "my_job", printer_id=printer.printer_id, file=file)
    )
    assert isinstance(job, Job)
    return job


async def job_of(host: Host, job: Job) -> Job:
    found = await host.queries.job(job.job_id)
    assert found is not None
    return host.engine.live(found)


# ---------------------------------------------------------------- registration


async def test_first_contact_gives_a_number_a_token_and_a_code(host: Host) -> None:
    answer = await Firmware(host).contact()
    assert answer.status == 200
    assert answer.body == {
        "printer_id": 3,  # behind the two of the configuration
        "registration_code": answer.body["registration_code"],
        "auth_token": answer.body["auth_token"],
        "registered": False,
        "registration_url": "http://printhost.local:8080",
    }
    assert re.fullmatch("[A-Z]{6}", answer.body["registration_code"])
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", answer.body["auth_token"])
    kept = host.engine.state.call_ins[3]
    assert answer.body["auth_token"] not in repr(kept)
    assert (kept.type_id, kept.firmware) == (EMBER, "1.1.1.1")


async def test_contact_again_is_the_same_printer_and_says_when_it_is_registered(host: Host) -> None:
    printer = Firmware(host)
    first = (await printer.contact()).body
    again = (await printer.contact(type_id=None, firmware="1.2")).body
    assert again == first
    await host.engine.execute(RegisterPrinter(ANA.member_id, first["registration_code"], "x"))
    registered = (await printer.contact()).body
    assert registered["registered"] is True
    assert (registered["printer_id"], registered["auth_token"]) == (first["printer_id"], first["auth_token"])


async def test_a_form_will_do(host: Host) -> None:
    answer = await Firmware(host).call(
        "POST", "/registration_code", form=f"firmware=1.1.1.1&type_id={EMBER.lower()}"
    )
    assert answer.status == 200
    assert host.engine.state.call_ins[answer.body["printer_id"]].type_id == EMBER


@pytest.mark.parametrize(
    "body",
    [
        {"firmware": "1.1"},
        {"firmware": "1.1", "type_id": ""},
        {"firmware": "1.1", "type_id": "00000000-0000-0000-0000-000000000000"},
        {"firmware": "1.1", "type_id": "ember"},
        {"type_id": EMBER},
    ],
)
async def test_who_does_not_say_what_it_is_is_not_registered(host: Host, body: dict[str, str]) -> None:
    answer = await Firmware(host).call("POST", "/registration_code", body)
    assert answer.status == 422
    assert answer.body["code"] == 422
    assert not host.engine.state.call_ins


async def test_first_contacts_of_one_address_are_bounded(host: Host) -> None:
    allowed = int(limits.CONTACT_ATTEMPTS.partition("/")[0])
    printer = Firmware(host)
    await printer.contact()
    for _ in range(allowed - 1):
        assert (await Firmware(host).contact()).status == 200
    refused = await Firmware(host).contact()
    assert refused.status == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert (await printer.contact()).status == 200, "a known printer is not a guess"
    host.clock.advance(60)
    assert (await Firmware(host).contact()).status == 200


# ---------------------------------------------------------------- tokens

CALLS = [
    ("POST", "/status", {"printer_status": "ready"}),
    ("POST", "/command/4b5a3181-8997-4d6a-979f-e1af7eb5b545", {"progress": 0.0}),
    ("GET", "/jobs", None),
    ("POST", "/jobs", {}),
    ("DELETE", "/jobs/4b5a3181-8997-4d6a-979f-e1af7eb5b545", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CALLS, ids=[f"{c[0]} {c[1][:9]}" for c in CALLS])
async def test_401_without_a_token_403_with_one_that_nobody_has(
    host: Host, method: str, path: str, body: dict[str, Any] | None
) -> None:
    for token, status in ((None, 401), ("x" * 43, 403), ("", 403), ("\u00e9", 403)):
        answer = await Firmware(host, token).call(method, path, body)
        assert answer.status == status
        assert answer.body["code"] == status
        assert answer.body["error_id"]


async def test_a_wrong_token_is_no_first_contact(host: Host) -> None:
    assert (await Firmware(host, "x" * 43).contact()).status == 403
    assert not host.engine.state.call_ins


async def test_a_members_key_is_no_printers_token_and_the_other_way_round(
    host: Host, ember: Firmware
) -> None:
    key = (await host.bearer(ANA))["Authorization"].removeprefix("Bearer ")
    assert (await Firmware(host, key).status("ready")).status == 403
    bearer = {"Authorization": f"Bearer {ember.token}"}
    assert (await host.client.get("/v1/print/jobs", headers=bearer)).status == 401


# ---------------------------------------------------------------- status posts


async def test_an_app_reads_what_the_printer_has_just_said(host: Host, ember: Firmware) -> None:
    assert (await ember.status("ready")).status == 200
    said = await app(host, f"/printers/status/{ember.printer_id}")
    assert said["printer_availability"] == "online"
    assert said["last_reported_state"]["printer_status"] == "ready"
    assert "job_id" not in said["last_reported_state"]
    assert (await app(host, f"/printers/{ember.printer_id}"))["firmware"] == "1.1.1.1"
    await ember.status("error", error_code=7, error_message="the tray is empty")
    state = (await app(host, f"/printers/status/{ember.printer_id}"))["last_reported_state"]
    assert (state["error_code"], state["error_message"]) == (7, "the tray is empty")
    host.clock.advance(61)
    assert (await app(host, f"/printers/status/{ember.printer_id}"))["printer_availability"] == "offline"


@pytest.mark.parametrize("dress", ["json", "form", "data as text", "form with data as text"])
async def test_a_post_in_all_its_spellings(host: Host, ember: Firmware, dress: str) -> None:
    data = {
        "job_status": "printing",
        "layer": "6",
        "total_layers": "12",
        "seconds_left": "37",
        "temprature": "28.5",
    }
    top = {
        "printer_status": "printing",
        "job_id": f"local_{LOCAL}",
        "job_status": "printing",
        "job_progress": "0.5",
    }
    pairs = [f"{name}={value}" for name, value in top.items()]
    if dress == "json":
        answer = await ember.call("POST", "/status", {**top, "data": data, "error_code": "", "extra": 1})
    elif dress == "form":
        inner = [f"data[{name}]={value}" for name, value in data.items()]
        answer = await ember.call("POST", "/status", form="&".join([*pairs, *inner, "error_message="]))
    elif dress == "data as text":
        answer = await ember.call("POST", "/status", {**top, "data": json.dumps(data), "error_message": None})
    else:
        answer = await ember.call("POST", "/status", form="&".join([*pairs, f"data={json.dumps(data)}"]))
    assert answer.status == 200
    reported = host.engine.state.presence[ember.printer_id].reported
    assert reported is not None
    assert reported["job_progress"] == 0.5
    assert reported["data"] == {
        "job_status": "printing", "layer": 6, "total_layers": 12, "seconds_left": 37,
        "temprature": 28.5, "temperature": 28.5,
    }  # fmt: skip
    said = "" if dress == "form" else None  # an empty message is kept as it came
    assert (reported["error_code"], reported["error_message"]) == (None, said)


@pytest.mark.parametrize(
    ("said", "read"),
    [(1.0000001, 1.0), ("1.0009", 1.0), (-1e-9, 0.0), (0.9999999, 0.9999999), ("", None), (None, None)],
)
async def test_a_rounding_beyond_the_end_is_the_end(
    host: Host, ember: Firmware, said: object, read: float | None
) -> None:
    posted = {"printer_status": "printing", "job_id": f"local_{LOCAL}", "job_progress": said}
    assert (await ember.call("POST", "/status", posted)).status == 200
    reported = host.engine.state.presence[ember.printer_id].reported
    assert reported is not None
    assert reported["job_progress"] == read


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"printer_status": "offline"},  # only the gateway says that
        {"printer_status": "happy"},
        {"printer_status": "ready", "job_progress": 1.5},
        {"printer_status": "ready", "job_progress": 1.0011},
        {"printer_status": "ready", "job_progress": "much"},
        {"printer_status": "ready", "error_code": "x"},
        {"printer_status": "ready", "data": [1]},
        {"printer_status": "ready", "data": "{"},
        {"printer_status": "ready", "data": {"x": "y" * 5000}},
        {"printer_status": "ready", "data": json.dumps({"x": "y" * 5000})},
        {"printer_status": "ready", "job_id": "x" * 101},
    ],
    ids=str,
)
async def test_a_post_that_makes_no_sense_is_422(ember: Firmware, wrong: dict[str, Any]) -> None:
    assert (await ember.call("POST", "/status", wrong)).status == 422


@pytest.mark.parametrize("number", ["1" + 400 * "0", "-1" + 400 * "0", "1e999", "1e300"])
async def test_a_number_beyond_all_measure_is_no_temperature_and_stops_nobody(
    ember: Firmware, number: str
) -> None:
    answer = await ember.status("ready", data=f'{{"temperature": {number}, "layer": {number}}}')
    assert answer.status == 200
    assert ember.host.engine.state.presence[ember.printer_id].temperatures == {}
    ember.host.call_ins.driver.wake()
    assert (await ember.status("ready", data={"temperature": 28.6875})).status == 200
    assert ember.host.engine.state.presence[ember.printer_id].temperatures == {"T": 28.6875}


async def test_5000_characters_of_data_are_taken(ember: Firmware) -> None:
    data = {"x": "\u00e9" * (5000 - len('{"x":""}'))}
    assert (await ember.status("ready", data=data)).status == 200
    assert (await ember.status("ready", data={**data, "y": 1})).status == 422


async def test_a_body_that_is_no_json_is_400(ember: Firmware) -> None:
    answer = await ember.host.client.post(
        f"{ROOT}/status", data=b"{", headers={"X-Printer-Auth-Token": ember.token or ""}
    )
    assert answer.status == 400


async def test_a_printer_without_an_owner_is_heard_and_shown_to_nobody(host: Host) -> None:
    printer = Firmware(host)
    await printer.contact()
    assert (await printer.status("printing", job_id=f"local_{LOCAL}", job_status="printing")).status == 200
    assert printer.printer_id not in host.engine.state.printers
    assert not host.engine.state.jobs


# ---------------------------------------------------------------- jobs and commands


async def test_a_job_from_the_queue_to_its_end(host: Host, ember: Firmware) -> None:
    await ember.status("ready")
    job = await submit(host, ember)
    assert job.status is JobStatus.SENT
    assert (await ember.ack(job.job_id, data={"state": "received"})).status == 204
    assert (await job_of(host, job)).status is JobStatus.RECEIVED
    await ember.ack(
        job.job_id,
        progress=0.5,
        job_id=job.job_id,
        job_status="printing",
        job_progress=0.5,
        data={"layer": 6},
    )
    shown = await app(host, f"/jobs/{job.job_id}")
    assert (shown["status"], shown["job_status"]["job_progress"]) == ("printing", 0.5)
    assert shown["job_status"]["data"]["layer"] == 6
    assert "printable_url" not in shown["job_data"], "removed once the printer has it"
    await ember.status("ready", job_id=job.job_id, job_status="completed", job_progress=1)
    assert (await app(host, f"/jobs/{job.job_id}"))["status"] == "completed"
    assert host.engine.state.printers[ember.printer_id].plate is Plate.OCCUPIED


async def test_a_command_and_its_acknowledgements(host: Host, ember: Firmware) -> None:
    await ember.status("ready")
    command = await host.engine.execute(TellPrinter(ember.printer_id, ANA.member_id, "request_settings"))
    await ember.ack(command.task_id, data='{"state": "received"}')
    assert (await app(host, f"/printers/command/{command.task_id}"))["data"]["state"] == "received"
    await ember.ack(command.task_id, progress=1, data={"state": "completed", "settings": {"a": 1}})
    said = await app(host, f"/printers/command/{command.task_id}")
    assert (said["progress"], said["data"]["settings"]) == (1.0, {"a": 1})
    assert (await ember.ack(command.task_id, progress=1)).status == 204, "said again"


async def test_a_task_of_nobody_or_of_another_printer_is_422(host: Host, ember: Firmware) -> None:
    await ember.status("ready")
    other = Firmware(host)
    await other.contact()
    command = await host.engine.execute(TellPrinter(ember.printer_id, ANA.member_id, "home"))
    for task_id in ("x", "4b5a3181-8997-4d6a-979f-e1af7eb5b545"):
        assert (await ember.ack(task_id)).status == 422
    assert (await other.ack(command.task_id, data={"state": "completed"})).status == 422
    assert host.engine.state.commands[command.task_id].answer is None


async def test_progress_of_an_acknowledgement_is_needed(ember: Firmware, host: Host) -> None:
    await ember.status("ready")
    command = await host.engine.execute(TellPrinter(ember.printer_id, ANA.member_id, "home"))
    assert (await ember.call("POST", f"/command/{command.task_id}", {"data": {}})).status == 422
    assert (
        await ember.call("POST", f"/command/{command.task_id}", form="progress=0.1&data[layer]=1")
    ).status == 204


async def test_the_printer_lists_its_own_jobs(host: Host, ember: Firmware) -> None:
    first, second = await submit(host, ember), await submit(host, ember)
    page = (await ember.call("GET", "/jobs?limit=1&offset=1")).body
    assert (page["count"], page["printer_id"]) == (1, ember.printer_id)
    assert [job["job_id"] for job in page["jobs"]] == [second.job_id]
    assert page["_link_prev"] == "/print/printers/jobs?limit=1&offset=0"
    assert "member_id" not in page
    await host.engine.execute(CancelJob(first.job_id, ANA.member_id))
    queued = (await ember.call("GET", "/jobs?status=queued")).body
    assert [job["job_id"] for job in queued["jobs"]] == [second.job_id]
    other = Firmware(host)
    await other.contact()
    assert (await other.call("GET", "/jobs")).body["jobs"] == []


async def test_an_announced_local_job_is_the_owners(host: Host, ember: Firmware) -> None:
    await ember.status("ready")
    body = {"job_id": f"local_{LOCAL}", "job_name": "Vase.stl"}
    first = await ember.call("POST", "/jobs", body)
    assert first.body == {"printer_id": ember.printer_id, "job_id": LOCAL, "status": "printing"}
    assert (await ember.call("POST", "/jobs", body)).body == first.body
    shown = await app(host, f"/jobs/{LOCAL}")
    assert (shown["local_job"], shown["job_name"], shown["member_id"]) == (True, "Vase.stl", ANA.member_id)
    await ember.status("ready", job_id=f"local_{LOCAL}", job_status="completed")
    assert (await app(host, f"/jobs/local_{LOCAL}"))["status"] == "completed"
    assert (await ember.call("POST", "/jobs", body)).status == 422, "it is over"


async def test_an_announced_job_may_come_without_anything(ember: Firmware) -> None:
    await ember.status("ready")
    answer = await ember.call("POST", "/jobs", {})
    assert answer.status == 200
    assert answer.body["status"] == "printing"
    assert (await ember.call("POST", "/jobs", {"job_id": "seven"})).status == 422


async def test_a_printer_takes_jobs_out_of_its_queue_and_no_others(host: Host, ember: Firmware) -> None:
    waiting = await submit(host, ember)
    assert waiting.status is JobStatus.QUEUED
    other = Firmware(host)
    await other.contact()
    for printer, status in ((other, 422), (ember, 204)):
        assert (await printer.call("DELETE", f"/jobs/{waiting.job_id}")).status == status
    assert (await job_of(host, waiting)).status is JobStatus.CANCELED
    assert (await ember.call("DELETE", f"/jobs/{waiting.job_id}")).status == 422, "it is over"


async def test_a_printer_drops_the_job_that_it_has(host: Host, ember: Firmware) -> None:
    await ember.status("ready")
    job = await submit(host, ember)
    await ember.status("printing", job_id=job.job_id, job_status="printing")
    assert (await ember.call("DELETE", f"/jobs/{job.job_id}")).status == 204
    assert (await job_of(host, job)).status is JobStatus.CANCELED


async def test_members_may_not_see_it(host: Host, ember: Firmware) -> None:
    """Ben is of Ana's organization and may use the printer; what others print on it he is not told."""
    await ember.status("printing", job_id=f"local_{LOCAL}", job_status="printing")
    answer = await host.client.get(f"/ps/v1/print/jobs/{LOCAL}", headers=await host.bearer(BEN))
    assert answer.status == 401


async def test_a_store_that_cannot_write_is_no_success(host: Host, ember: Firmware) -> None:
    """Else an end that was never kept would never be said again."""

    async def refuse(draft: object) -> None:
        raise StoreUnavailable("the disk is full")

    commit = host.journal.commit
    host.journal.commit = refuse  # type: ignore[method-assign, assignment]
    answer = await ember.status("ready")
    host.journal.commit = commit  # type: ignore[method-assign]
    assert answer.status == 503
