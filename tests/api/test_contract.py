"""Does what is served keep what is described? schemathesis asks, on a real server, for some seconds.

All checks on the native API. On Forge's all but those its contract breaks, each with the line that does; on
GreenArrow's all but two.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.config import SchemathesisConfig

from gateway.api.conversio.dialect import CONVERSIO
from gateway.api.forge.dialect import FORGE
from gateway.api.greenarrow.dialect import GREENARROW
from gateway.api.http import openapi
from gateway.api.native.dialect import NATIVE
from gateway.domain.member import Scope
from gateway.domain.state import Draft
from gateway.domain.task import TaskStatus
from tests.api.host import Host
from tests.conformance.cloud66_house import WARM_UP, a_run
from tests.conformance.conversio_house import a_task, put_content, put_tasks
from tests.conformance.forge_house import IDLE_TOKEN, furnish
from tests.conformance.greenarrow_house import basic
from tests.support.stand import ANA, START

load_all_checks()
#: Requests per operation, so that the whole takes seconds; and when there is time.
EXAMPLES, MORE_EXAMPLES = 4, 40
#: What no schema can say (a file that is not there, a key used twice) is 422 in both APIs. A 422 that names
#: fields would be about the shape, which was right: `_judge` looks.
CONFIG: Final = SchemathesisConfig.from_dict(
    {
        "checks": {
            "positive_data_acceptance": {
                "expected-statuses": ["2xx", "3xx", "401", "403", "404", "409", "422", "429"]
            }
        }
    }
)
#: Where a check asks for what the contract denies: that unknown parameters are refused. Old clients send some
#: (`sort`, `member_id`), so lists ignore what they do not know. Operation -> line of the contract.
IGNORES_PARAMETERS: Final = {
    "GET /ps/v1/print/jobs": 79,
    "GET /ps/v1/print/printers": 79,
    "GET /ps/v1/print/printers/{printer_id}/jobs": 102,
    "GET /ps/v1/print/printers/{printer_id}/members": 82,
    "GET /ps/v1/print/printers/jobs": 71,
    "PUT /ps/v1/print/jobs/{job_id}": 104,
    "GET /ps/v1/printdb/printerTypes": 112,
    "GET /ps/v1/printdb/printerTypes/{type_id}": 112,
    "GET /ps/v1/printdb/materials": 112,
    "GET /ps/v1/printdb/materials/{material_id}": 112,
    "GET /ps/v1/printdb/profiles": 112,
    "GET /ps/v1/printdb/profiles/{profile_id}": 112,
}
#: A method that an address does not take is 404 on Forge, not 405: line 20 of the contract has no 405.
OF_METHODS: Final = "unsupported_method"
#: GreenArrow's lists ignore what they do not know, too; and no schema says that two parameters exclude each
#: other (`page`, `page_token`).
OF_QUERIES: Final = ("negative_data_rejection", "positive_data_acceptance")
#: Conversio's does so, too; and instead of the key that is described, a bearer may come.
OF_STRANGERS: Final = ("negative_data_rejection", "missing_required_header")
#: A form's fields have no types: what is sent for a `file: null` is a file with some bytes in it.
FORMS: Final = ("POST /ps/v1/files/upload", "POST /gateway/v1/files")


def described() -> schemathesis.BaseSchema:
    """What is described, without the stream of events: it never ends."""
    document = openapi.document([FORGE, GREENARROW, CONVERSIO, NATIVE], version="0", server="http://127.0.0.1")
    return schemathesis.openapi.from_dict(document, config=CONFIG).exclude(path="/gateway/v1/events")


schema = described()


@pytest.fixture(scope="module")
def described_again() -> schemathesis.BaseSchema:
    """For the long run, whose tests are made where it runs: making them takes seconds."""
    return described()


schema_at_length = schemathesis.pytest.from_fixture("described_again")


async def _serve(folder: Path, ready: threading.Event, told: dict[str, str], stop: asyncio.Event) -> None:
    async with Host(folder) as host:
        told |= await furnish(host)
        told |= await _a_schedule(host)
        told |= await _a_task(host)
        told["url"] = str(host.client.make_url("/")).rstrip("/")
        told |= await host.bearer(ANA, *Scope)
        told["basic"] = basic(told["Authorization"].removeprefix("Bearer "))["Authorization"]
        ready.set()
        await stop.wait()


async def _a_schedule(host: Host) -> dict[str, str]:
    """A schedule of the organization's stack, and a run of it that is over."""
    run = replace(a_run(1), stack_number=1)

    def add(draft: Draft) -> None:
        draft.put_schedule(replace(WARM_UP, stack_number=1))
        draft.add_action(replace(run, work_id=draft.next_work_id()))

    await host.change(add)
    stack = host.engine.state.stacks[1]
    return {"stack_id": stack.stack_id, "schedule_id": WARM_UP.schedule_id, "action_id": run.action_id}


async def _a_task(host: Host) -> dict[str, str]:
    """A history export that is done, with its file."""
    file = await put_content(host)
    done = a_task(status=TaskStatus.DONE, started_at=START, ended_at=START, file=file)
    ids = await put_tasks(host, {"done": done})
    task = await host.queries.task(hex24=ids["done"])
    assert task is not None
    return {"async_job_id": task.hex24, "background_task": task.task_id}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A host in a thread of its own: its address, and a header with all scopes."""
    folder, ready, told = tmp_path_factory.mktemp("host"), threading.Event(), {}
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(
        target=lambda: loop.run_until_complete(_serve(folder, ready, told, stop)), name="server"
    )
    thread.start()
    assert ready.wait(30.0)
    yield told
    loop.call_soon_threadsafe(stop.set)
    thread.join(30.0)
    loop.close()


def _trying(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@schema.parametrize()
@_trying(EXAMPLES)
def test_keeps_what_is_described(case: schemathesis.Case, server: dict[str, str]) -> None:
    _judge(case, server)


@pytest.mark.soak
@pytest.mark.timeout(1200)  # all operations are one test
@schema_at_length.parametrize()
@_trying(MORE_EXAMPLES)
def test_keeps_what_is_described_at_length(case: schemathesis.Case, server: dict[str, str]) -> None:
    _judge(case, server)


def _judge(case: schemathesis.Case, server: dict[str, str]) -> None:
    is_sensible = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
    if is_sensible:
        _name_what_is_there(case, server)
    name = f"{case.operation.method.upper()} {case.operation.path}"
    excluded = ["negative_data_rejection"] if name in IGNORES_PARAMETERS or name in FORMS else []
    excluded += [OF_METHODS] if case.operation.path.startswith("/ps/") else []
    excluded += OF_QUERIES if case.operation.path.startswith("/ga/") else []
    excluded += OF_STRANGERS if case.operation.path.startswith("/api/v1/async-jobs") else []
    response = case.call_and_validate(
        base_url=server["url"],
        headers=_shown(case, server),
        excluded_checks=CHECKS.get_by_names(excluded),
    )
    if is_sensible and response.status_code == 422 and name.partition(" ")[2].startswith("/gateway"):
        assert "errors" not in response.json(), response.text


def _shown(case: schemathesis.Case, server: dict[str, str]) -> dict[str, str]:
    """A printer shows its token, everybody else a key with all scopes."""
    schemes = [name for scheme in case.operation.definition.raw["security"] for name in scheme]
    if "forge-printer" in schemes:
        return {"X-Printer-Auth-Token": IDLE_TOKEN}
    return {"Authorization": server["basic" if "greenarrow" in schemes else "Authorization"]}


def _name_what_is_there(case: schemathesis.Case, server: dict[str, str]) -> None:
    """Made-up ids are never there: what is asked for is, so that more than 401 and 404 is seen."""
    known: dict[str, Any] = {
        "job_id": server["waiting"], "printer_id": int(server["mine"]), "printer": "mk3",
        "task_id": server["task"], "type_id": server["ember"],
        **{name: server[name] for name in ("stack_id", "schedule_id", "action_id", "async_job_id")},
        "task": server["background_task"],
    }  # fmt: skip
    for name in known.keys() & case.path_parameters.keys():
        case.path_parameters[name] = known[name]


def test_exclusions_are_of_operations_that_read_their_query_themselves() -> None:
    found = {f"{one.method} /ps/v1{one.path}" for one in FORGE.operations if not one.reads_query}
    assert found == set(IGNORES_PARAMETERS)
