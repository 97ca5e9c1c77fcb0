"""The driver of all printers that call in: orders and posts go in, observations and messages come out.

A thin shell around `caller.Caller`: it knows the time, the hub of channels, and one timer. Unlike a serial
printer's driver it lives in the gateway's own process: printers call the gateway, nobody holds a port.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from gateway.domain.call_in import UNREGISTERED_KEPT, CodeKind, StatusPost, TaskPost
from gateway.domain.job import Job
from gateway.domain.observations import (
    Observation,
    OrderAnswered,
    OrderResult,
    PrinterObserved,
    PrintPhase,
)
from gateway.domain.orders import Acknowledge, Order
from gateway.drivers.forge.caller import PROOF_SECONDS, Caller, Recall, ToPrinter
from gateway.drivers.forge.names import (
    command_channel,
    ident_of,
    listened_to,
    names_in_key,
    printer_number,
    users_channel,
)
from gateway.drivers.forge.orders import PrintableLink, take_order
from gateway.drivers.forge.prints import Print
from gateway.drivers.left import left_phase
from gateway.protocol.bayeux.outcome import ChannelPublisher, Outcome, TakeBack

log = logging.getLogger(__name__)

#: Where observations go. Synchronous and quick; called from the event loop.
ObservationSink = Callable[[Observation], None]


@dataclass(frozen=True, slots=True)
class OpenPrint:
    """A print that was on a printer, or on its way there, when the former gateway process ended."""

    printer_id: int
    key: str
    wire_id: str | None  # as the printer calls it
    ident: str  # names.ident_of
    is_local: bool
    phase: PrintPhase | None  # None: sent, nothing proved that it arrived
    is_doubted: bool  # somebody was asked to look already
    name: str
    progress: float | None
    message: str | None


def open_print(job: Job) -> OpenPrint | None:
    """What the driver has to know of a job that is not over; None for one that is on no printer."""
    if not job.is_on_printer or job.print_key is None or job.printer_id is None:
        return None
    wire_id, ident = names_in_key(job.print_key) if job.is_local else (job.job_id, ident_of(job.job_id))
    phase = left_phase(job)
    return OpenPrint(
        printer_id=job.printer_id,
        key=job.print_key,
        wire_id=wire_id,
        ident=ident,
        is_local=job.is_local,
        phase=phase,
        is_doubted=job.is_held,
        name=job.name,
        progress=job.progress,
        message=job.message if phase is PrintPhase.HELD else None,
    )


class ForgeDriver:
    """engine.ports.Drivers and engine.ports.CallInPort for printers that call in."""

    def __init__(
        self,
        publisher: ChannelPublisher,
        sink: ObservationSink,
        *,
        printable_link: PrintableLink,
        monotonic: Callable[[], float],
        new_id: Callable[[], str],
        firmware_of: Callable[[int], str | None],
    ) -> None:
        """`firmware_of`: the version that a printer named when it called."""
        self._firmware_of = firmware_of
        self._publisher = publisher
        self._sink = sink
        self._link = printable_link
        self._monotonic = monotonic
        self._new_id = new_id
        self._callers: dict[int, Caller] = {}  # registered
        self._strangers: OrderedDict[int, Caller] = OrderedDict()  # not registered, the last to call last
        self._under_way: dict[tuple[int, str], TakeBack] = {}  # by printer and order
        self._sooner = asyncio.Event()

    # -- life ---------------------------------------------------------------------------------------------

    def begin(self, registered: Iterable[int], prints: Iterable[OpenPrint]) -> None:
        """What the former process knew: which printers have an owner, and what was on them."""
        now = self._monotonic()
        for printer_id in registered:
            self._callers[printer_id] = Caller(printer_id, self._new_id)
        for left in prints:
            caller = self._callers.get(left.printer_id)
            if caller is not None:
                caller.prints.add(_left_print(left, now))
        for caller in self._callers.values():
            caller.registered(now)
            self._flush(caller)

    async def run(self) -> None:
        """Let time pass: answers that are overdue, printers that fall silent. Until cancelled."""
        while True:
            self._sooner.clear()
            await self._sleep_until(self.wake())

    def wake(self) -> float:
        """Do what is due now; the monotonic instant when something is due next, infinite for never."""
        now = self._monotonic()
        for caller in list(self._callers.values()):
            if caller.next_deadline() <= now:
                caller.wake(now)
                self._flush(caller)
        return min((caller.next_deadline() for caller in self._callers.values()), default=math.inf)

    async def _sleep_until(self, deadline: float) -> None:
        wait = None if deadline == math.inf else max(0.0, deadline - self._monotonic())
        try:
            async with asyncio.timeout(wait):
                await self._sooner.wait()
        except TimeoutError:
            pass

    # -- orders -------------------------------------------------------------------------------------------

    def submit(self, order: Order) -> None:
        """Take an order; never blocks. Answered through the sink, once (Acknowledge excepted)."""
        printer_id = printer_number(order.printer)
        caller = None if printer_id is None else self._callers.get(printer_id)
        if caller is not None:
            take_order(caller, order, self._monotonic(), self._link)
            self._flush(caller)
        elif not isinstance(order, Acknowledge):
            text = f"{order.printer} is not registered at this gateway"
            self._sink(OrderAnswered(order.printer, order.order_id, OrderResult.REFUSED, text))

    # -- what printers post (engine.ports.CallInPort) -----------------------------------------------------

    def status_posted(self, printer_id: int, post: StatusPost) -> None:
        """A status post, which is also the ping."""
        caller = self._caller(printer_id)
        caller.status_posted(post, self._monotonic())
        self._flush(caller)

    def task_posted(self, printer_id: int, post: TaskPost) -> None:
        """An acknowledgement of a command, or progress of a print."""
        caller = self._caller(printer_id)
        caller.task_posted(post, self._monotonic())
        self._flush(caller)

    def local_print_announced(
        self, printer_id: int, job_id: str | None, name: str | None, job_data: Mapping[str, Any] | None = None
    ) -> str:
        """A print that was started at the machine. Its key; empty when that print is over already."""
        caller = self._caller(printer_id)
        key = caller.print_announced(job_id, name, self._monotonic(), job_data)
        self._flush(caller)
        return key

    def print_withdrawn(self, printer_id: int, job_id: str) -> bool:
        """The printer drops a print that it has; False: it has none of that name."""
        caller = self._caller(printer_id)
        is_dropped = caller.print_withdrawn(job_id, self._monotonic())
        self._flush(caller)
        return is_dropped

    def listening_changed(self, printer_id: int, is_listening: bool) -> None:
        """Whether it is subscribed to its commands."""
        caller = self._caller(printer_id)
        caller.listening_changed(is_listening, self._monotonic())
        self._flush(caller)

    def channel_listened(self, channel: str, is_listening: bool) -> None:
        """The hub's word about any channel: only command channels matter."""
        printer_id = listened_to(channel)
        if printer_id is not None:
            self.listening_changed(printer_id, is_listening)

    def registered(self, printer_id: int) -> None:
        """A member owns it now; what it posted before counts from here on."""
        caller = self._caller(printer_id)
        self._strangers.pop(printer_id, None)
        self._callers[printer_id] = caller
        caller.is_listening = self._publisher.has_listener(command_channel(printer_id))
        caller.registered(self._monotonic())
        self._flush(caller)

    def unregistered(self, printer_id: int) -> None:
        """Nobody owns it any more: nothing of it is reported."""
        caller = self._callers.pop(printer_id, None)
        if caller is None:
            return
        caller.unregistered(self._monotonic())
        self._flush(caller)
        self._keep_stranger(caller)

    def welcome(self, printer_id: int, member_id: str, kind: CodeKind) -> None:
        """Tell the printer that somebody typed its code in (Forge API 2.3, 3)."""
        payload = {
            "registration": "success", "type": kind.value, "printer_id": printer_id, "member_id": member_id,
        }  # fmt: skip
        self._publisher.publish(users_channel(printer_id), payload, lambda _: None)

    # -- inside -------------------------------------------------------------------------------------------

    def _caller(self, printer_id: int) -> Caller:
        caller = self._callers.get(printer_id)
        if caller is None:
            caller = self._strangers.get(printer_id) or Caller(printer_id, self._new_id)
            self._keep_stranger(caller)
        return caller

    def _keep_stranger(self, caller: Caller) -> None:
        self._strangers[caller.printer_id] = caller
        self._strangers.move_to_end(caller.printer_id)
        while len(self._strangers) > UNREGISTERED_KEPT:
            self._strangers.popitem(last=False)

    def _flush(self, caller: Caller) -> None:
        for output in caller.take():
            match output:
                case ToPrinter():
                    self._publish(caller, output)
                case Recall():
                    self._under_way.get((caller.printer_id, output.order_id), _nothing)()
                case PrinterObserved():
                    self._sink(replace(output, firmware=self._firmware_of(caller.printer_id)))
                case _:
                    self._sink(output)
        self._sooner.set()

    def _publish(self, caller: Caller, message: ToPrinter) -> None:
        told = partial(self._told, caller, message.order_id)
        try:
            take_back = self._publisher.publish(command_channel(caller.printer_id), message.payload, told)
            self._under_way[caller.printer_id, message.order_id] = take_back
        except ValueError as error:
            log.warning("%s: a message cannot be written: %s", caller.name, error)
            told(Outcome.NOBODY)

    def _told(self, caller: Caller, order_id: str, outcome: Outcome) -> None:
        self._under_way.pop((caller.printer_id, order_id), None)
        caller.outcome(order_id, outcome.is_never_sent, self._monotonic())
        self._flush(caller)


def _nothing() -> None:
    """Its outcome is told already: nothing is left to be taken back."""


def _left_print(left: OpenPrint, now: float) -> Print:
    is_waited_for = left.phase is None and not left.is_doubted
    return Print(
        ident=left.ident,
        key=left.key,
        wire_id=left.wire_id,
        is_local=left.is_local,
        phase=left.phase,
        name=left.name,
        progress=left.progress,
        message=left.message,
        orders=[left.key] if is_waited_for else [],  # the order of a start has its mark (domain.orders)
        deadline=now + PROOF_SECONDS if is_waited_for else None,
    )
