"""Adjusting a printer at work and answering what it asks, judged by the board's ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.domain.adjustment import Adjustment
from gateway.domain.observations import OrderAnswered, OrderResult, PrintPhase
from gateway.domain.orders import Adjust, AnswerPrompt
from gateway.drivers.marlin.tending import lines_for
from tests.support.marlin_stand import MarlinStand, on_virtual_time

FileOf = Callable[[str], Path]
#: Two minutes of moves: what is behind the queue comes much later.
LONG = "G28\nG1 F6000\n" + "".join(f"G1 X{index % 2 * 100}\n" for index in range(120))
EVERYTHING = Adjustment(speed=120, flow=98, fan=50, hotend=45, bed=40)


async def adjust(stand: MarlinStand, change: Adjustment, expect: str = "mark-1") -> OrderAnswered:
    return await stand.give(Adjust("mk3", stand.new_order_id(), expect, change))


@pytest.mark.parametrize("personality", ["marlin-full", "marlin-stock", "marlin-bare"])
@on_virtual_time
async def test_adjustments_go_between_two_lines_at_once(personality: str, file_of: FileOf) -> None:
    async with MarlinStand(personality) as stand:
        await stand.ready()
        await stand.start(file_of(LONG))
        await stand.until(lambda: len(stand.moves()) > 10)
        assert (await adjust(stand, EVERYTHING)).result is OrderResult.ACCEPTED
        done = len(stand.moves())
        assert done < 10 + 16 + 8, "behind what the planner and the window held, and no more"
        ran = stand.ledger.executed("host")
        asked = ["M220 S120", "M221 S98", "M106 S128", "M104 S45", "M140 S40"]
        assert [line for line in ran if line in asked] == asked
        assert (stand.board.hotend.target, stand.board.bed.target) == (45, 40)
        await stand.phase(PrintPhase.COMPLETED)
        assert stand.moves() == LONG.splitlines()[2:]


@on_virtual_time
async def test_fan_off_is_m107(file_of: FileOf) -> None:
    async with MarlinStand() as stand:
        await stand.ready()
        await adjust(stand, Adjustment(fan=0), expect="")
        assert "M107" in stand.ledger.executed("host")


@on_virtual_time
async def test_an_idle_printer_is_heated(file_of: FileOf) -> None:
    async with MarlinStand() as stand:
        await stand.ready()
        assert (await adjust(stand, Adjustment(hotend=45), expect="")).result is OrderResult.ACCEPTED
        assert stand.board.hotend.target == 45


@on_virtual_time
async def test_an_adjustment_for_another_print_is_refused(file_of: FileOf) -> None:
    async with MarlinStand() as stand:
        await stand.ready()
        for expect in ("mark-1",):
            assert (await adjust(stand, EVERYTHING, expect)).result is OrderResult.REFUSED
        await stand.start(file_of(LONG))
        for expect in ("mark-2", ""):
            answer = await adjust(stand, EVERYTHING, expect)
            assert (answer.result, answer.message) == (
                OrderResult.REFUSED, "Another print is on the machine."
            )  # fmt: skip
        assert "M220 S120" not in stand.ledger.executed("host")


@on_virtual_time
async def test_no_heat_behind_a_cancel(file_of: FileOf) -> None:
    """An adjustment that waits for room when the print is cancelled is not sent behind heaters off."""
    async with MarlinStand("marlin-stock") as stand:
        await stand.ready()
        await stand.start(file_of("G28\n" + "G4 S5\n" * 5))
        await stand.phase(PrintPhase.PRINTING)
        for number in range(6):  # more than the window holds
            stand.driver.submit(Adjust("mk3", f"a{number}", "mark-1", Adjustment(hotend=200 + number)))
        await stand.cancel()
        assert (await stand.answered("a5")).result is OrderResult.UNCLEAR
        await stand.phase(PrintPhase.CANCELED)
        assert stand.board.hotend.target == 0
        ran = stand.ledger.executed("host")
        assert not [line for line in ran[ran.index("M104 S0") :] if line.startswith("M104 S2")]
        assert (await adjust(stand, Adjustment(hotend=50))).result is OrderResult.REFUSED


@on_virtual_time
async def test_babysteps_only_where_the_firmware_has_them(file_of: FileOf) -> None:
    async with MarlinStand() as stand:
        await stand.ready()
        await stand.start(file_of(LONG))
        answer = await adjust(stand, Adjustment(z_step=0.05))
        assert answer.result is OrderResult.REFUSED
        assert "BABYSTEPPING" in (answer.message or "")


@on_virtual_time
async def test_a_light_only_where_the_firmware_has_one(file_of: FileOf) -> None:
    async with MarlinStand() as stand:
        await stand.ready()
        await stand.start(file_of(LONG))
        answer = await adjust(stand, Adjustment(light=True))
        assert answer.result is OrderResult.REFUSED
        assert "TOGGLE_LIGHTS" in (answer.message or "")
    assert list(lines_for(Adjustment(light=True, fan=0))) == ["M107", "M355 S1"]


# -- prompts ----------------------------------------------------------------------------------------------


async def asked(stand: MarlinStand) -> int:
    await stand.until(lambda: stand.driver.snapshot().prompt is not None)
    prompt = stand.driver.snapshot().prompt
    assert prompt is not None
    return prompt.number


@on_virtual_time
async def test_a_prompt_is_told_and_answered(file_of: FileOf) -> None:
    async with MarlinStand() as stand:
        await stand.ready()
        await stand.start(file_of("G28\nG1 X5 F6000\nM0 Insert the magnet\nG1 X10\n"))
        number = await asked(stand)
        prompt = stand.driver.snapshot().prompt
        assert prompt is not None
        assert (prompt.text, prompt.choices) == ("Insert the magnet", ("Continue",))
        await stand.until(lambda: stand.seen[-1].prompt == prompt, 2)
        answer = await stand.give(AnswerPrompt("mk3", stand.new_order_id(), number, 0))
        assert answer.result is OrderResult.ACCEPTED
        await stand.phase(PrintPhase.COMPLETED, 30)
        assert stand.moves() == ["G1 X5 F6000", "G1 X10"]
        assert stand.driver.snapshot().prompt is None


@on_virtual_time
async def test_only_what_is_asked_and_offered_is_answered(file_of: FileOf) -> None:
    async with MarlinStand() as stand:
        await stand.ready()
        await stand.start(file_of("G28\nM0 Now\nG1 X10 F6000\n"))
        number = await asked(stand)
        for wrong in ((number, 1), (number, -1), (number + 1, 0), (number - 1, 0)):
            answer = await stand.give(AnswerPrompt("mk3", stand.new_order_id(), *wrong))
            assert answer.result is OrderResult.REFUSED
            assert answer.message
        await asyncio.sleep(10)
        assert stand.moves() == []


@on_virtual_time
async def test_a_question_ends_with_the_board_that_asked_it(file_of: FileOf) -> None:
    async with MarlinStand() as stand:
        await stand.ready()
        await stand.start(file_of("G28\nM0 Now\nG1 X10 F6000\n"))
        await asked(stand)
        stand.board.reset(stand.wire.now)
        stand.wire.turn()
        await stand.until(lambda: stand.driver.snapshot().prompt is None)
