"""Members who must not see a job do not: each member of the house x each endpoint (`forge/access.toml`)."""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
import pytest_asyncio

from gateway.api.forge.answers import UNAUTHORIZED
from tests.api.host import Host
from tests.conformance.forge_house import furnish, headers_of
from tests.conformance.test_forge_contract import DATA, ask, check, filled

ACCESS: Final = tomllib.loads((DATA / "access.toml").read_text(encoding="utf-8"))
EVERYBODY: Final = ACCESS["everybody"]
House = tuple[Host, dict[str, str]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with Host(tmp_path_factory.mktemp("house")) as host:
        yield host, await furnish(host)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("who", EVERYBODY)
@pytest.mark.parametrize("row", ACCESS["row"], ids=lambda row: f"{row.get('method', 'GET')} {row['path']}")
async def test_who_is_let_in(house: House, row: dict[str, Any], who: str) -> None:
    host, names = house
    step = filled({**row, "as": who}, names)
    is_allowed = who in row["allowed"]
    step["status"] = row.get("status", 200) if is_allowed else 401
    response = await ask(host, "/ps/v1", step)
    if response.content_type != "application/json":
        assert (response.status, is_allowed) == (200, True)
        return
    body = await check(response, step)
    if not is_allowed:
        assert body["message"] == UNAUTHORIZED


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("page", ["limit=-1", "limit=100"])
@pytest.mark.parametrize("row", ACCESS["list"], ids=lambda row: f"{row['who']} {row.get('printer', '')}")
async def test_lists_hold_what_one_may_see(house: House, row: dict[str, Any], page: str) -> None:
    host, names = house
    where = f"printers/{names[row['printer']]}/jobs" if "printer" in row else "jobs"
    headers = await headers_of(host, row["who"], None)
    response = await host.client.get(f"/ps/v1/print/{where}?{page}", headers=headers)
    body = await response.json()
    wanted = [names[name] for name in row["jobs"]]
    assert [job["job_id"] for job in body["jobs"]] == wanted
    assert (body["count"], response.headers["X-Total-Count"]) == (len(wanted), str(len(wanted)))


def test_everybody_is_in_every_row() -> None:
    assert all(set(row["allowed"]) <= set(EVERYBODY) for row in ACCESS["row"])
    assert all(row["lines"] for row in ACCESS["row"])
