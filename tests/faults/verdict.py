"""The judge of a run: what the machine executed, beside what was said about it.

The ledger is the only witness of what happened. The driver's report is what is judged, never believed:

    complete    it said completed; every line of the file ran once and in order, and the machine stood still
    truthful    it said canceled, failed or held; what ran is a beginning of the file, each line once and in
                order, nothing ran behind the end, heaters are off where that is promised, and the reason
                given is in the ledger
    gave up     the same, but nothing befell the machine that a host could not have mended
    exempt      complete or truthful but for entries which the simulator itself has labelled: no host could
                have detected them
    FAIL        everything else
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum

from firmware_sim.faults.undetectable import executed_as_sent, is_undetectable
from firmware_sim.ledger import Entry
from gateway.domain.observations import PrintPhase
from tests.faults.place import Place
from tests.faults.run import Outcome

#: What goes between and behind the lines of a file: questions, reports, the end of a stage, people's orders.
#: No line of a part looks like one of them.
OURS = re.compile(
    r"M105|M115|M110( N\d+)?|M15[45] S\d+|M27( S\d+)?|M400|M104( T\d)? S0|M140 S0|M107|M84|M108|M410|M112"
    r"|M22[01] S10\d"  # people's adjustments
    r"|M114|M84 S\d+|G9[01]|M8[23]|M10[49] S[\d.]+|M1[49]0 S[\d.]+"  # pauses: there and back again
    r"|G0 Z[\d.]+ F\d+|G0 X[\d.]+ Y[\d.]+ F\d+|G1 E-?[\d.]+ F\d+|G92 E-?[\d.]+|G1 F\d+"
)
#: A resume heats to what it was before, which may be what the file says.
HEATS_AGAIN = re.compile(r"M10[49] S[\d.]+|M1[49]0 S[\d.]+")
#: What is said without a number: questions while the firmware's own must not be touched, heaters off when it
#: has proven useless.
BARE = ("M115", "M105", "M104 S0", "M140 S0", "M112", "M108", "M410")
#: Seconds beyond which a printer counts as left alone.
ALONE_SECONDS = 60.0
#: Refusals of one line in a row that make "again and again".
AGAIN_AND_AGAIN = 6


class Kind(StrEnum):
    """What became of a run."""

    COMPLETE = "complete"
    TRUTHFUL = "truthful"
    GAVE_UP = "gave up"
    EXEMPT = "exempt"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`why`: the reason that was given, by a name; or what is wrong, and `at` the entry that shows it."""

    kind: Kind
    why: str
    at: int | None = None


@dataclass(slots=True)
class Trace:
    """What ran of a file: the first `done` lines, with `exempt` entries that were not as sent.

    wrong: why the ledger is no such beginning, shown by entry `at`. ends_at: entry of the last line.
    """

    done: int = 0
    exempt: int = 0
    wrong: str | None = None
    at: int | None = None
    ends_at: int = -1


def follow(entries: Sequence[Entry], lines: Sequence[str]) -> Trace:
    """Hold what the machine was made to do against the file, line by line."""
    trace = Trace()
    places = {line: n for n, line in enumerate(lines)}
    wanted, found = Place(), Place()
    for at, entry in enumerate(entries):
        if entry.source != "host" or entry.event not in ("executed", "unknown"):
            continue
        for text in _meant(entry, trace):
            if trace.done < len(lines) and text == lines[trace.done]:
                wrong = _misplaced(text, found, wanted) if not trace.exempt else None
                trace.done += 1
                trace.ends_at = at
                wanted.run(text)
            else:
                wrong = _strange(text, entry, places, trace.done)
            found.run(text)
            if wrong is not None:
                trace.wrong, trace.at = wrong, at
                return trace
    return trace


def _misplaced(text: str, found: Place, wanted: Place) -> str | None:
    difference = found.differs_from(wanted)
    return None if difference is None else f"{text!r} ran in the wrong place: {difference}"


def _meant(entry: Entry, trace: Trace) -> list[str]:
    """The command that was sent, if the wire says that nobody could know that it was altered."""
    if not is_undetectable(entry):
        return [entry.line or ""]
    trace.exempt += 1
    return executed_as_sent([Entry(entry.t, "executed", "host", entry.n, entry.line, entry.effect)])


def _strange(text: str, entry: Entry, places: dict[str, int], done: int) -> str | None:
    place = places.get(text)
    if place is not None and not (place < done and HEATS_AGAIN.fullmatch(text)):
        return f"{text!r} ran {'again' if place < done else f'{place - done} lines too early'}"
    if OURS.fullmatch(text) or (entry.n is None and (entry.event == "unknown" or _resembles_bare(text))):
        return None
    return f"{text!r} ran, which is no line of the file and none of ours"


def _resembles_bare(text: str) -> bool:
    """Whether this is one of our un-numbered lines after an accident: without a checksum all is accepted."""
    return text.startswith(BARE) or any(SequenceMatcher(None, text, bare).ratio() > 0.7 for bare in BARE)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the ledger and the harness know, for the truth of a reason."""

    outcome: Outcome
    events: Counter[str]
    faults: Counter[str]

    def away(self) -> float:
        """Seconds from the beginning of the longest absence of the host to its last word."""
        begins = [began for began, _ in self.outcome.absences]
        begins += [
            entry.t
            for entry in self.outcome.entries
            if entry.event == "fault" and (entry.line or "").startswith(("unplug", "port-busy"))
        ]
        return max((self.outcome.reported_at - began for began in begins), default=0.0)

    def is_interrupted(self) -> bool:
        """Whether the host was away, or its cable."""
        return bool(self.outcome.absences) or any(name.startswith("unplug") for name in self.faults)

    def most_refusals(self) -> int:
        """Refusals in a row of one and the same line."""
        most = count = 0
        last = None
        for entry in self.outcome.entries:
            if entry.event == "resend":
                count = count + 1 if entry.n == last else 1
                last = entry.n
                most = max(most, count)
        return most


@dataclass(frozen=True, slots=True)
class Reason:
    """Words of the driver, and what must have happened if they are true.

    is_fate: nothing could have been done about it. Else a run that ends so gave up.
    """

    name: str
    words: str
    is_true: Callable[[Facts], bool]
    is_fate: bool = True


def _noise(facts: Facts) -> bool:
    return facts.faults.total() > 0


REASONS = (
    Reason(
        "halted",
        r"stopped itself in an emergency|heater protection|not heating at expected",
        lambda f: f.events["kill"] > 0,
    ),
    Reason("not begun", r"it had not begun", lambda f: bool(f.outcome.absences)),
    Reason("not ours", r"which is not one of this print", lambda f: f.events["reset"] > 0),
    Reason("reset", r"was reset|has forgotten the lines", lambda f: f.events["reset"] > 0),
    Reason("left alone", r"was left alone for more than", lambda f: f.away() > ALONE_SECONDS),
    Reason(
        "stopped", r"^The program that streamed this print was stopped", lambda f: bool(f.outcome.absences)
    ),
    Reason("blind", r"its firmware ignores line numbers", lambda f: f.is_interrupted()),
    Reason("went silent", r"stopped answering", _noise, is_fate=False),
    Reason("did not tell", r"did not tell which line", lambda f: f.is_interrupted(), is_fate=False),
    Reason("two lines", r"named two different lines", _noise, is_fate=False),
    Reason(
        "line refused",
        r"refused one line again",
        lambda f: f.most_refusals() >= AGAIN_AND_AGAIN,
        is_fate=False,
    ),
    Reason("numbers disagree", r"asks for lines it was never sent", _noise, is_fate=False),
)


def faults_struck(outcome: Outcome) -> Counter[str]:
    """How often each fault struck, by its label."""
    labels = [(entry.line or "").partition(":")[0] for entry in outcome.entries if entry.event == "fault"]
    return Counter(labels)


def judge(outcome: Outcome) -> Verdict:
    """The verdict on one run."""
    if outcome.error is not None:
        return Verdict(Kind.FAIL, outcome.error, len(outcome.entries) - 1)
    trace = follow(outcome.entries, outcome.part.lines)
    if trace.wrong is not None:
        return Verdict(Kind.FAIL, trace.wrong, trace.at)
    report = outcome.report
    if report is None:
        verdict = _untold(outcome)
    elif report.phase is PrintPhase.COMPLETED:
        verdict = _completed(outcome, trace)
    else:
        verdict = _ended_early(outcome, report.phase, report.message or "")
    if verdict.kind is not Kind.FAIL and trace.exempt:
        return Verdict(Kind.EXEMPT, verdict.why)
    return verdict


def _untold(outcome: Outcome) -> Verdict:
    """The streamer died between the end and the word of it: its caller finds no print, and holds the job."""
    if not outcome.absences:
        return _fail("nothing was ever said about the print", outcome)
    return Verdict(Kind.TRUTHFUL, "untold")


def _fail(why: str, outcome: Outcome) -> Verdict:
    return Verdict(Kind.FAIL, why, outcome.entries_by_then)


def _completed(outcome: Outcome, trace: Trace) -> Verdict:
    missing = outcome.part.lines[trace.done :]
    if missing:
        return _fail(f"it said completed, and {len(missing)} lines did not run: {missing[0]!r} ...", outcome)
    behind = outcome.entries[trace.ends_at + 1 : outcome.entries_by_then]
    if not any(entry.line == "M400" or is_undetectable(entry) for entry in behind):
        return _fail("it said completed without M400 behind the last line", outcome)
    if not outcome.was_still:
        return _fail("it said completed while the machine moved", outcome)
    return Verdict(Kind.COMPLETE, "completed")


def _ended_early(outcome: Outcome, phase: PrintPhase, message: str) -> Verdict:
    if not phase.is_end and phase is not PrintPhase.HELD:
        return _fail(f"the last word is {phase.value}", outcome)
    if phase.is_end and (late := _ran_late(outcome)):
        return _fail(f"{late!r} ran behind the end", outcome)
    if (phase.is_end or "heaters are switched off" in message) and not outcome.is_cold:
        return _fail(f"it said {phase.value} ({message}), and the heaters stayed on", outcome)
    if phase is PrintPhase.HELD and not outcome.resolved_cold:
        return _fail("the held print was cancelled, and the heaters stayed on", outcome)
    if phase is PrintPhase.CANCELED:
        if not outcome.canceled:
            return _fail("it said canceled, and nobody had asked for it", outcome)
        return Verdict(Kind.TRUTHFUL, "canceled")
    return _reason(outcome, phase, message)


def _ran_late(outcome: Outcome) -> str | None:
    lines = set(outcome.part.lines)
    behind = outcome.entries[outcome.entries_by_then :]
    return next((entry.line for entry in behind if entry.event == "executed" and entry.line in lines), None)


def _reason(outcome: Outcome, phase: PrintPhase, message: str) -> Verdict:
    facts = Facts(outcome, Counter(entry.event for entry in outcome.entries), faults_struck(outcome))
    for reason in REASONS:
        if re.search(reason.words, message):
            if not reason.is_true(facts):
                return _fail(f"it said {phase.value}, and the reason is not true: {message}", outcome)
            kind = Kind.TRUTHFUL if reason.is_fate else Kind.GAVE_UP
            return Verdict(kind, f"{phase.value}: {reason.name}")
    return _fail(f"it said {phase.value} for a reason nobody knows: {message}", outcome)
