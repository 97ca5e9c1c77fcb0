"""Whether a start arrived: asked for once, and looked for until it is proven or given up. No I/O, no clock.

    stage     event                          becomes
    SENT      reply "ok"                     TAKEN: it must show soon
    SENT      error that proves nothing      REFUSING: one look, to be certain
    SENT      any other error                LOOKING
    SENT      no reply in time, or the       LOOKING: one look at the machine and its history
              connection was lost
    any       the file is seen on the        ACCEPTED
              machine, or in its history
    REFUSING  looked, not seen               REFUSED, with the printer's words
    LOOKING   looked, not seen               UNCLEAR: a request may wait behind a script for minutes
    any       its time is up                 UNCLEAR

Nothing here ever asks for the start again.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Final

from gateway.protocol.moonraker.refusals import in_words, proves_nothing_done
from gateway.protocol.moonraker.rpc import RpcError

#: Seconds for Moonraker's reply: it comes at once, unless a script of somebody keeps Klipper busy.
REPLY_SECONDS: Final = 30.0
#: Seconds until a print that was said to be taken shows: measured 0.3 to 0.6.
SHOW_SECONDS: Final = 30.0
#: Seconds for a look at the machine; longer than a broker or Moonraker needs to come back.
LOOK_SECONDS: Final = 120.0

_NOT_SHOWN: Final = "The printer took the start and shows nothing of it."
_SILENT: Final = "The printer did not answer the start, and shows nothing of it; it may begin yet."
_NOT_REACHED: Final = "The printer was lost while the start was on its way to it, and has not come back."


class Stage(Enum):
    """How far it is."""

    SENT = "sent"
    TAKEN = "taken"
    REFUSING = "refusing"
    LOOKING = "looking"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNCLEAR = "unclear"

    @property
    def is_end(self) -> bool:
        """Whether this is the verdict."""
        return self in (Stage.ACCEPTED, Stage.REFUSED, Stage.UNCLEAR)

    @property
    def looks(self) -> bool:
        """Whether a look at machine and history is wanted: `looked` tells of its end."""
        return self in (Stage.REFUSING, Stage.LOOKING)


class Confirmation:
    """One start that was sent at `now`."""

    def __init__(self, now: float) -> None:
        self.stage = Stage.SENT
        self.why: str | None = None
        self._deadline = now + REPLY_SECONDS

    @property
    def deadline(self) -> float:
        """Monotonic seconds when `wake` has something to say."""
        return math.inf if self.stage.is_end else self._deadline

    def replied(self, error: RpcError | None, now: float) -> None:
        """Moonraker's answer to the request; None: "ok"."""
        if self.stage not in (Stage.SENT, Stage.LOOKING):
            return
        if error is None:
            self._enter(Stage.TAKEN, now + SHOW_SECONDS, _NOT_SHOWN)
        elif proves_nothing_done(error):
            self._enter(Stage.REFUSING, now + LOOK_SECONDS, in_words(error))
        else:
            self._enter(Stage.LOOKING, now + LOOK_SECONDS, in_words(error))

    def lost(self, now: float) -> None:
        """No reply can come any more."""
        if self.stage is Stage.SENT:
            self._enter(Stage.LOOKING, now + LOOK_SECONDS, _SILENT)

    def seen(self) -> None:
        """The file is, or was, on the machine."""
        if not self.stage.is_end:
            self._enter(Stage.ACCEPTED, math.inf, None)

    def looked(self) -> None:
        """Machine and history have answered what was asked after this stage began: the file is not there."""
        if self.stage is Stage.REFUSING:
            self._enter(Stage.REFUSED, math.inf, self.why)
        elif self.stage is Stage.LOOKING:
            self._enter(Stage.UNCLEAR, math.inf, self.why)

    def wake(self, now: float) -> None:
        """Time has passed."""
        if now < self._deadline or self.stage.is_end:
            return
        if self.stage is Stage.SENT:
            self.lost(now)
        else:
            self._enter(Stage.UNCLEAR, math.inf, self.why if self.stage is Stage.TAKEN else _NOT_REACHED)

    def _enter(self, stage: Stage, deadline: float, why: str | None) -> None:
        self.stage, self._deadline, self.why = stage, deadline, why
