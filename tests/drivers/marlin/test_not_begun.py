"""The driver host dies in the moment between opening its record and the first line of a print."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.domain.observations import PrintPhase
from tests.support.marlin_stand import on_virtual_time
from tests.support.mortal import MortalStand


@pytest.mark.parametrize("personality", ["marlin-full", "marlin-stock", "marlin-bare"])
@on_virtual_time
async def test_it_is_held_and_nothing_is_blamed_on_the_printer(
    personality: str, tmp_path: Path, gcode: Path
) -> None:
    async with MortalStand(tmp_path, personality) as stand:
        await stand.ready()
        order = stand.start_order(gcode)
        stand.record.open(
            key=order.key, path=order.path, sha256=order.sha256, size=order.size, name=order.name
        )
        await stand.kill()
        await stand.rise()
        report = await stand.settled()
        assert report.phase is PrintPhase.HELD
        assert "it had not begun" in (report.message or "")
        assert stand.moves() == []
        await stand.cancel()
        await stand.phase(PrintPhase.CANCELED)
