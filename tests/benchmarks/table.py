"""What people read: medians, and columns of text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from tests.benchmarks.rates import Rate


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows under a head; the first column to the left, the others to the right."""
    widths = [max(len(row[n]) for row in (head, *rows)) for n in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) if n == 0 else cell.rjust(width)
                  for n, (cell, width) in enumerate(zip(row, widths, strict=True)))
        for row in (head, *rows)
    ]  # fmt: skip
    return "\n".join(line.rstrip() for line in lines)


def median_rate(runs: Sequence[Rate]) -> Rate:
    """Each figure's median over the runs."""
    return Rate(
        lines_per_s=median(run.lines_per_s for run in runs),
        cpu_ms_per_line=median(run.cpu_ms_per_line for run in runs),
        p50_us=int(median(run.p50_us for run in runs)),
        p99_us=int(median(run.p99_us for run in runs)),
        window=max(run.window for run in runs),
        rss_mb=max(run.rss_mb for run in runs),
        parts={name: median(run.parts[name] for run in runs) for name in runs[0].parts},
    )


def rates_table(rates: Mapping[tuple[str, int], Rate]) -> str:
    """Floor, daemon, peers."""
    floor = rates.get(("floor", 1))
    head = ("", "window", "lines/s", "CPU us/line", "x floor", "p50/p99 us", "RSS MB", "by process, us/line")
    rows = [
        (
            name,
            f"{window} ({rate.window})",
            f"{rate.lines_per_s:,.0f}",
            f"{1000 * rate.cpu_ms_per_line:.1f}",
            f"{rate.cpu_ms_per_line / floor.cpu_ms_per_line:.2f}" if floor else "-",
            f"{rate.p50_us} / {rate.p99_us}",
            f"{rate.rss_mb:.0f}",
            ", ".join(f"{part} {1000 * share:.1f}" for part, share in rate.parts.items()),
        )
        for (name, window), rate in rates.items()
    ]
    return columns(head, rows)


def part_table(name: str, found: Mapping[str, Any]) -> str:
    """One of the other parts; a line that says so if there is nothing to show."""
    if not found:
        return f"\n{name}: not measured"
    return f"\n{_PARTS[name](found)}"


def _planner(found: Mapping[str, Any]) -> str:
    head = (
        "planner",
        "moves/s",
        "underruns",
        "still s",
        "ok->next p50/p99/p99.9/max ms",
        "requests/s",
        "CPU",
    )
    rows = [
        (
            f"{who.replace('_', ', ')}, {run['pace']} moves/s, {load}",
            f"{run['moves_per_s']:.0f}",
            str(run["underruns"]),
            f"{run['still_s']:.3f}",
            f"{run['p50_ms']:.2f} / {run['p99_ms']:.2f} / {run['p99_9_ms']:.2f} / {run['max_ms']:.1f}",
            "-" if run["requests_per_s"] is None else f"{run['requests_per_s']:.0f}",
            ", ".join(f"{part} {share:.0%}" for part, share in run["cpu"].items()) or "-",
        )
        for who, loads in found["planner"].items()
        for load, runs in loads.items()
        for run in runs
    ]
    return columns(head, rows)


def _seconds(found: Mapping[str, Any]) -> str:
    return columns(
        ("longest standstill", "s"),
        [(key, "-" if at is None else f"{at:.3f}") for key, at in found.items()],
    )


def _wire(found: Mapping[str, Any]) -> str:
    return columns(
        ("250,000 baud, answers 4 ms late", "lines/s"),
        [(key, "-" if rate is None else f"{rate:.0f}") for key, rate in found.items()],
    )


def _printers(found: Mapping[str, Any]) -> str:
    head = ("printers at 800 moves/s", "lines/s", "slowest", "underruns", "CPU", "us/line", "RSS MB")
    rows = [
        (count, *["-"] * 6)
        if made is None
        else (
            count,
            f"{made['lines_per_s']:,.0f} of {made['wanted_lines_per_s']:,}",
            f"{made['slowest_lines_per_s']:.0f}",
            str(made["underruns"]),
            f"{made['cpu']:.0%}",
            f"{1000 * made['cpu_ms_per_line']:.1f}",
            f"{made['rss_mb']:.0f}",
        )
        for count, made in found["printers"].items()
    ]
    return columns(head, rows)


def _memory(found: Mapping[str, Any]) -> str:
    memory = found["memory"]
    return columns(
        (f"memory, {memory['file_mb']} MB file", "streamer MB", "gateway MB"),
        [
            (name, f"{memory[name]['streamer']:.0f}", f"{memory[name]['gateway']:.0f}")
            for name in ("idle", "printing", "peak")
        ],
    )


_PARTS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "planner": _planner,
    "faults": _seconds,
    "wire": _wire,
    "printers": _printers,
    "memory": _memory,
}
