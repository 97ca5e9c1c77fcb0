"""What the worker on the user's own broker is told: names on the broker, and what it may do there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

#: Home Assistant's own default; other programs that read discovery documents look there too.
DEFAULT_DISCOVERY_PREFIX: Final = "homeassistant"


@dataclass(frozen=True, slots=True)
class Hardware:
    """What is known of a printer from its configuration, for people; None: nothing."""

    manufacturer: str | None = None
    model: str | None = None
    serial: str | None = None


@dataclass(frozen=True, slots=True)
class NorthboundSettings:
    """`[mqtt]`, as far as it concerns topics. `gateway_id` tells the gateways on one broker apart."""

    gateway_id: str
    base_topic: str = "print-gateway"
    discovery_prefix: str = DEFAULT_DISCOVERY_PREFIX  # "": nothing is announced
    allow_commands: bool = False
    hardware: Mapping[str, Hardware] = field(default_factory=lambda: MappingProxyType({}))  # by name
