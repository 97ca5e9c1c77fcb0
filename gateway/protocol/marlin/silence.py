"""What the link does when answers stay out: it asks, by the next numbered line; it never repeats one.

A firmware that has a line already answers its repetition with nothing at all, so repeating proves nothing.
The next number does: a line that was lost is asked for (`Resend:`), and when only the answer was lost, the
answer to the question proves everything before it.
"""

from __future__ import annotations

from gateway.protocol.marlin.connection import Connection
from gateway.protocol.marlin.failures import FailureReason
from gateway.protocol.marlin.link_states import NUMBERED_PHASES, LinkPhase, Signal
from gateway.protocol.marlin.patience import Patience
from gateway.protocol.marlin.window import Verdict

#: Seconds from the last echo of a Resend to the conclusion that the second try was refused as well.
#: A round trip over USB takes 5 ms, a loaded host delays it by some tens of milliseconds.
SETTLE_SECONDS = 0.5
#: Seconds of idleness a `wait` must contradict before it counts as a sign of a lost ok.
WAIT_SECONDS = 0.5
#: Questions to a firmware that goes on saying `wait` and answers none of them.
IDLE_QUESTIONS_MAX = 60


class Silence:
    """The timers of a link that has lines in flight."""

    def __init__(self, connection: Connection, patience: Patience, now: float) -> None:
        self.questions_asked = 0
        self.settle_at: float | None = None
        self._link = connection
        self._patience = patience
        self._probe_number: int | None = None  # of the question asked last, until anything answers
        self._credit: tuple[float, int] | None = None  # when to believe that this question was answered
        self._questions: set[int] = set()  # numbers of questions still in flight
        self._asked_at = now

    @property
    def deadline(self) -> float | None:
        """When `due` wants to be called; None: nothing is waited for."""
        if self._link.window.in_flight == 0:
            return None
        due = self._patience.due()
        if self._credit is not None:
            due = min(due, self._credit[0])
        return due if self.settle_at is None else min(due, self.settle_at)

    def due(self, now: float) -> Verdict | bool:
        """The time has come: a verdict on Resends that were echoed, or whether lines count as answered."""
        if now >= self._patience.ends_at():
            self._link.fail(FailureReason.WENT_SILENT, self._link.last_words)
        elif self.settle_at is not None and now >= self.settle_at:
            self.settle_at = None
            return self._link.window.settle()
        elif self._credit is not None and now >= self._credit[0]:
            _, number = self._credit
            self._credit = None
            return self._link.window.count_probe_answer(number)
        elif now >= self._patience.due():
            self.ask(now)
        return False

    def work_seen(self, now: float) -> int | None:
        """A sign of work. Returns the number of the question that was still unanswered, if any."""
        self._patience.work_seen(now)
        probe, self._probe_number, self._credit = self._probe_number, None, None
        return probe

    def answered_first(self, question: int, now: float) -> None:
        """A marker's answer is the first thing heard after this question.

        The answer to an older one, come late? Then more follows, or a `busy`. If not: its own.
        """
        if self._patience.has_keepalive:
            self._credit = (now + self._link.profile.probe_after, question)

    def hear_wait(self, now: float) -> None:
        """The firmware is idle: if lines are in flight, their oks are lost, or they are."""
        link = self._link
        is_late = now - max(self._patience.worked_at, self._asked_at) > WAIT_SECONDS
        if link.phase not in NUMBERED_PHASES or not link.window.in_flight or not is_late:
            return
        if self._patience.probed < IDLE_QUESTIONS_MAX:
            self.ask(now)
        else:
            link.fail(FailureReason.WENT_SILENT, "wait")

    def ask(self, now: float) -> None:
        """Ask what became of the lines in flight."""
        link = self._link
        self._patience.probed += 1
        self.questions_asked += 1
        self._asked_at = now
        self.settle_at = None
        if link.phase is LinkPhase.ASKING:
            link.window.forget_bare()
            return
        if link.window.forgive(self._questions):
            self._questions.clear()
            link.signal(Signal.ANSWERED)
            return
        link.signal(Signal.SILENCE)
        link.window.allow_one_more()
        if link.window.unsent == 0:
            self._probe_number = link.submit("M105")
            self._questions = {number for number in self._questions if number > link.window.acked}
            self._questions.add(self._probe_number)
