"""What the halves of a streamed print share: where it stands, and lines waiting beside those of the file."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import BinaryIO

from gateway.domain.observations import PrintPhase
from gateway.domain.orders import StartPrint
from gateway.drivers.contract import LineKind, LineRecord, Parked
from gateway.drivers.marlin.lines import FileLines
from gateway.drivers.marlin.scripts import SCRIPTS_MAX, Script
from gateway.drivers.marlin.stages import STANDSTILL, Need, Place, Stage
from gateway.protocol.marlin.profile import Profile


class PrintBase:
    """The state of one print. `pause` pauses it, `print` feeds and ends it."""

    def __init__(
        self,
        order: StartPrint,
        file: BinaryIO | None,
        record: LineRecord,
        profile: Profile,
        behind: Place,
        start_lines: tuple[str, ...] = (),
        end_lines: tuple[str, ...] = (),
    ) -> None:
        """Begins streaming with the next `feed`. The file is closed at the end; None: it is only ended."""
        self.key = order.key
        self.order = order
        self.stage = Stage.PREPARING if start_lines and behind.prepared is not None else Stage.STREAMING
        self.phase = PrintPhase.STARTING
        self.reason: str | None = None
        self.message: str | None = None
        self.is_taken_up = False  # it was held before
        self._file = file
        self._lines = FileLines(file, order.size, behind)
        self._record = record
        self._profile = profile
        self._end_lines = end_lines
        self.needs: Need | None = None
        self.parked: Parked | None = None  # what a resume restores
        self.places: list[Mapping[str, float]] = []  # told by M114 since it stands
        self.pause_reason: str | None = None
        self.pause_note: str | None = None
        self._parks = True
        self._pause_wanted = False
        self._side: deque[str] = deque()
        self._errands: deque[Script] = deque()  # adjustments, ahead of every other line
        self._errands_flying: deque[Script] = deque()
        self._flying: deque[tuple[int, int, int, LineKind]] = deque()
        self._prepared = behind.prepared or 0  # lines of the start script handed over
        if self.stage is Stage.PREPARING:
            self._side.extend(start_lines[self._prepared :])
        self._recorded, self._position, self._line, _ = behind  # the last two: of the last line answered
        self._fed_position, self._fed_line = self._position, self._line  # of the last line handed over
        self._target = 0  # number of the marker that ends the present stage
        self._has_one_proof = False  # it was answered once
        self._end_phase = PrintPhase.COMPLETED
        self._presents = False  # when it has stopped, its place is asked for
        self._quick_stops = 0
        self._last_of_job = 0  # number of the last line handed over before the end was asked for
        self._waits_at: int | None = None  # the line answered last when a wait for a person began
        self._damage: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether its end has been observed."""
        return self.stage is Stage.ENDED

    @property
    def is_ending(self) -> bool:
        """Whether it takes no orders any more but a cancel."""
        return self.stage in (Stage.ENDING, Stage.FROZEN, Stage.ENDED)

    @property
    def _standstill(self) -> tuple[str, ...]:
        """Lines that wait until the machine stands, and prove it."""
        return (STANDSTILL, *self._profile.proof)

    def _begin(self, stage: Stage, script: tuple[str, ...]) -> None:
        self.stage = stage
        self._side.extend(script)
        self._target, self._has_one_proof = 0, False

    def interject(self, script: Script) -> bool:
        """Send these lines next, whatever else waits. False: it is ending, or too many wait already."""
        if self.is_ending or len(self._errands) >= SCRIPTS_MAX:
            return False
        script.close(self._profile)
        self._errands.append(script)
        return True

    def _drop_errands(self, why: str, *, flying: bool = True) -> None:
        dropped = (*self._errands_flying, *self._errands) if flying else tuple(self._errands)
        self._errands.clear()
        if flying:
            self._errands_flying.clear()
        for script in dropped:
            script.lost(why)
