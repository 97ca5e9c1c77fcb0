"""A print streamed from the host: which line goes next, and what the answers make of it. No clock, no port.

    PREPARING -> STREAMING -> FINISHING -> (ended: COMPLETED)
                  |      ^
                  v      |
               PAUSING   RESUMING <-------+
                  |                       |
                  +-> LOCATING -> PARKING -> PAUSED
        any of them -> ENDING -> (ended: CANCELED or FAILED)
        any of them -> FROZEN (emergency stop sent; the link will say how it ended)

A command of the job can wait for a person (M0, M600): the firmware says so, and the print is PAUSED until a
later line is answered, whatever the stage.

Between the lines of the job go lines of our own (`SIDE`): the markers that prove things. Pausing, finishing
and ending each close with `M400` and a numbered M105 behind it: M400 is answered when the machine stands, and
the M105's answer proves that it was M400's ok that was heard and no doubled one; asked again before anybody
is told that the machine stands. Firmware that answers before
it does anything is asked for its place instead (`Profile.proof`).
"""

from __future__ import annotations

import os

from gateway.domain.observations import PrintPhase, PrintReport
from gateway.drivers.contract import LineKind, Parked, RecordedStage
from gateway.drivers.marlin.pause import PausablePrint
from gateway.drivers.marlin.stages import (
    LOCATE,
    MOTORS_OFF,
    NOWHERE,
    RECORDED_END,
    STANDS_AFTER,
    STANDSTILL,
    Need,
    Stage,
)
from gateway.gcode.lines import BlockLine, LineOverlong
from gateway.protocol.marlin.framing import LineNotSendable
from gateway.protocol.marlin.link import Link

_FAILED_BEFORE = "The print had failed when the program that streamed it was stopped; it was ended safely."


class HostPrint(PausablePrint):
    """One print, from its first line to its end."""

    @property
    def fed_position(self) -> int:
        """Bytes of the file handed over."""
        return self._fed_position

    def damage_seen(self, text: str) -> None:
        """The firmware ran a line that nobody sent: noise that its checksum let pass, or a spoilt number.

        What was meant instead is lost; only what switches the heaters off is worth saying once more.
        """
        self._damage = (
            f"The printer received {text[:40]!r}, which was never sent: the cable disturbs the signal."
            " Look at the print, and use a shorter, shielded cable."
        )
        if self.stage is Stage.ENDING:
            self._begin(Stage.ENDING, self._ending_lines())

    def end(self, link: Link, phase: PrintPhase, reason: str, message: str | None = None) -> None:
        """Stop feeding, break waits and drop planned moves if the firmware can, then heaters off."""
        if self.stage in (Stage.ENDING, Stage.FROZEN, Stage.ENDED):
            return
        self._end_phase, self.reason, self.message = phase, reason, message
        self.needs, self.places = None, []
        self._presents = phase is PrintPhase.CANCELED and self.parked != NOWHERE
        self._record.enter(RECORDED_END.get(reason, RecordedStage.FAILED))
        self._side.clear()
        self._drop_errands("The print was ended first.", flying=False)  # no heat behind heaters off
        self._last_of_job = link.last_number
        self._begin(Stage.ENDING, self._ending_lines())
        self.break_wait(link)
        self._quick_stop(link)

    def _ending_lines(self) -> tuple[str, ...]:
        """Heaters off and standstill; the motors stay on where the part is to be presented."""
        lines = self._profile.cancel_script
        if not self._presents:
            return (*lines, *self._standstill)
        return (*(line for line in lines if line not in MOTORS_OFF), STANDSTILL, *self._locate)

    @property
    def _locate(self) -> tuple[str, ...]:
        return (*LOCATE, *self._profile.proof)

    def present(self, lines: tuple[str, ...]) -> None:
        """The last lines of a cancelled print: off the part if it is known where that is, motors off."""
        self.needs = None
        motors = tuple(line for line in self._profile.cancel_script if line in MOTORS_OFF)
        self._begin(Stage.ENDING, (*lines, *motors, *self._standstill))

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

    def take_up(self, link: Link, stage: RecordedStage, parked: Parked | None) -> None:
        """Go on where a former host was; every line up to the one given at the beginning has arrived."""
        self.is_taken_up = True
        if self._line:
            self.phase = PrintPhase.PRINTING
        if stage is RecordedStage.PAUSED:
            self.phase = PrintPhase.HELD  # until it is known to stand
            self.parked = parked
            self._begin(Stage.PAUSING, self._standstill)
        elif stage is RecordedStage.RESUMING:
            self.phase = PrintPhase.HELD
            self.parked = parked
            self.stage, self.needs = Stage.RESUMING, Need.RESTORE
        elif stage is RecordedStage.FAILED:
            self.parked = parked
            self.end(link, PrintPhase.FAILED, "aborted-by-system", _FAILED_BEFORE)
        elif stage is not RecordedStage.STREAMING:
            self.parked = parked
            reasons = [reason for reason, recorded in RECORDED_END.items() if recorded is stage]
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
            elif self.stage is Stage.PREPARING:
                self._prepared_done()
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
        if self.stage is Stage.PREPARING:
            self._prepared += 1
        self._note(number, LineKind.SIDE)
        if not self._side:
            self._target = number

    def _submit_next(self, link: Link) -> bool:
        try:
            if not self._lines.are_left():
                self._file_ended(link)
                return True
            lines = self._lines.hand_over(link)
        except LineNotSendable as error:
            self._give_up(link, f"Line {self._fed_line + 1} of the file cannot be sent: {error}.")
            return True
        except (OSError, LineOverlong, ValueError) as error:
            self._give_up(link, f"The file cannot be read any further: {error}.")
            return True
        if lines:
            self._note_lines(link, lines)
        return bool(lines)

    def _note_lines(self, link: Link, lines: list[BlockLine]) -> None:
        number = link.last_number - len(lines)
        sent, fly = self._record.sent, self._flying.append
        for _, end, ordinal in lines:
            number += 1
            sent(number, end, ordinal, LineKind.JOB)
            fly((number, end, ordinal, LineKind.JOB))
        self._recorded, self._fed_position, self._fed_line = number, end, ordinal

    def _file_ended(self, link: Link) -> None:
        assert self._file is not None
        size = os.fstat(self._file.fileno()).st_size
        if size != self.order.size:
            self._give_up(link, f"The file was changed: it has {size} bytes instead of {self.order.size}.")
        else:
            self._begin(Stage.FINISHING, (*self._profile.end_script, *self._end_lines, *self._standstill))

    def _give_up(self, link: Link, message: str) -> None:
        self.end(link, PrintPhase.FAILED, "aborted-by-system", message)

    def _prepared_done(self) -> None:
        self.stage = Stage.STREAMING
        if self._pause_wanted:
            self._pause_wanted = False
            self.pause()

    def _note(self, number: int, kind: LineKind) -> None:
        self._recorded = number
        if self.stage is Stage.PREPARING:
            self._record.sent(number, 0, self._prepared, LineKind.START)
        else:
            self._record.sent(number, self._fed_position, self._fed_line, kind)
        self._flying.append((number, self._fed_position, self._fed_line, kind))

    def _record_foreign(self, link: Link) -> None:
        """Numbers the link used for its own questions, since the last line and before the next."""
        for number in range(self._recorded + 1, link.last_number + 1):
            if self.stage is Stage.PREPARING:
                self._record.sent(number, 0, self._prepared, LineKind.START)
            else:
                self._record.sent(number, self._fed_position, self._fed_line, LineKind.SIDE)
        self._recorded = link.last_number

    # -- answers ------------------------------------------------------------------------------------------

    def go_on(self, link: Link) -> bool:
        """`observe` and `feed`, while there is nothing to it but lines. False: there is more, or will be."""
        if (
            self.stage is not Stage.STREAMING
            or self.phase is not PrintPhase.PRINTING
            or self._side
            or self._errands
            or self._errands_flying
            or self._waits_at is not None
            or self._recorded != link.last_number
        ):
            return False
        self._see_answers(link.acked)
        self._submit_next(link)
        return self.stage is Stage.STREAMING

    def _see_answers(self, acked: int) -> None:
        flying, job = self._flying, LineKind.JOB
        while flying and flying[0][0] <= acked:
            _, position, line, kind = flying.popleft()
            if kind is job:
                self._position, self._line = position, line

    def observe(self, link: Link, now: float) -> bool:
        """See what has been answered. True when the phase changed."""
        acked, before, line_before = link.acked, self.phase, self._line
        self._see_answers(acked)
        if self.phase is PrintPhase.STARTING and self._line != line_before:
            self.phase = PrintPhase.PRINTING
        while self._errands_flying and self._errands_flying[0].last_number <= acked:
            self._errands_flying.popleft().done()
        if self._waits_at is not None and acked > self._waits_at:
            self._waits_at = None
            if self.phase is PrintPhase.PAUSED and self.stage is not Stage.PARKING:
                self.phase = PrintPhase.PRINTING
                self.pause_reason = self.pause_note = None
        if self._target and not self._side and acked >= self._target:
            if not link.is_done(self._target):
                if link.wants_proof(now):  # counted, not proven: ask once more
                    self._side.append(self._profile.proof[-1])
            elif self._wants_second_proof:
                self._has_one_proof = True
                self._side.append(self._profile.proof[-1])
            else:
                self._stage_done()
        elif self.stage is Stage.ENDING and self._quick_stops == 1 and acked >= self._last_of_job:
            self._quick_stop(link)
        return self.phase is not before

    @property
    def _wants_second_proof(self) -> bool:
        """A report in the middle of an earlier ok reads like the M105's answer; hardly twice in a row."""
        return self.stage in STANDS_AFTER and not self._has_one_proof and self._profile.ok_when == "done"

    def _stage_done(self) -> None:
        self._target = 0
        if self.stage is Stage.PAUSING and self._parks and self.parked is None:
            self.places = []
            self._begin(Stage.LOCATING, self._locate)
        elif self.stage is Stage.LOCATING or (self.stage is Stage.PAUSING and self.parked is not None):
            self.stage, self.needs = Stage.PARKING, Need.PARK
        elif self.stage in (Stage.PAUSING, Stage.PARKING):
            self.stage, self.phase = Stage.PAUSED, PrintPhase.PAUSED
        elif self.stage is Stage.RESUMING:
            self._go_on()
        elif self.stage is Stage.FINISHING:
            self.close(PrintPhase.COMPLETED, None, None)
        elif self.stage is Stage.ENDING and self._presents:
            self._presents, self.needs = False, Need.PRESENT
        elif self.stage is Stage.ENDING:
            self.close(self._end_phase, self.reason, self.message)

    def _quick_stop(self, link: Link) -> None:
        if self._profile.emergency_parser and self._profile.quick_stop:
            self._quick_stops += 1
            link.send_emergency(self._profile.quick_stop)

    def report(self) -> PrintReport:
        """How it stands."""
        size, is_paused = self.order.size, self.phase is PrintPhase.PAUSED
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
            reason=self._shown_reason(),
            message=self.message or (self.pause_note if is_paused else None) or self._damage,
        )

    def _shown_reason(self) -> str | None:
        if self.phase is PrintPhase.PAUSED:
            return self.pause_reason
        return self.reason if self.phase.is_end or self.stage is not Stage.ENDING else None
