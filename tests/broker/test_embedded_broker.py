"""The embedded broker: a child that listens, comes back, and never outlives the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from firmware_sim.virtual_loop import VirtualLoop
from gateway.broker.supervisor import FORMER_SECONDS, BrokerUnavailable, EmbeddedBroker, Listening
from gateway.transport import tls
from gateway.transport.mqtt import MqttLost, MqttRefused
from gateway.transport.mqtt_client import AiomqttConnect
from tests.support.certificates import Authority
from tests.support.ports import free_port
from tests.support.real_broker import KINDS

#: Seconds for what takes a few tenths, on a busy machine.
PATIENCE = 60
needs_amqtt = pytest.mark.skipif("amqtt" not in KINDS, reason="the extra `broker` is not installed")
pytestmark = needs_amqtt


def is_alive(pid: int) -> bool:
    """Not dead, and not dead and unburied."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def until_dead(pid: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while is_alive(pid):
            await asyncio.sleep(0.01)


async def said_and_heard(connect: AiomqttConnect) -> bytes:
    """A message there and back."""
    connection = await connect()
    async with asyncio.timeout(PATIENCE):
        await connection.subscribe("loop", qos=1)
        await connection.publish("loop", b"back", qos=1)
        payload = (await connection.receive()).payload
    await connection.close()
    return payload


async def test_it_listens_comes_back_and_ends() -> None:
    port = free_port()
    broker = EmbeddedBroker(Listening(port=port), chance=Random(1))
    await broker.start()
    first = broker.pid
    assert first is not None
    connect = AiomqttConnect("127.0.0.1", port)
    assert await said_and_heard(connect) == b"back"
    keeping = asyncio.create_task(broker.keep())
    os.kill(first, signal.SIGKILL)
    async with asyncio.timeout(PATIENCE):
        while broker.pid in (None, first):
            await asyncio.sleep(0.05)
        while True:
            with contextlib.suppress(MqttLost):
                assert await said_and_heard(connect) == b"back"
                break
            await asyncio.sleep(0.05)
    second = broker.pid
    assert second is not None
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping
    assert not is_alive(second)
    assert broker.pid is None


async def test_signals_to_the_whole_group_leave_time_for_goodbyes() -> None:
    broker = EmbeddedBroker(Listening(port=free_port()), chance=Random(1))
    await broker.start()
    assert broker.pid is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(broker.pid, number)
    await asyncio.sleep(0.2)
    assert is_alive(broker.pid)
    pid = broker.pid
    await broker.stop()
    assert not is_alive(pid)


@pytest.mark.parametrize("messages", [0, 400], ids=["quiet", "busy"])
async def test_it_ends_with_a_gateway_that_is_killed(messages: int) -> None:
    port = free_port()
    program = f"""
    import asyncio
    from random import Random
    from gateway.broker.supervisor import EmbeddedBroker, Listening
    async def main():
        broker = EmbeddedBroker(Listening(port={port}), chance=Random(1))
        await broker.start()
        print(broker.pid, flush=True)
        await broker.keep()
    asyncio.run(main())
    """
    gateway = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(program), stdout=subprocess.PIPE
    )
    assert gateway.stdout is not None
    async with asyncio.timeout(PATIENCE):
        pid = int(await gateway.stdout.readline())
    assert is_alive(pid)
    connection = await AiomqttConnect("127.0.0.1", port)()
    await connection.subscribe("t", qos=1)
    flood = [asyncio.create_task(connection.publish("t", b"x" * 100, qos=1)) for _ in range(messages)]
    if flood:
        await asyncio.wait(flood, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
    gateway.kill()
    await gateway.wait()
    await until_dead(pid)
    await connection.close()
    await asyncio.gather(*flood, return_exceptions=True)


async def test_it_asks_for_credentials_and_speaks_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    leaf = authority.host("127.0.0.1")
    listening = Listening("0.0.0.0", free_port(), "ana", "secret", str(leaf.certificate), str(leaf.key))
    assert listening.refusal is None
    assert "secret" not in repr(listening)
    broker = EmbeddedBroker(listening, chance=Random(1))
    await broker.start()
    try:
        right = AiomqttConnect(
            "127.0.0.1", listening.port, tls.verified(authority.file), username="ana", password="secret"
        )
        assert await said_and_heard(right) == b"back"
        for wrong in (replace(right, password="other"), replace(right, username=None, password=None)):
            with pytest.raises(MqttRefused):
                await wrong()
        assert broker.pid is not None
        command = Path(f"/proc/{broker.pid}/cmdline").read_bytes()
        assert b"secret" not in command + Path(f"/proc/{broker.pid}/environ").read_bytes()
    finally:
        await broker.stop()


@pytest.mark.parametrize(
    "listening",
    [
        Listening("0.0.0.0"),
        Listening("::"),
        Listening("192.0.2.1", username="ana", password="secret"),
        Listening("192.0.2.1", certificate_file="/c.pem", key_file="/k.pem"),
        Listening("printer-host", username="ana"),
    ],
    ids=str,
)
async def test_it_is_open_to_nobody_but_this_host(listening: Listening) -> None:
    broker = EmbeddedBroker(listening, chance=Random(1))
    with pytest.raises(BrokerUnavailable, match="without a user name, a password and TLS"):
        await broker.start()
    assert broker.pid is None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_on_this_host_anybody_may_come_in(host: str) -> None:
    assert Listening(host).refusal is None


async def test_it_is_an_extra() -> None:
    broker = EmbeddedBroker(Listening(), chance=Random(1), is_installed=lambda: False)
    with pytest.raises(BrokerUnavailable, match=r"pip install '\.\[broker\]'"):
        await broker.start()


async def test_a_port_that_is_taken() -> None:
    port = free_port()
    first = EmbeddedBroker(Listening(port=port), chance=Random(1))
    await first.start()
    second = EmbeddedBroker(Listening(port=port), chance=Random(1), former_seconds=0.0)
    try:
        with pytest.raises(BrokerUnavailable, match=r"address already in use.* set url under"):
            await second.start()
        assert second.pid is None
    finally:
        await first.stop()


class SlowToLoad(EmbeddedBroker):
    """On virtual time: a child that takes longer to say anything than a port is waited for."""

    begun = 0

    async def _begin(self) -> str:
        await asyncio.sleep(FORMER_SECONDS)
        self.begun += 1
        return "address already in use" if self.begun == 1 else "ready"


def test_a_port_is_waited_for_from_the_first_refusal_on() -> None:
    broker = SlowToLoad(Listening(), chance=Random(1))
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(broker.start())
    assert broker.begun == 2


async def test_a_port_that_a_killed_gateways_broker_has_for_a_moment() -> None:
    with socket.create_server(("127.0.0.1", 0)) as former:
        broker = EmbeddedBroker(Listening(port=former.getsockname()[1]), chance=Random(1))
        starting = asyncio.create_task(broker.start())
        while (first := broker.pid) is None:
            await asyncio.sleep(0.01)
        while broker.pid == first:  # it finds the port taken, and ends
            await asyncio.sleep(0.01)
    await starting
    assert broker.pid is not None
    await broker.stop()
