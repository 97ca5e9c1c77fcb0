"""The driver of one Klipper printer behind Moonraker: the world around `machine.Machine`.

Everything that is decided is decided there. Here requests go to the broker, messages come from it, files go
to the printer's storage, and one timer runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable, Coroutine, Sequence
from random import Random
from typing import Any, Final

from gateway.domain.observations import OrderAnswered, OrderProgressed, PrinterObserved
from gateway.domain.orders import Order
from gateway.drivers.contract import Sink
from gateway.drivers.left import LeftPrint
from gateway.drivers.moonraker.asking import Send
from gateway.drivers.moonraker.files import Remove, StopStore, Store
from gateway.drivers.moonraker.machine import Machine
from gateway.drivers.moonraker.orders import Orders
from gateway.drivers.moonraker.settings import MoonrakerSettings
from gateway.drivers.start_record import Note, StartRecord, never_sent, note
from gateway.transport.mqtt import Connection, ConnectMqtt, MqttLost
from gateway.transport.mqtt_session import Session
from gateway.transport.storage import Storage, StorageTrouble

log = logging.getLogger(__name__)

#: Facts kept until `run` gives them a sink: answers to orders that were too early.
EARLY_KEPT: Final = 256

Fact = PrinterObserved | OrderAnswered | OrderProgressed


class MoonrakerDriver:
    """drivers.contract.Driver over MQTT (requests, states) and HTTP (files)."""

    def __init__(
        self,
        printer: str,
        connect: ConnectMqtt,
        storage: Storage,
        *,
        monotonic: Callable[[], float],
        new_id: Callable[[], str],
        chance: Random,
        settings: MoonrakerSettings,
        record: StartRecord,
    ) -> None:
        self._machine = Machine(printer, chance=chance, new_id=new_id, settings=settings)
        self._orders = Orders(self._machine)
        self._session = Session(connect, monotonic=monotonic, chance=chance, on_down=self._down)
        self._storage = storage
        self._record = record
        self._monotonic = monotonic
        self._connection: Connection | None = None
        self._sink: Sink | None = None
        self._early: list[Fact] = []
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf  # monotonic
        self._due = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: asyncio.Queue[BaseException] = asyncio.Queue()
        self._transfers: dict[int, asyncio.Task[None]] = {}  # by ticket

    # -- drivers.contract.Driver --------------------------------------------------------------------------

    @property
    def printer(self) -> str:
        """The printer's name in the configuration."""
        return self._machine.printer

    def begin(self, left: Sequence[LeftPrint]) -> None:
        """What the former gateway process left; before `run`."""
        self._machine.begin(left, {each.key for each in left if never_sent(self._record, each)})

    async def run(self, sink: Sink) -> None:
        """Until cancelled; what is on the machine goes on."""
        self._sink = sink
        early, self._early = self._early, []
        for fact in early:
            sink(fact)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._session.run(self._attend), name=f"{self.printer} mqtt")
                group.create_task(self._let_time_pass(), name=f"{self.printer} time")
                group.create_task(self._fail(), name=f"{self.printer} failures")
        finally:
            self._sink = None
            if self._timer is not None:
                self._timer.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def submit(self, order: Order) -> None:
        """Take an order; answered through the sink."""
        self._orders.take(order, self._monotonic())
        self._flush()

    def snapshot(self) -> PrinterObserved:
        """All that is known now."""
        return self._machine.snapshot(self._monotonic())

    # -- the connection -----------------------------------------------------------------------------------

    async def _attend(self, connection: Connection) -> None:
        """One connection, until it is lost."""
        await connection.subscribe(*self._machine.topics.heard)
        self._connection = connection
        try:
            self._machine.connected(self._monotonic())
            self._flush()
            while True:
                message = await connection.receive()
                self._machine.heard(message.topic, message.payload, message.retain, self._monotonic())
                self._flush()
        finally:
            self._connection = None

    def _down(self, reason: str) -> None:
        self._machine.down(reason, self._monotonic())
        self._flush()

    async def _let_time_pass(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            at, self._timer, self._timer_at = self._timer_at, None, math.inf
            self._machine.wake(max(at, self._monotonic()))  # a loop's timer may fire a tick early
            self._flush()

    def _set_timer(self) -> None:
        """A timer that stands is left alone when it is early enough: most messages change no deadline."""
        deadline = self._machine.next_deadline()
        if deadline >= self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        wait = max(0.0, deadline - self._monotonic())
        self._timer = asyncio.get_running_loop().call_later(wait, self._due.set)
        self._timer_at = deadline

    # -- what the machine left ----------------------------------------------------------------------------

    def _flush(self) -> None:
        for output in self._machine.take():
            match output:
                case Send():
                    self._spawn(self._publish(output), "request")
                case Note():
                    self._spawn(self._note(output), "record")
                case Store():
                    self._transfers[output.ticket] = self._spawn(self._store(output), "upload")
                case StopStore():
                    self._transfers.pop(output.ticket).cancel()
                case Remove():
                    self._spawn(self._remove(output), "removal")
                case _:
                    self._tell(output)
        self._set_timer()

    def _tell(self, fact: Fact) -> None:
        if self._sink is not None:
            self._sink(fact)
        elif not isinstance(fact, PrinterObserved):
            self._early = [*self._early, fact][-EARLY_KEPT:]

    def _spawn(self, work: Coroutine[Any, Any, None], what: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=f"{self.printer} {what}")
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure.put_nowait(error)

    async def _fail(self) -> None:
        """What died of a mistake left the machine waiting for ever: its host begins anew."""
        raise await self._failure.get()

    async def _publish(self, message: Send) -> None:
        """Once. Whoever receives hears that the connection is lost; what was asked is then unanswered."""
        connection = self._connection
        if connection is not None:
            with contextlib.suppress(MqttLost):
                await connection.publish(self._machine.topics.request, message.payload, qos=message.qos)

    async def _note(self, asked: Note) -> None:
        why_not = await note(self._record, asked)
        self._machine.noted(asked, why_not, self._monotonic())
        self._flush()

    async def _store(self, transfer: Store) -> None:
        def told(sent: int) -> None:
            self._orders.uploads.told(transfer.ticket, sent)
            self._flush()

        trouble: StorageTrouble | None = None
        try:
            await self._storage.store(transfer.path, transfer.name, told=told)
        except StorageTrouble as error:
            trouble = error
        except OSError as error:
            trouble = StorageTrouble(f"The file cannot be read: {error.strerror or error}.", is_absent=True)
        self._transfers.pop(transfer.ticket, None)
        self._settled(transfer.ticket, trouble)

    async def _remove(self, removal: Remove) -> None:
        trouble: StorageTrouble | None = None
        try:
            await self._storage.delete(removal.name)
        except StorageTrouble as error:
            trouble = error
            log.info("%s: %s may stay on the printer: %s", self.printer, removal.name, error)
        if removal.ticket:
            self._settled(removal.ticket, trouble)

    def _settled(self, ticket: int, trouble: StorageTrouble | None) -> None:
        now = self._monotonic()
        self._machine.files.settled(ticket, trouble, now)
        self._machine.turn(now)
        self._flush()
