"""A gateway that tells a broker, and what is read and said there by others."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from gateway.domain.job import Job
from gateway.domain.observations import PrinterObserved, PrintPhase, PrintReport
from gateway.domain.printer import Plate
from gateway.publish.mqtt.northbound import Northbound
from gateway.publish.mqtt.settings import NorthboundSettings
from tests.support.memory_broker import MemoryBroker
from tests.support.office import Office
from tests.support.stand import BEN, a_file, printer, report, seen

GATEWAY = "printhost"
OWN = f"print-gateway/{GATEWAY}"
CONFIG = f"homeassistant/device/print-gateway_{GATEWAY}"
SETTINGS = NorthboundSettings(gateway_id=GATEWAY, allow_commands=True)
#: Seconds until everything was looked at, told and acknowledged, twice over.
SETTLED = 3.0


class Broadcast(Office):
    """The office, and a worker on `broker`; its printer speaks every second, as printers do."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.broker = MemoryBroker(latency=0.005)
        self.said: PrinterObserved = seen()
        self.is_silent = False
        self.commands: list[Any] = []
        self.may_command = True
        self.settled = SETTLED

    def tell(self, settings: NorthboundSettings = SETTINGS, connect: Any = None) -> None:
        """Start a worker, as a process does."""
        self.northbound = Northbound(
            connect=connect or self.broker.connecting("gateway"),
            settings=settings,
            state=lambda: self.engine.state,
            queries=self.queries,
            subscribe=self.hub.subscribe,
            execute=self._execute,
            may_command=lambda job, printer: self.may_command,
            clock=self.clock,
            chance=Random(0),
            version="0.6.0",
            public_url="http://printhost.local:8080",
        )
        self.worker = self.run(self.northbound.run())
        self.run(self._speak())

    async def _execute(self, command: Any) -> Any:
        self.commands.append(command)
        return await self.engine.execute(command)

    async def _speak(self) -> None:
        while True:
            if not self.is_silent:
                self.engine.observe(self.said)
            await asyncio.sleep(1.0)

    async def settle(self, seconds: float | None = None) -> None:
        await asyncio.sleep(self.settled if seconds is None else seconds)

    async def stop(self) -> None:
        """The worker ends in good order."""
        self.worker.cancel()
        await asyncio.gather(self.worker, return_exceptions=True)

    # ---------------------------------------------------------------- prints

    async def print_something(self, phase: PrintPhase = PrintPhase.PRINTING, **fields: Any) -> Job:
        """A job of ben's is handed in, and the machine is at it."""
        await self.change(lambda draft: draft.file_rows.append(a_file()))
        job = await self.submit(name="benchy", printer_id=1, file=a_file())
        await self.settle()
        await self.machine(self.job(job.work_id), phase, **fields)
        return self.engine.state.jobs.get(job.work_id, job)

    async def machine(self, job: Job, phase: PrintPhase, **fields: Any) -> None:
        """What the machine says of the print from now on."""
        assert job.print_key is not None
        self.said = seen(report(job.print_key, phase, **fields))
        await self.settle()

    async def machine_now(self, job: Job, progress: float) -> None:
        """The same print, a little further."""
        assert job.print_key is not None
        self.said = seen(report(job.print_key, PrintPhase.PRINTING, progress=progress))
        self.engine.observe(self.said)

    async def end(self, job: Job, phase: PrintPhase, **fields: Any) -> None:
        """The print is over, and the machine is ready."""
        assert job.print_key is not None
        self.said = seen(ended=(report(job.print_key, phase, **fields),))
        await self.settle()

    async def local(self, **fields: Any) -> None:
        """A print that nobody ordered."""
        self.said = seen(PrintReport("local-1", PrintPhase.PRINTING, is_local=True, **fields))
        await self.settle()

    async def change_printer(self, **changes: Any) -> None:
        """A restart with another configuration would do this."""
        await self.change(lambda draft: draft.put_printer(replace(draft.printers[1], **changes)))
        await self.settle()

    async def add_printer(self, number: int, name: str, **changes: Any) -> None:
        await self.change(
            lambda draft: draft.put_printer(printer(number, name, owner_id=BEN.member_id, **changes))
        )

    async def clear_plate(self) -> None:
        await self.change_printer(plate=Plate.CLEAR)

    # ---------------------------------------------------------------- what others see

    def retained(self, topic: str) -> Any:
        """The document that lies there; None: nothing does."""
        message = self.broker.retained.get(topic)
        return None if message is None else _read(message.payload)

    def state(self, number: int = 1) -> Any:
        return self.retained(f"{OWN}/printer/{number}/state")

    def events(self) -> list[Any]:
        return [_read(payload) for payload in self.broker.said(f"{OWN}/printer/+/event")]

    def event_types(self) -> list[str]:
        return [event["event_type"] for event in self.events()]

    def results(self) -> list[Any]:
        return [_read(payload) for payload in self.broker.said(f"{OWN}/printer/+/command/result")]

    async def ask(self, command: Any, *, number: int = 1, retain: bool = False) -> Any:
        """Publish a command, as anybody on the broker; the last result."""
        payload = command if isinstance(command, bytes) else json.dumps(command).encode()
        self.broker.publish(f"{OWN}/printer/{number}/command", payload, retain=retain)
        await self.settle()
        return self.results()[-1] if self.results() else None


def _read(payload: bytes) -> Any:
    return json.loads(payload) if payload[:1] in (b"{", b"[") else payload.decode()
