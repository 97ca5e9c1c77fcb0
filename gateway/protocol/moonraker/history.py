"""Moonraker's job history (`server.history.list`): every print, whoever started it, and how it ended.

    status              the print
    in_progress         is on the machine, as far as Moonraker saw
    completed           was completed
    cancelled           was cancelled; also when somebody unloaded the file (print_stats back to standby)
    error               failed: a line of it, or Klipper died
    klippy_shutdown     failed: Klipper stopped the machine (emergency stop, thermal runaway, ...)
    klippy_disconnect   failed with Klipper, or Moonraker only lost sight of it
    interrupted         Moonraker was killed: Klipper may have printed on
    server_exit         Moonraker was stopped: Klipper may have printed on

The last three do not prove an end: while print_stats says that this file is printed, it is. Ids are given
again when the history is emptied, so an id together with the start is what names a print.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from gateway.protocol.moonraker.lax import number, table, text

METHOD: Final = "server.history.list"
#: Rows asked for: more prints than end while nobody looks, in an answer of about 40 kB.
ROWS: Final = 20
#: Users that are nobody: Moonraker's word for "not known", and for any client of a trusted address without a
#: login, which the screen on the machine is as much as a browser.
_NOBODY: Final = frozenset({"No User", "_TRUSTED_USER_"})


class RowEnd(Enum):
    """What a row says of the end."""

    RUNNING = "running"
    COMPLETED = "completed"
    CANCELED = "canceled"
    FAILED = "failed"
    DISCONNECTED = "disconnected"  # Klipper went away: failed, unless it is seen to go on
    UNWATCHED = "unwatched"  # Moonraker looked away: failed, unless it is seen to go on

    @property
    def may_go_on(self) -> bool:
        """Whether the machine may be printing it all the same."""
        return self in (RowEnd.RUNNING, RowEnd.DISCONNECTED, RowEnd.UNWATCHED)


_ENDS: Final = {
    "in_progress": (RowEnd.RUNNING, ""),
    "completed": (RowEnd.COMPLETED, ""),
    "cancelled": (RowEnd.CANCELED, ""),
    "error": (RowEnd.FAILED, "The print failed: the printer's history calls it an error."),
    "klippy_shutdown": (RowEnd.FAILED, "Klipper stopped the printer in mid-print (shutdown)."),
    "klippy_disconnect": (RowEnd.DISCONNECTED, "Klipper ended or was restarted in mid-print."),
    "interrupted": (RowEnd.UNWATCHED, "The printer's host was interrupted in mid-print."),
    "server_exit": (RowEnd.UNWATCHED, "Moonraker was stopped in mid-print."),
}
_UNKNOWN: Final = (RowEnd.UNWATCHED, "The printer's history does not say how the print ended.")


@dataclass(frozen=True, slots=True)
class Row:
    """One print."""

    native_id: str  # job_id and start: names it among all prints of this printer
    file: str
    end: RowEnd
    words: str  # for people: why it is not completed
    started: float  # seconds since 1970 by the printer's clock
    user: str | None  # who asked Moonraker for it; None: not known (the machine's screen, MQTT, no login)
    estimate: float | None  # seconds, by the slicer
    layers: int | None  # by the slicer
    size: int | None  # bytes of the file


def rows(result: object) -> list[Row]:
    """The rows of an answer, the newest first; what is no row is left out."""
    found = table(result).get("jobs")
    items = found if isinstance(found, list) else []
    return [row for item in items[:ROWS] if (row := _row(table(item))) is not None]


def _row(said: Any) -> Row | None:
    job_id, started = text(said.get("job_id")), number(said.get("start_time"))
    if job_id is None or started is None:
        return None
    metadata = table(said.get("metadata"))
    end, words = _ENDS.get(text(said.get("status")) or "", _UNKNOWN)
    user = text(said.get("user"))
    layers, size = number(metadata.get("layer_count")), number(metadata.get("size"))
    return Row(
        native_id=f"{job_id}/{started:.6f}",
        file=text(said.get("filename")) or "",
        end=end,
        words=words,
        started=started,
        user=None if user in _NOBODY else user,
        estimate=estimate(metadata),
        layers=int(layers) if layers and 0 < layers < 1e6 else None,
        size=int(size) if size and size > 0 else None,
    )


def estimate(metadata: object) -> float | None:
    """Seconds that the slicer expects the print to take (`server.files.metadata`, or a row's)."""
    found = number(table(metadata).get("estimated_time"))
    return found if found and found > 0 else None
