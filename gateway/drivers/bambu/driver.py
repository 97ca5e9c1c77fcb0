"""The driver of one Bambu printer: a thin shell around `machine.Machine`. It decides nothing.

It knows the time, one connection at a time, the printer's storage, and one timer.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Collection, Sequence
from functools import partial
from random import Random
from typing import Final

from gateway.domain.observations import PrinterObserved
from gateway.domain.orders import Order
from gateway.drivers.bambu.machine import Machine
from gateway.drivers.bambu.outbox import (
    LookAtFile,
    Output,
    Reconnect,
    Remove,
    Send,
    StopStoring,
    Store,
)
from gateway.drivers.bambu.print_file import NotPrintable, PrintFile, look_at
from gateway.drivers.bambu.settings import BambuSettings
from gateway.drivers.contract import Sink
from gateway.drivers.left import LeftPrint
from gateway.drivers.start_record import Note, StartRecord, never_sent, note
from gateway.protocol.bambu.requests import Request
from gateway.transport.mqtt import Connection, ConnectMqtt, MqttLost
from gateway.transport.mqtt_session import Session
from gateway.transport.storage import Storage, StorageTrouble

log = logging.getLogger(__name__)

#: Questions may be lost: they are asked again. Commands are acknowledged by the printer's broker.
_QUESTIONS: Final = frozenset({"pushing", "info"})
#: Seconds until a deadline that did not move is looked at again: a mistake must not take the processor.
STUCK_SECONDS: Final = 0.5


class BambuDriver:
    """drivers.contract.Driver for one printer."""

    def __init__(
        self,
        printer: str,
        connect: ConnectMqtt,
        storage: Storage,
        *,
        monotonic: Callable[[], float],
        new_id: Callable[[], str],
        chance: Random,
        settings: BambuSettings,
        record: StartRecord,
        over: Callable[[], Collection[str]] | None = None,
    ) -> None:
        """`over`: keys of prints that ended lately; without it the same file from the panel is told twice."""
        self._over = over
        self._printer = printer
        self._settings = settings
        self._storage = storage
        self._record = record
        self._monotonic = monotonic
        self._machine = Machine(printer, settings, new_id=new_id, chance=chance)
        self._session = Session(connect, monotonic=monotonic, chance=chance, on_down=self._down)
        self._sink: Sink | None = None
        self._tasks: asyncio.TaskGroup | None = None  # of this life
        self._publishes: asyncio.TaskGroup | None = None  # of this connection
        self._connection: Connection | None = None
        self._anew = asyncio.Event()
        self._why_anew = ""
        self._sooner = asyncio.Event()
        self._storing: dict[str, asyncio.Task[None]] = {}  # by key

    @property
    def printer(self) -> str:
        """The printer's name in the configuration."""
        return self._printer

    def begin(self, left: Sequence[LeftPrint]) -> None:
        """What the engine knows of prints on the printer, once, before `run`."""
        over = None if self._over is None else self._over()
        unsent = {each.key for each in left if never_sent(self._record, each)}
        self._machine.begin(left, over, self._monotonic(), unsent=unsent)

    async def run(self, sink: Sink) -> None:
        """Connect, observe, reconnect; until cancelled. Cancelling leaves the printer as it is."""
        self._sink = sink
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(self._let_time_pass())
                self._flush()
                await self._session.run(self._attend)
        finally:
            self._sink = self._tasks = None

    def submit(self, order: Order) -> None:
        """Take an order; never blocks. Answered through the sink, once (Acknowledge excepted)."""
        self._machine.take_order(order, self._monotonic())
        self._flush()

    def snapshot(self) -> PrinterObserved:
        """All that is known now."""
        return self._machine.snapshot(self._monotonic())

    # -- the connection -----------------------------------------------------------------------------------

    async def _attend(self, connection: Connection) -> None:
        """One connection, to its end; it ends by being lost, or because a new one is wanted."""
        await connection.subscribe(self._settings.report_topic)
        self._anew.clear()
        try:
            async with asyncio.TaskGroup() as self._publishes:
                self._connection = connection
                self._publishes.create_task(self._hear(connection))
                self._machine.connected(self._monotonic())
                self._flush()
                await self._anew.wait()
                raise MqttLost(self._why_anew)  # nothing waits for an acknowledgement any more
        except BaseExceptionGroup:
            _pass_cancellation_on()
            raise
        finally:
            self._connection = self._publishes = None

    async def _hear(self, connection: Connection) -> None:
        while True:
            message = await connection.receive()
            if message.retain:  # a broker between has kept it: the printer may be off by now
                continue
            self._machine.heard(message.payload, self._monotonic())
            self._flush()

    def _down(self, why: str) -> None:
        self._machine.lost(why, self._monotonic())
        self._flush()

    def _send(self, request: Request) -> None:
        if self._connection is None or self._publishes is None:
            self._machine.unsent(request.sequence_id, self._monotonic())
            return
        qos = 0 if request.section in _QUESTIONS else 1
        work = self._connection.publish(self._settings.request_topic, request.payload, qos=qos)
        try:
            self._publishes.create_task(work)
        except RuntimeError:  # one of the group has just failed: it takes no more, and the connection is over
            work.close()
            self._machine.unsent(request.sequence_id, self._monotonic())

    # -- time ---------------------------------------------------------------------------------------------

    async def _let_time_pass(self) -> None:
        while True:
            self._sooner.clear()
            deadline = self._machine.deadline
            if deadline > self._monotonic():
                await self._sleep_until(deadline)
            else:
                self._machine.wake(self._monotonic())
                self._flush()
                await asyncio.sleep(0 if self._machine.deadline > deadline else STUCK_SECONDS)

    async def _sleep_until(self, deadline: float) -> None:
        wait = None if deadline == math.inf else deadline - self._monotonic()
        try:
            async with asyncio.timeout(wait):
                await self._sooner.wait()
        except TimeoutError:
            pass

    # -- files --------------------------------------------------------------------------------------------

    async def _note(self, asked: Note) -> None:
        why_not = await note(self._record, asked)
        self._machine.noted(asked, why_not, self._monotonic())
        self._flush()

    async def _look_at(self, key: str, path: str) -> None:
        found: PrintFile | str
        try:
            found = await asyncio.get_running_loop().run_in_executor(None, look_at, path)
        except NotPrintable as why:
            found = str(why)
        self._machine.looked(key, found, self._monotonic())
        self._flush()

    async def _store(self, asked: Store) -> None:
        try:
            await self._storage.store(asked.path, asked.name, told=partial(self._told, asked.key))
        except StorageTrouble as why:
            is_absent = why.is_absent
            self._machine.not_stored(asked.key, str(why), self._monotonic(), is_absent=is_absent)
        else:
            self._machine.stored(asked.key, self._monotonic())
        finally:
            self._storing.pop(asked.key, None)
        self._flush()

    def _told(self, key: str, count: int) -> None:
        self._machine.told_bytes(key, count, self._monotonic())
        self._flush()

    async def _stop_storing(self, asked: StopStoring) -> None:
        storing = self._storing.get(asked.key)
        if storing is not None:
            storing.cancel()
            await asyncio.wait([storing])
        is_gone = await self._remove(asked.name)
        self._machine.removed(asked.key, self._monotonic(), is_gone=is_gone)
        self._flush()

    async def _remove(self, name: str) -> bool:
        try:
            await self._storage.delete(name)
        except StorageTrouble as why:
            log.warning("%s: %s stays on the printer: %s", self._printer, name, why)
            return False
        return True

    # -- what the machine leaves --------------------------------------------------------------------------

    def _flush(self) -> None:
        """Nothing is told, and nothing done, before `run`: it waits in the outbox."""
        sink, tasks = self._sink, self._tasks
        if sink is None or tasks is None:
            return
        while outputs := self._machine.outbox.take():
            for output in outputs:
                self._carry_out(output, sink, tasks)
        self._sooner.set()

    def _carry_out(self, output: Output, sink: Sink, tasks: asyncio.TaskGroup) -> None:
        match output:
            case Send():
                self._send(output.request)
            case Reconnect():
                self._why_anew = output.why
                self._anew.set()
            case Note():
                tasks.create_task(self._note(output))
            case LookAtFile():
                tasks.create_task(self._look_at(output.key, output.path))
            case Store():
                self._storing[output.key] = tasks.create_task(self._store(output))
            case StopStoring():
                tasks.create_task(self._stop_storing(output))
            case Remove():
                tasks.create_task(self._remove(output.name))
            case _:
                sink(output)


def _pass_cancellation_on() -> None:
    """Before Python 3.13 a TaskGroup loses a cancellation that comes while one of its tasks fails.

    The count is right because the group's body was still waiting when the task failed.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
