"""Prints streamed from the host, judged by what the simulated machine did."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from gateway.domain.observations import Activity, LinkState, OrderResult, PrintPhase
from gateway.drivers.contract import LineKind, OpenRecord
from tests.support.marlin_stand import MarlinStand, MemoryRecord, on_virtual_time, used_by_others

PERSONALITIES = ["marlin-full", "marlin-stock", "marlin-bare", "marlin-sd"]


@pytest.mark.parametrize("personality", PERSONALITIES)
@on_virtual_time
async def test_a_print_from_start_to_end(personality: str, gcode: Path, moves: list[str]) -> None:
    async with MarlinStand(personality) as stand:
        await stand.ready()
        shot = stand.driver.snapshot()
        assert shot.activity is Activity.READY
        assert (shot.firmware or "").startswith("Marlin")
        answer = await stand.start(gcode)
        assert answer.result is OrderResult.ACCEPTED
        report = await stand.phase(PrintPhase.COMPLETED)
        assert stand.board.is_idle
        assert stand.moves() == moves
        assert report.progress == 1.0
        assert report.line == 203
        assert report.position == gcode.stat().st_size
        phases = [shot.current.phase for shot in stand.seen if shot.current]
        assert list(dict.fromkeys(phases)) == [PrintPhase.STARTING, PrintPhase.PRINTING]
        assert not stand.record.is_open
        assert stand.driver.snapshot().activity is Activity.READY


@on_virtual_time
async def test_every_line_is_recorded_before_it_goes_out(gcode: Path) -> None:
    async with MarlinStand("marlin-stock") as stand:
        await stand.ready()
        before = len(stand.wire.port.written)  # type: ignore[union-attr]
        await stand.start(gcode)
        await stand.phase(PrintPhase.COMPLETED)
        written = bytes(stand.wire.port.written)[before:].decode()  # type: ignore[union-attr]
        numbers = [int(line[1:].split()[0]) for line in written.splitlines() if line.startswith("N")]
        begin, *lines = stand.record.entries
        assert begin[1:] == (0, 0, LineKind.HANDSHAKE), "what the firmware has before the first line"
        recorded = [entry[0] for entry in lines]
        assert recorded[0] == begin[0] + 1
        assert numbers[: len(recorded)] == recorded
        job = [entry for entry in stand.record.entries if entry[3] is LineKind.JOB]
        assert [entry[2] for entry in job] == list(range(1, 204))
        assert job[-1][1] == gcode.stat().st_size
        assert not [line for line in written.splitlines() if not line.startswith("N")], "only numbered lines"


@on_virtual_time
async def test_reports_come_at_most_twice_a_second(gcode: Path) -> None:
    async with MarlinStand() as stand:
        await stand.ready()
        began, count = stand.wire.now, len(stand.seen)
        await stand.start(gcode)
        await stand.phase(PrintPhase.COMPLETED)
        seconds = stand.wire.now - began
        assert len(stand.seen) - count <= 2 * seconds + 6
        positions = [shot.current.position for shot in stand.seen if shot.current and shot.current.position]
        assert positions == sorted(positions)


@pytest.mark.parametrize("personality", ["marlin-full", "marlin-stock"])
@on_virtual_time
async def test_paused_means_it_stands(personality: str, gcode: Path, moves: list[str]) -> None:
    async with MarlinStand(personality) as stand:
        await stand.ready()
        await stand.start(gcode)
        await stand.until(lambda: len(stand.moves()) > 50)
        assert (await stand.pause()).result is OrderResult.ACCEPTED
        await stand.phase(PrintPhase.PAUSED)
        assert stand.board.is_idle
        done = len(stand.moves())
        assert stand.driver.snapshot().activity is Activity.PAUSED
        began = stand.wire.now
        await stand.until(lambda: stand.wire.now > began + 30)
        assert len(stand.moves()) == done
        assert (await stand.resume()).result is OrderResult.ACCEPTED
        await stand.phase(PrintPhase.COMPLETED)
        assert stand.moves() == moves


@pytest.mark.parametrize("personality", ["marlin-full", "marlin-stock"])
@on_virtual_time
async def test_canceled_means_no_motion_and_cold(personality: str, tmp_path: Path) -> None:
    path = tmp_path / "hot.gcode"
    path.write_text("G28\nM104 S200\nM140 S60\n" + "".join(f"G1 X{i % 200} F3000\n" for i in range(500)))
    async with MarlinStand(personality) as stand:
        await stand.ready()
        await stand.start(path)
        await stand.until(lambda: len(stand.moves()) > 20)
        assert (await stand.cancel()).result is OrderResult.ACCEPTED
        at_cancel = len(stand.moves())
        report = await stand.phase(PrintPhase.CANCELED)
        assert report.reason == "job-canceled-by-user"
        assert stand.board.is_idle
        assert len(stand.moves()) <= at_cancel + 8
        assert {"M104 S0", "M140 S0", "M84"} <= set(stand.ledger.executed("host"))
        assert not stand.record.is_open
        assert (await stand.start(path, "mark-2")).result is OrderResult.ACCEPTED


@on_virtual_time
async def test_cancel_while_heating_breaks_the_wait(tmp_path: Path) -> None:
    path = tmp_path / "hot.gcode"
    path.write_text("M190 S60\nM109 S200\nG28\nG1 X10\n")
    async with MarlinStand("marlin-full") as stand:
        await stand.ready()
        await stand.start(path)
        await stand.until(lambda: "B_target" in stand.driver.snapshot().temperatures)
        began = stand.wire.now
        await stand.cancel()
        await stand.phase(PrintPhase.CANCELED)
        assert stand.wire.now - began < 30
        assert "M104 S0" in stand.ledger.executed("host")
        assert stand.moves() == []


@on_virtual_time
async def test_cancel_while_heating_without_emergency_parser_says_so(tmp_path: Path) -> None:
    path = tmp_path / "hot.gcode"
    path.write_text("M109 S60\nG28\nG1 X10\nG1 X20\n")
    async with MarlinStand("marlin-stock") as stand:
        await stand.ready()
        await stand.start(path)
        await stand.until(lambda: stand.wire.now > 10)
        answer = await stand.cancel()
        assert answer.result is OrderResult.ACCEPTED
        assert "emergency" in (answer.message or "")
        report = await stand.phase(PrintPhase.CANCELED)
        assert report.reason == "job-canceled-by-user"


@on_virtual_time
async def test_buttons_at_the_printer(gcode: Path, moves: list[str]) -> None:
    async with MarlinStand("marlin-full") as stand:
        await stand.ready()
        await stand.start(gcode)
        await stand.until(lambda: len(stand.moves()) > 20)
        stand.board.host_action("pause")
        stand.wire.turn()
        await stand.phase(PrintPhase.PAUSED)
        stand.board.host_action("resume")
        stand.wire.turn()
        await stand.phase(PrintPhase.PRINTING)
        stand.board.host_action("cancel")
        stand.wire.turn()
        report = await stand.phase(PrintPhase.CANCELED)
        assert report.reason == "job-canceled-at-device"
        assert stand.moves() == moves[: len(stand.moves())]


@pytest.mark.parametrize("personality", ["marlin-full", "marlin-stock"])
@on_virtual_time
async def test_emergency_stop(personality: str, gcode: Path) -> None:
    async with MarlinStand(personality) as stand:
        await stand.ready()
        await stand.start(gcode)
        await stand.until(lambda: len(stand.moves()) > 20)
        assert (await stand.stop()).result is OrderResult.ACCEPTED
        report = await stand.phase(PrintPhase.FAILED)
        assert stand.board.is_halted
        assert report.reason == "aborted-by-system"
        shot = stand.driver.snapshot()
        assert shot.activity is Activity.ERROR
        assert "M112" in (shot.message or "")
        answer = await stand.start(gcode, "mark-2")
        assert answer.result is OrderResult.REFUSED
        assert "reset" in (answer.message or "")
        stand.board.reset(stand.wire.now)
        stand.wire.turn()
        await stand.until(lambda: stand.driver.snapshot().activity is Activity.READY)
        stand.acknowledge("mark-1")
        assert stand.driver.snapshot().ended == ()


@on_virtual_time
async def test_a_thermistor_fails_in_mid_print(tmp_path: Path) -> None:
    path = tmp_path / "hot.gcode"
    path.write_text("M104 S100\n" + "G1 X10 F600\nG1 X0 F600\n" * 200)
    async with MarlinStand("marlin-full") as stand:
        await stand.ready()
        await stand.start(path)
        await stand.until(lambda: len(stand.moves()) > 5)
        stand.board.fault_heater("E0", "open", stand.wire.now)
        stand.wire.turn()
        report = await stand.phase(PrintPhase.FAILED)
        assert "MINTEMP" in (report.message or "")
        assert stand.driver.snapshot().activity is Activity.ERROR


@on_virtual_time
async def test_a_reset_in_mid_print_is_held_and_never_restarted(gcode: Path, moves: list[str]) -> None:
    async with MarlinStand("marlin-stock") as stand:
        await stand.ready()
        await stand.start(gcode)
        await stand.until(lambda: len(stand.moves()) > 20)
        stand.board.reset(stand.wire.now)
        stand.wire.turn()
        report = await stand.phase(PrintPhase.HELD)
        assert "reset" in (report.message or "")
        done = stand.moves()
        began = stand.wire.now
        await stand.until(lambda: stand.wire.now > began + 60)
        assert stand.moves() == done == moves[: len(done)]
        assert (await stand.start(gcode, "mark-2")).result is OrderResult.REFUSED
        assert (await stand.cancel()).result is OrderResult.ACCEPTED
        await stand.phase(PrintPhase.CANCELED)
        assert (await stand.start(gcode, "mark-3")).result is OrderResult.ACCEPTED


@on_virtual_time
async def test_the_cable_is_pulled_in_mid_print(gcode: Path, moves: list[str]) -> None:
    async with MarlinStand("marlin-stock") as stand:
        await stand.ready()
        await stand.start(gcode)
        await stand.until(lambda: len(stand.moves()) > 20)
        stand.wire.unplug()
        await stand.until(lambda: stand.driver.snapshot().link is LinkState.DOWN)
        report = await stand.phase(PrintPhase.HELD)
        assert "lost" in (report.message or "")
        assert (await stand.cancel()).result is OrderResult.REFUSED
        assert stand.record.is_open
        stand.wire.plug()
        await stand.phase(PrintPhase.COMPLETED)
        assert stand.moves() == moves
        assert not stand.record.is_open


@on_virtual_time
async def test_a_cable_that_resets_the_board_holds_the_print(gcode: Path, moves: list[str]) -> None:
    async with MarlinStand("marlin-stock") as stand:
        await stand.ready()
        await stand.start(gcode)
        await stand.until(lambda: len(stand.moves()) > 20)
        stand.wire.unplug()
        stand.wire.resets_on_open = True
        stand.wire.plug()
        await stand.until(lambda: "reset" in ((stand.driver.held and stand.driver.held.message) or ""))
        await stand.ready()
        began, done = stand.wire.now, stand.moves()
        await stand.until(lambda: stand.wire.now > began + 300)
        assert stand.moves() == done == moves[: len(done)]
        await stand.cancel()
        await stand.phase(PrintPhase.CANCELED)
        assert not stand.record.is_open


@on_virtual_time
async def test_an_unfinished_record_is_held_and_nothing_touched(gcode: Path) -> None:
    sha256 = hashlib.sha256(gcode.read_bytes()).hexdigest()
    left = OpenRecord("mark-0", str(gcode), sha256, gcode.stat().st_size, "clip.gcode", 57, 900, 44)
    async with MarlinStand(wire=await used_by_others("marlin-stock"), record=MemoryRecord(left)) as stand:
        await stand.ready()
        began = stand.wire.now
        await stand.until(lambda: stand.wire.now > began + 30)
        shot = stand.driver.snapshot()
        assert shot.current is not None
        assert (shot.current.phase, shot.current.key) == (PrintPhase.HELD, "mark-0")
        assert (shot.current.position, shot.current.line) == (900, 44)
        assert "cancel" in (shot.current.message or "").lower()
        assert shot.temperatures
        assert set(stand.ledger.executed("host")) <= {"M105", "M115"}
        assert "another program" in (shot.current.message or "")
        assert (await stand.start(gcode)).result is OrderResult.REFUSED
        assert (await stand.resume("mark-0")).result is OrderResult.REFUSED
        assert (await stand.cancel("mark-0")).result is OrderResult.ACCEPTED
        await stand.phase(PrintPhase.CANCELED)
        assert not stand.record.is_open
        assert {"M104 S0", "M140 S0"} <= set(stand.ledger.executed("host"))
        assert (await stand.start(gcode)).result is OrderResult.ACCEPTED
        await stand.phase(PrintPhase.COMPLETED)


@on_virtual_time
async def test_stopping_the_driver_leaves_the_machine_and_the_record(gcode: Path) -> None:
    stand = MarlinStand("marlin-stock")
    async with stand:
        await stand.ready()
        await stand.start(gcode)
        await stand.until(lambda: len(stand.moves()) > 20)
    assert stand.record.is_open
    assert "M84" not in stand.ledger.executed()
    async with MarlinStand(record=stand.record, wire=stand.wire) as successor:
        report = await successor.phase(PrintPhase.HELD)
        assert report.key == "mark-1"
        assert "goes on" in (report.message or "")


@on_virtual_time
async def test_refusals_of_a_start(gcode: Path, tmp_path: Path) -> None:
    async with MarlinStand("marlin-stock") as stand:
        early = await stand.start(gcode)
        assert early.result is OrderResult.REFUSED
        await stand.ready()
        gone = await stand.start(tmp_path / "gone.gcode", "a")
        assert (gone.result, "not there" in (gone.message or "")) == (OrderResult.REFUSED, True)
        short = await stand.start(gcode, "b", size=5)
        assert (short.result, "bytes" in (short.message or "")) == (OrderResult.REFUSED, True)
        assert stand.moves() == []
        await stand.start(gcode, "c")
        again = await stand.start(gcode, "c")
        assert again.result is OrderResult.ACCEPTED
        other = await stand.start(gcode, "d")
        assert (other.result, "clip.gcode" in (other.message or "")) == (OrderResult.REFUSED, True)
        await stand.phase(PrintPhase.COMPLETED)
        for _ in range(2):
            over = await stand.start(gcode, "c")
            assert over.result is OrderResult.REFUSED
            stand.acknowledge("c")
        assert stand.record.opened == ["c"]


@on_virtual_time
async def test_a_line_the_firmware_cannot_take_fails_the_print_cold(tmp_path: Path) -> None:
    path = tmp_path / "long.gcode"
    path.write_text("M104 S100\nG1 X1\nG1 " + "X1.000 " * 30 + "\nG1 X2\n")
    async with MarlinStand("marlin-stock") as stand:
        await stand.ready()
        await stand.start(path)
        report = await stand.phase(PrintPhase.FAILED)
        assert "Line 3" in (report.message or "")
        assert "M104 S0" in stand.ledger.executed("host")
        assert "G1 X2" not in stand.moves()


@on_virtual_time
async def test_macros(gcode: Path) -> None:
    async with MarlinStand("marlin-stock") as stand:
        assert (await stand.gcode("G28")).result is OrderResult.REFUSED
        await stand.ready()
        assert (await stand.gcode("g28 ; home", "", "G1 X5")).result is OrderResult.ACCEPTED
        ran = stand.ledger.executed("host")
        assert [line for line in ran if line != "M105"][-2:] == ["G28", "G1 X5"]
        assert ran[-1] == "M105", "its answer proves them"
        assert (await stand.gcode("G1 " + "X1.0 " * 30)).result is OrderResult.REFUSED
        assert (await stand.gcode(*["G1 X1"] * 300)).result is OrderResult.REFUSED
        await stand.start(gcode)
        assert (await stand.gcode("G28")).result is OrderResult.REFUSED


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("personality", ["marlin-full", "marlin-stock"])
@on_virtual_time
async def test_a_bad_cable_and_lost_answers(
    seed: int, personality: str, gcode: Path, moves: list[str]
) -> None:
    rng = random.Random(seed)

    def spoil(data: bytes) -> bytes:
        out = bytearray(data)
        for index, byte in enumerate(out):
            if 0x30 <= byte <= 0x39 and rng.random() < 0.0005:
                out[index] = byte ^ 1
        return bytes(out)

    async with MarlinStand(personality) as stand:
        await stand.ready()
        stand.wire.spoil = spoil
        await stand.start(gcode)
        for _ in range(4):
            reached = len(stand.moves()) + 30
            await stand.until(
                lambda reached=reached: len(stand.moves()) > reached or not stand.record.is_open
            )
            stand.board.fault_lose_ok()
        await stand.phase(PrintPhase.COMPLETED)
        assert stand.moves() == moves
