"""Prints that nobody ordered here: by the printer's history, watched or not."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.domain.observations import Activity, OrderResult, Origin, PrintPhase
from tests.contract.stand import MARK, on_virtual_time
from tests.drivers.moonraker.test_traps import Slow


@on_virtual_time
async def test_one_under_way_when_the_gateway_begins_is_adopted(tmp_path: Path) -> None:
    async with Slow(tmp_path) as stand:
        await stand.ready()
        await stand.kill_host()
        stand.panel_start()
        await asyncio.sleep(30)
        await stand.raise_host()
        adopted = await stand.phase(PrintPhase.PRINTING, seconds=30)
        assert (adopted.is_local, adopted.name) == (True, "vase.gcode")
        assert adopted.origin is Origin.UNKNOWN, "Moonraker does not tell who it was"
        assert adopted.key.startswith("local-")
        assert (await stand.phase(PrintPhase.COMPLETED)).key == adopted.key


@on_virtual_time
async def test_one_that_came_and_went_in_an_outage_is_told_as_over_before_anything_may_start(
    tmp_path: Path,
) -> None:
    async with Slow(tmp_path) as stand:
        await stand.ready()
        stand.broker.down()
        await asyncio.sleep(5)
        for _ in range(2):
            stand.panel_start()
            await asyncio.sleep(600)
        heard = len(stand.seen)
        stand.broker.up()
        await stand.until(lambda: stand.snapshot().activity is Activity.READY, 120)
        ready = next(shot for shot in stand.seen[heard:] if shot.activity is Activity.READY)
        assert [(end.phase, end.is_local) for end in ready.ended] == [(PrintPhase.COMPLETED, True)] * 2
        assert len({end.key for end in ready.ended}) == 2


@on_virtual_time
async def test_of_the_past_before_the_first_contact_only_the_newest_print_is_told(tmp_path: Path) -> None:
    """It may be on the plate; the engine knows its key if it was told before."""
    async with Slow(tmp_path) as stand:
        await stand.ready()
        for _ in range(3):
            stand.panel_start()
            ended = await stand.phase(PrintPhase.COMPLETED)
            stand.acknowledge(ended.key)
        await stand.kill_host()
        await stand.raise_host()
        await stand.ready()
        await asyncio.sleep(10)
        assert [end.key for end in stand.snapshot().ended] == [ended.key]


@on_virtual_time
async def test_a_print_of_the_gateway_is_not_told_again_as_a_local_one(tmp_path: Path) -> None:
    async with Slow(tmp_path) as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        await stand.phase(PrintPhase.COMPLETED)
        stand.acknowledge(MARK)
        await asyncio.sleep(120)
        assert stand.snapshot().ended == ()
        await stand.kill_host()
        await stand.raise_host()
        await stand.ready()
        await asyncio.sleep(120)
        assert stand.snapshot().ended == ()


@on_virtual_time
async def test_a_person_who_prints_the_gateways_file_again_has_a_print_of_their_own(tmp_path: Path) -> None:
    async with Slow(tmp_path) as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        await stand.phase(PrintPhase.COMPLETED)
        [file] = [name for name in stand.stored() if name.startswith("part_")]
        stand.wire.act(stand.machine.panel.start, file)
        local = await stand.phase(PrintPhase.PRINTING)
        assert (local.is_local, local.name) == (True, "part.gcode")
        assert local.key != MARK
        refused = await stand.cancel(MARK)
        assert refused.result is OrderResult.REFUSED
        await stand.until(lambda: len(stand.snapshot().ended) == 2)
        assert [end.key for end in stand.snapshot().ended] == [MARK, local.key]


@on_virtual_time
async def test_a_pause_and_a_cancel_at_the_machine_are_seen(tmp_path: Path) -> None:
    async with Slow(tmp_path) as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        await stand.moved(0.1)
        stand.wire.act(stand.machine.panel.pause)
        assert (await stand.phase(PrintPhase.PAUSED, seconds=60)).key == MARK
        stand.wire.act(stand.machine.panel.resume)
        await stand.phase(PrintPhase.PRINTING, seconds=60)
        stand.wire.act(stand.machine.panel.cancel)
        assert (await stand.phase(PrintPhase.CANCELED, seconds=60)).key == MARK
