"""Klipper printers under the contract: the Moonraker driver, a broker in memory, a simulated printer."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from random import Random
from typing import ClassVar, Final, Self

from firmware_sim.ledger import Entry
from firmware_sim.moonraker.faults import Misfortunes
from firmware_sim.moonraker.printer import STARTED, MoonrakerPrinter
from firmware_sim.moonraker.settings import MoonrakerConfig
from gateway.drivers.moonraker.driver import MoonrakerDriver
from gateway.drivers.moonraker.settings import MoonrakerSettings
from gateway.protocol.moonraker.topics import coalesces
from tests.contract.hosted_stand import HostedStand
from tests.contract.stand import Traits
from tests.support.memory_broker import MemoryBroker
from tests.support.moonraker_wire import MoonrakerWire
from tests.support.start_records import KeptStartRecord

INSTANCE: Final = "voron1"
GATEWAY: Final = "gateway"  # its name on the broker
PANEL_FILE: Final = "vase.gcode"
_MOVES: Final = [f"G1 X{i * 37 % 150} Y{i % 90} F3000" for i in range(150)]
PART: Final = "\n".join(["G28", *_MOVES, "M84", ""]).encode()
VASE: Final = "\n".join(["G28", *(f"G1 X{i * 37 % 140} Y{i % 80} F3000" for i in range(120)), ""]).encode()
#: Scripts about a print, as they stand in the ledger.
_ABOUT_PRINTS: Final = ("PAUSE", "RESUME", "CANCEL_PRINT", "TURN_OFF_HEATERS", "M104", "M140", "M112")


class MoonrakerStand(HostedStand):
    """`wire.act(verb, ...)` does something to the machine; `broker` is between it and the driver."""

    traits: ClassVar[Traits] = Traits(
        prints_by_itself=True,
        cuts=("broker", "moonraker", "gateway"),
        own_command="firmware_restart",
        is_held_after_reset=False,
    )

    look: ClassVar[float] = 0.2  # each asks for a whole snapshot

    def __init__(
        self,
        folder: Path,
        *,
        config: MoonrakerConfig | None = None,
        faults: Misfortunes | None = None,
        files: dict[str, bytes] | None = None,
    ) -> None:
        super().__init__(folder)
        self.broker = MemoryBroker(latency=0.002)
        machine = MoonrakerPrinter(
            config or MoonrakerConfig(instance=INSTANCE),
            faults=faults,
            files={PANEL_FILE: VASE} | (files or {}),
        )
        self.wire = MoonrakerWire(self.broker, machine)
        self.machine = machine
        self._cuts: set[str] = set()
        self._lives = itertools.count(1)
        self.record = KeptStartRecord()
        self.driver = self.new_driver()

    def new_driver(self) -> MoonrakerDriver:
        return MoonrakerDriver(
            self.printer,
            self.broker.connecting(GATEWAY, coalesces=coalesces),
            self.wire.storage,
            monotonic=asyncio.get_running_loop().time,
            new_id=self.new_id,
            chance=Random(next(self._lives)),
            settings=MoonrakerSettings(self.machine.config.instance),
            record=self.record,
        )

    # -- life ---------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.wire.__aenter__()
        self.run_host()
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill_host()
        await self.wire.__aexit__()

    async def raise_host(self) -> None:
        left = self.left()
        self.driver = self.new_driver()
        self.driver.begin(left)
        self.run_host()

    # -- people and accidents -----------------------------------------------------------------------------

    def panel_start(self) -> None:
        self.wire.act(self.machine.panel.start, PANEL_FILE)

    def cut(self, name: str) -> None:
        if name in self._cuts:
            return
        self._cuts.add(name)
        if name == "broker":
            self.broker.down()
        elif name == "moonraker":
            self.machine.kill_moonraker(self._now())
            self.wire.stir()
        else:
            self.broker.credentials = {GATEWAY: "another"}
            self.broker.drop(GATEWAY)

    def mend(self, name: str) -> None:
        self._cuts.discard(name)
        if name == "broker":
            self.broker.up()
        elif name == "moonraker":
            self.wire.act(self.machine.start_moonraker)
        else:
            self.broker.credentials = None

    def reset_machine(self) -> None:
        self.wire.act(self.machine.power_cycle)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    # -- the truth ----------------------------------------------------------------------------------------

    def print_file(self, name: str = "part") -> Path:
        path = self.folder / f"{name}.gcode"
        path.write_bytes(PART)
        return path

    def upload_file(self) -> Path:
        path = self.folder / "upload.gcode"
        path.write_bytes(PART * 100)
        return path

    def program(self) -> list[str]:
        return list(_MOVES)

    def moves(self) -> list[str]:
        found: list[str] = []
        is_gateways = False
        for entry in self.machine.ledger.entries:
            if entry.event == STARTED:
                is_gateways = _who(entry) == "gateway"
            elif is_gateways and entry.event == "executed" and entry.source == "sd":
                found += [entry.line] if entry.line and entry.line.startswith("G1") else []
        return found

    def physical_starts(self) -> list[str]:
        return [_who(entry) for entry in self.machine.physical_starts()]

    def interventions(self) -> list[str]:
        ran = [
            entry for entry in self.machine.ledger.entries if entry.source not in ("sd", "panel", "machine")
        ]
        lines = [entry.line or "" for entry in ran if entry.event in ("executed", "emergency-stop")]
        return [line for line in lines if line.startswith(_ABOUT_PRINTS)]

    def obeyed(self) -> list[str]:
        ran = [entry.line or "" for entry in self.machine.ledger.events("executed")]
        return [line.lower() for line in ran if line in ("RESTART", "FIRMWARE_RESTART")]

    def is_still(self) -> bool:
        klippy = self.machine.klippy
        return klippy.planner.drained_at(self._now()) <= self._now() and not klippy.sdcard.is_active

    def is_stopped(self) -> bool:
        return bool(self.machine.ledger.events("kill"))

    def stored(self) -> dict[str, bytes]:
        return {name: file.content for name, file in self.machine.gcodes.by_name.items()}

    def is_same(self, stored: bytes, content: bytes) -> bool:
        return stored == content

    def is_uploading(self) -> bool:
        return self.wire.storage.is_uploading


def _who(entry: Entry) -> str:
    return "panel" if entry.source == "panel" else "gateway"
