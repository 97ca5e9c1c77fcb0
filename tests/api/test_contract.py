"""Does what is served keep what is described? schemathesis asks, on a real server, for some seconds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import CHECKS, load_all_checks

from gateway.api.forge.dialect import FORGE
from gateway.api.http import openapi
from gateway.api.native.dialect import NATIVE
from gateway.domain.member import Scope
from tests.api.host import Host, a_job
from tests.support.stand import ANA

load_all_checks()
#: Requests per operation, so that the whole takes seconds: 31 operations.
EXAMPLES = 6
#: Whether sensible input is refused for its meaning (an unknown file, a key used twice) no schema can say.
NOT_CHECKED = ["positive_data_acceptance"]
#: Clients of that time sent parameters nobody documented (`sort`, `member_id`): there they are ignored.
LENIENT = ("/ps/v1/print/jobs", "/ps/v1/print/printers")
#: A form's fields have no types: what is sent for a `file: null` is a file with some bytes in it.
FORMS = ("/ps/v1/files/upload", "/gateway/v1/files")

schema = schemathesis.openapi.from_dict(
    openapi.document([FORGE, NATIVE], version="0", server="http://127.0.0.1")
).exclude(path="/gateway/v1/events")  # never ends


async def _serve(folder: Path, ready: threading.Event, told: dict[str, str], stop: asyncio.Event) -> None:
    async with Host(folder) as host:
        await host.put_jobs(a_job(member=ANA))
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
    headers = {"Authorization": server["Authorization"]}
    is_lenient = case.operation.path in (*LENIENT, *FORMS)
    excluded = CHECKS.get_by_names([*NOT_CHECKED, *(["negative_data_rejection"] if is_lenient else [])])
    case.call_and_validate(base_url=server["url"], headers=headers, excluded_checks=excluded)
