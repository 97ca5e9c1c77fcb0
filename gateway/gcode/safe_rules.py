"""Commands that do not belong into a print file, with what they do and how bad that is.

The model is PWG 5199.7, "Safe G-Code Subset for 3D Printing": a print file heats, moves and lays filament,
and changes nothing that outlives it. What each command does is Marlin's documentation (marlinfw.org/docs/
gcode/M0112.html and so on), for M55x RepRapFirmware's.

    refuse   it harms the machine, another print or the settings of all later ones, or cannot work in a file
    warn     it can be meant, but whoever prints the file should know
    note     it is usual, and worth knowing before one leaves the room
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple


class Severity(StrEnum):
    """How bad a finding is."""

    NOTE = "note"
    WARN = "warn"
    REFUSE = "refuse"


class Rule(NamedTuple):
    """What is said of a command wherever it stands."""

    severity: Severity
    words: str


_R, _W, _N = Severity.REFUSE, Severity.WARN, Severity.NOTE
_CARD = Rule(_R, "works on the files of the printer's own card: it writes, deletes or starts another print")
_NETWORK = Rule(_R, "changes the printer's network settings")
_STORED = Rule(_R, "changes settings that stay in the printer behind this print")
_LATE = Rule(_W, "acts past the queue of moves, at a moment that nobody can tell from the file")
_TUNING = Rule(_W, "changes a setting of the machine until its next reset, also for later prints")
_OFFSET = Rule(_W, "shifts where the machine believes its axes or its probe to be, also for later prints")
_WAITS = Rule(_N, "waits for a person at the machine")
_POWER = Rule(_W, "switches the power of the printer")
_CURRENT = Rule(_N, "changes the current of a motor until the next reset")

#: Command -> what is said of it. Slicers write none of the refused ones.
RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "M112": Rule(_R, "stops the printer for an emergency in the middle of the print"),
        "M410": Rule(_R, "stops all motors at once: steps are lost, what follows is laid in the wrong place"),
        "M997": Rule(_R, "starts an update of the printer's firmware"),
        "M999": Rule(_R, "lets a printer go on that stopped itself: a person must look first"),
        "M303": Rule(_R, "tunes a heater: it heats by itself for minutes and is no part of a print"),
        "M500": Rule(_R, "stores all settings of the printer for good, with what this file changed"),
        "M501": Rule(_W, "loads the settings that are stored in the printer: what was set by hand is gone"),
        "M502": Rule(_R, "sets the printer back to its firmware's settings"),
        **dict.fromkeys(("M23", "M24", "M26", "M28", "M29", "M30", "M32", "M33", "M928"), _CARD),
        **dict.fromkeys(("M552", "M553", "M554", "M586", "M587", "M588", "M589"), _NETWORK),
        **dict.fromkeys(("M550", "M551"), _STORED),
        "M110": Rule(_N, "sets line numbers; the gateway numbers lines itself and leaves it out"),
        **dict.fromkeys(("M108", "M876"), _LATE),
        **dict.fromkeys(("M0", "M1", "M25", "M226", "M600", "M601"), _WAITS),
        **dict.fromkeys(("M80", "M81"), _POWER),
        **dict.fromkeys(("M92", "M301", "M304", "M305", "M211"), _TUNING),
        **dict.fromkeys(("M206", "M428", "M851", "M665", "M666"), _OFFSET),
        **dict.fromkeys(("M906", "M907", "M908"), _CURRENT),
    }
)
