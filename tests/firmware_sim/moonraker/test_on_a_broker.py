"""The machine on a broker in memory: will, retained messages, outages, and its storage."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from firmware_sim.moonraker.faults import Misfortune, Misfortunes
from firmware_sim.moonraker.printer import MoonrakerPrinter
from firmware_sim.moonraker.settings import MoonrakerConfig
from gateway.transport.storage import StorageTrouble
from tests.firmware_sim.moonraker.bench import PART
from tests.support.marlin_stand import on_virtual_time
from tests.support.memory_broker import MemoryBroker
from tests.support.moonraker_wire import MoonrakerWire

STATUS = "voron1/moonraker/status"
ONLINE, OFFLINE = b'{"server":"online"}', b'{"server":"offline"}'


@on_virtual_time
async def test_a_print_by_rpc() -> None:
    broker = MemoryBroker(latency=0.01)
    async with MoonrakerWire(broker, MoonrakerPrinter(files={"part.gcode": PART})) as wire:
        client = await broker.connecting("somebody")()
        await client.subscribe("voron1/moonraker/api/response")
        await asyncio.sleep(2.0)
        asked = {
            "jsonrpc": "2.0",
            "method": "printer.print.start",
            "params": {"filename": "part.gcode"},
            "id": 4,
        }
        await client.publish("voron1/moonraker/api/request", json.dumps(asked).encode())
        assert json.loads((await client.receive()).payload) == {"jsonrpc": "2.0", "result": "ok", "id": 4}
        await asyncio.sleep(60.0)
        assert wire.printer.klippy.stats.state == "complete"
    assert len(wire.printer.physical_starts()) == 1


@on_virtual_time
async def test_a_killed_moonraker_leaves_its_will_and_comes_back() -> None:
    broker = MemoryBroker()
    async with MoonrakerWire(broker) as wire:
        await asyncio.sleep(2.0)
        assert broker.retained[STATUS].payload == ONLINE
        wire.act(wire.printer.kill_moonraker, back_after=1.0)
        await asyncio.sleep(0.1)
        assert broker.retained[STATUS].payload == OFFLINE
        await asyncio.sleep(5.0)
        assert broker.retained[STATUS].payload == ONLINE
    whole = [tapped for tapped in broker.traffic if tapped.topic == "voron1/klipper/status"]
    assert [round(tapped.at, 1) for tapped in whole][-1] == 5.8, "1 s away, and 2.8 s to be back"


@on_virtual_time
async def test_a_broker_that_forgot_is_found_again_and_knows_little() -> None:
    broker = MemoryBroker()
    printer = MoonrakerPrinter(MoonrakerConfig(is_split=True))
    async with MoonrakerWire(broker, printer):
        await asyncio.sleep(2.0)
        assert len(broker.retained) > 10
        broker.down()
        await asyncio.sleep(5.0)
        broker.up(keeps_retained=False)
        await asyncio.sleep(20.0)
        assert set(broker.retained) == {STATUS}


@on_virtual_time
async def test_leftovers_stand_until_the_machine_speaks() -> None:
    broker = MemoryBroker()
    wire = MoonrakerWire(broker, MoonrakerPrinter(MoonrakerConfig(is_split=True)))
    wire.leave_retained()
    state = "voron1/klipper/state/print_stats/state"
    assert json.loads(broker.retained[state].payload)["value"] == "printing"
    async with wire:
        await asyncio.sleep(2.0)
        assert json.loads(broker.retained[state].payload)["value"] == "standby"


@on_virtual_time
async def test_wrong_credentials_keep_it_away() -> None:
    broker = MemoryBroker(credentials={"ana": "secret"})
    async with (
        MoonrakerWire(broker, username="ana", password="wrong") as away,
        MoonrakerWire(broker, username="ana", password="secret") as there,
    ):
        await asyncio.sleep(10.0)
        assert (away.is_connected, there.is_connected) == (False, True)


@pytest.fixture
def part(tmp_path: Path) -> Path:
    path = tmp_path / "part.gcode"
    path.write_bytes(PART)
    return path


def test_the_storage_stores_fetches_and_deletes(part: Path) -> None:
    told: list[int] = []

    @on_virtual_time
    async def play() -> None:
        async with MoonrakerWire(MemoryBroker()) as wire:
            await wire.storage.store(str(part), "x.gcode", told=told.append)
            assert await wire.storage.fetch("x.gcode", len(PART)) == PART
            with pytest.raises(StorageTrouble, match="more than 3 bytes"):
                await wire.storage.fetch("x.gcode", 3)
            await wire.storage.delete("x.gcode")
            await wire.storage.delete("x.gcode")
            with pytest.raises(StorageTrouble, match="404"):
                await wire.storage.fetch("x.gcode", 3)

    play()
    assert told == [len(PART)]


def test_the_storage_says_what_is_provably_not_there(part: Path) -> None:
    faults = Misfortunes([Misfortune("upload-truncated")])
    faults.arm(Misfortune("upload-answer-lost", at=1.0))

    @on_virtual_time
    async def play() -> None:
        async with MoonrakerWire(MemoryBroker(), MoonrakerPrinter(faults=faults)) as wire:
            wire.storage.is_cut = True
            assert (await refused(wire, part)).is_absent
            wire.storage.is_cut = False
            assert (await refused(wire, part)).is_absent, "the checksum was wrong"
            await asyncio.sleep(1.0)
            assert not (await refused(wire, part)).is_absent, "it is there, and nobody said so"
            assert await wire.storage.fetch("x.gcode", len(PART)) == PART

    play()


async def refused(wire: MoonrakerWire, part: Path) -> StorageTrouble:
    with pytest.raises(StorageTrouble) as trouble:
        await wire.storage.store(str(part), "x.gcode", told=lambda _bytes: None)
    return trouble.value
