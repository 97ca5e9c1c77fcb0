"""The question for the position: which line did the firmware accept last? Sans-I/O helper of the link.

It is a line numbered far beyond everything, with a newline in front that ends whatever half line a death left
in the receive buffer. A firmware that counts lines refuses it while it *reads* it, hence even while it homes
or heats, as long as its command ring has a free slot:

    Error:Line Number is not Last Line Number+1, Last Line: 56
    Resend: 57
    ok

What is believed is two such answers in a row that say the same, to two questions, with quiet behind each:

* both lines of an answer must agree; one alone, or a garbled one, only leads to the next question;
* half a line that our newline ended is refused with the same words, which are just as true;
* the refusal drops the receive buffer, so one question may vanish: it is asked again after a silence;
* `busy` and heating reports mean that the answer comes later: asking on would only fill that buffer.

Nothing of a former host's is under way by then: M115 was answered before, and it was answered in its turn.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from gateway.protocol.marlin import framing
from gateway.protocol.marlin.link_events import LinkEvent, LinkNotReady, PositionTold, PositionUnknown
from gateway.protocol.marlin.link_states import Signal
from gateway.protocol.marlin.replies import Busy, ErrorLine, Ok, Reply, Resend, Temperature
from gateway.protocol.marlin.window import SendWindow

#: No print has so many lines, and firmware counts in 32 bits.
FAR_NUMBER = 999_999_999
#: Seconds of quiet behind an answer: echoes of one refusal come within tens of milliseconds.
QUIET_SECONDS = 0.2
#: Seconds behind a question in which refusals are taken for its answer. Repetier says a Resend that was not
#: obeyed again every 0.2 s, for ever: there is no quiet to wait for.
ANSWER_SECONDS = 3.0
#: Seconds to the next question into a silence. All of them fit the receive buffer (128 bytes) at once, should
#: the firmware not read: four times 21 bytes. Their sum is the longest silent work (mesh levelling).
SILENCES = (3.0, 9.0, 27.0, 81.0)
#: Questions altogether; noise that spoils every second one leaves more than enough pairs.
QUESTIONS_MAX = 24
#: Seconds that one sign of work buys: keepalive repeats it every two, heating every one.
WORK_SECONDS = 3.0
#: Seconds for the answer to the M105 that proves the number, and how many of them are tried.
PROVE_SECONDS = 3.0
PROOFS_MAX = 5
#: Questions that ran as if they had no number before the firmware counts as one that ignores them.
RAN_MAX = 2

IGNORES_NUMBERS = "its firmware ignores line numbers, so it cannot tell which line it has"
TOLD_NOTHING = "it did not tell which line it has"


def question(number: int = FAR_NUMBER) -> bytes:
    """The question as it goes out: M105, because a firmware that ignores numbers will run it."""
    return b"\n" + framing.numbered(number, "M105")


def far_from(line: int) -> int:
    """A number as far from `line` as can be, for firmware that compares 16 bits of it (Repetier)."""
    return (FAR_NUMBER - 0x20000 & ~0xFFFF) + (line + 0x8000 & 0xFFFF)


class Step(Enum):
    """What is to be done when the time has come."""

    WAIT = auto()
    ASK = auto()
    TOLD = auto()
    GIVE_UP = auto()


class PositionQuestion:
    """Asks until two answers agree. `deadline` is when `due` wants to be called."""

    def __init__(self, now: float, *, repeats: bool = False) -> None:
        """`repeats`: the firmware says its Resend again and again, without the error, until it is obeyed."""
        self.deadline = now
        self._repeats = repeats
        self.last_line = 0  # what was answered last
        self._asked_at = now
        self._agreeing = 0
        self._is_answered = False
        self._refused_after: int | None = None
        self._questions = 0
        self._silences = 0

    def due(self, now: float) -> Step:
        """What to do at `now`."""
        if now < self.deadline:
            return Step.WAIT
        if self._is_answered and self._agreeing >= 2:
            return Step.TOLD
        if self._questions >= QUESTIONS_MAX or self._silences >= len(SILENCES):
            return Step.GIVE_UP
        return Step.ASK

    def asked(self, now: float) -> None:
        """The question went out."""
        self._asked_at = now
        self.deadline = now + SILENCES[self._silences]
        self._questions += 1
        self._silences += 1
        self._is_answered = False
        self._refused_after = None

    def hear_error(self, last_line: int | None) -> None:
        """`Error:... Last Line: n`; the Resend that belongs to it follows."""
        self._refused_after = last_line

    def hear_resend(self, number: int, now: float) -> None:
        """`Resend: n + 1`: with the error before it, an answer."""
        last, self._refused_after = self._refused_after, None
        self.deadline = min(now + QUIET_SECONDS, max(now, self._asked_at + ANSWER_SECONDS))
        self._silences = 0
        if last is None and self._repeats:
            last = number - 1
        if last is None or last + 1 != number:
            self._is_answered, self._agreeing = False, 0
        elif self._is_answered:
            if last != self.last_line:  # two refusals behind one question that do not agree
                self._agreeing = 0
        else:
            self._is_answered = True
            self._agreeing = self._agreeing + 1 if last == self.last_line and self._agreeing else 1
            self.last_line = last

    def hear_work(self, now: float) -> None:
        """The firmware is at something: it reads, or will read, what it was asked."""
        if not self._is_answered:
            self._silences = min(self._silences, 1)
            self.deadline = max(self.deadline, now + WORK_SECONDS)


class Locator:
    """The link's LOCATING and PROVING phases: asks, tells the driver, proves what the driver took."""

    def __init__(
        self, window: SendWindow, signal: Callable[[Signal], None], tell: Callable[[LinkEvent], None]
    ) -> None:
        """`signal` moves the link's state machine, `tell` is for the driver."""
        self._window = window
        self._signal = signal
        self._tell = tell
        self._question = PositionQuestion(0.0)
        self.repeats = False  # see PositionQuestion
        self._far = FAR_NUMBER
        self._is_told = False
        self._prove_at: float | None = None
        self._proofs = 0
        self._ran = 0

    # -- what the driver decides --------------------------------------------------------------------------

    def start(self, now: float, *, near: int = 0, repeats: bool = False) -> None:
        """Ask which line the firmware has, the link being ASKING: PositionTold or PositionUnknown follows.

        `near`: where the answer is expected. `repeats`: as for PositionQuestion.
        """
        self._window.forget_bare()
        self.repeats = repeats
        self._far = far_from(near) if repeats else FAR_NUMBER
        self._signal(Signal.POSITION_WANTED)
        self._ask_anew(now)

    def go_on(self, now: float) -> int:
        """Behind PositionTold: the number that an M105 gets now; LinkReady follows when it is answered."""
        if not self.is_told:
            raise LinkNotReady("the firmware has not told its line")
        self._signal(Signal.POSITION_TAKEN)
        self._proofs += 1
        self._prove_at = now + PROVE_SECONDS
        last_line = self._question.last_line
        self._window.restart(last_line)
        return self._window.append(framing.numbered(last_line + 1, "M105"))

    def stop(self) -> None:
        """The print will not go on by itself; somebody must decide what becomes of it."""
        self._is_told, self._prove_at = False, None
        self._signal(Signal.POSITION_UNKNOWN)

    @property
    def is_told(self) -> bool:
        """Whether the link waits for `go_on` or `stop`."""
        return self._is_told and self._prove_at is None

    # -- what the link hands on ---------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        """When `due` wants to be called; None: it is the driver's turn."""
        if self._prove_at is not None:
            return self._prove_at
        return None if self._is_told else self._question.deadline

    def due(self, now: float) -> bytes:
        """The time has come: bytes to send, if any."""
        if self._prove_at is not None:
            self._not_proven(Signal.SILENCE, now)
            return b""
        step = self._question.due(now)
        if step is Step.ASK:
            self._question.asked(now)
            return question(self._far)
        if step is Step.TOLD:
            self._is_told = True
            self._tell(PositionTold(self._question.last_line))
        elif step is Step.GIVE_UP:
            self._unknown(TOLD_NOTHING)
        return b""

    def hear(self, reply: Reply, now: float) -> bool:
        """Anything the firmware says meanwhile. True: the number is proven, the link may stream."""
        if isinstance(reply, Busy) or (isinstance(reply, Temperature) and reply.is_waiting):
            self._question.hear_work(now)
            if self._prove_at is not None:
                self._prove_at = max(self._prove_at, now + WORK_SECONDS)
        elif self._prove_at is not None:
            return self._hear_proof(reply, now)
        elif isinstance(reply, ErrorLine):
            self._question.hear_error(reply.last_line)
        elif isinstance(reply, Resend):
            self._ran = 0  # a firmware that ignores numbers refuses none
            self._question.hear_resend(reply.number, now)
        elif isinstance(reply, Ok) and reply.temperatures is not None:
            self._ran += 1
            if self._ran >= RAN_MAX:
                self._unknown(IGNORES_NUMBERS)
        return False

    def _hear_proof(self, reply: Reply, now: float) -> bool:
        number = self._window.last
        if isinstance(reply, Resend) and self.repeats and reply.number == number:
            return False  # said before it was obeyed
        if isinstance(reply, Resend | ErrorLine):
            self._not_proven(Signal.REFUSED, now)
        elif isinstance(reply, Ok) and (
            reply.temperatures is not None or number in (reply.number, reply.taken)
        ):
            self._window.restart(number)
            self._is_told, self._prove_at = False, None
            self._signal(Signal.ANSWERED)
            return True
        return False

    def _not_proven(self, signal: Signal, now: float) -> None:
        self._signal(signal)
        if self._proofs >= PROOFS_MAX:
            self._unknown(TOLD_NOTHING)
        else:
            self._ask_anew(now)

    def _ask_anew(self, now: float) -> None:
        self._question = PositionQuestion(now, repeats=self.repeats)
        self._is_told, self._prove_at = False, None

    def _unknown(self, why: str) -> None:
        self.stop()
        self._tell(PositionUnknown(why))
