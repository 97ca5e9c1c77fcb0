"""Many fault runs, in this process or in several.

Not in `__main__`: a process that is started for it finds what it shall do by the name of a module.
"""

from __future__ import annotations

import functools
import multiprocessing
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tests.faults.run import Case, run
from tests.faults.table import transcript
from tests.faults.verdict import Kind, Verdict, faults_struck, judge
from tests.faults.weather import Weather


@dataclass(frozen=True, slots=True)
class Result:
    """What a table needs of one run; `shown` is the transcript of one to be looked at."""

    case: Case
    verdict: Verdict
    struck: Counter[str]
    stall: float | None
    shown: str


def one(case: Case) -> Result:
    """Run and judge one case."""
    outcome = run(case)
    verdict = judge(outcome)
    struck = faults_struck(outcome)
    what = case.weather()
    stall = None
    if verdict.kind is Kind.COMPLETE and struck and not what.deaths and not what.acts:
        clean = _clean_seconds(case.personality, case.seed % 8, case.length, what.baud, what.latency)
        stall = (outcome.reported_at - clean) / struck.total()
    is_odd = verdict.kind in (Kind.FAIL, Kind.GAVE_UP)
    return Result(case, verdict, struck, stall, transcript(outcome, verdict) if is_odd else "")


@functools.cache
def _clean_seconds(personality: str, seed: int, length: int, baud: int, latency: float) -> float:
    """Seconds of the same print without any fault."""
    return run(
        Case(personality, seed, length=length), Weather("calm", {}, baud=baud, latency=latency)
    ).reported_at


def results(cases: list[Case], jobs: int) -> Iterator[Result]:
    """All of them, in order."""
    if jobs == 1:
        yield from map(one, cases)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap(one, cases, chunksize=8)
