"""How long to wait, and for what: the link's clock of silence.

Two kinds of silence are told apart. *No bytes at all* for `silence_limit` ends the link. *No sign of work*
(an ok, a `busy`, a heating report, an action) is what asks a question: temperature and card reports come from
an idle board just as well, so they prove that it lives, not that it works on our lines.

How soon to ask depends on what the question may cost. A line beyond the window takes the slot in which an
emergency stop could be read, so a full window is left alone for longer than a working firmware is silent:
one with keepalive says `busy` every two seconds while it works, one without may be silent for a whole homing
or levelling. A question that has room, or follows a single line, costs nothing: it is answered behind the
command that is running, and if that one's own ok gets lost, its answer is there at once. One such question is
enough until an answer comes, however often the firmware says `busy` meanwhile. And where there are signs that
an answer was lost, there is no reason to wait.
"""

from __future__ import annotations

from enum import Enum, auto

from gateway.protocol.marlin.profile import Profile

#: Questions into one silence; each waits twice as long as the one before it. With the quick one before them
#: they take 60 bytes: a receive buffer of 64 holds them all, should the firmware not read.
PROBES_MAX = 3
#: Seconds to the first question that has room: longer than the reports of a heating (1 s) are apart.
ROOM_SECONDS = 1.5
#: Seconds to a question for which there is a reason: an answer that cannot be read, or oks that came in place
#: of a marker's own. What is still on its way comes within some milliseconds.
REASON_SECONDS = 0.1
#: Seconds to a question behind a marker with nothing in front of it: a display that is being drawn delays its
#: answer by a tenth of a second.
MARKER_SECONDS = 0.5


class Hurry(Enum):
    """How soon the next question may be asked."""

    REASON = auto()  # an answer seems to be lost
    MARKER = auto()  # what is waited for is answered at once
    ROOM = auto()  # it costs nothing
    FULL = auto()  # it takes the last slot


class Patience:
    """Times of the last byte, of the last sign of work and of the last question."""

    def __init__(self, profile: Profile, now: float) -> None:
        self.profile = profile
        self.heard_at: float | None = None
        self.worked_at = now
        self.asked_at = now
        self.reason_at = now
        self._told_at = now  # of the last sign of work that was no mere chatter
        self.has_keepalive = False
        self.probed = 0
        self._has_hurried = self._has_asked = False  # since the last answer

    def work_seen(self, now: float, *, is_chatter: bool = False) -> None:
        """The firmware is at work. Chatter comes in the middle of long commands, and from idle boards too."""
        self.worked_at = now
        self.probed = 0
        if not is_chatter:
            self._told_at = now

    def answer_seen(self, now: float) -> None:
        """The firmware answered something, or got something to work on."""
        self.worked_at = self._told_at = now
        self.probed = 0
        self._has_hurried = self._has_asked = False

    def reason_seen(self, now: float) -> None:
        """An answer could not be read, or belongs to no line."""
        self.reason_at = now

    def asked(self, now: float, hurry: Hurry) -> None:
        """A question went out. A quick one comes on top of the others, once a silence."""
        if hurry in (Hurry.REASON, Hurry.MARKER) and not self._has_hurried:
            self._has_hurried = True
        else:
            self.probed += 1
            self._has_asked = True
        self.asked_at = now

    def ask_at(self, hurry: Hurry) -> float | None:
        """When to ask the next question; None: all were asked."""
        if not self._has_hurried:
            if hurry is Hurry.REASON:
                return max(self.worked_at, self.reason_at) + REASON_SECONDS
            if hurry is Hurry.MARKER:
                return self._told_at + MARKER_SECONDS
        if self.probed >= PROBES_MAX:
            return None
        profile = self.profile
        seconds = profile.probe_after if self.has_keepalive else profile.probe_after_without_keepalive
        if self.probed:
            return self.asked_at + seconds * 2.0 ** (self.probed - 1)
        if hurry is Hurry.FULL or self._has_asked:
            return self.worked_at + seconds
        return self._told_at + min(ROOM_SECONDS, seconds)

    def ends_at(self) -> float:
        """When to give up: nothing heard, or (with keepalive) no work for twice as long."""
        limit = self.profile.silence_limit
        ends = max(self.heard_at or self.worked_at, self.worked_at) + limit
        return min(ends, self.worked_at + 2 * limit) if self.has_keepalive else ends

    def due(self, hurry: Hurry) -> float:
        """The earlier of the two."""
        ask_at, ends_at = self.ask_at(hurry), self.ends_at()
        return ends_at if ask_at is None else min(ask_at, ends_at)
