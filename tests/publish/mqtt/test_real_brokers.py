"""The worker on brokers that nobody here wrote: what others find there, a command, a goodbye, an ACL."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.publish.mqtt.rights import Proof
from gateway.transport.mqtt import Connection, MqttMessage
from gateway.transport.mqtt_client import AiomqttConnect
from tests.publish.mqtt.stand import CONFIG, OWN, Broadcast
from tests.support.real_broker import EACH_KIND, KINDS, RealBroker

#: Seconds on a busy machine.
PATIENCE = 60.0
ANA = ("ana", "secret")


class Observer:
    """Another client: what it was told last, by topic."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.newest: dict[str, MqttMessage] = {}

    async def listen(self) -> None:
        while True:
            message = await self.connection.receive()
            self.newest[message.topic] = message

    async def until(self, topic: str, holds: Callable[[Any], bool]) -> Any:
        async with asyncio.timeout(PATIENCE):
            while not (topic in self.newest and holds(_read(self.newest[topic].payload))):
                await asyncio.sleep(0.02)
        return _read(self.newest[topic].payload)


@asynccontextmanager
async def observed(broker: RealBroker, user: tuple[str, str] = ANA) -> AsyncIterator[Observer]:
    connection = await AiomqttConnect("127.0.0.1", broker.port, username=user[0], password=user[1])()
    observer = Observer(connection)
    await connection.subscribe("print-gateway/#", "homeassistant/#", qos=1)
    listening = asyncio.create_task(observer.listen())
    try:
        yield observer
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await connection.close()


def connecting(broker: RealBroker) -> AiomqttConnect:
    return AiomqttConnect("127.0.0.1", broker.port, username=ANA[0], password=ANA[1])


@pytest.mark.parametrize("kind", EACH_KIND)
async def test_a_print_on_a_real_broker(kind: str, tmp_path: Path) -> None:
    with RealBroker(kind, tmp_path, credentials=ANA) as broker:
        async with Broadcast(tmp_path) as house:
            house.settled = 0.2  # what comes later is waited for
            house.tell(connect=connecting(broker))
            job = await house.print_something()
            async with observed(broker) as others:
                state = await others.until(f"{OWN}/printer/1/state", lambda said: said["state"] == "printing")
                assert state["allowed"] == ["pause", "cancel"]
                await others.until(f"{OWN}/status", lambda said: said == "online")
                await others.until(f"{CONFIG}_1/config", lambda said: said["cmps"]["state"]["p"] == "sensor")
                command = {"command": "pause", "job": job.job_id, "id": "1"}
                topic = f"{OWN}/printer/1/command"
                await others.connection.publish(topic, json.dumps(command).encode(), qos=1)
                result = await others.until(f"{topic}/result", lambda said: said["id"] == "1")
                assert result["result"] == "accepted"
                assert {right.proof for right in house.northbound.status.rights} == {Proof.PROVEN}
                await house.stop()
                await others.until(f"{OWN}/status", lambda said: said == "offline")


@pytest.mark.soak  # ten seconds of waiting for what does not come; the memory broker denies in no time
@pytest.mark.skipif("mosquitto" not in KINDS, reason="mosquitto is not installed")
async def test_an_acl_that_mosquitto_denies_in_silence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    acl = tmp_path / "acl"
    acl.write_text(f"user {ANA[0]}\ntopic readwrite print-gateway/#\n")
    acl.chmod(0o600)
    broker = RealBroker("mosquitto", tmp_path, credentials=ANA)
    with (tmp_path / "mosquitto.conf").open("a") as config:
        config.write(f"acl_file {acl}\n")
    with broker:
        async with Broadcast(tmp_path) as house:
            house.tell(connect=connecting(broker))
            async with asyncio.timeout(PATIENCE):
                while "topic readwrite homeassistant/#" not in caplog.text:
                    await asyncio.sleep(0.1)
            rights = {right.prefix: right.proof for right in house.northbound.status.rights}
            assert rights == {OWN: Proof.PROVEN, "homeassistant": Proof.DENIED}
            assert house.northbound.status.is_connected


def _read(payload: bytes) -> Any:
    return json.loads(payload) if payload[:1] == b"{" else payload.decode()
