"""Prints that somebody else started: whose they are, how they go, and that nothing is sent to them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.domain.adjustment import Adjustment
from gateway.domain.observations import OrderResult, Origin, PrintPhase
from gateway.domain.orders import Adjust, HeatersOff
from gateway.protocol.bambu.confirmation import LINGER_SECONDS
from tests.contract.stand import MARK, on_virtual_time
from tests.support.bambu_stand import PROGRAM, VASE, BambuStand, gcode, sliced

CUBE = sliced(gcode(PROGRAM))


def begin(stand: BambuStand, who: str) -> None:
    """Somebody's print begins."""
    if who == "panel":
        stand.panel_start()
    elif who == "cloud":
        stand.bambu.panel.start_from_cloud("Cube", CUBE, now=stand.wire.now)
    else:
        stand.bambu.panel.start_from_slicer(VASE, now=stand.wire.now)
    stand.wire.turn()


@pytest.mark.parametrize("model", ["a1", "p1s", "x1c", "h2d-like"])
@pytest.mark.parametrize(
    ("who", "origin"),
    [("panel", Origin.PANEL), ("cloud", Origin.CLOUD), ("slicer", Origin.LAN_APP)],
)
@on_virtual_time
async def test_whose_it_is_and_how_it_goes(tmp_path: Path, model: str, who: str, origin: Origin) -> None:
    async with BambuStand(tmp_path, model) as stand:
        await stand.ready()
        begin(stand, who)
        seen = await stand.phase(PrintPhase.PRINTING)
        assert (seen.is_local, seen.origin) == (True, origin)
        assert seen.name == {"cloud": "Cube", "slicer": "Vase", "panel": VASE}[who]
        await asyncio.sleep(100)
        later = await stand.phase(PrintPhase.PRINTING)
        assert later.progress == 0.5
        assert later.details is not None
        assert {name: later.details[name] for name in ("layer", "layers", "seconds_left")} == {
            "layer": 2, "layers": 2, "seconds_left": 120,
        }  # fmt: skip
        ended = await stand.phase(PrintPhase.COMPLETED)
        assert (ended.key, ended.origin, ended.progress) == (seen.key, origin, 1.0)


@pytest.mark.parametrize("who", ["panel", "cloud", "slicer"])
@on_virtual_time
async def test_one_that_runs_when_the_gateway_begins_is_adopted(tmp_path: Path, who: str) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        await stand.kill_host()
        begin(stand, who)
        await asyncio.sleep(60)
        await stand.raise_host()
        seen = await stand.phase(PrintPhase.PRINTING)
        assert seen.origin is (Origin.CLOUD if who == "cloud" else Origin.PANEL)  # nobody heard the reply
        assert (await stand.phase(PrintPhase.COMPLETED)).key == seen.key


@on_virtual_time
async def test_one_that_is_chosen_at_the_panel_keeps_a_start_away(tmp_path: Path) -> None:
    """It is shown 2 seconds before it begins."""
    async with BambuStand(tmp_path, "a1-mini") as stand:
        await stand.ready()
        stand.panel_start()
        await asyncio.sleep(0.5)
        refused = await stand.start(stand.print_file())
        assert refused.result is OrderResult.REFUSED
        assert (await stand.phase(PrintPhase.COMPLETED)).is_local
        assert stand.physical_starts() == ["panel"]


@pytest.mark.parametrize("who", ["panel", "cloud"])
@on_virtual_time
async def test_one_that_came_and_went_unseen_is_told_as_over(tmp_path: Path, who: str) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        await stand.kill_host()
        begin(stand, who)
        await asyncio.sleep(900)
        await stand.raise_host()
        await stand.until(lambda: stand.snapshot().obstacle)
        refused = await stand.start(stand.print_file())
        assert refused.result is OrderResult.REFUSED, "its part lies on the plate"
        ended = await stand.phase(PrintPhase.COMPLETED, seconds=2 * LINGER_SECONDS)
        assert (ended.is_local, ended.progress) == (True, 1.0)
        assert stand.snapshot().obstacle is None
        await stand.kill_host()
        await stand.raise_host()
        await stand.ready()
        await asyncio.sleep(2 * LINGER_SECONDS)
        assert not stand.snapshot().ended, "the engine has it"


@on_virtual_time
async def test_what_is_shown_of_a_job_of_before_is_nobody_elses(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        await stand.phase(PrintPhase.COMPLETED)
        stand.acknowledge(MARK)
        await stand.kill_host()
        await stand.raise_host()
        await stand.ready()
        await asyncio.sleep(2 * LINGER_SECONDS)
        assert (stand.snapshot().ended, stand.snapshot().current) == ((), None)


@on_virtual_time
async def test_the_end_of_an_unseen_print_is_told_though_another_one_follows(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        begin(stand, "cloud")
        await stand.kill_host()
        await asyncio.sleep(900)
        await stand.raise_host()
        await stand.until(lambda: stand.snapshot().obstacle)
        begin(stand, "panel")
        await stand.phase(PrintPhase.PRINTING)
        [ended] = stand.snapshot().ended
        assert (ended.name, ended.phase) == ("Cube", PrintPhase.COMPLETED)


@on_virtual_time
async def test_a_print_that_replaces_another_one_ends_it(tmp_path: Path) -> None:
    """An A1 mini takes a start while it prints, and what it printed is gone."""
    async with BambuStand(tmp_path, "a1-mini") as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        await stand.moved(0.2)
        begin(stand, "cloud")
        ended = await stand.phase(PrintPhase.CANCELED)
        assert ended.key == MARK
        assert ended.message
        assert (await stand.phase(PrintPhase.PRINTING)).origin is Origin.CLOUD
        assert (await stand.phase(PrintPhase.COMPLETED)).name == "Cube"


@on_virtual_time
async def test_nothing_is_sent_to_it(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        stand.panel_start()
        local = await stand.phase(PrintPhase.PRINTING)
        published = len(stand.wire.published)
        name = stand.printer
        for refused in (
            await stand.gcode("G28"),
            await stand.start(stand.print_file()),
            await stand.give(Adjust(name, "a1", local.key, Adjustment(speed=120))),
            await stand.give(Adjust(name, "a2", "", Adjustment(hotend=0))),
            await stand.give(HeatersOff(name, "h1", local.key)),
            await stand.give(HeatersOff(name, "h2", "")),
            await stand.give(Adjust(name, "a3", "", Adjustment(light=True))),
            await stand.pause(MARK),
            await stand.cancel(MARK),
        ):
            assert (refused.result, bool(refused.message)) == (OrderResult.REFUSED, True)
        sent = [payload for _, payload in stand.wire.published[published:] if b"pushall" not in payload]
        assert sent == []
        await stand.phase(PrintPhase.COMPLETED)


@on_virtual_time
async def test_its_own_key_cancels_it(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        stand.panel_start()
        local = await stand.phase(PrintPhase.PRINTING)
        assert (await stand.cancel(local.key)).result is OrderResult.ACCEPTED
        assert (await stand.phase(PrintPhase.CANCELED)).key == local.key


@pytest.mark.parametrize("model", ["a1", "p1s"])
@on_virtual_time
async def test_a_cancel_at_the_panel_is_no_fault(tmp_path: Path, model: str) -> None:
    """A1: FAILED with a code of its own; P1S: IDLE."""
    async with BambuStand(tmp_path, model) as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        await stand.moved(0.2)
        stand.bambu.panel.stop(stand.wire.now)
        stand.wire.turn()
        ended = await stand.phase(PrintPhase.CANCELED)
        assert (ended.key, ended.error_code) == (MARK, None)
        assert stand.snapshot().message is None
