"""Whether a start arrived: from its publish to a print that is under way, or to "nobody can tell".

    stage     what happens                                        next        seconds from then on
    ASKED     the reply takes it                                  TAKEN       TAKEN_SECONDS
              the state shows the mark, at rest                   TAKEN       TAKEN_SECONDS
              time is up                                          LOOKING     LOOK_SECONDS
    TAKEN     time is up                                          LOOKING     LOOK_SECONDS
    LOOKING   time is up                                          UNCLEAR
    all       the state shows the mark, active                    RUNNING
    three     the reply refuses it (and nothing showed the mark)  REFUSED
              it shows the mark and has failed since              ENDED
              it shows the mark, over, LINGER_SECONDS long,       ENDED
              and it was not watched all the time

RUNNING, REFUSED, ENDED, UNCLEAR are ends. Nothing here publishes anything: a start is sent once, and looking
(the full state, asked for once) is all that follows. FINISH of the print before may be shown for about 50 s
after a start was taken (H2D), so "over" is believed of a print that nobody saw running only after a while.
The two phases and their times are bambuddy's.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Final

from gateway.protocol.bambu.codes import is_fault
from gateway.protocol.bambu.replies import Reply
from gateway.protocol.bambu.state import GcodeState, PrinterState

#: Seconds for the reply, or for the state to show the mark.
ASKED_SECONDS: Final = 90.0
#: Seconds from then until the printer is active.
TAKEN_SECONDS: Final = 180.0
#: Seconds for the full state that is asked for at last; an A1's comes within 4.
LOOK_SECONDS: Final = 15.0
#: Seconds for which the end of the print before may be shown under the new print's id.
LINGER_SECONDS: Final = 60.0


class Stage(StrEnum):
    """Where a start is."""

    ASKED = "asked"
    TAKEN = "taken"
    LOOKING = "looking"
    RUNNING = "running"
    REFUSED = "refused"
    ENDED = "ended"
    UNCLEAR = "unclear"

    @property
    def is_open(self) -> bool:
        """Whether it is not known yet what became of it."""
        return self in (Stage.ASKED, Stage.TAKEN, Stage.LOOKING)


class Confirmation:
    """One start. `now` is monotonic seconds, and never goes back."""

    def __init__(self, mark: int, now: float, *, before: PrinterState | None = None) -> None:
        """`before`: the state right before the publish; None: nobody watched since (a gateway died)."""
        self.mark = mark
        self.stage = Stage.ASKED
        self.deadline = now + ASKED_SECONDS
        self.refusal: Reply | None = None
        self._before = before
        self._is_watched = before is not None
        self._is_shown = False
        self._over_since: float | None = None

    def replied(self, reply: Reply, now: float) -> None:
        """The printer's reply to this start."""
        if not self.stage.is_open:
            return
        if reply.is_success:
            self._taken(now)
        elif not self._is_shown:
            self.refusal = reply
            self._close(Stage.REFUSED)

    def saw(self, state: PrinterState, now: float) -> None:
        """The state, whenever it changed."""
        if not self.stage.is_open or not state.is_marked(self.mark):
            self._over_since = None
            return
        self._is_shown = True
        if state.is_active:
            self._close(Stage.RUNNING)
        elif self._has_failed(state) or self._is_long_over(state, now):
            self._close(Stage.ENDED)
        else:
            self._taken(now)

    def unwatched(self) -> None:
        """The connection is gone: what the printer does now, nobody sees."""
        self._is_watched = False

    def wake(self, now: float) -> bool:
        """Time has passed. True: ask for the full state now, once."""
        if not self.stage.is_open or now < self.deadline:
            return False
        if self.stage is Stage.LOOKING:
            self._close(Stage.UNCLEAR)
            return False
        self.stage, self.deadline = Stage.LOOKING, now + LOOK_SECONDS
        return True

    def _taken(self, now: float) -> None:
        if self.stage is Stage.ASKED:
            self.stage, self.deadline = Stage.TAKEN, now + TAKEN_SECONDS

    def _has_failed(self, state: PrinterState) -> bool:
        """Whether this failure is the new print's: the one before it shows the same as before the publish."""
        if state.gcode_state is not GcodeState.FAILED or self._before is None:
            return False
        is_new = self._before.gcode_state is not GcodeState.FAILED
        return is_new or (is_fault(state.print_error) and state.print_error != self._before.print_error)

    def _is_long_over(self, state: PrinterState, now: float) -> bool:
        if self._is_watched or state.gcode_state not in (GcodeState.FINISH, GcodeState.FAILED):
            self._over_since = None
            return False
        self._over_since = now if self._over_since is None else self._over_since
        return now - self._over_since >= LINGER_SECONDS

    def _close(self, stage: Stage) -> None:
        self.stage, self.deadline = stage, math.inf
