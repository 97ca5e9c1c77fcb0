"""What the machine is doing: print_stats judged together with webhooks, in one table.

print_stats alone lies: an emergency stop leaves it at "paused", the death of Klipper at "printing".

    Klipper there?   webhooks           print_stats        is
    no               any                any                GONE      nobody knows of the machine
    yes              startup, none      any                BOOTING   it will say soon: nothing begins or ends
    yes              shutdown, error    any                STOPPED   a print is over; the text says why
    yes              ready              none               NO_PRINTS printer.cfg lacks [virtual_sdcard]
    yes              ready              unknown            BOOTING
    yes              ready              standby            IDLE
    yes              ready              printing           PRINTING
    yes              ready              paused             PAUSED
    yes              ready              complete           COMPLETED
    yes              ready              cancelled          CANCELED
    yes              ready              error              FAILED    the text says why
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from gateway.protocol.moonraker.objects import Objects, print_stats, webhooks


class Doing(Enum):
    """What a printer is doing."""

    GONE = "gone"
    BOOTING = "booting"
    STOPPED = "stopped"
    NO_PRINTS = "no prints"
    IDLE = "idle"
    PRINTING = "printing"
    PAUSED = "paused"
    COMPLETED = "completed"
    CANCELED = "canceled"
    FAILED = "failed"

    @property
    def is_active(self) -> bool:
        """A file is on the machine."""
        return self in (Doing.PRINTING, Doing.PAUSED)

    @property
    def is_over(self) -> bool:
        """The file that is named was printed, or not, and that is the end of it."""
        return self in (Doing.COMPLETED, Doing.CANCELED, Doing.FAILED)

    @property
    def is_free(self) -> bool:
        """A print may be started."""
        return self is Doing.IDLE or self.is_over


_BY_STATE: Final = {
    "standby": Doing.IDLE,
    "printing": Doing.PRINTING,
    "paused": Doing.PAUSED,
    "complete": Doing.COMPLETED,
    "cancelled": Doing.CANCELED,
    "error": Doing.FAILED,
}


@dataclass(frozen=True, slots=True)
class Standing:
    """The judgement. `file` is the one that is, or was last, printed; "" for none."""

    doing: Doing
    file: str = ""
    seconds: float = 0.0  # since the start of that print
    why: str = ""  # with GONE, BOOTING, STOPPED, FAILED: the printer's words


def judge(known: Objects | None, why_gone: str = "") -> Standing:
    """`known` None: Moonraker says that Klipper is not there, in the words `why_gone`."""
    if known is None:
        return Standing(Doing.GONE, why=why_gone)
    state, words = webhooks(known)
    stats = print_stats(known)
    file, seconds = ("", 0.0) if stats is None else (stats.filename, stats.total_duration)
    if state in ("shutdown", "error"):
        return Standing(Doing.STOPPED, file, seconds, words)
    if state != "ready":
        return Standing(Doing.BOOTING, why=words)
    if stats is None:
        return Standing(Doing.NO_PRINTS)
    doing = _BY_STATE.get(stats.state, Doing.BOOTING)
    return Standing(doing, file, seconds, (stats.message or "") if doing is Doing.FAILED else "")
