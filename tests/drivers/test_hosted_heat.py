"""Heat of printers whose drivers live in the gateway's process: told to people, never acted upon (ADR 37)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from firmware_sim.virtual_loop import VirtualLoop
from gateway.domain.observations import (
    Activity,
    LinkState,
    Observation,
    PrinterObserved,
    PrintPhase,
    PrintReport,
)
from gateway.domain.orders import Order, SendGcode
from gateway.drivers.contract import Driver, Sink
from gateway.drivers.heat_watch import HeatWatch
from gateway.drivers.hosting import DriverHost
from gateway.safety.limits import SafetyLimits
from gateway.safety.monitor import PrinterMonitor
from gateway.safety.stance import TELLING, TELLING_IN_ERROR, Stance


def virtually(work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(work)


class Heated:
    """A driver of a printer at rest whose nozzle is on."""

    def __init__(self, printer: str) -> None:
        self.printer = printer
        self.orders: list[Order] = []
        self.sink: Sink = lambda seen: None
        self.shot = PrinterObserved(
            printer,
            LinkState.UP,
            activity=Activity.READY,
            message="its own words",
            temperatures={"T": 215.0, "T_target": 215.0},
            temperature_age=0.0,
        )

    async def run(self, sink: Sink) -> None:
        self.sink = sink
        await asyncio.sleep(1e9)

    def submit(self, order: Order) -> None:
        self.orders.append(order)

    def snapshot(self) -> PrinterObserved:
        return self.shot


@pytest.mark.parametrize("stance", [TELLING, TELLING_IN_ERROR], ids=["klipper", "bambu"])
def test_forgotten_heat_is_told_until_it_is_over_and_nothing_is_ordered(stance: Stance) -> None:
    async def run() -> None:
        driver, heard = Heated("a1"), list[Observation]()
        host = DriverHost(
            {"a1": lambda: driver},
            heard.append,
            monotonic=asyncio.get_running_loop().time,
            chance=Random(7),
            heat=HeatWatch({"a1": PrinterMonitor(SafetyLimits(idle=600), stance)}),
        )
        task = asyncio.create_task(host.run())
        await asyncio.sleep(590)
        assert [seen.alarms for seen in heard if isinstance(seen, PrinterObserved)] == [()]
        host.submit(SendGcode("a1", "o1", ("G28",)))  # somebody is there: the time begins anew
        await asyncio.sleep(590)
        assert len(heard) == 1
        await asyncio.sleep(20)
        told = heard[-1]
        assert isinstance(told, PrinterObserved)
        assert [alarm.rule for alarm in told.alarms] == ["idle-heat"]
        assert told.message is not None
        assert told.message.endswith("see that somebody watches the machine. its own words")
        await asyncio.sleep(3600)
        assert len(heard) == 2, "an alarm is told once"
        driver.sink(replace(driver.shot, message="other words"))
        assert heard[-1].alarms == told.alarms, "and stands in all that the driver says"
        driver.shot = replace(driver.shot, temperatures={"T": 200.0, "T_target": 0.0})
        await asyncio.sleep(10)
        assert heard[-1] == driver.shot
        assert [type(order) for order in driver.orders] == [SendGcode], "whatever is found"
        task.cancel()
        await asyncio.wait({task})

    virtually(run())


def test_heat_of_a_printer_whose_driver_died_is_watched_on() -> None:
    async def run() -> None:
        hot = replace(
            Heated("a1").shot,
            current=PrintReport("k1", PrintPhase.PRINTING, is_local=False),
            activity=Activity.PRINTING,
        )

        class Dying(Heated):
            async def run(self, sink: Sink) -> None:
                sink(hot)
                await asyncio.sleep(10)
                raise RuntimeError("a bug")

            def snapshot(self) -> PrinterObserved:
                return hot

        class Silent(Heated):
            def snapshot(self) -> PrinterObserved:
                return PrinterObserved("a1", LinkState.DOWN, link_reason="no way to it")

        lives: list[Driver] = [Silent("a1"), Dying("a1")]
        heard: list[Observation] = []
        host = DriverHost(
            {"a1": lives.pop},
            heard.append,
            monotonic=asyncio.get_running_loop().time,
            chance=Random(7),
            heat=HeatWatch({"a1": PrinterMonitor(SafetyLimits(), TELLING)}),
        )
        task = asyncio.create_task(host.run())
        await asyncio.sleep(TELLING.gone_seconds)
        assert all(not seen.alarms for seen in heard if isinstance(seen, PrinterObserved))
        await asyncio.sleep(30)
        told = heard[-1]
        assert isinstance(told, PrinterObserved)
        assert [alarm.rule for alarm in told.alarms] == ["unreachable-heat"]
        task.cancel()
        await asyncio.wait({task})

    virtually(run())


def test_a_riddle_of_one_printer_does_not_end_the_watch_over_the_others() -> None:
    async def run() -> None:
        class Broken(Heated):
            def snapshot(self) -> PrinterObserved:
                if self.orders:
                    raise ZeroDivisionError
                return self.shot

        broken, well, heard = Broken("b1"), Heated("a1"), list[Observation]()
        monitors = {name: PrinterMonitor(SafetyLimits(idle=600), TELLING) for name in ("b1", "a1")}
        host = DriverHost(
            {"b1": lambda: broken, "a1": lambda: well},
            heard.append,
            monotonic=asyncio.get_running_loop().time,
            chance=Random(7),
            heat=HeatWatch(monitors),
        )
        task = asyncio.create_task(host.run())
        await asyncio.sleep(1)
        host.submit(SendGcode("b1", "o1", ("G28",)))
        await asyncio.sleep(610)
        alarmed = {seen.printer for seen in heard if isinstance(seen, PrinterObserved) and seen.alarms}
        assert alarmed == {"a1"}
        assert not task.done()
        task.cancel()
        await asyncio.wait({task})

    virtually(run())
