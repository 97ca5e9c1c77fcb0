"""The native API: members of a printer, codes, giving a printer up, organizations, a start asked for."""

from __future__ import annotations

from typing import Any

from aiohttp import ClientResponse

from gateway.api.native import member_schemas, printer_schemas
from gateway.domain.call_in_commands import RegisterPrinter
from gateway.domain.job import JobStatus
from gateway.domain.member import Member, Scope
from gateway.domain.orders import StartPrint
from gateway.domain.state import Draft
from tests.api.host import EVE, Host, a_job
from tests.support.stand import ANA, BEN, EMBER_TYPE, a_call_in, a_forge_printer

ROOT = "/gateway/v1"


async def call(
    host: Host, method: str, path: str, member: Member = ANA, *scopes: Scope, **more: Any
) -> ClientResponse:
    return await host.client.request(method, ROOT + path, headers=await host.bearer(member, *scopes), **more)


async def put_ember(host: Host) -> None:
    await host.put_printers(a_forge_printer())

    def called(draft: Draft) -> None:
        draft.put_call_in(a_call_in())

    await host.change(called)


async def test_a_printer_is_found_by_the_name_that_people_gave_it(host: Host) -> None:
    await put_ember(host)
    for name in ("Ana's Ember", "forge:58", "58"):
        shown = await (await call(host, "GET", f"/printers/{name}")).json()
        printer_schemas.Printer.model_validate(shown)
        assert (shown["id"], shown["name"], shown["display_name"]) == (58, "forge:58", "Ana's Ember")
        assert shown["type_id"] == EMBER_TYPE.lower()


async def test_a_code_makes_a_member_and_the_list_shows_it(host: Host) -> None:
    await put_ember(host)
    response = await call(host, "POST", "/printers/58/codes", json={"email": "eve@example.com"})
    assert response.status == 201
    made = await response.json()
    printer_schemas.PrinterCode.model_validate(made)
    assert (made["email"], len(made["code"])) == ("eve@example.com", 6)
    assert made["code"] in host.engine.state.codes
    foreign = await call(host, "GET", "/printers/58", EVE)
    assert foreign.status == 404, "another organization's printer"

    await host.engine.execute(RegisterPrinter(EVE.member_id, made["code"]))
    assert (await call(host, "GET", "/printers/58", EVE)).status == 200
    body = await (await call(host, "GET", "/printers/58/members")).json()
    printer_schemas.PrinterMembers.model_validate(body)
    assert [(m["name"], m["is_owner"], m["is_printer_scoped"]) for m in body["members"]] == [
        ("ana", True, True),
        (EVE.name, False, False),
    ]


async def test_only_the_owner_shares_a_printer_and_gives_it_up(host: Host) -> None:
    await put_ember(host)
    for method, path in (
        ("GET", "/printers/58/members"), ("POST", "/printers/58/codes"), ("DELETE", "/printers/58"),
    ):  # fmt: skip
        more = {"json": {}} if method == "POST" else {}
        assert (await call(host, method, path, BEN, **more)).status == 403, path
        assert (await call(host, method, path, EVE, **more)).status == 404, path


async def test_a_printer_that_was_given_up_is_gone(host: Host) -> None:
    await put_ember(host)
    assert (await call(host, "DELETE", "/printers/58")).status == 204
    assert (await call(host, "GET", "/printers/58")).status == 404
    refused = await call(host, "DELETE", "/printers/mk3")
    assert refused.status == 409
    assert "in the configuration" in (await refused.json())["detail"]


async def test_organizations_and_their_members(host: Host) -> None:
    response = await call(host, "POST", "/organizations", ANA, Scope.ADMIN, json={"name": "Lab"})
    made = await response.json()
    member_schemas.Organization.model_validate(made)
    assert (response.status, made["name"], len(made["public_id"])) == (201, "Lab", 24)
    again = await call(host, "POST", "/organizations", ANA, Scope.ADMIN, json={"name": "Lab"})
    assert again.status == 409
    listed = await (await call(host, "GET", "/organizations", ANA, Scope.ADMIN)).json()
    assert made in listed["organizations"]
    wanted = {"name": "lea", "email": "lea@example.com", "organization": "Lab"}
    member = await call(host, "POST", "/members", ANA, Scope.ADMIN, json=wanted)
    assert (await member.json())["organization_id"] == made["id"]
    other = await call(host, "POST", "/members", ANA, Scope.ADMIN, json=wanted | {"name": "lea2"})
    assert other.status == 409, "the e-mail is taken"
    chief = {"name": "lex", "organization": "Lab", "is_admin": True}
    admin = await call(host, "POST", "/members", ANA, Scope.ADMIN, json=chief)
    added = host.engine.state.members[(await admin.json())["id"]]
    assert (added.organization_id, added.is_admin) == (made["id"], True)
    nowhere = await call(
        host, "POST", "/members", ANA, Scope.ADMIN, json={"name": "leo", "organization": "Nowhere"}
    )
    assert nowhere.status == 422
    assert "organizations add" in (await nowhere.json())["detail"]


async def test_a_start_is_asked_for_and_says_what_is_in_its_way(host: Host) -> None:
    job = a_job(file_sha256="ab" * 32, file_size=10)
    await host.put_jobs(job)
    refused = await call(host, "POST", f"/jobs/{job.job_id}/start", BEN, json={})
    assert refused.status == 409
    assert "not confirmed clear" in (await refused.json())["detail"]
    nowhere = a_job(
        job_id="00000000-0000-4000-9000-000000000009",
        status=JobStatus.CREATED,
        printer_id=None,
        file_sha256="ab" * 32,
        file_size=10,
    )
    await host.put_jobs(nowhere)
    unsaid = await call(host, "POST", f"/jobs/{nowhere.job_id}/start", BEN, json={})
    assert unsaid.status == 422
    await call(host, "POST", f"/jobs/{job.job_id}/cancel", BEN)
    await call(host, "POST", "/printers/mk3/plate", json={"plate": "clear"})
    started = await call(host, "POST", f"/jobs/{nowhere.job_id}/start", BEN, json={"printer": "mk3"})
    assert (started.status, (await started.json())["status"]) == (200, "sent")
    [order] = host.drivers.of(StartPrint)
    assert isinstance(order, StartPrint)
    assert (order.printer, order.job_id) == ("mk3", nowhere.job_id)
