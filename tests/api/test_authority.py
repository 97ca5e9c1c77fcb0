"""Who may do what: every operation with every kind of caller, from one table.

A caller is a key of a member with some scopes. The table says what each operation needs; that it is refused
without, and not refused with it, is tried for all of them. What an operation then says about the printers
and jobs of others is told by a second table.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pytest

from gateway.api.forge.dialect import FORGE
from gateway.api.http.operations import Dialect, Operation
from gateway.api.native.dialect import NATIVE
from gateway.domain.job import JobStatus
from gateway.domain.member import Member, Scope
from tests.api.host import EVE, Host, a_job
from tests.support.stand import ANA, BEN

R, W, A = Scope.DATA_READ, Scope.DATA_WRITE, Scope.ADMIN
#: Every set of scopes a key can have.
KEYS = [frozenset(chosen) for size in (1, 2, 3) for chosen in combinations((R, W, A), size)]

NEEDS: dict[str, frozenset[Scope]] = {
    "GET /print/jobs": frozenset({R, W}),
    "GET /print/jobs/{job_id}": frozenset({R, W}),
    "GET /print/jobs/{job_id}/printable": frozenset({R, W}),
    "POST /print/printers/{printer_id}/jobs": frozenset({R, W}),
    "GET /print/printers": frozenset({R}),
    "GET /print/printers/{printer_id}": frozenset({R}),
    "GET /print/printers/status/{printer_id}": frozenset({R, W}),
    "POST /print/printers/{printer_id}/command": frozenset({R, W}),
    "GET /print/printers/command/{task_id}": frozenset({R, W}),
    "GET /print/tasks/{task_id}": frozenset({R, W}),
    "GET /print/printers/{printer_id}/jobs": frozenset({R, W}),
    "PUT /print/printers/{printer_id}/jobs": frozenset({R, W}),
    "PUT /print/jobs/{job_id}": frozenset({R, W}),
    "POST /print/jobs/{job_id}/printable": frozenset({R, W}),
    "POST /print/jobs/{job_id}/printer": frozenset({R, W}),
    "POST /print/jobs/{job_id}/register": frozenset({R, W}),
    "POST /print/printers/register": frozenset({R, W}),
    "DELETE /print/printers/{printer_id}": frozenset({R, W}),
    "POST /print/printers/{printer_id}/secondary_registration": frozenset({W}),
    "GET /print/printers/{printer_id}/members": frozenset({R, W}),
    "POST /print/printers/{printer_id}/member_role": frozenset({R, W}),
    "POST /files/upload": frozenset({R, W}),
    "GET /printers": frozenset({R}),
    "GET /printers/{printer}": frozenset({R}),
    "POST /printers/{printer}/plate": frozenset({R, W}),
    "POST /printers/{printer}/adjust": frozenset({R, W}),
    "POST /printers/{printer}/prompt": frozenset({R, W}),
    "POST /printers/{printer}/command": frozenset({R, W}),
    "POST /printers/{printer}/stop": frozenset({R, W}),
    "GET /printers/{printer}/members": frozenset({R}),
    "PUT /printers/{printer}/members/{member}": frozenset({R, W}),
    "POST /printers/{printer}/codes": frozenset({R, W}),
    "POST /printers": frozenset({R, W}),
    "DELETE /printers/{printer}": frozenset({R, W}),
    "GET /organizations": frozenset({A}),
    "POST /organizations": frozenset({A}),
    "POST /jobs/{job_id}/start": frozenset({R, W}),
    "POST /jobs": frozenset({R, W}),
    "GET /jobs": frozenset({R}),
    "GET /jobs/{job_id}": frozenset({R}),
    "POST /jobs/{job_id}/pause": frozenset({R, W}),
    "POST /jobs/{job_id}/resume": frozenset({R, W}),
    "POST /jobs/{job_id}/cancel": frozenset({R, W}),
    "POST /jobs/{job_id}/resolve": frozenset({R, W}),
    "GET /jobs/{job_id}/recovery": frozenset({R}),
    "POST /jobs/{job_id}/recover": frozenset({R, W}),
    "GET /commands/{task_id}": frozenset({R}),
    "POST /tasks": frozenset({R, W}),
    "GET /tasks": frozenset({R}),
    "GET /tasks/{task}": frozenset({R}),
    "POST /tasks/{task}/pause": frozenset({R, W}),
    "POST /tasks/{task}/resume": frozenset({R, W}),
    "POST /tasks/{task}/cancel": frozenset({R, W}),
    "GET /tasks/{task}/result": frozenset({R}),
    "POST /files": frozenset({R, W}),
    "GET /files": frozenset({R}),
    "GET /files/{file_id}": frozenset({R}),
    "GET /members": frozenset({R}),
    "POST /members": frozenset({A}),
    "GET /keys": frozenset({R}),
    "POST /keys": frozenset({A}),
    "DELETE /keys/{key_id}": frozenset({R, W}),
    "GET /events": frozenset({R}),
    "GET /health": frozenset({A}),
    "GET /stacks": frozenset({R}),
    "POST /stacks": frozenset({R, W}),
    "GET /stacks/{stack_id}": frozenset({R}),
    "PUT /stacks/{stack_id}": frozenset({R, W}),
    "DELETE /stacks/{stack_id}": frozenset({R, W}),
    "GET /schedules": frozenset({R}),
    "POST /schedules": frozenset({R, W}),
    "GET /schedules/{schedule_id}": frozenset({R}),
    "PUT /schedules/{schedule_id}": frozenset({R, W}),
    "DELETE /schedules/{schedule_id}": frozenset({R, W}),
    "POST /schedules/{schedule_id}/pause": frozenset({R, W}),
    "POST /schedules/{schedule_id}/resume": frozenset({R, W}),
    "POST /schedules/{schedule_id}/run": frozenset({R, W}),
    "GET /actions": frozenset({R}),
    "GET /actions/{action_id}": frozenset({R}),
    "POST /actions/{action_id}/cancel": frozenset({R, W}),
    "GET /apps": frozenset({R}),
    "POST /apps": frozenset({A}),
    "DELETE /apps/{app_id}": frozenset({R, W}),
    "GET /grants": frozenset({R}),
    "DELETE /grants/{app_id}": frozenset({R, W}),
    "PUT /members/{member}/password": frozenset({R, W}),
}
EVERY = [(dialect, operation) for dialect in (FORGE, NATIVE) for operation in dialect.operations]
#: Those of members. Printers show a token of their own, a signed link is its own permission: other doors.
OPERATIONS = [(dialect, operation) for dialect, operation in EVERY if operation.scopes is not None]
#: What stands for the variable parts: nothing that exists, so that nothing happens.
NOTHING = {
    "printer_id": "99", "printer": "none", "job_id": "00000000-0000-4000-9000-000000000000",
    "task_id": "00000000-0000-4000-9000-000000000001", "file_id": "00000000-0000-4000-9000-000000000002",
    "key_id": "none", "app_id": "none", "member": "none", "task": "none",
    "stack_id": "none", "schedule_id": "none", "action_id": "none",
}  # fmt: skip


def name_of(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def target(dialect: Dialect, operation: Operation, **parts: str) -> str:
    return dialect.roots[0] + operation.path.format(**{**NOTHING, **parts})


def test_the_table_knows_every_operation() -> None:
    """An operation that is added must say here what it needs."""
    assert {name_of(operation) for _, operation in OPERATIONS} == set(NEEDS)


def test_no_operation_is_open() -> None:
    assert [name_of(operation) for _, operation in OPERATIONS if not operation.scopes] == []
    open_to_all = [one for _, one in EVERY if one.scopes is None and one.door is None]
    assert {one.method for one in open_to_all} == {"GET"}
    assert all(one.path.startswith("/printdb/") for one in open_to_all), "facts that everybody may know"


async def ask(host: Host, method: str, path: str, headers: dict[str, str], **more: Any) -> int:
    """The status of an answer; of a stream, without reading it."""
    async with host.client.request(method, path, headers=headers, **more) as response:
        return response.status


async def test_every_operation_with_every_set_of_scopes(host: Host) -> None:
    """Refused without what is needed, whatever else the key has; never refused for its scopes with it."""
    wrong = []
    for dialect, operation in OPERATIONS:
        refused = 401 if dialect is FORGE else 403
        for scopes in KEYS:
            headers = await host.bearer(BEN, *scopes)
            if operation.path == "/events" and operation.method == "GET":
                headers |= {"Last-Event-ID": "x"}  # refused behind the scopes: the stream would not end
            status = await ask(host, operation.method, target(dialect, operation), headers)
            # The Forge API says 401 for what does not exist, too: only reads of lists tell the two apart.
            may = A in scopes or scopes >= NEEDS[name_of(operation)]
            if (may and status == 403) or (not may and status != refused):
                wrong.append((name_of(operation), sorted(scopes), status))
    assert wrong == []


@pytest.mark.parametrize("path", ["/print/jobs", "/print/printers"])
async def test_a_forge_list_is_given_for_the_documented_scopes(host: Host, path: str) -> None:
    """The resource information of each page: `data:read data:write` for jobs, `data:read` for printers."""
    for scopes in KEYS:
        status = await ask(host, "GET", f"/ps/v1{path}", await host.bearer(BEN, *scopes))
        may = A in scopes or scopes >= NEEDS[f"GET {path}"]
        assert status == (200 if may else 401), sorted(scopes)


async def test_nothing_is_done_for_nobody(host: Host) -> None:
    """No key, an empty one, one of another kind, one that is almost right: 401, with the challenge."""
    right = (await host.bearer(BEN))["Authorization"]
    nobodies = [
        {}, {"Authorization": ""}, {"Authorization": "Basic YTpi"}, {"X-Api-Key": right[7:]},
        {"Authorization": right[:-1]}, {"Authorization": right[:-1] + ("A" if right[-1] != "A" else "B")},
        {"Authorization": right.replace("Bearer ", "Bearer\t")}, {"Authorization": right + ", " + right},
        {"Cookie": f"token={right[7:]}"}, {"X-Member-ID": BEN.member_id},
    ]  # fmt: skip
    for dialect, operation in OPERATIONS:
        for headers in nobodies:
            path = target(dialect, operation)
            async with host.client.request(operation.method, path, headers=headers) as response:
                assert response.status == 401, (name_of(operation), headers)
                assert response.headers["WWW-Authenticate"].startswith("Bearer realm=")


async def test_a_token_in_the_query_is_no_key(host: Host) -> None:
    """It would stand in logs and histories."""
    token = (await host.bearer(BEN))["Authorization"].removeprefix("Bearer ")
    for query in (f"access_token={token}", f"token={token}", f"key={token}"):
        assert await ask(host, "GET", f"/ps/v1/print/jobs?{query}", {}) == 401
        assert await ask(host, "GET", f"/gateway/v1/jobs?{query}", {}) == 401


# ---------------------------------------------------------------- whose it is


@dataclass(frozen=True)
class Caller:
    """Who asks, and what they are to the job: ben's, on ana's printer, at home."""

    name: str
    member: Member
    scopes: tuple[Scope, ...]
    may: bool


CALLERS = [
    Caller("the job's own member", BEN, (R, W), True),
    Caller("the printer's owner", ANA, (R, W), True),
    Caller("an administrator of another shop", EVE, (A,), True),
    Caller("a member of another shop", EVE, (R, W), False),
]
JOB = a_job(status=JobStatus.PRINTING, print_key="mark")


@pytest.fixture
async def printing(host: Host) -> Host:
    await host.put_jobs(JOB)
    return host


@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.name)
async def test_a_job_and_those_who_may(printing: Host, caller: Caller) -> None:
    """Whoever may see a job may command it; for others it does not exist, in either dialect."""
    headers = await printing.bearer(caller.member, *caller.scopes)
    native, forge = f"/gateway/v1/jobs/{JOB.job_id}", "/ps/v1/print"
    mk3 = "/gateway/v1/printers/mk3"
    order = {"command": "cancel", "job_id": JOB.job_id}
    asked = [
        (await ask(printing, "GET", native, headers), 200, 404),
        (await ask(printing, "POST", f"{mk3}/adjust", headers, json={"fan": 50}), 202, 404),
        (await ask(printing, "POST", f"{native}/pause", headers), 202, 404),
        (await ask(printing, "POST", f"{native}/cancel", headers), 202, 404),
        (await ask(printing, "POST", f"{native}/resolve", headers, json={"outcome": "failed"}), 409, 404),
        (await ask(printing, "GET", f"{forge}/jobs/{JOB.job_id}", headers), 200, 401),
        (await ask(printing, "POST", f"{forge}/printers/1/command", headers, json=order), 200, 401),
        (await ask(printing, "GET", f"{forge}/printers/status/1", headers), 200, 401),
        (await ask(printing, "POST", f"{mk3}/prompt", headers, json={"choice": 0}), 409, 404),
        (await ask(printing, "POST", f"{mk3}/stop", headers), 202, 404),
    ]
    assert [status for status, *_ in asked] == [yes if caller.may else no for _, yes, no in asked]


async def test_a_colleague_uses_the_printer_but_not_the_job(printing: Host) -> None:
    """Ben's colleague sees that the printer prints, not what."""
    zoe = Member("ZOEZOEZOEZOE0", "zoe", 1)
    await printing.change(
        lambda draft: (draft.members.update({zoe.member_id: zoe}), draft.member_rows.append(zoe))
    )
    headers = await printing.bearer(zoe)
    assert await ask(printing, "GET", f"/gateway/v1/jobs/{JOB.job_id}", headers) == 404
    assert await ask(printing, "POST", f"/gateway/v1/jobs/{JOB.job_id}/cancel", headers) == 404
    status = await printing.client.get("/ps/v1/print/printers/status/1", headers=headers)
    assert "job_id" not in (await status.json())["last_reported_state"]
    listed = await printing.client.get("/gateway/v1/jobs?scope=all&printer=mk3", headers=headers)
    assert (await listed.json())["jobs"] == []
    adjusted = await ask(printing, "POST", "/gateway/v1/printers/mk3/adjust", headers, json={"fan": 50})
    assert adjusted == 403, "what prints there is Ben's"
    assert await ask(printing, "POST", "/gateway/v1/printers/mk3/stop", headers) == 202, "anybody there may"


async def test_what_became_of_a_command_is_for_those_who_may_see_its_job(printing: Host) -> None:
    given = await printing.client.post(
        f"/gateway/v1/jobs/{JOB.job_id}/pause", headers=await printing.bearer(BEN)
    )
    task = (await given.json())["task_id"]
    for caller in CALLERS:
        headers = await printing.bearer(caller.member, *caller.scopes)
        native = await ask(printing, "GET", f"/gateway/v1/commands/{task}", headers)
        forge = await ask(printing, "GET", f"/ps/v1/print/printers/command/{task}", headers)
        assert (native, forge) == ((200, 200) if caller.may else (404, 401)), caller.name


# ---------------------------------------------------------------- keys and members


async def test_keys_are_ones_own_unless_one_is_an_administrator(host: Host) -> None:
    bens, eves = await host.bearer(BEN), await host.bearer(EVE)
    admins = await host.bearer(ANA, A)
    numbers = {key.member_id: key.key_id for key in host.engine.state.keys.values()}

    async def listed(headers: dict[str, str]) -> set[str]:
        response = await host.client.get("/gateway/v1/keys", headers=headers)
        return {key["id"] for key in (await response.json())["keys"]}

    assert await listed(bens) == {numbers[BEN.member_id]}
    assert await listed(eves) == {numbers[EVE.member_id]}
    assert await listed(admins) == set(host.engine.state.keys)
    foreign = f"/gateway/v1/keys/{numbers[EVE.member_id]}"
    assert await ask(host, "DELETE", foreign, bens) == 404
    assert await ask(host, "GET", "/gateway/v1/jobs", eves) == 200, "still works"
    assert await ask(host, "DELETE", foreign, admins) == 204
    assert await ask(host, "DELETE", foreign, admins) == 204, "twice is no mistake"
    assert await ask(host, "GET", "/gateway/v1/jobs", eves) == 401


async def test_a_token_is_shown_once_and_kept_as_a_hash(host: Host) -> None:
    """Not in the list, not in the events, not in the database."""
    admins = await host.bearer(ANA, A)
    body = {"member": "ben", "name": "slicer", "scopes": ["data:read", "data:read"]}
    response = await host.client.post("/gateway/v1/keys", json=body, headers=admins)
    made = await response.json()
    secret = made["token"].split("_", 2)[2]  # which may hold "_" itself
    assert (response.status, response.headers["Cache-Control"]) == (201, "no-store")
    assert made["scopes"] == ["data:read"]
    listed = await host.client.get("/gateway/v1/keys", headers=admins)
    assert secret not in await listed.text()
    events = await host.queries.events_after(0, 500)
    assert all(secret not in str(event.details) for event in events)
    raw = b"".join(path.read_bytes() for path in host.folder.glob("gateway.db*"))
    assert made["id"].encode() in raw, "it is there"
    assert secret.encode() not in raw


async def test_a_member_cannot_give_itself_more_scopes(host: Host) -> None:
    body = {"member": "ben", "name": "more", "scopes": ["admin"]}
    response = await host.client.post("/gateway/v1/keys", json=body, headers=await host.bearer(BEN))
    assert response.status == 403
    assert all(A not in key.scopes for key in host.engine.state.keys.values())


async def test_members_one_may_know(host: Host) -> None:
    async def names(member: Member, *scopes: Scope) -> list[str]:
        headers = await host.bearer(member, *scopes)
        response = await host.client.get("/gateway/v1/members", headers=headers)
        return sorted(row["name"] for row in (await response.json())["members"])

    assert await names(BEN) == ["ben"]
    assert await names(EVE) == ["eve"]
    assert {"ana", "ben", "eve"} <= set(await names(ANA, A))
