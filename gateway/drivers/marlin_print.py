"""A print streamed from the host: which line goes next, and what the answers make of it. No clock, no port.

    STREAMING -> FINISHING -> (ended: COMPLETED)
        |  ^
        v  |
     PAUSING -> PAUSED
        any of them -> ENDING -> (ended: CANCELED or FAILED)
        any of them -> FROZEN (emergency stop sent; the link will say how it ended)

A command of the job can wait for a person (M0, M600): the firmware says so, and the print is PAUSED until a
later line is answered, whatever the stage.

Between the lines of the job go lines of our own (`SIDE`): the markers that prove things. Pausing, finishing
and ending each close with `M400` and a numbered M105 behind it: M400 is answered when the machine stands, and
the M105's answer proves that it was M400's ok that was heard and no doubled one.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from enum import Enum, auto
from typing import BinaryIO, NamedTuple

from gateway.domain.observations import PrintPhase, PrintReport
from gateway.domain.orders import StartPrint
from gateway.drivers.contract import LineKind, LineRecord, RecordedStage
from gateway.drivers.marlin_scripts import SCRIPTS_MAX, Script
from gateway.gcode.lines import GcodeLine, LineOverlong, printable_lines
from gateway.protocol.marlin.framing import LineNotSendable
from gateway.protocol.marlin.link import Link
from gateway.protocol.marlin.profile import Profile

#: Answered when every planned move is done, and what proves that it was.
STANDSTILL = ("M400", "M105")
_RECORDED_END = {
    "job-canceled-by-user": RecordedStage.CANCELED_BY_USER,
    "job-canceled-at-device": RecordedStage.CANCELED_AT_DEVICE,
}
_FAILED_BEFORE = "The print had failed when the program that streamed it was stopped; it was ended safely."


class Stage(Enum):
    """Where a streamed print stands, for its driver."""

    STREAMING = auto()
    PAUSING = auto()
    PAUSED = auto()
    FINISHING = auto()
    ENDING = auto()
    FROZEN = auto()
    ENDED = auto()


class Place(NamedTuple):
    """Behind what a print begins or goes on: number of a line, and what had been handed over by then."""

    number: int
    offset: int  # bytes of the file
    line: int  # printable lines of the file


class HostPrint:
    """One print, from its first line to its end."""

    def __init__(
        self,
        order: StartPrint,
        file: BinaryIO | None,
        record: LineRecord,
        profile: Profile,
        behind: Place,
    ) -> None:
        """Begins streaming with the next `feed`. The file is closed at the end; None: it is only ended."""
        self.key = order.key
        self.order = order
        self.stage = Stage.STREAMING
        self.phase = PrintPhase.STARTING
        self.reason: str | None = None
        self.message: str | None = None
        self.is_taken_up = False  # it was held before
        self._file = file
        self._lines: Iterator[GcodeLine] = iter(())
        if file is not None:
            self._lines = printable_lines(file, start=behind.offset, start_ordinal=behind.line)
        self._record = record
        self._profile = profile
        self._side: deque[str] = deque()
        self._errands: deque[Script] = deque()  # adjustments, ahead of every other line
        self._errands_flying: deque[Script] = deque()
        self._flying: deque[tuple[int, int, int, LineKind]] = deque()
        self._recorded, self._position, self._line = behind  # the last two: of the last line answered
        self._fed_position, self._fed_line = self._position, self._line  # of the last line handed over
        self._target = 0  # number of the marker that ends the present stage
        self._end_phase = PrintPhase.COMPLETED
        self._quick_stops = 0
        self._last_of_job = 0  # number of the last line handed over before the end was asked for
        self._waits_at: int | None = None  # the line answered last when a wait for a person began
        self._damage: str | None = None

    # -- orders -------------------------------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """Whether its end has been observed."""
        return self.stage is Stage.ENDED

    def pause(self) -> bool:
        """Stop feeding; PAUSED follows when the machine stands. False: not in this stage."""
        if self.stage is not Stage.STREAMING:
            return self.stage in (Stage.PAUSING, Stage.PAUSED)
        self._record.enter(RecordedStage.PAUSED)
        self._begin(Stage.PAUSING, STANDSTILL)
        return True

    def resume(self) -> bool:
        """Go on with the next line. False: it is not paused."""
        if self.stage not in (Stage.PAUSING, Stage.PAUSED):
            return False
        self._record.enter(RecordedStage.STREAMING)
        self.stage = Stage.STREAMING
        if self.phase in (PrintPhase.PAUSED, PrintPhase.HELD):
            self.phase = PrintPhase.PRINTING
        self.message = None
        return True

    @property
    def waits_for_person(self) -> bool:
        """Whether a command of the job waits for somebody at the machine."""
        return self._waits_at is not None

    def wait_seen(self, link: Link) -> None:
        """The firmware says that it waits for a person."""
        if self.stage not in (Stage.PAUSED, Stage.FROZEN, Stage.ENDED):
            if self._waits_at is None:
                self._waits_at = link.acked
            self.phase = PrintPhase.PAUSED  # again, if a resume only led to the next question

    def damage_seen(self, text: str) -> None:
        """The firmware ran a line that nobody sent: noise that its checksum let pass, or a spoilt number.

        What was meant instead is lost; only what switches the heaters off is worth saying once more.
        """
        self._damage = (
            f"The printer received {text[:40]!r}, which was never sent: the cable disturbs the signal."
            " Look at the print, and use a shorter, shielded cable."
        )
        if self.stage is Stage.ENDING:
            self._begin(Stage.ENDING, (*self._profile.cancel_script, *STANDSTILL))

    def end(self, link: Link, phase: PrintPhase, reason: str, message: str | None = None) -> None:
        """Stop feeding, break waits and drop planned moves if the firmware can, then heaters off."""
        if self.stage in (Stage.ENDING, Stage.FROZEN, Stage.ENDED):
            return
        self._end_phase, self.reason, self.message = phase, reason, message
        self._record.enter(_RECORDED_END.get(reason, RecordedStage.FAILED))
        self._side.clear()
        self._drop_errands("The print was ended first.", flying=False)  # no heat behind heaters off
        self._last_of_job = link.last_number
        self._begin(Stage.ENDING, (*self._profile.cancel_script, *STANDSTILL))
        self.break_wait(link)
        self._quick_stop(link)

    def break_wait(self, link: Link) -> None:
        """End M109, M190 or a wait for a person, while ending."""
        if self.stage is not Stage.ENDING:
            return
        if self._profile.emergency_parser and self._profile.break_wait:
            link.send_emergency(self._profile.break_wait)
        elif self._waits_at is not None:
            self.message = self.message or "The printer waits for somebody to press its button first."
        elif self.phase in (PrintPhase.PRINTING, PrintPhase.STARTING):
            self.message = self.message or (
                "The printer ends the command it is at first: its firmware cannot break off a heating."
                " The emergency stop can."
            )

    @property
    def is_ending(self) -> bool:
        """Whether it takes no orders any more but a cancel."""
        return self.stage in (Stage.ENDING, Stage.FROZEN, Stage.ENDED)

    def interject(self, script: Script) -> bool:
        """Send these lines next, whatever else waits. False: it is ending, or too many wait already."""
        if self.is_ending or len(self._errands) >= SCRIPTS_MAX:
            return False
        self._errands.append(script)
        return True

    def _drop_errands(self, why: str, *, flying: bool = True) -> None:
        dropped = (*self._errands_flying, *self._errands) if flying else tuple(self._errands)
        self._errands.clear()
        if flying:
            self._errands_flying.clear()
        for script in dropped:
            script.lost(why)

    def freeze(self) -> None:
        """No line more: an emergency stop is on its way."""
        if self.stage is not Stage.ENDED:
            self._record.enter(RecordedStage.HELD)
            self._side.clear()
            self._drop_errands("The emergency stop came first.")
            self.stage = Stage.FROZEN

    def close(self, phase: PrintPhase, reason: str | None, message: str | None) -> None:
        """The end was observed elsewhere (the link failed)."""
        self.stage = Stage.ENDED
        self.phase, self.reason, self.message = phase, reason, message
        self._drop_errands("The print ended first.")
        self.let_go()
        if phase.is_end:
            self._record.close()

    def let_go(self) -> None:
        """The driver host stops: close the file, leave the record to the successor."""
        if self._file is not None:
            self._file.close()

    def take_up(self, link: Link, stage: RecordedStage) -> None:
        """Go on where a former host was; every line up to the one given at the beginning has arrived."""
        self.is_taken_up = True
        if self._line:
            self.phase = PrintPhase.PRINTING
        if stage is RecordedStage.PAUSED:
            self.phase = PrintPhase.HELD  # until it is known to stand
            self.pause()
        elif stage is RecordedStage.FAILED:
            self.end(link, PrintPhase.FAILED, "aborted-by-system", _FAILED_BEFORE)
        elif stage is not RecordedStage.STREAMING:
            reasons = [reason for reason, recorded in _RECORDED_END.items() if recorded is stage]
            self.end(link, PrintPhase.CANCELED, reasons[0])

    def add_heartbeat(self) -> None:
        """Put a numbered M105 between the lines: it proves all lines before it."""
        if self.stage in (Stage.STREAMING, Stage.PAUSED) and not self._side:
            self._side.append("M105")

    # -- lines --------------------------------------------------------------------------------------------

    def feed(self, link: Link) -> None:
        """Hand over lines while the link wants them; each is recorded before it can reach the port."""
        self._record_foreign(link)
        while link.wants_line:
            if self._errands:
                self._submit_errand(link)
            elif self._side:
                self._submit_side(link)
            elif self.stage is not Stage.STREAMING or not self._submit_next(link):
                break

    def _submit_errand(self, link: Link) -> None:
        script = self._errands[0]
        script.last_number = link.submit(script.lines.popleft())
        self._note(script.last_number, LineKind.SIDE)
        if not script.lines:
            self._errands_flying.append(self._errands.popleft())

    def _submit_side(self, link: Link) -> None:
        number = link.submit(self._side.popleft())
        self._note(number, LineKind.SIDE)
        if not self._side:
            self._target = number

    def _submit_next(self, link: Link) -> bool:
        try:
            line = next(self._lines, None)
            if line is None or line.end > self.order.size:
                self._file_ended(link)
                return True
            number = link.submit(line.text)
        except LineNotSendable as error:
            self._give_up(link, f"Line {self._fed_line + 1} of the file cannot be sent: {error}.")
            return True
        except (OSError, LineOverlong, ValueError) as error:
            self._give_up(link, f"The file cannot be read any further: {error}.")
            return True
        self._fed_position, self._fed_line = line.end, line.ordinal
        self._note(number, LineKind.JOB)
        return True

    def _file_ended(self, link: Link) -> None:
        assert self._file is not None
        size = os.fstat(self._file.fileno()).st_size
        if size != self.order.size:
            self._give_up(link, f"The file was changed: it has {size} bytes instead of {self.order.size}.")
        else:
            self._begin(Stage.FINISHING, (*self._profile.end_script, *STANDSTILL))

    def _give_up(self, link: Link, message: str) -> None:
        self.end(link, PrintPhase.FAILED, "aborted-by-system", message)

    def _note(self, number: int, kind: LineKind) -> None:
        self._recorded = number
        self._record.sent(number, self._fed_position, self._fed_line, kind)
        self._flying.append((number, self._fed_position, self._fed_line, kind))

    def _record_foreign(self, link: Link) -> None:
        """Numbers the link used for its own questions, since the last line and before the next."""
        for number in range(self._recorded + 1, link.last_number + 1):
            self._record.sent(number, self._fed_position, self._fed_line, LineKind.SIDE)
        self._recorded = link.last_number

    def _begin(self, stage: Stage, script: tuple[str, ...]) -> None:
        self.stage = stage
        self._side.extend(script)
        self._target = 0

    # -- answers ------------------------------------------------------------------------------------------

    def observe(self, link: Link) -> bool:
        """See what has been answered. True when the phase changed."""
        acked, before = link.acked, self.phase
        flying = self._flying
        while flying and flying[0][0] <= acked:
            _, position, line, kind = flying.popleft()
            if kind is LineKind.JOB:
                self._position, self._line = position, line
                if self.phase is PrintPhase.STARTING:
                    self.phase = PrintPhase.PRINTING
        while self._errands_flying and self._errands_flying[0].last_number <= acked:
            self._errands_flying.popleft().done()
        if self._waits_at is not None and acked > self._waits_at:
            self._waits_at = None
            if self.phase is PrintPhase.PAUSED:
                self.phase = PrintPhase.PRINTING
        if self._target and not self._side and acked >= self._target:
            self._stage_done()
        elif self.stage is Stage.ENDING and self._quick_stops == 1 and acked >= self._last_of_job:
            self._quick_stop(link)
        return self.phase is not before

    def _stage_done(self) -> None:
        self._target = 0
        if self.stage is Stage.PAUSING:
            self.stage, self.phase = Stage.PAUSED, PrintPhase.PAUSED
        elif self.stage is Stage.FINISHING:
            self.close(PrintPhase.COMPLETED, None, None)
        elif self.stage is Stage.ENDING:
            self.close(self._end_phase, self.reason, self.message)

    def _quick_stop(self, link: Link) -> None:
        if self._profile.emergency_parser and self._profile.quick_stop:
            self._quick_stops += 1
            link.send_emergency(self._profile.quick_stop)

    def report(self) -> PrintReport:
        """How it stands."""
        size = self.order.size
        progress = 1.0 if self.phase is PrintPhase.COMPLETED else self._position / size if size else None
        return PrintReport(
            key=self.key,
            phase=self.phase,
            is_local=False,
            name=self.order.name,
            size=size,
            position=self._position,
            line=self._line,
            progress=progress,
            reason=self.reason if self.phase.is_end or self.stage is not Stage.ENDING else None,
            message=self.message or self._damage,
        )
