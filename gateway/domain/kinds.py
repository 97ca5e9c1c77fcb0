"""Kinds of printers, by their `driver`: who hosts it, and which files they print.

marlin      fed line by line by the streamer
bambu       prints by itself, a file on its own storage; its driver lives in the gateway's process
moonraker   the same
forge       calls in, fetches its files, and knows itself what it reads
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.domain.file import GCODE, SLICED_3MF
from gateway.domain.printer import Printer

#: Kinds that the streamer hosts; the others' drivers live in the gateway's own process.
SERIAL_DRIVERS: Final = frozenset({"marlin"})
#: Formats that a kind prints (file.StoredFile.format); one that is not here decides for itself.
_READS: Final[Mapping[str, frozenset[str]]] = {
    "marlin": frozenset({GCODE}),
    "bambu": frozenset({GCODE, SLICED_3MF}),
    "moonraker": frozenset({GCODE}),
}
_WANTED: Final[Mapping[str, str]] = {
    "bambu": "sliced 3MF files (.gcode.3mf) and G-code",
}


def prints_by_itself(printer: Printer) -> bool:
    """Whether the machine has the whole file, and goes on whoever watches."""
    return printer.driver not in SERIAL_DRIVERS


def misfit(printer: Printer, file_name: str | None, given: str) -> str | None:
    """Why a file of the format `given` is nothing for this printer, with what to do; None: it may be."""
    reads = _READS.get(printer.driver)
    if reads is None or given in reads:
        return None
    return (
        f"{printer.shown_name} prints {_WANTED.get(printer.driver, 'G-code')}, and {file_name!r} is {given}: "
        "slice it for this printer, or choose a printer that reads such files itself"
    )
