"""The gateway's side: an always-there object that engine orders go into and observations come out of.

Two objects: `_Connection` is one connection and its orders, `StreamerClient` makes the next one.

Every order is answered exactly once. One that was never written is provably not done: refused. One that was
written and not answered when the connection ended may have been done: unclear. No order is ever sent twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from random import Random
from typing import Final

from gateway.domain.observations import (
    DriverAttached,
    DriverDetached,
    Observation,
    OrderAnswered,
    OrderResult,
    PrinterObserved,
)
from gateway.domain.orders import Acknowledge, EmergencyStop, Order
from gateway.streamer.channel import Channel, ChannelClosed, Connect, MemoryChannel, memory_pair
from gateway.streamer.host import StreamerHost
from gateway.streamer.messages import (
    PROTOCOL_VERSION,
    Answered,
    BadMessage,
    Bye,
    Drain,
    Hello,
    Message,
    Observed,
    Progressed,
    Snapshot,
    order_message,
    version_conflict,
)
from gateway.transport.backoff import Backoff

log = logging.getLogger(__name__)

#: Where observations go. Synchronous and quick; called from the event loop.
ObservationSink = Callable[[Observation], None]

#: Seconds without a message after which a streamer counts as hung: four of its heartbeats.
SILENCE_SECONDS = 20.0
#: Seconds the handshake may take.
HANDSHAKE_SECONDS = 5.0
#: Until a connection that failed or broke is made anew.
CONNECT_AGAIN: Final = Backoff(first=0.2, limit=10.0, jitter=0.2)
NOT_RUNNING = "the streamer is not running: systemctl start print-gateway-streamer"


class StreamerClient:
    """Keeps a connection to one streamer.

    `instance` identifies this gateway process. `label` names the streamer until it has said its own name.
    """

    def __init__(
        self,
        connect: Connect,
        sink: ObservationSink,
        *,
        instance: str,
        chance: Random,
        label: str = "streamer",
        backoff: Backoff = CONNECT_AGAIN,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._connect = connect
        self._sink = sink
        self._instance = instance
        self._chance = chance
        self._host = label
        self._backoff = backoff
        self._sleep = sleep
        self._connection: _Connection | None = None
        self._why_not = NOT_RUNNING
        self._told: str | None = None  # the last reason of absence that was told; each one is told once

    @property
    def is_attached(self) -> bool:
        """Whether the streamer's snapshot has come in and orders go through."""
        return self._connection is not None

    async def run(self) -> None:
        """Attach, and attach again after every loss; until cancelled.

        When another gateway has taken over the printers it stays away until this process is started anew:
        coming back would take them from that one, and so on for ever. (It does not return either: a service
        that ends is restarted by its supervisor, which would be the same duel.)
        """
        failures = 0
        while True:
            connection = await self._attach()
            if connection is not None:
                failures = 0
                if await self._follow(connection):
                    log.error("%s: %s", self._host, self._why_not)
                    await asyncio.get_running_loop().create_future()
            failures += 1
            await self._sleep(self._backoff.wait(failures, self._chance))

    def submit(self, order: Order) -> None:
        """Send an order; never blocks. Its answer comes through the sink, later, exactly once."""
        if self._connection is None:
            if not isinstance(order, Acknowledge):  # repeated by the engine at the next attach
                self._answer_soon(order, OrderResult.REFUSED, self._why_not)
            return
        refusal = self._connection.send_order(order)
        if refusal is not None:
            self._answer_soon(order, OrderResult.REFUSED, refusal)

    def drain(self) -> bool:
        """Ask the streamer to pause what prints and start nothing more. False: it is not attached."""
        return self._connection is not None and self._connection.send_drain()

    async def _attach(self) -> _Connection | None:
        """A connection whose handshake and first snapshot are through, or None with the reason told."""
        try:
            channel = await self._connect()
        except OSError as error:
            self._tell_absent(_explain(error))
            return None
        connection = _Connection(channel)
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                hello, printers = await connection.open(self._instance)
        except TimeoutError:
            channel.close()
            self._tell_absent("the streamer hangs: systemctl restart print-gateway-streamer")
            return None
        except (ChannelClosed, BadMessage) as error:
            channel.close()
            self._tell_absent(str(error))
            return None
        except BaseException:
            channel.close()
            raise
        self._host = hello.host or self._host
        self._connection = connection
        self._told = None
        self._sink(DriverAttached(self._host, hello.instance, printers))
        return connection

    async def _follow(self, connection: _Connection) -> bool:
        """Pass on what the streamer says until the connection ends; whether that is final."""
        reason = "this gateway stops"
        try:
            reason = await connection.listen(self._sink)
        finally:
            self._connection = None
            connection.close()
            for order in connection.take_unanswered():
                text = (
                    f"the connection to the streamer ended before its answer ({reason}): look at the printer"
                )
                self._sink(OrderAnswered(order.printer, order.order_id, OrderResult.UNCLEAR, text))
            self._tell_absent(reason)
        return connection.is_final

    def _tell_absent(self, reason: str) -> None:
        self._why_not = reason if reason == NOT_RUNNING else f"the streamer is not attached: {reason}"
        if reason != self._told:
            self._told = reason
            self._sink(DriverDetached(self._host, reason))

    def _answer_soon(self, order: Order, result: OrderResult, text: str) -> None:
        # Not from within submit(): the engine is in the middle of acting.
        answer = OrderAnswered(order.printer, order.order_id, result, text)
        asyncio.get_running_loop().call_soon(self._sink, answer)


class _Connection:
    """One connection, used once."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._unanswered: dict[str, Order] = {}
        self.is_final = False

    async def open(self, instance: str) -> tuple[Hello, tuple[PrinterObserved, ...]]:
        """Hello and the first snapshot. Raises ChannelClosed or BadMessage with a text for people."""
        hello = await self._channel.receive()
        if not isinstance(hello, Hello):
            raise BadMessage(f"the streamer said {hello.type} before hello: is this its socket?")
        conflict = version_conflict(hello, "streamer")
        if conflict is not None:
            raise BadMessage(conflict)
        self._channel.send(Hello(version=PROTOCOL_VERSION, instance=instance))
        first = await self._channel.receive()
        if isinstance(first, Bye):
            raise ChannelClosed(first.reason)
        if not isinstance(first, Snapshot):
            raise BadMessage(f"the streamer said {first.type} before its snapshot")
        return hello, first.printers

    def send_order(self, order: Order) -> str | None:
        """Write an order. A text means that provably nothing was written."""
        if order.order_id in self._unanswered:
            log.error("order %s submitted twice; it was sent once", order.order_id)
            return None
        if self._channel.is_congested and not isinstance(order, EmergencyStop):
            return "the streamer does not take orders: systemctl restart print-gateway-streamer"
        try:
            self._channel.send(order_message(order))
        except ChannelClosed as closed:
            return f"the streamer is not attached ({closed})"
        except BadMessage as bad:
            return f"the order cannot be sent: {bad}"
        if not isinstance(order, Acknowledge):
            self._unanswered[order.order_id] = order
        return None

    def send_drain(self) -> bool:
        """Whether the request was written."""
        try:
            self._channel.send(Drain())
        except ChannelClosed:
            return False
        return True

    async def listen(self, sink: ObservationSink) -> str:
        """Until the end; why it came."""
        while True:
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    message = await self._channel.receive()
            except TimeoutError:
                return f"the streamer hangs, nothing heard for {SILENCE_SECONDS:g} s"
            except (ChannelClosed, BadMessage) as end:
                return str(end)
            if isinstance(message, Bye):
                self.is_final = message.final
                return message.reason
            self._pass_on(message, sink)

    def take_unanswered(self) -> list[Order]:
        """Orders that were written and have no answer; they are the caller's from now on."""
        orders = list(self._unanswered.values())
        self._unanswered.clear()
        return orders

    def close(self) -> None:
        """Say good-bye if somebody listens, and end."""
        try:
            self._channel.send(Bye(reason="the gateway leaves"))
        except ChannelClosed:
            pass
        self._channel.close()

    def _pass_on(self, message: Message, sink: ObservationSink) -> None:
        match message:
            case Observed():
                sink(message.printer)
            case Snapshot():
                for printer in message.printers:
                    sink(printer)
            case Progressed():
                if message.progress.order_id in self._unanswered:
                    sink(message.progress)
            case Answered():
                if self._unanswered.pop(message.answer.order_id, None) is not None:
                    sink(message.answer)
            case _:
                log.warning("the streamer said %s; ignored", message.type)


def memory_channel(host: StreamerHost) -> Connect:
    """Connects to a host in this process: the same objects as over a socket, for simulations."""

    async def connect() -> Channel:
        if not host.is_running:
            raise ConnectionRefusedError
        ours: MemoryChannel
        ours, theirs = memory_pair()
        host.accept(theirs)
        return ours

    return connect


def _explain(error: OSError) -> str:
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return NOT_RUNNING
    if isinstance(error, PermissionError):
        return "the streamer's socket may not be used by this user: add it to the group of the socket file"
    return f"the streamer cannot be reached: {error.strerror or error}"
