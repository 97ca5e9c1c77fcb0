"""Trouble on the way to a machine: nobody there, a bad file, a pulled cable; judged by what it has done."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from firmware_sim.machine.board import Board
from gateway.domain.observations import Activity, LinkState, OrderResult, PrintPhase
from gateway.drivers.contract import OpenRecord
from gateway.transport.port import Port, PortListener, PortUnavailable
from tests.drivers.marlin.trouble import EVERYONE, LONG_MOVES, FileOf, is_cold, printing
from tests.support.board_port import BoardPort, BoardWire
from tests.support.marlin_stand import MarlinStand, MemoryRecord, on_virtual_time

# -- nobody there, or not understood -----------------------------------------------------------------------


class OddWire(BoardWire):
    """A cable on which everything the board says arrives as `garble` makes it."""

    garble: Callable[[bytes], bytes] = staticmethod(lambda data: data)

    async def open(self, listener: PortListener) -> Port:
        port = await super().open(listener)
        assert isinstance(port, BoardPort)
        deliver = port.deliver
        port.deliver = lambda data: deliver(self.garble(data))  # type: ignore[method-assign]
        return port


@pytest.mark.parametrize(
    ("garble", "words"),
    [
        (lambda data: b"", "switched on"),
        (lambda data: bytes(byte | 0x80 for byte in data if byte % 3), "make no sense"),
        (lambda data: b"\xfe" * len(data), "make no sense"),
        (lambda data: data.replace(b"\n", b"\xff"), "make no sense"),
    ],
    ids=["silent", "noise", "one byte", "no newline"],
)
@on_virtual_time
async def test_a_printer_that_is_not_understood_is_named_with_what_to_do(
    garble: Callable[[bytes], bytes], words: str
) -> None:
    wire = OddWire(Board("marlin-stock"))
    wire.turn()  # it booted before we came
    wire.garble = garble
    async with MarlinStand(wire=wire) as stand:
        await stand.until(lambda: stand.driver.snapshot().link is LinkState.DOWN, 60)
        shot = stand.driver.snapshot()
        assert words in (shot.link_reason or "")
        assert "baud" in (shot.link_reason or "")
        assert shot.activity is None
        assert (await stand.gcode("G28")).result is OrderResult.REFUSED
        wire.garble = lambda data: data
        await stand.until(lambda: stand.driver.snapshot().link is LinkState.UP, 120)
        assert "G28" not in stand.ledger.executed()


@pytest.mark.parametrize("personality", ["marlin-full", "marlin-sd"])
@pytest.mark.parametrize("heats", ["M190 S100", "M109 S200", "G4 S300", "G28\nG28\nG28\nG28\nG28"])
@on_virtual_time
async def test_a_printer_busy_for_minutes_when_we_come_is_waited_for(personality: str, heats: str) -> None:
    card = f"{heats}\nG1 X10 F300\n" + "G1 X90 F3000\nG1 X10 F3000\n" * 40
    stand = MarlinStand(personality, sd_files={"m.gco": card.encode()})
    stand.wire.is_plugged = False
    async with stand:
        await asyncio.sleep(2)
        stand.panel("start", "m.gco")
        await asyncio.sleep(3)
        stand.wire.plug()
        await stand.until(lambda: bool(stand.driver.snapshot().link_reason), 20)
        await asyncio.sleep(60)
        shot = stand.driver.snapshot()
        assert shot.link is LinkState.CONNECTING
        assert "answers afterwards" in (shot.link_reason or "")
        await stand.ready()
        assert stand.wire.opened == 1, "one long handshake, no second try"
        report = await stand.phase(PrintPhase.PRINTING, 30)
        assert report.is_local
        await stand.phase(PrintPhase.COMPLETED)
        assert stand.ledger.count("sd_abort") == 0


@on_virtual_time
async def test_a_port_somebody_else_has_is_tried_again_and_again() -> None:
    stand = MarlinStand("marlin-stock")
    tries: list[float] = []
    opener = stand.wire.open

    async def taken(listener: PortListener) -> Port:
        tries.append(stand.wire.now)
        if len(tries) < 12:
            raise PortUnavailable("Another program uses this port (octoprint). Stop it.")
        return await opener(listener)

    stand.driver._open_port = taken
    async with stand:
        await stand.until(lambda: len(tries) > 3)
        shot = stand.driver.snapshot()
        assert shot.link in (LinkState.DOWN, LinkState.CONNECTING)
        assert "octoprint" in (next(s.link_reason for s in reversed(stand.seen) if s.link_reason) or "")
        answer = await stand.stop()
        assert answer.result is OrderResult.REFUSED
        assert "Switch it off" in (answer.message or "")
        await stand.ready()
        waits = [round(later - earlier, 3) for earlier, later in itertools.pairwise(tries)]
        assert waits == sorted(waits)
        assert 9 < waits[-1] < 11, "six tries a minute"


@pytest.mark.parametrize("personality", EVERYONE)
@on_virtual_time
async def test_the_successor_of_a_killed_host_knows_the_firmware_whatever_was_under_way(
    personality: str, gcode: Path
) -> None:
    """The oks of the lines that were left in the firmware come first."""
    stand = MarlinStand(personality)
    async with stand:
        await printing(stand, gcode)
    async with MarlinStand(record=stand.record, wire=stand.wire) as successor:
        await successor.ready()
        assert (successor.driver.snapshot().firmware or "").startswith("Marlin")
        await asyncio.sleep(1)
        assert successor.driver.link is not None
        assert successor.driver.link.profile.name == "marlin"
        assert (await successor.cancel()).result is OrderResult.ACCEPTED
        await successor.phase(PrintPhase.CANCELED, 60)
        assert successor.board.is_idle


# -- the file ----------------------------------------------------------------------------------------------


@on_virtual_time
async def test_what_cannot_be_printed_is_refused_before_anything_moves(
    tmp_path: Path, file_of: FileOf
) -> None:
    good = file_of("G28\n")
    folder = tmp_path / "folder.gcode"
    folder.mkdir()
    secret = file_of("G28\nG1 X1\n")
    async with MarlinStand("marlin-stock") as stand:
        await stand.ready()
        refused = []
        for key, path, changes in [
            ("empty", file_of(""), {}),
            ("none", tmp_path / "none.gcode", {"size": 4}),
            ("grown", good, {"size": 2}),
            ("shrunk", secret, {"size": 400}),
            ("folder", good, {"path": str(folder), "size": folder.stat().st_size}),
            ("odd", good, {"path": "a\0b"}),
        ]:
            refused.append(await stand.give(replace(stand.start_order(path, key), **changes)))
        assert [answer.result for answer in refused] == [OrderResult.REFUSED] * 6
        assert all(answer.message for answer in refused)
        assert stand.record.opened == []
        assert "G28" not in stand.ledger.executed()
        assert (await stand.start(good)).result is OrderResult.ACCEPTED
        await stand.phase(PrintPhase.COMPLETED)


@on_virtual_time
async def test_a_record_that_cannot_be_opened_refuses_the_start(gcode: Path) -> None:
    class FullRecord(MemoryRecord):
        def open(self, **_: object) -> None:
            raise OSError(28, "No space left on device")

    async with MarlinStand("marlin-stock", record=FullRecord()) as stand:
        await stand.ready()
        answer = await stand.start(gcode)
        assert answer.result is OrderResult.REFUSED
        assert "No space" in (answer.message or "")
        assert stand.driver.snapshot().activity is Activity.READY


@pytest.mark.parametrize("change", ["cut", "grown", "deleted"])
@on_virtual_time
async def test_a_file_that_changes_under_a_print(change: str, file_of: FileOf) -> None:
    """Cut or grown, it is not what was ordered: never completed. Deleted, it is still open and complete."""
    rows = [f"G1 X{i % 100}.125 Y{i % 7} F9000 ; a comment that fills the file" for i in range(4000)]
    path = file_of("G28\nM104 S40\n" + "\n".join(rows) + "\n")
    async with MarlinStand("marlin-full") as stand:
        await printing(stand, path)
        if change == "deleted":
            path.unlink()
        else:
            with path.open("r+b") as file:
                file.truncate(90_000) if change == "cut" else file.seek(0, 2)
                file.write(b"G1 Z100\n")
        if change == "deleted":
            await stand.phase(PrintPhase.COMPLETED)
            assert len(stand.moves()) == 4000
        else:
            report = await stand.phase(PrintPhase.FAILED)
            assert "changed" in (report.message or "")
            assert "G1 Z100" not in stand.moves()[-1:] or change == "cut"
            assert is_cold(stand)
        assert not stand.record.is_open


@pytest.mark.parametrize(
    ("text", "ran"),
    [
        ("G28\nG1 X1 F6000\nM84", ["G28", "G1 X1 F6000", "M84"]),
        ("; head\r\nG28\r\nM84\r\n", ["G28", "M84"]),
        ("G28\n\n\nM84\n\n; settings = 1\n", ["G28", "M84"]),
        ("N0 M110 N0*125\nN1 G28*18\nN2 g1 x5 f6000*1\nM110\nN3 M84\n", ["G28", "G1 X5 F6000", "M84"]),
        ("G28\nM117 C:\\models\\clip\\x\nM84\n", ["G28", "M117 C:/models/clip/x", "M84"]),
        ("\ufeffG28\nM117 Gr\u00fc\u00dfe\n\tM84 ; off\n", ["G28", "M117 Gr??e", "M84"]),
        ("; only a comment\n", []),
    ],
    ids=[
        "no newline at the end",
        "CRLF",
        "blank lines",
        "its own numbers",
        "backslashes",
        "not ASCII",
        "nothing",
    ],
)
@pytest.mark.parametrize("personality", ["marlin-full", "marlin-stock"])
@on_virtual_time
async def test_odd_files_are_printed_to_their_last_line(
    personality: str, text: str, ran: list[str], file_of: FileOf
) -> None:
    async with MarlinStand(personality) as stand:
        await stand.ready()
        before = len(stand.ledger.executed("host"))
        await stand.start(file_of(text))
        report = await stand.phase(PrintPhase.COMPLETED)
        job = [
            line for line in stand.ledger.executed("host")[before:] if not line.startswith(("M105", "M400"))
        ]
        assert job == ran
        assert (report.line or 0) == len(ran)
        assert stand.ledger.count("resend") == 0


# -- the connection ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("personality", EVERYONE)
@on_virtual_time
async def test_unplugged_three_times_a_print_goes_on_and_no_line_is_sent_again(
    personality: str, gcode: Path, moves: list[str]
) -> None:
    async with MarlinStand(personality) as stand:
        await printing(stand, gcode)
        for _ in range(3):
            stand.wire.unplug()
            await stand.phase(PrintPhase.HELD)
            await asyncio.sleep(20)
            stand.wire.plug()
            await stand.ready()
            assert (await stand.pause()).result is OrderResult.REFUSED
            assert (await stand.resume()).result is OrderResult.REFUSED
            assert (await stand.gcode("G28")).result is OrderResult.REFUSED
            assert (await stand.start(gcode, "mark-2")).result is OrderResult.REFUSED
            await stand.phase(PrintPhase.PRINTING)
            done = stand.moves()
            assert done == moves[: len(done)]
        await stand.phase(PrintPhase.COMPLETED)
        assert stand.moves() == moves
        assert stand.board.is_idle


@pytest.mark.parametrize("personality", EVERYONE)
@on_virtual_time
async def test_unplugged_while_it_heats_and_canceled_afterwards(personality: str, file_of: FileOf) -> None:
    """The M109 that was left in the firmware is broken off where that is possible, waited for elsewhere."""
    async with MarlinStand(personality) as stand:
        await stand.ready()
        await stand.start(file_of("M109 S120\nG28\nG1 X10\n" * 2))
        await stand.until(lambda: stand.board.hotend.target == 120)
        stand.wire.unplug()
        await stand.phase(PrintPhase.HELD)
        stand.wire.plug()
        await stand.ready()
        assert (await stand.cancel()).result is OrderResult.ACCEPTED
        await stand.phase(PrintPhase.CANCELED)
        assert is_cold(stand)
        assert stand.board.is_idle


@on_virtual_time
async def test_a_board_that_boots_when_the_port_opens_is_no_continuation(
    gcode: Path, moves: list[str]
) -> None:
    async with MarlinStand("marlin-stock", resets_on_open=True) as stand:
        await printing(stand, gcode)
        stand.wire.unplug()
        stand.wire.plug()
        await stand.phase(PrintPhase.HELD)
        await stand.ready()
        done = stand.moves()
        await asyncio.sleep(60)
        assert stand.moves() == done == moves[: len(done)]
        await stand.cancel()
        await stand.phase(PrintPhase.CANCELED)


@pytest.mark.parametrize("moment", ["down", "handshake", "up"])
@on_virtual_time
async def test_a_held_print_that_a_person_resolved_makes_room_whenever_that_was(
    moment: str, gcode: Path
) -> None:
    async with MarlinStand("marlin-stock", resets_on_open=True) as stand:
        await printing(stand, gcode)
        stand.wire.unplug()
        await stand.phase(PrintPhase.HELD)
        if moment != "down":
            stand.wire.plug()
            await stand.until(lambda: stand.wire.opened == 2)
        if moment == "up":
            await stand.ready()
        stand.acknowledge("mark-1")
        stand.acknowledge("mark-1")
        assert stand.driver.snapshot().current is None
        assert not stand.record.is_open
        stand.wire.plug()
        await asyncio.sleep(15)
        await stand.ready()
        assert (await stand.start(gcode, "mark-1")).result is OrderResult.REFUSED, "never twice for one key"
        assert (await stand.start(gcode, "mark-2")).result is OrderResult.ACCEPTED
        await stand.phase(PrintPhase.COMPLETED)
        cooled = "M104 S0" in stand.ledger.executed()
        assert cooled is (moment == "up"), "the lost position cools it; a person's word sends nothing"


@on_virtual_time
async def test_a_held_print_canceled_twice_leaves_the_next_one_alone(gcode: Path) -> None:
    left = OpenRecord("mark-0", str(gcode), "0" * 64, gcode.stat().st_size, "clip.gcode", 57, 900, 44)
    async with MarlinStand("marlin-stock", record=MemoryRecord(left)) as stand:
        await stand.ready()
        await stand.cancel("mark-0")
        await stand.until(lambda: stand.driver.link is not None or stand.driver.held is None, 5)
        await stand.cancel("mark-0")
        await stand.phase(PrintPhase.CANCELED)
        stand.acknowledge("mark-0")
        await printing_next(stand, gcode)
        stand.wire.unplug()
        await stand.phase(PrintPhase.HELD)
        stand.wire.plug()
        await stand.ready()
        assert (await stand.phase(PrintPhase.COMPLETED)).key == "mark-1"
        assert stand.driver.current() is None


async def printing_next(stand: MarlinStand, path: Path) -> None:
    """Another print, on a stand that has been ready before."""
    assert (await stand.start(path)).result is OrderResult.ACCEPTED
    await stand.until(lambda: len(stand.moves()) > 20)


@pytest.mark.parametrize("personality", EVERYONE)
@on_virtual_time
async def test_silence_short_and_long(personality: str, file_of: FileOf) -> None:
    path = file_of(LONG_MOVES)
    async with MarlinStand(personality) as stand:
        await printing(stand, path, 5)
        stand.board.fault_silent(60.0, stand.wire.now)
        await stand.phase(PrintPhase.COMPLETED)
        assert stand.moves() == LONG_MOVES.splitlines()[1:]
        assert stand.ledger.count("repeat") == 0
    async with MarlinStand(personality) as stand:
        await printing(stand, path, 5)
        stand.board.fault_silent(3000.0, stand.wire.now)
        report = await stand.phase(PrintPhase.HELD)
        assert "stopped answering" in (report.message or "")
        assert stand.record.is_open
        await asyncio.sleep(100)
        assert "stopped" in str([shot.link_reason for shot in stand.seen])
