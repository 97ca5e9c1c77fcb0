"""How often a printer may have prints that nobody ordered: a machine that errs must not fill the database.

A leaky bucket for each printer (ITU-T I.371, "generic cell rate algorithm"): `adopted_until` is when it would
be empty. What is not adopted now is adopted as soon as there is room, if the printer still reports it: a
driver repeats an end until it is acknowledged.
"""

from __future__ import annotations

from typing import Final

from gateway.domain.printer import Printer
from gateway.domain.state import Draft

#: Prints that may come at once: those of a few nights without the gateway, from a printer's own history.
ADOPTED_AT_ONCE: Final = 100
#: Seconds for one print more: no machine heats, prints and is cleared in less, all day long.
ADOPT_SECONDS: Final = 30.0


def has_room(draft: Draft, printer: Printer) -> bool:
    """Whether this printer may have another print that nobody ordered; takes its place, if it may."""
    now = draft.moment.monotonic
    until = max(now, draft.adopted_until.get(printer.printer_id, now))
    if until > now + (ADOPTED_AT_ONCE - 1) * ADOPT_SECONDS:
        return False
    draft.adopted_until[printer.printer_id] = until + ADOPT_SECONDS
    return True
