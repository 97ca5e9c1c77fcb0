"""Drivers and gateways for tests of the host and the client, all on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from random import Random
from typing import Any

from firmware_sim.virtual_loop import VirtualLoop
from gateway.domain.observations import (
    DriverAttached,
    DriverDetached,
    LinkState,
    Observation,
    OrderAnswered,
    OrderResult,
    PrinterObserved,
    PrintPhase,
    PrintReport,
)
from gateway.domain.orders import Acknowledge, Order, StartPrint
from gateway.drivers.contract import Sink
from gateway.streamer.channel import Channel, Connect, MemoryChannel
from gateway.streamer.client import StreamerClient, memory_channel
from gateway.streamer.host import StreamerHost
from gateway.transport.backoff import Backoff

EVEN = Backoff(first=1.0, limit=8.0, jitter=0.0)


def virtually(work: Coroutine[Any, Any, Any]) -> Any:
    """Run on virtual time: waits cost nothing."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


def start(printer: str = "mk3", order_id: str = "o1", key: str = "a1") -> StartPrint:
    return StartPrint(printer, order_id, key, "/files/x.gcode", "ab" * 32, 10, "x.gcode")


class FakeDriver:
    """Does what the test says; answers orders at once unless `mute`."""

    def __init__(self, printer: str = "mk3", *, mute: bool = False) -> None:
        self._printer = printer
        self.mute = mute
        self.orders: list[Order] = []
        self.now = PrinterObserved(printer, LinkState.UP)
        self.sink: Sink = lambda fact: None
        self.fate: asyncio.Future[None] | None = None
        self.was_cancelled = False
        self.choke: Exception | None = None

    @property
    def printer(self) -> str:
        return self._printer

    async def run(self, sink: Sink) -> None:
        self.sink = sink
        self.fate = asyncio.get_running_loop().create_future()
        sink(self.now)
        try:
            await self.fate
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise

    def submit(self, order: Order) -> None:
        self.orders.append(order)
        if self.choke is not None:
            raise self.choke
        if not self.mute and not isinstance(order, Acknowledge):
            self.answer(order.order_id)

    def snapshot(self) -> PrinterObserved:
        return self.now

    def answer(self, order_id: str, result: OrderResult = OrderResult.ACCEPTED) -> None:
        self.sink(OrderAnswered(self._printer, order_id, result))

    def show(self, **changes: Any) -> None:
        self.now = replace(self.now, **changes)
        self.sink(self.now)

    def printing(self, key: str = "a1", **more: Any) -> None:
        self.show(current=PrintReport(key, PrintPhase.PRINTING, is_local=False, **more))

    def die(self, error: BaseException | None) -> None:
        assert self.fate is not None
        if error is None:
            self.fate.set_result(None)
        elif isinstance(error, asyncio.CancelledError):
            self.fate.cancel()
        else:
            self.fate.set_exception(error)


class Engine:
    """Writes down what comes up."""

    def __init__(self) -> None:
        self.heard: list[Observation] = []

    def __call__(self, fact: Observation) -> None:
        self.heard.append(fact)

    def of(self, *kinds: type) -> list[Any]:
        return [fact for fact in self.heard if isinstance(fact, kinds)]

    @property
    def attached(self) -> list[DriverAttached]:
        return self.of(DriverAttached)

    @property
    def detached(self) -> list[DriverDetached]:
        return self.of(DriverDetached)

    @property
    def answers(self) -> list[OrderAnswered]:
        return self.of(OrderAnswered)

    @property
    def printers(self) -> list[PrinterObserved]:
        return self.of(PrinterObserved)


class Rig:
    """A host with fake drivers and, when asked for, gateways, in one process on virtual time."""

    def __init__(self, *printers: str, mute: bool = False, **host_options: Any) -> None:
        self.born: dict[str, list[FakeDriver]] = {name: [] for name in printers or ("mk3",)}
        self.mute = mute
        self.host = StreamerHost(
            "printhost",
            host_options.pop("instance", "i1"),
            {name: self.maker(name) for name in self.born},
            chance=Random(1),
            backoff=EVEN,
            **host_options,
        )
        self.tasks: list[asyncio.Task[Any]] = []
        self.channels: list[MemoryChannel] = []

    def maker(self, name: str) -> Callable[[], FakeDriver]:
        def make() -> FakeDriver:
            self.born[name].append(FakeDriver(name, mute=self.mute))
            return self.born[name][-1]

        return make

    def driver(self, name: str = "mk3") -> FakeDriver:
        return self.born[name][-1]

    async def __aenter__(self) -> Rig:
        self.spawn(self.host.run(), "host")
        await settle()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in reversed(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        task = asyncio.create_task(work, name=name)
        self.tasks.append(task)
        return task

    def connect(self) -> Connect:
        """The host's memory channel, remembered so that a test can cut it."""
        inner = memory_channel(self.host)

        async def connect() -> Channel:
            channel = await inner()
            assert isinstance(channel, MemoryChannel)
            self.channels.append(channel)
            return channel

        return connect

    async def gateway(self, instance: str = "g1") -> tuple[StreamerClient, Engine]:
        client, engine, _ = await self.gateway_task(instance)
        return client, engine

    async def gateway_task(self, instance: str = "g1") -> tuple[StreamerClient, Engine, asyncio.Task[Any]]:
        engine = Engine()
        client = StreamerClient(self.connect(), engine, instance=instance, chance=Random(2), backoff=EVEN)
        task = self.spawn(client.run(), f"gateway {instance}")
        await settle()
        return client, engine, task


async def settle(turns: int = 20) -> None:
    """Let everything that is ready run; no time passes."""
    for _ in range(turns):
        await asyncio.sleep(0)
