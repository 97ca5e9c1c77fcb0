"""The OpenAPI document against the code: nothing undeclared, examples that validate, errors that happen."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from gateway.api.forge.dialect import FORGE
from gateway.api.http import openapi
from gateway.api.native.dialect import NATIVE
from gateway.domain.job import JobStatus
from gateway.domain.member import Scope
from gateway.engine.ports import StoreUnavailable
from tests.api.host import CATALOGUE, DIALECTS, GCODE, Host, a_job
from tests.support.stand import ANA, BEN

DOCUMENT = openapi.document(DIALECTS, version="0.1.0", server="http://printhost.local:8080")
REGISTRY: Registry[Any] = Registry().with_resource(
    "urn:document", Resource.from_contents(DOCUMENT, default_specification=DRAFT202012)
)


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method, described in item.items():
            yield method.upper(), path, described


def absolute(schema: Any) -> Any:
    """The schema with references that lead into the document."""
    text = json.dumps(schema).replace('"$ref": "#/', '"$ref": "urn:document#/')
    return json.loads(text)


def check(schema: Any, value: Any) -> list[str]:
    validator = Draft202012Validator(
        absolute(schema), registry=REGISTRY, format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def answer_schema(method: str, path: str, status: int) -> Any:
    (content,) = DOCUMENT["paths"][path][method.lower()]["responses"][str(status)]["content"].values()
    return content["schema"]


# ---------------------------------------------------------------- the document and the routes


async def test_every_route_is_described(host: Host) -> None:
    """Of the application that is served; the aliases of a root are named in its tag."""
    served = set()
    for route in host.app.router.routes():
        path = re.sub(r"\{(\w+):[^/]*\}", r"{\1}", route.resource.canonical if route.resource else "")
        served.add((route.method, path))
    described = {(method, path) for method, path, _ in operations()}
    for dialect in DIALECTS:
        for operation in dialect.operations:
            text = DOCUMENT["paths"][dialect.roots[0] + operation.path][operation.method.lower()]
            for spelling in operation.aliases:
                assert f"`{spelling}`" in text["description"]
                described.add((operation.method, dialect.roots[0] + spelling))
        tag = next(tag for tag in DOCUMENT["tags"] if tag["name"] == dialect.name)
        for alias in dialect.roots[1:]:
            assert f"`{alias}`" in tag["description"]
            described |= {
                (method, alias + path.removeprefix(dialect.roots[0]))
                for method, path in set(described)
                if path.startswith(dialect.roots[0] + "/")
            }
    operational = {"/", "/healthz", "/readyz", "/openapi.json", "/faye"}  # Bayeux describes itself
    assert {entry for entry in served if entry[0] != "HEAD" and entry[1] not in operational} == described


def test_every_reference_leads_somewhere() -> None:
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(DOCUMENT)):
        place: Any = DOCUMENT
        for step in reference.split("/"):
            place = place[step]
        assert place


def test_names_of_models_tell_nothing_of_where_they_lie_in_the_code() -> None:
    """They are what generated clients call their classes: a module that moves must not rename them."""
    names = DOCUMENT["components"]["schemas"]
    assert not [name for name in names if "__" in name]
    assert {"NativeJob", "ForgeJobObject", "Cloud66Job", "Printers"} <= set(names)


def test_every_variable_part_is_a_parameter() -> None:
    for method, path, described in operations():
        parts = {entry["name"] for entry in described["parameters"] if entry["in"] == "path"}
        assert parts == set(re.findall(r"\{(\w+)\}", path)), (method, path)


def test_the_scopes_are_those_of_the_declaration() -> None:
    for dialect in DIALECTS:
        for operation in dialect.operations:
            described = DOCUMENT["paths"][dialect.roots[0] + operation.path][operation.method.lower()]
            scopes, door = operation.scopes, operation.door
            named = [] if scopes is None else [{dialect.name: [scope.value for scope in scopes]}]
            if door is not None and door.name is not None:
                named = [{door.name: []}, *([{}] if door.is_optional else [])]
            assert described["security"] == named
            is_public = scopes is None and door is None
            if dialect in (FORGE, NATIVE):
                assert is_public == operation.path.startswith("/printdb/"), "nobody has to say who they are"


def test_examples_validate() -> None:
    """Those of parameters, bodies and answers."""
    for _, _, described in operations():
        for parameter in described["parameters"]:
            schema = parameter["schema"]
            for example in schema.get("examples", []):
                assert check(schema, example) == []
        for content in described.get("requestBody", {}).get("content", {}).values():
            for example in content.get("examples", {}).values():
                assert check(content["schema"], example["value"]) == []


def test_everything_is_said_in_words() -> None:
    """A summary an operation, a description a surface; no summary is said twice."""
    summaries = [described["summary"] for _, _, described in operations()]
    assert all(summaries)
    for dialect in ("forge", "gateway"):
        own = [entry["summary"] for _, _, entry in operations() if entry["tags"] == [dialect]]
        assert len(set(own)) == len(own)


# ---------------------------------------------------------------- answers are as described


async def test_answers_of_a_busy_house_validate(host: Host) -> None:
    """A house with a running print, waiting and ended jobs, a file, keys: each reading answer validates."""
    ended = {"started_at": a_job().created_at, "ended_at": a_job().created_at}
    await host.put_jobs(
        a_job(member=ANA, status=JobStatus.PRINTING, print_key="m", progress=0.5),
        a_job("waits", ANA, job_id="00000000-0000-4000-9000-000000000001", printer_id=None,
              status=JobStatus.CREATED, file_sha256=None, file_name=None, file_size=None),
        a_job("failed", ANA, job_id="00000000-0000-4000-9000-000000000002", status=JobStatus.FAILED,
              message="thermal runaway", error_code=500, **ended),
        a_job("local", ANA, job_id="00000000-0000-4000-9000-000000000003", status=JobStatus.COMPLETED,
              is_local=True, printable_id=None, **ended),
    )  # fmt: skip
    file = await host.put_file(ANA)
    headers = await host.bearer(ANA, *Scope)
    cancel = await host.client.post(f"/gateway/v1/jobs/{a_job().job_id}/cancel", headers=headers)
    parts = {
        "printer_id": "1", "printer": "mk3", "job_id": a_job().job_id, "file_id": file.file_id,
        "task_id": (await cancel.json())["task_id"],
        "type_id": next(iter(CATALOGUE.printer_types)), "material_id": next(iter(CATALOGUE.materials)),
        "profile_id": next(iter(CATALOGUE.profiles)), **await a_run(host, headers),
        "task": await a_task(host, headers),
    }  # fmt: skip
    tried = 0
    for method, path, described in operations():
        is_members = {"forge", "gateway"} & set(described["tags"]) and "forge-printer" not in str(described)
        not_here = ("/events", "/printable", "/{file_name}", "/recovery", "/result")
        if method != "GET" or not is_members or path.endswith(not_here):
            continue
        response = await host.client.get(path.format(**parts), headers=headers)
        body = await response.json()
        assert response.status == 200, (path, body)
        assert check(answer_schema("GET", path, 200), body) == [], path
        tried += 1
    assert tried >= 14


async def a_task(host: Host, headers: dict[str, str]) -> str:
    """A task that waits."""
    wanted = {"kind": "history-export", "is_paused": True}
    response = await host.client.post("/gateway/v1/tasks", json=wanted, headers=headers)
    return str((await response.json())["id"])


async def a_run(host: Host, headers: dict[str, str]) -> dict[str, str]:
    """A schedule whose run waits: how its paths name it."""
    wanted = {"name": "warm up", "type": "GcodeMacroJob", "params": {"gcode": ["M104 S60"]}}
    response = await host.client.post("/gateway/v1/schedules", json=wanted, headers=headers)
    schedule = await response.json()
    path = f"/gateway/v1/schedules/{schedule['id']}/run"
    action = await (await host.client.post(path, headers=headers)).json()
    return {"stack_id": schedule["stack_id"], "schedule_id": schedule["id"], "action_id": action["id"]}


async def made(host: Host, path: str, status: int, **more: Any) -> None:
    response = await host.client.post(path.format(printer_id=1, printer="mk3"), **more)
    body = await response.json()
    assert response.status == status, body
    assert check(answer_schema("POST", path, status), body) == [], path
    described = DOCUMENT["paths"][path]["post"]["responses"][str(status)]
    for header in described.get("headers", {}):
        assert header in response.headers, (path, header)


async def test_answers_to_creations_validate(host: Host) -> None:
    headers = await host.bearer(ANA, *Scope)
    form = aiohttp.FormData()
    form.add_field("file", GCODE, filename="a.gcode")
    await made(host, "/gateway/v1/files", 201, data=form, headers=headers)
    form = aiohttp.FormData()
    form.add_field("file", GCODE, filename="a.gcode")
    await made(host, "/ps/v1/files/upload", 200, data=form, headers=headers)
    await made(host, "/gateway/v1/members", 201, json={"name": "zoe"}, headers=headers)
    body: dict[str, Any] = {"member": "zoe", "name": "k", "scopes": ["data:read"]}
    await made(host, "/gateway/v1/keys", 201, json=body, headers=headers)
    await made(host, "/gateway/v1/jobs", 201, json={"printer": "mk3", "name": "x"}, headers=headers)
    await made(host, "/ps/v1/print/printers/{printer_id}/jobs", 200, json={"job_name": "x"}, headers=headers)
    await made(host, "/gateway/v1/printers/{printer}/plate", 200, json={"plate": "clear"}, headers=headers)
    await made(host, "/gateway/v1/printers/{printer}/adjust", 202, json={"fan": 50}, headers=headers)
    await made(host, "/gateway/v1/printers/{printer}/stop", 202, headers=headers)
    await made(host, "/gateway/v1/stacks", 201, json={"name": "s", "printers": ["mk3"]}, headers=headers)
    body = {"stack": "s", "name": "m", "type": "MaintenanceJob", "params": {"note": "oil"}}
    await made(host, "/gateway/v1/schedules", 201, json=body, headers=headers)


# ---------------------------------------------------------------- errors that are described do happen

JOBS, FORGE_JOBS = "/gateway/v1/jobs", "/ps/v1/print/printers/{printer_id}/jobs"
JSON = {"Content-Type": "application/json"}
#: One request an error that is described for handing in a job, on each surface.
HOW_TO: list[tuple[str, int, dict[str, Any]]] = [
    (JOBS, 400, {"data": b"{", "headers": JSON}),
    (JOBS, 401, {"json": {}, "headers": {"Authorization": "Bearer x"}}),
    (JOBS, 403, {"json": {}, "scopes": [Scope.DATA_READ]}),
    (JOBS, 413, {"data": b" " * 300_000, "headers": JSON}),
    (JOBS, 415, {"data": b"{}", "headers": {"Content-Type": "text/plain"}}),
    (JOBS, 422, {"json": {"printer": "nope"}}),
    (JOBS, 503, {"json": {}, "broken": StoreUnavailable("the disk is full")}),
    (JOBS, 500, {"json": {}, "broken": ZeroDivisionError("a bug")}),
    (FORGE_JOBS, 400, {"data": b"{", "headers": JSON}),
    (FORGE_JOBS, 401, {"json": {}, "headers": {"Authorization": "Bearer x"}}),
    (FORGE_JOBS, 413, {"data": b" " * 300_000, "headers": JSON}),
    (FORGE_JOBS, 422, {"json": {"printable_id": "nope"}}),
    (FORGE_JOBS, 503, {"json": {"printable_id": a_job().job_id}, "broken": StoreUnavailable("full")}),
    (FORGE_JOBS, 500, {"json": {"printable_id": a_job().job_id}, "broken": ZeroDivisionError("a bug")}),
]


class Broken:
    """An engine and queries that fail."""

    def __init__(self, real: Any, error: Exception) -> None:
        self._real, self._error = real, error

    def __getattr__(self, name: str) -> Any:
        if name in ("state", "live", "waiting"):
            return getattr(self._real, name)

        async def fail(*_: Any, **__: Any) -> Any:
            raise self._error

        return fail


@pytest.mark.parametrize(("path", "status", "how"), HOW_TO)
async def test_described_errors_are_reached(
    host: Host, path: str, status: int, how: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """With the described shape and media type."""
    how = dict(how)
    bearer = await host.bearer(BEN, *how.pop("scopes", ()))
    if error := how.pop("broken", None):
        object.__setattr__(host.services, "engine", Broken(host.engine, error))
        object.__setattr__(host.services, "queries", Broken(host.queries, error))
    headers = {**bearer, **how.pop("headers", {})}
    response = await host.client.post(path.format(printer_id=1), headers=headers, **how)
    body = await response.json()
    assert response.status == status, body
    assert check(answer_schema("POST", path, status), body) == []
    (media,) = DOCUMENT["paths"][path]["post"]["responses"][str(status)]["content"]
    assert response.content_type == media


def test_the_errors_of_that_list_are_all_there_are() -> None:
    """Tried elsewhere: 409 (a key that is being used), 429 (too often), 404 and 405 of addresses."""
    for path in (JOBS, FORGE_JOBS):
        described = {int(code) for code in DOCUMENT["paths"][path]["post"]["responses"]}
        tried = {status for tried_path, status, _ in HOW_TO if tried_path == path}
        assert {code for code in described if code >= 400} - tried <= {404, 405, 409, 429}


async def test_a_conflict_is_described_and_reached(host: Host) -> None:
    await host.put_jobs(a_job())
    path = "/gateway/v1/jobs/{job_id}/resume"
    response = await host.client.post(path.format(job_id=a_job().job_id), headers=await host.bearer(BEN))
    body = await response.json()
    assert response.status == 409
    assert check(answer_schema("POST", path, 409), body) == []
