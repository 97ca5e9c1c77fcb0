"""An MQTT 3.1.1 broker in memory, for virtual time: no threads, no sockets, the same run is the same run.

    broker = MemoryBroker()
    connect = broker.connecting("gateway")      # a ConnectMqtt; as many as there are clients
    connection = await connect(will=Will("status", b"offline"))

What it does that brokers do: filters with + and #, retained messages (an empty payload clears), wills, clean
sessions, credentials. What goes wrong is asked for: `down` and `up`, `drop` of one client, and the `fate` of
a publish. `traffic` is everything that reached the broker, in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from gateway.transport.mqtt import Connection, MqttLost, MqttMessage, MqttRefused, Will
from gateway.transport.mqtt_inbox import MOST_MESSAGES, Inbox, coalesce_none


class Fate(Enum):
    """What becomes of a publish on its way to the broker and back."""

    ARRIVES = "arrives"
    ACK_LOST = "it arrives and the connection is lost before the acknowledgement"
    LOST = "the connection is lost before it arrives"
    IGNORED = "acknowledged and dropped in silence, as brokers do without the right to publish there"


@dataclass(frozen=True)
class Tapped:
    """A publish that reached the broker. `client` is None for a will."""

    at: float  # seconds of the loop
    client: str | None
    topic: str
    payload: bytes
    qos: int
    retain: bool


def always_arrives(_client: str, _message: MqttMessage) -> Fate:
    return Fate.ARRIVES


def matches(pattern: str, topic: str) -> bool:
    """MQTT 3.1.1, 4.7: + is one level, # is all from there on; a wildcard in front finds no `$` topic."""
    levels = topic.split("/")
    wanted = pattern.split("/")
    if levels[0].startswith("$") and wanted[0] in ("+", "#"):
        return False
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(levels) or level not in ("+", levels[index]):
            return False
    return len(wanted) == len(levels)


class MemoryBroker:
    """The broker. Everything on it happens at once, but for `latency` seconds each way of what is awaited."""

    def __init__(self, *, latency: float = 0.0, credentials: Mapping[str, str] | None = None) -> None:
        self.latency = latency
        self.credentials = None if credentials is None else dict(credentials)  # None: anybody
        self.fate: Callable[[str, MqttMessage], Fate] = always_arrives
        self.traffic: list[Tapped] = []
        self.retained: dict[str, MqttMessage] = {}
        self.attempts: list[tuple[float, str]] = []  # when who tried to connect
        self.connections: list[MemoryConnection] = []  # that stand, in the order they came
        self._is_up = True

    def connecting(
        self,
        client: str,
        *,
        username: str = "",
        password: str = "",
        coalesces: Callable[[str], bool] = coalesce_none,
        most_messages: int = MOST_MESSAGES,
    ) -> MemoryConnect:
        """A ConnectMqtt for one client, named for people who read the traffic."""
        return MemoryConnect(self, client, (username, password), coalesces, most_messages)

    def down(self, *, reason: str = "the broker is gone") -> None:
        """An outage: all connections are lost, new ones fail. No wills: who would publish them?"""
        self._is_up = False
        for connection in list(self.connections):
            self._forget(connection)
            connection.inbox.end(MqttLost(reason))

    def up(self, *, keeps_retained: bool = True) -> None:
        """It is back, with its retained messages, unless it had not saved them."""
        self._is_up = True
        if not keeps_retained:
            self.retained.clear()

    def drop(self, client: str, *, reason: str = "the connection broke") -> None:
        """All connections of one client break; the broker publishes their wills."""
        for connection in [held for held in self.connections if held.client == client]:
            self.lose(connection, reason)

    def said(self, pattern: str) -> list[bytes]:
        """The payloads that reached topics of a filter, in order."""
        return [tapped.payload for tapped in self.traffic if matches(pattern, tapped.topic)]

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, client: str = "a stranger"
    ) -> None:
        """As a client that nobody simulates: Home Assistant, a person with a tool."""
        self.take(client, MqttMessage(topic, payload, retain), 0)

    # What connections ask of it.

    def open(self, connect: MemoryConnect, will: Will | None) -> MemoryConnection:
        self.check_up()
        name, password = connect.credentials
        if self.credentials is not None and self.credentials.get(name) != password:
            raise MqttRefused(f"the broker refuses the user name or password of {connect.client}")
        connection = MemoryConnection(
            self, connect.client, will, Inbox(connect.coalesces, most_messages=connect.most_messages)
        )
        self.connections.append(connection)
        return connection

    def check_up(self) -> None:
        if not self._is_up:
            raise MqttLost("nothing listens there")

    def take(self, client: str | None, message: MqttMessage, qos: int) -> None:
        """A publish has arrived: note it, keep it when it asks for that, hand it on."""
        now = asyncio.get_running_loop().time()
        self.traffic.append(Tapped(now, client, message.topic, message.payload, qos, message.retain))
        if message.retain and message.payload:
            self.retained[message.topic] = message
        elif message.retain:
            self.retained.pop(message.topic, None)
        live = MqttMessage(message.topic, message.payload)
        for connection in list(self.connections):
            if connection.wants(message.topic):
                connection.inbox.put(live)

    def lose(self, connection: MemoryConnection, reason: str) -> None:
        """A connection breaks without a goodbye."""
        if connection in self.connections:
            self._forget(connection)
            connection.inbox.end(MqttLost(reason))
            if connection.will is not None:
                will = connection.will
                self.take(None, MqttMessage(will.topic, will.payload, will.retain), will.qos)

    def leave(self, connection: MemoryConnection) -> None:
        """A clean goodbye: no will. After an inbox ended by itself it is none any more."""
        if connection.inbox.lost is not None:
            self.lose(connection, "closed")
        else:
            self._forget(connection)
            connection.inbox.end(MqttLost("the connection is closed"))

    def keeps(self, filters: Iterable[str]) -> list[MqttMessage]:
        """Retained messages of some filters."""
        wanted = list(filters)
        return [
            message
            for topic, message in self.retained.items()
            if any(matches(pattern, topic) for pattern in wanted)
        ]

    def _forget(self, connection: MemoryConnection) -> None:
        if connection in self.connections:
            self.connections.remove(connection)


@dataclass(frozen=True)
class MemoryConnect:
    """A ConnectMqtt."""

    broker: MemoryBroker
    client: str
    credentials: tuple[str, str]
    coalesces: Callable[[str], bool]
    most_messages: int

    async def __call__(self, *, will: Will | None = None) -> Connection:
        self.broker.attempts.append((asyncio.get_running_loop().time(), self.client))
        await asyncio.sleep(self.broker.latency)
        self.broker.check_up()
        connection = self.broker.open(self, will)
        try:
            await asyncio.sleep(self.broker.latency)
            connection.inbox.check()
        except asyncio.CancelledError:
            self.broker.leave(connection)
            raise
        return connection


class MemoryConnection:
    """A Connection."""

    def __init__(self, broker: MemoryBroker, client: str, will: Will | None, inbox: Inbox) -> None:
        self.broker = broker
        self.client = client
        self.will = will
        self.inbox = inbox
        self.filters: list[str] = []

    def wants(self, topic: str) -> bool:
        return any(matches(pattern, topic) for pattern in self.filters)

    async def subscribe(self, *filters: str, qos: int = 0) -> None:
        await self._travel()
        self.filters += [pattern for pattern in filters if pattern not in self.filters]
        for message in self.broker.keeps(filters):
            self.inbox.put(message)
        await self._travel()

    async def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        assert not {"+", "#"} & set(topic), "a topic to publish to has no wildcards"
        self.inbox.check()
        message = MqttMessage(topic, payload, retain)
        fate = self.broker.fate(self.client, message)
        if qos:
            await self._travel()
        if fate is Fate.LOST:
            self.broker.lose(self, "the connection broke")
        elif fate is not Fate.IGNORED:
            self.broker.take(self.client, message, qos)
        if fate is Fate.ACK_LOST:
            self.broker.lose(self, "the connection broke")
        if qos:
            await self._travel()

    async def receive(self) -> MqttMessage:
        return await self.inbox.get()

    async def close(self) -> None:
        self.broker.leave(self)

    async def _travel(self) -> None:
        """One way to or from the broker. Raises MqttLost."""
        self.inbox.check()
        await asyncio.sleep(self.broker.latency)
        self.inbox.check()
