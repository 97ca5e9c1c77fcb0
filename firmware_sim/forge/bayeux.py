"""A Bayeux 1.0 client without I/O and clock, as the Faye library of that time behaves.

`poll(now)` hands out what is to be sent, `receive` takes what came, `lost` is told of a request without an
answer. A connect is a request of its own beside all others, so that a subscription never waits for the end of
a long poll. Facts: the Bayeux protocol specification 1.0, and the order in which Faye clients do things.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CONNECTION_TYPES = ("long-polling", "callback-polling", "websocket")
MOST_ADVISED_SECONDS = 24 * 3600.0
"""No client obeys an advice to wait for more than a day."""
MOST_EVENTS = 10_000
"""Events nobody has taken out yet; a server that floods loses the oldest."""

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Messages of one request. A connect is answered when there is something to say."""

    messages: tuple[dict[str, Any], ...]

    @property
    def is_connect(self) -> bool:
        """Whether it is a long poll."""
        return any(message["channel"] == "/meta/connect" for message in self.messages)


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message on a channel the client listens to."""

    channel: str
    data: Any


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The server took a subscription."""

    channel: str


@dataclass(frozen=True, slots=True)
class SubscriptionRefused:
    """The server did not; it is not asked again before the next handshake."""

    channel: str
    error: str


@dataclass(frozen=True, slots=True)
class Connected:
    """A handshake succeeded."""

    client_id: str


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """The server said that it wants no more of this client (`reconnect: none`)."""

    error: str


Event = Delivered | Subscribed | SubscriptionRefused | Connected | TurnedAway


class BayeuxClient:
    """One client. `connect_timeout`: seconds until the answer to a connect is given up."""

    def __init__(self, connection_type: str, *, connect_timeout: float, retry: float) -> None:
        if connection_type not in CONNECTION_TYPES:
            raise ValueError(f"no connection type {connection_type!r}: {', '.join(CONNECTION_TYPES)}")
        self.connection_type = connection_type
        self.connect_timeout = connect_timeout
        self.client_id: str | None = None
        self.events: deque[Event] = deque(maxlen=MOST_EVENTS)
        self._retry = retry
        self._interval = 0.0  # seconds between two connects, as advised
        self._wanted: dict[str, Mapping[str, Any]] = {}
        self._queue: deque[dict[str, Any]] = deque()
        self._queue_at = float("-inf")  # not before: a lost subscription waits like a lost connect
        self._is_shaking = False
        self._is_connecting = False
        self._shake_at: float | None = None
        self._connect_at: float | None = None
        self._ids = 0

    # -- what is wanted -----------------------------------------------------------------------------------

    def subscribe(self, channel: str, ext: Mapping[str, Any], now: float) -> None:
        """Listen from now on, over every new handshake; the first subscription begins it all."""
        self._wanted[channel] = ext
        if self.client_id is not None:
            self._queue.append(self._subscription(channel))
        elif self._shake_at is None and not self._is_shaking:
            self._shake_at = now

    def unsubscribe(self, channel: str) -> None:
        """Listen to it no longer."""
        if self._wanted.pop(channel, None) is not None and self.client_id is not None:
            self._queue.append(self._message("/meta/unsubscribe", subscription=channel))

    def disconnect(self) -> None:
        """Leave with a word, and forget everything."""
        word = self._message("/meta/disconnect") if self.client_id is not None else None
        self.vanish()
        if word is not None:
            self._queue.append(word)

    def vanish(self) -> None:
        """Leave without a word, and forget everything."""
        self._wanted.clear()
        self._queue.clear()
        self._forget_session()
        self._shake_at = None
        self._is_shaking = False

    # -- talking ------------------------------------------------------------------------------------------

    def poll(self, now: float) -> list[Outgoing]:
        """What is to be sent now; from here on it counts as sent."""
        out = []
        if self._shake_at is not None and self._shake_at <= now and not self._is_shaking:
            self._shake_at, self._is_shaking = None, True
            out.append(Outgoing((self._handshake(),)))
        if self._queue and self._queue_at <= now:
            out.append(Outgoing(tuple(self._queue)))
            self._queue.clear()
        if self._connect_at is not None and self._connect_at <= now and not self._is_connecting:
            self._connect_at, self._is_connecting = None, True
            out.append(Outgoing((self._message("/meta/connect", connectionType=self.connection_type),)))
        return out

    def next_deadline(self) -> float | None:
        """When `poll` will have something, if nothing comes in between; -inf: now."""
        waits = (
            self._queue_at if self._queue else None,
            self._shake_at if not self._is_shaking else None,
            self._connect_at if not self._is_connecting else None,
        )
        return min((at for at in waits if at is not None), default=None)

    def receive(self, messages: Sequence[Any], now: float) -> None:
        """What the server sent: answers and deliveries, in any mixture."""
        for message in messages:
            if not isinstance(message, Mapping):
                continue
            channel = str(message.get("channel", ""))
            match channel:
                case "/meta/handshake":
                    self._take_advice(message)
                    self._shaken(message, now)
                case "/meta/connect":
                    self._connected(message, now)
                case "/meta/subscribe":
                    self._take_advice(message)
                    self._subscribed(message)
                case _ if not channel.startswith("/meta/") and "data" in message and channel in self._wanted:
                    self.events.append(Delivered(channel, message["data"]))

    def lost(self, outgoing: Outgoing, now: float) -> None:
        """A request got no answer: the connection failed, broke, or said something else than Bayeux."""
        for message in outgoing.messages:
            match message["channel"]:
                case "/meta/handshake" if self._is_shaking:
                    self._is_shaking, self._shake_at = False, now + self._retry
                case "/meta/connect" if message["clientId"] == self.client_id:
                    self._is_connecting, self._connect_at = False, now + self._retry
                case "/meta/subscribe" if message["clientId"] == self.client_id:
                    self._queue.append(message)
                    self._queue_at = now + self._retry

    # -- answers ------------------------------------------------------------------------------------------

    def _shaken(self, message: Message, now: float) -> None:
        if not self._is_shaking:
            return
        self._is_shaking = False
        if not message.get("successful") or not isinstance(message.get("clientId"), str):
            self._again(message, now, self._retry)
            return
        self.client_id = message["clientId"]
        self.events.append(Connected(self.client_id))
        self._queue.extend(self._subscription(channel) for channel in self._wanted)
        self._is_connecting, self._connect_at = False, now

    def _connected(self, message: Message, now: float) -> None:
        answered = message.get("clientId", self.client_id)
        if self.client_id is None or answered != self.client_id:
            return  # the answer to a connect of a former session
        self._is_connecting = False
        self._take_advice(message)
        reconnect = _advice(message).get("reconnect", "retry" if message.get("successful") else "handshake")
        if reconnect == "retry":
            self._connect_at = now + self._interval
        else:
            self._forget_session()
            self._again(message, now, self._interval)

    def _subscribed(self, message: Message) -> None:
        names = message.get("subscription", "")
        for channel in names if isinstance(names, list) else [str(names)]:
            if message.get("successful"):
                self.events.append(Subscribed(channel))
            else:
                self.events.append(SubscriptionRefused(channel, str(message.get("error", ""))))

    def _again(self, message: Message, now: float, pause: float) -> None:
        """Back to the handshake, unless the server wants none."""
        if _advice(message).get("reconnect") == "none":
            self.events.append(TurnedAway(str(message.get("error", ""))))
        else:
            self._shake_at = now + pause

    def _take_advice(self, message: Message) -> None:
        advice = _advice(message)
        if (interval := _seconds(advice.get("interval"))) is not None:
            self._interval = interval
        if timeout := _seconds(advice.get("timeout")):
            # Faye waits a little longer than the server says it will hold a connect.
            self.connect_timeout = timeout * 1.2

    def _forget_session(self) -> None:
        self.client_id = None
        self._is_connecting, self._connect_at = False, None

    # -- messages -----------------------------------------------------------------------------------------

    def _handshake(self) -> dict[str, Any]:
        return {
            "channel": "/meta/handshake",
            "version": "1.0",
            "supportedConnectionTypes": [self.connection_type],
            "id": self._next_id(),
        }

    def _subscription(self, channel: str) -> dict[str, Any]:
        message = self._message("/meta/subscribe", subscription=channel)
        if ext := self._wanted[channel]:
            message["ext"] = dict(ext)
        return message

    def _message(self, channel: str, **fields: Any) -> dict[str, Any]:
        return {"channel": channel, "clientId": self.client_id, **fields, "id": self._next_id()}

    def _next_id(self) -> str:
        self._ids += 1
        return str(self._ids)


def _seconds(milliseconds: object) -> float | None:
    """An advised time; None when it is no number from 0 up."""
    if not isinstance(milliseconds, int | float) or not 0 <= milliseconds < math.inf:
        return None
    return min(milliseconds / 1000, MOST_ADVISED_SECONDS)


def _advice(message: Message) -> Mapping[str, Any]:
    advice = message.get("advice")
    return advice if isinstance(advice, Mapping) else {}
