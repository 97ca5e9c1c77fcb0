"""A line in the log whenever a printer goes offline or comes online, and why.

    before       word               line
    online       down               is offline, and why
    not online   up                 is online
    not known    down               is offline, and why
    offline      down, another why  is still offline, and why; at most MOST_REASONS an outage
    any          connecting         none: it is being tried, and what was before goes on

What is told is committed: a line for each change, none for each try.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.domain.events import Event, PrinterChanged
from gateway.domain.observations import LinkState
from gateway.engine.ports import Publisher, StoredEvent

log = logging.getLogger(__name__)

#: Reasons told of one outage: tries fail differently, and each might take turns with another.
MOST_REASONS: Final = 6
#: Characters of a reason: an instruction has two hundred.
MOST_CHARS: Final = 500


@dataclass(slots=True)
class _Known:
    """How a printer's link was last."""

    is_up: bool | None = None  # None: nobody has said
    told: list[str] = field(default_factory=list)  # reasons of this outage


class LinkLog:
    """A Publisher (`engine.ports`) in front of another one: what it hears is committed."""

    def __init__(self, behind: Publisher) -> None:
        self._behind = behind
        self._known: dict[int | None, _Known] = {}  # by the printer's number

    def publish(self, events: Sequence[StoredEvent], fleeting: Sequence[Event]) -> None:
        """Pass everything on, and write. Never blocks, never raises."""
        self._behind.publish(events, fleeting)
        for event in events:
            if event.kind == PrinterChanged.kind:
                self._write(event)

    def _write(self, event: StoredEvent) -> None:
        known = self._known.setdefault(event.printer_id, _Known())
        name, link = _line(event.details["printer"]), event.details["link"]
        if link == LinkState.UP and not known.is_up:
            self._known[event.printer_id] = _Known(is_up=True)
            log.info("printer %s is online", name)
        elif link == LinkState.DOWN:
            said = event.details["message"]
            reason = f": {_line(said)}" if said else ""
            if known.is_up is not False:
                self._known[event.printer_id] = _Known(is_up=False, told=[reason])
                log.warning("printer %s is offline%s", name, reason)
            elif reason and reason not in known.told and len(known.told) < MOST_REASONS:
                known.told.append(reason)
                log.warning("printer %s is still offline%s", name, reason)


def _line(said: object) -> str:
    """For a log: one line, cut, of what can be printed."""
    return "".join(char if char.isprintable() else " " for char in str(said)[:MOST_CHARS])
