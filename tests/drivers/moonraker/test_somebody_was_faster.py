"""Somebody begins a print right before the gateway sends what is for a machine without one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from firmware_sim.moonraker.settings import MoonrakerConfig
from gateway.domain.adjustment import Adjustment
from gateway.domain.observations import OrderAnswered, OrderResult, PrintPhase
from gateway.domain.orders import Adjust, HeatersOff
from tests.contract.stand import on_virtual_time
from tests.drivers.moonraker.test_orders import ran
from tests.drivers.moonraker.test_traps import Slow
from tests.support.moonraker_stand import INSTANCE


async def sent(stand: Slow, what: str) -> OrderAnswered:
    """Something for a machine that prints nothing."""
    if what == "lines":
        return await stand.gcode("G28")
    order_id = stand.new_order_id()
    if what == "heat":
        return await stand.give(Adjust(stand.printer, order_id, "", Adjustment(bed=40)))
    return await stand.give(HeatersOff(stand.printer, order_id, ""))


@pytest.mark.parametrize("objects", [{"print_stats": None}, {}], ids=["publishes", "publishes nothing"])
@pytest.mark.parametrize("what", ["lines", "heat", "cold"])
@pytest.mark.parametrize("seconds", [0.05, 1.5, 4.0])
@on_virtual_time
async def test_nothing_of_it_goes_into_that_print(
    tmp_path: Path, objects: dict[str, None], what: str, seconds: float
) -> None:
    async with Slow(tmp_path, config=MoonrakerConfig(instance=INSTANCE, objects=objects)) as stand:
        await stand.ready()
        await asyncio.sleep(33)
        stand.panel_start()
        await asyncio.sleep(seconds)
        assert (await sent(stand, what)).result is OrderResult.REFUSED
        await stand.phase(PrintPhase.COMPLETED)
        assert ran(stand) == []


@pytest.mark.parametrize("what", ["lines", "heat", "cold"])
@on_virtual_time
async def test_a_machine_that_does_not_answer_gets_nothing(tmp_path: Path, what: str) -> None:
    async with Slow(tmp_path) as stand:
        await stand.ready()
        stand.cut("moonraker")
        assert (await sent(stand, what)).result is OrderResult.REFUSED
        assert ran(stand) == []
