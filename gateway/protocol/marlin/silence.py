"""What the link does when answers stay out: it asks, by the next numbered line; it never repeats one.

A firmware that has a line already answers its repetition with nothing at all, so repeating proves nothing.
The next number does: a line that was lost is asked for (`Resend:`), and when only the answer was lost, the
answer to the question proves everything before it.

Between M28 and M29 the firmware would write that question into the file. It is asked by a line numbered far
beyond instead, which is refused while it is read, and the refusal names the line that it wants next.
"""

from __future__ import annotations

from gateway.protocol.marlin import asking
from gateway.protocol.marlin.connection import Connection
from gateway.protocol.marlin.failures import FailureReason
from gateway.protocol.marlin.link_states import NUMBERED_PHASES, LinkPhase, Signal
from gateway.protocol.marlin.patience import Hurry, Patience
from gateway.protocol.marlin.window import Verdict

#: Seconds from the first echo of a Resend to the conclusion that the line was refused once more.
#: A round trip over USB takes 5 ms, a loaded host delays it by some tens of milliseconds.
SETTLE_SECONDS = 0.5
#: Seconds of idleness a `wait` must contradict before it counts as a sign of a lost ok.
WAIT_SECONDS = 0.5
#: Questions to a firmware that goes on saying `wait` and answers none of them.
IDLE_QUESTIONS_MAX = 60
#: Seconds from one marker's answer to the next one's with nothing in between: both are answered as soon as
#: they are read, a display that is being drawn delays that by a tenth of a second.
NEXT_ANSWER_SECONDS = 0.25
#: Bytes of a question: `N1234567 M105*99` and its newline.
_QUESTION_BYTES = 18
#: Seconds of narrower streaming that one lost ok may cost, counted in whole lines' worth.
LOST_OK_SECONDS = 0.2
#: Lines from one marker to the next at least: they add no more than 3 % to what goes over the wire.
MARKER_LINES = 32


class Silence:
    """The timers of a link that has lines in flight."""

    def __init__(self, connection: Connection, patience: Patience) -> None:
        self.questions_asked = 0
        self.settle_at: float | None = None
        self._link = connection
        self._patience = patience
        self._probe_number: int | None = None  # of the question asked last, until anything answers
        self._credit: tuple[float, int] | None = None  # when to believe that this question was answered
        self._questions: set[int] = set()  # numbers of questions still in flight
        self._suspect: int | None = None  # number given last when an answer could not be read
        self._vouched: tuple[float, int, int] | None = None  # when to believe it; `acked`, `sent` of then

    @property
    def is_calm(self) -> bool:
        """Whether no question is under way and nothing asks for one."""
        return (
            self._probe_number is None
            and self._credit is None
            and self._suspect is None
            and self.settle_at is None
        )

    # -- signs --------------------------------------------------------------------------------------------

    def work_seen(self, now: float, *, is_chatter: bool) -> None:
        """A sign of work that answers nothing."""
        self._patience.work_seen(now, is_chatter=is_chatter)
        self._probe_number = self._credit = None

    def answer_seen(self, now: float) -> int | None:
        """An ok. Returns the number of the question that was still unanswered, if any."""
        self._patience.answer_seen(now)
        probe, self._probe_number, self._credit = self._probe_number, None, None
        return probe

    def answer_damaged(self, now: float) -> None:
        """Something came that was an ok once: it answered a line, and nobody knows which."""
        window = self._link.window
        if window.in_flight and self._suspect is None:
            self._suspect = window.last
            self._patience.reason_seen(now)

    def answered_first(self, question: int, now: float) -> None:
        """A question was asked into silence, and an ok of its kind is the first thing heard.

        The answer to something older, come late? Then more follows, or a `busy`. If not: its own.
        """
        link = self._link
        if link.window.acked >= question:
            return
        if link.window.awaits_only_markers or self._only_questions_fly():
            self._credit = (now + NEXT_ANSWER_SECONDS, question)
        elif self._patience.has_keepalive:
            self._credit = (now + link.profile.probe_after, question)

    def all_accepted(self, now: float) -> None:
        """While a file is saved: the firmware wants the next line, so it has all that were sent.

        It writes them in milliseconds: if their oks do not come now, they were lost.
        """
        window = self._link.window
        self._vouched = (now + NEXT_ANSWER_SECONDS, window.acked, window.sent)

    def hear_wait(self, now: float) -> bool:
        """The firmware is idle: if lines are in flight, their oks are lost, or they are. True: as `ask`."""
        link, patience = self._link, self._patience
        is_late = now - max(patience.worked_at, patience.asked_at) > WAIT_SECONDS
        if link.phase not in NUMBERED_PHASES or not link.window.in_flight or not is_late:
            return False
        if patience.probed < IDLE_QUESTIONS_MAX:
            return self.ask(now, Hurry.FULL)
        link.fail(FailureReason.WENT_SILENT, "wait")
        return False

    @property
    def marker_seconds(self) -> float | None:
        """Seconds from one marker to the next while lines stream; None: there is no need of them.

        An ok that was lost makes a window of n lines one line narrower until the next marker: with one marker
        in 0.2 n seconds that costs 0.2 s at most. Where oks name their lines nothing is ever lost for long.
        """
        link = self._link
        window = link.window
        if window.lines == 1 or window.names_lines or not link.profile.temperature_in_ok:
            return None
        return LOST_OK_SECONDS * window.lines

    def wants_marker(self, age: float) -> bool:
        """Whether a marker between the lines would do good, the last one being `age` seconds old."""
        seconds = self.marker_seconds
        if seconds is None:
            return False
        if self._suspect is not None:
            return self._suspect_remains()
        return age >= seconds and self._link.window.lines_behind_marker >= MARKER_LINES

    # -- time ---------------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        """When `due` wants to be called; None: nothing is waited for."""
        if self._link.window.in_flight == 0:
            return None
        due = self._patience.due(self._hurry())
        if self._credit is not None:
            due = min(due, self._credit[0])
        if self._vouched is not None:
            due = min(due, self._vouched[0])
        return due if self.settle_at is None else min(due, self.settle_at)

    def due(self, now: float) -> Verdict | bool:
        """The time has come: a verdict on Resends that were echoed, or whether lines count as answered."""
        window, patience, hurry = self._link.window, self._patience, self._hurry()
        if now >= patience.ends_at():
            self._link.fail(FailureReason.WENT_SILENT, self._link.last_words)
        elif self.settle_at is not None and now >= self.settle_at:
            self.settle_at = None
            return window.settle()
        elif self._credit is not None and now >= self._credit[0]:
            _, number = self._credit
            self._credit = None
            return window.count_probe_answer(number)
        elif self._vouched is not None and now >= self._vouched[0]:
            _, acked, sent = self._vouched
            self._vouched = None
            return window.acked == acked and window.count_accepted(sent)
        elif now >= patience.due(hurry):
            if hurry is Hurry.REASON and window.pass_lost_marker():
                self._suspect = window.last  # a new marker will tell whether that was right
                return True
            return self.ask(now, hurry)
        return False

    def ask(self, now: float, hurry: Hurry) -> bool:
        """Ask what became of the lines in flight. True: they were only questions, and are given up."""
        link = self._link
        window = link.window
        self._patience.asked(now, hurry)
        self.questions_asked += 1
        self.settle_at = self._suspect = None
        if link.phase is LinkPhase.ASKING:
            window.forget_bare()
            return False
        if link.is_mute:
            return False
        if link.is_saving:
            link.out.append(asking.question())
            return False
        if window.forgive(self._questions):
            self._questions.clear()
            return True
        link.signal(Signal.SILENCE)
        # A line that has its number already goes first; alone it proves nothing, so the question follows.
        is_askable = window.unsent == 0 or (window.unsent == 1 and not window.is_recovering)
        window.allow(window.unsent + 1 if is_askable else 1)
        if is_askable:
            self._probe_number = link.submit("M105")
            self._questions = {number for number in self._questions if number > window.acked}
            self._questions.add(self._probe_number)
        return False

    # -- what there is to go by ---------------------------------------------------------------------------

    def _hurry(self) -> Hurry:
        link = self._link
        window = link.window
        if link.phase not in NUMBERED_PHASES:
            return Hurry.FULL
        if link.is_saving:
            return Hurry.ROOM
        has_room = window.has_room_for(_QUESTION_BYTES) and not window.unsent
        if window.stray or self._suspect_remains():
            return Hurry.REASON
        if has_room and window.awaits_only_markers and not self._only_questions_fly():
            return Hurry.MARKER
        is_single = window.lines == 1 or window.is_recovering
        return Hurry.ROOM if has_room or is_single else Hurry.FULL

    def _suspect_remains(self) -> bool:
        """Whether no marker has been handed over since an answer could not be read."""
        window = self._link.window
        if self._suspect is not None and window.lines_behind_marker < window.last - self._suspect:
            self._suspect = None
        return self._suspect is not None

    def _only_questions_fly(self) -> bool:
        window = self._link.window
        return all(number in self._questions for number in range(window.acked + 1, window.sent + 1))
