"""Orders beside the start: what is sent for each, and what the printer's reply makes of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.domain.adjustment import Adjustment
from gateway.domain.observations import LinkState, OrderResult, PrintPhase
from gateway.domain.orders import AbortUpload, Adjust, AnswerPrompt, HeatersOff, RecoverPrint, Tell
from gateway.drivers.bambu.errands import LOST, NO_REPLY
from tests.contract.stand import MARK, on_virtual_time
from tests.support.bambu_stand import VASE, BambuStand

ACCEPTED, REFUSED, UNCLEAR = OrderResult.ACCEPTED, OrderResult.REFUSED, OrderResult.UNCLEAR


def ran(stand: BambuStand) -> list[str]:
    """Lines that the printer executed for the driver."""
    stand.wire.turn()
    return stand.ledger.executed("mqtt")


@on_virtual_time
async def test_lines_run_in_order_in_one_message(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        assert (await stand.gcode("G28", "", "  M104 S0 ")).result is ACCEPTED
        await asyncio.sleep(30)
        assert ran(stand) == ["G28", "M104 S0"]
        assert stand.told("print.gcode_line") == 1


@on_virtual_time
async def test_lines_are_for_a_printer_that_prints_nothing(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        assert (await stand.gcode(*["G1 X1"] * 65)).result is REFUSED
        await stand.start(stand.print_file())
        assert (await stand.gcode("G28")).result is REFUSED
        assert ran(stand) == []


@pytest.mark.parametrize(
    ("asked", "level", "words"),
    [(10, 1, "silent (50 %)"), (110, 2, "standard (100 %)"), (115, 3, "sport"), (300, 4, "ludicrous")],
)
@on_virtual_time
async def test_speed_is_the_nearest_of_four(tmp_path: Path, asked: int, level: int, words: str) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        await stand.phase(PrintPhase.PRINTING)
        answer = await stand.give(Adjust(stand.printer, "a", MARK, Adjustment(speed=asked)))
        assert answer.result is ACCEPTED
        assert words in (answer.message or "")
        assert stand.bambu.status.speed_level == level


@on_virtual_time
async def test_temperatures_and_fan_are_lines(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        change = Adjustment(hotend=210, bed=60, fan=50)
        assert (await stand.give(Adjust(stand.printer, "a", "", change))).result is ACCEPTED
        assert ran(stand) == ["M104 S210", "M140 S60", "M106 P1 S128"]
        await stand.until(lambda: stand.snapshot().temperatures.get("T_target") == 210)
        assert (await stand.give(HeatersOff(stand.printer, "h", "", only_hotends=True))).result is ACCEPTED
        await stand.until(lambda: stand.snapshot().temperatures.get("T_target") == 0)
        assert stand.snapshot().temperatures["B_target"] == 60


@pytest.mark.parametrize(
    "change", [Adjustment(hotend=301), Adjustment(flow=90, speed=100), Adjustment(z_step=0.1), Adjustment()]
)
@on_virtual_time
async def test_what_it_cannot_is_refused_whole(tmp_path: Path, change: Adjustment) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        await stand.phase(PrintPhase.PRINTING)
        refused = await stand.give(Adjust(stand.printer, "a", MARK, change))
        assert (refused.result, bool(refused.message)) == (REFUSED, True)
        assert (ran(stand), stand.told("print.print_speed")) == ([], 0)


@on_virtual_time
async def test_heaters_are_not_switched_off_under_a_running_print(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        await stand.phase(PrintPhase.PRINTING)
        assert (await stand.give(HeatersOff(stand.printer, "h1", MARK))).result is REFUSED
        await stand.pause()
        await stand.phase(PrintPhase.PAUSED)
        assert (await stand.give(HeatersOff(stand.printer, "h2", MARK))).result is ACCEPTED
        await asyncio.sleep(20)  # it homes first
        assert ran(stand) == ["M104 S0", "M140 S0"]


@on_virtual_time
async def test_the_light_is_switched(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        for is_on, shown in ((True, "on"), (False, "off")):
            change = Adjustment(light=is_on)
            answer = await stand.give(Adjust(stand.printer, stand.new_order_id(), "", change))
            assert answer.result is ACCEPTED
            assert stand.bambu.status.light == shown
        assert (await stand.give(Tell(stand.printer, "t1", "light", {"mode": "on"}))).result is REFUSED


@on_virtual_time
async def test_the_emergency_stop_says_what_it_is(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        await stand.moved(0.2)
        answer = await stand.emergency()
        assert answer.result is REFUSED, "it stops as for a cancel, not at once"
        assert "mains" in (answer.message or "")
        assert "stop its print" in (answer.message or "")
        assert (await stand.phase(PrintPhase.CANCELED)).key == MARK
        assert "M104 S0" in ran(stand)


@on_virtual_time
async def test_no_reply_is_unclear_and_the_connection_is_made_anew(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        await stand.phase(PrintPhase.PRINTING)
        stand.arm("half-dead", command="pause")
        unclear = await stand.pause()
        assert (unclear.result, unclear.message) == (UNCLEAR, NO_REPLY)
        await stand.until(lambda: stand.wire.opened == 2)
        await stand.ready()
        assert (await stand.pause()).result is ACCEPTED
        assert (await stand.phase(PrintPhase.PAUSED)).key == MARK


@on_virtual_time
async def test_a_connection_that_breaks_leaves_it_unclear(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        await stand.phase(PrintPhase.PRINTING)
        stand.arm("lost-after", command="pause")
        unclear = await stand.pause()
        assert (unclear.result, unclear.message) == (UNCLEAR, LOST)
        assert (await stand.phase(PrintPhase.PAUSED)).key == MARK, "the printer says what came of it"


@on_virtual_time
async def test_what_only_its_own_screen_can_is_refused(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        recover = RecoverPrint(stand.printer, "r", MARK, "/x", "", 1, "x", 0, 0, 0, (), ())
        for order in (recover, AnswerPrompt(stand.printer, "p", 1, 0), AbortUpload(stand.printer, "u", "x")):
            refused = await stand.give(order)
            assert (refused.result, bool(refused.message)) == (REFUSED, True)


@on_virtual_time
async def test_an_upload_that_is_aborted_leaves_nothing(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        order = stand.upload_order(stand.upload_file())
        await stand.submit(order)
        await stand.until(stand.is_uploading)
        assert stand.snapshot().is_receiving
        assert (await stand.start(stand.print_file())).result is REFUSED
        abort = AbortUpload(stand.printer, "abort", order.order_id)
        assert (await stand.give(abort)).result is ACCEPTED
        assert (await stand.answered(order.order_id)).result is REFUSED
        await asyncio.sleep(60)
        assert set(stand.stored()) == {VASE}


@on_virtual_time
async def test_an_upload_tells_how_far_it_is_and_joins_its_like(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        first, second = (stand.upload_order(stand.upload_file()) for _ in range(2))
        await stand.submit(first)
        await stand.submit(second)
        for order in (first, second):
            assert (await stand.answered(order.order_id)).result is ACCEPTED
        assert {told.order_id for told in stand.progress} == {second.order_id}
        assert stand.progress[-1].progress == 1.0
        assert len(stand.ledger.events("file-stored")) == 1
        [name] = set(stand.stored()) - {VASE}
        assert stand.progress[-1].answer["name_on_printer"] == name


@on_virtual_time
async def test_an_upload_that_breaks_off_is_removed_or_unclear(tmp_path: Path) -> None:
    async with BambuStand(tmp_path) as stand:
        await stand.ready()
        stand.arm("upload-cut")
        assert (await stand.upload(stand.upload_file())).result is REFUSED
        assert set(stand.stored()) == {VASE}
        order = stand.upload_order(stand.upload_file())
        await stand.submit(order)
        await asyncio.sleep(1.5)
        stand.cut("network")
        unclear = await stand.answered(order.order_id)
        assert unclear.result is UNCLEAR
        assert "remove it there" in (unclear.message or "")
        assert stand.snapshot().link is LinkState.DOWN
