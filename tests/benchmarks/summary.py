"""The figures by name, as `--json` tells them. What was not measured, or could not be, is None."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from tests.benchmarks.planner import Feeding
from tests.benchmarks.rates import Rate
from tests.benchmarks.table import median_rate

#: Always there.
KEYS = (
    "floor_cpu_ms_per_line", "floor_cpu_ms_per_line_window4", "daemon_cpu_ms_per_line",
    "daemon_cpu_ms_per_line_window4", "marlin_host_cpu_ms_per_line", "printcore_cpu_ms_per_line",
    "floor_lines_per_s", "floor_lines_per_s_window4", "daemon_lines_per_s", "daemon_lines_per_s_window4",
    "marlin_host_lines_per_s", "printcore_lines_per_s", "daemon_x_floor", "daemon_window4_x_floor",
    "ok_to_next_ms", "ok_to_next_ms_window4", "ok_to_next_ms_floor", "underruns", "underruns_window4",
    "underruns_floor", "lost_ok_s",
    "lost_ok_s_window4", "garbled_ok_s", "garbled_ok_s_window4", "wire_lines_per_s",
    "wire_lines_per_s_window4", "printers", "rss_mb",
)  # fmt: skip


def _suffix(window: int) -> str:
    return "" if window == 1 else f"_window{window}"


def of_rates(runs: Mapping[tuple[str, int], Sequence[Rate]]) -> dict[str, Any]:
    """Medians by host; `..._x_floor` is the median of each round's ratio: both saw the same machine."""
    found: dict[str, Any] = {"rounds": min(map(len, runs.values()), default=0), "rates": {}}
    for (host, window), made in runs.items():
        rate, name = median_rate(made), host.replace("-", "_")
        found[f"{name}_cpu_ms_per_line{_suffix(window)}"] = rate.cpu_ms_per_line
        found[f"{name}_lines_per_s{_suffix(window)}"] = rate.lines_per_s
        found["rates"][f"{name}{_suffix(window)}"] = rate.shown()
    floors = runs.get(("floor", 1), ())
    for (host, window), made in runs.items():
        ratios = [a.cpu_ms_per_line / b.cpu_ms_per_line for a, b in zip(made, floors, strict=False)]
        if ratios and (host, window) != ("floor", 1):
            found[f"{host.replace('-', '_')}{_suffix(window)}_x_floor"] = median(ratios)
    return found


def of_planners(fed: Mapping[str, Mapping[str, Sequence[Feeding]]]) -> dict[str, Any]:
    """The worse latency of both paces, the underruns of both together; by the end of their keys."""
    found: dict[str, Any] = {"planner": fed_shown(fed)}
    for suffix, loads in fed.items():
        found[f"ok_to_next_ms{suffix}"] = {
            load: {
                "p50": max(run.p50_ms for run in runs),
                "p99": max(run.p99_ms for run in runs),
                "p99_9": max(run.p99_9_ms for run in runs),
            }
            for load, runs in loads.items()
        }
        found[f"underruns{suffix}"] = {
            load: sum(run.underruns for run in runs) for load, runs in loads.items()
        }
    return found


def fed_shown(fed: Mapping[str, Mapping[str, Sequence[Feeding]]]) -> dict[str, Any]:
    """Every run."""
    return {
        f"daemon{suffix}" if "floor" not in suffix else suffix.removeprefix("_"): {
            load: [run.shown() for run in runs] for load, runs in loads.items()
        }
        for suffix, loads in fed.items()
    }


def complete(found: Mapping[str, Any]) -> dict[str, Any]:
    """With every key."""
    return dict.fromkeys(KEYS) | dict(found)
