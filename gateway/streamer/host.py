"""The driver host: up to 64 drivers, and the one gateway that commands them.

One gateway at a time, and the newest wins: a gateway that hangs, or whose death nobody has noticed yet, must
not keep its successor from the printers. The older one is told so with a final `bye` and stays away, so that
two gateways that were both started by mistake do not take the printers from each other for ever.
No gateway at all is a normal state: prints go on, and what ended waits to be acknowledged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from typing import Final

from gateway.domain.observations import (
    OrderAnswered,
    OrderProgressed,
    OrderResult,
    PrinterObserved,
    PrintPhase,
)
from gateway.domain.orders import (
    Acknowledge,
    Order,
    PausePrint,
    RecoverPrint,
    ResumePrint,
    SendGcode,
    StartPrint,
    UploadFile,
)
from gateway.drivers.heat_watch import LOOK_SECONDS
from gateway.safety.limits import SafetyLimits
from gateway.streamer.channel import Channel, ChannelClosed
from gateway.streamer.hosted import DriverFactory, HostedPrinter
from gateway.streamer.messages import (
    PROTOCOL_VERSION,
    Answered,
    BadMessage,
    Bye,
    Drain,
    Hello,
    Message,
    OrderMessage,
    version_conflict,
)
from gateway.streamer.outbox import Outbox, OutboxFull
from gateway.streamer.safety_watch import SafetyWatch
from gateway.streamer.wire_watch import WireWatch
from gateway.transport.backoff import Backoff

log = logging.getLogger(__name__)

#: Printers of one streamer; the configuration refuses more. All share one event loop: 64 at the 800 lines/s
#: of a 250 kBd link are 51,200 lines/s, as much as one core moves.
MAX_PRINTERS = 64
#: Seconds between full snapshots: the sign of life for a gateway, and how fresh `silent_for` is.
HEARTBEAT_SECONDS = 5.0
#: Seconds a gateway has to say hello.
HANDSHAKE_SECONDS = 5.0
#: Seconds connections get to end; with hosted.STOP_SECONDS for the drivers before them, below 2 together.
CLOSE_SECONDS = 0.3

#: Until a driver that died is run again.
RUN_AGAIN: Final = Backoff(first=0.2, limit=10.0, jitter=0.2)

#: What a draining host refuses.
_BEGINNINGS = (StartPrint, ResumePrint, RecoverPrint, UploadFile, SendGcode)
#: Order ids of the host's own: answers to them go to no gateway.
_OWN = "host:"


class StreamerHost:
    """Runs drivers and serves gateways. `instance` must differ after every start of the process."""

    def __init__(
        self,
        name: str,
        instance: str,
        drivers: Mapping[str, DriverFactory],
        *,
        chance: Random,
        warnings: Mapping[str, str] | None = None,
        watch: WireWatch | None = None,
        safety: SafetyLimits | None = None,
        backoff: Backoff = RUN_AGAIN,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`warnings`: printer -> what went wrong before its driver started (an unreadable line record).
        `watch`: who keeps wire logs when there is trouble. `safety`: what the safety monitor tolerates.
        """
        if len(drivers) > MAX_PRINTERS:
            raise ValueError(f"{len(drivers)} printers for one streamer; {MAX_PRINTERS} are possible")
        self.name = name
        self.instance = instance
        self._watch = watch if watch is not None else WireWatch.of_nothing()
        self._safety = SafetyWatch(safety or SafetyLimits(), drivers)
        self._printers = {
            printer: HostedPrinter(
                printer,
                make_driver,
                self._fan_out,
                on_death=self._watch.trouble,
                warning=(warnings or {}).get(printer),
                backoff=backoff,
                chance=chance,
                sleep=sleep,
            )
            for printer, make_driver in drivers.items()
        }
        self._gateway: _Gateway | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._is_draining = False
        self._own_orders = 0
        self.is_running = False

    async def run(self) -> None:
        """Until cancelled; then within 2 s all ports are closed and the machines left as they are."""
        self.is_running = True
        try:
            async with asyncio.TaskGroup() as tasks:
                for name, printer in self._printers.items():
                    tasks.create_task(printer.run(), name=f"keeper of {name}")
                tasks.create_task(self._show_life(), name="streamer heartbeat")
                tasks.create_task(self._watch_heat(), name="safety monitor")
        finally:
            self.is_running = False
            await self._dismiss_all()
            await self._watch.close()

    def accept(self, channel: Channel) -> None:
        """Serve a new connection in a task of its own."""
        if not self.is_running:
            channel.close()
            return
        task = asyncio.get_running_loop().create_task(self._serve(channel), name="gateway connection")
        self._connections.add(task)
        task.add_done_callback(self._served)

    def snapshot(self) -> tuple[PrinterObserved, ...]:
        """All printers, now."""
        return tuple(self._safety.shown(printer.snapshot()) for printer in self._printers.values())

    def submit(self, order: Order) -> None:
        """Pass an order to its printer; unknown printers and a draining host refuse it."""
        printer = self._printers.get(order.printer)
        if printer is None:
            known = ", ".join(self._printers) or "none"
            self._refuse(order, f"this streamer has no printer {order.printer!r} (it has: {known})")
        elif self._is_draining and isinstance(order, _BEGINNINGS):
            self._refuse(order, "the streamer is drained for a stop or an upgrade: restart it to print again")
        else:
            self._watch.ordered(order)
            self._safety.ordered(order, asyncio.get_running_loop().time())
            printer.submit(order)

    def drain(self) -> None:
        """Pause every print and start none any more, for the rest of this process's life."""
        self._is_draining = True
        for name, printer in self._printers.items():
            current = printer.snapshot().current
            if current is not None and current.phase in (PrintPhase.STARTING, PrintPhase.PRINTING):
                self._own_orders += 1
                printer.submit(PausePrint(name, f"{_OWN}{self._own_orders}", current.key))

    def _refuse(self, order: Order, text: str) -> None:
        if not isinstance(order, Acknowledge):
            self._fan_out(OrderAnswered(order.printer, order.order_id, OrderResult.REFUSED, text))

    def _fan_out(self, fact: PrinterObserved | OrderAnswered | OrderProgressed) -> None:
        gateway = self._gateway
        if isinstance(fact, PrinterObserved):
            self._watch.observed(fact)
        if isinstance(fact, OrderAnswered) and fact.order_id.startswith(_OWN):
            log.info("own order: %s %s %s", fact.printer, fact.result, fact.message or "")
        elif gateway is None:
            return  # snapshots are repeated, and a gateway that went has counted its orders as unclear
        elif isinstance(fact, PrinterObserved):
            gateway.outbox.put(self._safety.shown(fact))
        elif isinstance(fact, OrderProgressed):
            gateway.outbox.put_progress(fact)
        else:
            try:
                gateway.outbox.put_answer(fact)
            except OutboxFull as full:
                self._dismiss(gateway, f"the gateway does not read what the streamer says: {full}")

    async def _show_life(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            if self._gateway is not None:
                self._gateway.outbox.put_everything()

    async def _watch_heat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for name, printer in self._printers.items():
                try:
                    self._judge_heat(printer, loop.time())
                except Exception:  # one printer's riddle must not end the watch over the others
                    log.exception("the safety monitor failed at %s", name)

    def _judge_heat(self, printer: HostedPrinter, now: float) -> None:
        order, is_news = self._safety.look(printer.snapshot(), now, _OWN)
        if order is not None:
            self._watch.ordered(order)
            printer.submit(order)
        if is_news:
            self._fan_out(printer.snapshot())

    async def _serve(self, channel: Channel) -> None:
        """One connection, from hello to its end."""
        try:
            if await self._shake_hands(channel):
                await self._attend(channel)
        except ChannelClosed as end:
            log.info("gateway connection over: %s", end)
        except BadMessage as bad:
            log.error("gateway connection ended: %s", bad)
            _say(channel, Bye(reason=f"the streamer does not understand: {bad}"))
        finally:
            channel.close()

    async def _shake_hands(self, channel: Channel) -> bool:
        channel.send(Hello(version=PROTOCOL_VERSION, instance=self.instance, host=self.name))
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                hello = await channel.receive()
        except TimeoutError:
            log.warning("somebody connected and said nothing for %g s", HANDSHAKE_SECONDS)
            return False
        if not isinstance(hello, Hello):
            raise BadMessage(f"{hello.type} before hello")
        conflict = version_conflict(hello, "gateway")
        if conflict is not None:
            log.error("%s", conflict)
            _say(channel, Bye(reason=conflict))
        return conflict is None

    async def _attend(self, channel: Channel) -> None:
        if self._gateway is not None:
            text = "another gateway has taken over these printers: stop one of the two, restart the other"
            self._dismiss(self._gateway, text, final=True)
        gateway = _Gateway(channel, Outbox(self.snapshot, asyncio.get_running_loop().time))
        self._gateway = gateway
        sender = asyncio.create_task(gateway.send_all(), name="gateway sender")
        try:
            while True:
                message = await channel.receive()
                if self._gateway is not gateway or isinstance(message, Bye):
                    return
                self._obey(message)
        finally:
            if self._gateway is gateway:
                self._gateway = None
            sender.cancel()
            await asyncio.wait({sender})

    def _obey(self, message: Message) -> None:
        if isinstance(message, OrderMessage):
            self.submit(message.order)
        elif isinstance(message, Drain):
            self.drain()
        else:
            raise BadMessage(f"{message.type} from a gateway")

    def _dismiss(self, gateway: _Gateway, reason: str, *, final: bool = False) -> None:
        log.warning("gateway dismissed: %s", reason)
        if self._gateway is gateway:
            self._gateway = None
        for answer in gateway.outbox.take_answers():
            _say(gateway.channel, Answered(answer=answer))
        _say(gateway.channel, Bye(reason=reason, final=final))
        gateway.channel.close()

    async def _dismiss_all(self) -> None:
        if self._gateway is not None:
            self._dismiss(self._gateway, "the streamer stops; what it prints stands still")
        for task in self._connections:
            task.cancel()
        if self._connections:
            await asyncio.wait(self._connections, timeout=CLOSE_SECONDS)

    def _served(self, task: asyncio.Task[None]) -> None:
        self._connections.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("serving a gateway failed", exc_info=task.exception())


class _Gateway:
    """The gateway that is attached now."""

    def __init__(self, channel: Channel, outbox: Outbox) -> None:
        self.channel = channel
        self.outbox = outbox

    async def send_all(self) -> None:
        """Empty the outbox into the channel, no faster than the gateway reads."""
        try:
            while True:
                self.channel.send(await self.outbox.next())
                await self.channel.drained()
        except ChannelClosed:
            pass  # the receiving side notices too, and ends the connection
        except BadMessage as bad:
            log.error("a message for the gateway could not be written: %s", bad)
        finally:
            self.channel.close()


def _say(channel: Channel, message: Message) -> None:
    """Last words; nobody may be there to hear them."""
    try:
        channel.send(message)
    except (ChannelClosed, BadMessage) as silent:
        log.debug("not said: %s", silent)
