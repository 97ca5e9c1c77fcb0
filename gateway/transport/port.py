"""The port: what every byte transport offers, and how it tells of its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol


class PortUnavailable(Exception):
    """The port cannot be opened. The text says why and what to do next, for people."""


class SpeedImpossible(PortUnavailable):
    """The device is there and cannot run at the speed that was asked for."""


class PortListener(Protocol):
    """Who hears from an open port. All calls come from the event loop."""

    def bytes_received(self, data: bytes) -> None:
        """Bytes came in, in order, in pieces of any size."""

    def port_lost(self, reason: str) -> None:
        """The port is gone (unplugged, closed by the other side). Called once; nothing follows."""


class Port(Protocol):
    """One open connection to a printer, used once: after `close` or `port_lost` open another."""

    @property
    def unsent(self) -> int:
        """Bytes accepted by `write` that the operating system has not taken yet."""

    def write(self, data: bytes) -> None:
        """Queue bytes; never blocks. Short writes are finished in the background, in order."""

    def close(self) -> None:
        """Close now, dropping what is unsent. Idempotent; `port_lost` is not called."""


#: Opens the port and joins it to the listener; raises PortUnavailable.
PortOpener = Callable[[PortListener], Awaitable[Port]]
