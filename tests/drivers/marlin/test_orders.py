"""Orders at every moment: the emergency stop first of all, what must be refused, many printers at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.domain.observations import Activity, LinkState, OrderResult, PrintPhase
from gateway.domain.orders import (
    Acknowledge,
    CancelPrint,
    PausePrint,
    ResumePrint,
    SendGcode,
)
from gateway.drivers.contract import OpenRecord
from tests.support.marlin_stand import MarlinStand, MemoryRecord, on_virtual_time, used_by_others

FileOf = Callable[[str], Path]
EVERYONE = ["marlin-full", "marlin-stock", "marlin-bare", "marlin-sd"]
CARD = b"M104 S60\nG28\n" + b"G1 X1 F600\nG1 X150 F6000\n" * 60


# -- the emergency stop ------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [0.0, 0.02, 0.2, 0.34, 0.36, 0.5, 0.8, 0.86, 1.0])
@pytest.mark.parametrize("personality", EVERYONE)
@on_virtual_time
async def test_a_stop_during_boot_and_handshake_is_not_forgotten(personality: str, after: float) -> None:
    """The board is deaf while it boots, and the handshake is over before the next M112 is due."""
    async with MarlinStand(personality, resets_on_open=True) as stand:
        await asyncio.sleep(after)
        assert (await stand.stop()).result is OrderResult.ACCEPTED
        await stand.until(lambda: stand.board.is_halted, 5)
        await stand.until(lambda: stand.driver.snapshot().activity is Activity.ERROR, 5)


@pytest.mark.parametrize(
    "text",
    [
        "G28\n" * 30,
        "M109 S200\nG28\n",
        "M190 S90\nG28\n",
        "G4 S100\n" * 10,
        "M0 wait\n" + "G28\n" * 30,
        "G28\n" + "G1 X1 F100\nG1 X150 F100\n" * 20,
    ],
    ids=["homing", "hotend", "bed", "dwell", "person", "slow moves"],
)
@pytest.mark.parametrize("personality", EVERYONE)
@on_virtual_time
async def test_a_stop_reaches_a_busy_machine_at_once(personality: str, text: str, file_of: FileOf) -> None:
    """Without emergency parser through the slot that the window leaves free: while it heats just the same."""
    async with MarlinStand(personality) as stand:
        await stand.ready()
        await stand.start(file_of(text))
        await asyncio.sleep(20)
        assert (await stand.stop()).result is OrderResult.ACCEPTED
        await stand.until(lambda: stand.board.is_halted, 3)
        report = await stand.phase(PrintPhase.FAILED, 3)
        assert report.reason == "aborted-by-system"
        assert stand.board.hotend.target == stand.board.bed.target == 0


@pytest.mark.parametrize("stage", ["pausing", "paused", "canceling", "held", "macro", "card", "halted"])
@on_virtual_time
async def test_a_stop_at_any_stage(stage: str, file_of: FileOf, gcode: Path) -> None:
    left = OpenRecord("mark-0", str(gcode), "0" * 64, 10, "clip.gcode", 57, 9, 4) if stage == "held" else None
    async with MarlinStand("marlin-sd", sd_files={"m.gco": CARD}, record=MemoryRecord(left)) as stand:
        await stand.ready()
        if stage in ("pausing", "paused", "canceling"):
            await stand.start(gcode)
            await stand.until(lambda: len(stand.moves()) > 30)
            await (stand.cancel() if stage == "canceling" else stand.pause())
        if stage == "paused":
            await stand.phase(PrintPhase.PAUSED)
        if stage == "macro":
            stand.driver.submit(SendGcode("mk3", "macro", ("G28", *["G1 X1 F600", "G1 X150 F600"] * 50)))
            await stand.until(lambda: len(stand.moves()) > 3)
        if stage == "card":
            stand.panel("start", "m.gco")
            await stand.phase(PrintPhase.PRINTING)
        if stage == "halted":
            await stand.stop()
            await stand.until(lambda: stand.board.is_halted)
        answer = await stand.stop()
        assert answer.result is OrderResult.ACCEPTED
        assert ("Switch it off" in (answer.message or "")) == (stage == "card")
        ran = len(stand.ledger.executed())
        # Without emergency parser the card's lines take every slot: M112 is read behind the running move.
        await stand.until(lambda: stand.board.is_halted, 20 if stage == "card" else 3)
        await asyncio.sleep(60)
        assert len(stand.ledger.executed()) <= ran + 8, "what was in the firmware"
        assert stand.driver.snapshot().activity is Activity.ERROR
        if stage == "macro":
            assert (await stand.answered("macro")).result is OrderResult.UNCLEAR
        if stage == "held":
            assert (await stand.phase(PrintPhase.HELD, 0)).key == "mark-0"


@on_virtual_time
async def test_a_stop_whose_line_is_damaged_goes_out_again(gcode: Path) -> None:
    async with MarlinStand("marlin-stock") as stand:
        await stand.ready()
        await stand.start(gcode)
        await stand.until(lambda: len(stand.moves()) > 30)
        losses = iter([True, True])
        stand.wire.spoil = lambda data: (
            data.replace(b"M112", b"M1p2") if b"M112" in data and next(losses, False) else data
        )
        await stand.stop()
        sent = len(stand.moves())
        await stand.until(lambda: stand.board.is_halted, 4)
        assert len(stand.moves()) <= sent + 16 + 4, "nothing follows but what the machine had"


@on_virtual_time
async def test_a_stop_without_a_connection_says_what_is_left_to_do() -> None:
    async with MarlinStand("marlin-stock") as stand:
        await stand.ready()
        stand.wire.unplug()
        answer = await stand.stop()
        assert answer.result is OrderResult.REFUSED
        assert "Switch it off" in (answer.message or "")
        stand.wire.plug()
        await stand.ready()
        assert not stand.board.is_halted, "a refused stop does not strike later"


# -- what must be refused, and answered --------------------------------------------------------------------


@pytest.mark.parametrize("state", ["idle", "streaming", "paused", "held", "ended", "card", "down"])
@on_virtual_time
async def test_orders_for_another_print_send_nothing_in_any_state(state: str, gcode: Path) -> None:
    left = OpenRecord("mark-0", str(gcode), "0" * 64, 10, "clip.gcode", 57, 9, 4) if state == "held" else None
    wire = await used_by_others("marlin-full", sd_files={"m.gco": CARD})
    async with MarlinStand(wire=wire, record=MemoryRecord(left)) as stand:
        await stand.ready()
        if state in ("streaming", "paused", "ended", "down"):
            await stand.start(gcode)
            await stand.until(lambda: len(stand.moves()) > 20)
        if state == "paused":
            await stand.pause()
            await stand.phase(PrintPhase.PAUSED)
        if state == "ended":
            await stand.phase(PrintPhase.COMPLETED)
        if state == "card":
            stand.panel("start", "m.gco")
            await stand.phase(PrintPhase.PRINTING)
        if state == "down":
            stand.wire.unplug()
            await stand.phase(PrintPhase.HELD)
        before = stand.driver.snapshot().current
        for index, order in enumerate((PausePrint, ResumePrint, CancelPrint)):
            answer = await stand.give(order("mk3", f"other-{index}", "of-yesterday"))
            assert answer.result is OrderResult.REFUSED
            assert answer.message
        after = stand.driver.snapshot().current
        assert (before and (before.key, before.phase)) == (after and (after.key, after.phase))
        ran = set(stand.ledger.executed("host"))
        assert not ran & {"M24", "M25", "M524", "M108", "M410", "M104 S0", "M84"} - {"M84"}


@on_virtual_time
async def test_acknowledging_what_is_under_way_changes_nothing(gcode: Path, moves: list[str]) -> None:
    async with MarlinStand("marlin-sd", sd_files={"m.gco": CARD}) as stand:
        await stand.ready()
        await stand.start(gcode)
        await stand.until(lambda: len(stand.moves()) > 30)
        for key in ("mark-1", "never-heard-of", ""):
            stand.acknowledge(key)
        assert stand.record.is_open
        await stand.phase(PrintPhase.COMPLETED)
        assert stand.moves() == moves
        for _ in range(2):
            stand.acknowledge("mark-1")
        stand.panel("start", "m.gco")
        local = await stand.phase(PrintPhase.PRINTING)
        stand.acknowledge(local.key)
        assert (await stand.phase(PrintPhase.PRINTING, 0)).key == local.key
        stand.driver.submit(Acknowledge("mk3", "a", local.key))
        assert not [answer for answer in stand.answers if answer.order_id == "a"], "never answered"


@on_virtual_time
async def test_many_orders_at_once_are_each_answered_once() -> None:
    async with MarlinStand("marlin-stock") as stand:
        await stand.ready()
        orders = [SendGcode("mk3", f"g{index}", (f"G4 P{index}", "G1 X1 F6000")) for index in range(60)]
        for order in orders:
            stand.driver.submit(order)
        await stand.until(lambda: len(stand.answers) >= 60)
        await asyncio.sleep(30)
        assert Counter(answer.order_id for answer in stand.answers) == Counter(o.order_id for o in orders)
        results = {answer.order_id: answer for answer in stand.answers}
        taken = [index for index in range(60) if results[f"g{index}"].result is OrderResult.ACCEPTED]
        ran = [line for line in stand.ledger.executed("host") if line.startswith("G4")]
        assert ran == [f"G4 P{index}" for index in taken]
        assert len(taken) >= 32
        refused = next(answer for answer in stand.answers if answer.result is OrderResult.REFUSED)
        assert "many" in (refused.message or "")


@on_virtual_time
async def test_no_print_starts_in_a_macro_and_no_macro_in_a_print(gcode: Path) -> None:
    async with MarlinStand("marlin-stock") as stand:
        await stand.ready()
        stand.driver.submit(SendGcode("mk3", "macro", ("G28", "G4 S20")))
        await asyncio.sleep(5)
        assert stand.driver.snapshot().activity is Activity.BUSY
        assert (await stand.start(gcode, "early")).result is OrderResult.REFUSED
        assert (await stand.answered("macro")).result is OrderResult.ACCEPTED
        assert (await stand.start(gcode)).result is OrderResult.ACCEPTED
        for lines in (("G28",), (), ("; nothing",)):
            assert (await stand.gcode(*lines)).result is OrderResult.REFUSED
        await stand.phase(PrintPhase.COMPLETED)
        assert "G28" in stand.ledger.executed("host")
        assert (await stand.gcode("; nothing", "", "M110 N7")).result is OrderResult.ACCEPTED
        assert stand.ledger.count("resend") == 0


# -- many printers in one loop -----------------------------------------------------------------------------


@on_virtual_time
async def test_sixteen_printers_in_one_loop_do_not_disturb_each_other(gcode: Path, moves: list[str]) -> None:
    stands = [MarlinStand(EVERYONE[index % 4]) for index in range(16)]
    async with asyncio.TaskGroup() as group:
        for index, stand in enumerate(stands):
            group.create_task(one_of_sixteen(stand, index, gcode))
    ended = [stand.driver.snapshot().ended[0].phase for stand in stands]
    assert ended.count(PrintPhase.COMPLETED) == 12
    for stand, phase in zip(stands, ended, strict=True):
        assert stand.moves() == moves[: len(stand.moves())]
        assert (len(stand.moves()) == len(moves)) == (phase is PrintPhase.COMPLETED)


async def one_of_sixteen(stand: MarlinStand, index: int, path: Path) -> None:
    """Every fourth is cut off, canceled, stopped or reset; the others print on."""
    async with stand:
        await stand.ready()
        await asyncio.sleep(index * 0.37)
        await stand.start(path)
        if index % 4 == 3:
            await stand.until(lambda: len(stand.moves()) > 10 + index)
            if index == 3:
                await stand.cancel()
            elif index == 7:
                await stand.stop()
            elif index == 11:
                stand.board.kill_button(stand.wire.now)
                stand.wire.turn()
            else:
                stand.wire.unplug()
                await stand.phase(PrintPhase.HELD)
                stand.wire.plug()
                await stand.ready()
                await stand.cancel()
        await stand.until(lambda: bool(stand.driver.snapshot().ended))
        assert stand.driver.snapshot().link is LinkState.UP
        assert all(answer.result is OrderResult.ACCEPTED for answer in stand.answers)


@on_virtual_time
async def test_ends_nobody_fetches_stay_bounded(file_of: FileOf) -> None:
    path = file_of("G4 P1\n")
    async with MarlinStand("marlin-stock") as stand:
        await stand.ready()
        for index in range(70):
            assert (await stand.start(path, f"mark-{index}")).result is OrderResult.ACCEPTED
            await stand.until(lambda: stand.driver.snapshot().current is None)
        ended = [report.key for report in stand.driver.snapshot().ended]
        assert ended == [f"mark-{index}" for index in range(6, 70)], "the oldest go first"
