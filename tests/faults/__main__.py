"""`python -m tests.faults --seeds 0-2000`: many runs, judged; a table, and what failed.

`--show 17 --personality marlin-stock` prints one run whole, bytes and all.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from firmware_sim.personality import personality_names
from tests.faults.run import Case, run
from tests.faults.series import results
from tests.faults.table import fault_table, transcript, verdict_table
from tests.faults.verdict import Kind, Verdict, judge
from tests.faults.weather import NAMES


def _seeds(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or int(first) + 1))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seeds", type=_seeds, default=range(100), help="FIRST-BEHIND_LAST")
    parser.add_argument(
        "--personality", default="all", help=f"one of {', '.join(personality_names())}, or all"
    )
    parser.add_argument("--rates", choices=NAMES, default="default")
    parser.add_argument("--lines", type=int, default=150, help="lines of a print file")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--show", type=int, help="print one run whole")
    parser.add_argument("--odd", type=int, default=5, help="transcripts of at most so many odd runs")
    chosen = parser.parse_args()
    names = personality_names() if chosen.personality == "all" else chosen.personality.split(",")
    if chosen.show is not None:
        return _show(Case(names[0], chosen.show, chosen.rates, chosen.lines, keeps_wire=True))
    cases = [Case(name, seed, chosen.rates, chosen.lines) for seed in chosen.seeds for name in names]
    return _series(cases, chosen.jobs, chosen.odd)


def _show(case: Case) -> int:
    outcome = run(case)
    verdict = judge(outcome)
    print(case.weather())
    print(transcript(outcome, verdict, around=len(outcome.entries)))
    print(verdict)
    return verdict.kind is Kind.FAIL


def _series(cases: list[Case], jobs: int, odd: int) -> int:
    began = time.monotonic()
    verdicts: list[tuple[str, Verdict]] = []
    struck: Counter[str] = Counter()
    runs: Counter[str] = Counter()
    stalls: list[float] = []
    try:
        for result in results(cases, jobs):
            verdicts.append((result.case.personality, result.verdict))
            struck += result.struck
            runs.update(result.struck.keys())
            if result.stall is not None:
                stalls.append(result.stall)
            if result.shown:
                print(f"-- {result.verdict.kind}: {result.shown.splitlines()[0]}", flush=True)
                if odd > 0:
                    print(result.shown, flush=True)
                    odd -= 1
    except KeyboardInterrupt:
        print("-- stopped; so far:")
    print(verdict_table(verdicts))
    print(f"\n{fault_table(struck, runs)}")
    if stalls:
        mean = sum(stalls) / len(stalls)
        print(f"\nmean stall per fault: {mean:.2f} s ({len(stalls)} runs that had nothing but faults)")
    print(f"{len(verdicts)} runs in {time.monotonic() - began:.0f} s")
    return any(verdict.kind is Kind.FAIL for _, verdict in verdicts)


if __name__ == "__main__":
    sys.exit(main())
