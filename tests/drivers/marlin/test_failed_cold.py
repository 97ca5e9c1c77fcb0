"""A print that failed with its link leaves the heaters off, also where the first word of it is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.domain.observations import OrderResult, PrintPhase
from tests.support.marlin_stand import MarlinStand, on_virtual_time

PRINT = "M140 S50\nM104 S60\nG28\n" + "".join(f"G1 X{i % 2 * 150} Y{i} F3000\n" for i in range(90))


@pytest.mark.parametrize("personality", ["marlin-full", "marlin-stock", "marlin-bare"])
@on_virtual_time
async def test_heaters_off_is_said_again_with_a_number(
    personality: str, file_of: Callable[[str], Path]
) -> None:
    async with MarlinStand(personality) as stand:
        await stand.ready()

        def spoil(data: bytes) -> bytes:
            bare_is_lost = b"" if data.startswith(b"M104 S0") else data
            return bare_is_lost.replace(b" Y40 ", b" Y41 ")  # a line that this cable never lets through

        stand.wire.spoil = spoil
        assert (await stand.start(file_of(PRINT))).result is OrderResult.ACCEPTED
        report = await stand.phase(PrintPhase.FAILED)
        assert "refused one line" in (report.message or "")
        assert "recovered" not in (report.message or "")
        assert stand.board.hotend.target == 60, "the bare words did not arrive"
        await stand.until(lambda: stand.board.hotend.target == stand.board.bed.target == 0, 60)
