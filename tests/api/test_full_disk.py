"""A disk that is nearly full: what comes in is refused with words, and everything else goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.domain.member import Scope
from gateway.store.reserve import Reserve
from tests.api.host import GCODE, Host
from tests.support.stand import BEN

RESERVED = 50_000_000  # bytes
WORDS = "the disk is nearly full: 50 MB are free, and 50 MB are kept for the database"


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    """Not one byte above the reserve is free."""
    async with Host(tmp_path, reserve=Reserve(RESERVED, lambda folder: RESERVED)) as built:
        yield built


def a_file() -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("file", GCODE, filename="part.gcode")
    return form


async def send(host: Host, path: str, **body: Any) -> tuple[int, dict[str, Any]]:
    headers = await host.bearer(BEN, Scope.DATA_READ, Scope.DATA_WRITE)
    async with host.client.post(path, headers=headers, **body) as response:
        return response.status, await response.json()


async def test_the_native_api_says_507(host: Host) -> None:
    status, problem = await send(host, "/gateway/v1/files", data=a_file())
    assert (status, problem["title"]) == (507, "Insufficient Storage")
    assert WORDS in problem["detail"]


async def test_forge_says_it_in_its_own_shape(host: Host) -> None:
    status, error = await send(host, "/ps/v1/files/upload", data=a_file())
    assert (status, sorted(error), error["code"]) == (507, ["code", "error_id", "message"], 507)
    assert WORDS in error["message"]


async def test_nothing_is_left_behind(host: Host) -> None:
    await send(host, "/gateway/v1/files", data=a_file())
    assert list((host.folder / "files" / ".incoming").iterdir()) == []
    assert not await host.queries.files(member_id=None, limit=1, offset=0)


async def test_what_needs_rows_only_goes_on(host: Host) -> None:
    status, task = await send(host, "/gateway/v1/tasks", json={"kind": "history-export", "arguments": {}})
    assert (status, task["status"]) == (202, "pending")
