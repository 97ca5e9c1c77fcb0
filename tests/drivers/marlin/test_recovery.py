"""Going on with a print: what is believed, what is not, and what is held. Judged by the machine's ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from gateway.domain.observations import OrderResult, PrintPhase, PrintReport
from gateway.drivers.contract import RecordedStage
from gateway.drivers.marlin.recovery import ALONE_SECONDS_MAX
from gateway.protocol.marlin.asking import FAR_NUMBER
from gateway.streamer.line_record import MappedLineRecord
from gateway.transport.port import Port, PortListener
from tests.support.board_port import BoardPort
from tests.support.marlin_stand import on_virtual_time
from tests.support.mortal import MortalStand

MOVES = [f"G1 X{10 + n % 50} Y{10 + n // 50} F6000" for n in range(400)]
FIRMWARES = ["marlin-full", "marlin-stock", "marlin-sd", "marlin-bare"]

#: Seeds of noise beyond those of every run.
MORE_SEEDS = [pytest.param(seed, marks=pytest.mark.soak) for seed in range(8, 60)]


@pytest.fixture
def gcode(tmp_path: Path) -> Path:
    path = tmp_path / "clip.gcode"
    path.write_text("\n".join(["G28", "M104 S45", *MOVES, ""]))
    return path


async def streaming(stand: MortalStand, gcode: Path, moved: int = 60) -> None:
    await stand.ready()
    assert (await stand.start(gcode)).result is OrderResult.ACCEPTED
    await stand.until(lambda: len(stand.moves()) > moved)


async def held_for_good(stand: MortalStand, *words: str) -> PrintReport:
    """It is held with these words, nothing moves, it stays so, and a cancel ends it cold."""
    report = await stand.settled()
    assert report.phase is PrintPhase.HELD
    for word in words:
        assert word in (report.message or ""), report.message
    await asyncio.sleep(30)
    moved = stand.moves()
    assert moved == MOVES[: len(moved)]
    await asyncio.sleep(300)
    assert stand.moves() == moved
    left = stand.record.unfinished()
    assert left is not None
    assert left.stage is RecordedStage.HELD
    assert (await stand.resume()).result is OrderResult.REFUSED
    assert (await stand.cancel()).result is OrderResult.ACCEPTED
    await stand.phase(PrintPhase.CANCELED)
    assert {"M104 S0", "M140 S0"} <= set(stand.ledger.executed("host"))
    return report


# ---------------------------------------------------------------- it goes on


@pytest.mark.parametrize("personality", FIRMWARES)
@on_virtual_time
async def test_how_long_the_machine_stands(personality: str, tmp_path: Path, gcode: Path) -> None:
    """From the birth of the next host to the first new line: below the three seconds that are promised."""
    async with MortalStand(tmp_path, personality) as stand:
        await streaming(stand, gcode)
        await stand.kill()
        await asyncio.sleep(20)
        stood = len(stand.moves())
        await stand.rise()
        await stand.until(lambda: len(stand.moves()) > stood)
        assert stand.wire.now - stand.born_at < 1.0
        said = [shot.current.phase for shot in stand.seen if shot.current]
        assert list(dict.fromkeys(said)) == [PrintPhase.STARTING, PrintPhase.PRINTING, PrintPhase.HELD]
        assert (await stand.settled()).phase is PrintPhase.COMPLETED
        assert stand.moves() == MOVES


@pytest.mark.parametrize(("over", "goes_on"), [(-5.0, True), (5.0, False)])
@on_virtual_time
async def test_what_was_left_alone_too_long_is_for_a_person(
    over: float, goes_on: bool, tmp_path: Path, gcode: Path
) -> None:
    async with MortalStand(tmp_path) as stand:
        await streaming(stand, gcode)
        await stand.kill()
        await asyncio.sleep(ALONE_SECONDS_MAX + over)
        await stand.rise()
        if goes_on:
            assert (await stand.settled()).phase is PrintPhase.COMPLETED
            assert stand.moves() == MOVES
        else:
            await held_for_good(stand, "left alone", "hand in it")


@on_virtual_time
async def test_a_cable_pulled_for_an_hour_moves_nothing_when_it_is_back(tmp_path: Path, gcode: Path) -> None:
    async with MortalStand(tmp_path) as stand:
        await streaming(stand, gcode)
        stand.wire.unplug()
        await asyncio.sleep(3600)
        stand.wire.plug()
        await held_for_good(stand, "left alone")


@on_virtual_time
async def test_a_clock_that_began_anew_says_nothing_about_the_gap(tmp_path: Path, gcode: Path) -> None:
    async with MortalStand(tmp_path) as stand:
        await streaming(stand, gcode)
        stand.record.alive(stand.wire.now + 5000.0)
        await stand.kill()
        stand.record = MappedLineRecord(stand.records)  # type: ignore[assignment]
        stand.record.alive(stand.wire.now + 5000.0)
        stand.record.release()  # type: ignore[attr-defined]
        await stand.rise()
        await held_for_good(stand, "left alone")


@pytest.mark.parametrize("half", range(1, 24))
@pytest.mark.parametrize("personality", ["marlin-full", "marlin-bare"])
@on_virtual_time
async def test_half_a_line_is_left_in_the_board(
    personality: str, half: int, tmp_path: Path, gcode: Path
) -> None:
    async with MortalStand(tmp_path, personality) as stand:
        await streaming(stand, gcode)
        await stand.kill(after_bytes=half)
        await asyncio.sleep(5)
        stood = len(stand.moves())
        await stand.rise()
        await stand.until(lambda: len(stand.moves()) > stood)
        assert stand.wire.now - stand.born_at < 3.0
        assert (await stand.settled()).phase is PrintPhase.COMPLETED
        assert stand.moves() == MOVES


@pytest.mark.parametrize("seed", [*range(8), *MORE_SEEDS])
@pytest.mark.parametrize("personality", FIRMWARES)
@on_virtual_time
async def test_noise_and_lost_answers_while_it_asks(
    personality: str, seed: int, tmp_path: Path, gcode: Path
) -> None:
    chance = Random(seed)

    def spoil(data: bytes) -> bytes:
        if stand.driver.recovery is None:  # what noise does to a print is told elsewhere
            return data
        return bytes(b ^ 1 if 0x30 <= b <= 0x39 and chance.random() < 0.02 else b for b in data)

    async with MortalStand(tmp_path, personality) as stand:
        await streaming(stand, gcode)
        await stand.kill()
        stand.board.fault_lose_ok(chance.randrange(4))
        await asyncio.sleep(chance.choice([0.0, 0.1, 4.0]))
        await stand.rise()
        stand.wire.spoil = spoil
        await stand.until(lambda: stand.driver.recovery is None)
        stand.wire.spoil = lambda data: data
        report = await stand.settled()
        done = stand.moves()
        assert done == MOVES[: len(done)]
        assert report.phase is PrintPhase.COMPLETED or report.message


@pytest.mark.parametrize("at", [0.0, 0.002, 0.05, 0.15, 0.25, 0.35, 0.45, 0.5, 0.55, 0.6, 0.8])
@pytest.mark.parametrize("personality", FIRMWARES)
@on_virtual_time
async def test_it_dies_again_while_it_asks(personality: str, at: float, tmp_path: Path, gcode: Path) -> None:
    async with MortalStand(tmp_path, personality) as stand:
        await streaming(stand, gcode)
        for _ in range(4):
            await stand.kill()
            await stand.rise()
            await asyncio.sleep(at)
        assert (await stand.settled()).phase is PrintPhase.COMPLETED
        assert stand.moves() == MOVES


@pytest.mark.parametrize("personality", FIRMWARES)
@on_virtual_time
async def test_the_firmware_is_busy_when_it_is_asked(personality: str, tmp_path: Path) -> None:
    path = tmp_path / "hot.gcode"
    path.write_text("\n".join(["G28", "M109 S80", *MOVES[:50], "G4 S25", *MOVES[50:80], ""]))
    async with MortalStand(tmp_path, personality) as stand:
        await stand.ready()
        await stand.start(path)
        begun = stand.wire.now
        for at in (5.0, 22.0, 40.0):
            await stand.until(lambda at=at: stand.wire.now > begun + at)  # type: ignore[misc]
            await stand.kill()
            await stand.rise()
        await stand.until(lambda: len(stand.moves()) >= 50)
        await asyncio.sleep(8)
        await stand.kill()
        await stand.rise()
        assert (await stand.settled()).phase is PrintPhase.COMPLETED
        assert stand.moves() == MOVES[:80]
        assert stand.ledger.executed("host").count("M109 S80") == 1


@on_virtual_time
async def test_it_dies_before_its_first_line_arrived(tmp_path: Path, gcode: Path) -> None:
    async with MortalStand(tmp_path, "marlin-stock") as stand:
        await stand.ready()
        stand.wire.spoil = lambda data: b""
        await stand.start(gcode)
        await stand.kill()
        await stand.rise()
        assert (await stand.settled()).phase is PrintPhase.COMPLETED
        assert stand.moves() == MOVES
        assert stand.ledger.executed("host").count("G28") == 1


@on_virtual_time
async def test_a_start_that_is_ordered_again_meanwhile_is_no_second_one(tmp_path: Path, gcode: Path) -> None:
    async with MortalStand(tmp_path) as stand:
        await streaming(stand, gcode)
        await stand.kill()
        await stand.rise()
        assert (await stand.start(gcode)).result is OrderResult.REFUSED
        await stand.phase(PrintPhase.PRINTING)
        assert (await stand.start(gcode)).result is OrderResult.ACCEPTED
        assert (await stand.settled()).phase is PrintPhase.COMPLETED
        assert stand.moves() == MOVES


@on_virtual_time
async def test_a_pause_at_the_machine_while_it_asks_is_kept(tmp_path: Path, gcode: Path) -> None:
    async with MortalStand(tmp_path) as stand:
        await streaming(stand, gcode)
        await stand.kill()
        await stand.rise()
        await asyncio.sleep(0.1)
        stand.board.host_action("pause")
        stand.wire.turn()
        await stand.phase(PrintPhase.PAUSED)
        stood = stand.moves()
        await asyncio.sleep(60)
        assert stand.moves() == stood
        await stand.resume()
        assert (await stand.settled()).phase is PrintPhase.COMPLETED
        assert stand.moves() == MOVES


@pytest.mark.parametrize("at", [0.001, 0.1, 0.3, 0.45])
@pytest.mark.parametrize("how", ["cancel", "acknowledge", "stop"])
@on_virtual_time
async def test_a_person_decides_while_it_asks(how: str, at: float, tmp_path: Path, gcode: Path) -> None:
    async with MortalStand(tmp_path) as stand:
        await streaming(stand, gcode)
        await stand.kill()
        await asyncio.sleep(20)
        await stand.rise()
        await asyncio.sleep(at)
        stood = stand.moves()
        if how == "cancel":
            while (await stand.cancel()).result is not OrderResult.ACCEPTED:
                await asyncio.sleep(0.05)
            await stand.phase(PrintPhase.CANCELED)
            assert "M104 S0" in stand.ledger.executed("host")
        elif how == "acknowledge":
            stand.acknowledge("mark-1")
        else:
            await stand.stop()
            await stand.until(lambda: stand.board.is_halted)
        await asyncio.sleep(120)
        assert len(stand.moves()) <= len(stood) + 16, "at most what was planned when it was decided"
        assert stand.moves() == MOVES[: len(stand.moves())]


@on_virtual_time
async def test_a_print_that_was_resolved_too_late_ends(tmp_path: Path, gcode: Path) -> None:
    """The person decided while it was held; the decision arrives when it goes on already."""
    async with MortalStand(tmp_path) as stand:
        await streaming(stand, gcode)
        await stand.kill()
        await stand.rise()
        await stand.phase(PrintPhase.PRINTING)
        stand.acknowledge("mark-1")
        assert (await stand.settled()).phase is PrintPhase.CANCELED
        assert "M104 S0" in stand.ledger.executed("host")


# ---------------------------------------------------------------- it is held


@pytest.mark.parametrize("personality", FIRMWARES)
@pytest.mark.parametrize("when", ["away", "asking"])
@on_virtual_time
async def test_the_board_was_reset(when: str, personality: str, tmp_path: Path, gcode: Path) -> None:
    async with MortalStand(tmp_path, personality) as stand:
        await streaming(stand, gcode)
        await stand.kill()
        if when == "asking":
            await stand.rise()
            await asyncio.sleep(0.3)
            assert stand.driver.recovery is not None
        stand.board.reset(stand.wire.now)
        stand.wire.turn()
        if when == "away":
            await asyncio.sleep(10)
            await stand.rise()
        await held_for_good(stand, "reset")


@on_virtual_time
async def test_a_board_that_resets_when_it_is_opened(tmp_path: Path, gcode: Path) -> None:
    async with MortalStand(tmp_path, "marlin-stock") as stand:
        await streaming(stand, gcode)
        await stand.kill()
        stand.wire.resets_on_open = True
        await stand.rise()
        await held_for_good(stand, "reset")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda path: path.unlink(), "cannot be read"),
        (lambda path: path.write_text("G28\n"), "bytes"),
        (lambda path: path.write_text(path.read_text().replace("F6000", "F6001")), "replaced"),
        (lambda path: (path.unlink(), path.mkdir()), "cannot be read"),
    ],
)
@on_virtual_time
async def test_the_file_is_not_the_recorded_one(
    change: Callable[[Path], object], word: str, tmp_path: Path, gcode: Path
) -> None:
    async with MortalStand(tmp_path) as stand:
        await streaming(stand, gcode)
        await stand.kill()
        change(gcode)
        await stand.rise()
        await held_for_good(stand, word)


@on_virtual_time
async def test_a_cancelled_print_needs_no_file_to_end(tmp_path: Path, gcode: Path) -> None:
    async with MortalStand(tmp_path) as stand:
        await streaming(stand, gcode)
        stand.driver.print.end(stand.driver.link, PrintPhase.CANCELED, "job-canceled-at-device")  # type: ignore[union-attr,arg-type]
        await stand.kill()
        gcode.unlink()
        await stand.rise()
        report = await stand.settled()
        assert (report.phase, report.reason) == (PrintPhase.CANCELED, "job-canceled-at-device")
        assert "M104 S0" in stand.ledger.executed("host")


@pytest.mark.parametrize("number", [1, 5000, FAR_NUMBER - 5])
@on_virtual_time
async def test_somebody_else_numbered_lines_meanwhile(number: int, tmp_path: Path, gcode: Path) -> None:
    async with MortalStand(tmp_path) as stand:
        await streaming(stand, gcode, 300)
        await stand.kill()
        stand.board.renumber(number)
        await stand.rise()
        await held_for_good(stand, str(number), "not one of this print")


@on_virtual_time
async def test_a_firmware_that_ignores_numbers_is_not_asked(tmp_path: Path, gcode: Path) -> None:
    async with MortalStand(tmp_path, "marlin-stock", profile="klipper") as stand:
        await streaming(stand, gcode)
        await stand.kill()
        await stand.rise()
        await held_for_good(stand, "ignores line numbers")


@on_virtual_time
async def test_a_firmware_that_never_tells_is_held(tmp_path: Path, gcode: Path) -> None:
    async with MortalStand(tmp_path, "marlin-stock") as stand:
        await streaming(stand, gcode)
        await stand.kill()
        await asyncio.sleep(20)
        await stand.rise()
        stand.wire.spoil = lambda data: b"" if str(FAR_NUMBER).encode() in data else data
        report = await stand.settled()
        assert stand.wire.now - stand.born_at > 100
        assert "did not tell" in (report.message or "")
        stand.wire.spoil = lambda data: data
        await held_for_good(stand, "did not tell")


@pytest.mark.parametrize("personality", FIRMWARES)
@on_virtual_time
async def test_what_was_held_stays_held_after_the_next_death(
    personality: str, tmp_path: Path, gcode: Path
) -> None:
    async with MortalStand(tmp_path, personality) as stand:
        await streaming(stand, gcode)
        content = gcode.read_text()
        await stand.kill()
        gcode.unlink()
        await stand.rise()
        assert (await stand.settled()).phase is PrintPhase.HELD
        gcode.write_text(content)
        await stand.kill()
        await stand.rise()
        await stand.ready()
        await held_for_good(stand, "Look at the printer")


# ---------------------------------------------------------------- it is stopped


class SlowPort(BoardPort):
    """A port that takes its bytes with delay, like a kernel whose buffer is full."""

    waiting = 0

    @property
    def unsent(self) -> int:
        return self.waiting

    def write(self, data: bytes) -> None:
        self.waiting += len(data)
        asyncio.get_running_loop().call_later(0.3, self._leave, data)

    def _leave(self, data: bytes) -> None:
        self.waiting -= len(data)
        super().write(data)


@on_virtual_time
async def test_stopped_it_ends_the_line_it_is_at(tmp_path: Path, gcode: Path) -> None:
    stand = MortalStand(tmp_path, "marlin-stock")
    open_port = stand.wire.open

    async def slowly(listener: PortListener) -> Port:
        await open_port(listener)
        port = stand.wire.port = SlowPort(stand.wire, listener)
        return port

    stand.driver._open_port = slowly
    async with stand:
        await streaming(stand, gcode, 20)
        port = stand.wire.port
        assert isinstance(port, SlowPort)
        await stand.until(lambda: port.unsent > 0)
        began = stand.wire.now
        left = stand.record.unfinished()
        assert left is not None
        await stand.kill()
        assert stand.wire.now - began < 2.0
        assert bytes(port.written).endswith(b"\n")
        await asyncio.sleep(20)
        assert stand.board.last_line_number == left.last_number, "what was begun has arrived"
        await stand.rise()
        assert (await stand.settled()).phase is PrintPhase.COMPLETED
        assert stand.moves() == MOVES
