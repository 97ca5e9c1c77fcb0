"""Moonraker's MQTT client on a real broker: MQTT 3.1.1, clean session, one attempt every 2 s.

A process that is killed says no goodbye: its socket is closed, and the broker publishes the will.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import aiomqtt

from firmware_sim.moonraker.options import Broker
from firmware_sim.moonraker.printer import RECONNECT_SECONDS, Publish
from firmware_sim.moonraker.pump import MachinePump

KEEP_ALIVE_SECONDS = 60
CONNECT_SECONDS = 10.0
"""Moonraker's patience with one attempt."""

_NOBODY = logging.getLogger(f"{__name__}.aiomqtt")
"""The library's own words about connections; ours are told once each."""
_NOBODY.addHandler(logging.NullHandler())
_NOBODY.propagate = False


class BrokerClient:
    """Keeps the machine of `pump` on a broker as long as its Moonraker lives. `tell` hears why it is not."""

    def __init__(
        self,
        pump: MachinePump,
        broker: Broker,
        *,
        password: str | None = None,
        ca_file: Path | None = None,
        tell: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self._pump, self._broker, self._password, self._tell = pump, broker, password, tell
        self._tls = ssl.create_default_context(cafile=ca_file) if broker.is_tls else None
        self._last_told = ""
        self.was_connected = asyncio.Event()

    async def run(self) -> None:
        """For ever; cancelled, it leaves as a Moonraker that is stopped: `offline`, and a goodbye."""
        while True:
            await self._until_wanted(True)
            try:
                await self._one_connection()
            except aiomqtt.MqttError as error:
                self._explain(str(error))
            if self._pump.printer.wants_broker:
                await asyncio.sleep(RECONNECT_SECONDS / self._pump.speed)

    async def _one_connection(self) -> None:
        will, machine = self._pump.printer.will, self._pump.printer
        client = aiomqtt.Client(
            self._broker.host,
            self._broker.port,
            username=self._broker.username,
            password=self._password,
            protocol=aiomqtt.ProtocolVersion.V311,
            clean_session=True,
            keepalive=KEEP_ALIVE_SECONDS,
            timeout=CONNECT_SECONDS,
            logger=_NOBODY,
            tls_context=self._tls,
            will=aiomqtt.Will(will.topic, will.payload, will.qos, will.retain),
        )
        async with client:
            await client.subscribe(machine.request_topic, machine.config.qos)
            while not self._pump.said.empty():
                self._pump.said.get_nowait()
            self._pump.act(machine.broker_up)
            self._last_told = ""
            self.was_connected.set()
            try:
                await self._serve(client)
            except asyncio.CancelledError:
                await _publish(client, will)
                raise
            finally:
                self._pump.act(machine.broker_lost)

    async def _serve(self, client: aiomqtt.Client) -> None:
        """Until the connection is lost (MqttError), or the process is killed."""
        tasks = [asyncio.create_task(talk) for talk in (self._hear(client), self._say(client))]
        tasks.append(asyncio.create_task(self._until_wanted(False)))
        try:
            done, _left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if tasks[-1] in done:
                _hang_up(client)
                await asyncio.wait(tasks[:1])
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _hear(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            payload = message.payload if isinstance(message.payload, bytes) else b""
            self._pump.act(self._pump.printer.receive, str(message.topic), payload)

    async def _say(self, client: aiomqtt.Client) -> None:
        while True:
            await _publish(client, await self._pump.said.get())

    async def _until_wanted(self, is_wanted: bool) -> None:
        while self._pump.printer.wants_broker is not is_wanted:
            self._pump.turned.clear()
            await self._pump.turned.wait()

    def _explain(self, why: str) -> None:
        if self._pump.printer.wants_broker and why != self._last_told:
            self._last_told = why
            self._tell(f"not on the broker {self._broker.host}:{self._broker.port}: {why}")


async def _publish(client: aiomqtt.Client, message: Publish) -> None:
    await client.publish(message.topic, message.payload, message.qos, message.retain)


def _hang_up(client: aiomqtt.Client) -> None:
    """Close the socket without a DISCONNECT, as the death of a process does."""
    sock = client._client.socket()  # aiomqtt has no way to break a connection
    if isinstance(sock, socket.socket):
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
