"""The topics, and the ids by which others know the printers: made of numbers, never of names.

<base>/<gateway>/status                          online | offline, retained; the will
<base>/<gateway>/printer/<id>/availability       online | offline, retained: the printer's link
<base>/<gateway>/printer/<id>/state              one JSON document, retained
<base>/<gateway>/printer/<id>/event              not retained
<base>/<gateway>/printer/<id>/command            in
<base>/<gateway>/printer/<id>/command/result     not retained
<discovery>/device/print-gateway_<gateway>[_<id>]/config     retained; empty: gone
<discovery>/status                               in: Home Assistant's birth message
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ONLINE: Final = b"online"
OFFLINE: Final = b"offline"


@dataclass(frozen=True, slots=True)
class Topics:
    """Of one gateway. `base` has no wildcards; `gateway` is made of letters, digits, _ and -."""

    base: str
    gateway: str
    discovery: str

    @property
    def own(self) -> str:
        """Everything the gateway publishes of itself is below."""
        return f"{self.base}/{self.gateway}"

    @property
    def status(self) -> str:
        """Whether the gateway is there."""
        return f"{self.own}/status"

    def availability(self, printer_id: int) -> str:
        """Whether the printer is there."""
        return f"{self.own}/printer/{printer_id}/availability"

    def state(self, printer_id: int) -> str:
        """What it does."""
        return f"{self.own}/printer/{printer_id}/state"

    def event(self, printer_id: int) -> str:
        """What happened to its prints."""
        return f"{self.own}/printer/{printer_id}/event"

    def command(self, printer_id: int) -> str:
        """Where it hears commands."""
        return f"{self.own}/printer/{printer_id}/command"

    def result(self, printer_id: int) -> str:
        """What became of them."""
        return f"{self.own}/printer/{printer_id}/command/result"

    @property
    def all_commands(self) -> str:
        """A filter that finds every `command`."""
        return f"{self.own}/printer/+/command"

    def commanded(self, topic: str) -> int | None:
        """The number of the printer that a topic of `all_commands` names; None: it is none."""
        head, tail = f"{self.own}/printer/", "/command"
        if not (topic.startswith(head) and topic.endswith(tail)):
            return None
        digits = topic[len(head) : -len(tail)]
        is_plain = digits.isascii() and digits.isdecimal() and len(digits) < 10
        # "01" is another topic than "1": a broker that guards the one by its ACL need not guard the other.
        return int(digits) if is_plain and str(int(digits)) == digits else None

    @property
    def birth(self) -> str:
        """Where Home Assistant says that it is there, unless somebody changed that."""
        return f"{self.discovery}/status"

    @property
    def gateway_device(self) -> str:
        """The gateway's id as a device."""
        return f"print-gateway_{self.gateway}"

    def printer_device(self, printer_id: int) -> str:
        """The printer's id as a device: survives a rename."""
        return f"{self.gateway_device}_{printer_id}"

    def config(self, device: str) -> str:
        """Where a device's discovery document lies."""
        return f"{self.discovery}/device/{device}/config"
