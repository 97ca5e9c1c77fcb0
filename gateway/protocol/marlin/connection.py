"""What the parts of one link share: its phase, its window, what goes out, what happened. Decides nothing."""

from __future__ import annotations

from gateway.protocol.marlin import framing
from gateway.protocol.marlin.failures import FailureReason
from gateway.protocol.marlin.incoming import EventQueue
from gateway.protocol.marlin.link_events import LinkFailed, LinkNotReady
from gateway.protocol.marlin.link_states import NUMBERED_PHASES, TRANSITIONS, LinkPhase, Signal
from gateway.protocol.marlin.profile import Profile
from gateway.protocol.marlin.window import SendWindow


class Connection:
    """The state of one connection to one firmware."""

    def __init__(self, phase: LinkPhase, profile: Profile) -> None:
        self.phase = phase
        self.profile = profile
        self.failure: LinkFailed | None = None
        self.is_ready = False  # LinkReady has been said
        self.is_saving = False  # between M28 and M29: the firmware writes every line to a file
        self.is_mute = False  # nothing but emergency commands goes out any more
        self.last_words = ""  # of the firmware, for whoever asks why the link ended
        self.window = SendWindow(lines=profile.window_lines, receive_bytes=profile.receive_bytes)
        self.out: list[bytes] = []
        self.events = EventQueue()

    @property
    def is_idle(self) -> bool:
        """Whether everything handed over has been answered."""
        return self.window.in_flight == 0 and self.window.unsent == 0 and not self.out

    def signal(self, signal: Signal) -> None:
        """Something happened to the link: its next phase, by the table."""
        self.phase = TRANSITIONS[self.phase][signal]

    def use(self, profile: Profile) -> None:
        """The firmware is known: its limits from now on."""
        self.profile = profile
        self.window.lines = profile.window_lines
        self.window.receive_bytes = profile.receive_bytes

    def submit(self, text: str) -> int:
        """Give a line its number. Raises LineNotSendable, LinkNotReady before its time."""
        if self.phase not in NUMBERED_PHASES:
            raise LinkNotReady(f"the link is {self.phase.name.lower()}")
        number = self.window.last + 1
        profile = self.profile
        if profile.numbered:
            frame = framing.numbered(number, text, line_chars=profile.line_chars)
        else:
            frame = framing.bare(text, line_chars=profile.line_chars)
        is_marker = profile.temperature_in_ok and not self.is_saving and text.startswith("M105")
        return self.window.append(frame, is_marker=is_marker)

    def fail(self, reason: FailureReason, detail: str) -> None:
        """The end of this connection."""
        self.signal(Signal.GAVE_UP)
        self.failure = LinkFailed(reason, detail)
        self.out.clear()
        self.events.put(self.failure)
