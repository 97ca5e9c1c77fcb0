"""The judge is not fooled: ledgers and reports that do not belong together, and places that are wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from firmware_sim.faults.undetectable import CHECKSUM_HOLDS, LABEL, NUMBER_HARMED
from firmware_sim.ledger import Entry
from gateway.domain.observations import PrintPhase, PrintReport
from tests.faults.part import Part
from tests.faults.run import Case, Outcome, run
from tests.faults.verdict import Kind, follow, judge
from tests.faults.weather import Death, Weather

CALM = Weather("calm", {})


def completed() -> Outcome:
    """An honest run."""
    return run(Case("marlin-stock", 0, length=30), CALM)


def at(outcome: Outcome, line: int) -> int:
    """Which entry is line `line` of the file."""
    text = outcome.part.lines[line]
    return next(n for n, e in enumerate(outcome.entries) if e.event == "executed" and e.line == text)


def missing(outcome: Outcome) -> None:
    del outcome.entries[at(outcome, 20)]


def last_missing(outcome: Outcome) -> None:
    del outcome.entries[at(outcome, 29)]


def doubled(outcome: Outcome) -> None:
    place = at(outcome, 20)
    outcome.entries.insert(place + 3, outcome.entries[place])


def swapped(outcome: Outcome) -> None:
    one, two = at(outcome, 20), at(outcome, 21)
    outcome.entries[one], outcome.entries[two] = outcome.entries[two], outcome.entries[one]


def altered(outcome: Outcome) -> None:
    place = at(outcome, 20)
    outcome.entries[place] = replace(outcome.entries[place], line="G1 X9999")


def shifted(outcome: Outcome) -> None:
    place = at(outcome, 20)
    outcome.entries.insert(place, Entry(outcome.entries[place].t, "executed", "host", None, "G92 E7"))


def without_standstill(outcome: Outcome) -> None:
    outcome.entries[:] = [entry for entry in outcome.entries if entry.line != "M400"]


def moving(outcome: Outcome) -> None:
    outcome.was_still = False


def test_an_honest_run() -> None:
    assert judge(completed()).kind is Kind.COMPLETE


@pytest.mark.parametrize(
    "tamper", [missing, last_missing, doubled, swapped, altered, shifted, without_standstill, moving]
)
def test_completed_and_not_so(tamper: Callable[[Outcome], None]) -> None:
    outcome = completed()
    tamper(outcome)
    assert judge(outcome).kind is Kind.FAIL


@pytest.mark.parametrize(
    ("phase", "message"),
    [
        (PrintPhase.CANCELED, None),
        (PrintPhase.PRINTING, None),
        (PrintPhase.FAILED, "The printer stopped itself in an emergency stop. Look at it, then reset it."),
        (PrintPhase.HELD, "The printer was reset. Its position and temperatures are lost."),
        (PrintPhase.HELD, "the printer was left alone for more than 60 seconds"),
        (PrintPhase.HELD, "The printer stopped answering."),
        (PrintPhase.FAILED, "The printer refused one line again and again."),
        (PrintPhase.FAILED, "Something."),
    ],
)
def test_reasons_that_nothing_bears_out(phase: PrintPhase, message: str | None) -> None:
    outcome = completed()
    outcome.report = PrintReport("mark-1", phase, False, message=message)
    outcome.is_cold = outcome.resolved_cold = True
    assert judge(outcome).kind is Kind.FAIL


def test_a_print_that_ends_hot_or_goes_on_behind_its_end() -> None:
    outcome = run(Case("marlin-stock", 0, length=30), CALM)
    outcome.report, outcome.canceled = PrintReport("mark-1", PrintPhase.CANCELED, False), True
    outcome.is_cold = True
    assert judge(outcome).kind is Kind.TRUTHFUL
    outcome.is_cold = False
    assert "heaters" in judge(outcome).why
    outcome.is_cold, outcome.entries_by_then = True, at(outcome, 20)
    assert "behind the end" in judge(outcome).why


def test_never_told_and_nobody_died() -> None:
    outcome = completed()
    outcome.report = None
    assert judge(outcome).kind is Kind.FAIL


def label(reason: str, sent: str) -> str:
    return f"{LABEL}{reason}; sent: {sent}"


def test_only_what_is_labelled_is_exempt() -> None:
    outcome = completed()
    place = at(outcome, 20)
    entry = outcome.entries[place]
    harmed = label(CHECKSUM_HOLDS, f"N{entry.n} {entry.line}*1")
    outcome.entries[place] = replace(entry, line="M117 X9999", effect=harmed)
    assert judge(outcome).kind is Kind.EXEMPT
    outcome.entries[place] = replace(entry, line="M117 X9999", effect="checksum")
    assert judge(outcome).kind is Kind.FAIL


def test_a_line_that_ran_unchecked_and_then_as_it_was_sent() -> None:
    first, second = "G1 X1 F600", "G1 X2 F600"
    part = Part(b"", (first, second))
    entries = [
        Entry(0.0, "executed", "host", 1, first),
        Entry(1.0, "executed", "host", None, second, label(NUMBER_HARMED, f"N2 {second}*1")),
        Entry(2.0, "executed", "host", 2, second),
    ]
    trace = follow(entries, part.lines)
    assert (trace.done, trace.exempt, trace.wrong) == (2, 1, None)
    assert follow([entries[0], replace(entries[1], effect=None), entries[2]], part.lines).wrong is not None


def test_the_same_case_is_the_same_run() -> None:
    first, second = (run(Case("marlin-full", 7, "mixed", 60)) for _ in range(2))
    assert [entry.as_dict() for entry in first.entries] == [entry.as_dict() for entry in second.entries]
    assert first.told == second.told


def test_a_dead_streamer_has_no_effect() -> None:
    outcome = run(Case("marlin-stock", 0, length=30), Weather("calm", {}, deaths=(Death(40, 0, 30.0),)))
    [(gone, back)] = outcome.absences
    behind = [e for e in outcome.entries if gone + 15 < e.t < back and e.source == "host"]
    assert behind == [], "15 s: what the firmware had is done by then"
    assert judge(outcome).kind is Kind.COMPLETE
