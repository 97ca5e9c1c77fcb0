"""The driver of one Klipper printer behind Moonraker: a thin shell around `machine.Machine`."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from gateway.drivers.left import LeftPrint
from gateway.drivers.moonraker.settings import MoonrakerSettings
from gateway.transport.mqtt import ConnectMqtt
from gateway.transport.storage import Storage


class MoonrakerDriver:
    """drivers.contract.Driver over MQTT (requests, states) and HTTP (files)."""

    def __init__(
        self,
        printer: str,
        connect: ConnectMqtt,
        storage: Storage,
        *,
        monotonic: Callable[[], float],
        new_id: Callable[[], str],
        chance: random.Random,
        settings: MoonrakerSettings,
    ) -> None:
        self.printer = printer
        self._connect = connect
        self._storage = storage
        self._monotonic = monotonic
        self._new_id = new_id
        self._chance = chance
        self._settings = settings

    def begin(self, left: Sequence[LeftPrint]) -> None:
        """What the former gateway process left; before `run`."""
        raise NotImplementedError
