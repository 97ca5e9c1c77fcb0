"""The HTTP benchmark: what lists cost with 100,000 jobs in the store, and what waiting clients do."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from tests.benchmarks import long_polls
from tests.benchmarks.http_dialects import Dialects, measure_sweep
from tests.benchmarks.http_gateway import CLIENT_CORES, Server, floor, gateway
from tests.benchmarks.http_load import CONNECTIONS, Load, load, request
from tests.benchmarks.http_store import JOBS, changes, fill
from tests.benchmarks.http_stream import Streamed, stream_all
from tests.benchmarks.http_tasks_store import TASKS
from tests.benchmarks.table import columns

PARTS: Final = ("floor", "pages", "depth", "all", "dialects", "sweep", "polls")
#: Seconds of one measurement, and how often `pages` and `floor` are measured in turn.
SECONDS, ROUNDS = 5.0, 3
ROWS: Final = 20
_JOBS_PATH: Final = "/ps/v1/print/jobs"
#: Bytes of a page, when no page was measured before the floor.
_PAGE_BYTES: Final = 12_600
#: Always there.
KEYS: Final = (
    "floor_per_s", "pages_per_s", "pages_p50_ms", "pages_p99_ms", "pages_cpu_us", "pages_x_floor",
    "first_page_per_s", "first_page_p99_ms", "deep_x_first", "deep_filtered_x_first", "all_jobs",
    "all_seconds", "all_held_ms", "all_others_wait_ms", "all_peak_mb", "all_filtered_held_ms",
    "greenarrow_warm_per_s", "greenarrow_cold_per_s", "conversio_warm_per_s", "conversio_cold_per_s",
    "cloud66_warm_per_s", "cloud66_cold_per_s", "sweep_seconds", "sweep_held_ms", "sweep_commit_ms",
    "polls_percent",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be chosen."""
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.add_argument("--only", metavar="PART,...", help=f"some of: {', '.join(PARTS)}")
    parser.add_argument("--jobs", type=int, default=JOBS, help="of the one member (default: %(default)s)")
    parser.add_argument("--tasks", type=int, default=TASKS, help="finished ones (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each measurement")
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help="of pages and floor (default: %(default)s)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure, print the tables, and the object if asked for."""
    wanted = arguments.only.split(",") if arguments.only else list(PARTS)
    if unknown := sorted(set(wanted) - set(PARTS)):
        print(f"there is no {unknown[0]!r}; there are: {', '.join(PARTS)}", file=sys.stderr)
        return 2
    began, before = time.monotonic(), os.getloadavg()[0]
    print(
        f"{platform.machine()}, {os.cpu_count()} processors, load {before:.1f}, {platform.python_version()}"
    )
    affinity = os.sched_getaffinity(0)
    os.sched_setaffinity(0, CLIENT_CORES)
    try:
        with tempfile.TemporaryDirectory(prefix="print-gateway-benchmark-") as folder:
            found = Measurement(Path(folder), arguments).measure(wanted)
    finally:
        os.sched_setaffinity(0, affinity)
    found |= {"seconds": round(time.monotonic() - began, 1), "load_before": before}
    print(f"{found['seconds']:.0f} s")
    if arguments.json:
        print(json.dumps(dict.fromkeys(KEYS) | found))
    return 0


class Measurement:
    """One go on one filled store."""

    def __init__(self, folder: Path, arguments: argparse.Namespace) -> None:
        self._folder = folder
        self._jobs: int = arguments.jobs
        self._tasks: int = arguments.tasks
        self._seconds: float = arguments.seconds
        self._rounds: int = arguments.rounds
        self._chance = random.Random(20)

    def measure(self, wanted: list[str]) -> dict[str, Any]:
        """The figures by name."""
        self._token = fill(self._folder / "gateway.db", self._jobs)
        self._changes = changes(self._folder / "gateway.db", self._token)
        found: dict[str, Any] = {}
        if {"floor", "pages"} & set(wanted):
            found |= self._rates("floor" in wanted, "pages" in wanted)
        parts: dict[str, Callable[[], dict[str, Any]]] = {
            "depth": self._depth,
            "all": self._all,
            "dialects": self._dialects,
            "sweep": self._sweep,
            "polls": self._polls,
        }
        for name, part in parts.items():
            if name in wanted:
                found |= part()
        return found

    # -- pages a second -----------------------------------------------------------------------------------

    def _rates(self, with_floor: bool, with_pages: bool) -> dict[str, Any]:
        """In turn, so that whatever else the machine does meets both; the median round counts."""
        runs: dict[str, list[tuple[Load, float]]] = {"pages": [], "first": [], "floor": []}
        for _ in range(self._rounds):
            size = _PAGE_BYTES
            if with_pages:
                with gateway(self._folder) as server:
                    runs["first"].append(self._load(server, lambda: self._page(None)))
                    runs["pages"].append(self._load(server, self._any_page, self._changes))
                size = runs["pages"][-1][0].body_bytes
            if with_floor:
                with floor(self._folder, size) as server:
                    runs["floor"].append(self._load(server, lambda: request("/")))
        median = {
            name: sorted(made, key=lambda one: one[0].per_s)[len(made) // 2]
            for name, made in runs.items()
            if made
        }
        print(_rates_table(median), flush=True)
        return _rates_found(median)

    def _load(
        self, server: Server, ask: Callable[[], bytes], change: Callable[[], bytes] | None = None
    ) -> tuple[Load, float]:
        """What the clients saw, and microseconds of the server's processor time for each request."""
        cpu = server.cpu_s()
        seen = asyncio.run(load(server.port, ask, self._seconds, change=change))
        return seen, 1e6 * (server.cpu_s() - cpu) / seen.requests

    def _page(self, offset: int | None, status: str | None = None) -> bytes:
        query = "" if offset is None else f"?limit={ROWS}&offset={offset}"
        if status is not None:
            query += "&status=" + quote(json.dumps([status]))
        return request(_JOBS_PATH + query, self._token)

    def _any_page(self) -> bytes:
        return self._page(self._chance.randrange(max(1, self._jobs - ROWS)))

    # -- deep pages ---------------------------------------------------------------------------------------

    def _depth(self) -> dict[str, Any]:
        """One client: the median time of the first page and of deep ones, with and without a filter."""
        plain = {"first": 0, "middle": self._jobs // 2, "last": self._jobs - ROWS}
        with gateway(self._folder) as server:
            total = self._total(server, "completed")
            filtered = {"first": 0, "middle": total // 2, "last": max(0, total - ROWS)}
            times = {
                (kind, where): self._alone(server, self._page(offset, status))
                for kind, status, offsets in (("all", None, plain), ("completed", "completed", filtered))
                for where, offset in offsets.items()
            }
        print(_depth_table(times), flush=True)

        def ratio(kind: str) -> float:
            return max(times[kind, "middle"], times[kind, "last"]) / times[kind, "first"]

        shown = {f"{kind}_{where}_ms": at for (kind, where), at in times.items()}
        return {"deep_x_first": ratio("all"), "deep_filtered_x_first": ratio("completed"), "depth": shown}

    def _alone(self, server: Server, ask: bytes) -> float:
        return asyncio.run(load(server.port, lambda: ask, self._seconds / 3, 1)).p50_ms

    def _total(self, server: Server, status: str) -> int:
        made = self._once(stream_all(server.port, self._page(0, status)))
        return int(made.head_value("x-total-count"))

    def _once(self, work: Coroutine[Any, Any, Streamed]) -> Streamed:
        return asyncio.run(work)

    # -- all at once --------------------------------------------------------------------------------------

    def _all(self) -> dict[str, Any]:
        """`limit=-1`: how long one turn of the loop took at most, and what another client waited."""
        with gateway(self._folder, is_probed=True) as server:
            assert server.held is not None
            before = server.peak_mb()
            found = {}
            for name, query in (("all", "?limit=-1"), ("all_filtered", '?limit=-1&status=["completed"]')):
                server.held.seconds = 0.0
                address = quote(_JOBS_PATH + query, safe="/?=&")
                made = self._once(stream_all(server.port, request(address, self._token)))
                found |= {
                    f"{name}_jobs": len(made.jobs()),
                    f"{name}_seconds": made.seconds,
                    f"{name}_first_byte_ms": 1000 * made.first_byte_s,
                    f"{name}_mb": len(made.body) / 1e6,
                    f"{name}_held_ms": 1000 * server.held.seconds,
                    f"{name}_others_wait_ms": 1000 * made.others_wait_s,
                    f"{name}_peak_mb": server.peak_mb(),
                }
        found["before_mb"] = before
        print(_all_table(found), flush=True)
        return found

    # -- the other dialects -------------------------------------------------------------------------------

    def _dialects(self) -> dict[str, Any]:
        return Dialects(self._place("dialects"), self._tasks, self._seconds).measure()

    def _sweep(self) -> dict[str, Any]:
        return measure_sweep(self._place("sweep"), self._tasks)

    def _place(self, name: str) -> Path:
        """A folder for another store."""
        (self._folder / name).mkdir()
        return self._folder / name

    # -- who waits ----------------------------------------------------------------------------------------

    def _polls(self) -> dict[str, Any]:
        with gateway(self._folder) as server:
            made = asyncio.run(long_polls.measure(server.port, server.pid))
        shares = f"{made.percent:.2f} % of a core ({made.idle_percent:.2f} % idle)"
        print(f"\n{made.clients} open long-polls: {shares}")
        return {"polls_percent": made.percent, "polls": made.shown()}


def _rates_found(median: dict[str, tuple[Load, float]]) -> dict[str, Any]:
    found: dict[str, Any] = {f"{name}_load": seen.shown() for name, (seen, _) in median.items()}
    if "floor" in median:
        found["floor_per_s"] = median["floor"][0].per_s
    if "pages" in median:
        (pages, cpu), (first, _) = median["pages"], median["first"]
        found |= {"pages_per_s": pages.per_s, "pages_p50_ms": pages.p50_ms, "pages_p99_ms": pages.p99_ms}
        found |= {"pages_cpu_us": cpu, "first_page_per_s": first.per_s, "first_page_p99_ms": first.p99_ms}
    if {"floor", "pages"} <= median.keys():
        found["pages_x_floor"] = median["pages"][1] / median["floor"][1]
    return found


def _rates_table(median: dict[str, tuple[Load, float]]) -> str:
    names = {
        "pages": f"{ROWS} jobs, any offset, 10 commits a second",
        "first": "the bare first page, polled",
        "floor": "aiohttp, as many bytes",
    }
    head = (f"{CONNECTIONS} connections", "requests/s", "p50 ms", "p99 ms", "max ms", "CPU us", "bytes")
    return columns(head, [
        (names[name], f"{seen.per_s:,.0f}", f"{seen.p50_ms:.1f}", f"{seen.p99_ms:.1f}", f"{seen.max_ms:.1f}",
         f"{cpu:.0f}", f"{seen.body_bytes:,}")
        for name, (seen, cpu) in median.items()
    ])  # fmt: skip


def _depth_table(times: dict[tuple[str, str], float]) -> str:
    places = ("first", "middle", "last")
    rows = [(kind, *(f"{times[kind, where]:.2f}" for where in places)) for kind in ("all", "completed")]
    return "\n" + columns(("one client, median ms", *places), rows)


def _all_table(found: dict[str, Any]) -> str:
    head = ("limit=-1", "jobs", "MB", "s", "loop held ms", "others wait ms", "peak MB")
    rows = [
        (name, f"{found[f'{key}_jobs']:,}", f"{found[f'{key}_mb']:.0f}", f"{found[f'{key}_seconds']:.1f}",
         f"{found[f'{key}_held_ms']:.1f}", f"{found[f'{key}_others_wait_ms']:.1f}",
         f"{found[f'{key}_peak_mb']:.0f}")
        for name, key in (("all", "all"), ("completed", "all_filtered"))
    ]  # fmt: skip
    return "\n" + columns(head, [*rows, ("before", "", "", "", "", "", f"{found['before_mb']:.0f}")])
