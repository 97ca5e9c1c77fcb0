"""Pausing a streamed print and going on: what is sent for it is the driver's to say (`parking`).

A print that was parked never goes on from there: what must be restored is in the line record before anything
moves, and leaves it with the answer to the last line that restored it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gateway.domain.observations import PrintPhase
from gateway.drivers.contract import Parked, RecordedStage
from gateway.drivers.marlin.print_base import PrintBase
from gateway.drivers.marlin.stages import PAUSES, WAITS_FOR_PERSON, Need, Stage
from gateway.protocol.marlin.link import Link

#: Said while it is paused still.
GOES_ON = "It goes on: it heats, and moves back to where it was paused."


class PausablePrint(PrintBase):
    """A print that can be paused and resumed."""

    def pause(self, *, parks: bool = True, reason: str | None = None, note: str | None = None) -> bool:
        """Stop feeding; PAUSED follows when the machine stands (parked, if it can be). False: it is ending.

        `parks=False`: the firmware pauses by itself and moves the head as it likes.
        """
        if self.stage is Stage.PREPARING:
            self._pause_wanted = True  # half a start script is no place to stand in
            return True
        if self.stage is Stage.PAUSING and not parks:
            self._parks = False  # it asked first, and does it now
        if self.stage not in (Stage.STREAMING, Stage.RESUMING):
            return self.stage in PAUSES
        self.pause_reason, self.pause_note, self._parks = reason, note, parks
        if self.stage is Stage.STREAMING:
            self._let_go_of_place()
        self._side.clear()
        self.needs = None
        self._record.enter(RecordedStage.PAUSED)
        self._begin(Stage.PAUSING, self._standstill)
        return True

    def park(self, lines: tuple[str, ...], parked: Parked | None, note: str | None = None) -> None:
        """Send what parks it; `parked` is recorded before anything moves. PAUSED when that is done."""
        self.needs = None
        self.pause_note = self.pause_note or note
        if parked is not None:
            self.parked = parked
            self._record.park(parked)
        if lines:
            self._begin(Stage.PARKING, (*lines, *self._standstill))
        else:
            self.stage, self.phase = Stage.PAUSED, PrintPhase.PAUSED

    def resume(self) -> bool:
        """Go on with the next line, from where it was paused. False: it is not paused."""
        if self._pause_wanted:
            self._pause_wanted = False
            return True
        if self.stage not in PAUSES:
            return False
        self._side.clear()
        self._target = 0
        # Before a second pause it may be away from the part still; what a former host has cooled is cold.
        if self.stage in (Stage.PARKING, Stage.PAUSED) or self.parked is not None or self.is_taken_up:
            self._record.enter(RecordedStage.RESUMING)
            self.stage, self.needs = Stage.RESUMING, Need.RESTORE
        else:
            self.needs = None
            self._go_on()
        return True

    def restore(self, lines: tuple[str, ...]) -> None:
        """Send what brings it back; the next line of the file follows when that was answered."""
        self.needs = None
        if lines:
            self.pause_reason, self.pause_note = None, GOES_ON
            self._begin(Stage.RESUMING, (*lines, *self._profile.proof))
        else:
            self._go_on()

    def stay(self, note: str) -> None:
        """It cannot be brought back: it stays paused, and says why."""
        self.needs = None
        self._record.enter(RecordedStage.PAUSED)
        self.stage, self.pause_note = Stage.PAUSED, note

    def _go_on(self) -> None:
        self._record.enter(RecordedStage.STREAMING)
        self._let_go_of_place()
        self.stage = Stage.STREAMING
        if self.phase in (PrintPhase.PAUSED, PrintPhase.HELD):
            self.phase = PrintPhase.PRINTING
        self.message = self.pause_reason = self.pause_note = None

    def _let_go_of_place(self) -> None:
        self._record.park(None)
        self.parked = None

    def place_seen(self, axes: Mapping[str, float]) -> None:
        """The firmware told a position: M114's, or that of a line of the file."""
        if self.stage is Stage.LOCATING or (self.stage is Stage.ENDING and self._presents):
            self.places.append(axes)
            del self.places[:-2]

    @property
    def place(self) -> Mapping[str, float] | None:
        """Where the machine stands, if it said so twice alike: a position comes without a checksum."""
        return self.places[0] if len(self.places) == 2 and self.places[0] == self.places[1] else None

    def set_targets(self, *, hotend: float | None, bed: float | None) -> None:
        """Somebody changed a temperature while it is parked: a resume heats to that.

        A nozzle that was switched off is heated again all the same: nothing is printed cold.
        """
        if self.parked is not None:
            kept = self.parked
            self.parked = replace(
                kept,
                hotend=hotend or kept.hotend,
                bed=kept.bed if bed is None else bed,
            )
            self._record.park(self.parked)

    @property
    def waits_for_person(self) -> bool:
        """Whether a command of the job waits for somebody at the machine."""
        return self._waits_at is not None

    def wait_seen(self, link: Link, note: str) -> None:
        """The firmware says that it waits for a person."""
        if self.stage not in (Stage.PAUSED, Stage.FROZEN, Stage.ENDED):
            self.pause_reason, self.pause_note = self.pause_reason or WAITS_FOR_PERSON, note
            if self._waits_at is None:
                self._waits_at = link.acked
            self.phase = PrintPhase.PAUSED  # again, if a resume only led to the next question
