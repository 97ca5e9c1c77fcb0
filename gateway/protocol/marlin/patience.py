"""How long to wait, and for what: the link's clock of silence.

Two kinds of silence are told apart. *No bytes at all* for `silence_limit` ends the link. *No sign of work*
(an ok, a `busy`, a heating report, an action) is what asks a question: temperature and card reports come from
an idle board just as well, so they prove that it lives, not that it works on our lines.
A firmware with keepalive says `busy` every two seconds while it works, so its silence means something soon;
one without may be silent for a whole homing or levelling.
"""

from __future__ import annotations

from gateway.protocol.marlin.profile import Profile

#: Questions into one silence; each waits twice as long as the one before it.
PROBES_MAX = 4


class Patience:
    """Times of the last byte and of the last sign of work."""

    def __init__(self, profile: Profile, now: float) -> None:
        self.profile = profile
        self.heard_at: float | None = None
        self.worked_at = now
        self.has_keepalive = False
        self.probed = 0

    def work_seen(self, now: float) -> None:
        """The firmware worked on something, or got something to work on."""
        self.worked_at = now
        self.probed = 0

    def probe_at(self) -> float:
        """When to ask the next question."""
        profile = self.profile
        seconds = profile.probe_after if self.has_keepalive else profile.probe_after_without_keepalive
        return self.worked_at + seconds * (2.0 ** (self.probed + 1) - 1.0)

    def ends_at(self) -> float:
        """When to give up: nothing heard, or (with keepalive) no work for twice as long."""
        limit = self.profile.silence_limit
        ends = max(self.heard_at or self.worked_at, self.worked_at) + limit
        return min(ends, self.worked_at + 2 * limit) if self.has_keepalive else ends

    def due(self) -> float:
        """The earlier of the two."""
        return min(self.ends_at(), self.probe_at()) if self.probed < PROBES_MAX else self.ends_at()
