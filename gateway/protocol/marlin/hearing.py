"""What the firmware says, and what the link makes of it: answers, refusals, resets, last words.

The long way: `steady` takes the plain answers of a print, which are nearly all that comes.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.protocol.marlin.asking import Locator
from gateway.protocol.marlin.connection import Connection
from gateway.protocol.marlin.failures import FailureReason
from gateway.protocol.marlin.link_states import NUMBERED_PHASES, OPENING_PHASES, LinkPhase, Signal
from gateway.protocol.marlin.opening import Opening
from gateway.protocol.marlin.parsing import is_damaged_ok
from gateway.protocol.marlin.patience import Patience
from gateway.protocol.marlin.replies import (
    PLAIN_OK,
    Busy,
    Echo,
    ErrorLine,
    Fault,
    FirmwareError,
    Killed,
    NotSdPrinting,
    Ok,
    Other,
    Position,
    Reply,
    Resend,
    SdStatus,
    Start,
    Stopped,
    Temperature,
    Wait,
)
from gateway.protocol.marlin.silence import SETTLE_SECONDS, Silence
from gateway.protocol.marlin.window import Verdict

#: Resends for lines that were never sent (garbled digits) before the link gives up.
BEYOND_MAX = 8

_IDLE_CHATTER = (Position, SdStatus, NotSdPrinting, Wait)


class Hearing:
    """One link's ear. `resends`: the firmware's refusals of our lines so far."""

    def __init__(
        self, connection: Connection, patience: Patience, opening: Opening, silence: Silence, locator: Locator
    ) -> None:
        self.resends = 0
        self._connection = connection
        self._window = connection.window
        self._patience = patience
        self._opening = opening
        self._silence = silence
        self._locator = locator
        self._beyond = 0  # refusals, with no answer between them, that name lines which were never sent
        self._denied: int | None = None  # what the last Resend wanted that had been accepted before
        self._refused_after: int | None = None  # the last line accepted, of an Error whose Resend is to come

    def hear(self, reply: Reply, now: float) -> None:
        """Do what one reply asks for, and tell it as an event."""
        connection = self._connection
        if connection.failure is not None:
            return
        if connection.phase.is_locating and self._locator.hear(reply, now):
            self._opening.become_ready(is_numbered=True)
        if isinstance(reply, Ok):
            self._hear_ok(reply, now)
            return
        if not isinstance(reply, _IDLE_CHATTER) and getattr(reply, "is_waiting", True):
            self._silence.work_seen(now, is_chatter=isinstance(reply, Echo | Other))
        if isinstance(reply, Resend):
            self._hear_resend(reply.number, now)
        elif isinstance(reply, ErrorLine):
            self._refused_after = reply.last_line
            connection.last_words = reply.text
            self._opening.handshake.hear_error(reply.text)
        elif isinstance(reply, Start):
            self._hear_start(now)
        elif isinstance(reply, Wait):
            if self._silence.hear_wait(now):
                self.answered()
        elif isinstance(reply, Position):
            if connection.profile.ok_when == "taken":
                self._window.count_execution()
        elif isinstance(reply, Other):
            if is_damaged_ok(reply.text):
                self._silence.answer_damaged(now)
        else:
            self._hear_words(reply, now)
        if connection.failure is None:
            connection.events.put(reply)

    def _hear_ok(self, ok: Ok, now: float) -> None:
        connection, window = self._connection, self._window
        question = self._silence.answer_seen(now)
        connection.last_words = ""  # it went on behind them
        if ok.block_free is not None:
            window.learn(ok.block_free, ok.number)
        if ok.taken is not None and connection.profile.ok_when == "done":
            self._opening.handshake.ok_when_taken = True
            connection.profile = replace(connection.profile, ok_when="taken")
        phase = connection.phase
        if ok.temperatures is not None:
            connection.events.put(Temperature(ok.temperatures, is_waiting=False))
            if not connection.profile.temperature_in_ok:
                ok = PLAIN_OK
                self._opening.hear_temperature_in_ok()
        if phase is LinkPhase.IDENTIFYING or (phase is LinkPhase.NUMBERING and window.last == 0):
            self._opening.hear_ok(ok, now)
        elif not phase.is_locating and window.count_ok(ok):
            self.answered()
            if question is not None and (ok.temperatures or not connection.profile.temperature_in_ok):
                self._silence.answered_first(question, now)

    def answered(self) -> None:
        """A line was answered: what waited for that goes on."""
        connection, window = self._connection, self._window
        if not window.is_recovering:
            self._silence.settle_at = None
        if connection.phase is LinkPhase.STREAMING:
            self._opening.go_on()
            return
        self._beyond, self._denied = 0, None
        is_numbering = connection.phase is LinkPhase.NUMBERING
        if window.acked >= 1 if is_numbering else not window.is_recovering:
            connection.signal(Signal.ANSWERED)
            self._opening.go_on()

    def _hear_resend(self, number: int, now: float) -> None:
        connection = self._connection
        last, self._refused_after = self._refused_after, None
        if connection.phase is LinkPhase.NUMBERING:
            return  # the handshake's own timer numbers anew
        if connection.phase is LinkPhase.IDENTIFYING:
            self._opening.handshake.hear_refusal(now)
        if connection.phase not in NUMBERED_PHASES:
            return
        self.resends += 1
        if last is not None and last + 1 != number:
            self.judge(Verdict.BEYOND, now)  # the two lines contradict each other: one was garbled
        else:
            verdict = self._window.count_resend(number)
            if verdict is Verdict.CONTRADICTED and self._may_be_garbled(number):
                verdict = Verdict.BEYOND
            self.judge(verdict, now)

    def judge(self, verdict: Verdict, now: float) -> None:
        """Do what the window made of a refusal."""
        connection = self._connection
        if verdict is Verdict.REWOUND:
            self._silence.settle_at = None
            self._patience.answer_seen(now)
            connection.signal(Signal.REFUSED)
        elif verdict is Verdict.REPEATED:
            if self._silence.settle_at is None:  # Repetier repeats a Resend until it is obeyed
                self._silence.settle_at = now + SETTLE_SECONDS
        elif verdict is Verdict.CONTRADICTED and not connection.is_ready:
            self._opening.number_again(now)
        elif verdict is Verdict.CONTRADICTED:
            self._fail(FailureReason.POSITION_LOST)
        elif verdict is Verdict.REFUSED:
            self._fail(FailureReason.LINE_REFUSED)
        elif verdict is Verdict.NOTHING_MISSING and connection.is_saving:
            self._silence.all_accepted(now)
        elif verdict is Verdict.BEYOND:
            self._beyond += 1
            if self._beyond > BEYOND_MAX:
                self._fail(FailureReason.NUMBERS_DISAGREE)

    def _may_be_garbled(self, number: int) -> bool:
        """Whether a Resend denies what was accepted, once, where firmware repeats what it means."""
        before, self._denied = self._denied, number
        return self._connection.profile.ok_when == "taken" and before != number

    def _hear_start(self, now: float) -> None:
        if self._connection.phase in (LinkPhase.HALTED, *OPENING_PHASES):
            self._opening.board_started(now)
        else:
            self._connection.fail(FailureReason.RESTARTED, "start")

    def _hear_words(self, reply: Reply, now: float) -> None:
        connection = self._connection
        if connection.phase is LinkPhase.HALTED:
            return  # the last words of a board that is known to have stopped
        handshake = self._opening.handshake
        if isinstance(reply, Fault):
            connection.fail(FailureReason.THERMAL, reply.text)
        elif isinstance(reply, Killed):
            words = f"{connection.last_words}; {reply.text}" if connection.last_words else reply.text
            connection.fail(FailureReason.KILLED, words)
        elif isinstance(reply, Stopped):
            connection.fail(FailureReason.STOPPED, reply.text)
        elif isinstance(reply, FirmwareError | Echo):
            connection.last_words = reply.text
        elif isinstance(reply, Busy):
            self._patience.has_keepalive = True
            handshake.hear_busy(now)
        elif isinstance(reply, Temperature) and reply.is_waiting:
            handshake.hear_busy(now)  # M109 and M190 say this instead
        if connection.phase is LinkPhase.IDENTIFYING:
            handshake.hear(reply)

    def _fail(self, reason: FailureReason) -> None:
        self._connection.fail(reason, self._connection.last_words)
