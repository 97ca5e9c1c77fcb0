"""The link: bytes and time in; bytes, events and one deadline out. No I/O, no clock, no asyncio.

Usage, by whoever owns the port:

    link = Link(now)
    port.write(link.to_send(now))            after every call that may have changed something
    link.receive(data, now)                  when bytes came in
    link.handle_timer(now)                   when `link.deadline()` has passed
    while event := link.next_event(): ...    LinkReady, LinkFailed, or what the firmware said

One link lives one connection; after LinkFailed build another. `link_states` tells its life, `window` what an
ok is worth.
"""

from __future__ import annotations

from gateway.protocol.marlin import framing
from gateway.protocol.marlin.asking import Locator
from gateway.protocol.marlin.failures import FailureReason
from gateway.protocol.marlin.handshake import Handshake
from gateway.protocol.marlin.incoming import EventQueue, LineReader
from gateway.protocol.marlin.link_events import LinkEvent, LinkFailed, LinkNotReady, LinkReady
from gateway.protocol.marlin.link_states import NUMBERED_PHASES, TRANSITIONS, LinkPhase, Signal
from gateway.protocol.marlin.patience import Patience
from gateway.protocol.marlin.profile import Profile, profile_named
from gateway.protocol.marlin.responses import (
    PLAIN_OK,
    Busy,
    Echo,
    ErrorLine,
    Fault,
    FirmwareError,
    Killed,
    NotSdPrinting,
    Ok,
    Position,
    Reply,
    Resend,
    SdStatus,
    Start,
    Temperature,
    Wait,
    parse_reply,
)
from gateway.protocol.marlin.window import SendWindow, Verdict

#: Seconds from the last echo of a Resend to the conclusion that the second try was refused as well.
#: A round trip over USB takes 5 ms, a loaded host delays it by some tens of milliseconds.
SETTLE_SECONDS = 0.5
#: Resends for lines that were never sent (garbled digits) before the link gives up.
BEYOND_MAX = 8
#: Seconds of idleness a `wait` must contradict before it counts as a sign of a lost ok.
WAIT_SECONDS = 0.5
#: Questions to a firmware that goes on saying `wait` and answers none of them.
IDLE_QUESTIONS_MAX = 60
#: Lines in flight at most, whatever the firmware says: BUFSIZE 32 is the largest in use.
WINDOW_LINES_MAX = 31

_UNNUMBERED = framing.EMERGENCY_COMMANDS | {"M105", "M115"}
_IDLE_CHATTER = (Position, SdStatus, NotSdPrinting, Wait)


class Link:
    """One connection to one Marlin-like firmware."""

    def __init__(
        self,
        now: float,
        *,
        profile: Profile | None = None,
        may_number: bool = True,
        is_halted: bool = False,
        report_seconds: int = 2,
    ) -> None:
        """`may_number=False`: a print is unfinished on the machine, its line number must not be touched.

        `is_halted`: the board was killed; send nothing until it boots. `report_seconds`: period of the
        reports asked of the firmware. `profile` overrides the choice by FIRMWARE_NAME.
        """
        self.phase = LinkPhase.HALTED if is_halted else LinkPhase.IDENTIFYING
        self.failure: LinkFailed | None = None
        self.resends = 0
        self.probes = 0
        self._may_number = may_number
        self._handshake = Handshake(
            now, override=profile, report_seconds=report_seconds, is_mid_print=not may_number
        )
        self._profile = profile or profile_named("unknown")
        self._window = SendWindow(lines=self._profile.window_lines, receive_bytes=self._profile.receive_bytes)
        self._out: list[bytes] = []
        self._reader = LineReader()
        self._events = EventQueue()
        self._is_ready = False
        self._patience = Patience(self._profile, now)
        self._probe_number: int | None = None  # of the question asked last, until anything answers
        self._credit: tuple[float, int] | None = None  # when to believe that this question was answered
        self.locator = Locator(self._window, self._signal, self._events.put)
        self._questions: set[int] = set()  # numbers of questions still in flight
        self._asked_at = now
        self._beyond = 0
        self._block_free: int | None = None
        self._settle_at: float | None = None
        self._refused_after: int | None = None
        self._last_words = ""

    # -- what is known ------------------------------------------------------------------------------------

    @property
    def profile(self) -> Profile:
        """The firmware's profile; `unknown` until it has named itself."""
        return self._profile

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

    @property
    def last_number(self) -> int:
        """The number given last."""
        return self._window.last

    def has_sent(self, text: str) -> bool:
        """Whether `text` is (the beginning of) a line of ours, as the firmware repeats an unknown one."""
        return text in _UNNUMBERED or self._window.has_sent(text)

    @property
    def is_idle(self) -> bool:
        """Whether everything handed over has been answered."""
        return self._window.in_flight == 0 and self._window.unsent == 0 and not self._out

    @property
    def is_ready(self) -> bool:
        """Whether LinkReady has been said and the link has not failed."""
        return self._is_ready and self.failure is None

    @property
    def was_ready(self) -> bool:
        """Whether LinkReady was ever said."""
        return self._is_ready

    @property
    def wants_line(self) -> bool:
        """Whether a line handed over now would go out soon: no more than one ever waits for room."""
        window = self._window
        return (
            self._is_ready
            and self.phase in NUMBERED_PHASES
            and window.sent == window.last
            and window.in_flight < window.lines
        )

    # -- orders -------------------------------------------------------------------------------------------

    def submit(self, text: str) -> int:
        """Hand over one line; returns its number. Raises LineNotSendable, LinkNotReady before its time."""
        if self.phase not in NUMBERED_PHASES:
            raise LinkNotReady(f"the link is {self.phase.name.lower()}")
        number = self._window.last + 1
        profile = self._profile
        if profile.numbered:
            frame = framing.numbered(number, text, line_chars=profile.line_chars)
        else:
            frame = framing.bare(text, line_chars=profile.line_chars)
        is_marker = profile.temperature_in_ok and text.startswith("M105")
        return self._window.append(frame, is_marker=is_marker)

    def ask(self, text: str) -> None:
        """Send an un-numbered question (M105) while the line number must not be touched."""
        if self.phase is not LinkPhase.ASKING:
            raise LinkNotReady(f"the link is {self.phase.name.lower()}")
        frame = framing.bare(text, line_chars=self._profile.line_chars)
        self._window.append_bare(frame, is_marker=self._profile.temperature_in_ok and text == "M105")
        self._out.append(frame)

    def send_emergency(self, command: str) -> None:
        """M112, M108 or M410: bare and at once, whatever is in flight. Works in every phase but FAILED."""
        if command not in framing.EMERGENCY_COMMANDS:
            raise ValueError(f"{command!r} is no emergency command")
        frame = framing.bare(command)
        self._window.append_bare(frame)
        self._out.insert(0, frame)

    def begin_numbering(self, now: float) -> None:
        """Give up the firmware's line number: the unfinished print will not be continued."""
        if self.phase is LinkPhase.ASKING or self.phase.is_locating:
            self._is_ready = False
            self._signal(Signal.NUMBERING_WANTED)
            self._number(now)

    # -- the five verbs -----------------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes in pieces of any size. Never raises for what they hold."""
        if self.failure is not None or not data:
            return
        self._patience.heard_at = now
        for line in self._reader.feed(data):
            self._hear(parse_reply(line), now)

    def to_send(self, now: float) -> bytes:
        """The bytes to hand to the port now; each is returned once."""
        if self.failure is not None:
            out, self._out = self._out, []
            return b"".join(out)
        window = self._window
        if window.sent < window.last and self.phase.is_sending:
            was_idle = window.in_flight == 0
            frames = window.frames_to_send()
            if frames:
                if was_idle:
                    self._patience.work_seen(now)
                self._out += frames
        if not self._out:
            return b""
        out, self._out = self._out, []
        return b"".join(out)

    def deadline(self) -> float | None:
        """When `handle_timer` wants to be called; None: not before something else happens."""
        if self.failure is not None or self.phase is LinkPhase.HALTED:
            return None
        if self.phase is LinkPhase.IDENTIFYING or self.phase is LinkPhase.NUMBERING:
            return self._handshake.deadline
        if self.phase.is_locating:
            return self.locator.deadline
        if self._window.in_flight == 0:
            return None
        due = self._patience.due()
        if self._credit is not None:
            due = min(due, self._credit[0])
        return due if self._settle_at is None else min(due, self._settle_at)

    def handle_timer(self, now: float) -> None:
        """Do what is due at `now`; harmless when nothing is."""
        due = self.deadline()
        if due is None or now < due:
            return
        if self.phase is LinkPhase.IDENTIFYING or self.phase is LinkPhase.NUMBERING:
            self._handshake_due(now)
        elif self.phase.is_locating:
            self._out.append(self.locator.due(now))
        elif now >= self._patience.ends_at():
            self._fail(FailureReason.WENT_SILENT, self._last_words)
        elif self._settle_at is not None and now >= self._settle_at:
            self._settle_at = None
            self._judge(self._window.settle(), now)
        elif self._credit is not None and now >= self._credit[0]:
            _, number = self._credit
            self._credit = None
            if self._window.count_probe_answer(number):
                self._answered(now)
        elif now >= self._patience.due():
            self._probe(now)

    def next_event(self) -> LinkEvent | None:
        """The next thing that happened, oldest first."""
        return self._events.take()

    # -- incoming -----------------------------------------------------------------------------------------

    def _hear(self, reply: Reply, now: float) -> None:
        if self.failure is not None:
            return
        if self.phase.is_locating and self.locator.hear(reply, now):
            self._become_ready(is_numbered=True)
        if isinstance(reply, Ok):
            self._hear_ok(reply, now)
            return
        if not isinstance(reply, _IDLE_CHATTER) and getattr(reply, "is_waiting", True):
            self._patience.work_seen(now)
            self._probe_number = self._credit = None
        if isinstance(reply, Resend):
            self._hear_resend(reply.number, now)
        elif isinstance(reply, ErrorLine):
            self._refused_after = reply.last_line
            self._last_words = reply.text
        elif isinstance(reply, Start):
            self._hear_start(now)
        elif isinstance(reply, Wait):
            self._hear_wait(now)
        else:
            self._hear_words(reply, now)
        if self.failure is None:
            self._events.put(reply)

    def _hear_ok(self, ok: Ok, now: float) -> None:
        self._patience.work_seen(now)
        probe, self._probe_number, self._credit = self._probe_number, None, None
        if ok.block_free is not None:
            self._learn_window(ok.block_free)
        if ok.temperatures is not None:
            self._events.put(Temperature(ok.temperatures, is_waiting=False))
            if not self._profile.temperature_in_ok:
                ok = PLAIN_OK
        if self.phase is LinkPhase.IDENTIFYING:
            if self._handshake.hear(ok):
                self._identified(now)
            elif not self._may_number:
                self._handshake.hear_leftover_ok(now)
        elif self.phase is LinkPhase.NUMBERING and self._window.last == 0:
            if not ok.number and ok.temperatures is None:
                self._prove_numbering(now)
        elif not self.phase.is_locating and self._window.count_ok(ok):
            self._answered(now)
            if probe is not None and ok.temperatures is not None and self._patience.has_keepalive:
                # The answer to an older question, come late? Then more follows, or a `busy`. If not: its own.
                self._credit = (now + self._profile.probe_after, probe)

    def _learn_window(self, block_free: int) -> None:
        """`B` of ADVANCED_OK is BUFSIZE - 1 when idle. Believed when said twice: one may be garbled."""
        if block_free == self._block_free:
            self._window.lines = max(self._window.lines, min(block_free, WINDOW_LINES_MAX))
        self._block_free = block_free

    def _answered(self, now: float) -> None:
        if self.phase is LinkPhase.STREAMING:
            if not self._is_ready:
                self._configure()
            return
        self._beyond = 0
        if self.phase is LinkPhase.NUMBERING:
            if self._window.acked >= 1:
                self._signal(Signal.ANSWERED)
                self._configure()
        elif not self._window.is_recovering:
            self._settle_at = None
            self._signal(Signal.ANSWERED)
            if not self._is_ready:
                self._configure()

    def _hear_resend(self, number: int, now: float) -> None:
        last, self._refused_after = self._refused_after, None
        if self.phase is LinkPhase.NUMBERING:
            return  # the handshake's own timer numbers anew
        if self.phase is LinkPhase.IDENTIFYING:
            self._handshake.hear_refusal(now)
        if self.phase not in NUMBERED_PHASES:
            return
        self.resends += 1
        if last is not None and last + 1 != number:
            self._judge(Verdict.BEYOND, now)  # the two lines contradict each other: one was garbled
        else:
            self._judge(self._window.count_resend(number), now)

    def _judge(self, verdict: Verdict, now: float) -> None:
        if verdict is Verdict.REWOUND:
            self._settle_at = None
            self._patience.work_seen(now)
            self._signal(Signal.REFUSED)
        elif verdict is Verdict.REPEATED:
            self._settle_at = now + SETTLE_SECONDS
        elif verdict is Verdict.CONTRADICTED:
            self._fail(FailureReason.POSITION_LOST, self._last_words)
        elif verdict is Verdict.REFUSED:
            self._fail(FailureReason.LINE_REFUSED, self._last_words)
        elif verdict is Verdict.BEYOND:
            self._beyond += 1
            if self._beyond > BEYOND_MAX:
                self._fail(FailureReason.NUMBERS_DISAGREE, self._last_words)

    def _hear_start(self, now: float) -> None:
        if self.phase in (LinkPhase.HALTED, LinkPhase.NUMBERING, LinkPhase.IDENTIFYING):
            self._signal(Signal.STARTED)
            self._window.restart(0)
            self._handshake.board_started(now)
        else:
            self._fail(FailureReason.RESTARTED, "start")

    def _hear_wait(self, now: float) -> None:
        """The firmware is idle: if lines are in flight, their oks are lost, or they are."""
        is_late = now - max(self._patience.worked_at, self._asked_at) > WAIT_SECONDS
        if self.phase not in NUMBERED_PHASES or not self._window.in_flight or not is_late:
            return
        if self._patience.probed < IDLE_QUESTIONS_MAX:
            self._probe(now)
        else:
            self._fail(FailureReason.WENT_SILENT, "wait")

    def _hear_words(self, reply: Reply, now: float) -> None:
        if self.phase is LinkPhase.HALTED:
            return  # the last words of a board that is known to have stopped
        if isinstance(reply, Fault):
            self._fail(FailureReason.THERMAL, reply.text)
        elif isinstance(reply, Killed):
            words = f"{self._last_words}; {reply.text}" if self._last_words else reply.text
            self._fail(FailureReason.KILLED, words)
        elif isinstance(reply, FirmwareError):
            self._last_words = reply.text
        elif isinstance(reply, Busy):
            self._patience.has_keepalive = True
            self._handshake.hear_busy(now)
        elif isinstance(reply, Temperature) and reply.is_waiting:
            self._handshake.hear_busy(now)  # M109 and M190 say this instead
        elif isinstance(reply, Echo):
            self._last_words = reply.text
        if self.phase is LinkPhase.IDENTIFYING:
            self._handshake.hear(reply)

    # -- silence ------------------------------------------------------------------------------------------

    def _probe(self, now: float) -> None:
        """Ask what became of the lines in flight, by the next numbered line; never by repeating one."""
        self._patience.probed += 1
        self.probes += 1
        self._asked_at = now
        self._settle_at = None
        if self.phase is LinkPhase.ASKING:
            self._window.forget_bare()
            return
        if self._window.forgive(self._questions):
            self._questions.clear()
            self._signal(Signal.ANSWERED)
            return
        self._signal(Signal.SILENCE)
        self._window.allow_one_more()
        if self._window.unsent == 0:
            self._probe_number = self.submit("M105")
            self._questions = {number for number in self._questions if number > self._window.acked}
            self._questions.add(self._probe_number)

    # -- the handshake ------------------------------------------------------------------------------------

    def _handshake_due(self, now: float) -> None:
        failure = self._handshake.overdue(now, has_heard=self._patience.heard_at is not None)
        if failure is not None:
            self._fail(failure, self._last_words)
        elif self.phase is LinkPhase.NUMBERING:
            self._number(now)
        else:
            self._out.append(self._handshake.question())
            self._handshake.asked(now)

    def _identified(self, now: float) -> None:
        self._profile = self._handshake.profile()
        self._window.lines = self._profile.window_lines
        self._window.receive_bytes = self._profile.receive_bytes
        self._patience.profile = self._profile
        self._patience.has_keepalive |= bool(self._handshake.capabilities)
        if self._may_number:
            self._signal(Signal.IDENTIFIED)
            self._number(now)
        else:
            self._signal(Signal.IDENTIFIED_IN_MID_PRINT)
            self._window.restart(0)
            self._become_ready(is_numbered=False)

    def _number(self, now: float) -> None:
        """`M110 N0`, itself checked, alone: Marlin sets its number when it reads the line and once more when
        it executes it, so a line that follows too closely is counted and then forgotten (M110.cpp,
        queue.cpp).
        """
        self._may_number = True
        self._window.restart(0)
        frame = framing.numbered(0, "M110 N0")
        self._out.append(frame)
        self._window.append_bare(frame)
        self._handshake.numbered(now)

    def _prove_numbering(self, now: float) -> None:
        """The M110 was answered: a numbered M105, whose own kind of answer proves the numbers."""
        self._handshake.numbering_goes_on(now)
        self._window.forget_bare()
        self._window.append(framing.numbered(1, "M105"), is_marker=self._profile.temperature_in_ok)

    def _configure(self) -> None:
        command = self._handshake.next_command()
        if command is not None:
            self.submit(command)
        elif self.is_idle:
            self._become_ready(is_numbered=True)

    def _become_ready(self, *, is_numbered: bool) -> None:
        self._is_ready = True
        shake = self._handshake
        self._events.put(
            LinkReady(shake.firmware, shake.machine, dict(shake.capabilities), self._profile, is_numbered)
        )

    # -- ends ---------------------------------------------------------------------------------------------

    def _signal(self, signal: Signal) -> None:
        self.phase = TRANSITIONS[self.phase][signal]

    def _fail(self, reason: FailureReason, detail: str) -> None:
        self._signal(Signal.GAVE_UP)
        self.failure = LinkFailed(reason, detail)
        self._out.clear()
        self._reader.forget()
        self._events.put(self.failure)
