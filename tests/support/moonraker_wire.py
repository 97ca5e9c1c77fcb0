"""A simulated Klipper with Moonraker on a memory broker, on virtual time, and its storage.

    wire = MoonrakerWire(broker)                       # or with a printer of its own making
    async with wire:
        wire.act(wire.printer.panel.start, "part.gcode")
        wire.act(wire.printer.kill_moonraker)
    wire.storage                                       # the gateway's port to the printer's files

The machine lives as long as the context, with or without a broker, a Moonraker or a klippy.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from firmware_sim.moonraker.later import Later
from firmware_sim.moonraker.printer import RECONNECT_SECONDS, MoonrakerPrinter
from firmware_sim.moonraker.uploads import HttpAnswer, UploadForm
from gateway.transport.mqtt import MqttLost, Will
from gateway.transport.storage import StorageTrouble
from tests.support.memory_broker import MemoryBroker, MemoryConnection

UPLOAD_BYTES_PER_SECOND = 1e6
"""Of a Raspberry Pi on wireless."""
TICK = 1e-6
"""Seconds by which a timer of the loop may be early."""


class MoonrakerWire:
    """Moonraker's MQTT client between a printer and a broker; begins and ends as a context."""

    def __init__(
        self,
        broker: MemoryBroker,
        printer: MoonrakerPrinter | None = None,
        *,
        username: str = "",
        password: str = "",
    ) -> None:
        self.broker = broker
        self.printer = printer or MoonrakerPrinter()
        self.client = f"moonraker of {self.printer.config.instance}"
        self.storage = MoonrakerStorage(self)
        self._connect = broker.connecting(self.client, username=username, password=password)
        self._connection: MemoryConnection | None = None
        self._stirred = asyncio.Event()
        self._turned = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """The machine lives, and looks for the broker."""
        self._tasks = [
            asyncio.create_task(self._crank(), name=f"{self.client}: life"),
            asyncio.create_task(self._stay_connected(), name=f"{self.client}: connection"),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        """It is switched off. Raises what it died of."""
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    @property
    def now(self) -> float:
        """Machine seconds: those of the loop."""
        return asyncio.get_running_loop().time()

    @property
    def is_connected(self) -> bool:
        """Whether Moonraker has its connection to the broker."""
        return self._connection is not None

    def act(self, verb: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Do something to the machine at this instant: a verb whose last argument is `now`."""
        outcome = verb(*arguments, self.now, **named)
        self.stir()
        return outcome

    def stir(self) -> None:
        """Something was done to the machine from outside: look at it again."""
        self._stirred.set()

    def leave_retained(self) -> None:
        """The broker still has what a former life of this printer left retained."""
        for message in self.printer.leftovers():
            self.broker.publish(message.topic, message.payload, retain=True, client="a former life")

    async def _crank(self) -> None:
        """Live from deadline to deadline, and hand over what is said."""
        loop = asyncio.get_running_loop()
        due: float | None = None
        while True:
            # a loop's timer may fire a tick early, and a machine a tick before its deadline does nothing
            reached = due if due is not None and due - self.now <= TICK else 0.0
            for message in self.printer.poll(max(self.now, reached)):
                await self._send(message.topic, message.payload, message.qos, message.retain)
            if self._connection is not None and not self.printer.wants_broker:
                self.broker.lose(self._connection, "the process was killed")
            self._turned.set()
            due = self.printer.next_deadline()
            timer = loop.call_at(due, self._stirred.set) if due is not None else None
            await self._stirred.wait()
            self._stirred.clear()
            if timer is not None:
                timer.cancel()

    async def _send(self, topic: str, payload: bytes, qos: int, retain: bool) -> None:
        if self._connection is None:
            return
        try:
            await self._connection.publish(topic, payload, qos=qos, retain=retain)
        except MqttLost:
            return  # whoever receives on this connection sees it too

    async def _stay_connected(self) -> None:
        """As Moonraker does: attempt after attempt, 2 s apart."""
        will = self.printer.will
        while True:
            while not self.printer.wants_broker:
                self._turned.clear()
                await self._turned.wait()
            try:
                connection = await self._connect(will=Will(will.topic, will.payload, will.qos, will.retain))
                assert isinstance(connection, MemoryConnection)
                await connection.subscribe(self.printer.request_topic, qos=self.printer.config.qos)
                await self._listen(connection)
            except MqttLost:
                if self.printer.wants_broker:  # a new process tries at once
                    await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen(self, connection: MemoryConnection) -> None:
        """Until the connection is lost: MqttLost."""
        self._connection = connection
        self.act(self.printer.broker_up)
        try:
            while True:
                message = await connection.receive()
                self.act(self.printer.receive, message.topic, message.payload)
        finally:
            self._connection = None
            self.act(self.printer.broker_lost)


class MoonrakerStorage:
    """gateway.transport.storage.Storage, without HTTP in between.

    is_cut: the network to the printer is gone. uploads: names in the order in which they were sent.
    """

    def __init__(self, wire: MoonrakerWire) -> None:
        self._wire = wire
        self._printer = wire.printer
        self.is_cut = False
        self.uploads: list[str] = []
        self.is_uploading = False

    async def store(self, path: str, name: str, *, told: Callable[[int], None]) -> None:
        """POST /server/files/upload, with a checksum."""
        content = Path(path).read_bytes()
        self._check()
        self.uploads.append(name)
        self.is_uploading = True
        try:
            await self._travel(len(content), told)
            form = UploadForm(name, content, checksum=hashlib.sha256(content).hexdigest())
            answer = await self._answered(self._wire.act(self._printer.upload, form))
        finally:
            self.is_uploading = False
        if answer.status != 201 or not isinstance(answer.body, dict):
            raise StorageTrouble(_told(answer), is_absent=True)
        if answer.body["item"]["size"] != len(content):
            raise StorageTrouble(f"the printer has {answer.body['item']['size']} of {len(content)} bytes")

    async def fetch(self, name: str, most_bytes: int) -> bytes:
        """GET /server/files/gcodes/NAME."""
        self._check()
        answer = self._wire.act(self._printer.download, name)
        if answer.content is None:
            raise StorageTrouble(_told(answer), is_absent=True)
        if len(answer.content) > most_bytes:
            raise StorageTrouble(f"{name} has more than {most_bytes} bytes")
        return bytes(answer.content)

    async def delete(self, name: str) -> None:
        """DELETE /server/files/gcodes/NAME."""
        self._check()
        answer = self._wire.act(self._printer.delete, name)
        if answer.status != 200 and name in self._printer.gcodes.by_name:
            raise StorageTrouble(_told(answer))

    def _check(self) -> None:
        if self.is_cut or not self._printer.server.serves:
            raise StorageTrouble("no connection to the printer", is_absent=True)

    async def _travel(self, size: int, told: Callable[[int], None]) -> None:
        """The bytes go over the wire, and are told of once a second."""
        seconds = size / UPLOAD_BYTES_PER_SECOND
        for second in range(1, math.ceil(seconds) + 1):
            await asyncio.sleep(min(1.0, seconds - second + 1))
            if self.is_cut:
                raise StorageTrouble("the connection to the printer broke", is_absent=True)
            told(min(size, int(second * UPLOAD_BYTES_PER_SECOND)))

    async def _answered(self, later: Later) -> HttpAnswer:
        future: asyncio.Future[HttpAnswer] = asyncio.get_running_loop().create_future()

        def settle(answer: object) -> None:
            assert isinstance(answer, HttpAnswer)
            if not future.done():
                future.set_result(answer)

        later.then(settle)
        answer = await future
        if answer.is_lost or self.is_cut:
            raise StorageTrouble("the connection broke before the printer had answered")
        return answer


def _told(answer: HttpAnswer) -> str:
    """The words of an error."""
    if isinstance(answer.body, dict) and "error" in answer.body:
        return f"the printer says {answer.status}: {answer.body['error']['message']}"
    return f"the printer says {answer.status}"
