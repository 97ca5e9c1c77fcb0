"""What a link tells: its own two events, and everything the firmware said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.protocol.marlin.failures import FailureReason
from gateway.protocol.marlin.profile import Profile
from gateway.protocol.marlin.replies import Reply


@dataclass(frozen=True, slots=True)
class LinkReady:
    """The firmware is known and takes numbered lines (or, un-numbered, questions)."""

    firmware: str
    machine: str | None
    capabilities: Mapping[str, bool]
    profile: Profile
    is_numbered: bool


@dataclass(frozen=True, slots=True)
class LinkFailed:
    """This connection is over. `detail` holds the firmware's own words."""

    reason: FailureReason
    detail: str

    @property
    def message(self) -> str:
        """For people: what happened, in the firmware's words too, and what to do."""
        words = self.reason.message
        if not self.detail or self.reason is FailureReason.RESTARTED:  # `start` tells nobody anything
            return words
        return f'{words} The printer said: "{self.detail}".'


@dataclass(frozen=True, slots=True)
class PositionTold:
    """The firmware has accepted the lines up to `last_line`; it waits for `Link.go_on`."""

    last_line: int


@dataclass(frozen=True, slots=True)
class PositionUnknown:
    """The firmware did not tell which line it accepted last; `message` is for people."""

    message: str


LinkEvent = Reply | LinkReady | LinkFailed | PositionTold | PositionUnknown


class LinkNotReady(RuntimeError):
    """A line was handed over in a phase that does not take it: the caller's mistake."""
