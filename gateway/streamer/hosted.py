"""One driver in the streamer: kept running, its death noticed, its orders answered exactly once.

A driver that dies is made anew, as the successor of a killed streamer would make it: from the line record.
What only the dead one knew is kept here: ends of prints that no engine has acknowledged, and the orders it
took and never answered. Those are answered "unclear": it may have done them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from random import Random

from gateway.domain.observations import (
    LinkState,
    OrderAnswered,
    OrderProgressed,
    OrderResult,
    PrinterObserved,
    PrintReport,
)
from gateway.domain.orders import Acknowledge, Order, StartPrint
from gateway.drivers.contract import Driver
from gateway.transport.backoff import Backoff

log = logging.getLogger(__name__)

#: Makes the driver of one printer; called again after each death.
DriverFactory = Callable[[], Driver]

#: Orders of one printer without an answer. A driver answers within seconds; this many means it hangs.
MAX_UNANSWERED = 64
#: Answered orders remembered per printer, so that an order that comes twice is not done twice.
MAX_REMEMBERED = 256
#: Ends of prints in one snapshot, oldest first: the others follow when these are acknowledged. It keeps a
#: snapshot of 64 printers below messages.MAX_MESSAGE_BYTES however long the gateway was away.
MAX_ENDED = 16
#: Seconds a driver must have run for its next death to count as a first one.
HEALTHY_SECONDS = 60.0
#: Seconds a cancelled driver gets to end its line and close its port; the streamer must be gone after 2.
STOP_SECONDS = 1.5


class HostedPrinter:
    """Runs the driver of `printer`; facts go to `emit`, from the event loop."""

    def __init__(
        self,
        printer: str,
        make_driver: DriverFactory,
        emit: Callable[[PrinterObserved | OrderAnswered | OrderProgressed], None],
        *,
        on_death: Callable[[str, str], None] = lambda printer, reason: None,
        warning: str | None = None,
        backoff: Backoff,
        chance: Random,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self.printer = printer
        self._make_driver = make_driver
        self._emit = emit
        self._on_death = on_death
        self._warning = warning  # told as the printer's message until a print is on the machine
        self._backoff = backoff
        self._chance = chance
        self._sleep = sleep
        self._driver: Driver | None = None
        self._latest = PrinterObserved(printer, LinkState.CONNECTING)
        self._unanswered: set[str] = set()
        self._answered: OrderedDict[str, OrderAnswered] = OrderedDict()
        self._inherited: dict[str, PrintReport] = {}  # key -> end told by a driver that has died since

    async def run(self) -> None:
        """Until cancelled. Cancelling gives the driver STOP_SECONDS to end its line and close its port."""
        deaths = 0
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            reason = await self._live_once()
            deaths = 1 if loop.time() - began >= HEALTHY_SECONDS else deaths + 1
            wait = self._backoff.wait(deaths, self._chance)
            log.error("the driver of %s died (%s); a new one in %.1f s", self.printer, reason, wait)
            self._on_death(self.printer, f"the driver died: {reason}")
            self._mourn(f"the driver of {self.printer} failed and is started again: {reason}")
            await self._sleep(wait)

    def submit(self, order: Order) -> None:
        """Pass an order to the driver. Every order but Acknowledge is answered exactly once."""
        if isinstance(order, Acknowledge):
            self._inherited.pop(order.key, None)
            if self._driver is not None:
                self._hand_over(self._driver, order)
            return
        if order.order_id in self._unanswered:
            log.warning("order %s for %s came twice; it is answered once", order.order_id, self.printer)
            return
        if former := self._answered.get(order.order_id):
            self._emit(former)
            return
        if self._driver is None:
            self._answer(order.order_id, OrderResult.REFUSED, self._why_down())
        elif len(self._unanswered) >= MAX_UNANSWERED:
            text = f"{MAX_UNANSWERED} orders for {self.printer} are unanswered: restart the streamer"
            self._answer(order.order_id, OrderResult.REFUSED, text)
        else:
            if isinstance(order, StartPrint):
                self._warning = None  # somebody has looked: the plate was confirmed
            self._unanswered.add(order.order_id)
            self._hand_over(self._driver, order)

    def snapshot(self) -> PrinterObserved:
        """All that is known now. Never raises."""
        if self._driver is not None:
            try:
                self._latest = self._with_memory(self._driver.snapshot())
            except Exception:
                log.exception("the driver of %s gives no snapshot", self.printer)
        return self._latest

    async def _live_once(self) -> str:
        """One driver from birth to death; why it died."""
        try:
            driver = self._make_driver()
        except Exception as error:
            log.exception("no driver for %s", self.printer)
            return f"{type(error).__name__}: {error}"
        self._driver = driver
        life = asyncio.create_task(
            driver.run(lambda fact: self._hear(driver, fact)), name=f"driver {self.printer}"
        )
        try:
            await asyncio.wait({life})
        except asyncio.CancelledError:
            life.cancel()
            await asyncio.wait({life}, timeout=STOP_SECONDS)
            if not life.done():
                log.error("the driver of %s did not end within %g s", self.printer, STOP_SECONDS)
            elif not life.cancelled() and life.exception() is not None:
                log.error("the driver of %s ended badly", self.printer, exc_info=life.exception())
            self._driver = None
            raise
        return self._cause_of_death(life)

    def _cause_of_death(self, life: asyncio.Task[None]) -> str:
        if life.cancelled():
            return "it cancelled itself"
        failure = life.exception()
        if failure is None:
            return "it ended without being asked to"
        log.error("the driver of %s failed", self.printer, exc_info=failure)
        return f"{type(failure).__name__}: {failure}"

    def _hear(self, driver: Driver, fact: PrinterObserved | OrderAnswered | OrderProgressed) -> None:
        if driver is not self._driver:
            return  # a leftover of a driver that has died
        if fact.printer != self.printer:
            log.error("the driver of %s speaks of %s", self.printer, fact.printer)
        elif isinstance(fact, PrinterObserved):
            self._latest = self._with_memory(fact)
            self._emit(self._latest)
        elif fact.order_id not in self._unanswered:
            log.error("the driver of %s speaks of order %s unasked", self.printer, fact.order_id)
        elif isinstance(fact, OrderProgressed):
            self._emit(fact)
        else:
            self._settle(fact)

    def _hand_over(self, driver: Driver, order: Order) -> None:
        try:
            driver.submit(order)
        except Exception as error:
            log.exception("the driver of %s choked on %r", self.printer, order)
            if order.order_id in self._unanswered:
                text = f"the driver of {self.printer} failed at this order ({error}): look at the printer"
                self._answer(order.order_id, OrderResult.UNCLEAR, text)

    def _answer(self, order_id: str, result: OrderResult, message: str) -> None:
        self._settle(OrderAnswered(self.printer, order_id, result, message))

    def _settle(self, answer: OrderAnswered) -> None:
        self._unanswered.discard(answer.order_id)
        self._answered[answer.order_id] = answer
        if len(self._answered) > MAX_REMEMBERED:
            self._answered.popitem(last=False)
        self._emit(answer)

    def _mourn(self, reason: str) -> None:
        self.snapshot()  # its last words, should it not have spoken them
        self._driver = None
        for report in self._latest.ended:
            self._inherited[report.key] = report
        for order_id in sorted(self._unanswered):
            text = f"{reason}; whether it carried out this order is not known: look at the printer"
            self._answer(order_id, OrderResult.UNCLEAR, text)
        self._latest = replace(self._latest, link=LinkState.DOWN, link_reason=reason, activity=None)
        self._emit(self._latest)

    def _why_down(self) -> str:
        return self._latest.link_reason or f"the driver of {self.printer} is not running yet: try again"

    def _with_memory(self, fact: PrinterObserved) -> PrinterObserved:
        """The driver's snapshot, with what earlier drivers and the start left to tell."""
        if fact.current is not None:
            self._warning = None
        if self._inherited:
            told = {report.key for report in fact.ended}
            earlier = tuple(report for key, report in self._inherited.items() if key not in told)
            fact = replace(fact, ended=earlier + fact.ended)
        if len(fact.ended) > MAX_ENDED:
            fact = replace(fact, ended=fact.ended[:MAX_ENDED])
        if self._warning is not None and fact.message is None:
            fact = replace(fact, message=self._warning)
        return fact
