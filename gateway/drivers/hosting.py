"""Hosts drivers in the gateway's own process: of printers that print by themselves, whoever watches.

    make --> run --died--> "down, because", orders on their way are answered --> wait --> make ...

A driver that dies takes neither the gateway nor another driver with it, and does not stay dead: a new one
begins with what the engine knows, as behind a restart of the gateway.

Where a watch over their heat is given, each is looked at every few seconds, dead or alive, and what it finds
stands in the snapshots. It is for people: no order follows from it (ADR 37).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from typing import Final

from gateway.domain.observations import (
    LinkState,
    Observation,
    OrderAnswered,
    OrderProgressed,
    OrderResult,
    PrinterObserved,
)
from gateway.domain.orders import Acknowledge, EmergencyStop, Order
from gateway.drivers.contract import Driver
from gateway.drivers.heat_watch import LOOK_SECONDS, HeatWatch
from gateway.drivers.pacing import Paced
from gateway.transport.backoff import Backoff
from gateway.transport.own_task import in_own_task

log = logging.getLogger(__name__)

#: Seconds until a driver that died is made anew: a broken one must not fill the log.
AGAIN: Final = Backoff(first=2.0, limit=120.0)
#: Seconds after which it had gone well: the next wait is a first one again.
GOOD_SECONDS: Final = 300.0
#: Printers whose heat is judged in one go: half a millisecond, in which nothing else is done.
LOOKS_AT_ONCE: Final = 25
#: Orders of one printer that wait for their answer; people and schedules have a handful at a time.
MAX_ORDERS: Final = 256

_UNKNOWN: Final = "there is no such printer in the configuration"
_BUSY: Final = "too many orders wait for an answer of this printer; ask again when some are answered"


#: Makes a driver that has been told what the engine knows of the printer's prints now (drivers.left).
DriverFactory = Callable[[], Driver]


class DriverHost:
    """Takes the orders of all its printers; `observe` gets what their drivers see."""

    def __init__(
        self,
        factories: Mapping[str, DriverFactory],
        observe: Callable[[Observation], None],
        *,
        monotonic: Callable[[], float],
        chance: Random,
        heat: HeatWatch | None = None,
    ) -> None:
        """`factories` by the printer's name. `heat` has a monitor for each; None: nobody judges."""
        heat = HeatWatch({}) if heat is None else heat
        self._hosted = {
            name: _Hosted(name, make, observe, monotonic, chance, heat) for name, make in factories.items()
        }
        self._observe = observe
        self._monotonic = monotonic
        self._heat = heat

    @property
    def printers(self) -> tuple[str, ...]:
        """Names of those that it hosts."""
        return tuple(self._hosted)

    async def run(self) -> None:
        """All of them, each in a task of its own; until cancelled, which leaves the machines as they are."""
        async with asyncio.TaskGroup() as group:
            for name, hosted in self._hosted.items():
                group.create_task(hosted.run(), name=f"driver of {name}")
            group.create_task(self._watch_heat(), name="heat of printers that print by themselves")

    def submit(self, order: Order) -> None:
        """Hand over an order; one for a printer that is not here is refused."""
        hosted = self._hosted.get(order.printer)
        if hosted is not None:
            self._heat.ordered(order, self._monotonic())
            hosted.submit(order)
        elif not isinstance(order, Acknowledge):
            self._observe(OrderAnswered(order.printer, order.order_id, OrderResult.REFUSED, _UNKNOWN))

    async def _watch_heat(self) -> None:
        watched = [hosted for name, hosted in self._hosted.items() if name in self._heat.printers]
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for number, hosted in enumerate(watched):
                hosted.look_at_heat()
                if number % LOOKS_AT_ONCE == LOOKS_AT_ONCE - 1:
                    await asyncio.sleep(0)


class _Hosted:
    """One printer: its driver while it lives, and what must be told when it does not."""

    def __init__(
        self,
        name: str,
        make: DriverFactory,
        observe: Callable[[Observation], None],
        monotonic: Callable[[], float],
        chance: Random,
        heat: HeatWatch,
    ) -> None:
        self._name = name
        self._make = make
        self._told = Paced(observe, monotonic)
        self._monotonic = monotonic
        self._chance = chance
        self._heat = heat
        self._driver: Driver | None = None
        self._seen = PrinterObserved(printer=name, link=LinkState.CONNECTING)
        self._seen_at = 0.0  # monotonic seconds
        self._asked: set[str] = set()  # orders that the driver has not answered
        self._why = "its driver has not begun yet"

    async def run(self) -> None:
        """For ever: the driver, and the wait until there is another."""
        deaths = 0
        try:
            while True:
                began = self._monotonic()
                why = await self._lived()
                deaths = 1 if self._monotonic() - began >= GOOD_SECONDS else deaths + 1
                wait = AGAIN.wait(deaths, self._chance)
                self._tell_dead(why, wait)
                await asyncio.sleep(wait)
        finally:
            self._told.close()

    async def _lived(self) -> str:
        """One driver from its beginning to its end: why it ended."""
        try:
            self._driver = driver = self._make()
            self._hear(driver.snapshot())
            await in_own_task(driver.run(self._hear))
        except Exception as failure:
            log.exception("the driver of %s died", self._name)
            return f"{type(failure).__name__}: {failure}" if str(failure) else type(failure).__name__
        finally:
            self._driver = None
        log.error("the driver of %s ended, which it never should", self._name)
        return "it ended by itself"

    def _hear(self, seen: PrinterObserved | OrderAnswered | OrderProgressed) -> None:
        if isinstance(seen, PrinterObserved):
            self._seen, self._seen_at = seen, self._monotonic()
        elif isinstance(seen, OrderAnswered):
            self._asked.discard(seen.order_id)
        self._told.hear(self._heat.shown(seen) if isinstance(seen, PrinterObserved) else seen)

    def look_at_heat(self) -> None:
        """Have judged what it said last (drivers repeat that every few seconds); what is new is told."""
        now = self._monotonic()
        try:
            if self._heat.look(_aged(self._seen, now - self._seen_at), now):
                self._told.hear(self._heat.shown(_aged(self._seen, now - self._seen_at)))
        except Exception:  # one printer's riddle must not end the watch over the others
            log.exception("the heat of %s could not be judged", self._name)

    def _tell_dead(self, why: str, wait: float) -> None:
        """Nothing is known of the machine now but what was; what it was asked may have happened."""
        self._why = (
            f"the gateway's driver for it failed ({why}) and begins anew in {wait:.0f} s; "
            "the gateway's log has the place, which belongs into a bug report"
        )
        log.error("%s: %s", self._name, self._why)
        for order_id in sorted(self._asked):
            self._answer(order_id, OrderResult.UNCLEAR, self._why)
        last = _aged(self._seen, self._monotonic() - self._seen_at)  # what it told is as old as it is
        self._hear(replace(last, link=LinkState.DOWN, link_reason=self._why))

    def submit(self, order: Order) -> None:
        """To the driver; refused while there is none."""
        if self._driver is None:
            self._refuse(order, self._why)
        elif len(self._asked) >= MAX_ORDERS and not isinstance(order, EmergencyStop):
            self._refuse(order, _BUSY)
        else:
            if not isinstance(order, Acknowledge):
                self._asked.add(order.order_id)
            try:
                self._driver.submit(order)
            except Exception as failure:
                log.exception("the driver of %s raised over an order", self._name)
                self._answer(order.order_id, OrderResult.UNCLEAR, f"the driver failed over it: {failure}")

    def _refuse(self, order: Order, why: str) -> None:
        if not isinstance(order, Acknowledge):
            self._answer(order.order_id, OrderResult.REFUSED, why)

    def _answer(self, order_id: str, result: OrderResult, why: str) -> None:
        self._hear(OrderAnswered(self._name, order_id, result, why))


def _aged(seen: PrinterObserved, seconds: float) -> PrinterObserved:
    """A snapshot that was left so long ago."""
    temperature, silent = seen.temperature_age, seen.silent_for
    return replace(
        seen,
        temperature_age=None if temperature is None else temperature + seconds,
        silent_for=None if silent is None else silent + seconds,
        doubts_plate=False,  # that is said once
    )
