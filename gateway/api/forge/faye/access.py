"""Who may hear what at `/faye`: the lenient switch, and one line in the log for who is refused.

The browser simulator of that time sends no `ext` at all (reference, section 2.3): with `lenient`, a client
without any token may hear the two channels of a printer. A wrong token is refused all the same.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Final

from gateway.protocol.bayeux.meta import MaySubscribe

log = logging.getLogger(__name__)

_PRINTERS_OWN: Final = re.compile(r"/printers/[0-9]{1,10}/(?:command|users)", re.ASCII)
_COMMANDS: Final = re.compile(r"/printers/[0-9]{1,10}/command", re.ASCII)
#: Seconds between two lines in the log about refusals: a client that is refused asks again and again.
LOG_EVERY: Final = 60.0


def is_for_one(channel: str) -> bool:
    """Whether one session alone may get what is published: a second copy of a command moves a machine."""
    return _COMMANDS.fullmatch(channel) is not None


class Access:
    """Asks `may_subscribe`, after what is open to everybody. `monotonic` is in seconds."""

    def __init__(self, may_subscribe: MaySubscribe, monotonic: Callable[[], float], *, lenient: bool) -> None:
        self._may_subscribe = may_subscribe
        self._monotonic = monotonic
        self._is_lenient = lenient
        self._logged_at: float | None = None

    def may_subscribe(self, channel: str, token: str | None) -> bool:
        """Whether who has `token` may hear `channel`, a name or a pattern."""
        if token is None and self._is_lenient and _PRINTERS_OWN.fullmatch(channel):
            return True
        is_allowed = self._may_subscribe(channel, token)
        if not is_allowed:
            self._log(channel, token)
        return is_allowed

    def _log(self, channel: str, token: str | None) -> None:
        now = self._monotonic()
        if self._logged_at is not None and now - self._logged_at < LOG_EVERY:
            return
        self._logged_at = now
        why = "it sent no token" if token is None else "its token is not the one of this printer"
        log.info("a client at /faye may not subscribe to %s: %s", ascii(channel), why)
