"""The machine itself, without I/O and clock: it loads, prints layer by layer, and has a panel.

    IDLE -> LOADING -> (WAITING for the button) -> PRINTING <-> PAUSED -> ENDING -> IDLE

An open door stops the layers and keeps the state; an error ends the print. Every method takes `now` in
seconds. Layers, loading and the end take the personality's time divided by `speed`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from firmware_sim.forge.ledger import CallInLedger
from firmware_sim.forge.personality import CallInPersonality
from firmware_sim.forge.state import Phase, Print, Refused, Report

FILE_ERROR = 500
"""The error code shown for a file that cannot be printed."""

_STATUS = {
    Phase.IDLE: "ready",
    Phase.MOVING: "busy",
    Phase.LOADING: "busy",
    Phase.WAITING: "ready",  # Ember: "LoadedPrintData" is ready
    Phase.PRINTING: "printing",
    Phase.PAUSED: "paused",
    Phase.ENDING: "busy",
    Phase.OFF: "off",  # said by nobody to the server
}
#: Phases in which a print is on the machine and not over.
_OCCUPIED = frozenset({Phase.LOADING, Phase.WAITING, Phase.PRINTING, Phase.PAUSED, Phase.ENDING})


class Machine:
    """One printer. `changes` grows with every change; whoever talks for the machine takes them out."""

    def __init__(self, personality: CallInPersonality, ledger: CallInLedger, speed: float = 1.0) -> None:
        if not speed > 0.0:
            raise ValueError(f"speed must be more than 0, not {speed}")
        self.personality = personality
        self.ledger = ledger
        self.phase = Phase.IDLE
        self.print: Print | None = None
        self.is_door_open = False
        self.fault: tuple[int, str] | None = None
        self.is_plate_occupied = False
        self.settings: Mapping[str, Any] = {}
        self.changes: deque[Report] = deque()
        self.finished_layers: deque[int] = deque()
        self._speed = speed
        self._due: float | None = None  # when the phase, or the layer, ends
        self._left = 0.0  # seconds of a layer that is interrupted
        self._started: set[str] = set()

    # -- what it shows ------------------------------------------------------------------------------------

    @property
    def printer_status(self) -> str:
        """In the API's words; never `offline`, which only the server says."""
        if self.fault is not None:
            return "error"
        if self.phase is Phase.OFF:
            return _STATUS[self.phase]
        return "maintenance" if self.is_door_open else _STATUS[self.phase]

    def report(self, cause: str = "ping") -> Report:
        """How it stands."""
        code, message = self.fault or (0, "")
        left = (self.print.layers - self.print.layer) * self.personality.layer_seconds if self.print else 0.0
        return Report(
            cause, self.printer_status, self.print, self.personality.temperature, int(left), code, message
        )

    def why_not_ready(self) -> str | None:
        """Why it cannot take a print now; None: it can."""
        if self.fault is not None:
            return f"error {self.fault[0]}: {self.fault[1]}"
        if self.is_door_open:
            return "the door is open"
        return None if self.phase is Phase.IDLE else f"the printer is {self.phase.value}"

    # -- a print ------------------------------------------------------------------------------------------

    def load(self, job: Print, now: float) -> None:
        """A print is on its way onto the machine. Raises Refused when it is not idle."""
        if reason := self.why_not_ready():
            raise Refused(reason)
        self.print = replace(job, status="received")
        self._enter(Phase.LOADING, now, self.personality.load_seconds)
        self._changed("loading")

    def wait_for_file(self) -> None:
        """Loading lasts until `file_arrived` or `reject`."""
        self._due = None

    def file_arrived(self, sha256: str, layers: int, now: float) -> None:
        """The file is here; `layers` 0: it shows none, and the personality's number is printed."""
        assert self.print is not None
        assert self.phase is Phase.LOADING
        self.print = replace(self.print, sha256=sha256, layers=layers or self.print.layers)
        self._enter(Phase.LOADING, now, self.personality.load_seconds)
        self._changed("loaded")

    def press_button(self, now: float) -> None:
        """Somebody starts the loaded print. Raises Refused when none waits."""
        if self.phase is not Phase.WAITING:
            raise Refused("no print waits for the button")
        self._begin(now)

    def pause(self, by: str, now: float) -> None:
        """Raises Refused when nothing prints."""
        self.advance(now)
        if self.phase is not Phase.PRINTING:
            raise Refused("nothing prints")
        self._hold(now)
        self.phase = Phase.PAUSED
        self._turned("paused", by, now)

    def resume(self, by: str, now: float) -> None:
        """Raises Refused when nothing is paused."""
        if self.phase is not Phase.PAUSED:
            raise Refused("nothing is paused")
        self.phase = Phase.PRINTING
        self._release(now)
        self._turned("resumed", by, now, status="printing")

    def cancel(self, by: str, now: float) -> None:
        """Ends the print in whatever state it is. Raises Refused when there is none."""
        self.advance(now)
        if self.print is None or self.phase not in _OCCUPIED - {Phase.ENDING}:
            raise Refused("no print to cancel")
        self._end("canceled", by, now)

    def reject(self, reason: str, now: float) -> None:
        """The loaded file turned out to be none: the print fails before it began."""
        self._end("failed", "machine", now, reason=reason)

    # -- people and accidents -----------------------------------------------------------------------------

    def open_door(self, now: float) -> None:
        """Layers stop; a print stays a print."""
        self.advance(now)
        if not self.is_door_open:
            self._hold(now)
            self.is_door_open = True
            self._turned("door_opened", "panel", now, status=None)

    def close_door(self, now: float) -> None:
        """Layers go on."""
        if self.is_door_open:
            self.is_door_open = False
            self._release(now)
            self._turned("door_closed", "panel", now, status=None)

    def break_down(self, code: int, message: str, now: float) -> None:
        """An error: a print on the machine fails, and it shows `error` until somebody clears it."""
        self.advance(now)
        self.fault = (code, message)
        self.ledger.append(now, "error", "machine", self._job, code=code, message=message)
        if self.phase in _OCCUPIED - {Phase.ENDING}:
            self._end("failed", "machine", now, code=code)
        else:
            self._changed("error")

    def clear_error(self, now: float) -> None:
        """Somebody has looked and pressed OK."""
        if self.fault is not None:
            self.fault = None
            self._turned("error_cleared", "panel", now, status=None)

    def clear_plate(self, now: float) -> None:
        """Somebody takes the part off."""
        self.is_plate_occupied = False
        self.ledger.append(now, "plate_cleared", "panel")

    def move(self, what: str, by: str, now: float) -> None:
        """Home, park or calibrate. Raises Refused when it is not idle."""
        if reason := self.why_not_ready():
            raise Refused(reason)
        self.ledger.append(now, "moved", by, what=what)
        self._enter(Phase.MOVING, now, self.personality.move_seconds)
        self._changed(what)

    def power_off(self, now: float) -> None:
        """A print that was running is gone, and nobody is told."""
        layer = self.print.layer if self.print else 0
        self.ledger.append(now, "power_off", "machine", self._job, layer=layer)
        self.phase, self.print, self.fault, self._due = Phase.OFF, None, None, None
        self.changes.clear()
        self.finished_layers.clear()

    def power_on(self, now: float) -> None:
        """Ready, with no job."""
        self.phase = Phase.IDLE
        self.ledger.append(now, "power_on", "machine")

    # -- time ---------------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When something happens by itself."""
        return self._due

    def advance(self, now: float) -> None:
        """Let everything happen that is due by `now`, each at its own time."""
        while self._due is not None and self._due <= now:
            at, self._due = self._due, None
            match self.phase:
                case Phase.LOADING if self.personality.has_button and not self._is_local:
                    self.phase = Phase.WAITING
                    self._changed("waiting")
                case Phase.LOADING:
                    self._begin(at)
                case Phase.PRINTING:
                    self._layer_done(at)
                case Phase.ENDING | Phase.MOVING:
                    self._rest()

    def _begin(self, now: float) -> None:
        assert self.print is not None
        job = self.print = replace(self.print, layer=1, status="printing")
        if job.job_id in self._started:
            self.ledger.append(now, "violation", job.by, job.job_id, what="started twice")
        if self.is_plate_occupied:
            self.ledger.append(now, "violation", job.by, job.job_id, what="plate occupied")
        self._started.add(job.job_id)
        self.is_plate_occupied = True
        self.ledger.append(
            now, "print_started", job.by, job.job_id, task=job.task_id, name=job.name, sha256=job.sha256,
            layers=job.layers,
        )  # fmt: skip
        self._enter(Phase.PRINTING, now, self.personality.layer_seconds)
        self._changed("started")

    def _layer_done(self, now: float) -> None:
        assert self.print is not None
        self.ledger.append(now, "layer", "machine", self.print.job_id, layer=self.print.layer)
        self.finished_layers.append(self.print.layer)
        if self.print.layer >= self.print.layers:
            self._end("completed", "machine", now)
            return
        self.print = replace(self.print, layer=self.print.layer + 1)
        self._enter(Phase.PRINTING, now, self.personality.layer_seconds)
        self._changed("layer")

    def _end(self, status: str, by: str, now: float, **facts: Any) -> None:
        """The print is over; its end is shown for a while."""
        assert self.print is not None
        self.print = replace(self.print, status=status)
        self.ledger.append(now, status, by, self.print.job_id, layer=self.print.layer, **facts)
        if self.personality.feedback_seconds:
            self._enter(Phase.ENDING, now, self.personality.feedback_seconds)
        else:
            self.phase, self._due = Phase.IDLE, None
        self._changed(status, facts.get("reason"))
        if self._due is None:
            self._rest()

    def _rest(self) -> None:
        self.phase, self.print = Phase.IDLE, None
        self._changed("ready")

    def _enter(self, phase: Phase, now: float, seconds: float) -> None:
        self.phase, self._due = phase, now + seconds / self._speed

    def _hold(self, now: float) -> None:
        if self.phase is Phase.PRINTING and self._due is not None:
            self._left, self._due = self._due - now, None

    def _release(self, now: float) -> None:
        if self.phase is Phase.PRINTING and not self.is_door_open:
            self._due = now + self._left

    def _turned(self, event: str, by: str, now: float, status: str | None = "same") -> None:
        """Write it down and show it; `status`: the print's new one, "same": the event's own word."""
        if self.print is not None and status is not None:
            self.print = replace(self.print, status=event if status == "same" else status)
        layer = {"layer": self.print.layer} if self.print else {}
        self.ledger.append(now, event, by, self._job, **layer)
        self._changed(event)

    def _changed(self, cause: str, error: str | None = None) -> None:
        report = self.report(cause)
        if error is not None:
            report = replace(report, error_code=FILE_ERROR, error_message=error)
        self.changes.append(report)

    @property
    def _job(self) -> str | None:
        return self.print.job_id if self.print else None

    @property
    def _is_local(self) -> bool:
        return self.print is not None and self.print.by == "panel"
