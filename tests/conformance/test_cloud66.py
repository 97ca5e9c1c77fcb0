"""Cloud 66's stack jobs against their documentation: requests and answers are data, in `cloud66/`.

Its two examples are replayed key by key, type by type, under both roots, with and without `.json`.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from gateway.domain.orders import SendGcode
from tests.api.host import Host
from tests.conformance.cloud66_house import ACTION, furnish, headers_of
from tests.conformance.matching import differences

DATA: Final = Path(__file__).parent / "cloud66"
JOB_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")
ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
TYPES: Final = {
    "hex32": lambda value: re.fullmatch("[0-9a-f]{32}", value) is not None,
    "string": lambda value: type(value) is str,
    "integer": lambda value: type(value) is int,
    "boolean": lambda value: type(value) is bool,
    "array": lambda value: type(value) is list,
    "object": lambda value: type(value) is dict,
    "null": lambda value: value is None,
    "0 to 3": lambda value: type(value) is int and 0 <= value <= 3,
    "time": lambda value: JOB_TIME.fullmatch(value) is not None,
    "iso time": lambda value: type(value) is str and ISO_TIME.fullmatch(value) is not None,
}
KEYS: Final = {
    "name", "lines", "changes", "as", "scopes", "method", "path", "json", "form", "text", "type", "status",
    "body", "error", "description", "same", "answer_headers", "arguments", "lines_sent",
}  # fmt: skip


def data(name: str) -> dict[str, Any]:
    return tomllib.loads((DATA / f"{name}.toml").read_text(encoding="utf-8"))


CASES: Final = data("cases")["case"]
EXAMPLES: Final = data("examples")["example"]
OBJECTS: Final = data("attributes")
REFERENCE: Final = data("reference")
#: Lines of the documentation.
LINES: Final = 117


def name_of(case: Mapping[str, Any]) -> str:
    return str(case["name"])


def filled(value: Any, names: Mapping[str, str]) -> Any:
    """With the house's names for `{name}`; a text that is only `{name:int}` becomes a number."""
    if isinstance(value, dict):
        return {key: filled(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, names) for item in value]
    if not isinstance(value, str) or "{" not in value:
        return value
    if value.endswith(":int}"):
        return int(names[value[1:-5]])
    for name, text in names.items():
        value = value.replace("{" + name + "}", text)
    return value


def is_as_documented(found: Mapping[str, Any], described: str) -> None:
    """All keys in the documented order, none besides, each of its type."""
    keys = OBJECTS[described]["keys"]
    assert list(found) == [key for key, _ in keys]
    for key, types in keys:
        assert any(TYPES[one](found[key]) for one in types.split(" or ")), (key, found[key])


# ---------------------------------------------------------------- the examples


@pytest.mark.parametrize("root", ["", "/api/3"])
@pytest.mark.parametrize("request_key", ["request", "sample_request"])
async def test_the_examples_are_answered_as_documented(host: Host, root: str, request_key: str) -> None:
    await furnish(host)
    # The example's stack has one job; the others of the house are removed.
    headers = await headers_of(host, "ana")
    state = host.engine.state
    for one in [one for one in state.schedules.values() if one.stack_number == 1602]:
        if one.name != "rake_test":
            del state.schedules[one.schedule_id]
    for example in EXAMPLES:
        method, path = example[request_key].split(" ")
        path = f"{root}{path}" + (f"?{example['query']}" if "query" in example else "")
        async with host.client.request(method, path, headers=headers) as response:
            assert response.status == example["status"]
            assert response.headers["Content-Type"] == example["content_type"]
            found = await response.json()
        expected = json.loads(example["body"])
        replace_words(expected, example["instead"])
        if example["name"] == "run a job":
            expected["response"]["started_at"] = "2016-05-18T05:42:02Z"
        assert found == expected
        assert text_of_keys(found) == text_of_keys(expected), "in the same order"


def replace_words(body: Any, words: Mapping[str, Any]) -> None:
    for path, value in words.items():
        *steps, last = path.split(".")
        found = body
        for step in steps:
            found = found[int(step)] if isinstance(found, list) else found[step]
        found[last] = value


def text_of_keys(value: Any) -> Any:
    """The keys, nested, in their order."""
    if isinstance(value, dict):
        return [(key, text_of_keys(item)) for key, item in value.items()]
    return [text_of_keys(item) for item in value] if isinstance(value, list) else None


async def test_every_job_and_action_has_the_documented_keys(host: Host) -> None:
    names, headers = await furnish(host), await headers_of(host, "ana")
    for stack in ("stack", "long", "empty"):
        body = await (await host.client.get(f"/stacks/{names[stack]}/jobs", headers=headers)).json()
        is_as_documented(body, "list")
        is_as_documented(body["pagination"], "pagination")
        for job in body["response"]:
            is_as_documented(job, "job")
    running = await host.client.post(
        f"/stacks/{names['stack']}/jobs/{names['macro']}/run_now", headers=headers
    )
    assert (await running.json())["response"]["id"] == ACTION
    for number in (names["done"], names["failed"], names["canceled"], str(ACTION)):
        path = f"/stacks/{names['stack']}/actions/{number}"
        body = await (await host.client.get(path, headers=headers)).json()
        assert list(body) == ["response"]
        is_as_documented(body["response"], "action")


# ---------------------------------------------------------------- the cases


async def ask(host: Host, case: Mapping[str, Any]) -> tuple[int, Mapping[str, str], Any]:
    headers = await headers_of(host, case.get("as", "ana"), case.get("scopes"))
    more: dict[str, Any] = {}
    if "json" in case:
        more["json"] = case["json"]
    elif "form" in case:
        more["data"] = case["form"]
    elif "text" in case:
        more["data"] = case["text"].encode()
        headers = {**headers, "Content-Type": case["type"]}
    async with host.client.request(
        case.get("method", "GET"), case["path"], headers=headers, **more
    ) as response:
        return response.status, dict(response.headers), await response.json()


async def play(host: Host, case: Mapping[str, Any]) -> None:
    status, headers, body = await ask(host, case)
    assert status == case.get("status", 200), body
    if "error" in case:
        assert list(body) == ["error", "error_description"]
        assert body["error"] == case["error"]
        assert re.search(case.get("description", "."), body["error_description"]), body
    assert list(differences(case.get("body", {}), body)) == []
    wanted = case.get("answer_headers", {})
    assert list(differences(wanted, {name: headers.get(name) for name in wanted}, "headers")) == []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Host, dict[str, str]]]:
    """One house for all cases that change nothing."""
    async with Host(tmp_path_factory.mktemp("house")) as host:
        yield host, await furnish(host)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", [case for case in CASES if not case.get("changes")], ids=name_of)
async def test_case(house: tuple[Host, dict[str, str]], case: dict[str, Any]) -> None:
    host, names = house
    orders = len(host.drivers.orders)
    await play(host, filled(case, names))
    assert len(host.drivers.orders) == orders, "nothing was sent to a printer"
    assert not host.engine.state.actions, "no run began"


@pytest.mark.parametrize("case", [case for case in CASES if case.get("changes")], ids=name_of)
async def test_case_that_runs_something(host: Host, case: dict[str, Any]) -> None:
    names = await furnish(host)
    asked = filled(case, names)
    await play(host, asked)
    if "lines_sent" in asked:
        [order] = host.drivers.of(SendGcode)
        assert isinstance(order, SendGcode)
        assert (order.printer, list(order.lines)) == ("mk3", asked["lines_sent"])
        [action] = host.engine.state.actions.values()
        assert action.arguments == asked.get("arguments")
    else:
        assert not host.drivers.of(SendGcode)


@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_not_there_and_what_is_foreign_are_one_answer(
    house: tuple[Host, dict[str, str]],
) -> None:
    host, names = house
    told = [(await ask(host, filled(case, names)))[2] for case in CASES if case.get("same") == "not found"]
    assert len(told) > 8
    assert all(one == told[0] for one in told)


def test_cases_say_nothing_that_is_not_read() -> None:
    assert {key for case in CASES for key in case} <= KEYS
    assert all(case.get("lines") for case in CASES)
    assert len({case["name"] for case in CASES}) == len(CASES)


def test_every_line_of_the_documentation_is_shown_by_something() -> None:
    rows = REFERENCE["rows"]
    said = {line for row in rows for line in range(row["lines"][0], row["lines"][1] + 1)}
    assert said | set(REFERENCE["other"]) == set(range(1, LINES + 1))
    assert not said & set(REFERENCE["other"])
    tests = Path(__file__).read_text(encoding="utf-8") + (
        Path(__file__).parents[1] / "api" / "test_cloud66.py"
    ).read_text(encoding="utf-8")
    known = (
        {case["name"] for case in CASES}
        | {"examples", "attributes"}
        | set(re.findall(r"def (test_\w+)", tests))
    )
    assert [row["by"] for row in rows if row["by"] not in known] == []
