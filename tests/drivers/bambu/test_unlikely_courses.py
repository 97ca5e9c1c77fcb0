"""Courses that nobody plans: somebody was faster, printed the same again, or came while nobody watched."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.domain.observations import OrderResult, PrintPhase
from tests.contract.stand import on_virtual_time
from tests.support.bambu_stand import VASE, BambuStand


async def printed_at_panel(stand: BambuStand) -> str:
    """Somebody prints the vase, to its end, and the engine has it. Its key."""
    stand.panel_start()
    ended = await stand.phase(PrintPhase.COMPLETED)
    stand.acknowledge(ended.key)
    await asyncio.sleep(60)
    return ended.key


@pytest.mark.parametrize("model", ["a1", "a1-mini", "p1s", "h2d-like"])
@on_virtual_time
async def test_a_slicers_print_that_was_taken_and_has_not_begun_is_left_alone(
    tmp_path: Path, model: str
) -> None:
    """An H2 shows the end of the print before for 50 seconds more; an A1 mini would drop the new one."""
    async with BambuStand(tmp_path, model) as stand:
        await stand.ready()
        await printed_at_panel(stand)
        stand.bambu.panel.start_from_slicer(VASE, now=stand.wire.now)
        stand.wire.turn()
        await asyncio.sleep(0.3)
        assert stand.snapshot().obstacle, "the queue waits, and uses no attempt up"
        assert (await stand.start(stand.print_file())).result is OrderResult.REFUSED
        assert (await stand.gcode("G28")).result is OrderResult.REFUSED
        await stand.phase(PrintPhase.PRINTING)
        await stand.phase(PrintPhase.COMPLETED)
        assert stand.snapshot().obstacle is None
        assert stand.physical_starts() == ["panel", "slicer"]
        assert not stand.ledger.events("print-stopped")
        assert not stand.interventions()
