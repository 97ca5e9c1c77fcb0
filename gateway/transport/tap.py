"""A tap on a port: writes down what goes through it. Neither driver nor port knows of it."""

from __future__ import annotations

from gateway.transport.port import Port, PortListener, PortOpener, PortUnavailable
from gateway.transport.wire_log import WireLog


def tapped(open_port: PortOpener, wire_log: WireLog, name: str) -> PortOpener:
    """`open_port`, with everything that goes over its ports in `wire_log`. `name`: what people call it."""
    refused: list[str] = []

    async def open_tapped(listener: PortListener) -> Port:
        tap = Tap(listener, wire_log)
        try:
            tap.port = await open_port(tap)
        except PortUnavailable as error:
            wire_log.is_port_gone = True
            # A printer that is off is tried all night: the same words would push out what is worth keeping.
            if refused != [str(error)]:
                refused[:] = [str(error)]
                wire_log.event(f"not opened: {error}")
            raise
        refused.clear()
        wire_log.is_port_gone = False
        wire_log.event(f"opened {name}")
        return tap

    return open_tapped


class Tap:
    """Port to its owner, listener to the port."""

    port: Port  # set as soon as it is open; the port says nothing before

    def __init__(self, listener: PortListener, wire_log: WireLog) -> None:
        self._listener = listener
        self._log = wire_log

    # -- to the owner: Port -------------------------------------------------------------------------------

    @property
    def unsent(self) -> int:
        """See Port."""
        return self.port.unsent

    def write(self, data: bytes) -> None:
        """See Port. The printer first: no answer can come before this returns."""
        self.port.write(data)
        self._log.sent(data)

    def close(self) -> None:
        """See Port."""
        self.port.close()
        self._log.event("closed")

    # -- to the port: PortListener ------------------------------------------------------------------------

    def bytes_received(self, data: bytes) -> None:
        """See PortListener. Written down first: what is answered to it comes behind it."""
        self._log.received(data)
        self._listener.bytes_received(data)

    def port_lost(self, reason: str) -> None:
        """See PortListener."""
        self._log.is_port_gone = True
        self._log.event(f"lost: {reason}")
        self._listener.port_lost(reason)
