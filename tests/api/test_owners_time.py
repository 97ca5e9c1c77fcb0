"""A printer changes hands: members who must not see a job do not, on any surface.

The Ember was ana's, with eve as a member. Ana left a print on it, unplugged. Now it is ben's, with zoe.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.domain.call_in import Contact, RegistrationCode
from gateway.domain.call_in_commands import (
    ContactAgain,
    ContactFirst,
    InviteToPrinter,
    RegisterPrinter,
    UnregisterPrinter,
)
from gateway.domain.commands import AddMember, CancelJob, SubmitJob
from gateway.domain.job import JobStatus
from gateway.domain.member import Member, Scope
from gateway.domain.printer import Presence
from tests.api.host import EVE, Host, a_job
from tests.api.test_events import listen
from tests.support.stand import ANA, BEN, EMBER_TYPE, START, ready

ZOE = Member("ZOEZOEZOEZOE0", "zoe", 2, created_at=START)
BOSS = Member("BOSSBOSSBOSS0", "boss", 1, created_at=START, is_admin=True)  # of ana's and ben's organization
PEOPLE = {"ana": ANA, "ben": BEN, "eve": EVE, "zoe": ZOE, "boss": BOSS, "root": EVE}
TOKEN = "t" * 43
BEFORE = ("ana old", "eve old", "ana left")
SINCE = ("ben new", "zoe new", "ben waits")
#: Who may see which jobs, in the order of their creation; root has the scope admin.
SEEN = {
    "ana": ("ana old", "ana left"),
    "eve": ("eve old",),
    "ben": SINCE,
    "zoe": ("zoe new",),
    "boss": ("ana old", "ana left", *SINCE),
    "root": (*BEFORE, *SINCE),
}
#: What the printer's own list has for them; None: there is no such printer for them. Ana is ben's colleague.
LISTED = {
    "ana": ("ana old", "ana left"),
    "eve": None,
    "ben": SINCE,
    "zoe": ("zoe new",),
    "boss": SINCE,
    "root": (*BEFORE, *SINCE),
}


@dataclass
class Sold:
    """The host, the printer, and the jobs' ids by their names."""

    host: Host
    printer_id: int
    ids: dict[str, str]

    async def headers(self, who: str) -> dict[str, str]:
        scopes = tuple(Scope) if who == "root" else ()
        return await self.host.bearer(PEOPLE[who], *scopes)

    async def ask(self, who: str, path: str, method: str = "GET", **more: Any) -> tuple[int, Any]:
        answer = await self.host.client.request(method, path, headers=await self.headers(who), **more)
        text = await answer.text()
        body = json.loads(text) if text else None
        if isinstance(body, dict):
            body.pop("request_id", None)
        return answer.status, body


async def sell(host: Host) -> Sold:
    """Ana's time, and ben's."""
    for member in (ZOE, BOSS):
        await host.engine.execute(AddMember(member))
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    contact: Contact = await host.engine.execute(ContactFirst(EMBER_TYPE, "1.1.1.1", "", digest))
    sold, state = Sold(host, contact.printer_id, {}), host.engine.state
    await register(sold, contact.code, ANA, EVE)
    for name, member in (("ana old", ANA), ("eve old", EVE)):
        await print_and_cancel(sold, name, member)
    left = a_job("ana left", ANA, status=JobStatus.SENT, print_key="left", file_name="secret.gcode",
                 printer_id=sold.printer_id, attempts=1)  # fmt: skip
    await host.put_jobs(left)
    sold.ids[left.name] = left.job_id
    state.presence[sold.printer_id] = Presence(link_reason="unplugged")
    await host.engine.execute(UnregisterPrinter(sold.printer_id, ANA.member_id))
    contact = await host.engine.execute(ContactAgain(sold.printer_id, "1.1.1.1"))
    await register(sold, contact.code, BEN, ZOE)
    for name, member in (("ben new", BEN), ("zoe new", ZOE)):
        await print_and_cancel(sold, name, member)
    await submit(sold, "ben waits", BEN)
    return sold


async def register(sold: Sold, code: str, owner: Member, guest: Member) -> None:
    engine = sold.host.engine
    await engine.execute(RegisterPrinter(owner.member_id, code, f"{owner.name}'s Ember"))
    invitation: RegistrationCode = await engine.execute(InviteToPrinter(sold.printer_id, None))
    await engine.execute(RegisterPrinter(guest.member_id, invitation.code))
    engine.state.presence[sold.printer_id] = ready()


async def submit(sold: Sold, name: str, member: Member) -> str:
    file = await sold.host.put_file(member)
    command = SubmitJob(member.member_id, member.organization_id, name, printer_id=sold.printer_id, file=file)
    sold.ids[name] = (await sold.host.engine.execute(command)).job_id
    return sold.ids[name]


async def print_and_cancel(sold: Sold, name: str, member: Member) -> None:
    job_id = await submit(sold, name, member)
    await sold.host.engine.execute(CancelJob(job_id, member.member_id))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sold(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sold]:
    async with Host(tmp_path_factory.mktemp("host")) as host:
        yield await sell(host)


EVERY_JOB = tuple(product(SEEN, (*BEFORE, *SINCE)))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("who", "job"), EVERY_JOB, ids=str)
async def test_who_may_look_at_a_job(sold: Sold, who: str, job: str) -> None:
    """Foreign and unknown are one answer, also for commands and files."""
    is_seen, job_id = job in SEEN[who], sold.ids[job]
    assert (await sold.ask(who, f"/ps/v1/print/jobs/{job_id}"))[0] == (200 if is_seen else 401)
    assert (await sold.ask(who, f"/gateway/v1/jobs/{job_id}"))[0] == (200 if is_seen else 404)
    if not is_seen:
        unknown = "00000000-0000-4000-9000-0000000000ff"
        for method, path in (("GET", ""), ("GET", "/recovery"), ("POST", "/cancel"), ("POST", "/start")):
            body = {"json": {}} if path == "/start" else {}
            foreign, none = [
                await sold.ask(who, f"/gateway/v1/jobs/{each}{path}", method, **body)
                for each in (job_id, unknown)
            ]
            assert foreign == none
        assert (await sold.ask(who, f"/ps/v1/print/jobs/{job_id}/printable"))[0] == 401
        assert (await sold.ask(who, f"/ps/v1/print/tasks/{job_id}"))[0] == 401


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("who", LISTED)
async def test_the_printers_list_its_totals_and_offsets(sold: Sold, who: str) -> None:
    """Jobs that one may not see leave no gap and are not counted."""
    wanted, forge = LISTED[who], f"/ps/v1/print/printers/{sold.printer_id}/jobs"
    native = f"/gateway/v1/jobs?scope=all&printer={sold.printer_id}"
    if wanted is None:
        assert ((await sold.ask(who, forge))[0], (await sold.ask(who, native))[0]) == (401, 404)
        return
    ids = [sold.ids[name] for name in wanted]
    for limit, offset in ((100, 0), (1, 0), (1, 1), (2, 1), (5, 7)):
        _, page = await sold.ask(who, f"{forge}?limit={limit}&offset={offset}")
        assert [job["job_id"] for job in page["jobs"]] == ids[offset:][:limit]
        assert page["count"] == len(ids[offset:][:limit])
        _, page = await sold.ask(who, f"{native}&limit={limit}&offset={offset}")
        assert [job["id"] for job in page["jobs"]] == ids[offset:][:limit]
        assert page["total"] == len(ids)
    _, everything = await sold.ask(who, f"{forge}?limit=-1")
    assert [job["job_id"] for job in everything["jobs"]] == ids
    _, canceled = await sold.ask(who, f'{forge}?status=["canceled"]')
    names = {name for name in wanted if name not in ("ana left", "ben waits")}
    assert {job["job_id"] for job in canceled["jobs"]} == {sold.ids[name] for name in names}
    headers = await sold.headers(who)
    counted = await sold.host.client.get(f'{forge}?status=["canceled"]', headers=headers)
    assert counted.headers["X-Total-Count"] == str(len(names))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("who", SEEN)
async def test_the_event_stream_tells_of_no_other_job(sold: Sold, who: str) -> None:
    """All that was stored, as a client reads it that was away all the time."""
    names = {job_id: name for name, job_id in sold.ids.items()}
    scopes = tuple(Scope) if who == "root" else ()
    await sold.host.engine.execute(
        SubmitJob(PEOPLE[who].member_id, PEOPLE[who].organization_id, f"end {who}")
    )
    reader = await listen(sold.host, PEOPLE[who], *scopes, query="?after=0")
    heard, texts = set(), []
    while (told := await reader.next()) is not None:
        details = told.body.get("details", {})
        if details.get("name") == f"end {who}":
            break
        heard.add(names.get(details.get("job_id")))
        texts.append(json.dumps(told.body))
    reader.response.close()
    assert heard - {None} == set(SEEN[who])
    assert not [text for text in texts for name in names.values() if name in text and name not in SEEN[who]]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("who", ["ben", "zoe"])
async def test_who_stands_at_the_machine_learns_that_it_is_held_and_not_whose_it_is(
    sold: Sold, who: str
) -> None:
    forge, native = "/ps/v1/print", "/gateway/v1"
    number = sold.printer_id
    read = [
        await sold.ask(who, path)
        for path in (
            f"{forge}/printers", f"{forge}/printers/{number}", f"{forge}/printers/status/{number}",
            f"{forge}/printers/{number}/members", f"{forge}/printers/{number}/jobs?limit=-1", f"{forge}/jobs",
            f"{native}/printers", f"{native}/printers/{number}", f"{native}/jobs?scope=all",
        )
    ]  # fmt: skip
    assert {status for status, _ in read} == {200}
    text = json.dumps(read)
    for name in (*BEFORE, "secret.gcode", *(sold.ids[name] for name in BEFORE)):
        assert name not in text
    _, shown = await sold.ask(who, f"{native}/printers/{number}")
    assert (shown["plate"], shown["current_job"]) == ("occupied", None)
    assert (
        f"look at the machine, clear its plate, then `print-gateway printers ready {number}`" in shown["hold"]
    )
    status, refused = await sold.ask(who, f"{native}/printers/{number}/adjust", "POST", json={"fan": 0})
    assert (status, "ana" in refused["detail"]) == (403, False)


@pytest.mark.asyncio(loop_scope="module")
async def test_the_machine_itself_is_told_of_its_owners_time_only(sold: Sold) -> None:
    """Whoever has the machine can read its token out of it."""
    answer = await sold.host.client.get(
        "/v1/print/printers/jobs?limit=-1", headers={"X-Printer-Auth-Token": TOKEN}
    )
    body = await answer.json()
    assert [job["job_id"] for job in body["jobs"]] == [sold.ids[name] for name in SINCE]
    assert answer.headers["X-Total-Count"] == str(len(SINCE))
    for name in ("ana old", "eve old"):
        taken = await sold.host.client.delete(
            f"/v1/print/printers/jobs/{sold.ids[name]}", headers={"X-Printer-Auth-Token": TOKEN}
        )
        assert (taken.status, name in await taken.text()) == (422, False)


@pytest.mark.asyncio(loop_scope="module")
async def test_the_former_owner_reads_the_printers_number_and_not_its_new_name(sold: Sold) -> None:
    _, job = await sold.ask("ana", f"/gateway/v1/jobs/{sold.ids['ana left']}")
    assert (job["printer"], job["is_held"]) == (f"forge:{sold.printer_id}", True)
    for verb in ("cancel", "pause", "resume"):
        status, _ = await sold.ask("ana", f"/gateway/v1/jobs/{sold.ids['ana left']}/{verb}", "POST")
        assert status == 404, "the machine is somebody else's"


async def test_whoever_cleared_the_plate_says_so_and_the_next_print_may_start(tmp_path: Path) -> None:
    """The time of an owner outlives a restart, and what was left is over for its owner too."""
    async with Host(tmp_path) as host:
        sold = await sell(host)
    async with Host(tmp_path, ids=host.ids, is_new=False) as host:
        sold.host = host
        host.tokens.clear()
        assert (await sold.ask("ben", f"/gateway/v1/jobs/{sold.ids['ana old']}"))[0] == 404
        host.engine.state.presence[sold.printer_id] = ready()
        status, shown = await sold.ask(
            "ben", f"/gateway/v1/printers/{sold.printer_id}/plate", "POST", json={"plate": "clear"}
        )
        assert (status, shown["hold"]) == (200, None)
        _, left = await sold.ask("ana", f"/gateway/v1/jobs/{sold.ids['ana left']}")
        assert (left["status"], left["is_held"]) == ("failed", False)
        assert "has another owner now" in left["message"]
        _, waits = await sold.ask("ben", f"/gateway/v1/jobs/{sold.ids['ben waits']}")
        assert waits["attempts"] == 1, "it was given to the machine"


async def test_a_post_that_names_a_print_by_its_name_alone_is_filtered_too(tmp_path: Path) -> None:
    """A printer's page may leave the last print's name standing, for the next owner to read."""
    posted = {"printer_status": "ready", "data": {"job_name": "secret.stl", "layer": 6, "temperature": 28.5}}
    async with Host(tmp_path) as host:
        host.engine.state.presence[1] = ready(reported=posted)
        headers = await host.bearer(BEN)
        answer = await host.client.get("/ps/v1/print/printers/status/1", headers=headers)
        state = (await answer.json())["last_reported_state"]
    assert (state["printer_status"], state["data"]) == ("ready", {"temperature": 28.5})
