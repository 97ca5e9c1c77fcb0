"""What people read: medians, and columns of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

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
    head = ("", "window", "lines/s", "CPU us/line", "x floor", "ok->next p50/p99 us", "RSS MB")
    rows = [
        (
            name,
            f"{window} ({rate.window})",
            f"{rate.lines_per_s:,.0f}",
            f"{1000 * rate.cpu_ms_per_line:.1f}"
            + "".join(f", {part} {1000 * share:.1f}" for part, share in rate.parts.items()),
            f"{rate.cpu_ms_per_line / floor.cpu_ms_per_line:.2f}" if floor else "-",
            f"{rate.p50_us} / {rate.p99_us}",
            f"{rate.rss_mb:.0f}",
        )
        for (name, window), rate in rates.items()
    ]
    return columns(head, rows)
