"""klippy's `print_stats`: the print as the machine tells of it. Source: klippy/extras/print_stats.py.

    standby -> printing <-> paused -> complete | cancelled | error -> (next file, restart) standby

It is a notebook of the file that is loaded, not of a job: loading a file wipes it, a restart of klippy too,
and a shutdown leaves whatever the work loop wrote last - `paused`, as a rule.
"""

from __future__ import annotations

from dataclasses import dataclass

NO_FILAMENT = 1e-7
"""mm; below it nothing was extruded and no print time counts."""


@dataclass(slots=True)
class PrintStats:
    """Times in seconds, filament in mm."""

    state: str = "standby"
    filename: str = ""
    message: str = ""
    filament_used: float = 0.0
    total_duration: float = 0.0
    current_layer: int | None = None
    total_layer: int | None = None
    _began: float | None = None
    _paused_at: float | None = None
    _paused_for: float = 0.0
    _before_filament: float = 0.0

    def wipe(self) -> None:
        """A new page: no file, no print."""
        self.state, self.filename, self.message = "standby", "", ""
        self.filament_used = self.total_duration = self._before_filament = self._paused_for = 0.0
        self._began = self._paused_at = self.current_layer = self.total_layer = None

    def note_start(self, now: float) -> None:
        """The work loop runs (again)."""
        if self._began is None:
            self._began = now
        elif self._paused_at is not None:
            self._paused_for += now - self._paused_at
            self._paused_at = None
        self.state, self.message = "printing", ""

    def note_pause(self, now: float) -> None:
        """The work loop ended and the file is still loaded: a pause, or a shutdown."""
        if self._paused_at is None:
            self._paused_at = now
        if self.state != "error":
            self.state = "paused"

    def note_end(self, state: str, now: float, message: str = "") -> None:
        """`complete`, `cancelled` or `error`; nothing if nothing was begun."""
        if self._began is None:
            return
        self.state, self.message = state, message
        self.total_duration = now - self._began
        if self.filament_used < NO_FILAMENT:
            self._before_filament = self.total_duration - self._paused_for
        self._began = None

    def note_filament(self, millimetres: float) -> None:
        """The extruder moved; retractions count back."""
        if self._began is not None and self._paused_at is None:
            self.filament_used += millimetres

    def note_layers(self, current: int | None, total: int | None) -> None:
        """SET_PRINT_STATS_INFO; a total of 0 forgets both."""
        if total == 0:
            self.current_layer = self.total_layer = None
        elif total is not None and total != self.total_layer:
            self.total_layer, self.current_layer = total, 0
        if current is not None and self.total_layer is not None:
            self.current_layer = min(current, self.total_layer)

    def status(self, now: float) -> dict[str, object]:
        """What `get_status` tells."""
        paused_for = self._paused_for
        if self._began is not None:
            if self._paused_at is not None:
                paused_for += now - self._paused_at
            self.total_duration = now - self._began
            if self.filament_used < NO_FILAMENT:
                self._before_filament = self.total_duration - paused_for
        return {
            "filename": self.filename,
            "total_duration": self.total_duration,
            "print_duration": self.total_duration - self._before_filament - paused_for,
            "filament_used": self.filament_used,
            "state": self.state,
            "message": self.message,
            "info": {"total_layer": self.total_layer, "current_layer": self.current_layer},
        }
