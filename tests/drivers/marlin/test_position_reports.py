"""The head's position, reported by the firmware itself, where it says that it can."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.domain.observations import HeadPosition, OrderResult, PrintPhase
from tests.support.marlin_stand import MarlinStand, on_virtual_time

FileOf = Callable[[str], Path]
MOVES = [f"G1 X{i % 2 * 150} Y{i} F3000" for i in range(60)]
PRINT = "\n".join(["G28", "G90", "M83", *MOVES, ""])


@on_virtual_time
async def test_it_is_asked_for_and_shown_while_it_prints(file_of: FileOf) -> None:
    async with MarlinStand("marlin-full") as stand:
        await stand.ready()
        assert stand.ledger.executed("host").count("M154 S5") == 1
        assert stand.driver.snapshot().position is None, "none was told yet"
        assert (await stand.start(file_of(PRINT))).result is OrderResult.ACCEPTED
        await stand.phase(PrintPhase.COMPLETED)
        await asyncio.sleep(6)
        assert stand.driver.snapshot().position == HeadPosition(150.0, 59.0, 0.0, 0.0)
        ys = [shot.position.y for shot in stand.seen if shot.position is not None]
        assert len(set(ys)) > 5, "it was followed on its way"
        assert stand.moves() == MOVES
        stand.wire.unplug()
        await stand.until(lambda: stand.driver.snapshot().position is None)


@pytest.mark.parametrize("personality", ["marlin-stock", "marlin-bare", "prusa", "repetier"])
@on_virtual_time
async def test_where_the_firmware_does_not_name_it_nothing_is_asked_or_shown(personality: str) -> None:
    async with MarlinStand(personality) as stand:
        await stand.ready()
        await stand.gcode("G28", "M114")
        await asyncio.sleep(20)
        assert not [line for line in stand.ledger.executed("host") if line.startswith("M154")]
        assert stand.driver.snapshot().position is None


@pytest.mark.parametrize("delay", [index / 4 for index in range(20)])
@on_virtual_time
async def test_a_report_among_the_answers_of_a_pause_is_no_answer_too_many(
    delay: float, file_of: FileOf
) -> None:
    """The report falls anywhere between the M114s, whose oks are counted and whose words are compared."""
    async with MarlinStand("marlin-full") as stand:
        await stand.ready()
        await stand.gcode("M154 S1")
        assert (await stand.start(file_of(PRINT))).result is OrderResult.ACCEPTED
        await stand.until(lambda: len(stand.moves()) > 20)
        await asyncio.sleep(delay)
        await stand.pause()
        report = await stand.phase(PrintPhase.PAUSED)
        assert not re.search("Not parked", report.message or ""), report.message
        assert stand.record.left is not None
        parked = stand.record.left.parked
        assert parked is not None
        assert f"G1 X{parked.x:g} Y{parked.y:g} F3000" == stand.moves()[-1]
        await stand.resume()
        await stand.phase(PrintPhase.COMPLETED)
        assert stand.moves() == MOVES
