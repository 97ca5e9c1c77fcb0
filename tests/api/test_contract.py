"""Does what is served keep what is described? schemathesis asks, on a real server, for some seconds.

All checks on the native API. On Forge's all but those its contract breaks, each with the line that does.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.config import SchemathesisConfig

from gateway.api.forge.dialect import FORGE
from gateway.api.http import openapi
from gateway.api.native.dialect import NATIVE
from gateway.domain.member import Scope
from tests.api.host import Host
from tests.conformance.forge_house import IDLE_TOKEN, furnish
from tests.support.stand import ANA

load_all_checks()
#: Requests per operation, so that the whole takes seconds.
EXAMPLES: Final = 6
#: What no schema can say (a file that is not there, a key used twice) is 422 in both APIs. A 422 that names
#: fields would be about the shape, which was right: `test_keeps_what_is_described` looks.
CONFIG: Final = SchemathesisConfig.from_dict(
    {
        "checks": {
            "positive_data_acceptance": {
                "expected-statuses": ["2xx", "3xx", "401", "403", "404", "409", "422", "429"]
            }
        }
    }
)
#: Where a check asks for what the contract denies: operation -> check, line, why.
EXCLUDED: Final[dict[str, tuple[str, int | None, str]]] = {
    "GET /ps/v1/print/jobs": ("negative_data_rejection", 79, "unknown parameters are ignored"),
    "GET /ps/v1/print/printers": ("negative_data_rejection", 79, "unknown parameters are ignored"),
    "GET /ps/v1/print/printers/{printer_id}/jobs": (
        "negative_data_rejection", 79, "unknown parameters are ignored",
    ),
    "GET /ps/v1/print/printers/{printer_id}/members": (
        "negative_data_rejection", 79, "unknown parameters are ignored",
    ),
    # A form's fields have no types: what is sent for a `file: null` is a file with some bytes in it.
    "POST /ps/v1/files/upload": ("negative_data_rejection", 208, "multipart has no types"),
    "POST /gateway/v1/files": ("negative_data_rejection", None, "multipart has no types"),
}  # fmt: skip

schema = schemathesis.openapi.from_dict(
    openapi.document([FORGE, NATIVE], version="0", server="http://127.0.0.1"), config=CONFIG
).exclude(path="/gateway/v1/events")  # never ends


async def _serve(folder: Path, ready: threading.Event, told: dict[str, str], stop: asyncio.Event) -> None:
    async with Host(folder) as host:
        told |= await furnish(host)
        told["url"] = str(host.client.make_url("/")).rstrip("/")
        told |= await host.bearer(ANA, *Scope)
        ready.set()
        await stop.wait()


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


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_keeps_what_is_described(case: schemathesis.Case, server: dict[str, str]) -> None:
    is_sensible = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
    if is_sensible:
        _name_what_is_there(case, server)
    name = f"{case.operation.method.upper()} {case.operation.path}"
    excluded = CHECKS.get_by_names([EXCLUDED[name][0]] if name in EXCLUDED else [])
    response = case.call_and_validate(
        base_url=server["url"], headers=_shown(case, server), excluded_checks=excluded
    )
    if is_sensible and response.status_code == 422 and name.partition(" ")[2].startswith("/gateway"):
        assert "errors" not in response.json(), response.text


def _shown(case: schemathesis.Case, server: dict[str, str]) -> dict[str, str]:
    """A printer shows its token, everybody else a key with all scopes."""
    schemes = [name for scheme in case.operation.definition.raw["security"] for name in scheme]
    if "forge-printer" in schemes:
        return {"X-Printer-Auth-Token": IDLE_TOKEN}
    return {"Authorization": server["Authorization"]}


def _name_what_is_there(case: schemathesis.Case, server: dict[str, str]) -> None:
    """Made-up ids are never there: what is asked for is, so that more than 401 and 404 is seen."""
    known: dict[str, Any] = {
        "job_id": server["waiting"], "printer_id": int(server["mine"]), "printer": "mk3",
        "task_id": server["task"], "type_id": server["ember"],
    }  # fmt: skip
    for name in known.keys() & case.path_parameters.keys():
        case.path_parameters[name] = known[name]


def test_exclusions_are_of_operations_that_are_there() -> None:
    assert set(EXCLUDED) <= {
        f"{one.ok().method.upper()} {one.ok().path}" for one in schema.get_all_operations()
    }
