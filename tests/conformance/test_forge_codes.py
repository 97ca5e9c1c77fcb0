"""Every endpoint x every code of the contract's table (line 20): 400, 401, 403, 404, 422, 429, 500.

The endpoints are data (`forge/endpoints.toml`); what succeeds is in the cases. 403 is the firmware's alone.
"""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any, Final

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer

from gateway.api.forge.answers import ROOTS
from gateway.api.forge.dialect import FORGE
from gateway.api.http.app import build_app
from tests.api.host import Host
from tests.conformance.forge_house import furnish, headers_of
from tests.conformance.test_forge_contract import CASES, DATA, ask, check, filled

FOUND: Final = tomllib.loads((DATA / "endpoints.toml").read_text(encoding="utf-8"))["endpoint"]
ENDPOINTS: Final = [{"root": ROOTS[number % len(ROOTS)], **row} for number, row in enumerate(FOUND)]
House = tuple[Host, dict[str, str]]
#: Headers that every answer has of its own.
OF_ONE_REQUEST: Final = {"x-request-id", "date"}
module_wide = pytest.mark.asyncio(loop_scope="module")


def name_of(row: Mapping[str, Any]) -> str:
    return f"{row['method']} {row['path']}"


def each(*rows: Mapping[str, Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", rows, ids=name_of)


def is_public(row: Mapping[str, Any]) -> bool:
    return bool(row["as"] == "nobody")


def is_firmware(row: Mapping[str, Any]) -> bool:
    return "printer" in row["as"].split()


MEMBERS: Final = [row for row in ENDPOINTS if not is_public(row) and not is_firmware(row)]
FIRMWARE: Final = [row for row in ENDPOINTS if is_firmware(row)]
WITH_BODY: Final = [row for row in ENDPOINTS if "json" in row]
WITH_QUERY: Final = [row for row in ENDPOINTS if row.get("query")]
SENSELESS: Final = [row for row in ENDPOINTS if "senseless" in row]
FOREIGN: Final = [row for row in ENDPOINTS if "foreign" in row]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """One house for all: nothing here is carried out."""
    async with Host(tmp_path_factory.mktemp("house")) as host:
        yield host, await furnish(host)


async def refused(house: House, row: Mapping[str, Any], status: int, **changes: Any) -> Any:
    host, names = house
    step = {"path": row["address"], **row, **changes, "status": status}
    step["path"] = changes.get("path", row["address"])
    asked = filled(step, names)
    response = await ask(host, row["root"], asked)
    return {**(await check(response, asked)), "headers": response.headers}


def test_every_endpoint_is_here() -> None:
    assert {(row["method"], row["path"]) for row in FOUND} == {
        (operation.method, operation.path) for operation in FORGE.operations
    }


def test_every_endpoint_succeeds_in_some_case() -> None:
    """By the address of a case; files are tried in the suites of their own."""
    elsewhere = {("POST", "/files/upload"), ("GET", "/print/jobs/{job_id}/printable"),
                 ("GET", "/print/printables/{job_id}/{permit}/{file_name}")}  # fmt: skip
    steps = [step for case in CASES for step in (case, *case.get("then", []))]
    good = [step for step in steps if step.get("status", 200) < 300]
    tried = {(step.get("method", "GET"), step["path"].partition("?")[0].rstrip("/")) for step in good}
    missing = {
        (row["method"], row["path"])
        for row in FOUND
        if not any(method == row["method"] and is_at(path, row["path"]) for method, path in tried)
    }
    assert missing == elsewhere


def is_at(path: str, template: str) -> bool:
    """Whether a case's path is one of the template's; fixed words go before variable parts."""
    given, wanted = path.lower().split("/"), template.split("/")
    fixed = {"register", "jobs", "status", "command", "registration_code"}
    return len(given) == len(wanted) and all(
        one == other.lower() or (other.startswith("{") and one not in fixed)
        for one, other in zip(given, wanted, strict=True)
    )


@module_wide
@each(*WITH_BODY)
async def test_400_a_body_that_cannot_be_parsed(house: House, row: Mapping[str, Any]) -> None:
    await refused(house, {key: row[key] for key in row if key != "json"}, 400, text='{"a": ')


@module_wide
@each(*WITH_BODY)
async def test_400_a_body_of_another_kind(house: House, row: Mapping[str, Any]) -> None:
    asked = {key: row[key] for key in row if key != "json"}
    await refused(house, asked, 400, text="<a/>", type="application/xml")


@module_wide
@each(*WITH_QUERY)
async def test_400_a_number_that_is_none(house: House, row: Mapping[str, Any]) -> None:
    await refused(house, row, 400, path=row["address"] + "?limit=many")


@module_wide
@pytest.mark.parametrize("who", ["nobody", "stranger", "idle printer"])
@each(*MEMBERS)
async def test_401_for_who_is_no_member(house: House, row: Mapping[str, Any], who: str) -> None:
    found = await refused(house, row, 401, **{"as": who})
    assert found["headers"]["WWW-Authenticate"].startswith("Bearer")


@module_wide
@each(*MEMBERS)
async def test_401_for_a_key_that_lacks_a_scope(house: House, row: Mapping[str, Any]) -> None:
    """Never 403; reading printers needs `data:read` alone, inviting `data:write` alone (line 17)."""
    (operation,) = [one for one in FORGE.operations if (one.method, one.path) == (row["method"], row["path"])]
    assert operation.scopes
    for scope in {"data:read", "data:write"}:
        if {one.value for one in operation.scopes} != {scope}:
            await refused(house, row, 401, scopes=[scope])


@module_wide
@each(*FOREIGN)
async def test_401_for_what_is_somebody_elses_as_for_what_is_not_there(
    house: House, row: Mapping[str, Any]
) -> None:
    """No oracle: the same code, words and headers (line 205)."""
    numbers = {"{theirs}": "999", "{foreign}": "{nobody}"}
    unknown = row["foreign"]
    for name, number in numbers.items():
        unknown = unknown.replace(name, number)
    one, other = [await refused(house, row, 401, path=path) for path in (row["foreign"], unknown)]
    assert one["message"] == other["message"]
    kept = [{name: value for name, value in found["headers"].items() if name.lower() not in OF_ONE_REQUEST}
            for found in (one, other)]  # fmt: skip
    assert kept[0] == kept[1]


@module_wide
@each(*[row for row in FIRMWARE if not row["path"].endswith("registration_code")])
async def test_401_for_a_printer_without_a_token(house: House, row: Mapping[str, Any]) -> None:
    await refused(house, row, 401, **{"as": "nobody"})
    await refused(house, row, 401, **{"as": "ana"})


@module_wide
@each(*FIRMWARE)
async def test_403_for_a_printer_whose_token_is_not_known(house: House, row: Mapping[str, Any]) -> None:
    """Ember forgets who it is on 403, and only then (line 24)."""
    await refused(house, row, 403, **{"as": "unknown printer"})


@module_wide
@each(*ENDPOINTS)
async def test_404_an_address_that_is_none(house: House, row: Mapping[str, Any]) -> None:
    address = row["address"].partition("?")[0]
    found = await refused(house, row, 404, path=f"{address}/there/is/no/such/thing")
    assert found["message"] == "Endpoint does not exist."


@module_wide
@each(*SENSELESS)
async def test_422_what_makes_no_sense(house: House, row: Mapping[str, Any]) -> None:
    senseless = row["senseless"]
    if isinstance(senseless, str):
        await refused(house, row, 422, path=row["address"] + senseless)
    else:
        await refused(house, row, 422, json=senseless)


async def test_429_for_every_endpoint(tmp_path: Any) -> None:
    """Too Many Requests, with how long to wait (lines 20, 192); whoever asks, wherever."""
    async with Host(tmp_path, rate="1/minute") as host:
        names = await furnish(host)
        for row in (*ENDPOINTS, *ENDPOINTS):  # the first time round some credentials are still fresh
            asked = filled({**row, "path": row["address"]}, names)
            response = await ask(host, row["root"], asked)
        for row in ENDPOINTS:
            found = await refused((host, names), row, 429)
            assert int(found["headers"]["Retry-After"]) > 0, name_of(row)
            assert found["headers"]["X-RateLimit-Remaining"] == "0"
        assert response.reason == "Too Many Requests"


class Broken:
    """A bug, wherever it is touched."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("a bug")


@module_wide
async def test_500_for_every_endpoint(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """An error of ours has the same shape and tells nothing of itself (line 22)."""
    host, names = house
    broken: Any = Broken()
    services = replace(
        host.services, engine=broken, queries=broken, printdb=broken, signer=broken, rate_limit=None
    )
    async with TestClient(TestServer(build_app(services, [FORGE]))) as client:
        for row in ENDPOINTS:
            asked = filled({**row, "path": row["address"]}, names)
            headers = await headers_of(host, row["as"], None)
            more = {"json": asked["json"]} if "json" in asked else {}
            response = await client.request(
                row["method"], row["root"] + asked["path"], headers=headers, **more
            )
            found = await check(response, {"status": 500})
            assert "bug" not in found["message"], name_of(row)
    assert len([record for record in caplog.records if record.exc_info]) == len(ENDPOINTS)
