"""Addresses and methods: what is there answers, what is not is told so in its surface's own words."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from yarl import URL

from gateway.api.cloud66.dialect import CLOUD66
from gateway.api.conversio.dialect import CONVERSIO, CONVERSIO_RESULTS
from gateway.api.forge.dialect import FORGE
from gateway.api.greenarrow.dialect import GREENARROW
from gateway.api.http.operations import Dialect
from gateway.api.native.dialect import NATIVE
from gateway.domain.member import Scope
from tests.api.host import Host, a_job
from tests.api.raw import Line, request
from tests.support.stand import BEN

PARTS = {
    "printer_id": "1", "printer": "mk3", "job_id": a_job().job_id, "task_id": a_job().job_id,
    "file_id": a_job().job_id, "key_id": "none", "app_id": "none", "member": "none",
    "permit": "1-x", "file_name": "part.gcode", "type_id": "none", "material_id": "none",
    "profile_id": "none", "organization_id": "1", "async_job_id": "a" * 24, "file": "a" * 24 + ".csv",
    "stack_id": "b" * 32, "action_id": "7", "task": a_job().job_id, "schedule_id": "c" * 32,
}  # fmt: skip
#: Every dialect but the authorization server, whose pages and errors are OAuth's.
SURFACES = {
    dialect.name: dialect
    for dialect in (FORGE, NATIVE, GREENARROW, CONVERSIO, CONVERSIO_RESULTS, CLOUD66)
}  # fmt: skip
ADDRESSES = sorted(
    {(dialect.name, root + operation.path.format(**PARTS))
     for dialect in SURFACES.values() for operation in dialect.operations for root in dialect.roots}
)  # fmt: skip
SPELLINGS = {
    root + spelling.format(**PARTS)
    for dialect in SURFACES.values() for operation in dialect.operations
    for spelling in operation.aliases for root in dialect.roots
}  # fmt: skip
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
#: The keys of an error, where the surface has nothing else in it that can be checked.
ERRORS = {
    "greenarrow": {"success", "data", "error_code", "error_message"},
    "conversio": {"error", "message"},
    "conversio-results": {"error", "message"},
    "cloud66": {"error", "error_description"},
}


def methods_at(dialect: Dialect, address: str) -> set[str]:
    """What the declarations say is taken at an address."""
    found: set[str] = set()
    for root in dialect.roots:
        for operation in dialect.operations:
            if root + operation.path.format(**PARTS) == address:
                found |= {"GET", "HEAD"} if operation.method == "GET" else {operation.method}
    return found


def is_in_words(dialect: str, body: dict[str, Any], status: int) -> bool:
    """Whether an error has its surface's documented shape."""
    if dialect == "forge":
        is_shaped = set(body) == {"error_id", "code", "message"} and UUID(body["error_id"]).version == 4
        return is_shaped and body["code"] == status and bool(body["message"])
    if dialect in ERRORS:
        return set(body) == ERRORS[dialect]
    is_shaped = {"type", "title", "status", "detail", "request_id"} <= set(body)
    return is_shaped and body["status"] == status and bool(body["detail"])


async def test_every_address_with_every_method(host: Host) -> None:
    """What is declared is taken, all else refused with the methods that are, in the surface's words.

    405, and 404 on Forge, whose contract knows no other code for what is not there.
    """
    headers = await host.bearer(BEN)
    for name, address in ADDRESSES:
        known, refused = methods_at(SURFACES[name], address), 404 if name == "forge" else 405
        for method in METHODS:
            if "events" in address and method in ("GET", "HEAD"):
                continue  # does not end
            async with host.client.request(method, address, headers=headers) as response:
                if method in known:
                    assert "Allow" not in response.headers, (method, address)
                    continue
                assert response.status == refused, (method, address)
                assert set(response.headers["Allow"].split(", ")) == known
                if method != "HEAD":
                    assert is_in_words(name, await response.json(), refused), (method, address)


@pytest.mark.parametrize("change", ["{}/", "{}/x", "{}%2f", "{}.json", "{};a=b", "{}%00", "{}%20", "{}x"])
async def test_addresses_beside_the_right_ones(host: Host, change: str) -> None:
    """No second spelling of an address: 404, or the refusal of a name that nothing has.

    But those that are declared: the SDK wrote a slash behind the addresses of the printer database, and
    Cloud 66's clients `.json`. An address beside a surface's root may lie below another one's.
    """
    headers = await host.bearer(BEN, *(scope for scope in Scope if scope is not Scope.ADMIN))
    for name, address in ADDRESSES:
        beside = change.format(address)
        if beside in SPELLINGS:
            continue
        is_below = URL(beside).path.startswith(tuple(f"{root}/" for root in SURFACES[name].roots))
        async with host.client.get(beside, headers=headers) as response:
            assert response.status in ((401, 404, 405) if name == "forge" else (404, 405)), address
            body, words = await response.json(), (name,) if is_below else SURFACES
            assert any(is_in_words(one, body, response.status) for one in words), beside


async def test_head_is_get_without_the_body(host: Host) -> None:
    await host.put_jobs(a_job())
    headers = await host.bearer(BEN)
    for name, address in ADDRESSES:
        if "GET" not in methods_at(SURFACES[name], address) or "events" in address:
            continue
        got = await host.client.get(address, headers=headers)
        head = await host.client.head(address, headers=headers)
        assert head.status == got.status
        assert await head.read() == b""
        for header in ("Content-Type", "Content-Length", "ETag", "X-Total-Count", "WWW-Authenticate"):
            if header != "Content-Length" or got.status == 200:
                assert head.headers.get(header) == got.headers.get(header), (address, header)


async def test_preflights_are_for_the_cross_origin_surfaces_alone(host: Host) -> None:
    """The native API has an ambient authority (the socket, later a cookie): no other origin may call it."""
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    for name, address in ADDRESSES:
        response = await host.client.options(address, headers=asked)
        if SURFACES[name].is_cross_origin:
            assert response.status == 204
            allowed = set(response.headers["Access-Control-Allow-Methods"].split(", "))
            assert allowed == methods_at(SURFACES[name], address)
        else:
            assert response.status == 405
            assert not [header for header in response.headers if header.startswith("Access-Control")]


@pytest.mark.parametrize(
    "target",
    [
        "/ps/v1/../../etc/passwd", "/ps/v1/print/jobs/../../../etc/passwd", "/ps/v1/print/jobs/..%2f..%2fetc",
        "/gateway/v1/files/../../../etc/passwd", "/gateway/v1/files/%2e%2e%2f%2e%2e%2fgateway.db",
        "/gateway/v1/printers/..%5c..%5cboot.ini", "/gateway/v1/jobs/%00", "/gateway/v1/jobs/%ff%fe",
        "/gateway/v1/jobs/%c0%af", "//etc/passwd", "/./gateway/v1/../../x", "/gateway/v1/jobs/" + "a" * 5000,
        "http://elsewhere.example/gateway/v1/files/..", "/gateway/v1/jobs/{{7*7}}", "/gateway/v1/jobs/%25s",
        "//gateway/v1/jobs", "/gateway//v1/jobs", "/PS/V1/print/jobs", "/ps/v1/Print/Jobs",
    ],
)  # fmt: skip
async def test_paths_lead_nowhere_else(host: Host, tmp_path: Path, target: str) -> None:
    """As bytes on the line: a client library would tidy them up."""
    line = await Line.to(host, tmp_path / "s")
    await line.send(request("GET", target, await host.bearer(BEN)))
    answer = await line.answer()
    assert answer.status in (400, 401, 404), answer
    if answer.headers["content-type"].startswith("application/"):
        body = json.loads(answer.body)
        assert is_in_words("forge", body, answer.status) or is_in_words("gateway", body, answer.status)
    assert b"root:" not in answer.body
    assert b"SQLite" not in answer.body
    await line.hang_up()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1"}, 401),
        ({"X-Original-URL": "/healthz", "X-Rewrite-URL": "/healthz"}, 401),
        ({"X-HTTP-Method-Override": "DELETE"}, 401),
        ({"Host": "evil.example"}, 401),
        ({"Forwarded": 'for=unix:;proto=https;by="root"'}, 401),
        ({"X-Remote-User": "root", "Remote-User": "root"}, 401),
    ],
)
async def test_headers_give_no_authority(host: Host, headers: dict[str, str], status: int) -> None:
    """Nothing that a client can say about itself is believed, except a key."""
    assert (await host.client.get("/gateway/v1/jobs", headers=headers)).status == status


async def test_names_in_answers_cannot_make_headers(host: Host) -> None:
    """A name with line ends comes back in JSON, escaped, and in no header."""
    name = "a\r\nSet-Cookie: b=c"
    await host.put_jobs(a_job(name))
    headers = await host.bearer(BEN)
    for address in (f"/ps/v1/print/jobs/{a_job().job_id}", f"/gateway/v1/jobs/{a_job().job_id}"):
        response = await host.client.get(address, headers=headers)
        assert "Set-Cookie" not in response.headers
        assert name in json.dumps(await response.json()).encode().decode("unicode_escape")


async def test_a_request_id_comes_back_in_the_problem_and_the_header(host: Host) -> None:
    response = await host.client.get("/gateway/v1/nothing", headers={"X-Request-Id": "mine-1"})
    assert (await response.json())["request_id"] == response.headers["X-Request-Id"] == "mine-1"
    fresh = await host.client.get("/gateway/v1/nothing", headers={"X-Request-Id": "mine 1\t"})
    assert re.fullmatch(r"[0-9a-f-]{36}", fresh.headers["X-Request-Id"])
