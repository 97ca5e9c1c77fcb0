"""One print on a Klipper printer, as it is reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.domain.observations import Origin, PrintPhase, PrintReport
from gateway.drivers.left import LeftPrint
from gateway.drivers.moonraker.names import mark_in, shown_name
from gateway.protocol.moonraker.history import Row
from gateway.protocol.moonraker.judging import Doing, Standing
from gateway.protocol.moonraker.objects import (
    Objects,
    display_message,
    position,
    print_stats,
    progress,
    speed_percent,
)

#: Seconds that a print may have left: four months.
MOST_LEFT: Final = 10_000_000
#: Part of a print after which its speed so far says when it will be done.
ENOUGH: Final = 0.02
_PHASES: Final = {
    Doing.PRINTING: PrintPhase.PRINTING,
    Doing.PAUSED: PrintPhase.PAUSED,
    Doing.COMPLETED: PrintPhase.COMPLETED,
    Doing.CANCELED: PrintPhase.CANCELED,
    Doing.FAILED: PrintPhase.FAILED,
}


@dataclass(slots=True)
class Print:
    """`file` is what print_stats and the history call it."""

    key: str
    file: str
    is_local: bool
    name: str
    phase: PrintPhase = PrintPhase.PRINTING
    row: Row | None = None  # of the history; None: not found there (yet)
    message: str | None = None
    seconds: float = 0.0  # since its start, by print_stats
    progress: float | None = None  # 0..1; kept at its end: a cancel makes the printer say 0
    size: int | None = None  # bytes
    position: int | None = None
    details: Mapping[str, Any] | None = None
    missed_at: float | None = None  # monotonic, when it was not on the machine any more and nothing said why
    moving_since: float | None = None  # monotonic, when it had stopped by its own word and still moved

    def is_of(self, file: str) -> bool:
        """Whether this print is one of that file."""
        if self.is_local:
            return file == self.file
        return (mark := mark_in(file)) is not None and mark == mark_in(self.file)

    def advance(self, standing: Standing, known: Objects, estimate: float | None) -> None:
        """What print_stats says now; its phase is the caller's to judge."""
        self.seconds = standing.seconds
        self.missed_at = None
        is_kept = standing.doing in (Doing.CANCELED, Doing.FAILED)
        if (at := progress(known)) is not None:
            self.progress = max(at, self.progress or 0.0) if is_kept else at
        if (read := position(known)) is not None:
            self.position, self.size = max(read[0], self.position or 0), read[1]
        self.details = _details(self, known, estimate)

    def report(self) -> PrintReport:
        """For the engine."""
        row = self.row
        origin = Origin.LAN_APP if row is not None and row.user is not None else Origin.UNKNOWN
        return PrintReport(
            key=self.key,
            phase=self.phase,
            is_local=self.is_local,
            name=self.name,
            size=self.size or (row.size if row is not None else None),
            position=self.position,
            progress=self.progress,
            message=self.message,
            details=self.details,
            origin=origin if self.is_local else None,
        )


def local_print(key: str, file: str, row: Row | None = None) -> Print:
    """One that nobody ordered."""
    return Print(key, file, is_local=True, name=shown_name(file), row=row)


def left_report(left: LeftPrint) -> PrintReport | None:
    """A print of the former process as it was told last; None for one that nothing proved."""
    if left.phase is None:
        return None
    return PrintReport(
        key=left.key, phase=left.phase, is_local=left.is_local, name=left.file_name or left.name,
        progress=left.progress, message=left.message,
    )  # fmt: skip


def phase_of(doing: Doing) -> PrintPhase:
    """What a machine that does this makes of its print. Raises KeyError for one that has none."""
    return _PHASES[doing]


def _details(known_print: Print, known: Objects, estimate: float | None) -> dict[str, Any]:
    stats = print_stats(known)
    if stats is None:
        return {}
    row = known_print.row
    slicers = row.estimate if row is not None and row.estimate is not None else estimate
    layers = stats.layers if stats.layers is not None else row.layers if row is not None else None
    found = {
        "layer": stats.layer,
        "layers": layers,
        "seconds_left": _seconds_left(stats.print_duration, known_print.progress, slicers),
        "stage": display_message(known),
        "speed": speed_percent(known),
    }
    return {name: value for name, value in found.items() if value is not None}


def _seconds_left(printed: float, part: float | None, slicers: float | None) -> int | None:
    """By the slicer's estimate while that holds, else by the speed so far; an estimate, not a promise."""
    left = None
    if slicers is not None and printed < slicers:
        left = slicers - printed
    elif part is not None and part >= ENOUGH and printed > 0:
        left = printed / part - printed
    return None if left is None or left > MOST_LEFT else round(left)
