"""A stand whose driver host is one task on the test's loop: what such kinds have in common."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Self

from gateway.domain.observations import PrinterObserved
from gateway.domain.orders import Order
from gateway.drivers.contract import Driver
from tests.contract.stand import Stand


class HostedStand(Stand):
    """`raise_host` of a kind makes `driver` and calls `run_host`."""

    driver: Driver

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.task: asyncio.Task[None] | None = None
        self._ids = 0

    def new_id(self) -> str:
        """Ids in order, the same in every run."""
        self._ids += 1
        return f"00000000-0000-4000-8000-{self._ids:012d}"

    async def __aenter__(self) -> Self:
        await self.raise_host()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill_host()

    def run_host(self) -> None:
        """`driver` runs from here on."""
        self.task = asyncio.create_task(self.driver.run(self.sink), name="driver")

    async def kill_host(self) -> None:
        if self.task is None:
            return
        self.check_alive()
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.task = None

    def give_order(self, order: Order) -> None:
        self.driver.submit(order)

    def snapshot(self) -> PrinterObserved:
        return self.driver.snapshot()

    def check_alive(self) -> None:
        if self.task is not None and self.task.done():
            self.task.result()
