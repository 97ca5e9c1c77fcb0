"""A print that goes on is hot, whoever cooled it and whoever resumes it; judged by the machine's heaters."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.domain.adjustment import Adjustment
from gateway.domain.observations import OrderAnswered, OrderResult, PrintPhase
from gateway.domain.orders import Adjust, HeatersOff
from gateway.drivers.marlin.settings import MarlinSettings, ParkBy, ParkSettings
from tests.drivers.marlin.test_parking import BODY, PART
from tests.support.marlin_stand import MarlinStand, on_virtual_time

FileOf = Callable[[str], Path]
#: Where it stands, the pause moves nothing.
UNPARKED = MarlinSettings(park=ParkSettings(by=ParkBy.NOBODY))
PARKED = MarlinSettings(park=ParkSettings(x=5.0, y=190.0, height=200.0))


async def paused(stand: MarlinStand) -> None:
    await stand.until(lambda: len(stand.moves()) > 40)
    await stand.pause()
    await stand.phase(PrintPhase.PAUSED)


async def off(stand: MarlinStand, *, only_hotends: bool = False) -> OrderAnswered:
    return await stand.give(HeatersOff("mk3", stand.new_order_id(), "mark-1", only_hotends))


async def goes_on_hot(stand: MarlinStand, hotend: float = 180, bed: float = 45) -> None:
    """To its end; every further move of the part finds both heaters at their targets."""
    moved = len(stand.moves())
    await stand.until(lambda: len(stand.moves()) > moved)
    now = stand.wire.now
    assert (stand.board.hotend.target, stand.board.bed.target) == (hotend, bed)
    assert stand.board.hotend.celsius(now) > hotend - 5
    await stand.phase(PrintPhase.COMPLETED)
    assert (stand.board.hotend.target, stand.board.bed.target) == (hotend, bed)
    assert stand.moves() == BODY.splitlines()
    assert not stand.ledger.events("refused"), "no filament was moved cold"


async def cooled_in_a_pause(stand: MarlinStand, file: Path) -> None:
    """A print that was paused, switched off, and left alone for ten minutes."""
    await stand.ready()
    await stand.start(file)
    await paused(stand)
    await off(stand)
    await asyncio.sleep(600)


@pytest.mark.parametrize("how", [PARKED, UNPARKED], ids=["parked", "unparked"])
@on_virtual_time
async def test_nothing_is_switched_off_on_the_way_back(how: MarlinSettings, file_of: FileOf) -> None:
    """It heats for minutes and still counts as paused: whoever wants it cold pauses or cancels it first."""
    async with MarlinStand("marlin-full", settings=how) as stand:
        await cooled_in_a_pause(stand, file_of(PART))
        assert (await stand.resume()).result is OrderResult.ACCEPTED
        await asyncio.sleep(5)
        assert (await off(stand, only_hotends=True)).result is OrderResult.REFUSED
        await goes_on_hot(stand)


@pytest.mark.parametrize("how", [PARKED, UNPARKED], ids=["parked", "unparked"])
@on_virtual_time
async def test_resumed_at_the_panel_it_heats_first(how: MarlinSettings, file_of: FileOf) -> None:
    async with MarlinStand("marlin-full", settings=how) as stand:
        await cooled_in_a_pause(stand, file_of(PART))
        stand.board.say("//action:resume")
        stand.wire.turn()
        await goes_on_hot(stand)


@pytest.mark.parametrize("how", [PARKED, UNPARKED], ids=["parked", "unparked"])
@on_virtual_time
async def test_cooled_in_a_pause_it_is_heated_after_a_death_of_its_host(
    how: MarlinSettings, file_of: FileOf
) -> None:
    stand = await MarlinStand("marlin-full", settings=how).__aenter__()
    await cooled_in_a_pause(stand, file_of(PART))
    await stand.__aexit__()
    stand = await MarlinStand(record=stand.record, wire=stand.wire, settings=how).__aenter__()
    await stand.phase(PrintPhase.PAUSED)
    assert stand.board.hotend.target == stand.board.bed.target == 0
    await stand.resume()
    await goes_on_hot(stand)
    await stand.__aexit__()


@pytest.mark.parametrize("how", [PARKED, UNPARKED], ids=["parked", "unparked"])
@on_virtual_time
async def test_a_nozzle_set_to_nothing_in_a_pause_prints_nothing_cold(
    how: MarlinSettings, file_of: FileOf
) -> None:
    """Somebody saves power while it is paused: the file wants heat, so a resume heats."""
    async with MarlinStand("marlin-full", settings=how) as stand:
        await stand.ready()
        await stand.start(file_of(PART))
        await paused(stand)
        await stand.give(Adjust("mk3", stand.new_order_id(), "mark-1", Adjustment(hotend=0)))
        await asyncio.sleep(600)
        await stand.resume()
        await goes_on_hot(stand)


@on_virtual_time
async def test_what_was_set_behind_the_cooling_is_what_it_is_heated_to(file_of: FileOf) -> None:
    async with MarlinStand("marlin-full", settings=UNPARKED) as stand:
        await stand.ready()
        await stand.start(file_of(PART))
        await paused(stand)
        await off(stand)
        await asyncio.sleep(300)
        await stand.give(Adjust("mk3", stand.new_order_id(), "mark-1", Adjustment(hotend=190)))
        await asyncio.sleep(10)
        await stand.resume()
        await goes_on_hot(stand, hotend=190)


@on_virtual_time
async def test_a_temperature_for_a_print_on_its_way_back_waits_for_its_turn(file_of: FileOf) -> None:
    """The way back ends with what was set before it: an order in between would be forgotten by it."""
    async with MarlinStand("marlin-full", settings=PARKED) as stand:
        await cooled_in_a_pause(stand, file_of(PART))
        await stand.resume()
        answer = await stand.give(Adjust("mk3", stand.new_order_id(), "mark-1", Adjustment(hotend=190)))
        assert answer.result is OrderResult.REFUSED
        await goes_on_hot(stand)


@pytest.mark.parametrize("how", [PARKED, UNPARKED], ids=["parked", "unparked"])
@on_virtual_time
async def test_paused_again_while_it_heats_it_waits_for_heat_again(
    how: MarlinSettings, file_of: FileOf
) -> None:
    async with MarlinStand("marlin-full", settings=how) as stand:
        await cooled_in_a_pause(stand, file_of(PART))
        await stand.resume()
        await asyncio.sleep(5)
        await stand.pause()
        stand.driver.link.send_emergency("M108")  # somebody presses the button: it stops waiting for heat
        await stand.phase(PrintPhase.PAUSED)
        await asyncio.sleep(5)
        await stand.resume()
        await goes_on_hot(stand)


@pytest.mark.parametrize("seconds", [0.0, 0.2, 1.0])
@on_virtual_time
async def test_resumed_before_a_second_pause_has_begun_it_goes_back_first(
    seconds: float, file_of: FileOf
) -> None:
    """Paused on its way back and resumed at once: the head is away from the part all the time."""
    async with MarlinStand("marlin-full", settings=PARKED) as stand:
        await stand.ready()
        await stand.start(file_of(PART))
        await paused(stand)
        await stand.resume()
        await asyncio.sleep(0.3)
        await stand.pause()
        await asyncio.sleep(seconds)
        await stand.resume()
        begin = len(stand.ledger.executed("host"))
        moved = len(stand.moves())
        await stand.phase(PrintPhase.COMPLETED)
        back = stand.ledger.executed("host")[begin:]
        before, line = BODY.splitlines()[moved - 1 : moved + 1]
        x, y, z = (word[1:] for word in before.split()[1:4])
        descent = f"G0 Z{float(z):g} F300"
        assert f"G0 X{x} Y{y} F6000" in back[: back.index(line)]
        assert descent in back[: back.index(line)]
        assert stand.moves() == BODY.splitlines()
