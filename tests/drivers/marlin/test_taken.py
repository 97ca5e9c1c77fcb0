"""Firmware whose ok says that a line was taken: what is said to stand does, by its planner and ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_sim.faults.catalogue import fault_named
from firmware_sim.faults.plan import Trigger
from gateway.domain.observations import OrderResult, PrintPhase
from gateway.protocol.marlin.asking import far_from
from tests.support.marlin_stand import MarlinStand, on_virtual_time

FileOf = Callable[[str], Path]
#: Moves of 4 s each: what is planned goes on for a minute behind the last ok.
SLOW = "G28\n" + "".join(f"G1 X{40 * (n % 2) + 10} Y10 F600\n" for n in range(40))


async def stands(stand: MarlinStand, phase: PrintPhase) -> None:
    """Wait for the phase; when it is told nothing moves, and nothing does afterwards."""
    await stand.phase(phase)
    now = stand.board.now
    assert stand.board.planner.drained_at(now) <= now
    moves = stand.moves()
    await asyncio.sleep(60)
    assert stand.moves() == moves


@on_virtual_time
async def test_completed_when_it_stands(file_of: FileOf) -> None:
    async with MarlinStand("repetier") as stand:
        await stand.ready()
        await stand.start(file_of(SLOW))
        await stands(stand, PrintPhase.COMPLETED)
        assert stand.moves() == SLOW.splitlines()[1:]


@on_virtual_time
async def test_paused_when_it_stands_and_goes_on(file_of: FileOf) -> None:
    async with MarlinStand("repetier") as stand:
        await stand.ready()
        await stand.start(file_of(SLOW))
        await stand.until(lambda: len(stand.moves()) > 2)
        assert (await stand.pause()).result is OrderResult.ACCEPTED
        await stands(stand, PrintPhase.PAUSED)
        assert (await stand.resume()).result is OrderResult.ACCEPTED
        await stands(stand, PrintPhase.COMPLETED)
        assert stand.moves() == SLOW.splitlines()[1:]


@on_virtual_time
async def test_canceled_when_it_stands(file_of: FileOf) -> None:
    async with MarlinStand("repetier") as stand:
        await stand.ready()
        await stand.start(file_of(SLOW))
        await stand.until(lambda: len(stand.moves()) > 2)
        assert (await stand.cancel()).result is OrderResult.ACCEPTED
        await stands(stand, PrintPhase.CANCELED)
        assert stand.board.hotend.target == stand.board.bed.target == 0


@pytest.mark.parametrize("behind", range(6))
@on_virtual_time
async def test_an_ok_that_comes_twice_at_the_end_proves_nothing(behind: int, file_of: FileOf) -> None:
    async with MarlinStand("repetier") as stand:
        await stand.ready()
        assert stand.driver.link is not None
        last = stand.driver.link.last_number + len(SLOW.splitlines())
        stand.board.faults.arm(fault_named("ok-doubled"), Trigger(line=last + behind))
        await stand.start(file_of(SLOW))
        await stands(stand, PrintPhase.COMPLETED)


@pytest.mark.parametrize("line", [0, 137, 51711, 65536 + 51710, 999_999])
def test_the_number_asked_with_is_far_in_16_bits_too(line: int) -> None:
    far = far_from(line)
    assert far > 900_000_000
    assert 1000 < (line - far) & 0xFFFF < 65536 - 1000
