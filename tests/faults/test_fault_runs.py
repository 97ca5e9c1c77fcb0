"""Bad luck by the seed: every line of the file once and in order, or the reason that it is not is true."""

from __future__ import annotations

import pytest

from firmware_sim.personality import personality_names
from tests.faults.run import Case, run
from tests.faults.series import results
from tests.faults.table import transcript
from tests.faults.verdict import Kind, Verdict, judge
from tests.faults.weather import Death, Weather

PERSONALITIES = personality_names()
#: Runs of each personality in the suite, and by hand.
SOME, MANY = 6, 1000
#: Seeds that ever showed a mistake are run for ever: (personality, seed, what it was).
ONCE_FAILED = [
    ("marlin-full", 56, "a numbered line that became an unknown command was not labelled"),
    ("marlin-full", 106, "a death between record and first line was blamed on the printer"),
    ("klipper", 2, "oks that came twice ended the last stage while the machine moved"),
    ("marlin-sd", 0, "a temperature answer that came twice proved a standstill that was none"),
    ("marlin-stock", 1027, "a report in an ok proved a marker that came damaged: called a reset"),
    ("slow-board", 231, "a doubled ok: M110 set the numbers back behind line 1: called a reset"),
    ("marlin-stock", 234, "a resume heated to 5000 degrees: a lost byte in a temperature report"),
    ("repetier", 43, "its name was lost in noise, and its oks were taken for more than they are"),
    ("repetier", 61, "a resume heated to what was set before: the pause was not told the newest targets"),
    ("repetier", 129, "one garbled Resend was taken for a reset"),
    ("marlin-1.1", 6132, "half an M105 and M110 behind it were an M1: the heaters-off waited for a person"),
]


def judged(case: Case, chosen: Weather | None = None) -> Verdict:
    """The verdict on one run, which must be none of failure."""
    outcome = run(case, chosen)
    verdict = judge(outcome)
    assert verdict.kind is not Kind.FAIL, transcript(outcome, verdict)
    return verdict


@pytest.mark.parametrize("seed", range(SOME))
@pytest.mark.parametrize("personality", PERSONALITIES)
def test_every_line_once_and_in_order_or_a_true_reason(personality: str, seed: int) -> None:
    judged(Case(personality, seed, length=60))


@pytest.mark.parametrize(("personality", "seed", "what"), ONCE_FAILED)
def test_once_failed(personality: str, seed: int, what: str) -> None:
    judged(Case(personality, seed))


def test_refusals_of_repeated_lines_do_not_feed_themselves() -> None:
    """It ended with a line that was refused again and again, and had been taken."""
    assert judged(Case("prusa", 26)).kind is Kind.COMPLETE


def test_a_fault_that_can_be_mended_is_mended() -> None:
    """Giving up is safe, and of no use: noise and lost answers of this strength never end a print."""
    kinds = [judged(Case("marlin-stock", seed, "answers", 60)).kind for seed in range(5)]
    assert Kind.GAVE_UP not in kinds


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("personality", PERSONALITIES)
def test_thousands_of_runs(personality: str) -> None:
    verdicts = [judged(Case(personality, seed)) for seed in range(10_000, 10_000 + MANY)]
    gave_up = [verdict.why for verdict in verdicts if verdict.kind is Kind.GAVE_UP]
    assert len(gave_up) < MANY / 100, gave_up


# -- kill -9 at every step ---------------------------------------------------------------------------------


def steps_of(personality: str, length: int) -> int:
    """Stores and writes of a streamer that prints such a file and is left alone."""
    return run(Case(personality, 0, length=length), Weather("calm", {})).effects


def survives(personality: str, length: int, death: Death) -> None:
    outcome = run(Case(personality, 0, length=length), Weather("calm", {}, deaths=(death,)))
    verdict = judge(outcome)
    is_at_an_end = verdict.why in ("untold", "held: not begun")
    assert verdict.kind is Kind.COMPLETE or is_at_an_end, transcript(outcome, verdict)


@pytest.mark.parametrize("personality", ["marlin-full", "marlin-stock", "marlin-bare", "prusa", "repetier"])
def test_death_at_steps_from_the_first_to_the_last(personality: str) -> None:
    steps = steps_of(personality, 25)
    assert steps > 40
    for step in range(1, steps, 7):
        survives(personality, 25, Death(step, step % 30, 3.0))


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("passed", [0, 1, 9, 10_000])
@pytest.mark.parametrize("personality", [name for name in PERSONALITIES if name != "klipper"])
def test_death_at_every_step(personality: str, passed: int) -> None:
    for step in range(1, steps_of(personality, 40) + 1):
        survives(personality, 40, Death(step, passed, 3.0))


def test_a_series_is_the_same_in_several_processes() -> None:
    cases = [Case("marlin-stock", seed, length=20) for seed in (1, 2)]
    assert list(results(cases, jobs=2)) == list(results(cases, jobs=1))
