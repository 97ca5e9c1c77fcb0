"""The printer behind the gateway's ports on virtual time: what callers of these ports are promised."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from firmware_sim.bambu.faults import BambuFault
from firmware_sim.bambu.printer import BambuPrinter
from gateway.transport.mqtt import ConnectMqtt, MqttLost, MqttRefused
from gateway.transport.storage import Storage, StorageTrouble
from tests.support.bambu_wire import KEEP_ALIVE_SECONDS, PATIENCE_SECONDS, BambuWire
from tests.support.marlin_stand import on_virtual_time

SIZE = 3_000_000
PAUSE = b'{"print":{"sequence_id":"1","command":"pause"}}'


def wired(personality: str = "a1", **options: str) -> BambuWire:
    wire = BambuWire(BambuPrinter(personality), **options)  # type: ignore[arg-type]
    ports: tuple[ConnectMqtt, Storage] = (wire.connect, wire.storage)  # what mypy has to agree with
    assert ports
    return wire


@on_virtual_time
async def test_reports_come_in_order_and_a_goodbye_ends_it() -> None:
    wire = wired()
    connection = await wire.connect()
    await connection.subscribe(wire.printer.report_topic)
    numbers = []
    for _ in range(20):
        message = await connection.receive()
        assert message.topic == wire.printer.report_topic
        numbers.append(int(json.loads(message.payload)["print"]["sequence_id"]))
    assert numbers == list(range(numbers[0], numbers[0] + 20))
    await connection.close()
    await connection.close()
    assert wire.printer.seats == []
    with pytest.raises(MqttLost):
        await connection.receive()
    wire.stop()


@on_virtual_time
async def test_who_is_refused_and_who_finds_nobody() -> None:
    wire = wired(access_code="wrong")
    with pytest.raises(MqttRefused, match="access code"):
        await wire.connect()
    wire.access_code = wire.printer.access_code
    wire.pull(20.0)
    with pytest.raises(MqttLost):
        await wire.connect()
    await asyncio.sleep(20.0)
    for _ in range(4):
        await wire.connect()
    with pytest.raises(MqttLost, match="4 clients"):
        await wire.connect()
    wire.stop()


@pytest.mark.parametrize(("name", "done"), [("lost-before", 0), ("lost-after", 1)])
@pytest.mark.parametrize("qos", [0, 1])
def test_a_publish_over_which_the_connection_breaks(name: str, done: int, qos: int) -> None:
    @on_virtual_time
    async def case() -> None:
        wire = wired()
        wire.printer.panel.arm(BambuFault(name))
        connection = await wire.connect()
        if qos:
            with pytest.raises(MqttLost):
                await connection.publish(wire.printer.request_topic, PAUSE, qos=1)
        else:
            await connection.publish(wire.printer.request_topic, PAUSE)
        with pytest.raises(MqttLost):
            await connection.receive()
        asked = [entry.effect for entry in wire.printer.ledger.events("request")]
        assert asked == [None if done else "not done: it vanished"]
        wire.stop()

    case()


@on_virtual_time
async def test_a_subscription_that_the_printer_hates() -> None:
    wire = wired("p1s")
    connection = await wire.connect()
    with pytest.raises(MqttLost):
        await connection.subscribe(wire.printer.request_topic)
    wire.stop()


@on_virtual_time
async def test_a_short_silence_delays_and_a_long_one_ends_what_is_asked() -> None:
    wire = wired()
    connection = await wire.connect()
    await connection.subscribe(wire.printer.report_topic)
    wire.silence(PATIENCE_SECONDS / 2)
    await connection.publish(wire.printer.request_topic, PAUSE, qos=1)
    echoes = [json.loads((await connection.receive()).payload)["print"]["command"] for _ in range(8)]
    assert "pause" in echoes, "nothing is lost"
    wire.silence()
    with pytest.raises(MqttLost, match="did not answer"):
        await connection.publish(wire.printer.request_topic, PAUSE, qos=1)
    assert len(wire.printer.seats) == 1, "the printer has not noticed"
    wire.speak()
    await asyncio.sleep(KEEP_ALIVE_SECONDS)
    assert wire.printer.seats == []
    assert wire.printer.ledger.count("request") == 1
    wire.stop()


@pytest.fixture
def big(tmp_path: Path) -> str:
    (tmp_path / "x").write_bytes(b"x" * SIZE)
    return str(tmp_path / "x")


@on_virtual_time
async def test_files_there_and_back(big: str) -> None:
    wire, told = wired(), []
    await wire.storage.store(big, "cache/x.3mf", told=lambda count: told.append((round(wire.now), count)))
    assert told == [(0, 0), (1, 1_000_000), (2, 2_000_000), (3, 3_000_000)]
    assert await wire.storage.fetch("cache/x.3mf", SIZE) == b"x" * SIZE
    with pytest.raises(StorageTrouble, match=f"{SIZE} bytes"):
        await wire.storage.fetch("cache/x.3mf", SIZE - 1)
    await wire.storage.delete("cache/x.3mf")
    await wire.storage.delete("cache/x.3mf")
    with pytest.raises(StorageTrouble) as caught:
        await wire.storage.fetch("cache/x.3mf", 1)
    assert caught.value.is_absent
    wire.stop()


@pytest.mark.parametrize(
    ("name", "is_absent", "kept"),
    [("storage-full", True, None), ("file-truncated", False, SIZE // 2), ("upload-cut", False, SIZE // 2)],
)
def test_uploads_that_go_wrong(name: str, is_absent: bool, kept: int | None, big: str) -> None:
    @on_virtual_time
    async def case() -> None:
        wire = wired()
        wire.printer.panel.arm(BambuFault(name))
        with pytest.raises(StorageTrouble) as caught:
            await wire.storage.store(big, "x", told=lambda _: None)
        assert caught.value.is_absent == is_absent
        content = wire.printer.files.get("x")
        assert (None if content is None else len(content)) == kept
        wire.stop()

    case()


@on_virtual_time
async def test_a_network_that_goes_in_mid_upload_and_a_wrong_code(big: str) -> None:
    wire = wired()
    asyncio.get_running_loop().call_later(1.5, wire.pull, 10.0)
    with pytest.raises(StorageTrouble, match="in the middle") as caught:
        await wire.storage.store(big, "x", told=lambda _: None)
    assert not caught.value.is_absent
    assert len(wire.printer.files.get("x") or b"") == 1_000_000, "what came is there"
    with pytest.raises(StorageTrouble) as caught:
        await wire.storage.store(big, "x", told=lambda _: None)
    assert caught.value.is_absent
    await asyncio.sleep(10.0)
    wire.access_code = "wrong"
    with pytest.raises(StorageTrouble, match="530"):
        await wire.storage.delete("x")
    wire.stop()
