"""What became of something published, and the port through which a driver publishes.

For the wiring (all of it in `gateway.api.forge.faye.hub`):

    hub = BayeuxHub(
        may_subscribe=...,  # (channel, token or None) -> bool; asked at the subscription and at each publish
        on_listening=...,   # (channel, bool): it gained its first, or lost its last subscriber
        clock=clock, ids=ids, lenient=False,
    )
    app = build_app(services, dialects, extra_routes=hub.routes)
    ...
    hub.close()             # before `runner.cleanup()`: open polls are answered, what is queued is DROPPED

`hub` is a `ChannelPublisher`. Callbacks are called from the event loop, never from inside `publish`; they
must not raise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Protocol


class Outcome(StrEnum):
    """The fate of one published message, told once. Over several subscribers: the one that got furthest."""

    #: Handed to a connection that took it. Whether the client read it, only its own answer tells.
    DELIVERED = "delivered"
    #: Never written: the queue was full, the subscriber did not come back for it in time or another one took
    #: its place, or it was taken back.
    DROPPED = "dropped"
    #: Nobody subscribed (or whoever did may no longer): never written.
    NOBODY = "nobody"
    #: The connection broke while it was written: it may have arrived.
    UNCLEAR = "unclear"

    @property
    def is_never_sent(self) -> bool:
        """Proof that no client has it and none will get it."""
        return self in (Outcome.DROPPED, Outcome.NOBODY)


OnOutcome = Callable[[Outcome], None]
#: Takes back what was not written yet. The outcome, told later as ever, says whether that was all of it.
TakeBack = Callable[[], None]


class ChannelPublisher(Protocol):
    """Publishing to the clients of a Bayeux server."""

    def publish(self, channel: str, payload: Mapping[str, Any], on_outcome: OnOutcome) -> TakeBack:
        """Queue `payload` for every subscriber of `channel`, or for its one listener (`server`, for one).

        `on_outcome` is called once, later: in the next turn of the event loop for a client that waits, else
        when it comes back, when `Bounds.grace` seconds are over, or when the message was taken back. Nothing
        is ever written twice. Raises ValueError when `channel` is no channel or `payload` no JSON.
        """

    def has_listener(self, channel: str) -> bool:
        """Whether anybody is subscribed to `channel` now, by name or by wildcard."""
