"""The link: bytes and time in; bytes, events and one deadline out. No I/O, no clock, no asyncio.

Usage, by whoever owns the port:

    link = Link(now)
    port.write(link.to_send(now))            after every call that may have changed something
    link.receive(data, now)                  when bytes came in
    link.handle_timer(now)                   when `link.deadline()` has passed
    while event := link.next_event(): ...    LinkReady, LinkFailed, or what the firmware said

One link lives one connection; after LinkFailed build another. `link_states` tells its life, `window` what an
ok is worth, `opening` how it begins, `hearing` what the firmware's words do to it, `silence` what happens
when answers stay out.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.protocol.marlin import framing
from gateway.protocol.marlin.asking import Locator
from gateway.protocol.marlin.connection import Connection
from gateway.protocol.marlin.hearing import Hearing
from gateway.protocol.marlin.incoming import LineReader
from gateway.protocol.marlin.link_events import LinkEvent, LinkFailed, LinkNotReady
from gateway.protocol.marlin.link_states import NUMBERED_PHASES, OPENING_PHASES, LinkPhase, Signal
from gateway.protocol.marlin.opening import Opening
from gateway.protocol.marlin.parsing import parse_reply
from gateway.protocol.marlin.patience import Patience
from gateway.protocol.marlin.profile import Profile, profile_named
from gateway.protocol.marlin.silence import Silence
from gateway.protocol.marlin.steady import Steady
from gateway.protocol.marlin.window import Verdict

#: Seconds without a sign of work to the next question for a proof; keepalive is repeated every two.
PROOF_SECONDS = 5.0

_QUESTIONS = frozenset({"M105", "M115"})  # asked un-numbered too


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
        self._hearing = Hearing(self._connection, self._patience, self._opening, self._silence, self.locator)

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
    def resends(self) -> int:
        """Lines of ours that the firmware refused so far."""
        return self._hearing.resends

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
        hear = self._hearing.hear
        for line in self._reader.feed(data):
            hear(parse_reply(line), now)
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
        if phase in OPENING_PHASES:
            return self._opening.deadline
        return self.locator.deadline if phase.is_locating else self._silence.deadline

    def handle_timer(self, now: float) -> None:
        """Do what is due at `now`; harmless when nothing is."""
        due = self.deadline()
        if due is None or now < due:
            return
        if self.phase in OPENING_PHASES:
            self._opening.due(now)
        elif self.phase.is_locating:
            self._connection.out.append(self.locator.due(now))
        else:
            outcome = self._silence.due(now)
            if isinstance(outcome, Verdict):
                self._hearing.judge(outcome, now)
            elif outcome:
                self._hearing.answered()

    def next_event(self) -> LinkEvent | None:
        """The next thing that happened, oldest first."""
        return self._connection.events.take()
