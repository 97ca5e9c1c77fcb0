"""Builds what printers that call in need: their driver, the channels at `/faye`, and who tells whom what.

engine ----orders----> Routing ----> ForgeDriver ----messages----> BayeuxHub ----> printers
engine <-observations----------------|  ^  ^------who listens-------|
engine ----events----> PrinterNews -----+  registered, unregistered
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from gateway.api.forge.faye.hub import BayeuxHub
from gateway.api.forge.firmware.door import may_subscribe
from gateway.domain.call_in import CALL_IN_DRIVER
from gateway.domain.job import Job
from gateway.domain.observations import Observation
from gateway.domain.orders import StartPrint
from gateway.domain.state import State
from gateway.drivers.forge.driver import ForgeDriver, open_print
from gateway.drivers.routing import Routing, TakesOrders
from gateway.engine.ports import Clock, IdSource, Publisher
from gateway.publish.printer_news import PrinterNews

log = logging.getLogger(__name__)


class CallIns:
    """The parts, wired. `state` and `observe` are the engine's, which is built with these."""

    def __init__(
        self,
        *,
        state: Callable[[], State],
        observe: Callable[[Observation], None],
        clock: Clock,
        ids: IdSource,
        lenient: bool,
        printable_link: Callable[[Job], str],
    ) -> None:
        def link(order: StartPrint) -> str | None:
            job = next((job for job in state().jobs.values() if job.job_id == order.job_id), None)
            return None if job is None else printable_link(job)

        def firmware_of(printer_id: int) -> str | None:
            call_in = state().call_ins.get(printer_id)
            return None if call_in is None else call_in.firmware

        self._state = state
        self.hub = BayeuxHub(
            may_subscribe=lambda channel, token: may_subscribe(state(), channel, token),
            on_listening=lambda channel, is_listening: self.driver.channel_listened(channel, is_listening),
            clock=clock,
            ids=ids,
            lenient=lenient,
        )
        self.driver = ForgeDriver(
            self.hub,
            observe,
            printable_link=link,
            monotonic=clock.monotonic,
            new_id=ids.uuid,
            firmware_of=firmware_of,
        )

    def drivers(self, streamer: TakesOrders, by_name: Mapping[str, TakesOrders] | None = None) -> Routing:
        """All drivers: the streamer has the printers of the configuration that are not in `by_name`."""
        return Routing(streamer, {CALL_IN_DRIVER: self.driver}, by_name)

    def publisher(self, behind: Publisher) -> PrinterNews:
        """What the engine publishes to, so that registrations are heard."""
        return PrinterNews(behind, self.driver)

    def begin(self, unreachable: str | None) -> None:
        """Once the engine has read its state. `unreachable`: why printers cannot reach the public URL."""
        state = self._state()
        registered = [
            printer.printer_id
            for printer in state.printers.values()
            if printer.driver == CALL_IN_DRIVER and printer.enabled
        ]
        prints = (open_print(job) for job in state.jobs.values())
        self.driver.begin(registered, (left for left in prints if left is not None))
        if registered and unreachable is not None:
            log.warning("printers that call in cannot fetch their files: %s", unreachable)
