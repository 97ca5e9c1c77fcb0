"""One published message on its way to its subscribers, and how the fates of its copies become one outcome."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.protocol.bayeux.outcome import OnOutcome, Outcome


@dataclass(frozen=True, slots=True)
class Told:
    """An event of the server: `outcome` is to be told to the publisher."""

    on_outcome: OnOutcome
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Listening:
    """An event of the server: this subscription (a channel or a pattern) has its first, or no subscriber."""

    channel: str
    is_heard: bool


Event = Told | Listening


class Publication:
    """A message for `copies` subscribers, as the text that is written.

    `for_one` is the channel of a message that only the channel's one listener may get; None for any other.
    """

    def __init__(self, text: str, copies: int, on_outcome: OnOutcome, for_one: str | None = None) -> None:
        self.text = text
        self.size = len(text)  # bytes: the text is ASCII
        self.for_one = for_one
        self.is_taken_back = False  # no copy that waits, or comes back unwritten, is written any more
        self._open = copies
        self._on_outcome = on_outcome
        self._is_told = False
        self._was_unclear = False

    def settle(self, fate: Outcome) -> list[Event]:
        """One copy came to its end. The first that is delivered decides; otherwise the last one does."""
        self._open -= 1
        self._was_unclear |= fate is Outcome.UNCLEAR
        if self._is_told or (fate is not Outcome.DELIVERED and self._open):
            return []
        self._is_told = True
        if fate is not Outcome.DELIVERED:
            fate = Outcome.UNCLEAR if self._was_unclear else Outcome.DROPPED
        return [Told(self._on_outcome, fate)]
