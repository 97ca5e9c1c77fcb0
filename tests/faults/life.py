"""The life of one process that hosts the driver, and its death by kill -9 at any of its steps.

What a process does to the world are its writes to the port and its stores into the line record. Death at a
step is the end of all effects at that step: what the code still runs until the loop comes round reaches
nobody, and nobody reaches it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.domain.observations import OrderAnswered, PrinterObserved
from gateway.drivers.marlin.driver import MarlinDriver
from gateway.drivers.marlin.settings import MarlinSettings
from gateway.streamer.line_record import MappedLineRecord
from gateway.transport.port import Port, PortListener
from tests.faults.weather import Death
from tests.support.board_port import BoardWire

Fact = PrinterObserved | OrderAnswered


class Life:
    """A driver with its record and its port, from birth to death."""

    def __init__(
        self,
        wire: BoardWire,
        record: Path,
        sink: Callable[[Fact], None],
        new_id: Callable[[], str],
        death: Death | None,
        settings: MarlinSettings,
    ) -> None:
        self._wire = wire
        self._sink = sink
        self._death = death
        self._mapped = MappedLineRecord(record)
        self.effects = 0
        self.is_dead = False
        self.died = asyncio.Event()
        self.driver = MarlinDriver(
            "mk3",
            self._open,
            MortalRecord(self, self._mapped),
            monotonic=asyncio.get_running_loop().time,
            new_id=new_id,
            settings=settings,
        )
        self.task = asyncio.create_task(self.driver.run(self._tell), name="driver")

    def takes_effect(self, size: int = 0) -> int | None:
        """One more step: how many of its `size` bytes still get out, None for all of it."""
        if self.is_dead:
            return 0
        self.effects += 1
        if self._death is None or self._death.is_gentle or self.effects < self._death.effects:
            if self._death is not None and self.effects >= self._death.effects:
                self.died.set()
            return None
        self._die()
        return min(size, self._death.passed)

    def spare(self) -> None:
        """It does not die any more."""
        self._death = None

    def _die(self) -> None:
        self.is_dead = True
        self.died.set()

    async def end(self) -> None:
        """Clear away: gently if it lives, else what is left of it."""
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task
        self._mapped.release()

    def _tell(self, fact: Fact) -> None:
        if not self.is_dead:
            self._sink(fact)

    async def _open(self, listener: PortListener) -> Port:
        return MortalPort(self, await self._wire.open(MortalListener(self, listener)))


class MortalPort:
    """transport.Port of a process that may be dead."""

    def __init__(self, life: Life, port: Port) -> None:
        self._life = life
        self._port = port

    @property
    def unsent(self) -> int:
        return 0

    def write(self, data: bytes) -> None:
        passed = self._life.takes_effect(len(data))
        if passed is None:
            self._port.write(data)
        elif passed:
            self._port.write(data[:passed])

    def close(self) -> None:
        self._port.close()


class MortalListener:
    """transport.PortListener of a process that may be dead."""

    def __init__(self, life: Life, listener: PortListener) -> None:
        self._life = life
        self._listener = listener

    def bytes_received(self, data: bytes) -> None:
        if not self._life.is_dead:
            self._listener.bytes_received(data)

    def port_lost(self, reason: str) -> None:
        if not self._life.is_dead:
            self._listener.port_lost(reason)


class MortalRecord:
    """contract.LineRecord on disk, of a process that may be dead: every store but `alive` is a step."""

    def __init__(self, life: Life, record: MappedLineRecord) -> None:
        self._life = life
        self._record = record

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(self._record, name)
        if name in ("unfinished", "find"):
            return method

        def store(*values: Any, **named: Any) -> None:
            is_step = name != "alive"
            if self._life.takes_effect() is None if is_step else not self._life.is_dead:
                method(*values, **named)

        return store
