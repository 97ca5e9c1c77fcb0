"""A simulated Bambu printer behind the gateway's ports, on a virtual-time loop.

`wire.connect` is a ConnectMqtt, `wire.storage` a Storage. What goes wrong by itself is the printer's own
(`BambuPrinter(..., faults=...)`, `wire.printer.panel.arm(...)`); the network between is this module's:
latency, outages, a wrong access code, a slow upload.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from pathlib import Path

from firmware_sim.bambu.printer import USER, BambuPrinter, NotServed
from firmware_sim.bambu.seat import Seat
from firmware_sim.bambu.storage import StorageFull
from gateway.transport.mqtt import MqttLost, MqttMessage, MqttRefused, Will
from gateway.transport.storage import StorageTrouble

#: Seconds a message takes between the two in either direction: a home network.
WIRE_SECONDS = 0.005
#: Bytes a second of an upload; the real ones take 75,000 to 150,000.
UPLOAD_RATE = 1_000_000.0
#: How long a client waits for an answer before it takes the connection for lost, seconds.
PATIENCE_SECONDS = 10.0
CHUNK_SECONDS = 1.0
#: When the printer's broker gives up a client that it does not hear: 1.5 times 30 s (MQTT 3.1.1, 3.1.2.10).
KEEP_ALIVE_SECONDS = 45.0


class BambuConnection:
    """One MQTT connection, as `gateway.transport.mqtt.Connection` says."""

    def __init__(self, wire: BambuWire, seat: Seat) -> None:
        self._wire = wire
        self.seat = seat
        self.why_lost: str | None = None
        self._arrived: deque[MqttMessage] = deque()
        self._stir = asyncio.Event()

    async def subscribe(self, *filters: str, qos: int = 0) -> None:
        await self._passes()
        for topics in filters:
            self._wire.printer.subscribe(self.seat, topics, self._wire.now)
        self._wire.turn()
        await self._passes()

    async def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        await self._passes()
        self._wire.published.append((topic, payload))
        self._wire.printer.publish(self.seat, topic, payload, self._wire.now)
        self._wire.turn()
        if qos:
            await self._passes()

    async def receive(self) -> MqttMessage:
        while not self._arrived:
            self._check()
            self._stir.clear()
            await self._stir.wait()
        return self._arrived.popleft()

    async def close(self) -> None:
        self._wire.forget(self)
        self.lose("it was closed")

    def deliver(self, message: MqttMessage) -> None:
        """A report arrives."""
        if self.why_lost is None:
            self._arrived.append(message)
            self._stir.set()

    def lose(self, why: str) -> None:
        """It is over: every call raises from now on."""
        if self.why_lost is None:
            self.why_lost = why
            self._arrived.clear()
            self._stir.set()

    def _check(self) -> None:
        if self.why_lost is not None:
            raise MqttLost(f"The printer's connection is gone: {self.why_lost}.")

    async def _passes(self) -> None:
        """One way over the network; while it is silent nothing passes."""
        self._check()
        if not await self._wire.pass_through():
            self._wire.forget(self)
            self.lose("it did not answer")
        elif self.seat.lost is not None:
            self.lose(self.seat.lost)
        self._check()


class BambuStorage:
    """The printer's files, as `gateway.transport.storage.Storage` says."""

    def __init__(self, wire: BambuWire, rate: float) -> None:
        self._wire = wire
        self.rate = rate

    async def store(self, path: str, name: str, *, told: Callable[[int], None]) -> None:
        await self._reach()
        content = Path(path).read_bytes()
        for sent in range(0, len(content), max(1, int(self.rate * CHUNK_SECONDS))):
            told(sent)
            await asyncio.sleep(min(CHUNK_SECONDS, (len(content) - sent) / self.rate))
            try:
                self._wire.must_be_there(f"The connection broke in the middle of {name}.")
            except StorageTrouble:
                self._wire.printer.keep_part(name, content[:sent], self._wire.now)
                raise
        try:
            self._wire.printer.store_file(name, content, self._wire.now)
        except StorageFull as full:
            raise StorageTrouble(f"The printer says: {full}.", is_absent=True) from None
        except NotServed as cut:
            raise StorageTrouble(f"The printer says: {cut}.") from None
        finally:
            self._wire.turn()
        kept = len(self._wire.printer.files.get(name) or b"")
        if kept != len(content):
            raise StorageTrouble(f"The printer has {kept} of {len(content)} bytes of {name}.")
        told(len(content))

    async def fetch(self, name: str, most_bytes: int) -> bytes:
        await self._reach()
        content = self._wire.printer.files.get(name)
        if content is None:
            raise StorageTrouble(f"There is no {name} on the printer.", is_absent=True)
        if len(content) > most_bytes:
            raise StorageTrouble(f"{name} has {len(content)} bytes.")
        await asyncio.sleep(len(content) / self.rate)
        self._wire.must_be_there(f"The connection broke in the middle of {name}.")
        return content

    async def delete(self, name: str) -> None:
        await self._reach()
        self._wire.printer.files.remove(name)

    async def _reach(self) -> None:
        await self._wire.pass_through()
        self._wire.must_be_there("The printer's file server does not answer.", is_absent=True)
        if not self._wire.is_let_in:
            raise StorageTrouble("530 Login incorrect: look up the access code.", is_absent=True)


class BambuWire:
    """The network between one printer and the gateway. `access_code` is what the gateway was given."""

    def __init__(
        self,
        printer: BambuPrinter,
        *,
        access_code: str | None = None,
        latency: float = WIRE_SECONDS,
        upload_rate: float = UPLOAD_RATE,
    ) -> None:
        self.printer = printer
        self.access_code = printer.access_code if access_code is None else access_code
        self.latency = latency
        self.storage = BambuStorage(self, upload_rate)
        self.connections: list[BambuConnection] = []
        self.opened = 0
        self.refused = 0
        """Connections that were refused for the access code."""
        self.is_pulled = False
        self._heard = asyncio.Event()
        self._heard.set()
        self.published: list[tuple[str, bytes]] = []
        """What clients sent that reached the printer: topic and payload, in order."""
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        # A loop may call timers of one instant in any order; a cable does not.
        self._on_the_way: deque[tuple[BambuConnection, bytes]] = deque()
        self.turn()

    @property
    def now(self) -> float:
        """Machine seconds: those of the loop."""
        return self._loop.time()

    @property
    def is_let_in(self) -> bool:
        """Whether the access code is the right one."""
        return self.printer.is_known(USER, self.access_code)

    @property
    def is_silent(self) -> bool:
        """Whether nothing passes just now."""
        return not self._heard.is_set()

    async def pass_through(self) -> bool:
        """One way over the network; False: the patience of whoever waits ran out."""
        await asyncio.sleep(self.latency)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._heard.wait()
        except TimeoutError:
            return False
        return True

    async def connect(self, *, will: Will | None = None) -> BambuConnection:
        """A ConnectMqtt."""
        if not await self.pass_through() or self.is_pulled:
            raise MqttLost("The printer does not answer.")
        self.turn()
        if self.printer.is_on and not self.is_let_in:
            self.refused += 1
            raise MqttRefused("The printer refuses the access code: look it up at its display.")
        self.opened += 1
        try:
            seat = self.printer.attach(f"client-{self.opened}", self.now)
        except NotServed as why:
            raise MqttLost(f"The printer takes no connection: {why}.") from None
        connection = BambuConnection(self, seat)
        self.connections.append(connection)
        self.turn()
        return connection

    def pull(self, seconds: float = math.inf) -> None:
        """The network is gone for so long, and both ends notice at once."""
        self.is_pulled = True
        for connection in list(self.connections):
            self.forget(connection)
            connection.lose("the network is gone")
        if seconds < math.inf:
            self._loop.call_later(seconds, self.plug)

    def plug(self) -> None:
        """It is back."""
        self.is_pulled = False

    def drop(self) -> None:
        """All connections break; new ones are taken at once."""
        self.pull()
        self.plug()

    def silence(self, seconds: float = math.inf) -> None:
        """For so long nothing passes in either direction and nobody is told; then it passes late."""
        self._heard.clear()
        if seconds < math.inf:
            self._loop.call_later(seconds, self.speak)

    def speak(self) -> None:
        """The silence is over."""
        self._heard.set()
        self.turn()

    def must_be_there(self, trouble: str, *, is_absent: bool = False) -> None:
        """Raises StorageTrouble unless the printer can be reached."""
        if self.is_pulled or self.is_silent or not self.printer.is_on:
            raise StorageTrouble(trouble, is_absent=is_absent)

    def forget(self, connection: BambuConnection) -> None:
        """A client is gone; over a silent network the printer hears nothing and waits for its keep-alive."""
        if connection in self.connections:
            self.connections.remove(connection)
            if self.is_silent:
                self._loop.call_later(KEEP_ALIVE_SECONDS, self._detach, connection.seat)
            else:
                self._detach(connection.seat)

    def _detach(self, seat: Seat) -> None:
        self.printer.detach(seat, self.now)
        self.turn()

    def turn(self) -> None:
        """Let the printer live up to now; call it after doing something to it from outside."""
        self.printer.poll(self.now)
        for connection in list(self.connections):
            for payload in connection.seat.take() if not self.is_silent else ():
                self._on_the_way.append((connection, payload))
                self._loop.call_later(self.latency, self._deliver)
            if connection.seat.lost is not None:
                self.connections.remove(connection)
                self._loop.call_later(self.latency, connection.lose, connection.seat.lost)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.printer.next_deadline()
        if due < math.inf:
            self._timer = self._loop.call_later(max(0.0, due - self.now), self.turn)

    def _deliver(self) -> None:
        connection, payload = self._on_the_way.popleft()
        connection.deliver(MqttMessage(self.printer.report_topic, payload))

    def stop(self) -> None:
        """No more wake-ups: the loop can end."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
