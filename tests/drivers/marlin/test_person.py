"""People at the printer and at the gateway, in a print streamed from the host: who stops and starts what."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.domain.observations import Activity, OrderResult, PrintPhase
from gateway.domain.orders import CancelPrint, PausePrint, ResumePrint
from tests.support.marlin_stand import MarlinStand, on_virtual_time

FileOf = Callable[[str], Path]
EVERYONE = ["marlin-full", "marlin-stock", "marlin-bare", "marlin-sd"]
WITH_ACTIONS = ["marlin-full", "marlin-sd"]
BEFORE = "".join(f"G1 X{i} F6000\n" for i in range(20))
BEHIND = "".join(f"G1 X{100 + i} F6000\n" for i in range(40))


def phases_of(stand: MarlinStand) -> list[PrintPhase]:
    """The phases that were reported, without repetitions."""
    phases = [shot.current.phase for shot in stand.seen if shot.current]
    return [phase for index, phase in enumerate(phases) if index == 0 or phases[index - 1] is not phase]


# -- a command of the job waits for a person ---------------------------------------------------------------


@pytest.mark.parametrize("command", ["M600", "M0", "M0 Insert the magnet", "M1"])
@on_virtual_time
async def test_a_wait_of_the_firmware_is_a_pause_until_somebody_clicks(command: str, file_of: FileOf) -> None:
    async with MarlinStand("marlin-full") as stand:
        await stand.ready()
        await stand.start(file_of(f"G28\n{BEFORE}{command}\n{BEHIND}"))
        await stand.phase(PrintPhase.PAUSED)
        assert "G1 X100 F6000" not in stand.moves()
        assert stand.driver.snapshot().activity is Activity.PAUSED
        await asyncio.sleep(20)
        assert (await stand.phase(PrintPhase.PAUSED, 0)).line == 21
        stand.panel("click")
        await stand.phase(PrintPhase.PRINTING, 5)
        await stand.phase(PrintPhase.COMPLETED)
        assert stand.moves() == (BEFORE + BEHIND).splitlines()
        assert phases_of(stand) == [
            PrintPhase.STARTING, PrintPhase.PRINTING, PrintPhase.PAUSED, PrintPhase.PRINTING
        ]  # fmt: skip


@pytest.mark.parametrize("command", ["M600", "M0"])
@on_virtual_time
async def test_the_gateway_ends_a_wait_where_the_firmware_lets_it(command: str, file_of: FileOf) -> None:
    async with MarlinStand("marlin-full") as stand:
        await stand.ready()
        await stand.start(file_of(f"G28\n{BEFORE}{command}\n{BEHIND}"))
        await stand.phase(PrintPhase.PAUSED)
        await asyncio.sleep(10)
        assert (await stand.resume()).result is OrderResult.ACCEPTED
        await stand.phase(PrintPhase.COMPLETED, 60)
        assert stand.moves() == (BEFORE + BEHIND).splitlines()


@pytest.mark.parametrize("who", ["panel", "gateway"])
@on_virtual_time
async def test_a_wait_with_several_questions_is_one_pause_until_the_last(who: str, file_of: FileOf) -> None:
    """After a while the nozzle is switched off: then a click only heats it, and the next one goes on."""
    async with MarlinStand("marlin-full") as stand:
        await stand.ready()
        await stand.start(file_of(f"M104 S40\nG28\n{BEFORE}M600\n{BEHIND}"))
        await stand.phase(PrintPhase.PAUSED)
        for seconds in (100, 30):
            await asyncio.sleep(seconds)
            await stand.phase(PrintPhase.PAUSED, 0)
            assert "G1 X100 F6000" not in stand.moves()
            if who == "panel":
                stand.panel("resume")
            else:
                assert (await stand.resume()).result is OrderResult.ACCEPTED
        await stand.phase(PrintPhase.COMPLETED)
        assert stand.moves() == (BEFORE + BEHIND).splitlines()


@on_virtual_time
async def test_the_gateway_says_so_where_only_the_button_ends_a_wait(file_of: FileOf) -> None:
    async with MarlinStand("marlin-sd") as stand:
        await stand.ready()
        await stand.start(file_of(f"G28\n{BEFORE}M0\n{BEHIND}"))
        await stand.phase(PrintPhase.PAUSED)
        answer = await stand.resume()
        assert answer.result is OrderResult.REFUSED
        assert "button" in (answer.message or "")
        canceled = await stand.cancel()
        assert canceled.result is OrderResult.ACCEPTED
        assert "button" in (canceled.message or "")
        await asyncio.sleep(60)
        assert stand.driver.snapshot().ended == (), "not canceled before the machine did it"
        stand.panel("click")
        await stand.phase(PrintPhase.CANCELED, 60)
        assert len(stand.moves()) <= 20 + 3, "what was in the firmware already"


@pytest.mark.parametrize("command", ["M600", "M0"])
@on_virtual_time
async def test_cancel_ends_a_wait_too(command: str, file_of: FileOf) -> None:
    async with MarlinStand("marlin-full") as stand:
        await stand.ready()
        await stand.start(file_of(f"M104 S50\nG28\n{BEFORE}{command}\n{BEHIND}"))
        await stand.phase(PrintPhase.PAUSED)
        assert (await stand.cancel()).result is OrderResult.ACCEPTED
        await stand.phase(PrintPhase.CANCELED, 30)
        assert len(stand.moves()) <= 20 + 7, "what was in the firmware already"
        assert stand.board.hotend.target == 0


@on_virtual_time
async def test_a_pause_asked_during_a_wait_lasts_when_the_wait_is_over(file_of: FileOf) -> None:
    async with MarlinStand("marlin-full") as stand:
        await stand.ready()
        await stand.start(file_of(f"G28\n{BEFORE}M0\n{BEHIND}"))
        await stand.phase(PrintPhase.PAUSED)
        assert (await stand.pause()).result is OrderResult.ACCEPTED
        stand.panel("click")
        await asyncio.sleep(30)
        await stand.phase(PrintPhase.PAUSED, 0)
        stood = stand.moves()
        assert len(stood) <= 20 + 7
        assert stand.board.is_idle
        await asyncio.sleep(60)
        assert stand.moves() == stood
        assert (await stand.resume()).result is OrderResult.ACCEPTED
        await stand.phase(PrintPhase.COMPLETED, 60)
        assert stand.moves() == (BEFORE + BEHIND).splitlines()


# -- the printer's own menu --------------------------------------------------------------------------------


@pytest.mark.parametrize("personality", WITH_ACTIONS)
@on_virtual_time
async def test_paused_resumed_and_canceled_at_the_panel(
    personality: str, gcode: Path, moves: list[str]
) -> None:
    async with MarlinStand(personality) as stand:
        await stand.ready()
        await stand.start(gcode)
        await stand.until(lambda: len(stand.moves()) > 40)
        stand.panel("pause")
        await stand.phase(PrintPhase.PAUSED, 30)
        await stand.until(lambda: stand.board.is_idle or stand.board.waiting_for_user)
        stood = stand.moves()
        await asyncio.sleep(20)
        assert stand.moves() == stood
        stand.panel("resume")
        await stand.phase(PrintPhase.PRINTING, 30)
        await stand.until(lambda: len(stand.moves()) > 90)
        stand.panel("cancel")
        report = await stand.phase(PrintPhase.CANCELED, 60)
        assert report.reason == "job-canceled-at-device"
        assert stand.moves() == moves[: len(stand.moves())]
        assert {"M104 S0", "M140 S0"} <= set(stand.ledger.executed("host"))
        assert not stand.record.is_open


@pytest.mark.parametrize("ends", ["resume", "cancel"])
@pytest.mark.parametrize("personality", WITH_ACTIONS)
@on_virtual_time
async def test_a_pause_of_the_panel_is_ended_by_the_gateway(
    personality: str, ends: str, gcode: Path, moves: list[str]
) -> None:
    async with MarlinStand(personality) as stand:
        await stand.ready()
        await stand.start(gcode)
        await stand.until(lambda: len(stand.moves()) > 40)
        stand.panel("pause")
        await stand.phase(PrintPhase.PAUSED, 30)
        await asyncio.sleep(20)
        if ends == "resume":
            assert (await stand.resume()).result is OrderResult.ACCEPTED
            await stand.phase(PrintPhase.COMPLETED)
            assert stand.moves() == moves
        else:
            assert (await stand.cancel()).result is OrderResult.ACCEPTED
            report = await stand.phase(PrintPhase.CANCELED, 60)
            assert report.reason == "job-canceled-by-user"
            assert stand.moves() == moves[: len(stand.moves())]


@pytest.mark.parametrize("personality", WITH_ACTIONS)
@on_virtual_time
async def test_a_pause_of_the_gateway_is_ended_at_the_panel(
    personality: str, gcode: Path, moves: list[str]
) -> None:
    async with MarlinStand(personality) as stand:
        await stand.ready()
        await stand.start(gcode)
        await stand.until(lambda: len(stand.moves()) > 40)
        await stand.pause()
        await stand.phase(PrintPhase.PAUSED)
        stand.panel("resume")
        await stand.phase(PrintPhase.COMPLETED)
        assert stand.moves() == moves


@pytest.mark.parametrize("personality", WITH_ACTIONS)
@on_virtual_time
async def test_a_card_print_started_in_the_middle_ends_the_streamed_one(
    personality: str, gcode: Path
) -> None:
    """The firmware would run both, line by line in turn."""
    card = b"G28\n" + b"G1 X1 Y1 F3000\nG1 X50 Y9 F3000\n" * 40
    async with MarlinStand(personality, sd_files={"other.gco": card}) as stand:
        await stand.ready()
        await stand.start(gcode)
        await stand.until(lambda: len(stand.moves()) > 40)
        stand.panel("start", "other.gco")
        report = await stand.phase(PrintPhase.FAILED, 30)
        assert "card" in (report.message or "")
        sent = len(stand.moves())
        local = await stand.phase(PrintPhase.PRINTING, 30)
        assert local.is_local
        assert (local.name or "").lower() == "other.gco"
        await stand.phase(PrintPhase.COMPLETED)
        assert len(stand.moves()) <= sent + 8, "only what was in the firmware already"
        assert "M104 S0" not in stand.ledger.executed("host"), "the heaters are the other print's"
        assert not stand.record.is_open


# -- orders that come at odd moments -----------------------------------------------------------------------


@pytest.mark.parametrize("personality", EVERYONE)
@on_virtual_time
async def test_pause_and_cancel_twice(personality: str, gcode: Path, moves: list[str]) -> None:
    async with MarlinStand(personality) as stand:
        await stand.ready()
        await stand.start(gcode)
        await stand.until(lambda: len(stand.moves()) > 30)
        for number in range(2):
            stand.driver.submit(PausePrint("mk3", f"pause-{number}", "mark-1"))
        await stand.phase(PrintPhase.PAUSED)
        assert (await stand.pause()).result is OrderResult.ACCEPTED
        assert (await stand.resume()).result is OrderResult.ACCEPTED
        assert (await stand.resume()).result is OrderResult.REFUSED
        await stand.until(lambda: len(stand.moves()) > 60)
        for number in range(3):
            stand.driver.submit(CancelPrint("mk3", f"cancel-{number}", "mark-1"))
        await stand.phase(PrintPhase.CANCELED)
        for number in range(3):
            assert (await stand.answered(f"cancel-{number}")).result is OrderResult.ACCEPTED
        assert (await stand.cancel()).result is OrderResult.REFUSED
        assert stand.ledger.executed("host").count("M84") == 1
        assert stand.moves() == moves[: len(stand.moves())]


@pytest.mark.parametrize("personality", EVERYONE)
@on_virtual_time
async def test_resumed_before_it_stood(personality: str, gcode: Path, moves: list[str]) -> None:
    async with MarlinStand(personality) as stand:
        await stand.ready()
        await stand.start(gcode)
        for index in range(8):
            await stand.until(lambda index=index: len(stand.moves()) > 10 + 10 * index)
            stand.driver.submit(PausePrint("mk3", f"p{index}", "mark-1"))
            await asyncio.sleep(0.01 * index)
            stand.driver.submit(ResumePrint("mk3", f"r{index}", "mark-1"))
        await stand.phase(PrintPhase.COMPLETED)
        assert stand.moves() == moves
        assert all(answer.result is OrderResult.ACCEPTED for answer in stand.answers)


@pytest.mark.parametrize("personality", EVERYONE)
@on_virtual_time
async def test_canceled_while_it_pauses_and_while_it_is_paused(
    personality: str, gcode: Path, moves: list[str]
) -> None:
    for number, wait in enumerate((0.0, 0.02, 0.3, 20.0)):
        async with MarlinStand(personality) as stand:
            await stand.ready()
            key = f"mark-{number}"
            await stand.start(gcode, key)
            await stand.until(lambda stand=stand: len(stand.moves()) > 30)
            await stand.pause(key)
            await asyncio.sleep(wait)
            assert (await stand.cancel(key)).result is OrderResult.ACCEPTED
            assert (await stand.resume(key)).result is OrderResult.REFUSED
            await stand.phase(PrintPhase.CANCELED, 60)
            assert stand.moves() == moves[: len(stand.moves())]
            assert len(stand.moves()) < 60
            assert stand.board.is_idle


@pytest.mark.parametrize("personality", EVERYONE)
@on_virtual_time
async def test_paused_while_it_heats(personality: str, file_of: FileOf) -> None:
    async with MarlinStand(personality) as stand:
        await stand.ready()
        await stand.start(file_of("M109 S80\nG28\nG1 X10 F6000\nG1 X20 F6000\nM104 S0\n" + BEHIND))
        await stand.until(lambda: stand.board.hotend.target == 80)
        assert (await stand.pause()).result is OrderResult.ACCEPTED
        await asyncio.sleep(5)
        assert stand.driver.snapshot().current.phase is not PrintPhase.PAUSED  # type: ignore[union-attr]
        await stand.phase(PrintPhase.PAUSED)
        assert stand.board.hotend.target == 80, "a pause leaves the heaters as they are"
        await stand.resume()
        await stand.phase(PrintPhase.COMPLETED)
        assert stand.moves()[-1] == "G1 X139 F6000"


@pytest.mark.parametrize("then", ["cancel", "stop"])
@pytest.mark.parametrize("personality", EVERYONE)
@on_virtual_time
async def test_ended_before_the_first_line_was_done(personality: str, then: str, gcode: Path) -> None:
    async with MarlinStand(personality) as stand:
        await stand.ready()
        await stand.start(gcode)
        if then == "cancel":
            assert (await stand.cancel()).result is OrderResult.ACCEPTED
            await stand.phase(PrintPhase.CANCELED, 60)
        else:
            assert (await stand.stop()).result is OrderResult.ACCEPTED
            await stand.phase(PrintPhase.FAILED, 60)
        assert stand.moves() == []
        assert not stand.record.is_open


@pytest.mark.parametrize("personality", EVERYONE)
@on_virtual_time
async def test_canceled_at_the_very_end(personality: str, file_of: FileOf) -> None:
    """All lines are sent, the last long moves are not done: it ends as one or the other, once, and cold."""
    path = file_of("G28\nM104 S40\n" + "G1 X180 F300\nG1 X1 F300\n")
    async with MarlinStand(personality) as stand:
        await stand.ready()
        await stand.start(path)
        await stand.until(lambda: stand.ledger.executed("host")[-1:] == ["M400"])
        assert (await stand.pause()).result is OrderResult.REFUSED, "there is nothing left to hold back"
        assert (await stand.cancel()).result is OrderResult.ACCEPTED
        await stand.phase(PrintPhase.CANCELED, 300)
        await asyncio.sleep(60)
        assert [report.phase for report in stand.driver.snapshot().ended] == [PrintPhase.CANCELED]
        assert stand.board.hotend.target == 0
        assert stand.board.is_idle
