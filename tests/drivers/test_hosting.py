"""Drivers in the gateway's own process: one that dies is told of, answered for, and made anew."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from random import Random
from typing import Any

from firmware_sim.virtual_loop import VirtualLoop
from gateway.domain.observations import (
    LinkState,
    Observation,
    OrderAnswered,
    OrderResult,
    PrinterObserved,
    PrintPhase,
    PrintReport,
)
from gateway.domain.orders import Acknowledge, CancelPrint, EmergencyStop, Order, StartPrint
from gateway.drivers.contract import Driver, Sink
from gateway.drivers.hosting import MAX_ORDERS, DriverHost
from gateway.drivers.pacing import AT_ONCE, EACH_SECONDS
from gateway.drivers.routing import Routing

PRINT = PrintReport("k1", PrintPhase.PRINTING, is_local=False)


def virtually(work: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


class Scripted:
    """A driver that lives `lives` seconds, then raises; with None it lives on."""

    def __init__(self, printer: str, lives: float | None = None) -> None:
        self._printer = printer
        self.lives = lives
        self.orders: list[Order] = []
        self.chokes = False
        self.sink: Sink = lambda seen: None

    @property
    def printer(self) -> str:
        return self._printer

    async def run(self, sink: Sink) -> None:
        self.sink = sink
        sink(PrinterObserved(self._printer, LinkState.UP, current=PRINT))
        await asyncio.sleep(1e9 if self.lives is None else self.lives)
        raise RuntimeError("a bug")

    def submit(self, order: Order) -> None:
        self.orders.append(order)
        if self.chokes:
            raise RuntimeError("it choked")

    def snapshot(self) -> PrinterObserved:
        return PrinterObserved(self._printer, LinkState.CONNECTING)


class House:
    """A host with scripted drivers, and what the engine heard."""

    def __init__(self, **lives: list[float | None]) -> None:
        self.made: dict[str, list[Scripted]] = {name: [] for name in lives}
        self.heard: list[Observation] = []
        self.host = DriverHost(
            {name: lambda name=name: self._make(name, lives[name]) for name in lives},  # type: ignore[misc]
            self.heard.append,
            monotonic=lambda: asyncio.get_running_loop().time(),
            chance=Random(7),
        )

    def _make(self, name: str, lives: list[float | None]) -> Driver:
        done = len(self.made[name])
        driver = Scripted(name, lives[min(done, len(lives) - 1)])
        self.made[name].append(driver)
        return driver

    async def __aenter__(self) -> House:
        self._task = asyncio.create_task(self.host.run())
        await asyncio.sleep(0.01)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})
        assert self._task.cancelled(), "the host itself never dies"

    def links(self, name: str) -> list[LinkState]:
        return [
            seen.link for seen in self.heard if isinstance(seen, PrinterObserved) and seen.printer == name
        ]

    def answers(self) -> list[OrderAnswered]:
        return [seen for seen in self.heard if isinstance(seen, OrderAnswered)]

    def last(self) -> PrinterObserved:
        return [seen for seen in self.heard if isinstance(seen, PrinterObserved)][-1]


class Stumbling(Scripted):
    """One of whose tasks fails just when it is cancelled."""

    async def run(self, sink: Sink) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._stumble())

    async def _stumble(self) -> None:
        try:
            await asyncio.sleep(1e9)
        finally:
            raise RuntimeError("a bug at the end")


def test_a_host_that_is_cancelled_ends_whatever_its_drivers_do_then() -> None:
    """Before Python 3.13 a TaskGroup forgets that it was cancelled when one of its tasks fails then."""

    async def run() -> None:
        host = DriverHost(
            {"a1": lambda: Stumbling("a1")}, lambda _: None, monotonic=lambda: 0.0, chance=Random(7)
        )
        running = asyncio.create_task(host.run())
        await asyncio.sleep(1)
        running.cancel()
        await asyncio.wait({running}, timeout=600)
        assert running.cancelled()

    virtually(run())


def start(printer: str, order_id: str = "o1") -> StartPrint:
    return StartPrint(printer, order_id, order_id, "/files/x", "ab" * 32, 10, "x")


def test_orders_go_to_the_driver_and_its_facts_arrive() -> None:
    async def run() -> None:
        async with House(a1=[None], v2=[None]) as house:
            assert house.links("a1") == [LinkState.CONNECTING, LinkState.UP]
            house.host.submit(start("a1"))
            assert house.made["a1"][0].orders == [start("a1")]
            assert house.made["v2"][0].orders == []

    virtually(run())


def test_one_that_dies_is_down_with_its_print_and_made_anew_and_the_other_lives_on() -> None:
    async def run() -> None:
        async with House(a1=[5.0, None], v2=[None]) as house:
            await asyncio.sleep(5.1)
            down = house.last()
            assert (down.printer, down.link, down.current) == ("a1", LinkState.DOWN, PRINT)
            assert "RuntimeError: a bug" in (down.link_reason or "")
            assert len(house.made["a1"]) == 1
            await asyncio.sleep(3)
            assert len(house.made["a1"]) == 2
            assert house.links("a1")[-1] is LinkState.UP
            assert len(house.made["v2"]) == 1

    virtually(run())


def test_one_that_dies_again_and_again_waits_longer() -> None:
    async def run() -> None:
        async with House(a1=[0.0]) as house:
            await asyncio.sleep(3600)
            assert 25 < len(house.made["a1"]) < 45

    virtually(run())


def test_orders_on_their_way_when_it_dies_are_unclear_and_later_ones_refused() -> None:
    async def run() -> None:
        async with House(a1=[5.0, None]) as house:
            driver = house.made["a1"][0]
            house.host.submit(start("a1", "answered"))
            driver.sink(OrderAnswered("a1", "answered", OrderResult.ACCEPTED))
            house.host.submit(start("a1", "open"))
            house.host.submit(Acknowledge("a1", "ack", "k0"))
            await asyncio.sleep(5.1)
            house.host.submit(CancelPrint("a1", "late", "k1"))
            house.host.submit(Acknowledge("a1", "ack2", "k0"))
            assert [(answer.order_id, answer.result) for answer in house.answers()] == [
                ("answered", OrderResult.ACCEPTED),
                ("open", OrderResult.UNCLEAR),
                ("late", OrderResult.REFUSED),
            ]
            assert "begins anew in" in (house.answers()[-1].message or "")

    virtually(run())


def test_what_a_dead_driver_told_is_as_old_as_it_is() -> None:
    async def run() -> None:
        async with House(a1=[100.0, None]) as house:
            hot = {"T": 215.0, "T_target": 215.0}
            shot = PrinterObserved("a1", LinkState.UP, temperatures=hot, temperature_age=1.0, silent_for=2.0)
            house.made["a1"][0].sink(shot)
            await asyncio.sleep(100)
            dead = next(
                seen for seen in house.heard
                if isinstance(seen, PrinterObserved) and seen.link is LinkState.DOWN
            )  # fmt: skip
            assert dead.temperatures == hot
            assert (dead.temperature_age or 0) >= 100
            assert (dead.silent_for or 0) >= 101

    virtually(run())


def test_an_order_that_chokes_the_driver_may_have_happened() -> None:
    async def run() -> None:
        async with House(a1=[None]) as house:
            house.made["a1"][0].chokes = True
            house.host.submit(start("a1"))
            (answer,) = house.answers()
            assert (answer.result, answer.message) == (
                OrderResult.UNCLEAR,
                "the driver failed over it: it choked",
            )

    virtually(run())


def test_orders_that_nobody_answers_have_an_end() -> None:
    async def run() -> None:
        async with House(a1=[None]) as house:
            for number in range(MAX_ORDERS + 1):
                house.host.submit(start("a1", f"o{number}"))
            assert len(house.made["a1"][0].orders) == MAX_ORDERS
            (answer,) = house.answers()
            assert (answer.order_id, answer.result) == (f"o{MAX_ORDERS}", OrderResult.REFUSED)
            house.host.submit(EmergencyStop("a1", "stop"))
            assert house.made["a1"][0].orders[-1] == EmergencyStop("a1", "stop"), "that one always goes"

    virtually(run())


def test_a_printer_that_is_not_here_is_refused() -> None:
    async def run() -> None:
        house = House(a1=[None])
        house.host.submit(start("b1"))
        house.host.submit(Acknowledge("b1", "ack", "k0"))
        (answer,) = house.answers()
        assert (answer.printer, answer.result) == ("b1", OrderResult.REFUSED)
        house.host.submit(start("a1"))
        assert house.answers()[-1].message == "its driver has not begun yet"

    virtually(run())


class Taker:
    """Remembers what it was given."""

    def __init__(self) -> None:
        self.printers: list[str] = []

    def submit(self, order: Order) -> None:
        self.printers.append(order.printer)


def test_orders_find_their_driver() -> None:
    streamer, forge, mqtt = Taker(), Taker(), Taker()
    routing = Routing(streamer, {"forge": forge}, {"a1": mqtt})
    for printer in ("mk3", "a1", "forge:58", "gone"):
        routing.submit(start(printer))
    assert (streamer.printers, forge.printers, mqtt.printers) == (["mk3", "gone"], ["forge:58"], ["a1"])


def test_a_flood_of_snapshots_is_thinned_and_the_newest_is_told() -> None:
    async def flood() -> list[tuple[float, Observation]]:
        loop = asyncio.get_running_loop()
        told: list[tuple[float, Observation]] = []
        driver = Scripted("a1")
        host = DriverHost(
            {"a1": lambda: driver},
            lambda seen: told.append((loop.time(), seen)),
            monotonic=loop.time,
            chance=Random(1),
        )
        running = asyncio.create_task(host.run())
        await asyncio.sleep(1)
        for number in range(10_000):
            driver.sink(PrinterObserved("a1", LinkState.UP, message=str(number)))
            await asyncio.sleep(0.001)
        driver.sink(PrinterObserved("a1", LinkState.UP, message="before the answer"))
        driver.sink(OrderAnswered("a1", "o1", OrderResult.ACCEPTED, None))
        assert [seen for _, seen in told[-2:]] == [
            PrinterObserved("a1", LinkState.UP, message="before the answer"),
            OrderAnswered("a1", "o1", OrderResult.ACCEPTED, None),
        ]
        driver.sink(PrinterObserved("a1", LinkState.UP, message="the last"))
        await asyncio.sleep(1)
        running.cancel()
        return told

    told = virtually(flood())
    assert AT_ONCE < len(told) < AT_ONCE + 12 / EACH_SECONDS
    assert told[-1][1] == PrinterObserved("a1", LinkState.UP, message="the last")


def test_a_doubt_about_the_plate_is_said_once_and_survives_a_flood() -> None:
    async def flood() -> list[Observation]:
        loop = asyncio.get_running_loop()
        told: list[Observation] = []
        driver = Scripted("a1")
        host = DriverHost({"a1": lambda: driver}, told.append, monotonic=loop.time, chance=Random(1))
        running = asyncio.create_task(host.run())
        await asyncio.sleep(1)
        for number in range(2 * AT_ONCE):
            driver.sink(PrinterObserved("a1", LinkState.UP, message=str(number)))
        driver.sink(PrinterObserved("a1", LinkState.UP, message="seen at last", doubts_plate=True))
        driver.sink(PrinterObserved("a1", LinkState.UP, message="the last"))
        await asyncio.sleep(1)
        driver.sink(PrinterObserved("a1", LinkState.UP, message="later"))
        await asyncio.sleep(1)
        running.cancel()
        return told

    shots = [seen for seen in virtually(flood()) if isinstance(seen, PrinterObserved)]
    assert [seen.message for seen in shots if seen.doubts_plate] == ["the last"]
    assert shots[-1].message == "later"
