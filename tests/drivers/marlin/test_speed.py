"""`baud = "auto"`: the speed of a printer is found, remembered, and never looked for under a print."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from firmware_sim.ledger import Ledger
from firmware_sim.machine.board import Board
from gateway.domain.observations import LinkState, PrintPhase
from gateway.drivers.contract import OpenRecord
from gateway.drivers.marlin.driver import MarlinDriver
from gateway.drivers.marlin.speed import GARBAGE_SECONDS, SILENCE_SECONDS, SpeedSearch
from gateway.streamer.speed_file import SpeedFile
from gateway.transport.opener import LIKELY_SPEEDS, openers_for
from gateway.transport.port import Port, PortListener, SpeedImpossible
from tests.support.board_port import BoardWire
from tests.support.marlin_stand import MarlinStand, MemoryRecord, on_virtual_time


def misheard(data: bytes, sent_at: int, read_at: int, chance: Random) -> bytes:
    """What a UART makes of bytes at another speed: as many as their bits make, hardly any right."""
    if sent_at == read_at:
        return data
    count = max(1, len(data) * read_at // sent_at)
    return bytes(chance.choice((0x00, 0x80, 0xE0, 0xF8, 0xFE, 0xFF, 0x9C, 0x78)) for _ in range(count))


class UartWire(BoardWire):
    """A board that talks at one speed, and a host that must find it."""

    def __init__(self, board: Board, speed: int, *, is_mute_otherwise: bool = False) -> None:
        super().__init__(board)
        self.speed = speed
        self.is_on = True
        self.is_mute_otherwise = is_mute_otherwise
        self.tried: list[int] = []
        self._chance = Random(1)

    def opener(self, speed: int):  # type: ignore[no-untyped-def]
        async def open_port(listener: PortListener) -> Port:
            self.tried.append(speed)
            self.spoil = lambda data: self._heard(data, speed)
            port = await self.open(_Uart(self, listener, speed))
            return port

        return open_port

    def _heard(self, data: bytes, speed: int) -> bytes:
        if not self.is_on:
            return b""
        return misheard(data, speed, self.speed, self._chance)

    def said(self, data: bytes, speed: int) -> bytes:
        if not self.is_on or (self.is_mute_otherwise and speed != self.speed):
            return b""
        return misheard(data, self.speed, speed, self._chance)


class _Uart:
    """The host's receiving side."""

    def __init__(self, wire: UartWire, listener: PortListener, speed: int) -> None:
        self._wire, self._listener, self._speed = wire, listener, speed

    def bytes_received(self, data: bytes) -> None:
        if heard := self._wire.said(data, self._speed):
            self._listener.bytes_received(heard)

    def port_lost(self, reason: str) -> None:
        self._listener.port_lost(reason)


class Memory:
    """SpeedMemory."""

    def __init__(self, speed: int | None = None) -> None:
        self.speed = speed

    def recall(self) -> int | None:
        return self.speed

    def remember(self, speed: int) -> None:
        self.speed = speed


class SpeedStand(MarlinStand):
    """A stand whose driver must find the speed."""

    def __init__(
        self, speed: int, *, memory: Memory | None = None, record: MemoryRecord | None = None,
        personality: str = "marlin-full", is_mute_otherwise: bool = False,
    ) -> None:  # fmt: skip
        board = Board(personality, ledger=Ledger())
        self.uart = UartWire(board, speed, is_mute_otherwise=is_mute_otherwise)
        super().__init__(wire=self.uart, record=record)
        self.memory = memory or Memory()
        self.openers = {rate: self.uart.opener(rate) for rate in LIKELY_SPEEDS}
        search = SpeedSearch(self.openers, self.memory)
        self.driver = MarlinDriver(
            "mk3", search.open, self.record, monotonic=asyncio.get_running_loop().time,
            new_id=self._new_id, speeds=search,
        )  # fmt: skip

    @property
    def words(self) -> list[str]:
        """What was told of the link, each once."""
        said = [shot.link_reason for shot in self.seen if shot.link_reason]
        return [text for before, text in zip([None, *said], said, strict=False) if text != before]


@pytest.mark.parametrize("speed", LIKELY_SPEEDS)
@pytest.mark.parametrize("personality", ["marlin-full", "marlin-bare", "marlin-stock"])
def test_every_usual_speed_is_found(speed: int, personality: str) -> None:
    @on_virtual_time
    async def story() -> None:
        async with SpeedStand(speed, personality=personality) as stand:
            began = stand.wire.now
            await stand.ready()
            place = LIKELY_SPEEDS.index(speed)
            assert stand.uart.tried == list(LIKELY_SPEEDS[: place + 1])
            assert stand.memory.speed == speed
            assert stand.wire.now - began <= place * (SILENCE_SECONDS + 0.2) + 4.0

    story()


@on_virtual_time
async def test_what_is_tried_is_told() -> None:
    async with SpeedStand(57600) as stand:
        await stand.ready()
        told = stand.words
        assert told[0] == "Looking for its speed: 115200 baud (1 of 9)."
        assert "Looking for its speed: 57600 baud (3 of 9)." in told[-1]
        assert any(
            text.startswith("The printer sends bytes that make no sense at") or "says nothing at" in text
            for text in told
        )
        assert stand.driver.snapshot().link_reason is None


@on_virtual_time
async def test_garbage_is_told_at_once_and_silence_after_a_while() -> None:
    async with SpeedStand(250000, is_mute_otherwise=True) as stand:
        await stand.until(lambda: len(stand.uart.tried) == 2)
        assert SILENCE_SECONDS <= stand.wire.now < SILENCE_SECONDS + 0.2
    async with SpeedStand(250000) as stand:
        began = stand.wire.now
        stand.board.reset(began)  # it boots, and says so: 600 bytes that make no sense at 115200
        stand.wire.turn()
        await stand.until(lambda: len(stand.uart.tried) == 2)
        assert stand.wire.now - began < GARBAGE_SECONDS + 1.0


@on_virtual_time
async def test_the_speed_that_was_good_last_comes_first() -> None:
    async with SpeedStand(500000, memory=Memory(500000)) as stand:
        await stand.ready()
        assert stand.uart.tried == [500000]


@on_virtual_time
async def test_a_printer_that_is_switched_off_is_waited_for_at_its_speed_before_others_are_tried() -> None:
    async with SpeedStand(500000, memory=Memory(500000)) as stand:
        stand.uart.is_on = False
        await asyncio.sleep(20)
        stand.uart.is_on = True
        await stand.ready()
        assert stand.uart.tried == [500000]


@on_virtual_time
async def test_another_firmware_at_another_speed_is_found_after_all() -> None:
    memory = Memory(115200)
    async with SpeedStand(250000, memory=memory) as stand:
        await stand.ready()
        assert (stand.uart.tried, memory.speed) == ([115200, 250000], 250000)


@on_virtual_time
async def test_when_none_is_right_it_says_so_and_begins_anew() -> None:
    async with SpeedStand(74880) as stand:
        await stand.until(lambda: len(stand.uart.tried) > len(LIKELY_SPEEDS))
        assert any("It answers at none of 115200, 250000" in text for text in stand.words)
        stand.uart.speed = 230400
        await stand.ready()
        assert stand.memory.speed == 230400


@on_virtual_time
async def test_a_speed_that_the_device_cannot_run_at_is_passed_over() -> None:
    async def impossible(_: PortListener) -> Port:
        raise SpeedImpossible("/dev/ttyS0 cannot run at 115200 baud")

    async with SpeedStand(250000) as stand:
        stand.openers[115200] = impossible
        await stand.ready()
        assert stand.memory.speed == 250000


def unfinished() -> MemoryRecord:
    return MemoryRecord(OpenRecord("a1", "/nowhere.gcode", "0" * 64, 10, "x.gcode", 5, 5, 5))


@on_virtual_time
async def test_under_an_unfinished_print_no_other_speed_is_tried() -> None:
    async with SpeedStand(250000, memory=Memory(115200), record=unfinished()) as stand:
        await asyncio.sleep(300)
        assert set(stand.uart.tried) == {115200}
        assert any("only the speed that was good last is used" in text for text in stand.words)
        assert stand.driver.snapshot().link is not LinkState.UP


@on_virtual_time
async def test_under_an_unfinished_print_a_forgotten_speed_is_asked_for() -> None:
    async with SpeedStand(115200, record=unfinished()) as stand:
        await asyncio.sleep(60)
        assert stand.uart.tried == []
        assert "write it into the configuration" in (stand.driver.snapshot().link_reason or "")
        await stand.cancel("a1")
        assert stand.driver.snapshot().link is not LinkState.UP


def test_a_print_runs_at_a_found_speed(tmp_path: Path) -> None:
    path = tmp_path / "part.gcode"
    path.write_text("G28\n" + "".join(f"G1 X{n} F6000\n" for n in range(50)))

    @on_virtual_time
    async def story() -> None:
        async with SpeedStand(230400) as stand:
            await stand.ready()
            await stand.start(path)
            await stand.phase(PrintPhase.COMPLETED)
            assert stand.moves() == [f"G1 X{n} F6000" for n in range(50)]

    story()


def test_the_speed_is_kept_in_a_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    memory = SpeedFile(tmp_path, "mk3")
    assert memory.recall() is None
    memory.remember(250000)
    memory.remember(500000)
    assert SpeedFile(tmp_path, "mk3").recall() == 500000
    assert SpeedFile(tmp_path, "mk4").recall() is None
    (tmp_path / "mk3.baud").write_bytes(b"\xff fast")
    assert memory.recall() is None
    SpeedFile(tmp_path / "absent", "mk3").remember(1)
    assert "could not be kept" in caplog.text


def test_a_network_has_no_speed_to_look_for() -> None:
    assert len(openers_for("tcp://127.0.0.1:23", "auto")) == 1
    assert list(openers_for("/dev/ttyUSB0", "auto")) == list(LIKELY_SPEEDS)
    assert list(openers_for("usb:2c99:0002", 57600)) == [57600]
