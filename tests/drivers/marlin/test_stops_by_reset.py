"""Firmware that resets itself on M112: the host sees `start`, and that is the stop, obeyed.

Prusa says why it dies and asks for a press of the knob in its next life; Repetier says `start` alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.domain.observations import Activity, LinkState, OrderResult, PrintPhase
from tests.support.marlin_stand import MarlinStand, on_virtual_time

FileOf = Callable[[str], Path]
RESETTING = ["prusa", "repetier"]
PRINT = "M140 S50\nM104 S60\nG28\n" + "".join(f"G1 X{i % 2 * 150} Y{i} F3000\n" for i in range(90))


def is_cold(stand: MarlinStand) -> bool:
    """Whether the machine itself has both heaters off."""
    return stand.board.hotend.target == stand.board.bed.target == 0


def stops_sent(stand: MarlinStand) -> int:
    """M112s that went to the port."""
    assert stand.wire.port is not None
    return bytes(stand.wire.port.written).count(b"M112")


async def printing(stand: MarlinStand, path: Path) -> None:
    await stand.ready()
    assert (await stand.start(path)).result is OrderResult.ACCEPTED
    await stand.until(lambda: len(stand.moves()) > 30)


@pytest.mark.parametrize("is_hushed", [False, True], ids=["last words heard", "last words lost"])
@pytest.mark.parametrize("personality", RESETTING)
@on_virtual_time
async def test_a_reset_behind_the_stop_is_the_stop_obeyed(
    personality: str, is_hushed: bool, file_of: FileOf
) -> None:
    async with MarlinStand(personality) as stand:
        await printing(stand, file_of(PRINT))
        if is_hushed:
            lose_last_words(stand)
        assert (await stand.stop()).result is OrderResult.ACCEPTED
        report = await stand.phase(PrintPhase.FAILED, 30)
        assert report.reason == "aborted-by-system"
        assert "emergency stop" in (report.message or "")
        assert is_cold(stand)
        ran, stops = stand.moves(), stops_sent(stand)
        await asyncio.sleep(120)
        assert stand.moves() == ran == PRINT.splitlines()[3:][: len(ran)]
        assert (stand.ledger.count("kill"), stand.ledger.count("boot")) == (1, 2), "stopped once"
        assert stops_sent(stand) == stops
        assert is_cold(stand)
        assert not stand.record.is_open


def lose_last_words(stand: MarlinStand) -> None:
    """Nothing of what the board says before `start` arrives."""
    port = stand.wire.port
    assert port is not None
    deliver = port.deliver

    def hushed(data: bytes) -> None:
        kept = [
            line for line in data.splitlines(keepends=True) if b"kill" not in line and b"M112" not in line
        ]
        deliver(b"".join(kept))

    port.deliver = hushed  # type: ignore[method-assign]


@pytest.mark.parametrize("personality", RESETTING)
@on_virtual_time
async def test_a_stop_while_the_board_boots_is_not_repeated_for_ever(personality: str) -> None:
    """Each M112 that is read resets it, and each reset would bring the next M112."""
    async with MarlinStand(personality) as stand:
        await stand.ready()
        stand.board.reset(stand.wire.now)
        stand.wire.turn()
        assert (await stand.stop()).result is OrderResult.ACCEPTED
        await asyncio.sleep(60)
        assert stops_sent(stand) <= 3
        assert stand.ledger.count("boot") <= 4


@on_virtual_time
async def test_an_idle_repetier_that_was_stopped_is_ready_again(file_of: FileOf) -> None:
    async with MarlinStand("repetier") as stand:
        await stand.ready()
        await stand.gcode("M104 S60")
        assert (await stand.stop()).result is OrderResult.ACCEPTED
        await stand.until(lambda: stand.ledger.count("boot") == 2, 5)
        await asyncio.sleep(30)
        assert stand.driver.snapshot().link is LinkState.UP
        assert is_cold(stand)
        await printing(stand, file_of(PRINT))


@on_virtual_time
async def test_a_stopped_prusa_asks_for_its_knob_and_goes_on_behind_it(file_of: FileOf) -> None:
    async with MarlinStand("prusa") as stand:
        await printing(stand, file_of(PRINT))
        await stand.stop()
        await stand.phase(PrintPhase.FAILED, 30)
        assert stand.driver.snapshot().activity is Activity.ERROR
        await asyncio.sleep(120)
        shot = stand.driver.snapshot()
        assert shot.link is LinkState.CONNECTING
        assert "press its knob" in (shot.link_reason or "")
        answer = await stand.start(file_of("G28\n"), "next")
        assert answer.result is OrderResult.REFUSED
        assert "press its knob" in (answer.message or "")
        stand.panel("click")
        await stand.ready()
        assert (await stand.start(file_of("G28\nG1 X1 F600\n"), "after")).result is OrderResult.ACCEPTED
        await stand.phase(PrintPhase.COMPLETED)


# -- a heater's fault --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "words"), [("open", "MINTEMP"), ("short", "MAXTEMP"), ("dead", "THERMAL RUNAWAY")]
)
@on_virtual_time
async def test_a_heater_fault_on_a_prusa_that_is_busy_for_ever(
    fault: str, words: str, file_of: FileOf
) -> None:
    """It does not halt: it drops every line without an ok and says `busy: paused for user`."""
    async with MarlinStand("prusa") as stand:
        await stand.ready()
        await stand.start(file_of("M140 S50\nM109 S200\n" + PRINT))
        await asyncio.sleep(8)
        stand.board.fault_heater("E0", fault, stand.wire.now)
        stand.wire.turn()
        report = await stand.phase(PrintPhase.FAILED)
        assert report.reason == "aborted-by-system"
        assert "heater protection" in (report.message or "")
        assert words in (report.message or "")
        ran = stand.ledger.executed("host")
        await asyncio.sleep(120)
        assert stand.ledger.executed("host") == ran
        assert is_cold(stand)
        shot = stand.driver.snapshot()
        assert shot.activity is Activity.ERROR
        assert words in (shot.message or "")
        assert not stand.record.is_open


@pytest.mark.parametrize("fault", ["open", "short", "dead"])
@on_virtual_time
async def test_a_heater_fault_on_a_repetier_that_acks_what_it_refuses(fault: str, file_of: FileOf) -> None:
    """`fatal:` comes with an ok for every line: counted, a print would end as if it had been printed."""
    async with MarlinStand("repetier") as stand:
        await stand.ready()
        await stand.start(file_of("M140 S50\nM109 S200\n" + PRINT))
        await asyncio.sleep(8)
        stand.board.fault_heater("E0", fault, stand.wire.now)
        stand.wire.turn()
        report = await stand.phase(PrintPhase.FAILED)
        assert "refuses every command" in (report.message or "")
        assert "eater" in (report.message or "")
        ran = stand.moves()
        await asyncio.sleep(120)
        assert stand.moves() == ran
        assert is_cold(stand)
        assert not stand.record.is_open
