"""What every surface shares: order of checks, codes, headers, and that no bug shows itself to a client."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openapi_spec_validator import validate

from gateway.api.forge.dialect import FORGE
from gateway.api.http import openapi
from gateway.api.http.app import build_app
from gateway.api.http.nested_form import nest
from gateway.api.http.problems import Failure
from gateway.api.http.reading import integer, parse_json
from gateway.api.http.uploads import shown_name
from gateway.api.native.dialect import NATIVE
from gateway.domain.member import Scope
from gateway.engine.ports import StoreUnavailable
from tests.api.host import Host
from tests.support.stand import ANA

NATIVE_ROOT = "/gateway/v1"


async def test_document_is_openapi_3_1(host: Host) -> None:
    response = await host.client.get("/openapi.json")
    document = await response.json()
    validate(document)
    assert document["openapi"] == "3.1.0"
    assert {"forge", "gateway"} <= {tag["name"] for tag in document["tags"]}
    again = await host.client.get("/openapi.json", headers={"If-None-Match": response.headers["ETag"]})
    assert again.status == 304


def test_every_operation_is_described_and_errors_are_too() -> None:
    document = openapi.document([FORGE, NATIVE], version="0", server="http://x")
    operations = [item for path in document["paths"].values() for item in path.values()]
    assert len(operations) == len(FORGE.operations) + len(NATIVE.operations)
    for found in operations:
        assert found["summary"]
        needs_a_key = {"401"} if found["security"] and {} not in found["security"] else set()
        assert {"400", "404", "500", "503"} | needs_a_key <= set(found["responses"])
    numbers = [found["operationId"] for found in operations]
    assert len(set(numbers)) == len(numbers)


def test_two_operations_at_one_address_are_refused() -> None:
    with pytest.raises(ValueError, match="declared twice"):
        build_app(None, [FORGE, FORGE])  # type: ignore[arg-type]


async def test_healthy_and_ready(host: Host) -> None:
    assert (await (await host.client.get("/healthz")).json())["status"] == "ok"
    assert (await (await host.client.get("/readyz")).json())["status"] == "ready"
    host.database.close()
    response = await host.client.get("/readyz")
    assert response.status == 503
    assert response.headers["Retry-After"]


async def test_headers_of_every_answer(host: Host) -> None:
    for path in (
        "/healthz",
        "/nothing",
        f"{NATIVE_ROOT}/jobs",
        "/ps/v1/print/jobs",
        "/ps/v1/print/jobs?limit=-1",
    ):
        response = await host.client.get(path, headers=await host.bearer())
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert response.headers["Server"] == "print-gateway"
        assert response.headers["X-Request-Id"]


async def test_request_id_is_taken_over_when_harmless(host: Host) -> None:
    kept = await host.client.get("/healthz", headers={"X-Request-Id": "abc-123.x_Y"})
    assert kept.headers["X-Request-Id"] == "abc-123.x_Y"
    for bad in ("a b", "x" * 65, "ä"):
        response = await host.client.get("/healthz", headers={"X-Request-Id": bad})
        assert response.headers["X-Request-Id"] != bad


async def test_native_problem_says_what_to_do(host: Host) -> None:
    response = await host.client.get(f"{NATIVE_ROOT}/nothing")
    problem = await response.json()
    assert (response.status, response.content_type) == (404, "application/problem+json")
    assert problem["title"] == "Not Found"
    assert "/openapi.json" in problem["detail"]
    assert problem["request_id"] == response.headers["X-Request-Id"]
    assert problem["type"] == "urn:print-gateway:problem:not-found"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (f"{NATIVE_ROOT}/jobs", "GET, HEAD, POST"),
        (f"{NATIVE_ROOT}/jobs/x/pause", "POST"),
        ("/healthz", "GET, HEAD"),
    ],
)
async def test_wrong_method_names_the_right_ones(host: Host, path: str, allowed: str) -> None:
    response = await host.client.delete(path, headers=await host.bearer())
    assert (response.status, response.headers["Allow"]) == (405, allowed)
    assert await response.json()


async def test_no_key_is_asked_for_before_anything_else(host: Host) -> None:
    response = await host.client.post(f"{NATIVE_ROOT}/jobs?x=1", data=b"{", headers={"Content-Type": "a/b"})
    assert response.status == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert "Authorization: Bearer" in (await response.json())["detail"]


async def test_a_missing_key_and_a_wrong_one_are_told_apart(host: Host) -> None:
    """By their own sender, who knows which it is; not whether the key ever existed."""
    missing = await (await host.client.get(f"{NATIVE_ROOT}/jobs")).json()
    wrong = {"Authorization": "Bearer gwk_aaaaaaaaaaaa_" + "x" * 43}
    unknown = await (await host.client.get(f"{NATIVE_ROOT}/jobs", headers=wrong)).json()
    assert missing["detail"].startswith("A key is needed")
    assert unknown["detail"].startswith("This key is not known here, or was revoked")


async def test_missing_scope_is_named(host: Host) -> None:
    reader = await host.bearer(ANA, Scope.DATA_READ)
    assert (await host.client.get(f"{NATIVE_ROOT}/jobs", headers=reader)).status == 200
    response = await host.client.post(f"{NATIVE_ROOT}/jobs", headers=reader, json={})
    assert response.status == 403
    assert "data:write" in (await response.json())["detail"]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer ",
        "bearer x y",
        "Bearer gwk_aaaaaaaaaaaa_x",
        "Bearer \u00e4",
        "Token abc",
        "Bearer " + "x" * 3000,
    ],
)
async def test_unusable_authorization(host: Host, value: str) -> None:
    response = await host.client.get(f"{NATIVE_ROOT}/jobs", headers={"Authorization": value})
    assert response.status == 401


async def test_two_authorization_headers_are_none(host: Host) -> None:
    value = (await host.bearer())["Authorization"]
    headers = [("Authorization", value), ("Authorization", value)]
    assert (await host.client.get(f"{NATIVE_ROOT}/jobs", headers=headers)).status == 401


async def test_scheme_is_case_insensitive(host: Host) -> None:
    value = (await host.bearer())["Authorization"].replace("Bearer", "bEARER")
    response = await host.client.get(f"{NATIVE_ROOT}/jobs", headers={"Authorization": value})
    assert response.status == 200


async def test_revoked_key_opens_nothing(host: Host) -> None:
    headers = await host.bearer()
    key_id = next(iter(host.engine.state.keys))
    assert (await host.client.delete(f"{NATIVE_ROOT}/keys/{key_id}", headers=headers)).status == 204
    assert (await host.client.get(f"{NATIVE_ROOT}/jobs", headers=headers)).status == 401


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("nonsense=1", "nonsense"),
        ("limit=1&limit=2", "limit"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=1.0", "limit"),
        ("limit=1_0", "limit"),
        ("offset=-1", "offset"),
        ("offset=2147483648", "offset"),
        ("scope=everything", "scope"),
        ("status=cancelled", "status"),
    ],
)
async def test_query_that_cannot_be_read(host: Host, query: str, word: str) -> None:
    response = await host.client.get(f"{NATIVE_ROOT}/jobs?{query}", headers=await host.bearer())
    assert response.status == 400
    assert word in (await response.json())["detail"]


@pytest.mark.parametrize(
    ("kind", "data", "status"),
    [
        ("text/plain", b"{}", 415),
        ("application/json", b"", 400),
        ("application/json", b"{", 400),
        ("application/json", b'{"name": "\\ud800"}', 400),
        ("application/json", b'{"settings": {"a": Infinity}}', 400),
        ("application/json", b"[" * 100_000, 400),
        ("application/json", b"\xff", 400),
        ("application/json", b"[]", 422),
        ("application/json", b'{"nmae": "x"}', 422),
        ("application/json", b'{"name": 5}', 422),
        ("application/json", b'{"name": ""}', 422),
        ("application/json", b'{"name": "a\\u0000b"}', 422),
        ("application/json", b'{"printer": true}', 422),
        ("application/json", b'{"file_id": "x"}', 422),
        ("application/json", b" " * 300_000, 413),
    ],
)
async def test_body_that_cannot_be_read(host: Host, kind: str, data: bytes, status: int) -> None:
    headers = {**await host.bearer(), "Content-Type": kind}
    response = await host.client.post(f"{NATIVE_ROOT}/jobs", data=data, headers=headers)
    problem = await response.json()
    assert (response.status, problem["status"]) == (status, status), problem
    assert "Traceback" not in json.dumps(problem)


async def test_wrong_fields_are_named(host: Host) -> None:
    body = {"name": "", "settings": []}
    response = await host.client.post(f"{NATIVE_ROOT}/jobs", json=body, headers=await host.bearer())
    assert {error["field"] for error in (await response.json())["errors"]} == {"name", "settings"}


class Unwell:
    """Queries that fail as they are told to."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __getattr__(self, name: str) -> Any:
        async def fail(*_: Any, **__: Any) -> Any:
            raise self.error

        return fail


@pytest.mark.parametrize("path", ["/ps/v1/print/jobs", f"{NATIVE_ROOT}/jobs", "/readyz"])
async def test_a_bug_is_logged_and_not_shown(host: Host, path: str, caplog: pytest.LogCaptureFixture) -> None:
    headers = {**await host.bearer(), "X-Request-Id": "find-me"}
    object.__setattr__(host.services, "queries", Unwell(ZeroDivisionError("secret detail")))
    response = await host.client.get(path, headers=headers)
    text = await response.text()
    assert response.status == (503 if path == "/readyz" else 500)
    assert "secret" not in text
    assert "Zero" not in text
    assert "secret detail" in caplog.text
    if path != "/readyz":
        assert "find-me" in caplog.text


@pytest.mark.parametrize("path", ["/ps/v1/print/jobs", f"{NATIVE_ROOT}/jobs", "/readyz"])
async def test_store_that_is_away_is_503(host: Host, path: str) -> None:
    headers = await host.bearer()
    object.__setattr__(host.services, "queries", Unwell(StoreUnavailable("the disk is full: make room")))
    response = await host.client.get(path, headers=headers)
    assert response.status == 503
    assert int(response.headers["Retry-After"]) > 0
    assert "disk is full" in await response.text()


async def test_a_stream_that_breaks_off_is_not_taken_for_a_whole(host: Host) -> None:
    """When the store fails behind the first piece, the connection breaks: half a list never parses."""
    import aiohttp

    from tests.api.host import a_job

    await host.put_jobs(*(a_job(job_id=f"00000000-0000-4000-9000-{n:012d}") for n in range(600)))
    headers = await host.bearer()
    real, calls = host.queries.jobs, []

    class Once:
        async def jobs(self, **wanted: Any) -> Any:
            calls.append(wanted)
            if len(calls) > 1:
                raise StoreUnavailable("gone")
            return await real(**wanted)

    object.__setattr__(host.services, "queries", Once())
    with pytest.raises(aiohttp.ClientError):
        await (await host.client.get("/ps/v1/print/jobs?limit=-1", headers=headers)).read()
    assert len(calls) == 2


def test_integers_are_ascii() -> None:
    assert [integer(text) for text in ("0", "-1", "007", "+1", "1e3", "", "٣", "1 ", "9" * 20)] == [
        0, -1, 7, None, None, None, None, None, None,
    ]  # fmt: skip


def test_form_names_nest() -> None:
    pairs = [("data[layer]", "3"), ("data[a][b]", "1"), ("x", "1"), ("x", "2"), ("y[", "z")]
    assert nest(pairs) == {"data": {"layer": "3", "a": {"b": "1"}}, "x": "2", "y[": "z"}


def test_json_is_strict() -> None:
    assert parse_json(b'{"a": [1, "\\u00e4"]}') == {"a": [1, "ä"]}
    for bad in (b"", b"nan", b"NaN", b"'a'", b"[1,]", b'{"a":1}x', b'"\\ud800"'):
        with pytest.raises(Failure) as raised:
            parse_json(bad)
        assert raised.value.status == 400


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("benchy.gcode", "benchy.gcode"),
        ("../../etc/passwd", "passwd"),
        ("C:\\a\\b.gcode", "b.gcode"),
        ("a\x00b\n.gcode", "ab.gcode"),
        ("Würfel 2.gcode", "Würfel 2.gcode"),
        ("..", "upload.gcode"),
        ("", "upload.gcode"),
        (None, "upload.gcode"),
        ("x" * 300 + ".gcode", "x" * 194 + ".gcode"),
    ],
)
def test_file_names_are_names(given: str | None, shown: str) -> None:
    assert shown_name(given) == shown
