"""A wire log tells all a printer said: a fresh driver that hears it again says the same again.

Once with a port of the tests' own that keeps the recorded times, once with the simulator's own replay.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from firmware_sim import Board, Ledger
from firmware_sim.playing import Replay
from firmware_sim.replay import read_wire_log
from gateway.domain.observations import LinkState, OrderAnswered, PrinterObserved, PrintPhase
from gateway.domain.orders import StartPrint
from gateway.drivers.marlin.driver import MarlinDriver
from gateway.transport.port import Port, PortListener
from gateway.transport.tap import tapped
from gateway.transport.wire_log import WireLog
from tests.support.board_port import BoardWire
from tests.support.marlin_stand import MarlinStand, MemoryRecord, on_virtual_time
from tests.transport.wire_reader import Record, bytes_of, read


class ReplayPort:
    """Says what the log says, when the log says it; writes down what it is told."""

    def __init__(self, records: list[Record]) -> None:
        self._records = records
        self.told = b""
        self.unsent = 0

    async def open(self, listener: PortListener) -> Port:
        loop = asyncio.get_running_loop()
        for record in self._records:
            if record.mark == "<":
                loop.call_at(record.at, listener.bytes_received, record.data)
        return self

    def write(self, data: bytes) -> None:
        self.told += data

    def close(self) -> None:
        pass


async def print_with_log(path: Path, folder: Path, personality: str = "marlin-full") -> StartPrint:
    """Print `path` on a simulated printer; everything is in the log of `folder`."""
    now = asyncio.get_running_loop().time
    log = WireLog(
        folder, "mk3", max_bytes=1 << 20, monotonic=now, wall=lambda: datetime(2026, 1, 1, tzinfo=UTC)
    )
    stand = MarlinStand(personality)
    driver = MarlinDriver(
        "mk3", tapped(stand.wire.open, log, "a board"), stand.record, monotonic=now, new_id=lambda: "x"
    )
    stand.driver = driver
    async with stand:
        await stand.ready()
        await asyncio.sleep(10 - now())
        order = stand.start_order(path)
        driver.submit(order)
        await stand.phase(PrintPhase.COMPLETED)
        log.close()
    return order


def test_a_replayed_log_leads_to_the_same_words(tmp_path: Path) -> None:
    path = tmp_path / "part.gcode"
    path.write_text('G28\nM117 it\'s "hot"\n' + "".join(f"G1 X{n} Y{n % 7} F6000\n" for n in range(60)))
    orders: list[StartPrint] = []

    @on_virtual_time
    async def first_life() -> None:
        orders.append(await print_with_log(path, tmp_path))

    first_life()
    records = read(tmp_path / "mk3.wire")
    assert b"G1 X59 Y3 F6000" in bytes_of(records, ">")
    read_by_simulator = read_wire_log(tmp_path / "mk3.wire")
    assert [(record.at, record.way, record.data) for record in read_by_simulator] == [
        tuple(r) for r in records
    ]
    heard: list[PrinterObserved | OrderAnswered] = []

    @on_virtual_time
    async def again() -> None:
        loop = asyncio.get_running_loop()
        replay = ReplayPort(records)
        driver = MarlinDriver("mk3", replay.open, MemoryRecord(), monotonic=loop.time, new_id=lambda: "x")
        task = asyncio.create_task(driver.run(heard.append), name="driver")
        loop.call_at(10, driver.submit, orders[0])
        await asyncio.sleep(records[-1].at - loop.time())
        task.cancel()
        await asyncio.wait({task})
        assert replay.told == bytes_of(records, ">")

    again()
    shots = [fact for fact in heard if isinstance(fact, PrinterObserved)]
    assert shots[-1].link is LinkState.UP
    assert [report.phase for report in shots[-1].ended] == [PrintPhase.COMPLETED]


@pytest.mark.parametrize("late", [0.0, 45.0], ids=["at once", "later"])
@pytest.mark.parametrize(
    "personality", ["marlin-full", "marlin-stock", "marlin-bare", "prusa", "klipper", "repetier"]
)
def test_the_simulator_replays_what_the_gateway_wrote(tmp_path: Path, personality: str, late: float) -> None:
    """A whole print: a fresh driver says every recorded line again, and completes.

    `late`: the print is ordered so many seconds later than in the recording.
    """
    path = tmp_path / "part.gcode"
    path.write_text("G28\nM104 S60\nM109 S60\n" + "".join(f"G1 X{n} Y{n % 7} F3000\n" for n in range(120)))
    orders: list[StartPrint] = []

    @on_virtual_time
    async def first_life() -> None:
        orders.append(await print_with_log(path, tmp_path, personality))

    first_life()

    @on_virtual_time
    async def again() -> None:
        ledger = Ledger()
        replay = Replay(Board("marlin-stock", ledger=ledger), read_wire_log(tmp_path / "mk3.wire"))
        stand = MarlinStand(wire=BoardWire(replay.board, link=replay))
        async with stand:
            await stand.ready()
            await asyncio.sleep(10 + late - asyncio.get_running_loop().time())
            stand.driver.submit(orders[0])
            await stand.phase(PrintPhase.COMPLETED)
        assert ledger.events("deviation") == []
        assert replay.is_over

    again()
