"""One print on a printer, and what a state of the printer does to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from gateway.domain.observations import Origin, PrintPhase, PrintReport
from gateway.protocol.bambu.codes import error_words, is_fault, worst
from gateway.protocol.bambu.ladder import Whose
from gateway.protocol.bambu.names import mark_in_name
from gateway.protocol.bambu.requests import SPEEDS
from gateway.protocol.bambu.stages import stage_words
from gateway.protocol.bambu.state import GcodeState, PrinterState

G = GcodeState
P = PrintPhase
#: What an active printer does with its print. The machine executes none of it while it is prepared.
PHASES: Final = {G.SLICING: P.STARTING, G.PREPARE: P.STARTING, G.RUNNING: P.PRINTING, G.PAUSE: P.PAUSED}
ORIGINS: Final = {
    Whose.GATEWAY: Origin.GATEWAY,
    Whose.CLOUD: Origin.CLOUD,
    Whose.LAN_APP: Origin.LAN_APP,
    Whose.PANEL: Origin.PANEL,
    Whose.UNKNOWN: Origin.UNKNOWN,
}


@dataclass(slots=True)
class Print:
    """`phase` None: its start was sent, and nothing proved yet that it arrived."""

    key: str
    is_local: bool
    mark: int | None  # of a start of ours
    name: str | None
    phase: PrintPhase | None
    file_name: str | None = None  # as the machine says it
    native_id: str | None = None
    origin: Origin | None = None
    progress: float | None = None
    message: str | None = None
    is_stop_taken: bool = False  # the printer took our `stop`
    file_on_printer: str | None = None  # ours, to be removed when it is over
    is_seen: bool = False  # by this process, on the machine
    failed_since: float | None = None  # it failed, and has not said why
    idle_since: float | None = None  # the printer says that it has no print, and not why
    details: dict[str, Any] = field(default_factory=dict)

    def report(self, phase: PrintPhase, message: str | None = None, error: int = 0) -> PrintReport:
        """As the engine is told."""
        return PrintReport(
            key=self.key,
            phase=phase,
            is_local=self.is_local,
            name=self.file_name or self.name if self.is_local else self.name,
            progress=self.progress,
            message=message,
            details=dict(self.details) or None,
            error_code=error or None,
            origin=self.origin if self.is_local else None,
        )

    def current(self) -> PrintReport | None:
        """As it is now; None while nothing proves that it is there."""
        return None if self.phase is None else self.report(self.phase, self.message)

    def follow(self, state: PrinterState) -> None:
        """The printer is active with this print."""
        self.is_seen = True
        self.phase = PHASES[state.gcode_state]
        self.file_name = state.name or self.file_name
        self.native_id = state.native_id or self.native_id
        if self.mark is not None and state.file is not None and mark_in_name(state.file) == self.mark:
            self.file_on_printer = state.file
        self.message = trouble(state)
        self.failed_since = self.idle_since = None
        if self.phase is P.STARTING:
            self.progress = 0.0  # `mc_percent` is still that of the print before
            self._stage(state)
            return
        if state.percent is not None:
            self.progress = state.percent / 100
        if state.minutes_left or (state.minutes_left == 0 and self.progress):  # 0 at first: not told yet
            self.details["seconds_left"] = 60 * state.minutes_left
        if state.speed_level is not None:
            self.details["speed"] = SPEEDS[state.speed_level][1]
        for name, value in (("layer", state.layer), ("layers", state.layers)):
            if value:  # 0: the firmware has reset it; the last one is right
                self.details[name] = value
        self._stage(state)

    def _stage(self, state: PrinterState) -> None:
        words = stage_words(state.stage)
        if words is None or self.phase is P.STARTING:  # on A1 and P1 it is an old one before it runs
            self.details.pop("stage", None)
        else:
            self.details["stage"] = words


def trouble(state: PrinterState) -> str | None:
    """What is wrong, in words; None: nothing that a person should know of."""
    if is_fault(state.print_error):
        return error_words(state.print_error)
    bad = worst(state.hms)
    return None if bad is None else bad.words
