"""An upload outlives the gateway: the next one orders it again, joins, and hears of the one end there is."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

from firmware_sim import Board, Ledger
from firmware_sim.wire.link import Link
from gateway.domain.observations import Observation, OrderAnswered, OrderProgressed, OrderResult
from gateway.domain.orders import UploadFile
from gateway.drivers.marlin.driver import MarlinDriver
from gateway.streamer.client import StreamerClient, memory_channel
from gateway.streamer.host import StreamerHost
from tests.support.board_port import BoardWire
from tests.support.marlin_stand import MemoryRecord, on_virtual_time

LINES = b"".join(b"G1 X%d Y%d F6000\n" % (n % 150, n // 150) for n in range(2000))


class Gateway:
    """A client of the streamer that can be killed, and what it heard."""

    def __init__(self, host: StreamerHost, instance: str) -> None:
        self.heard: list[Observation] = []
        self.client = StreamerClient(
            memory_channel(host), self.heard.append, instance=instance, chance=Random(1)
        )
        self._task = asyncio.create_task(self.client.run(), name=instance)

    async def attached(self) -> Gateway:
        while not self.client.is_attached:
            await asyncio.sleep(0.01)
        return self

    async def die(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def progress(self) -> list[float]:
        return [said.progress or 0.0 for said in self.heard if isinstance(said, OrderProgressed)]

    async def answer(self, order_id: str) -> OrderAnswered:
        while True:
            for fact in self.heard:
                if isinstance(fact, OrderAnswered) and fact.order_id == order_id:
                    return fact
            await asyncio.sleep(0.1)


@asynccontextmanager
async def streamer(board: Board) -> AsyncIterator[StreamerHost]:
    wire = BoardWire(board, link=Link(board, baud=115200))

    def make() -> MarlinDriver:
        clock = asyncio.get_running_loop().time
        return MarlinDriver("mk3", wire.open, MemoryRecord(), monotonic=clock, new_id=lambda: "1")

    host = StreamerHost("printhost", "i1", {"mk3": make}, chance=Random(1))
    task = asyncio.create_task(host.run(), name="host")
    await asyncio.sleep(5)
    try:
        yield host
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@on_virtual_time
async def test_the_next_gateway_joins_and_nothing_is_sent_twice(tmp_path: Path) -> None:
    path = tmp_path / "part.gcode"
    path.write_bytes(LINES)
    board = Board("marlin-full", ledger=Ledger())
    digest = hashlib.sha256(LINES).hexdigest()

    def order(order_id: str) -> UploadFile:
        return UploadFile("mk3", order_id, str(path), digest, len(LINES), path.name)

    async with streamer(board) as host:
        first = await Gateway(host, "g1").attached()
        first.client.submit(order("o1"))
        await asyncio.sleep(3)
        assert first.progress()[-1] > 0.1
        await first.die()
        gone_at = board.ledger.count("sd_write")
        await asyncio.sleep(2)
        assert board.ledger.count("sd_write") > gone_at, "nobody is needed for it to go on"
        second = await Gateway(host, "g2").attached()
        second.client.submit(order("o2"))
        assert (await second.answer("o2")).result is OrderResult.ACCEPTED
        assert second.progress() == sorted(second.progress())
        assert second.progress()[0] > 0.1, "it joined in the middle"
        third = order("o3")
        second.client.submit(third)
        assert (await second.answer("o3")).result is OrderResult.ACCEPTED, "whoever did not hear may ask"
        assert len(board.ledger.events("sd_saved")) == 1
        assert board.ledger.count("sd_write") == 2000
        await second.die()
