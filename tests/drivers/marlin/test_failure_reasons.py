"""Every way a link can end, brought about at a simulated machine: what becomes of the print, what is said.

The table is the test: one row for each FailureReason, none missing.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.domain.observations import OrderResult, PrintPhase
from gateway.drivers.contract import OpenRecord
from gateway.protocol.marlin.failures import FailureReason
from tests.support.marlin_stand import MarlinStand, MemoryRecord, on_virtual_time

FileOf = Callable[[str], Path]
MOVES = [f"G1 X{i % 2 * 150} Y{i} F3000" for i in range(90)]
PRINT = "\n".join(["M140 S50", "M104 S60", "G28", *MOVES, ""])
#: What a person is told to do: one of these stands in every message.
ADVICE = re.compile(r"\b(Check|Look at|use a shorter|Cancel it|recovered|reset it)\b")


@dataclass(frozen=True)
class Row:
    """`bring_about` does it; the rest is what must follow."""

    reason: FailureReason
    bring_about: Callable[[MarlinStand], None]
    phase: PrintPhase
    keyword: str
    says: str
    is_cooled: bool
    personality: str = "marlin-stock"
    is_before_print: bool = False
    """The link never came up: what is unfinished is a print of a former host."""


def silence(stand: MarlinStand) -> None:
    stand.board.fault_silent(3000.0, stand.wire.now)


def garble(stand: MarlinStand) -> None:
    """Another rate than the board's: bytes come, and none of them make sense."""
    stand.wire.spoil = lambda data: b""

    def chatter() -> None:
        assert stand.wire.port is not None
        stand.wire.port.deliver(b"\xf8\x80x\xfe\n\x86\x98\xe6\n")
        asyncio.get_running_loop().call_later(1.0, chatter)

    asyncio.get_running_loop().call_later(0.1, chatter)


def swallow_numbered(stand: MarlinStand) -> None:
    """A cable, or another program, that lets no numbered line through."""
    stand.wire.spoil = lambda data: b"".join(
        line for line in data.splitlines(keepends=True) if not line.startswith(b"N")
    )


def reset(stand: MarlinStand) -> None:
    stand.board.reset(stand.wire.now)
    stand.wire.turn()


def kill(stand: MarlinStand) -> None:
    stand.board.kill_button(stand.wire.now)
    stand.wire.turn()


def break_sensor(stand: MarlinStand) -> None:
    stand.board.fault_heater("E0", "open", stand.wire.now)
    stand.wire.turn()


def spoil_one_line(stand: MarlinStand) -> None:
    stand.wire.spoil = lambda data: data.replace(b" Y60 ", b" Y61 ")


def renumber(to: int) -> Callable[[MarlinStand], None]:
    """Another program's M110."""
    return lambda stand: stand.board.renumber(to)


R, P = FailureReason, PrintPhase
TABLE = [
    Row(R.NO_ANSWER, silence, P.HELD, "printer-stopped", "does not answer", False, is_before_print=True),
    Row(R.NOT_UNDERSTOOD, garble, P.HELD, "printer-stopped", "make no sense", False, is_before_print=True),
    Row(R.NUMBERS_NOT_ACCEPTED, swallow_numbered, P.HELD, "", "numbered lines", False, is_before_print=True),
    Row(R.WENT_SILENT, silence, P.HELD, "printer-stopped", "stopped answering", False),
    Row(R.RESTARTED, reset, P.HELD, "printer-stopped", "was reset", True),
    Row(R.POSITION_LOST, renumber(0), P.HELD, "printer-stopped", "has forgotten the lines", True),
    Row(R.LINE_REFUSED, spoil_one_line, P.FAILED, "aborted-by-system", "refused one line", True),
    Row(R.NUMBERS_DISAGREE, renumber(5000), P.FAILED, "aborted-by-system", "never sent", True),
    Row(R.KILLED, kill, P.FAILED, "aborted-by-system", "emergency stop", True),
    Row(R.KILLED, kill, P.FAILED, "aborted-by-system", "emergency stop", True, "prusa"),
    Row(R.THERMAL, break_sensor, P.FAILED, "aborted-by-system", "MINTEMP", True),
    Row(R.THERMAL, break_sensor, P.FAILED, "aborted-by-system", "MINTEMP", True, "prusa"),
    Row(R.STOPPED, break_sensor, P.FAILED, "aborted-by-system", "refuses every command", True, "repetier"),
]


def test_no_reason_is_left_out() -> None:
    assert {row.reason for row in TABLE} == set(FailureReason)


@pytest.mark.parametrize("reason", FailureReason)
def test_every_message_is_for_people(reason: FailureReason) -> None:
    """Whole sentences: what happened; and what to do, unless the driver adds it."""
    message = reason.message
    assert message[0].isupper()
    assert message.endswith(".")
    assert ADVICE.search(message) or reason.is_reset


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.reason}-{row.personality}")
@on_virtual_time
async def test_what_becomes_of_the_print(row: Row, file_of: FileOf) -> None:
    path = file_of(PRINT)
    if row.is_before_print:
        await with_a_print_of_a_former_host(row, path)
    else:
        await with_a_print_under_way(row, path)


async def with_a_print_under_way(row: Row, path: Path) -> None:
    async with MarlinStand(row.personality) as stand:
        await stand.ready()
        assert (await stand.start(path)).result is OrderResult.ACCEPTED
        await stand.until(lambda: len(stand.moves()) > 30)
        assert stand.board.hotend.target == 60
        row.bring_about(stand)
        report = await stand.phase(row.phase)
        assert report.reason == row.keyword
        message = report.message or ""
        assert row.says in message
        if row.reason is not FailureReason.WENT_SILENT:  # its print may go on: it is being asked
            assert ADVICE.search(message), message
        assert not re.search(r"\.\.|  |None|SD card ok", message), message
        await asyncio.sleep(5)
        done = stand.moves()  # what the firmware had accepted before is through
        assert done == MOVES[: len(done)]
        assert len(done) < len(MOVES)
        await asyncio.sleep(300)
        assert stand.moves() == done, "nothing more of the file"
        assert (stand.board.hotend.target, stand.board.bed.target) == ((0, 0) if row.is_cooled else (60, 50))
        assert stand.record.is_open == (row.phase is PrintPhase.HELD)


async def with_a_print_of_a_former_host(row: Row, path: Path) -> None:
    """It stays held, whatever keeps the printer from being asked; its card says why that is."""
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    left = OpenRecord("mark-0", str(path), sha256, path.stat().st_size, path.name, 57, 900, 44)
    numbers = row.reason is FailureReason.NUMBERS_NOT_ACCEPTED  # with a held print none are given
    async with MarlinStand(row.personality, record=MemoryRecord(None if numbers else left)) as stand:
        row.bring_about(stand)
        await stand.until(lambda: any(row.says in (shot.link_reason or "") for shot in stand.seen), 400)
        current = stand.driver.snapshot().current
        if not numbers:
            assert current is not None
            assert (current.phase, current.reason, current.key) == (row.phase, row.keyword, "mark-0")
        answer = await stand.start(path)
        assert answer.result is OrderResult.REFUSED
        await asyncio.sleep(300)
        assert stand.moves() == []
        assert not {"M104 S60", "M140 S50", "G28"} & set(stand.ledger.executed("host"))
        assert stand.record.is_open != numbers
