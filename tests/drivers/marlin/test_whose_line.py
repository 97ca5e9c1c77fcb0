"""The printer's last line is none of the print's: reset boards are cooled, boards of others left alone."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from firmware_sim.machine.board import Board
from gateway.domain.observations import OrderResult, PrintPhase, PrintReport
from gateway.drivers.contract import LineKind, OpenRecord
from tests.support.board_port import BoardWire
from tests.support.marlin_stand import MarlinStand, MemoryRecord, on_virtual_time, used_by_others

CARD = b"G28\n" + b"".join(b"G1 X%d Y9 F3000\n" % (i % 2 * 150) for i in range(60))
#: Un-numbered questions, and the refused one for the position (which never runs).
ONLY_ASKED = {"M105", "M115"}


async def booted(personality: str, *lines: bytes, **board_options: object) -> BoardWire:
    """A board that has been up for a while, with somebody's lines done."""
    wire = BoardWire(Board(personality, **board_options))  # type: ignore[arg-type]
    wire.turn()
    await asyncio.sleep(2)
    for line in lines:
        wire.carry(line + b"\n")
        await asyncio.sleep(0.1)
    return wire


def record_of(gcode: Path) -> MemoryRecord:
    """A print that a former host left at its line 57."""
    sha256 = hashlib.sha256(gcode.read_bytes()).hexdigest()
    record = MemoryRecord(
        OpenRecord("mark-0", str(gcode), sha256, gcode.stat().st_size, "clip.gcode", 57, 900, 44)
    )
    record.entries = [(number, 0, 0, LineKind.JOB) for number in range(3, 58)]
    return record


async def held(stand: MarlinStand) -> PrintReport:
    await stand.ready()
    await stand.until(lambda: stand.driver.recovery is None)
    await asyncio.sleep(30)
    report = await stand.phase(PrintPhase.HELD, 1)
    assert report.key == "mark-0"
    return report


@pytest.mark.parametrize("personality", ["marlin-stock", "marlin-bare", "marlin-full", "marlin-sd"])
@on_virtual_time
async def test_a_board_without_any_numbered_line_is_cooled(personality: str, gcode: Path) -> None:
    """It was reset; whatever is hot was heated at its panel, or by a firmware that only lost its numbers."""
    wire = await booted(personality, b"M104 S60", b"M140 S50")
    async with MarlinStand(wire=wire, record=record_of(gcode)) as stand:
        report = await held(stand)
        assert stand.board.hotend.target == stand.board.bed.target == 0
        assert "was reset" in (report.message or "")
        assert "heaters are switched off" in (report.message or "")
        assert (await stand.resume("mark-0")).result is OrderResult.REFUSED
        assert stand.moves() == []


@pytest.mark.parametrize("number", [12, 4711], ids=["below what it had", "beyond what it had"])
@pytest.mark.parametrize("personality", ["marlin-stock", "marlin-full"])
@on_virtual_time
async def test_a_board_with_another_programs_line_is_not_touched(
    personality: str, number: int, gcode: Path
) -> None:
    wire = await used_by_others(personality, number)
    wire.carry(b"M104 S60\n")
    await asyncio.sleep(0.1)
    record = record_of(gcode)
    record.entries = [entry for entry in record.entries if entry[0] > 20]
    async with MarlinStand(wire=wire, record=record) as stand:
        before = len(stand.ledger.executed("host"))
        report = await held(stand)
        assert set(stand.ledger.executed("host")[before:]) <= ONLY_ASKED
        assert stand.board.hotend.target == 60
        assert f"last line is {number}" in (report.message or "")
        assert "another program" in (report.message or "")
        assert (await stand.cancel("mark-0")).result is OrderResult.ACCEPTED
        await stand.phase(PrintPhase.CANCELED)
        assert stand.board.hotend.target == 0


@pytest.mark.parametrize("personality", ["marlin-full", "marlin-sd"])
@on_virtual_time
async def test_a_reset_board_that_prints_from_its_card_is_not_touched(personality: str, gcode: Path) -> None:
    wire = await booted(personality, b"M104 S60", sd_files={"m.gco": CARD})
    async with MarlinStand(wire=wire, record=record_of(gcode)) as stand:
        stand.panel("start", "m.gco")
        report = await held(stand)
        assert set(stand.ledger.executed("host")) <= {*ONLY_ASKED, "M27", "M104 S60"}
        assert stand.board.hotend.target == 60
        assert "from its card" in (report.message or "")
        await stand.until(lambda: len(stand.ledger.executed("sd")) >= 61)
