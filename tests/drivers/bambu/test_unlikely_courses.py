"""Courses that nobody plans: somebody was faster, printed the same again, or came while nobody watched."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.domain.observations import LinkState, OrderResult, PrintPhase
from gateway.domain.orders import CancelPrint, PausePrint
from gateway.drivers.bambu.orders import CUT_THE_POWER, STOPPED
from gateway.drivers.left import mark_number
from gateway.protocol.awaited import MOST
from tests.contract.stand import MARK, on_virtual_time
from tests.support.bambu_stand import PROGRAM, VASE, BambuStand, gcode, sliced

CUBE = sliced(gcode(PROGRAM))


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


@on_virtual_time
async def test_a_print_that_somebody_resolved_lends_its_key_to_no_other(tmp_path: Path) -> None:
    """The engine takes it for a late word about the old one, and the plate for clear."""
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        stand.panel_start()
        first = await stand.phase(PrintPhase.PRINTING)
        stand.cut("network")
        await asyncio.sleep(900)
        stand.bambu.panel.start_from_cloud("Cube", CUBE, now=stand.wire.now)
        await asyncio.sleep(60)
        stand.mend("network")
        await stand.until(lambda: stand.snapshot().current and stand.snapshot().current.key != first.key)
        stand.acknowledge(first.key)
        stand.acknowledge((await stand.phase(PrintPhase.COMPLETED)).key)
        await asyncio.sleep(60)
        stand.panel_start()
        assert (await stand.phase(PrintPhase.PRINTING)).key != first.key


@pytest.mark.parametrize("away", ["the network", "the gateway"])
@pytest.mark.parametrize("prints", [True, False])
@on_virtual_time
async def test_the_same_file_again_while_nobody_looked_makes_the_plate_doubtful(
    tmp_path: Path, away: str, prints: bool
) -> None:
    """An A1 shows the same before and after it; so it does when nothing was printed: nobody can tell."""
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        await printed_at_panel(stand)
        if away == "the network":
            stand.cut("network")
        else:
            await stand.kill_host()
        if prints:
            stand.panel_start()
        await asyncio.sleep(3600)
        before = len(stand.seen)
        if away == "the network":
            stand.mend("network")
        else:
            await stand.raise_host()
        await stand.ready()
        await asyncio.sleep(60)
        assert [shot.doubts_plate for shot in stand.seen[before:]].count(True) == 1


@pytest.mark.parametrize("who", ["gateway", "cloud"])
@on_virtual_time
async def test_what_has_an_id_or_was_the_gateways_makes_no_plate_doubtful(tmp_path: Path, who: str) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        if who == "gateway":
            await stand.start(stand.print_file())
        else:
            stand.bambu.panel.start_from_cloud("Cube", CUBE, now=stand.wire.now)
        stand.acknowledge((await stand.phase(PrintPhase.COMPLETED)).key)
        await stand.kill_host()
        await asyncio.sleep(3600)
        await stand.raise_host()
        await stand.ready()
        await asyncio.sleep(60)
        assert not any(shot.doubts_plate for shot in stand.seen)


@on_virtual_time
async def test_a_short_outage_hides_no_print(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        await printed_at_panel(stand)
        stand.cut("network")
        await asyncio.sleep(60)
        stand.mend("network")
        await stand.ready()
        await asyncio.sleep(60)
        assert not any(shot.doubts_plate for shot in stand.seen)


@on_virtual_time
async def test_an_emergency_stop_goes_to_a_printer_that_has_told_nothing_yet(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        await stand.moved(0.2)
        stand.arm("deltas-only", seconds=300)
        stand.wire.drop()
        await asyncio.sleep(5)
        assert stand.snapshot().link is LinkState.CONNECTING
        stopped = await stand.emergency()
        assert (stopped.result, stopped.message) == (OrderResult.REFUSED, f"{CUT_THE_POWER}; {STOPPED}")
        assert stand.interventions() == ["print.stop", "print.gcode_line"]


@on_virtual_time
async def test_an_emergency_stop_goes_out_though_nothing_is_answered(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        stand.panel_start()
        key = (await stand.phase(PrintPhase.PRINTING)).key
        stand.arm("vanished", command="pause", count=MOST)
        for number in range(MOST):
            await stand.submit(PausePrint(stand.printer, f"pause-{number}", key))
        await stand.emergency()
        assert stand.told("print.stop") == 1


@on_virtual_time
async def test_an_emergency_stop_is_tried_on_firmware_that_wants_signatures(tmp_path: Path) -> None:
    async with BambuStand(tmp_path, "h2d-like", developer_mode=False) as stand:
        await stand.until(lambda: stand.snapshot().link is LinkState.UP)
        stopped = await stand.emergency()
        assert stopped.result is OrderResult.REFUSED
        assert CUT_THE_POWER in (stopped.message or "")
        assert stand.told("print.stop") == 1


@on_virtual_time
async def test_a_print_without_an_id_that_replaces_ours_is_not_ours(tmp_path: Path) -> None:
    """An A1 mini takes a start while it prints; home-made programs send "0" for the ids."""
    async with BambuStand(tmp_path, "a1-mini") as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        await stand.moved(0.2)
        stand.bambu.panel.start_from_slicer(VASE, ids=0, now=stand.wire.now)
        stand.wire.turn()
        assert (await stand.phase(PrintPhase.CANCELED)).key == MARK
        assert (await stand.cancel()).result is OrderResult.REFUSED
        other = await stand.phase(PrintPhase.COMPLETED)
        assert (other.is_local, other.key == MARK) == (True, False)
        assert stand.physical_starts() == ["gateway", "slicer"]
        assert not stand.told("print.stop")


@on_virtual_time
async def test_our_file_printed_again_under_our_number_is_somebody_elses(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        stand.acknowledge((await stand.phase(PrintPhase.COMPLETED)).key)
        stand.bambu.panel.start_from_slicer(VASE, ids=mark_number(MARK), now=stand.wire.now)
        stand.wire.turn()
        again = await stand.phase(PrintPhase.PRINTING)
        assert (again.is_local, again.key == MARK) == (True, False)
        assert (await stand.phase(PrintPhase.COMPLETED)).key == again.key


@on_virtual_time
async def test_a_cancel_of_a_start_that_turns_out_to_be_over_sends_nothing(tmp_path: Path) -> None:
    """Somebody else may have begun a print at that moment."""
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        stand.give_order(stand.start_order(stand.print_file()))
        await stand.until(lambda: stand.told("print.project_file"))
        stand.cut("network")
        await stand.kill_host()
        await asyncio.sleep(900)
        await stand.raise_host()
        cancel = CancelPrint(stand.printer, stand.new_order_id(), MARK)
        await stand.submit(cancel)
        stand.mend("network")
        assert (await stand.phase(PrintPhase.COMPLETED)).key == MARK
        assert (await stand.answered(cancel.order_id)).result is OrderResult.REFUSED
        assert stand.physical_starts() == ["gateway"]
        assert not stand.interventions()
