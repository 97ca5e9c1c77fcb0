"""A Bambu driver with a simulated printer at its other end, on virtual time; judged by the printer's ledger.

async with BambuStand(folder) as stand:
    await stand.ready()
    await stand.start(stand.print_file())
    await stand.phase(PrintPhase.COMPLETED)
    assert stand.physical_starts() == ["gateway"]
"""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, ClassVar

from firmware_sim.bambu.faults import BambuFault, BambuFaults
from firmware_sim.bambu.ledger import STARTED
from firmware_sim.bambu.personality import load_bambu_personality
from firmware_sim.bambu.printer import BambuPrinter
from firmware_sim.ledger import Ledger
from gateway.drivers.bambu.driver import BambuDriver
from gateway.drivers.bambu.settings import BambuSettings
from tests.contract.hosted_stand import HostedStand
from tests.contract.stand import Traits
from tests.support.bambu_wire import BambuWire
from tests.support.start_records import KeptStartRecord

SERIAL = "01S00C000000001"
MOVES = 300
PROGRAM = [f"G1 X{number % 50 + 1} Y{number % 7} F6000" for number in range(1, MOVES + 1)]
#: Between two moves, so that a machine that is told to pause stands within a second.
DWELL = "G4 P400"
#: From a stop until it is shown: the head is homed by then.
STOP_SECONDS = 15.0
VASE = "Vase.gcode.3mf"
#: What ends, pauses or cools a print.
ABOUT_PRINTS = ("print.pause", "print.resume", "print.stop", "print.gcode_line")
#: Bytes a second, as slow printers take them, and of a file that takes 4 seconds.
UPLOAD_RATE = 100_000.0
UPLOAD_BYTES = 400_000


def gcode(program: list[str]) -> str:
    """A plate of two layers, with a slicer's progress."""
    slow = [line for move in program for line in (move, DWELL)]
    half = len(slow) // 2
    lines = ["G28", "M73 P0 R4", "; CHANGE_LAYER", *slow[:half]]
    return "\n".join([*lines, "M73 P50 R2", "; CHANGE_LAYER", *slow[half:], "M73 P100 R0", ""])


def sliced(text: str, plate: int = 1) -> bytes:
    """A sliced 3MF with one plate."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("3D/3dmodel.model", "<model/>")
        archive.writestr(f"Metadata/plate_{plate}.gcode", text)
    return file.getvalue()


class BambuStand(HostedStand):
    """An A1 in developer mode, unless another personality is named."""

    traits: ClassVar[Traits] = Traits(
        prints_by_itself=True,
        cuts=("network", "silence"),
        has_emergency_stop=False,
        leaves_parts=True,
    )

    look: ClassVar[float] = 0.25  # each reads the ledger

    def __init__(
        self,
        folder: Path,
        personality: str = "a1",
        *,
        developer_mode: bool = True,
        faults: tuple[BambuFault, ...] = (),
        upload_rate: float = UPLOAD_RATE,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(folder)
        self.ledger = Ledger()
        self.bambu = BambuPrinter(
            replace(load_bambu_personality(personality), stop_seconds=STOP_SECONDS),
            serial=SERIAL,
            files={VASE: sliced(gcode(PROGRAM))},
            ledger=self.ledger,
            faults=BambuFaults(faults),
            developer_mode=developer_mode,
        )
        self.wire = BambuWire(self.bambu, upload_rate=upload_rate)
        self.settings = BambuSettings(serial=SERIAL, **(settings or {}))
        self.record = KeptStartRecord()
        self._lives = 0

    # -- life ---------------------------------------------------------------------------------------------

    async def __aexit__(self, *_: object) -> None:
        await super().__aexit__()
        self.wire.stop()

    async def raise_host(self) -> None:
        left = self.left() if self._lives else []
        self._lives += 1
        self.driver = BambuDriver(
            self.printer, self.wire.connect, self.wire.storage, monotonic=asyncio.get_running_loop().time,
            new_id=self.new_id, chance=Random(self._lives), settings=self.settings,
            record=self.record, over=self._over,
        )  # fmt: skip
        self.driver.begin(left)
        self.run_host()
        await asyncio.sleep(0)

    def _over(self) -> set[str]:
        """Keys of the jobs that are over, as the engine has them."""
        return {end.key for shot in self.seen for end in shot.ended} | self._acknowledged

    # -- people and accidents -----------------------------------------------------------------------------

    def panel_start(self) -> None:
        self.bambu.panel.start(VASE, self.wire.now)
        self.wire.turn()

    def cut(self, name: str) -> None:
        if name == "network":
            self.wire.pull()
        else:
            self.wire.silence()

    def mend(self, name: str) -> None:
        if name == "network":
            self.wire.plug()
        else:
            self.wire.speak()

    def reset_machine(self) -> None:
        self.bambu.panel.cut_power(5.0, self.wire.now)
        self.wire.turn()

    def arm(self, name: str, **how: Any) -> None:
        """Bad luck of the printer's own, at its next occasion."""
        self.bambu.panel.arm(BambuFault(name, **how))

    # -- the truth ----------------------------------------------------------------------------------------

    def print_file(self, name: str = "part") -> Path:
        path = self.folder / f"{name}.gcode.3mf"
        path.write_bytes(sliced(gcode(PROGRAM)))
        return path

    def upload_file(self) -> Path:
        path = self.folder / "upload.gcode"
        path.write_bytes(b"G1 X1\n" * (UPLOAD_BYTES // 6))
        return path

    def plain_file(self, name: str = "part") -> Path:
        """The same as plain G-code."""
        path = self.folder / f"{name}.gcode"
        path.write_text(gcode(PROGRAM))
        return path

    def program(self) -> list[str]:
        return PROGRAM

    def moves(self) -> list[str]:
        self.wire.turn()
        who, found = "", []
        for entry in self.ledger.entries:
            if entry.event == STARTED:
                who = entry.source or ""
            elif entry.event == "executed" and entry.source == "sd" and who == "mqtt":
                found.append(entry.line or "")
        return [line for line in found if line.startswith("G1 X")]

    def physical_starts(self) -> list[str]:
        return ["gateway" if entry.source == "mqtt" else entry.source or ""
                for entry in self.ledger.events(STARTED)]  # fmt: skip

    def interventions(self) -> list[str]:
        return [entry.line or "" for entry in self.ledger.events("request") if entry.line in ABOUT_PRINTS]

    def ordered(self) -> set[str]:
        """Keys of the starts that were ordered."""
        return set(self._starts)

    def told(self, command: str) -> int:
        """How often the printer was sent a command, such as `print.project_file`."""
        return sum(entry.line == command for entry in self.ledger.events("request"))

    def is_still(self) -> bool:
        self.wire.turn()
        return self.bambu.mover.is_idle

    def is_stopped(self) -> bool:
        return False

    def stored(self) -> dict[str, bytes]:
        return dict(self.bambu.files.contents)

    def is_same(self, stored: bytes, content: bytes) -> bool:
        return stored == content

    def is_uploading(self) -> bool:
        return bool(self.progress) and not self.answers
