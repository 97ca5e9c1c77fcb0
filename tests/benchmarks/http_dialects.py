"""The lists of the other job APIs: 20 rows of 100,000 finished tasks, polled and cold; how these expire."""

from __future__ import annotations

import asyncio
import base64
import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from sqlalchemy import text

from gateway.store.database import Database
from gateway.store.expiry import Expiry
from gateway.store.files import Files
from tests.benchmarks.http_gateway import Server, gateway
from tests.benchmarks.http_load import CHANGE_EVERY, CONNECTIONS, Load, load, request
from tests.benchmarks.http_probed import HeldFile, Stopwatch
from tests.benchmarks.http_store import changes
from tests.benchmarks.http_tasks_store import EXPIRED, STACK_ID, fill_tasks
from tests.benchmarks.table import columns

ROWS: Final = 20
_TOKEN_PREFIX: Final = "gwk_"
#: Seconds before what is measured begins.
_SETTLED: Final = 0.3


class Dialects:
    """Each list twice: the page that everybody polls, and any page while something is committed."""

    def __init__(self, folder: Path, tasks: int, seconds: float) -> None:
        self._folder = folder
        self._tasks = tasks
        self._seconds = seconds
        self._chance = random.Random(21)
        self._token = fill_tasks(folder / "gateway.db", tasks)
        self._changes = changes(folder / "gateway.db", self._token)

    def measure(self) -> dict[str, Any]:
        """The figures by name; prints the table."""
        found: dict[str, tuple[Load, float]] = {}
        with gateway(self._folder) as server:
            for name, pages in self._lists().items():
                found[f"{name}_warm"] = self._load(server, partial(pages, 0), None)
                found[f"{name}_cold"] = self._load(server, self._any(pages), self._changes)
        print(_table(found), flush=True)
        return {
            f"{name}_{figure}": value
            for name, (seen, cpu) in found.items()
            for figure, value in (("per_s", seen.per_s), ("p99_ms", seen.p99_ms), ("cpu_us", cpu))
        }

    def _lists(self) -> Mapping[str, Callable[[int], bytes]]:
        """By dialect: the request of a page."""
        key_id, _, secret = self._token.removeprefix(_TOKEN_PREFIX).partition("_")
        basic = base64.b64encode(f"{key_id}:{secret}".encode()).decode()
        return {
            "greenarrow": lambda page: request(
                f"/ga/api/v2/jobs/all?page={page}&per_page={ROWS}", None, f"Authorization: Basic {basic}"
            ),
            "conversio": lambda page: request(
                f"/api/v1/async-jobs?limit={ROWS}&offset={page * ROWS}", None, f"X-ApiKey: {self._token}"
            ),
            "cloud66": lambda page: request(f"/stacks/{STACK_ID}/jobs", self._token),
        }

    def _any(self, pages: Callable[[int], bytes]) -> Callable[[], bytes]:
        return lambda: pages(self._chance.randrange(max(1, self._tasks // ROWS)))

    def _load(
        self, server: Server, ask: Callable[[], bytes], change: Callable[[], bytes] | None
    ) -> tuple[Load, float]:
        cpu = server.cpu_s()
        seen = asyncio.run(load(server.port, ask, self._seconds, change=change))
        return seen, 1e6 * (server.cpu_s() - cpu) / seen.requests


def _table(found: dict[str, tuple[Load, float]]) -> str:
    head = (f"{CONNECTIONS} connections", "requests/s", "p50 ms", "p99 ms", "max ms", "CPU us", "bytes")
    rows = [
        (name.replace("_", ", "), f"{seen.per_s:,.0f}", f"{seen.p50_ms:.1f}", f"{seen.p99_ms:.1f}",
         f"{seen.max_ms:.1f}", f"{cpu:.0f}", f"{seen.body_bytes:,}")
        for name, (seen, cpu) in found.items()
    ]  # fmt: skip
    return "\n" + columns(head, rows)


def measure_sweep(folder: Path, tasks: int) -> dict[str, Any]:
    """Expired tasks go, bite after bite without the pause that the gateway makes between them.

    Meanwhile a stopwatch in the loop sees its longest turn, and another client of the writer, who commits as
    the engine does, its longest wait.
    """
    fill_tasks(folder / "gateway.db", tasks, EXPIRED)
    held = HeldFile(folder / "held")
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(Stopwatch(held))) as runner:
        found = runner.run(_sweep(folder, held))
    print(
        f"\n{found['sweep_rows']:,} expired tasks gone in {found['sweep_seconds']:.1f} s; the loop was held "
        f"for {found['sweep_held_ms']:.1f} ms at most, a commit waited for {found['sweep_commit_ms']:.1f} ms"
    )
    return found


async def _sweep(folder: Path, held: HeldFile) -> dict[str, Any]:
    database = Database(f"sqlite:///{folder}/gateway.db")
    expiry = Expiry(database, Files(str(folder / "files")))
    waits = [0.0]
    commits = asyncio.create_task(_commit_on(database, waits))
    await asyncio.sleep(_SETTLED)
    held.seconds, waits[0] = 0.0, 0.0
    began, removed = time.perf_counter(), 0
    while rows := await expiry.sweep(datetime.now(UTC)):
        removed += rows
    took = time.perf_counter() - began
    commits.cancel()
    await asyncio.gather(commits, return_exceptions=True)
    database.close()
    return {
        "sweep_rows": removed,
        "sweep_seconds": took,
        "sweep_held_ms": 1000 * held.seconds,
        "sweep_commit_ms": 1000 * waits[0],
    }


async def _commit_on(database: Database, waits: list[float]) -> None:
    renamed = text("UPDATE stack SET name = :name")
    while True:
        began = time.perf_counter()
        await database.write(lambda connection: connection.execute(renamed, {"name": "room"}))
        waits[0] = max(waits[0], time.perf_counter() - began)
        await asyncio.sleep(CHANGE_EVERY)
