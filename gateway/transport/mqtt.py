"""The port to an MQTT broker: one object a connection. What the bytes mean, others know.

`gateway.transport.mqtt_client` implements it over aiomqtt (MQTT 3.1.1, clean session, a fresh client and
client id a connection: a library that reconnects by itself sends unacknowledged publishes again, and a start
that is sent again is a second print). Simulations implement it in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class MqttLost(Exception):
    """There is no connection (any more). The text is for people: why, and what to do."""


class MqttRefused(MqttLost):
    """The broker does not want these credentials: trying again soon helps nobody."""


@dataclass(frozen=True, slots=True)
class MqttMessage:
    """A publish that arrived."""

    topic: str
    payload: bytes
    retain: bool = False  # True: kept by the broker from before this subscription


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes when this connection is lost without a word."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = True


class Connection(Protocol):
    """Once it is lost every call raises MqttLost; a new one is somebody else's job."""

    async def subscribe(self, *filters: str, qos: int = 0) -> None:
        """Returns when the broker has granted them. Raises MqttLost, also when it grants less."""

    async def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        """With qos 1 it returns when the broker has acknowledged; MqttLost then means: it may have got it."""

    async def receive(self) -> MqttMessage:
        """The next message, in the order of arrival but for topics that coalesce (the newest wins)."""

    async def close(self) -> None:
        """Say goodbye (no will is published). Idempotent, never raises."""


class ConnectMqtt(Protocol):
    """Opens a new connection to one broker. Where it is and as whom is the implementation's to know."""

    async def __call__(self, *, will: Will | None = None) -> Connection:
        """Raises MqttLost, MqttRefused."""
