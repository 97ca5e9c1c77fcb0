"""Files onto a printer's own card, judged by what the card has and by what the machine ran."""

from __future__ import annotations

import asyncio
import hashlib
import re
from pathlib import Path

import pytest

from firmware_sim import Board, Ledger, RandomPlan
from firmware_sim.faults import catalogue
from gateway.domain.adjustment import Adjustment
from gateway.domain.observations import Activity, LinkState, OrderAnswered, OrderResult
from gateway.domain.orders import AbortUpload, Adjust, HeatersOff, UploadFile
from tests.drivers.marlin.uploads import AS_WRITTEN, ran
from tests.support.board_port import BoardWire
from tests.support.marlin_stand import MarlinStand, on_virtual_time

ACCEPTED, REFUSED, UNCLEAR = OrderResult.ACCEPTED, OrderResult.REFUSED, OrderResult.UNCLEAR
WITH_CARD = ["marlin-full", "marlin-sd", "prusa"]


async def begun(stand: MarlinStand, path: Path, sent: int = 200) -> UploadFile:
    """An upload of which some lines are on the card."""
    await stand.ready()
    order = stand.upload_order(path)
    stand.driver.submit(order)
    await stand.until(lambda: stand.ledger.count("sd_write") >= sent or bool(stand.answers))
    assert not stand.answers
    return order


async def end(stand: MarlinStand, order: UploadFile) -> OrderAnswered:
    return await stand.answered(order.order_id, 1200.0)


@pytest.mark.parametrize("personality", WITH_CARD)
@on_virtual_time
async def test_the_file_is_on_the_card_line_by_line_and_none_was_run(personality: str, part: Path) -> None:
    async with MarlinStand(personality, sd_files={"OTHER.GCO": b"G28\n"}) as stand:
        await stand.ready()
        answer = await stand.upload(part)
        assert (answer.result, answer.message) == (ACCEPTED, "It is on the printer's card as CAL_CUBE.GCO.")
        assert stand.on_card("CAL_CUBE.GCO") == AS_WRITTEN
        digest = hashlib.sha256(AS_WRITTEN).hexdigest()
        assert stand.saved() == [("CAL_CUBE.GCO", f"{len(AS_WRITTEN)} bytes, sha256 {digest}")]
        assert ran(stand) == []
        assert stand.ledger.count("sd_start") == 0, "nothing is started"
        assert stand.driver.snapshot().activity is Activity.READY


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("personality", WITH_CARD)
@on_virtual_time
async def test_a_bad_cable_costs_time_and_nothing_else(personality: str, seed: int, part: Path) -> None:
    noise = {
        "line-corrupted": 0.05,
        "ok-lost": 0.03,
        "ok-garbled": 0.01,
        "silent": {"rate": 0.2, "seconds": 4.0},
    }
    wire = BoardWire(Board(personality, ledger=Ledger(), seed=seed, faults=RandomPlan(seed, noise)))
    async with MarlinStand(wire=wire) as stand:
        await stand.ready()
        assert (await stand.upload(part)).result is ACCEPTED
        assert stand.on_card("CAL_CUBE.GCO") == AS_WRITTEN, "no question of ours stands in it"
        assert len(stand.saved()) == 1
        assert stand.ledger.count("fault") > 20


@on_virtual_time
async def test_the_m105_of_a_file_are_not_waited_for(part: Path) -> None:
    part.write_text("M105\n" * 400)
    async with MarlinStand("marlin-sd") as stand:
        await stand.ready()
        began = stand.wire.now
        assert (await stand.upload(part)).result is ACCEPTED
        assert stand.wire.now - began < 2.0
        assert stand.on_card("CAL_CUBE.GCO") == b"M105\r\n" * 400


@on_virtual_time
async def test_progress_once_a_second_and_the_name_on_the_card(part: Path) -> None:
    async with MarlinStand("prusa") as stand:
        await stand.ready()
        order = stand.upload_order(part)
        stand.driver.submit(order)
        began = stand.wire.now
        await end(stand, order)
        told = [(said.order_id, said.progress, dict(said.answer)) for said in stand.progress]
        size = order.size
        assert told[-1] == (
            order.order_id, 1.0, {"sent": size, "size": size, "name_on_printer": "CAL_CUBE.GCO"}
        )  # fmt: skip
        assert told[0][2]["name_on_printer"] == "CAL_CUBE.GCO"
        assert len(told) <= stand.wire.now - began + 2
        sent = [answer["sent"] for _, _, answer in told]
        assert sent == sorted(sent)


@on_virtual_time
async def test_a_name_that_is_taken_is_left_alone(part: Path) -> None:
    mine = {"CAL_CUBE.GCO": b"G4 S1\n", "CAL_CU_2.GCO": b"G4 S2\n"}
    async with MarlinStand("marlin-full", sd_files=mine) as stand:
        await stand.ready()
        assert (await stand.upload(part)).message == "It is on the printer's card as CAL_CU_3.GCO."
        assert [stand.on_card(name) for name in mine] == list(mine.values())


@on_virtual_time
async def test_a_name_that_the_list_does_not_show_is_found_out_by_opening_it(part: Path) -> None:
    async with MarlinStand("marlin-full", sd_files={"CAL_CUBE.GCO": b"G4 S1\n"}) as stand:
        card = stand.board.card
        card.listed = lambda: [file for file in card.files if file.short != "CAL_CUBE.GCO"]  # type: ignore[method-assign]
        await stand.ready()
        assert (await stand.upload(part)).message == "It is on the printer's card as CAL_CU_2.GCO."
        assert stand.on_card("CAL_CUBE.GCO") == b"G4 S1\n"


@on_virtual_time
async def test_while_it_is_received_the_printer_is_busy_and_says_with_what(part: Path) -> None:
    async with MarlinStand("marlin-full") as stand:
        order = await begun(stand, part)
        shot = stand.driver.snapshot()
        assert (shot.activity, shot.is_receiving) == (Activity.BUSY, True)
        assert shot.message is not None
        assert re.fullmatch(r"receiving Cal cube.gcode, [1-9]\d %", shot.message)
        why = "The printer is receiving the file Cal cube.gcode. Abort that, or wait for its end."
        other = part.with_name("other.gcode")
        other.write_text("G28\n")
        for answer in (
            await stand.start(part),
            await stand.gcode("G28"),
            await stand.give(Adjust("mk3", stand.new_order_id(), "", Adjustment(hotend=200))),
            await stand.upload(other),
        ):
            assert (answer.result, answer.message) == (REFUSED, why)
        assert (await end(stand, order)).result is ACCEPTED
        assert stand.on_card("CAL_CUBE.GCO") == AS_WRITTEN
        assert ran(stand) == []


@on_virtual_time
async def test_temperatures_are_told_meanwhile(part: Path) -> None:
    async with MarlinStand("marlin-full") as stand:
        order = await begun(stand, part, 1)
        stand.board.bed.set_target(60.0, stand.wire.now)
        stand.wire.turn()
        await end(stand, order)
        ages = [shot.temperature_age for shot in stand.seen if shot.activity is Activity.BUSY]
        assert ages
        assert max(age for age in ages if age is not None) < 3.0


@on_virtual_time
async def test_what_was_saved_and_is_still_there_is_not_sent_again(part: Path) -> None:
    async with MarlinStand("marlin-full") as stand:
        await stand.ready()
        first, again = await stand.upload(part), await stand.upload(part)
        assert (again.result, again.message) == (ACCEPTED, first.message)
        assert stand.progress[-1].answer["name_on_printer"] == "CAL_CUBE.GCO"
        assert len(stand.saved()) == 1
        stand.board.card.remove("CAL_CUBE.GCO")
        assert (await stand.upload(part)).result is ACCEPTED
        assert stand.on_card("CAL_CUBE.GCO") == AS_WRITTEN


# -- in mid-upload ----------------------------------------------------------------------------------------


@on_virtual_time
async def test_a_card_that_opens_no_file(part: Path) -> None:
    async with MarlinStand("marlin-full") as stand:
        await stand.ready()
        stand.board.card.create = lambda name: False  # type: ignore[method-assign]
        answer = await stand.upload(part)
        assert (answer.result, stand.board.card.files, ran(stand)) == (REFUSED, [], [])
        assert "could not open a file on its card" in (answer.message or "")


@on_virtual_time
async def test_m29_waits_for_the_answers_to_every_line(part: Path) -> None:
    """Twice bad luck: the last line is lost, and of the M29 behind it the number.

    Marlin takes an M29 without a number and closes the file; the line that it asks for then would be run.
    """

    def spoil(data: bytes) -> bytes:
        nonlocal last
        if b" M84*" in data and last:
            last = False
            return re.sub(rb"N\d+ M84\*\d+\n", b"", re.sub(rb"N\d+ (?=M29)", b"", data))
        return re.sub(rb"N\d+ (?=M29)", b"", data) if not last else data

    last = True
    async with MarlinStand("marlin-full") as stand:
        await stand.ready()
        stand.wire.spoil = spoil
        await stand.upload(part)
        assert not last
        assert ran(stand) == []


@on_virtual_time
async def test_abort_closes_and_deletes(part: Path) -> None:
    async with MarlinStand("marlin-full") as stand:
        order = await begun(stand, part)
        abort = await stand.give(AbortUpload("mk3", stand.new_order_id(), order.order_id))
        assert abort.result is ACCEPTED
        answer = await end(stand, order)
        assert (answer.result, answer.message) == (REFUSED, "The upload was aborted.")
        assert stand.board.card.files == []
        assert not stand.board.card.saving
        assert ran(stand) == []
        again = await stand.give(AbortUpload("mk3", stand.new_order_id(), order.order_id))
        assert (again.result, again.message) == (REFUSED, "That upload is not under way any more.")
        assert (await stand.upload(part)).result is ACCEPTED


@pytest.mark.parametrize("seconds", [0.0, 0.002, 0.004, 0.006, 0.008, 0.012])
@on_virtual_time
async def test_abort_at_any_moment_of_the_beginning(seconds: float, part: Path) -> None:
    async with MarlinStand("marlin-full", sd_files={"CAL_CUBE.GCO": b"G4 S1\n"}) as stand:
        await stand.ready()
        order = stand.upload_order(part)
        stand.driver.submit(order)
        await asyncio.sleep(seconds)
        assert (await stand.give(AbortUpload("mk3", "abort", order.order_id))).result is ACCEPTED
        assert (await end(stand, order)).result is REFUSED
        assert [file.short for file in stand.board.card.files] == ["CAL_CUBE.GCO"]
        await stand.until(lambda: stand.driver.snapshot().activity is Activity.READY)
        assert (await stand.upload(part)).result is ACCEPTED


@on_virtual_time
async def test_the_same_order_once_more_joins(part: Path) -> None:
    async with MarlinStand("marlin-full") as stand:
        first = await begun(stand, part)
        second = stand.upload_order(part)
        stand.driver.submit(second)
        assert stand.progress[-1].order_id == second.order_id
        assert (await end(stand, second)).result is ACCEPTED
        assert (await end(stand, first)).result is ACCEPTED
        assert len(stand.saved()) == 1
        told = [said.order_id for said in stand.progress]
        assert told == [first.order_id] * told.count(first.order_id) + [second.order_id] * told.count(
            second.order_id
        )


@pytest.mark.parametrize("fault", [catalogue.sd_full(), catalogue.sd_removed()])
@on_virtual_time
async def test_a_card_that_is_full_or_pulled(fault: catalogue.Fault, part: Path) -> None:
    async with MarlinStand("marlin-full") as stand:
        order = await begun(stand, part)
        stand.board.faults.arm(fault)
        stand.wire.turn()
        answer = await end(stand, order)
        assert "could not write to its card: it is full, or was taken out." in (answer.message or "")
        if fault.name == "sd-full":
            assert (answer.result, stand.board.card.files) == (REFUSED, [])
        else:
            assert answer.result is UNCLEAR
            assert "CAL_CUBE.GCO may be left on its card: delete it" in (answer.message or "")
        assert not stand.board.card.saving
        assert ran(stand) == []


@on_virtual_time
async def test_somebody_starts_a_print_at_the_display_in_mid_upload(part: Path) -> None:
    async with MarlinStand("marlin-full", sd_files={"A.GCO": b"G4 S1\n" * 50}) as stand:
        order = await begun(stand, part)
        stand.panel("start", "A.GCO")
        answer = await end(stand, order)
        assert answer.result is UNCLEAR
        assert "Somebody opened another file at the printer" in (answer.message or "")
        assert not stand.board.card.saving
        assert ran(stand) == []


@on_virtual_time
async def test_a_reset_board_runs_nothing_of_it_and_the_torn_file_is_deleted(part: Path) -> None:
    async with MarlinStand("marlin-full") as stand:
        order = await begun(stand, part)
        stand.board.reset(stand.wire.now)
        stand.wire.turn()
        answer = await end(stand, order)
        assert answer.result is UNCLEAR
        assert "CAL_CUBE.GCO on its card is deleted when the printer answers again" in (answer.message or "")
        await stand.until(lambda: stand.mark.left() is None)
        assert stand.board.card.files == []
        assert ran(stand) == []
        assert (await stand.upload(part)).result is ACCEPTED


@pytest.mark.parametrize("personality", WITH_CARD)
@on_virtual_time
async def test_a_pulled_cable(personality: str, part: Path) -> None:
    async with MarlinStand(personality) as stand:
        order = await begun(stand, part)
        stand.wire.unplug(20.0)
        assert (await end(stand, order)).result is UNCLEAR
        await asyncio.sleep(10)
        assert stand.board.card.saving, "nobody has told it"
        await stand.until(lambda: stand.mark.left() is None)
        assert not stand.board.card.saving
        assert stand.board.card.files == []
        assert stand.driver.snapshot().link is LinkState.UP
        assert ran(stand) == []
        assert (await stand.upload(part)).result is ACCEPTED
        assert stand.on_card("CAL_CUBE.GCO") == AS_WRITTEN


@on_virtual_time
async def test_a_host_that_stops_leaves_no_board_that_saves_on(part: Path) -> None:
    stand = await MarlinStand("marlin-full").__aenter__()
    await begun(stand, part)
    await stand.__aexit__()
    await asyncio.sleep(1)
    stand.wire.turn()
    assert not stand.board.card.saving
    assert stand.mark.left() == "CAL_CUBE.GCO", "the next one deletes it"
    assert ran(stand) == []


@on_virtual_time
async def test_a_torn_file_that_cannot_be_deleted_is_told_of(part: Path) -> None:
    async with MarlinStand("marlin-full") as stand:
        order = await begun(stand, part)
        stand.wire.unplug(5.0)
        await end(stand, order)
        stand.board.card.pull()
        await stand.until(lambda: stand.mark.left() is None)
        message = stand.driver.snapshot().message or ""
        assert "half of it may be left on the printer's card: delete it there" in message


@pytest.mark.parametrize("personality", WITH_CARD)
@on_virtual_time
async def test_the_emergency_stop_is_no_line_of_the_file(personality: str, part: Path) -> None:
    async with MarlinStand(personality) as stand:
        order = await begun(stand, part)
        boots = stand.ledger.count("boot")
        given = stand.wire.now
        assert (await stand.stop()).result is ACCEPTED
        assert (await end(stand, order)).result is UNCLEAR
        await stand.until(lambda: stand.ledger.count("kill") + stand.ledger.count("boot") > boots, 5.0)
        assert stand.wire.now - given < 0.3
        assert ran(stand) == []


@on_virtual_time
async def test_heaters_off_ends_the_upload_first(part: Path) -> None:
    async with MarlinStand("marlin-full") as stand:
        order = await begun(stand, part)
        stand.board.bed.set_target(60.0, stand.wire.now)
        stand.wire.turn()
        assert (await stand.give(HeatersOff("mk3", stand.new_order_id(), ""))).result is ACCEPTED
        assert stand.board.bed.target == 0.0
        assert (await end(stand, order)).result is REFUSED
        assert stand.board.card.files == []
        assert ran(stand) == []


@on_virtual_time
async def test_a_heater_that_nobody_can_watch_meanwhile_is_switched_off_first(part: Path) -> None:
    async with MarlinStand("marlin-bare") as stand:
        await stand.ready()
        stand.board.bed.set_target(60.0, stand.wire.now)
        await asyncio.sleep(10)
        answer = await stand.upload(part)
        assert answer.result is REFUSED
