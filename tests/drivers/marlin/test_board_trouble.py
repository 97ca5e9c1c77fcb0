"""Trouble on the machine: boards that reset or stop themselves, lines that they refuse or never get whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from gateway.domain.observations import Activity, OrderResult, PrintPhase
from tests.drivers.marlin.trouble import EVERYONE, LONG_MOVES, FileOf, is_cold, printing
from tests.support.marlin_stand import MarlinStand, on_virtual_time


@pytest.mark.parametrize("when", ["streaming", "pausing", "paused", "heating", "canceling", "finishing"])
@pytest.mark.parametrize("personality", EVERYONE)
@on_virtual_time
async def test_a_reset_at_any_stage_ends_the_sending(personality: str, when: str, file_of: FileOf) -> None:
    text = ("M109 S80\n" if when == "heating" else "M104 S60\n") + LONG_MOVES
    async with MarlinStand(personality) as stand:
        await stand.ready()
        await stand.start(file_of(text))
        await stand.until(lambda: stand.board.hotend.target > 0)
        if when != "heating":
            await stand.until(lambda: len(stand.moves()) > 20)
        if when in ("pausing", "paused"):
            await stand.pause()
        if when == "paused":
            await stand.phase(PrintPhase.PAUSED)
        if when == "canceling":
            await stand.cancel()
        if when == "finishing":
            await stand.until(lambda: "M400" in stand.ledger.executed("host"))
        stand.board.reset(stand.wire.now)
        stand.wire.turn()
        done = stand.moves()
        report = await stand.phase(PrintPhase.HELD, 60)
        assert "reset" in (report.message or "")
        await asyncio.sleep(60)
        assert stand.moves() == done == text.splitlines()[2:][: len(done)]
        assert stand.driver.snapshot().ended == ()
        assert (await stand.cancel()).result is OrderResult.ACCEPTED
        await stand.phase(PrintPhase.CANCELED)
        assert is_cold(stand)


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (lambda stand: stand.board.kill_button(stand.wire.now), "KILL"),
        (lambda stand: stand.board.fault_heater("E0", "open", stand.wire.now), "MINTEMP"),
        (lambda stand: stand.board.fault_heater("E0", "short", stand.wire.now), "MAXTEMP"),
        (lambda stand: stand.board.fault_heater("bed", "short", stand.wire.now), "MAXTEMP"),
        (lambda stand: stand.board.fault_heater("E0", "dead", stand.wire.now), "eating"),
    ],
    ids=["kill button", "E0 open", "E0 short", "bed short", "E0 dead"],
)
@pytest.mark.parametrize("personality", EVERYONE)
@on_virtual_time
async def test_a_board_that_stops_itself_fails_the_print_in_its_own_words(
    personality: str, trouble: Callable[[MarlinStand], None], words: str, file_of: FileOf
) -> None:
    async with MarlinStand(personality) as stand:
        await stand.ready()
        await stand.start(file_of("M140 S60\nM109 S200\n" + LONG_MOVES))
        await asyncio.sleep(8)
        trouble(stand)
        stand.wire.turn()
        report = await stand.phase(PrintPhase.FAILED)
        assert words in (report.message or "")
        await asyncio.sleep(30)
        shot = stand.driver.snapshot()
        assert shot.activity is Activity.ERROR
        assert words in (shot.message or ""), "the cause, not only that it halted"
        for answer in (await stand.gcode("G28"), await stand.start(file_of("G28\n"), "next")):
            assert answer.result is OrderResult.REFUSED
            assert "reset" in (answer.message or "")
        sent = len(stand.wire.port.written)  # type: ignore[union-attr]
        await asyncio.sleep(60)
        assert len(stand.wire.port.written) == sent, "nothing is sent until it boots"  # type: ignore[union-attr]
        assert not stand.record.is_open


@pytest.mark.parametrize("personality", EVERYONE)
@on_virtual_time
async def test_a_line_the_firmware_refuses_for_ever_ends_the_print_cold(
    personality: str, file_of: FileOf
) -> None:
    async with MarlinStand(personality) as stand:
        await stand.ready()
        stand.wire.spoil = lambda data: data.replace(b" X66 ", b" X67 ")
        await stand.start(
            file_of("M140 S50\nM104 S50\nG28\n" + "".join(f"G1 X{i} F6000\n" for i in range(99)))
        )
        report = await stand.phase(PrintPhase.FAILED)
        assert "refused" in (report.message or "")
        await asyncio.sleep(2)
        assert stand.moves() == [f"G1 X{i} F6000" for i in range(66)]
        assert is_cold(stand)
        stand.wire.spoil = lambda data: data
        await stand.ready()
        assert (await stand.start(file_of("G28\n"), "next")).result is OrderResult.ACCEPTED
        await stand.phase(PrintPhase.COMPLETED)


@pytest.mark.parametrize("personality", EVERYONE)
@on_virtual_time
async def test_a_line_damaged_past_the_checksum_is_told(personality: str, file_of: FileOf) -> None:
    """Two flips of one bit in two bytes cancel out in the XOR: the firmware runs what nobody sent."""
    text = "G28\n" + "".join(f"G1 X{i} F6000\n" for i in range(60))
    async with MarlinStand(personality) as stand:
        await stand.ready()
        stand.wire.spoil = lambda data: data.replace(b" G1 X33 F", b" O1 X33 N")  # 0x08 in both
        await stand.start(file_of(text))
        report = await stand.phase(PrintPhase.COMPLETED)
        assert "O1 X33 N6000" in (report.message or "")
        assert "cable" in (report.message or "")
        assert len(stand.moves()) == 59


@on_virtual_time
async def test_commands_of_the_file_that_the_firmware_does_not_know_are_no_damage(file_of: FileOf) -> None:
    async with MarlinStand("marlin-stock") as stand:
        await stand.ready()
        await stand.start(file_of("G28\nM9876 S1 ; of another printer\nEXCLUDE_OBJECT NAME=a\nG1 X1 F6000\n"))
        report = await stand.phase(PrintPhase.COMPLETED)
        assert report.message is None
        assert stand.ledger.count("unknown") == 2


@on_virtual_time
async def test_a_damaged_heaters_off_is_said_again(file_of: FileOf) -> None:
    async with MarlinStand("marlin-stock") as stand:
        await printing(stand, file_of("M104 S60\n" + LONG_MOVES))
        spoiled = iter([True])

        def spoil(data: bytes) -> bytes:
            if b" M104 S0*" in data and next(spoiled, False):
                return data.replace(b" M104 S0*", b" L105 S0*")
            return data

        stand.wire.spoil = spoil
        await stand.cancel()
        await stand.phase(PrintPhase.CANCELED, 120)
        assert stand.ledger.count("unknown") == 1
        assert is_cold(stand)
