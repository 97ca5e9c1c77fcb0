"""The printer's state, put together from one full report and the changes that follow it.

P1 and A1 send a full one (`msg` 0, 61 to 99 keys) when asked, and then what changed (`msg` 1); X1 and H2 send
full ones always. Objects are merged, a list takes the place of a list. Nothing is known before the first full
one of a connection: changes alone gave a print without name and origin in 2 of 6 recorded sessions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from gateway.protocol.bambu.reading import whole

#: A report with this many keys is a full one, whatever its `msg`; the longest change recorded has 17.
FULL_KEYS: Final = 30
#: Objects within objects; the deepest that a printer sends is 6 (`ams`).
DEEPEST: Final = 16
#: Characters of a state; the largest ever seen has 20,000 (four AMS).
MOST_CHARACTERS: Final = 1_000_000
#: Reports between two looks at its length: with the largest messages it grows to 16 MB meanwhile.
LOOK_EACH: Final = 64
#: Keys of one object; a full state has up to 99. What comes beyond is not kept.
MOST_KEYS: Final = 500


def is_full(report: Mapping[str, Any]) -> bool:
    """Whether this report says all that there is."""
    return whole(report.get("msg")) == 0 or len(report) >= FULL_KEYS


class Merged:
    """The state of one printer on one connection."""

    def __init__(self) -> None:
        self.known: dict[str, Any] | None = None  # None: no full report yet
        self._heard = 0  # reports

    def hear(self, report: Mapping[str, Any]) -> bool:
        """Take a `push_status` in; False: it says nothing yet, a full one has to come first.

        A state that grows beyond all that printers have is forgotten.
        """
        if self.known is None:
            if not is_full(report):
                return False
            self.known = {}
        _merge(self.known, report, DEEPEST)
        self._heard += 1
        if self._heard % LOOK_EACH == 0 and len(json.dumps(self.known)) > MOST_CHARACTERS:
            self.known = None
        return self.known is not None


def _merge(into: dict[str, Any], changes: Mapping[str, Any], depth: int) -> None:
    for name, value in changes.items():
        if name not in into and len(into) >= MOST_KEYS:
            continue
        present = into.get(name)
        if isinstance(value, dict) and isinstance(present, dict) and depth > 0:
            _merge(present, value, depth - 1)
        else:
            into[name] = value
