"""The Bayeux server of the gateway, whole: what `main` builds, what the `forge` driver publishes through."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from aiohttp import web

from gateway.api.forge.faye.access import Access, is_for_one
from gateway.api.forge.faye.exchange import Exchanges
from gateway.api.forge.faye.routes import Endpoint
from gateway.engine.ports import Clock, IdSource
from gateway.protocol.bayeux.bounds import Bounds
from gateway.protocol.bayeux.meta import MaySubscribe
from gateway.protocol.bayeux.outcome import OnOutcome, TakeBack
from gateway.protocol.bayeux.server import BayeuxServer

#: Hex digits of a client id: 160 bits, as Faye's. Who has it is the client.
CLIENT_ID_DIGITS: Final = 40


class BayeuxHub:
    """A `ChannelPublisher` (`protocol.bayeux.outcome`, where the wiring is shown) with routes for the app.

    `may_subscribe` is asked with the channel or pattern and the client's token, or None: at the subscription,
    and again whenever something is published, so that a token that was revoked hears nothing more. It must be
    quick. `lenient` lets clients without any token hear the two channels of a printer.
    """

    def __init__(
        self,
        *,
        may_subscribe: MaySubscribe,
        on_listening: Callable[[str, bool], None],
        clock: Clock,
        ids: IdSource,
        lenient: bool = False,
        bounds: Bounds | None = None,
    ) -> None:
        access = Access(may_subscribe, clock.monotonic, lenient=lenient)
        server = BayeuxServer(
            may_subscribe=access.may_subscribe,
            new_id=lambda: ids.hex(CLIENT_ID_DIGITS),
            bounds=bounds,
            is_for_one=is_for_one,
        )
        self._exchanges = Exchanges(server, clock.monotonic, on_listening)
        self.routes: Sequence[web.RouteDef] = Endpoint(self._exchanges).routes

    def publish(self, channel: str, payload: Mapping[str, Any], on_outcome: OnOutcome) -> TakeBack:
        """`ChannelPublisher.publish`."""
        return self._exchanges.publish(channel, payload, on_outcome)

    def has_listener(self, channel: str) -> bool:
        """`ChannelPublisher.has_listener`."""
        return self._exchanges.has_listener(channel)

    @property
    def lines(self) -> int:
        """Polls that are held and websockets that stand, now."""
        return self._exchanges.count

    def close(self) -> None:
        """For a clean stop, before the web server's: polls are answered, the rest is DROPPED. Idempotent."""
        self._exchanges.close()
