"""The Forge API against its contract: requests and what must come back are data, in `forge/`.

Each case names the lines of the contract it shows. The three prefixes alternate.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
import pytest_asyncio
from aiohttp import ClientResponse

from gateway.api.forge.answers import ROOTS
from tests.api.host import Host
from tests.conformance.forge_house import furnish, headers_of
from tests.conformance.matching import at, differences, is_absent

DATA: Final = Path(__file__).parent / "forge"
KEYS: Final = {
    "name", "lines", "changes", "as", "scopes", "method", "path", "json", "form", "text", "type", "headers",
    "status", "body", "absent", "answer_headers", "save", "then",
}  # fmt: skip


def cases() -> list[dict[str, Any]]:
    """All of them, with the file each comes from."""
    found = []
    for path in sorted(DATA.glob("cases_*.toml")):
        for case in tomllib.loads(path.read_text(encoding="utf-8"))["case"]:
            found.append({"file": path.stem.removeprefix("cases_"), **case})
    return found


CASES: Final = [{"root": ROOTS[number % len(ROOTS)], **case} for number, case in enumerate(cases())]
#: Each in a house of its own; the others only look.
CHANGING: Final = [case for case in CASES if case.get("changes")]
LOOKING: Final = [case for case in CASES if not case.get("changes")]


def name_of(case: Mapping[str, Any]) -> str:
    return f"{case['file']}: {case['name']}"


def filled(value: Any, names: Mapping[str, str]) -> Any:
    """With the house's names for `{name}`; a text that is only `{name:int}` becomes a number."""
    if isinstance(value, dict):
        return {key: filled(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, names) for item in value]
    if not isinstance(value, str) or "{" not in value:
        return value
    if value.startswith("{") and value.endswith(":int}"):
        return int(names[value[1:-5]])
    for name, text in names.items():
        value = value.replace("{" + name + "}", text)
    return value


async def ask(host: Host, root: str, step: Mapping[str, Any]) -> ClientResponse:
    headers = await headers_of(host, step.get("as", "ben"), step.get("scopes"))
    more: dict[str, Any] = {}
    if "json" in step:
        more["json"] = step["json"]
    elif "form" in step:
        more["data"] = step["form"]
    elif "text" in step:
        more["data"] = step["text"].encode()
        headers["Content-Type"] = step.get("type", "application/json")
    path = step["path"]
    address = path if path.startswith(("/v1/", "/faye", "/gateway/")) else root + path
    return await host.client.request(
        step.get("method", "GET"), address, headers={**headers, **step.get("headers", {})}, **more
    )


async def check(response: ClientResponse, step: Mapping[str, Any]) -> Any:
    raw = await response.read()
    assert response.status == step.get("status", 200), raw[:600]
    if response.status == 204:
        assert raw == b""
        return None
    body = json.loads(raw) if response.content_type == "application/json" else None
    if response.status >= 400:
        assert set(body) == {"error_id", "code", "message"}
        assert UUID(body["error_id"]).version == 4
        assert body["code"] == response.status
        assert body["message"]
    assert "body" not in step or list(differences(step["body"], body)) == []
    assert [path for path in step.get("absent", []) if not is_absent(body, path)] == []
    wanted = step.get("answer_headers", {})
    assert list(differences(wanted, {name: response.headers.get(name) for name in wanted}, "headers")) == []
    return body


async def play(host: Host, names: dict[str, str], case: Mapping[str, Any]) -> None:
    names = dict(names)
    for step in (case, *case.get("then", [])):
        asked = filled({key: value for key, value in step.items() if key not in ("then", "save")}, names)
        body = await check(await ask(host, case["root"], asked), asked)
        names |= {name: str(at(body, path)) for name, path in step.get("save", {}).items()}


@pytest.mark.parametrize("case", CHANGING, ids=name_of)
async def test_case_that_changes_something(host: Host, case: dict[str, Any]) -> None:
    await play(host, await furnish(host), case)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Host, dict[str, str]]]:
    """One house for all cases that only look."""
    async with Host(tmp_path_factory.mktemp("house")) as host:
        yield host, await furnish(host)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", LOOKING, ids=name_of)
async def test_case(house: tuple[Host, dict[str, str]], case: dict[str, Any]) -> None:
    host, names = house
    await play(host, names, case)


def test_cases_say_nothing_that_is_not_read() -> None:
    steps = [step for case in CASES for step in (case, *case.get("then", []))]
    assert {key for step in steps for key in step} - {"file", "root"} <= KEYS
    assert all(case.get("lines") for case in CASES)
