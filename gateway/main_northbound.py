"""Builds what talks to the user's own broker: connection, who tells it what printers do, the embedded one.

Loaded when it is asked for: a gateway without MQTT loads neither aiomqtt nor paho.
"""

from __future__ import annotations

import platform
import random
import re
from importlib.metadata import version

from gateway.auth.access import may_command_job
from gateway.broker.supervisor import EmbeddedBroker, Listening
from gateway.config import BambuPrinter, Config
from gateway.config.fields import BrokerAddress
from gateway.config.secret_files import Secrets
from gateway.domain.job import Job
from gateway.domain.member import Principal
from gateway.domain.printer import Printer
from gateway.domain.state import State
from gateway.engine.engine import Engine
from gateway.engine.ports import Clock, Queries
from gateway.publish.hub import Hub
from gateway.publish.mqtt.northbound import Northbound
from gateway.publish.mqtt.settings import Hardware, NorthboundSettings
from gateway.transport.mqtt_client import AiomqttConnect
from gateway.transport.tls import verified

#: What Home Assistant takes in an id (config.fields.TopicId), of a host's name.
_NO_ID = re.compile(r"[^A-Za-z0-9_-]")
_ID_CHARS = 63


def northbound(
    config: Config,
    secrets: Secrets,
    broker: BrokerAddress,
    *,
    engine: Engine,
    queries: Queries,
    hub: Hub,
    clock: Clock,
) -> Northbound:
    """The worker on the user's broker. Raises TlsFileTrouble."""
    mqtt = config.mqtt
    ca_file = secrets.path("", "ca_file")
    return Northbound(
        connect=AiomqttConnect(
            broker.host,
            broker.port,
            verified(ca_file) if broker.is_tls else None,
            username=mqtt.username,
            password=secrets.text("", "password_file"),
            client_id=mqtt.client_id,
            if_refused="check username and password_file under [mqtt]",
        ),
        settings=_settings(config),
        state=lambda: engine.state,
        queries=queries,
        subscribe=hub.subscribe,
        execute=engine.execute,
        may_command=lambda job, printer: owner_may_command(job, printer, engine.state),
        clock=clock,
        chance=random.Random(),
        version=version("print-gateway"),
        public_url=config.server.url,
    )


def embedded_broker(config: Config, secrets: Secrets, broker: BrokerAddress) -> EmbeddedBroker:
    """A broker for people who have none, where the configuration says that theirs is."""
    listening = Listening(
        broker.host, broker.port, username=config.mqtt.username, password=secrets.text("", "password_file")
    )
    return EmbeddedBroker(listening, chance=random.Random())


def owner_may_command(job: Job, printer: Printer, state: State) -> bool:
    """Whoever sends over the broker stands for the printer's owner, who named the broker's users."""
    owner = state.members.get(printer.owner_id)
    if owner is None:
        return False
    return may_command_job(
        Principal(owner.member_id, owner.organization_id, frozenset()), job, printer, state
    )


def _settings(config: Config) -> NorthboundSettings:
    mqtt = config.mqtt
    return NorthboundSettings(
        gateway_id=mqtt.gateway_id or _NO_ID.sub("_", platform.node())[:_ID_CHARS] or "gateway",
        base_topic=mqtt.base_topic,
        discovery_prefix=mqtt.discovery_prefix,
        allow_commands=mqtt.takes_commands,
        hardware={
            printer.name: Hardware("Bambu Lab", printer.model, printer.serial)
            for printer in config.printers
            if isinstance(printer, BambuPrinter)
        },
    )
