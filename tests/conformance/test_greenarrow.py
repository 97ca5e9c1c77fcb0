"""GreenArrow's job lists against their documents: requests and answers are data, in `greenarrow/`.

The example is replayed key by key, type by type; each row of the documents is shown by something.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from aiohttp import ClientResponse

from gateway.api.greenarrow import answers
from gateway.api.greenarrow.schemas import JobList, Refused
from gateway.api.http.problems import Failure
from gateway.domain.job import JobStatus
from gateway.domain.task import TASK_KEPT, TaskKind
from gateway.domain.task_commands import NoteProgress
from tests.api.host import Host
from tests.conformance.greenarrow_house import a_print, a_task, furnish, headers_of, put_works
from tests.support.stand import START, FakeClock

DATA: Final = Path(__file__).parent / "greenarrow"
ROOT: Final = "/ga/api/v2"


def data(name: str) -> dict[str, Any]:
    return tomllib.loads((DATA / f"{name}.toml").read_text(encoding="utf-8"))


CASES: Final = data("cases")["case"]
EXAMPLE: Final = data("example")
ATTRIBUTES: Final = data("attributes")["attributes"]
STATES: Final = data("attributes")["states"]
ROWS: Final = data("reference")["rows"]
BODY: Final = json.loads(EXAMPLE["answer"]["body"])
ENVELOPE: Final = ["success", "data", "error_code", "error_message"]
KEYS: Final = {
    "name", "as", "method", "path", "shows", "status", "error_code", "works", "paging", "headers",
}  # fmt: skip
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
#: The types of the reference's table.
TYPES: Final = {
    "Integer": lambda value: type(value) is int,
    "String": lambda value: type(value) is str,
    "Boolean": lambda value: type(value) is bool,
    "Time": lambda value: type(value) is str and _TIME.fullmatch(value) is not None,
}
House = tuple[Host, dict[str, int]]
module_wide = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with Host(tmp_path_factory.mktemp("house")) as host:
        yield host, await furnish(host)


async def ask(host: Host, path: str, who: str = "root", method: str = "GET") -> ClientResponse:
    return await host.client.request(method, ROOT + path, headers=await headers_of(host, who))


async def found(host: Host, path: str, who: str = "root") -> dict[str, Any]:
    async with await ask(host, path, who) as response:
        assert response.status == 200, await response.text()
        body: dict[str, Any] = await response.json()
        return body


async def rows(house: House) -> dict[str, dict[str, Any]]:
    """All rows, by the names of their works."""
    host, numbers = house
    names = {number: name for name, number in numbers.items()}
    return {names[row["id"]]: row for row in (await found(host, "/jobs/all"))["data"]}


@module_wide
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
async def test_case(house: House, case: dict[str, Any]) -> None:
    host, numbers = house
    assert set(case) <= KEYS
    async with await ask(host, case["path"], case["as"], case.get("method", "GET")) as response:
        text = await response.text()
        body = json.loads(text)
        assert response.status == case.get("status", 200), text
        check_headers(response)
        for name, value in case.get("headers", {}).items():
            assert response.headers[name] == value
    (JobList if response.status == 200 else Refused).model_validate_json(text, strict=True)
    if "error_code" in case:
        check_refusal(body, case["error_code"])
        assert ("WWW-Authenticate" in response.headers) == (response.status == 401)
        return
    assert list(body) == ENVELOPE + list(case.get("paging", {}))
    assert (body["success"], body["error_code"], body["error_message"]) == (True, None, None)
    assert [row["id"] for row in body["data"]] == [numbers[name] for name in case["works"]]
    for name, value in case.get("paging", {}).items():
        assert is_as(value, body[name]), name


def check_headers(response: ClientResponse) -> None:
    for header in EXAMPLE["header"]:
        shown = response.headers.get(header["name"])
        if "absent" in header:
            assert shown is None
        elif "value" in header:
            assert shown == header["value"]
        elif header["name"] != answers.RUNTIME or response.status not in (404, 405):
            assert re.fullmatch(header["pattern"], shown or ""), header["name"]


def check_refusal(body: Mapping[str, Any], code: str) -> None:
    assert list(body) == ENVELOPE
    assert (body["success"], body["data"], body["error_code"]) == (False, None, code)
    assert type(body["error_message"]) is str
    assert "Bearer" not in body["error_message"]


def is_as(expected: Any, shown: Any) -> bool:
    """`null` and `@text` are the words of the cases for what TOML cannot say."""
    if expected == "null":
        return shown is None
    if expected == "@text":
        return isinstance(shown, str) and shown != ""
    return type(expected) is type(shown) and bool(expected == shown)


async def test_the_example_request(tmp_path: Path) -> None:
    """Replayed with a task like the example's import: each byte but those that `instead` names."""
    clock = FakeClock()
    clock.passed = (datetime(2014, 7, 3, 13, 36, 59, tzinfo=UTC) - START).total_seconds()
    (row,) = BODY["data"]
    async with Host(tmp_path, clock=clock) as host:
        instants = {
            name: datetime.fromisoformat(row[name]) for name in ("begins_at", "created_at", "updated_at")
        }
        await put_works(host, {"it": a_task(kind=TaskKind.FILE_IMPORT, name=row["name"], **instants)})
        asked, answer = EXAMPLE["request"], EXAMPLE["answer"]
        credential = await headers_of(host, "root by organization")
        assert credential["Authorization"].partition(" ")[0] == asked["authorization"].partition(" ")[0]
        headers = {**asked["headers"], **credential}
        async with host.client.request(asked["method"], asked["path"], headers=headers) as response:
            assert response.status == answer["status"]
            check_headers(response)
            text = await response.text()
    instead = {key: None if value == "null" else value for key, value in answer["instead"].items()}
    expected = {**BODY, "data": [{**row, **instead}]}
    assert text == json.dumps(expected, separators=(",", ":"))


async def test_the_key_of_the_example_is_refused(tmp_path: Path) -> None:
    async with Host(tmp_path) as host:
        shown = await headers_of(host, "the example's")
        assert shown["Authorization"] == EXAMPLE["request"]["authorization"]
        async with host.client.get(ROOT + "/jobs/all", headers=shown) as response:
            assert response.status == 401
            assert response.headers["WWW-Authenticate"].startswith("Basic ")


@module_wide
@pytest.mark.parametrize("attribute", ATTRIBUTES, ids=lambda attribute: attribute["key"])
async def test_attribute(house: House, attribute: dict[str, Any]) -> None:
    """In every row, of the table's type or null; with a value where it says."""
    all_rows, key = await rows(house), attribute["key"]
    is_typed = TYPES[attribute["type"]]
    assert is_typed(attribute["example"])
    for name, row in all_rows.items():
        assert list(row) == list(BODY["data"][0]), "the example's keys, in its order"
        if name in attribute["shows"] or row[key] is not None:
            assert is_typed(row[key]), name
    assert attribute["shows"] or all(row[key] is None for row in all_rows.values())


@module_wide
@pytest.mark.parametrize("state", STATES, ids=lambda state: state["work"])
async def test_state(house: House, state: dict[str, Any]) -> None:
    row = (await rows(house))[state["work"]]
    assert (row["state"], row["state2"]) == (state["state"], state.get("state2"))
    assert row["paused"] is (state["state"] == "paused")
    is_unfinished = "line" in state
    assert (row["finished_at"] is None) == is_unfinished
    unfinished = {one["id"] for one in (await found(house[0], "/jobs/unfinished"))["data"]}
    assert (row["id"] in unfinished) == is_unfinished


@module_wide
async def test_a_print_counts_bytes_and_has_no_times_of_a_clock(house: House) -> None:
    all_rows = await rows(house)
    row = all_rows["printing"]
    assert (row["job_type"], row["progress_value"], row["progress_total"]) == ("PrintJob", 12, 30)
    assert (row["begins_at"], row["retry_at"]) == (None, None)
    assert all_rows["created"]["progress_total"] is None
    assert all_rows["task-retrying"]["retry_at"] == "2016-05-18T05:42:12Z"


@module_wide
async def test_running_tasks_show_their_newest_progress(house: House) -> None:
    host, numbers = house
    await host.engine.execute(NoteProgress(numbers["task-running"], 1, 40, 100))
    row = (await rows(house))["task-running"]
    assert (row["progress_value"], row["progress_total"]) == (40, 100)


@module_wide
async def test_tokens_lead_through_the_whole_list(house: House) -> None:
    host, numbers = house
    seen, path = [], "/jobs/all?per_page=5"
    for _ in range(10):
        body = await found(host, path)
        assert list(body) == [*ENVELOPE, "page", "per_page", "num_records", "num_pages", "page_token",
                              "next_page_token"]  # fmt: skip
        assert (body["num_records"], body["num_pages"], body["per_page"]) == (22, 5, 5)
        seen += [row["id"] for row in body["data"]]
        token = body["next_page_token"]
        if token is None:
            break
        path = f"/jobs/all?per_page=5&page_token={token}"
    assert seen == list(numbers.values())
    assert body["page"] is None
    assert path.endswith(body["page_token"])


@module_wide
async def test_a_token_is_for_whoever_may_see_the_list(house: House) -> None:
    """It leads on from a row; whose rows come is another matter."""
    host, numbers = house
    token = (await found(host, "/jobs/all?per_page=1"))["next_page_token"]
    theirs = await found(host, f"/jobs/all?page_token={token}", "otto")
    assert [row["id"] for row in theirs["data"]] == [numbers["eves"], numbers["eves-task"]]


@module_wide
async def test_head(house: House) -> None:
    async with await ask(house[0], "/jobs/all", method="HEAD") as response:
        assert (response.status, await response.read()) == (200, b"")
        check_headers(response)


async def test_a_long_page_is_the_same_in_slices(tmp_path: Path) -> None:
    """More rows than one slice, and than one page."""
    async with Host(tmp_path) as host:
        works = {str(number): a_task(name=str(number), is_paused=True) for number in range(2003)}
        numbers = await put_works(host, works)
        body = await found(host, "/jobs/unfinished")
        assert list(body) == ENVELOPE
        assert [row["id"] for row in body["data"]] == list(numbers.values())[:2000]
        last = await found(host, "/jobs/unfinished?page=1")
        assert (last["num_records"], last["num_pages"], len(last["data"])) == (2003, 2, 3)
        assert body["data"][1999]["name"] == "1999"
        async with await ask(host, "/jobs/unfinished", method="HEAD") as response:
            assert (response.status, await response.read()) == (200, b"")


async def test_tasks_are_gone_a_week_after_their_end(tmp_path: Path) -> None:
    async with Host(tmp_path) as host:
        numbers = await furnish(host)
        host.clock.advance(TASK_KEPT.total_seconds() + 3600)
        shown = {row["id"] for row in (await found(host, "/jobs/all"))["data"]}
        gone = {name for name, number in numbers.items() if number not in shown}
        assert gone == {"task-done", "task-failed", "task-canceled", "task-backup", "eves-task"}


async def test_a_task_whose_time_comes_is_pending(tmp_path: Path) -> None:
    """Without any change of its row: the word and the filter follow the clock."""
    async with Host(tmp_path) as host:
        await put_works(
            host, {"it": a_task(kind=TaskKind.FILE_IMPORT, begins_at=START + timedelta(seconds=30))}
        )
        await put_works(host, {"print": a_print(JobStatus.CREATED, printer_id=None)})
        before = await found(host, "/jobs/all?state=scheduled")
        assert [row["job_type"] for row in before["data"]] == ["FileImport"]
        host.clock.advance(60)
        rows = (await found(host, "/jobs/all?state=pending"))["data"]
        assert [row["job_type"] for row in rows] == ["FileImport", "PrintJob"]
        assert (await found(host, "/jobs/all?state=scheduled"))["data"] == []


async def test_too_many_requests(tmp_path: Path) -> None:
    async with Host(tmp_path, rate="2/minute") as host:
        statuses = []
        for _ in range(4):
            async with await ask(host, "/jobs/all") as response:
                statuses.append(response.status)
                body = await response.json()
        assert statuses[-1] == 429
        check_refusal(body, "invalid_request")
        assert response.headers["Retry-After"]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "invalid_request"), (401, "invalid_request"), (403, "invalid_request"), (404, "not_found"),
        (405, "invalid_request"), (422, "validation_failed"), (429, "invalid_request"),
        (500, "internal_error"), (503, "internal_error"),
    ],
)  # fmt: skip
def test_codes(status: int, code: str) -> None:
    assert answers.code_of(Failure(status, "no")) == code
    assert code in answers.ERROR_CODES


#: What shows a row that no case does.
BY: Final = {
    "example": test_the_example_request,
    "codes": test_codes,
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['row']}: {row['says']}")
def test_row_is_shown(row: dict[str, Any]) -> None:
    named = {name for case in CASES for name in case["shows"]}
    assert (row["row"] in named) != ("by" in row)
    assert row.get("by", "example") in BY


def test_cases_name_rows_that_are_there() -> None:
    assert {name for case in CASES for name in case["shows"]} <= {row["row"] for row in ROWS}


def test_every_line_of_the_table_and_the_example_is_there() -> None:
    """Both pages: their tables without a gap, the headers without a gap, the body's keys."""
    assert [row["line"] for row in ATTRIBUTES[:-1]] == list(range(39, 55))
    assert [row["plain"] for row in ATTRIBUTES[:-1]] == list(range(22, 38))
    assert sorted(header["line"] for header in EXAMPLE["header"]) == list(range(67, 76))
    assert sorted(header["plain"] for header in EXAMPLE["header"]) == list(range(50, 59))
    assert {row["key"] for row in ATTRIBUTES} == set(BODY["data"][0])
