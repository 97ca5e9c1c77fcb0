"""The board lost its position in mid-print: nothing more of it is sent, the heaters go off, it is held."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.domain.observations import OrderResult, PrintPhase
from gateway.domain.orders import HeatersOff
from tests.support.marlin_stand import MarlinStand, on_virtual_time

EVERYONE = ["marlin-full", "marlin-stock", "marlin-bare"]
PRINT = "M140 S50\nM104 S60\nG28\n" + "".join(f"G1 X{i % 2 * 150} Y{i} F3000\n" for i in range(90))
FileOf = Callable[[str], Path]


def is_cold(stand: MarlinStand) -> bool:
    """Whether the machine itself has both heaters off."""
    return stand.board.hotend.target == stand.board.bed.target == 0


async def printing(stand: MarlinStand, path: Path) -> list[str]:
    """A print under way, both heaters on; its moves so far."""
    await stand.ready()
    assert (await stand.start(path)).result is OrderResult.ACCEPTED
    await stand.until(lambda: len(stand.moves()) > 30)
    assert stand.board.hotend.target == 60
    return stand.moves()


@pytest.mark.parametrize("personality", EVERYONE)
@on_virtual_time
async def test_a_board_that_forgot_its_numbers_and_kept_its_heat_is_cooled(
    personality: str, file_of: FileOf
) -> None:
    """`Resend: 1` with the heaters on: an M110 of somebody else, or a firmware that resets its link only."""
    async with MarlinStand(personality) as stand:
        await printing(stand, file_of(PRINT))
        await asyncio.sleep(0.2)
        stand.wire.carry(b"M110 N0\n")
        report = await stand.phase(PrintPhase.HELD, 30)
        assert "position is lost" in (report.message or "")
        assert "heaters are switched off" in (report.message or "")
        await stand.until(lambda: is_cold(stand), 30)
        done = stand.moves()  # what the firmware had accepted before is through
        await asyncio.sleep(120)
        assert stand.moves() == done
        assert done == PRINT.splitlines()[3:][: len(done)]
        assert stand.driver.snapshot().current is not None, "held until a person has decided"
        assert (await stand.cancel()).result is OrderResult.ACCEPTED
        await stand.phase(PrintPhase.CANCELED)


@pytest.mark.parametrize("personality", EVERYONE)
@on_virtual_time
async def test_a_board_that_booted_is_told_all_the_same(personality: str, file_of: FileOf) -> None:
    async with MarlinStand(personality) as stand:
        await printing(stand, file_of(PRINT))
        stand.board.reset(stand.wire.now)
        stand.wire.turn()
        done = stand.moves()
        report = await stand.phase(PrintPhase.HELD, 30)
        assert "reset" in (report.message or "")
        await stand.ready()
        await stand.until(lambda: "M140 S0" in stand.ledger.executed("host"), 30)
        assert stand.moves() == done
        assert is_cold(stand)


@on_virtual_time
async def test_the_heat_is_not_forgotten_when_the_cable_goes_too(file_of: FileOf) -> None:
    async with MarlinStand("marlin-stock") as stand:
        await printing(stand, file_of(PRINT))
        stand.wire.carry(b"M110 N0\n")
        await stand.phase(PrintPhase.HELD, 30)
        stand.wire.unplug()
        await asyncio.sleep(30)
        stand.wire.plug()
        await stand.until(lambda: is_cold(stand), 60)


# -- the order ---------------------------------------------------------------------------------------------


async def off(stand: MarlinStand, expect: str, *, only_hotends: bool = False) -> OrderResult:
    answer = await stand.give(HeatersOff("mk3", stand.new_order_id(), expect, only_hotends))
    return answer.result


@pytest.mark.parametrize("personality", EVERYONE)
@on_virtual_time
async def test_heaters_off_while_idle_paused_and_held_but_never_while_it_streams(
    personality: str, file_of: FileOf
) -> None:
    async with MarlinStand(personality) as stand:
        await stand.ready()
        await stand.gcode("M104 S50", "M140 S40")
        assert await off(stand, "mark-1") is OrderResult.REFUSED
        assert await off(stand, "") is OrderResult.ACCEPTED
        assert is_cold(stand)

        await printing(stand, file_of(PRINT))
        assert await off(stand, "mark-1") is OrderResult.REFUSED
        assert stand.board.hotend.target == 60
        await stand.pause()
        await stand.phase(PrintPhase.PAUSED)
        assert await off(stand, "") is OrderResult.REFUSED
        assert await off(stand, "mark-1", only_hotends=True) is OrderResult.ACCEPTED
        assert (stand.board.hotend.target, stand.board.bed.target) == (0, 50)

        stand.wire.unplug()
        await asyncio.sleep(100)
        stand.wire.plug()
        await stand.ready()
        await stand.until(lambda: stand.driver.recovery is None)
        assert await off(stand, "mark-1") is OrderResult.ACCEPTED
        assert is_cold(stand)
        assert stand.driver.snapshot().current is not None
