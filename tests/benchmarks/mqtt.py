"""The MQTT benchmark: what 200 printers at a message a second cost the gateway, northbound included.

Beside it, in the same run, the floor: bare aiomqtt clients that receive the same messages and read the JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import pstats
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.benchmarks.mqtt_gateway import Loads, Mix, Subject, floor, gateway, loads
from tests.benchmarks.responder import BenchmarkBroken
from tests.benchmarks.table import columns
from tests.support.real_broker import KINDS

#: Printers by name of the row; a quarter prints.
MIXES: Final = {"mixed": (1, 1), "bambu": (2, 0), "moonraker": (0, 2)}
PRINTERS: Final = 200
#: Seconds of one measurement, and until connections and first states are no part of it.
SECONDS, SETTLING = 30.0, 10.0
#: Rows of the profile.
SHARES: Final = 16
#: Always there, for each of MIXES: behind its name.
KEYS: Final = (
    "cpu_percent", "floor_cpu_percent", "lag_p50_ms", "lag_p99_ms", "lag_max_ms", "floor_lag_p99_ms",
    "rss_mb", "in_per_s", "out_per_s", "told_per_s",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be chosen."""
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.add_argument("--only", metavar="MIX,...", help=f"some of: {', '.join(MIXES)}, profile")
    parser.add_argument("--printers", type=int, default=PRINTERS, help="in all (default: %(default)s)")
    parser.add_argument("--per-second", type=float, default=1.0, help="reports of a printer")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each measurement")
    parser.add_argument("--settling", type=float, default=SETTLING, help="seconds before it")
    parser.add_argument("--broker", choices=KINDS, default=KINDS[-1], help="default: %(default)s")
    parser.add_argument(
        "--personality", default="a1", help="of the Bambu printers: a1 sends changes, x1c whole states"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure, print the tables, and the object if asked for."""
    wanted = arguments.only.split(",") if arguments.only else [*MIXES, "profile"]
    if unknown := sorted(set(wanted) - {*MIXES, "profile"}):
        print(f"there is no {unknown[0]!r}; there are: {', '.join(MIXES)}, profile", file=sys.stderr)
        return 2
    before = os.getloadavg()[0]
    print(
        f"{platform.machine()}, {os.cpu_count()} processors, load {before:.1f}, {platform.python_version()}, "
        f"broker {arguments.broker}"
    )
    found: dict[str, Any] = {"load_before": before, "broker": arguments.broker}
    with tempfile.TemporaryDirectory(prefix="print-gateway-benchmark-") as folder:
        for name in [name for name in MIXES if name in wanted]:
            found[name] = _measured(Path(folder) / name, _mix(name, arguments), arguments)
        print(_table({name: found[name] for name in MIXES if name in found}))
        if "profile" in wanted:
            found["shares"] = _profiled(Path(folder) / "profile", _mix("mixed", arguments), arguments)
    if arguments.json:
        flat = {f"{mix}_{key}": found.get(mix, {}).get(key) for mix in MIXES for key in KEYS}
        print(json.dumps(flat | {key: value for key, value in found.items() if key not in MIXES}))
    return 0


def _mix(name: str, arguments: argparse.Namespace) -> Mix:
    bambu, moonraker = (share * arguments.printers // 2 for share in MIXES[name])
    return Mix(bambu, moonraker, arguments.per_second, arguments.personality)


def _measured(folder: Path, mix: Mix, arguments: argparse.Namespace) -> dict[str, float]:
    """The gateway, then the floor, on the same load."""
    with loads(folder, mix, arguments.broker) as made:
        with gateway(folder, mix, made) as subject:
            ours = _watched(subject, made, arguments)
        with floor(folder, mix, made) as subject:
            bare = _watched(subject, made, arguments)
    return ours | {"floor_cpu_percent": bare["cpu_percent"], "floor_lag_p99_ms": bare["lag_p99_ms"],
                   "floor_in_per_s": bare["in_per_s"]}  # fmt: skip


def _watched(subject: Subject, made: Loads, arguments: argparse.Namespace) -> dict[str, float]:
    time.sleep(arguments.settling)
    before, cpu, began = made.counts(), subject.cpu_s(), time.monotonic()
    subject.lags.reset()
    time.sleep(arguments.seconds)
    passed = time.monotonic() - began
    used, after = subject.cpu_s() - cpu, made.counts()
    p50, p99, most = subject.lags.milliseconds(0.5, 0.99, 1.0)
    rates = {name: (after[name] - before[name]) / passed for name in after}
    return {
        "cpu_percent": 100 * used / passed,
        "lag_p50_ms": p50,
        "lag_p99_ms": p99,
        "lag_max_ms": most,
        "rss_mb": subject.rss_mb(),
        "in_per_s": rates["sent"],
        "out_per_s": rates["received"] + rates["told"],
        "told_per_s": rates["told"],
        "bytes_in_per_s": rates["bytes_sent"],
    }


def _profiled(folder: Path, mix: Mix, arguments: argparse.Namespace) -> dict[str, float]:
    """Where the processor's time goes; cProfile makes calls dear, so only the shares mean something."""
    profile = folder / "profile"
    with loads(folder, mix, arguments.broker) as made, gateway(folder, mix, made, profile=profile):
        time.sleep(arguments.settling + arguments.seconds)
    if not profile.exists():
        raise BenchmarkBroken("the gateway left no profile")
    shares = _shares(pstats.Stats(str(profile)).stats)  # type: ignore[attr-defined]
    print(columns(("with cProfile", "share"), [(part, f"{share:.1%}") for part, share in shares.items()]))
    return shares


def _shares(stats: Mapping[tuple[str, int, str], tuple[int, int, float, float, Any]]) -> dict[str, float]:
    spent: Counter[str] = Counter()
    for (file, _line, function), (_calls, _primitive, own, _all, _callers) in stats.items():
        if "poll" not in function and "select" not in function:
            spent[_part(file, function)] += own
    total = sum(spent.values())
    return {part: own / total for part, own in spent.most_common(SHARES)}


def _part(file: str, function: str) -> str:
    if "/gateway/" in file:
        room = file.rpartition("/gateway/")[2].split("/")
        return "gateway/" + "/".join(room[: 2 if room[0] in ("drivers", "protocol", "publish") else 1])
    for name in ("paho", "aiomqtt", "sqlalchemy", "asyncio", "pydantic", "json", "dataclasses", "importlib"):
        if f"/{name}" in file or f"{name}." in file:
            return name
    if file == "~":
        return next(
            (f"built in: {name}" for name in ("ssl", "socket", "sqlite") if name in function), "built in"
        )
    return "other Python"


def _table(found: Mapping[str, Mapping[str, float]]) -> str:
    head = (
        "printers",
        "in/s",
        "out/s",
        "CPU of a core",
        "floor",
        "x floor",
        "lag p50/p99/max ms",
        "floor p99",
        "RSS MB",
    )
    rows = [
        (
            name,
            f"{row['in_per_s']:.0f}",
            f"{row['out_per_s']:.0f}",
            f"{row['cpu_percent']:.1f} %",
            f"{row['floor_cpu_percent']:.1f} %",
            f"{row['cpu_percent'] / row['floor_cpu_percent']:.2f}",
            f"{row['lag_p50_ms']:.2f} / {row['lag_p99_ms']:.1f} / {row['lag_max_ms']:.0f}",
            f"{row['floor_lag_p99_ms']:.1f}",
            f"{row['rss_mb']:.0f}",
        )
        for name, row in found.items()
    ]
    return columns(head, rows)
