"""The link: bytes and time in; bytes, events and one deadline out. No I/O, no clock, no asyncio.

Usage, by whoever owns the port:

    link = Link(now)
    port.write(link.to_send(now))            after every call that may have changed something
    link.receive(data, now)                  when bytes came in
    link.handle_timer(now)                   when `link.deadline()` has passed
    while event := link.next_event(): ...    LinkReady, LinkFailed, or what the firmware said

One link lives one connection; after LinkFailed build another. `link_states` tells its life, `window` what an
ok is worth, `opening` how it begins, `silence` what happens when answers stay out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.protocol.marlin import framing
from gateway.protocol.marlin.asking import Locator
from gateway.protocol.marlin.connection import Connection
from gateway.protocol.marlin.failures import FailureReason
from gateway.protocol.marlin.incoming import LineReader
from gateway.protocol.marlin.link_events import LinkEvent, LinkFailed, LinkNotReady
from gateway.protocol.marlin.link_states import NUMBERED_PHASES, LinkPhase, Signal
from gateway.protocol.marlin.opening import Opening
from gateway.protocol.marlin.parsing import is_damaged_ok, parse_reply
from gateway.protocol.marlin.patience import Patience
from gateway.protocol.marlin.profile import Profile, profile_named
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
from gateway.protocol.marlin.steady import Steady
from gateway.protocol.marlin.window import Verdict

#: Resends for lines that were never sent (garbled digits) before the link gives up.
BEYOND_MAX = 8

#: Seconds without a sign of work to the next question for a proof; keepalive is repeated every two.
PROOF_SECONDS = 5.0

_QUESTIONS = frozenset({"M105", "M115"})  # asked un-numbered too
_IDLE_CHATTER = (Position, SdStatus, NotSdPrinting, Wait)
_OPENING = (LinkPhase.IDENTIFYING, LinkPhase.NUMBERING)


class Link:
    """One connection to one Marlin-like firmware."""

    def __init__(
        self,
        now: float,
        *,
        profile: Profile | None = None,
        may_number: bool = True,
        is_halted: bool = False,
        may_be_saving: bool = False,
        report_seconds: int = 2,
    ) -> None:
        """`may_number=False`: a print is unfinished on the machine, its line number must not be touched.

        `is_halted`: the board was killed; send nothing until it boots. `may_be_saving`: a former host may
        have left a file open (M28): it is closed before anything else is asked. `report_seconds`: period of
        the reports asked of the firmware. `profile` overrides the choice by FIRMWARE_NAME.
        """
        self.resends = 0
        phase = LinkPhase.HALTED if is_halted else LinkPhase.IDENTIFYING
        self._connection = Connection(phase, profile or profile_named("unknown"))
        self._window = self._connection.window
        self._reader = LineReader()
        self._patience = Patience(self._connection.profile, now)
        self._opening = Opening(
            self._connection,
            self._patience,
            now,
            override=profile,
            may_number=may_number,
            may_be_saving=may_be_saving,
            report_seconds=report_seconds,
        )
        self._silence = Silence(self._connection, self._patience)
        self._steady = Steady(self._connection, self._reader, self._patience, self._silence)
        self.locator = Locator(self._window, self._connection.signal, self._connection.events.put)
        self._beyond = 0
        self._denied: int | None = None
        self._refused_after: int | None = None

    # -- what is known ------------------------------------------------------------------------------------

    @property
    def phase(self) -> LinkPhase:
        """Where the connection stands."""
        return self._connection.phase

    @property
    def failure(self) -> LinkFailed | None:
        """Why the connection is over; None while it lives."""
        return self._connection.failure

    @property
    def probes(self) -> int:
        """Questions asked into silence."""
        return self._silence.questions_asked

    @property
    def profile(self) -> Profile:
        """The firmware's profile; `unknown` until it has named itself."""
        return self._connection.profile

    @property
    def heard_at(self) -> float | None:
        """Time of the last byte received."""
        return self._patience.heard_at

    @property
    def acked(self) -> int:
        """Number of the last line counted as answered. Proof is only what a marker or `ok N` says."""
        return self._window.acked

    @property
    def proven(self) -> int:
        """Number of the last line the firmware itself has proven to have accepted."""
        return self._window.proven

    def is_done(self, number: int) -> bool:
        """Whether an answer of its own says that line `number`, the last one of `profile.proof`, was done.

        `acked` alone may have run ahead by oks that came twice. Where answers have nothing of their own
        there is only the count.
        """
        window = self._window
        if window.names_lines or self.profile.temperature_in_ok or self.profile.ok_when == "taken":
            return window.done >= number
        return window.acked >= number

    def wants_proof(self, now: float) -> bool:
        """Whether to ask again for a proof whose question was answered, and which did not come.

        Where oks tell that a line was done there is nothing to wait for. Else it may be at moves for long.
        """
        return self.profile.ok_when == "done" or now - self._patience.worked_at >= PROOF_SECONDS

    @property
    def last_number(self) -> int:
        """The number given last."""
        return self._window.last

    def has_sent(self, text: str) -> bool:
        """Whether `text` is (the beginning of) a line of ours, as the firmware repeats an unknown one."""
        return text in _QUESTIONS or framing.is_emergency(text) or self._window.has_sent(text)

    @property
    def is_idle(self) -> bool:
        """Whether everything handed over has been answered."""
        return self._connection.is_idle

    @property
    def is_ready(self) -> bool:
        """Whether LinkReady has been said and the link has not failed."""
        return self._connection.is_ready and self._connection.failure is None

    @property
    def was_ready(self) -> bool:
        """Whether LinkReady was ever said."""
        return self._connection.is_ready

    @property
    def is_saving(self) -> bool:
        """Whether the firmware may be writing lines to a file: from before M28 to behind M29."""
        return self._connection.is_saving

    @is_saving.setter
    def is_saving(self, is_saving: bool) -> None:
        self._connection.is_saving = is_saving

    @property
    def wants_line(self) -> bool:
        """Whether a line handed over now would go out soon: no more than one ever waits for room."""
        if not self._takes_lines:
            return False
        lines, space = self._window.room()
        return lines > 0 and space > 0

    @property
    def _takes_lines(self) -> bool:
        connection = self._connection
        phase = connection.phase
        return connection.is_ready and (phase is LinkPhase.STREAMING or phase in NUMBERED_PHASES)

    @property
    def marker_seconds(self) -> float | None:
        """Seconds from one numbered M105 between the lines to the next; None: none are needed."""
        return self._silence.marker_seconds

    def wants_marker(self, age: float) -> bool:
        """Whether a numbered M105 between the lines is due, the last one being `age` seconds old."""
        return self._silence.wants_marker(age)

    # -- orders -------------------------------------------------------------------------------------------

    def submit(self, text: str) -> int:
        """Hand over one line; returns its number. Raises LineNotSendable, LinkNotReady before its time."""
        return self._connection.submit(text)

    def hand_over(self, lines: Sequence[tuple[bytes, int, int]], at: int) -> int:
        """Hand over the lines from index `at` on that have room now, while `wants_line`; how many they are.

        Each begins with its text. Raises LineNotSendable when the first of them cannot be sent.
        """
        return self._steady.hand_over(lines, at) if self._takes_lines else 0

    def ask(self, text: str) -> None:
        """Send an un-numbered question (M105) while the line number must not be touched."""
        if self.phase is not LinkPhase.ASKING:
            raise LinkNotReady(f"the link is {self.phase.name.lower()}")
        profile = self.profile
        needs_checksum = self._opening.handshake.needs_checksum
        frame = framing.checked(text) if needs_checksum else framing.bare(text, line_chars=profile.line_chars)
        self._window.append_bare(frame, is_marker=profile.temperature_in_ok and text == "M105")
        self._connection.out.append(frame)

    def send_emergency(self, command: str, *, is_checked: bool = False) -> None:
        """M112, M108, M410 or `M876 S<0-9>`: bare and at once. Works in every phase but FAILED.

        `is_checked`: with a checksum, for firmware that refuses it without one.

        M876 answers the firmware's prompt: button n, from 0, in the order of its `prompt_button` lines.
        """
        if not framing.is_emergency(command):
            raise ValueError(f"{command!r} is no emergency command")
        frame = framing.checked(command) if is_checked else framing.bare(command)
        self._window.append_bare(frame)
        self._connection.out.insert(0, frame)

    def stop_saving(self) -> None:
        """The emergency stop where a file may be open: M29 in front of an M112, and no line of ours any more.

        With M28 open an M112 is refused, or written to the file, whatever the firmware has of a parser for
        it (queue.cpp, cardreader.cpp). It may be read before the M29 was executed: send it again then.
        """
        connection = self._connection
        connection.is_mute = True
        frames = [framing.bare("M29"), framing.bare("M112")]
        for frame in frames:
            self._window.append_bare(frame)
        connection.out = frames

    def begin_numbering(self, now: float) -> None:
        """Give up the firmware's line number: the unfinished print will not be continued."""
        if self.phase is LinkPhase.ASKING or self.phase.is_locating:
            self._connection.is_ready = False
            self._connection.signal(Signal.NUMBERING_WANTED)
            self._opening.number(now)

    # -- the five verbs -----------------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> bool:
        """Take bytes in pieces of any size. Never raises for what they hold.

        True: they were answers to lines and nothing else; no event, and no new deadline but a later one.
        """
        if self.failure is not None or not data:
            return False
        self._patience.heard_at = now
        if self._steady.count(data, now):
            return not self._window.awaits_marker
        for line in self._reader.feed(data):
            self._hear(parse_reply(line), now)
        if self.failure is not None:
            self._reader.forget()
        return False

    def to_send(self, now: float) -> bytes:
        """The bytes to hand to the port now; each is returned once."""
        connection, window = self._connection, self._window
        phase = connection.phase
        if (
            window.sent < window.last
            and not connection.is_mute
            and (phase is LinkPhase.STREAMING or phase.is_sending)
        ):
            was_idle = window.sent == window.acked and window.in_flight == 0
            frames = window.frames_to_send()
            if frames:
                if was_idle:
                    self._patience.answer_seen(now)
                connection.out += frames
        if not connection.out:
            return b""
        out, connection.out = connection.out, []
        return b"".join(out)

    def deadline(self) -> float | None:
        """When `handle_timer` wants to be called; None: not before something else happens."""
        phase = self.phase
        if phase in (LinkPhase.FAILED, LinkPhase.HALTED):
            return None
        if phase in _OPENING:
            return self._opening.deadline
        return self.locator.deadline if phase.is_locating else self._silence.deadline

    def handle_timer(self, now: float) -> None:
        """Do what is due at `now`; harmless when nothing is."""
        due = self.deadline()
        if due is None or now < due:
            return
        if self.phase in _OPENING:
            self._opening.due(now)
        elif self.phase.is_locating:
            self._connection.out.append(self.locator.due(now))
        else:
            outcome = self._silence.due(now)
            if isinstance(outcome, Verdict):
                self._judge(outcome, now)
            elif outcome:
                self._answered()

    def next_event(self) -> LinkEvent | None:
        """The next thing that happened, oldest first."""
        return self._connection.events.take()

    # -- incoming -----------------------------------------------------------------------------------------

    def _hear(self, reply: Reply, now: float) -> None:
        connection = self._connection
        if connection.failure is not None:
            return
        if connection.phase.is_locating and self.locator.hear(reply, now):
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
                self._answered()
        elif isinstance(reply, Position):
            if connection.profile.ok_when == "taken":
                self._window.count_execution()
        elif isinstance(reply, Other):
            if is_damaged_ok(reply.text):
                self._silence.answer_damaged(now)
        else:
            self._hear_words(reply, now)
        if self.failure is None:
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
            self._answered()
            if question is not None and (ok.temperatures or not connection.profile.temperature_in_ok):
                self._silence.answered_first(question, now)

    def _answered(self) -> None:
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
        last, self._refused_after = self._refused_after, None
        if self.phase is LinkPhase.NUMBERING:
            return  # the handshake's own timer numbers anew
        if self.phase is LinkPhase.IDENTIFYING:
            self._opening.handshake.hear_refusal(now)
        if self.phase not in NUMBERED_PHASES:
            return
        self.resends += 1
        if last is not None and last + 1 != number:
            self._judge(Verdict.BEYOND, now)  # the two lines contradict each other: one was garbled
        else:
            verdict = self._window.count_resend(number)
            if verdict is Verdict.CONTRADICTED and self._may_be_garbled(number):
                verdict = Verdict.BEYOND
            self._judge(verdict, now)

    def _judge(self, verdict: Verdict, now: float) -> None:
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
        return self.profile.ok_when == "taken" and before != number

    def _hear_start(self, now: float) -> None:
        if self.phase in (LinkPhase.HALTED, *_OPENING):
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
