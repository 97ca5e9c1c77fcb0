"""A printer whose driver host dies and comes back: one board, one line record on disk, many drivers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from firmware_sim.ledger import Ledger
from firmware_sim.machine.board import Board
from gateway.domain.observations import PrintPhase, PrintReport
from gateway.drivers.marlin.driver import MarlinDriver
from gateway.streamer.line_record import MappedLineRecord
from gateway.streamer.upload_mark_file import UploadMarkFile
from tests.support.board_port import BoardWire
from tests.support.marlin_stand import MarlinStand


class MortalStand(MarlinStand):
    """A stand whose driver can be killed and started again. Use as an async context, like a stand."""

    def __init__(
        self,
        folder: Path,
        personality: str = "marlin-full",
        *,
        board_options: Mapping[str, Any] | None = None,
        **driver_options: Any,
    ) -> None:
        self.records = folder / "mk3.lines"
        self.driver_options = driver_options
        self.born_at = 0.0
        record = MappedLineRecord(self.records)
        wire = BoardWire(Board(personality, ledger=Ledger(), **(board_options or {})))
        super().__init__(personality, wire=wire, record=record)  # type: ignore[arg-type]
        self.mark = UploadMarkFile(folder, "mk3")
        self._new_driver()

    def _new_driver(self) -> None:
        loop = asyncio.get_running_loop()
        self.driver = MarlinDriver(
            "mk3",
            self.wire.open,
            self.record,
            monotonic=loop.time,
            new_id=self._new_id,
            mark=self.mark,
            **self.driver_options,
        )

    async def kill(self, *, after_bytes: int | None = None) -> None:
        """Gone, at once; or in the middle of a write, when `after_bytes` more of it have left."""
        if after_bytes is not None:
            left = after_bytes
            cut = asyncio.Event()

            def some(data: bytes) -> bytes:
                nonlocal left
                passed, left = data[:left], left - min(left, len(data))
                if left == 0:
                    cut.set()
                return passed

            self.wire.spoil = some
            try:
                await asyncio.wait_for(cut.wait(), 30)
            except TimeoutError:
                pass
        assert self.task is not None
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.wire.spoil = lambda data: data
        self.record.release()  # type: ignore[attr-defined]

    async def rise(self) -> None:
        """A new driver host with the record of the former one."""
        self.record = MappedLineRecord(self.records)  # type: ignore[assignment]
        self._new_driver()
        self.born_at = self.wire.now
        self.task = asyncio.create_task(self.driver.run(self._sink), name="driver")
        await asyncio.sleep(0)

    async def __aexit__(self, *_: object) -> None:
        await super().__aexit__()
        self.record.release()  # type: ignore[attr-defined]

    def report(self) -> PrintReport | None:
        """The print as it is reported now, ended or not."""
        shot = self.driver.snapshot()
        return shot.current or (shot.ended[-1] if shot.ended else None)

    async def settled(self, seconds: float = 1200.0) -> PrintReport:
        """Wait until the print is over, or held for good; its last report."""

        def is_settled() -> bool:
            report = self.report()
            if report is None or self.driver.recovery is not None:
                return False
            return report.phase.is_end or report.phase is PrintPhase.HELD

        await self.until(is_settled, seconds)
        report = self.report()
        assert report is not None
        return report

    async def until_or(self, condition: Callable[[], bool], seconds: float) -> None:
        """Wait for a condition, but not longer than that."""
        try:
            await self.until(condition, seconds)
        except AssertionError:
            pass
