"""What the former gateway process left, in every state in which it may have died."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from firmware_sim.moonraker.faults import Misfortune, Misfortunes
from gateway.domain.observations import OrderResult, PrintPhase
from gateway.domain.orders import SendGcode
from gateway.drivers.left import LeftPrint
from tests.contract.stand import MARK, on_virtual_time
from tests.drivers.moonraker.test_traps import Slow


def left(phase: PrintPhase | None, *, is_held: bool = False) -> LeftPrint:
    return LeftPrint(MARK, False, phase, is_held, "part.gcode", None, 0.3, None, None)


async def raised(stand: Slow, *prints: LeftPrint) -> None:
    """A new driver host that is told exactly this."""
    stand.driver = stand.new_driver()
    stand.driver.begin(prints)
    stand.run_host()


@on_virtual_time
async def test_until_the_printer_has_spoken_it_is_shown_as_it_was(tmp_path: Path) -> None:
    async with Slow(tmp_path) as stand:
        stand.broker.down()
        await stand.kill_host()
        await raised(stand, left(PrintPhase.PAUSED))
        current = stand.snapshot().current
        assert current is not None
        assert (current.key, current.phase, current.progress) == (MARK, PrintPhase.PAUSED, 0.3)


@on_virtual_time
async def test_a_start_nothing_proved_that_is_not_on_the_machine_is_unclear(tmp_path: Path) -> None:
    async with Slow(tmp_path) as stand:
        await stand.kill_host()
        await raised(stand, left(None))
        assert stand.snapshot().current is None
        answer = await stand.answered(MARK)
        assert answer.result is OrderResult.UNCLEAR
        await asyncio.sleep(60)
        assert stand.physical_starts() == []
        assert stand.snapshot().current is None


@on_virtual_time
async def test_one_that_somebody_was_asked_about_already_is_not_answered(tmp_path: Path) -> None:
    async with Slow(tmp_path) as stand:
        await stand.kill_host()
        await raised(stand, left(None, is_held=True))
        await stand.ready()
        await asyncio.sleep(30)
        assert stand.answers == []


@on_virtual_time
async def test_a_start_whose_reply_nobody_heard_is_proven_by_the_machine(tmp_path: Path) -> None:
    async with Slow(
        tmp_path, faults=Misfortunes([Misfortune("reply-lost", method="printer.print.start")])
    ) as stand:
        await stand.ready()
        await stand.submit(stand.start_order(stand.print_file()))
        await stand.until(stand.physical_starts)
        await stand.kill_host()
        stand.answers.clear()
        await raised(stand, left(None))
        assert (await stand.answered(MARK)).result is OrderResult.ACCEPTED
        assert (await stand.phase(PrintPhase.PRINTING)).key == MARK
        await stand.phase(PrintPhase.COMPLETED)
        assert stand.physical_starts() == ["gateway"]


@pytest.mark.parametrize("phase", [None, PrintPhase.PRINTING], ids=["unproven", "printing"])
@on_virtual_time
async def test_an_end_in_the_dark_behind_another_print_is_told_with_its_own_key(
    tmp_path: Path, phase: PrintPhase | None
) -> None:
    """print_stats speaks of the second print; the history has both."""
    async with Slow(tmp_path) as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        await stand.kill_host()
        await asyncio.sleep(600)
        stand.panel_start()
        await asyncio.sleep(600)
        stand.seen.clear()
        stand.answers.clear()
        await raised(stand, left(phase))
        await stand.until(lambda: len(stand.snapshot().ended) == 2, 60)
        mine, local = sorted(stand.snapshot().ended, key=lambda report: report.is_local)
        assert (mine.key, mine.phase) == (MARK, PrintPhase.COMPLETED)
        assert (local.name, local.phase) == ("vase.gcode", PrintPhase.COMPLETED)
        assert [answer.result for answer in stand.answers] == (
            [OrderResult.ACCEPTED] if phase is None else []
        )


@on_virtual_time
async def test_a_print_that_died_with_klipper_while_nobody_watched_has_failed(tmp_path: Path) -> None:
    async with Slow(tmp_path) as stand:
        await stand.ready()
        await stand.start(stand.print_file())
        await stand.moved(0.2)
        await stand.kill_host()
        stand.wire.act(stand.machine.restart_klippy)
        await asyncio.sleep(30)
        await stand.raise_host()
        ended = await stand.phase(PrintPhase.FAILED, seconds=60)
        assert (ended.key, ended.is_local) == (MARK, False)
        assert ended.message


@on_virtual_time
async def test_a_local_print_is_known_again_by_its_row(tmp_path: Path) -> None:
    async with Slow(tmp_path) as stand:
        await stand.ready()
        stand.panel_start()
        seen = await stand.phase(PrintPhase.PRINTING)
        await stand.kill_host()
        await asyncio.sleep(600)
        await stand.raise_host()
        ended = await stand.phase(PrintPhase.COMPLETED, seconds=60)
        assert ended.key == seen.key
        assert len(stand.snapshot().ended) == 1


@on_virtual_time
async def test_an_unclear_start_that_a_person_gave_up_cannot_begin_any_more(tmp_path: Path) -> None:
    """Its file is removed: what waits behind somebody's script finds nothing to print."""
    async with Slow(
        tmp_path, faults=Misfortunes([Misfortune("request-lost", method="printer.print.start")])
    ) as stand:
        await stand.ready()
        assert (await stand.start(stand.print_file())).result is OrderResult.UNCLEAR
        assert len(stand.stored()) == 2
        stand.acknowledge(MARK)
        await asyncio.sleep(1)
        assert stand.stored().keys() == {"vase.gcode"}
        again = await stand.start(stand.print_file(), order_id="again")
        assert again.result is OrderResult.REFUSED


@on_virtual_time
async def test_many_orders_without_an_answer_stop_neither_the_polls_nor_the_emergency_stop(
    tmp_path: Path,
) -> None:
    async with Slow(tmp_path) as stand:
        await stand.ready()
        stand.machine.server.run_script("G4 P600000", "panel")
        stand.wire.stir()
        orders = [SendGcode(stand.printer, stand.new_order_id(), ("M105",)) for _ in range(100)]
        for order in orders:
            await stand.submit(order)
        await asyncio.sleep(30)
        assert (stand.snapshot().silent_for or 99) < 10
        refused = [answer for answer in stand.answers if answer.result is OrderResult.REFUSED]
        assert len(refused) > 40
        assert (await stand.emergency()).result is OrderResult.ACCEPTED
        assert stand.is_stopped()
