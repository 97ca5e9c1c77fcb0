"""Somebody begins a print right before the gateway sends what is for a machine without one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from firmware_sim.moonraker.klippy import Script
from firmware_sim.moonraker.settings import MoonrakerConfig
from gateway.domain.adjustment import Adjustment
from gateway.domain.observations import OrderAnswered, OrderResult, PrintPhase
from gateway.domain.orders import Adjust, HeatersOff
from tests.contract.stand import on_virtual_time
from tests.drivers.moonraker.test_orders import ran
from tests.drivers.moonraker.test_traps import Slow
from tests.support.moonraker_stand import INSTANCE, PANEL_FILE


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


@pytest.mark.parametrize("seconds", [0.05, 0.2])
@on_virtual_time
async def test_a_cancel_that_comes_late_ends_no_other_print(tmp_path: Path, seconds: float) -> None:
    """Canceled at its screen, and another one begun there, between two polls."""
    async with Slow(tmp_path) as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        await stand.moved(0.2)
        stand.wire.act(stand.machine.panel.cancel)
        await stand.until(stand.is_still)
        await asyncio.sleep(0.1)
        stand.panel_start()
        await asyncio.sleep(seconds)
        assert (await stand.cancel()).result is OrderResult.REFUSED
        assert (await stand.phase(PrintPhase.COMPLETED)).is_local


def at_knob(stand: Slow, line: str) -> None:
    """The menu of a display on the board: Klipper does it without Moonraker."""
    stand.machine.klippy.run_script(Script(line, "panel", lambda _error: None))
    stand.wire.stir()


@pytest.mark.parametrize("prints", [True, False])
@on_virtual_time
async def test_a_print_that_moonraker_did_not_see_either_makes_the_plate_doubtful(
    tmp_path: Path, prints: bool
) -> None:
    async with Slow(tmp_path) as stand:
        await stand.ready()
        stand.panel_start()
        stand.acknowledge((await stand.phase(PrintPhase.COMPLETED)).key)
        stand.cut("moonraker")
        await asyncio.sleep(1)
        if prints:
            at_knob(stand, f"SDCARD_PRINT_FILE FILENAME={PANEL_FILE}")
            await asyncio.sleep(10)
            at_knob(stand, "PAUSE")  # no two prints take the same time, to a millisecond
            await asyncio.sleep(30)
            at_knob(stand, "RESUME")
        await asyncio.sleep(1800)
        assert len(stand.machine.ledger.events("print-completed")) == 1 + prints
        assert not any(shot.doubts_plate for shot in stand.seen)
        stand.mend("moonraker")
        await stand.ready()
        await asyncio.sleep(60)
        assert [shot.doubts_plate for shot in stand.seen].count(True) == prints
