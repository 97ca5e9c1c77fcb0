"""A Marlin driver with a simulated printer at its other end, on virtual time."""

from __future__ import annotations

import asyncio
import functools
import hashlib
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

from firmware_sim.ledger import Ledger
from firmware_sim.machine.board import Board
from firmware_sim.virtual_loop import VirtualLoop
from gateway.domain.observations import (
    OrderAnswered,
    OrderProgressed,
    PrinterObserved,
    PrintPhase,
    PrintReport,
)
from gateway.domain.orders import (
    Acknowledge,
    CancelPrint,
    EmergencyStop,
    Order,
    PausePrint,
    ResumePrint,
    SendGcode,
    StartPrint,
    UploadFile,
)
from gateway.drivers.contract import LineKind, OpenRecord, Parked, RecordedStage, UploadMark
from gateway.drivers.marlin.driver import MarlinDriver
from gateway.drivers.marlin.settings import MarlinSettings
from gateway.drivers.marlin.upload_mark import MemoryMark
from tests.support.board_port import BoardWire


def on_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test on a virtual-time loop."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run


class MemoryRecord:
    """contract.LineRecord in memory."""

    def __init__(self, left: OpenRecord | None = None) -> None:
        self.left = left
        self.is_open = left is not None
        self.opened: list[str] = []
        self.entries: list[tuple[int, int, int, LineKind]] = []

    def open(self, *, key: str, path: str, sha256: str, size: int, name: str) -> None:
        assert not self.is_open
        self.is_open = True
        self.opened.append(key)
        self.left = OpenRecord(key, path, sha256, size, name, 0, 0, 0)

    def sent(self, number: int, offset: int, line: int, kind: LineKind) -> None:
        assert self.is_open, "a line goes out and no record is open"
        assert self.left is not None
        self.entries.append((number, offset, line, kind))
        left = self.left
        self.left = replace(left, last_number=number, last_offset=offset, last_line=line)

    def enter(self, stage: RecordedStage) -> None:
        assert self.left is not None
        self.left = replace(self.left, stage=stage)

    def park(self, parked: Parked | None) -> None:
        assert self.left is not None
        self.left = replace(self.left, parked=parked)

    def alive(self, at: float) -> None:
        assert self.left is not None
        self.left = replace(self.left, alive_at=at)

    def close(self) -> None:
        self.is_open = False

    def unfinished(self) -> OpenRecord | None:
        return self.left if self.is_open else None

    def find(self, number: int) -> tuple[int, int, LineKind] | None:
        for entry in reversed(self.entries[-256:]):
            if entry[0] == number:
                return entry[1:]
        return None


async def used_by_others(personality: str, last_line: int = 4711, **board_options: Any) -> BoardWire:
    """A board that has been up for a while, and has lines of another program."""
    wire = BoardWire(Board(personality, **board_options))
    wire.turn()
    await asyncio.sleep(2.0)
    wire.board.renumber(last_line)
    return wire


class MarlinStand:
    """Driver, board, cable and everything the driver said."""

    def __init__(
        self,
        personality: str = "marlin-full",
        *,
        sd_files: dict[str, bytes] | None = None,
        record: MemoryRecord | None = None,
        mark: UploadMark | None = None,
        wire: BoardWire | None = None,
        profile: str | None = None,
        settings: MarlinSettings | None = None,
        **wire_options: Any,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.ledger = Ledger() if wire is None else wire.board.ledger
        self.wire = wire or BoardWire(
            Board(personality, ledger=self.ledger, sd_files=sd_files), **wire_options
        )
        self.board = self.wire.board
        self.record = record or MemoryRecord()
        self.mark: UploadMark = mark or MemoryMark()
        self.ids = 0
        self.orders = 0
        self.seen: list[PrinterObserved] = []
        self.answers: list[OrderAnswered] = []
        self.progress: list[OrderProgressed] = []
        self.driver = MarlinDriver(
            "mk3",
            self.wire.open,
            self.record,
            monotonic=loop.time,
            new_id=self._new_id,
            profile=profile,
            settings=settings,
            mark=self.mark,
        )
        self.task: asyncio.Task[None] | None = None

    def _new_id(self) -> str:
        self.ids += 1
        return f"00000000-0000-4000-8000-{self.ids:012d}"

    def _sink(self, fact: PrinterObserved | OrderAnswered | OrderProgressed) -> None:
        if isinstance(fact, OrderAnswered):
            self.answers.append(fact)
        elif isinstance(fact, OrderProgressed):
            self.progress.append(fact)
        else:
            self.seen.append(fact)

    async def __aenter__(self) -> MarlinStand:
        self.task = asyncio.create_task(self.driver.run(self._sink), name="driver")
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self.task is not None
        if self.task.done():
            self.task.result()
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    # -- waiting ------------------------------------------------------------------------------------------

    async def until(self, condition: Callable[[], bool], seconds: float = 600.0) -> None:
        """Wait for a condition; fails with the last snapshot when it does not come."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not condition():
            assert self.task is not None
            if self.task.done():
                self.task.result()
            if asyncio.get_running_loop().time() > deadline:
                raise AssertionError(f"waited {seconds} s in vain; last: {self.driver.snapshot()}")
            await asyncio.sleep(0.05)

    async def ready(self) -> None:
        await self.until(lambda: self.driver.snapshot().link.value == "up")

    async def phase(self, phase: PrintPhase, seconds: float = 600.0) -> PrintReport:
        """Wait until the current or an ended print is in `phase`; its report."""

        def found() -> PrintReport | None:
            shot = self.driver.snapshot()
            reports = [*shot.ended, *([shot.current] if shot.current else [])]
            return next((report for report in reports if report.phase is phase), None)

        await self.until(lambda: found() is not None, seconds)
        report = found()
        assert report is not None
        return report

    async def answered(self, order_id: str, seconds: float = 60.0) -> OrderAnswered:
        """The one answer to an order."""
        await self.until(lambda: any(answer.order_id == order_id for answer in self.answers), seconds)
        mine = [answer for answer in self.answers if answer.order_id == order_id]
        assert len(mine) == 1
        return mine[0]

    # -- orders -------------------------------------------------------------------------------------------

    def new_order_id(self) -> str:
        self.orders += 1
        return f"o{self.orders}"

    async def give(self, order: Order) -> OrderAnswered:
        """Submit and wait for the answer."""
        self.driver.submit(order)
        return await self.answered(order.order_id)

    def start_order(self, path: Path, key: str = "mark-1", **changes: Any) -> StartPrint:
        content = path.read_bytes() if path.exists() else b""
        values: dict[str, Any] = {
            "printer": "mk3",
            "order_id": self.new_order_id(),
            "key": key,
            "path": str(path),
            "sha256": hashlib.sha256(content).hexdigest(),
            "size": len(content),
            "name": path.name,
        }
        return StartPrint(**{**values, **changes})

    async def start(self, path: Path, key: str = "mark-1", **changes: Any) -> OrderAnswered:
        return await self.give(self.start_order(path, key, **changes))

    async def pause(self, expect: str = "mark-1") -> OrderAnswered:
        return await self.give(PausePrint("mk3", self.new_order_id(), expect))

    async def resume(self, expect: str = "mark-1") -> OrderAnswered:
        return await self.give(ResumePrint("mk3", self.new_order_id(), expect))

    async def cancel(self, expect: str = "mark-1") -> OrderAnswered:
        return await self.give(CancelPrint("mk3", self.new_order_id(), expect))

    async def stop(self) -> OrderAnswered:
        return await self.give(EmergencyStop("mk3", self.new_order_id()))

    async def gcode(self, *lines: str) -> OrderAnswered:
        return await self.give(SendGcode("mk3", self.new_order_id(), lines))

    def upload_order(self, path: Path, name: str | None = None, **changes: Any) -> UploadFile:
        content = path.read_bytes()
        values: dict[str, Any] = {
            "printer": "mk3",
            "order_id": self.new_order_id(),
            "path": str(path),
            "sha256": hashlib.sha256(content).hexdigest(),
            "size": len(content),
            "name": name or path.name,
        }
        return UploadFile(**{**values, **changes})

    async def upload(self, path: Path, name: str | None = None, **changes: Any) -> OrderAnswered:
        """Upload and wait for the end."""
        order = self.upload_order(path, name, **changes)
        self.driver.submit(order)
        return await self.answered(order.order_id, 1200.0)

    def saved(self) -> list[tuple[str, str]]:
        """Files that the machine saved: name, and its size and hash."""
        return [(entry.line or "", entry.effect or "") for entry in self.ledger.events("sd_saved")]

    def on_card(self, name: str) -> bytes | None:
        """What the card has under an 8.3 name."""
        found = self.board.card.find(name)
        return None if found is None else found.content

    def acknowledge(self, key: str) -> None:
        self.driver.submit(Acknowledge("mk3", self.new_order_id(), key))

    # -- the truth ----------------------------------------------------------------------------------------

    def moves(self) -> list[str]:
        """Moves of the print that the machine executed, in order. Parking moves by G0."""
        return [line for line in self.ledger.executed("host") if line[:4] in ("G1 X", "G1 Y", "G1 Z")]

    def panel(self, press: str, *args: Any) -> None:
        """Somebody at the printer."""
        getattr(self.board.panel, press)(*args, self.wire.now)
        self.wire.turn()
