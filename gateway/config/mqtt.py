"""`[mqtt]`: the user's own broker. What the gateway tells there, and what it takes from there."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from gateway.config.fields import (
    BrokerAddress,
    BrokerUrl,
    FileName,
    Section,
    Topic,
    TopicId,
    TopicOrOff,
    broker_address,
)


class Mqtt(Section):
    """The gateway as a client of a broker; off until `url` is set (docs/MQTT.md)."""

    url: BrokerUrl | None = None
    username: str | None = None
    password_file: FileName | None = None
    ca_file: FileName | None = None
    client_id: TopicId = "print-gateway"
    base_topic: Topic = "print-gateway"
    gateway_id: TopicId | None = None
    discovery_prefix: TopicOrOff = "homeassistant"
    allow_commands: bool | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if (self.username is None) != (self.password_file is None):
            raise ValueError("username and password_file belong together: a name alone proves nothing")
        if self.url is None and self != Mqtt.model_construct():
            raise ValueError('url is missing, and without it MQTT is off; write url = "mqtt://host:1883"')
        if self.ca_file is not None and self.broker is not None and not self.broker.is_tls:
            raise ValueError('ca_file is for a broker with TLS; write url = "mqtts://..." or leave it out')
        if self.allow_commands and self.username is None:
            raise ValueError(
                "allow_commands = true needs username and password_file: on a broker that asks nobody who "
                "they are, everybody in the network could cancel prints"
            )
        return self

    @property
    def broker(self) -> BrokerAddress | None:
        """Where it is; None: MQTT is off."""
        return None if self.url is None else broker_address(self.url)

    @property
    def takes_commands(self) -> bool:
        """Whether what arrives on command topics is done: by default only if it knows its users."""
        return self.username is not None if self.allow_commands is None else self.allow_commands
