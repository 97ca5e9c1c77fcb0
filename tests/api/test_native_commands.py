"""Commands in a printer's own words, over the native API: who may give them, refusals, how they end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse

from gateway.api.native import printer_schemas
from gateway.domain.call_in import PrinterRole
from gateway.domain.job import JobStatus
from gateway.domain.member import Member
from gateway.domain.observations import LinkState, OrderAnswered, OrderProgressed, OrderResult
from gateway.domain.orders import Order, Tell
from tests.api.host import EVE, Host, a_job
from tests.support.stand import ANA, BEN, a_call_in, a_forge_printer, printer, ready

ROOT = "/gateway/v1"
HOME = {"command": "home"}


class Ordered(list[Tell]):
    """What left the engine for printers' drivers; none of them hears of it."""

    def note(self, order: Order) -> bool:
        if isinstance(order, Tell):
            self.append(order)
        return False


@pytest.fixture
def ordered() -> Ordered:
    return Ordered()


@pytest.fixture
async def ember(tmp_path: Path, ordered: Ordered) -> AsyncIterator[Host]:
    """With ana's Ember (58) and her Klipper (7) beside the printers of the configuration."""
    async with Host(tmp_path, pass_on=ordered.note) as host:
        await host.put_printers(a_forge_printer(), printer(7, "voron", driver="moonraker"))
        await host.change(lambda draft: draft.put_call_in(a_call_in()))
        yield host


async def tell(host: Host, where: str, body: Any, member: Member = ANA) -> ClientResponse:
    path = f"{ROOT}/printers/{where}/command"
    return await host.client.post(path, json=body, headers=await host.bearer(member))


async def said_by_the_printer(host: Host, *said: OrderProgressed | OrderAnswered) -> None:
    for word in said:
        host.engine.observe(word)
    await host.observe()  # and wait until it is committed


async def test_a_command_goes_to_the_printer_once_and_its_end_is_read(ember: Host, ordered: Ordered) -> None:
    given = await tell(ember, "58", {"command": "settings", "parameters": {"settings": {"brightness": 3}}})
    body = await given.json()
    printer_schemas.Task.model_validate(body)
    assert (given.status, body["command"], body["state"]) == (202, "settings", "pending")
    assert given.headers["Location"] == f"{ROOT}/commands/{body['task_id']}"
    assert ordered == [Tell("forge:58", body["task_id"], "settings", {"settings": {"brightness": 3}})]

    said = {"data": {"state": "completed", "settings": {"brightness": 3}}}
    await said_by_the_printer(
        ember,
        OrderProgressed("forge:58", body["task_id"], 0.5, said),
        OrderAnswered("forge:58", body["task_id"], OrderResult.ACCEPTED),
    )
    shown = await ember.client.get(given.headers["Location"], headers=await ember.bearer(ANA))
    done = await shown.json()
    printer_schemas.Task.model_validate(done)
    assert (done["state"], done["progress"], done["data"]) == ("done", 0.5, said["data"])


async def test_a_printer_that_refuses_is_quoted(ember: Host) -> None:
    task = await (await tell(ember, "voron", {"command": "firmware_restart"})).json()
    why = "It is printing. Pause or cancel the print first."
    await said_by_the_printer(ember, OrderAnswered("voron", task["task_id"], OrderResult.REFUSED, why))
    shown = await ember.client.get(f"{ROOT}/commands/{task['task_id']}", headers=await ember.bearer(ANA))
    failed = await shown.json()
    assert (failed["state"], failed["message"], failed["data"]) == ("failed", why, None)


@pytest.mark.parametrize(
    ("where", "body", "status", "says"),
    [
        ("mk3", HOME, 422, "mk3 is driven by the gateway and takes no commands of its own: adjust"),
        ("voron", HOME, 422, "voron takes no command 'home'; it takes: restart, firmware_restart"),
        ("58", {"command": "pause"}, 422, "'pause' is about a job and is sent by the gateway; ask it"),
        ("58", {"command": "print_data"}, 422, "'print_data' is about a job"),
        ("58", {"command": "firmware_upgrade"}, 422, "firmware_upgrade needs package_url: the address"),
        ("58", {**HOME, "parameters": {"axis": "z"}}, 422, "home takes nothing; there is no 'axis'"),
        ("58", {"command": "x", "parameters": {"job_id": "1"}}, 422, "job_id is written by the gateway"),
        ("58", {"command": "rm -rf /"}, 422, "command: "),
        ("58", {"command": ""}, 422, "command: "),
        ("58", {}, 422, "command: "),
        ("58", {**HOME, "job_id": "1"}, 422, "job_id: "),
        ("58", {"command": "x", "parameters": {"x": "y" * 20_001}}, 422, "20000 bytes as JSON are the most"),
        ("nope", HOME, 404, "There is no printer 'nope' for you."),
    ],
)  # fmt: skip
async def test_a_command_that_cannot_be(
    ember: Host, ordered: Ordered, where: str, body: Any, status: int, says: str
) -> None:
    refused = await tell(ember, where, body)
    problem = await refused.json()
    assert (refused.status, says in str(problem)) == (status, True), problem
    assert ordered == []


async def test_what_moves_a_printer_waits_for_no_print(ember: Host, ordered: Ordered) -> None:
    await ember.put_jobs(a_job(printer_id=58, status=JobStatus.PRINTING, print_key="mark"))
    refused = await tell(ember, "58", HOME)
    assert refused.status == 409
    assert "home would ruin it: cancel the job first" in (await refused.json())["detail"]
    assert (await tell(ember, "58", {"command": "log"})).status == 202, "that moves nothing"
    assert [order.command for order in ordered] == ["log"]


async def test_a_printer_that_is_away_is_told_nothing(ember: Host, ordered: Ordered) -> None:
    away = printer(8, "far", driver="moonraker")
    await ember.put_printers(away, presence=ready(link=LinkState.DOWN, link_reason="its broker is away"))
    refused = await tell(ember, "far", {"command": "restart"})
    assert (refused.status, (await refused.json())["detail"]) == (
        409,
        "far is not connected: its broker is away",
    )
    assert ordered == []


async def test_it_is_for_the_owner_and_for_whom_the_owner_lets(ember: Host, ordered: Ordered) -> None:
    assert (await tell(ember, "58", HOME, BEN)).status == 403, "of the same organization: may print there"
    assert (await tell(ember, "58", HOME, EVE)).status == 404, "of another: does not know of it"
    for may, status in ((False, 403), (True, 202)):
        role = PrinterRole(58, EVE.member_id, is_printer_scoped=may)
        await ember.change(lambda draft, role=role: draft.put_role(role))
        assert (await tell(ember, "58", HOME, EVE)).status == status
    assert len(ordered) == 1
