"""Builds what speaks MQTT, for `main_gateway`: drivers of printers, who tells the user's broker, a broker.

Loaded when the configuration asks for any of it: a gateway without MQTT loads neither aiomqtt nor paho.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from gateway.config import Config
from gateway.config.secret_files import Secrets
from gateway.domain.observations import Observation
from gateway.domain.state import State
from gateway.drivers.hosting import DriverHost
from gateway.drivers.left import LeftPrint, left_print
from gateway.drivers.routing import TakesOrders
from gateway.engine.engine import Engine
from gateway.engine.ports import Clock, IdSource, Queries
from gateway.main_mqtt_printers import PrinterParts, heat_watch
from gateway.main_northbound import embedded_broker, northbound
from gateway.publish.hub import Hub
from gateway.publish.mqtt.northbound import Northbound
from gateway.publish.mqtt.rights import NorthboundStatus
from gateway.running import revived
from gateway.transport.backoff import Backoff
from gateway.transport.storage_looks import StorageLook

#: Seconds until a worker that died is begun anew.
AGAIN = Backoff(first=2.0, limit=120.0)
_DIED = "it failed, and begins anew; the gateway's log has the place, which belongs into a bug report"


class MqttSide:
    """The parts. `state` and `observe` are the engine's, which is built with these.

    `stack` ends what the drivers share. Raises TlsFileTrouble.
    """

    def __init__(
        self,
        config: Config,
        secrets: Secrets,
        stack: AsyncExitStack,
        *,
        state: Callable[[], State],
        observe: Callable[[Observation], None],
        clock: Clock,
        ids: IdSource,
    ) -> None:
        self._config = config
        self._secrets = secrets
        self._state = state
        self._clock = clock
        parts = PrinterParts(
            config,
            secrets,
            stack,
            left=self._left,
            over=lambda: state().ended_keys,
            monotonic=clock.monotonic,
            new_id=ids.uuid,
        )
        self._host = DriverHost(
            parts.factories(),
            observe,
            monotonic=clock.monotonic,
            chance=random.Random(),
            heat=heat_watch(config),
        )
        self._looks = parts.storage_looks()
        self._told: Callable[[], NorthboundStatus] | None = None

    async def look_at_storages(self, printers: Collection[str]) -> Mapping[str, StorageLook]:
        """Whether print files would get onto them now; of those that take files over the network."""
        return await self._looks.look(printers)

    def status(self) -> NorthboundStatus | None:
        """How it goes with the user's broker; None: none is configured."""
        return None if self._told is None else self._told()

    def drivers(self) -> Mapping[str, TakesOrders]:
        """Who takes the orders of which printer."""
        return dict.fromkeys(self._host.printers, self._host)

    async def begin_broker(self) -> dict[str, Coroutine[Any, Any, Any]]:
        """Start the embedded broker, and give what keeps it running. Raises BrokerUnavailable."""
        broker = self._config.mqtt.broker
        assert broker is not None, "Config.with_embedded_broker"
        embedded = embedded_broker(self._config, self._secrets, broker)
        await embedded.start()
        return {"embedded broker": embedded.keep()}

    def workers(self, engine: Engine, queries: Queries, hub: Hub) -> dict[str, Coroutine[Any, Any, Any]]:
        """What runs for as long as the gateway lives, by name; once the engine knows its printers."""
        found: dict[str, Coroutine[Any, Any, Any]] = {}
        if self._host.printers:
            found["drivers over MQTT"] = self._host.run()
        broker = self._config.mqtt.broker
        if broker is not None:
            teller = partial(
                northbound,
                self._config,
                self._secrets,
                broker,
                engine=engine,
                queries=queries,
                hub=hub,
                clock=self._clock,
            )
            chance = random.Random()
            found["the user's broker"] = revived(
                "what tells the user's broker",
                lambda: self._tell(teller()),
                lambda deaths: AGAIN.wait(deaths, chance),
            )
        return found

    async def _tell(self, teller: Northbound) -> None:
        self._told = lambda: teller.status
        try:
            await teller.run()
        finally:
            died = NorthboundStatus(False, self._clock.wall(), _DIED)
            self._told = lambda: died

    def _left(self, name: str) -> list[LeftPrint]:
        """The prints that this printer has, or may have."""
        state = self._state()
        numbers = {printer.printer_id for printer in state.printers.values() if printer.name == name}
        found = (left_print(job) for job in state.jobs.values() if job.printer_id in numbers)
        return [left for left in found if left is not None]
