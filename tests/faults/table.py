"""What a series of runs showed, for people."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable

from tests.benchmarks.table import columns
from tests.faults.run import Outcome
from tests.faults.verdict import Kind, Verdict


def verdict_table(verdicts: Iterable[tuple[str, Verdict]]) -> str:
    """Personality x verdict, and what was said how often."""
    counts: dict[str, Counter[Kind]] = defaultdict(Counter)
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    for personality, verdict in verdicts:
        counts[personality][verdict.kind] += 1
        reasons[f"{verdict.kind}: {verdict.why[:70]}"][personality] += 1
    names = sorted(counts)
    total: Counter[Kind] = sum(counts.values(), Counter())
    rows = [(name, *_row(counts[name])) for name in names]
    table = columns(("", *(kind.value for kind in Kind), "runs"), [*rows, ("all", *_row(total))])
    why = columns(
        ("said", *names),
        [(said, *(str(by[name] or "") for name in names)) for said, by in sorted(reasons.items())],
    )
    return f"{table}\n\n{why}"


def _row(counts: Counter[Kind]) -> tuple[str, ...]:
    return (*(str(counts[kind] or "") for kind in Kind), str(counts.total()))


def fault_table(struck: Counter[str], runs: Counter[str]) -> str:
    """Each fault: how often it struck, in how many runs."""
    return columns(
        ("fault", "struck", "runs"),
        [(name, str(count), str(runs[name])) for name, count in struck.most_common()],
    )


def transcript(outcome: Outcome, verdict: Verdict, around: int = 25) -> str:
    """The end of a run, or the part that shows what is wrong: ledger, words, and bytes if they were kept."""
    last = len(outcome.entries) if verdict.at is None else min(len(outcome.entries), verdict.at + 5)
    entries = outcome.entries[max(0, last - around) : last]
    since = entries[0].t if entries else 0.0
    until = entries[-1].t + 5.0 if entries else 0.0
    rows: list[tuple[float, str]] = [
        (e.t, f"  {e.event} {e.source or ''} N{e.n} {e.line!r} {e.effect or ''}") for e in entries
    ]
    rows += [(t, f"= {what}") for t, what in outcome.told]
    rows += [(t, f"{way} {data!r}") for t, way, data in outcome.wire if since <= t <= until]
    rows += [(t, f"= the streamer was away until {back:.3f}") for t, back in outcome.absences]
    by_time: Callable[[tuple[float, str]], float] = lambda row: row[0]  # noqa: E731
    shown = [f"{t:10.4f} {text}" for t, text in sorted(rows, key=by_time)]
    case = outcome.case
    return "\n".join([f"{case.personality} seed {case.seed} ({case.mixture}): {verdict.why}", *shown])
