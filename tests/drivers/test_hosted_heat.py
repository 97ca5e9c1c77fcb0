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
from gateway.safety.monitor import Finding, PrinterMonitor
from gateway.safety.stance import TELLING, TELLING_IN_ERROR, Stance


def virtually(work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(work)


#: Seconds between two snapshots of a driver that has nothing new to say.
REPEAT = 10.0


class Heated:
    """A driver of a printer at rest whose nozzle is on; it says so again and again."""

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
        while True:
            sink(self.shot)
            await asyncio.sleep(REPEAT)

    def submit(self, order: Order) -> None:
        self.orders.append(order)

    def snapshot(self) -> PrinterObserved:
        return self.shot


def shots(heard: list[Observation]) -> list[PrinterObserved]:
    return [seen for seen in heard if isinstance(seen, PrinterObserved)]


def test_what_was_said_grows_old() -> None:
    """Connected, and no word on temperatures: silence is not a heater at rest."""

    async def run() -> None:
        class Mute(Heated):
            async def run(self, sink: Sink) -> None:
                sink(replace(self.shot, activity=Activity.BUSY))
                await asyncio.sleep(1e9)

        heard: list[Observation] = []
        host = DriverHost(
            {"a1": lambda: Mute("a1")},
            heard.append,
            monotonic=asyncio.get_running_loop().time,
            chance=Random(7),
            heat=HeatWatch({"a1": PrinterMonitor(SafetyLimits(), TELLING)}),
        )
        task = asyncio.create_task(host.run())
        await asyncio.sleep(290)
        assert not any(seen.alarms for seen in shots(heard))
        await asyncio.sleep(20)
        told = shots(heard)[-1]
        assert [alarm.rule for alarm in told.alarms] == ["unseen-heat"]
        assert told.temperature_age is not None
        assert told.temperature_age >= 290
        task.cancel()
        await asyncio.wait({task})

    virtually(run())


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
        host.submit(SendGcode("a1", "o1", ("G28",)))  # somebody is there: the time begins anew
        await asyncio.sleep(590)
        assert not any(seen.alarms for seen in shots(heard))
        await asyncio.sleep(20)
        (told, *_) = (seen for seen in shots(heard) if seen.alarms)
        assert [alarm.rule for alarm in told.alarms] == ["idle-heat"]
        assert told.message is not None
        assert told.message.endswith("see that somebody watches the machine. its own words")
        before = len(heard)
        await asyncio.sleep(100 * REPEAT)
        assert len(heard) == before + 100, "the watch itself says a thing once"
        assert shots(heard)[-1].alarms == told.alarms, "and it stands in all that the driver says"
        driver.shot = replace(driver.shot, temperatures={"T": 200.0, "T_target": 0.0})
        await asyncio.sleep(2 * REPEAT)
        assert shots(heard)[-1] == driver.shot
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

        class Silent(Heated):
            async def run(self, sink: Sink) -> None:
                sink(PrinterObserved("a1", LinkState.DOWN, link_reason="no way to it"))
                await asyncio.sleep(1e9)

            def snapshot(self) -> PrinterObserved:
                return PrinterObserved("a1", LinkState.CONNECTING)

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
        assert not any(seen.alarms for seen in shots(heard))
        await asyncio.sleep(30)
        assert [alarm.rule for alarm in shots(heard)[-1].alarms] == ["unreachable-heat"]
        task.cancel()
        await asyncio.wait({task})

    virtually(run())


def test_a_riddle_of_one_printer_does_not_end_the_watch_over_the_others() -> None:
    async def run() -> None:
        class Broken(PrinterMonitor):
            def look(self, now: float, seen: PrinterObserved) -> Finding:
                raise ZeroDivisionError

        heard: list[Observation] = []
        limits = SafetyLimits(idle=600)
        monitors = {"b1": Broken(limits), "a1": PrinterMonitor(limits, TELLING)}
        host = DriverHost(
            {"b1": lambda: Heated("b1"), "a1": lambda: Heated("a1")},
            heard.append,
            monotonic=asyncio.get_running_loop().time,
            chance=Random(7),
            heat=HeatWatch(monitors),
        )
        task = asyncio.create_task(host.run())
        await asyncio.sleep(620)
        assert {seen.printer for seen in shots(heard) if seen.alarms} == {"a1"}
        assert not task.done()
        task.cancel()
        await asyncio.wait({task})

    virtually(run())
