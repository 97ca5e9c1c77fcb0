"""The port to an MQTT broker over aiomqtt: MQTT 3.1.1, clean session, a fresh client and id a connection.

    dial --socket--> aiomqtt (paho) --messages, straight from the callback--> inbox --receive--> its reader

Nothing here reconnects: paho sends what was not acknowledged again after a reconnect, and a start that is
sent again is a second print (docs/adr/0029-a-fresh-client-a-connection.md). A publish that is not
acknowledged in time ends the connection, so that it cannot arrive after somebody has given it up.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

import aiomqtt

from gateway.transport.mqtt import Connection, MqttLost, MqttMessage, Will
from gateway.transport.mqtt_aiomqtt import FOREVER, SocketClient
from gateway.transport.mqtt_inbox import Inbox, coalesce_none
from gateway.transport.mqtt_trouble import Peer
from gateway.transport.mqtt_wire import Wire, dial

#: Seconds of silence after which the client asks whether the broker is there (and it, whether we are).
KEEPALIVE_SECONDS: Final = 30
#: Seconds until a connection stands, TLS included, and again until the broker has let us in.
CONNECT_SECONDS: Final = 10.0
#: Seconds until the broker has acknowledged a publish or a subscription.
ACKNOWLEDGE_SECONDS: Final = 10.0
#: Seconds for a goodbye: the other side may be gone.
GOODBYE_SECONDS: Final = 2.0
#: Bytes of chance in a client id: two connections of one id throw each other out.
_ID_BYTES: Final = 6
#: Seconds until a watcher has seen the end that was made.
_GRACE_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class AiomqttConnect:
    """One broker, and as whom. `context` is None without TLS; the password is in no repr."""

    host: str
    port: int
    context: ssl.SSLContext | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    client_id: str = "print-gateway"  # what a connection's own id begins with
    coalesces: Callable[[str], bool] = coalesce_none
    who: str = "the broker"
    if_refused: str = "check username and password_file"
    keepalive: int = KEEPALIVE_SECONDS
    connect_seconds: float = CONNECT_SECONDS
    acknowledge_seconds: float = ACKNOWLEDGE_SECONDS

    async def __call__(self, *, will: Will | None = None) -> Connection:
        """Raises MqttLost, MqttRefused."""
        peer = Peer(self.who, self.host, self.port, self.if_refused)
        try:
            wire = await dial(self.host, self.port, self.context, self.connect_seconds)
        except OSError as error:  # TimeoutError and ssl.SSLError are some
            raise peer.not_connected(error, self.connect_seconds) from error
        inbox = Inbox(self.coalesces)
        client = SocketClient(
            wire,
            inbox,
            peer,
            username=self.username,
            password=self.password,
            identifier=f"{self.client_id}-{secrets.token_hex(_ID_BYTES)}",
            keepalive=self.keepalive,
            will=None if will is None else aiomqtt.Will(will.topic, will.payload, will.qos, will.retain),
            timeout=self.connect_seconds,
        )
        await client.begin(self.connect_seconds)
        return AiomqttConnection(client, wire, inbox, peer, self.acknowledge_seconds)


class AiomqttConnection:
    """A Connection that stands, until it does not."""

    def __init__(self, client: SocketClient, wire: Wire, inbox: Inbox, peer: Peer, seconds: float) -> None:
        self._client = client
        self._wire = wire
        self._inbox = inbox
        self._peer = peer
        self._seconds = seconds
        self._asking: set[asyncio.Timeout] = set()
        self._watching = asyncio.create_task(self._watch(), name=f"mqtt {peer.where}")

    async def subscribe(self, *filters: str, qos: int = 0) -> None:
        """All of them in one packet."""
        asked = self._client.subscribe([(topic, qos) for topic in filters], timeout=FOREVER)
        granted = await self._answered(asked, "a subscription")
        for topic, answer in zip(filters, granted, strict=True):
            # 3.1.1, 3.9.3: the quality that is granted, or 128.
            given = int(getattr(answer, "value", answer))
            if given < qos or given > 2:
                lost = self._peer.not_granted(topic)
                self._end(lost)
                raise lost

    async def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        """Returns when it is acknowledged; with qos 0 when the socket has taken it.

        Cancelling takes nothing back: it may be on its way.
        """
        asked = self._client.publish(topic, payload, qos, retain, timeout=FOREVER)
        await self._answered(asked, f"a message to {topic}")

    async def receive(self) -> MqttMessage:
        """The next message. Raises MqttLost."""
        return await self._inbox.get()

    async def close(self) -> None:
        """Disconnect, for a moment with patience; then without."""
        self._inbox.end(MqttLost(f"the connection to {self._peer.where} is closed"))
        self._give_up_asking()
        try:
            if not self._wire.ended.done():
                with contextlib.suppress(aiomqtt.MqttError, TimeoutError, OSError):
                    async with asyncio.timeout(GOODBYE_SECONDS):
                        await self._client.__aexit__(None, None, None)
            self._client.cut()
            await asyncio.wait({self._watching}, timeout=_GRACE_SECONDS)
        finally:
            self._client.cut()
            self._watching.cancel()

    async def _answered(self, asked: Coroutine[Any, Any, Any], what: str) -> Any:
        """What the broker answers in time; raises MqttLost, and then the connection is over."""
        try:
            self._inbox.check()
        except MqttLost:
            asked.close()
            raise
        try:
            async with self._limited():
                return await asked
        except (aiomqtt.MqttError, TimeoutError) as error:
            if isinstance(error, TimeoutError):
                self._end(self._peer.mute(what, self._seconds))
            else:
                self._end(self._peer.lost(self._wire.trouble))
            self._inbox.check()
            raise AssertionError("an inbox that has ended says so") from error

    @contextlib.asynccontextmanager
    async def _limited(self) -> AsyncIterator[None]:
        """Time for an acknowledgement. `_give_up_asking` ends it sooner."""
        async with asyncio.timeout(self._seconds) as limit:
            self._asking.add(limit)
            try:
                yield
            finally:
                self._asking.discard(limit)

    async def _watch(self) -> None:
        """Sleeps until the connection is over, and says so. Messages take the short way, into the inbox."""
        try:
            async for _ in self._client.messages:
                raise AssertionError("the queue of the library stays empty")
        except aiomqtt.MqttError as error:
            self._end(self._peer.lost(self._wire.trouble, error.__cause__))

    def _end(self, lost: MqttLost) -> None:
        self._inbox.end(lost)
        self._give_up_asking()
        self._client.cut()

    def _give_up_asking(self) -> None:
        """The library lets whoever waits for an acknowledgement wait on when there is no connection."""
        now = asyncio.get_running_loop().time()
        for limit in self._asking:
            if not limit.expired():
                limit.reschedule(now)
        self._asking.clear()
