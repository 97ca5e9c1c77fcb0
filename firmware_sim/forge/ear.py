"""How a printer hears its server: the Bayeux client, its transport, and the fault that cuts a poll."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from firmware_sim.forge.bayeux import (
    BayeuxClient,
    Delivered,
    Outgoing,
    Subscribed,
    SubscriptionRefused,
    TurnedAway,
)
from firmware_sim.forge.cable import Cable
from firmware_sim.forge.transports import transport_for

if TYPE_CHECKING:
    from firmware_sim.forge.printer import ForgePrinter


class Ear:
    """One Bayeux client on one endpoint. `client` is what subscriptions are made with."""

    def __init__(self, printer: ForgePrinter, connection_type: str, url: str) -> None:
        """Raises ValueError for a connection type that there is not."""
        personality = printer.personality
        self.client = BayeuxClient(
            connection_type, connect_timeout=personality.connect_timeout, retry=personality.bayeux_retry
        )
        self._printer = printer
        self._cable = Cable(printer.cable)
        self._transport = transport_for(self._cable, url, self.client, self._receive, self._lose)

    def hear(self, now: float) -> None:
        """Hand what came to the firmware."""
        firmware = self._printer.firmware
        while self.client.events:
            match self.client.events.popleft():
                case Delivered(channel, data):
                    firmware.heard(channel, data, now)
                case Subscribed(channel):
                    firmware.subscribed(channel, None, now)
                case SubscriptionRefused(channel, error):
                    firmware.subscribed(channel, error or "refused", now)
                case TurnedAway(error):
                    self._printer.ledger.append(now, "turned_away", "server", error=error)

    def send(self, now: float) -> None:
        """Whatever the client has to say now."""
        for outgoing in self.client.poll(now):
            self._printer.spawn(self._transport.carry(outgoing))
            if outgoing.is_connect:
                self._strike(now)

    def vanish(self) -> None:
        """Without power: no word, and nothing that came is heard."""
        self.client.vanish()
        self.client.events.clear()
        self._cable.cut()

    def _strike(self, now: float) -> None:
        for fault in self._printer.faults.strikes("poll", now).values():
            self._printer.ledger.append(now, "fault", "chance", name=fault.name, seconds=fault.seconds)
            asyncio.get_running_loop().call_later(fault.seconds, self._cable.cut)

    def _receive(self, messages: Sequence[Any]) -> None:
        self.client.receive(messages, self._printer.now())
        self._printer.stir()

    def _lose(self, outgoing: Outgoing) -> None:
        self.client.lost(outgoing, self._printer.now())
        self._printer.stir()


def faye_url(url: str) -> str:
    """`/faye` at the root of the same host: not below the API's base."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, "/faye", "", ""))
