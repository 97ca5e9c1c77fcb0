"""Marlin under the contract: a serial driver that feeds a simulated board line by line."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import ClassVar

from firmware_sim.ledger import Entry, Ledger
from firmware_sim.machine.board import Board
from gateway.drivers.marlin.driver import MarlinDriver
from gateway.drivers.marlin.upload_mark import MemoryMark
from tests.contract.hosted_stand import HostedStand
from tests.contract.stand import Traits
from tests.support.board_port import BoardWire
from tests.support.marlin_stand import MemoryRecord

CARD = b"G28\n" + b"".join(b"G1 X%d Y%d F3000\n" % (i % 150, i % 90) for i in range(200))
PROGRAM = [f"G1 X{i} Y{i % 7} F6000" for i in range(150)]
#: What pauses, ends or cools a print; the board executes nothing else of a driver that was refused.
ABOUT_PRINTS = ("M25", "M24", "M524", "M108", "M410", "M104", "M140", "M112")
UPLOADING_LINES = 50  # lines of a file that the board has written when the upload counts as under way


class MarlinMember(HostedStand):
    """A Marlin 2.1 with a card. The line record and the mark of an upload survive the driver host."""

    traits: ClassVar[Traits] = Traits(prints_by_itself=False, cuts=("cable",))

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.ledger = Ledger()
        self.wire = BoardWire(Board("marlin-full", ledger=self.ledger, sd_files={"model.gco": CARD}))
        self.board = self.wire.board
        self.record = MemoryRecord()
        self.mark = MemoryMark()

    async def raise_host(self) -> None:
        self.driver = MarlinDriver(
            self.printer, self.wire.open, self.record, monotonic=asyncio.get_running_loop().time,
            new_id=self.new_id, mark=self.mark,
        )  # fmt: skip
        self.run_host()
        await asyncio.sleep(0)

    def panel_start(self) -> None:
        self.board.panel.start("model.gco", self.wire.now)
        self.wire.turn()

    def cut(self, name: str) -> None:
        self.wire.unplug()

    def mend(self, name: str) -> None:
        self.wire.plug()

    def reset_machine(self) -> None:
        self.board.reset(self.wire.now)
        self.wire.turn()

    def print_file(self, name: str = "part") -> Path:
        path = self.folder / f"{name}.gcode"
        path.write_text("\n".join(["G28", *PROGRAM, "M84", ""]))
        return path

    def upload_file(self) -> Path:
        path = self.folder / "upload.gcode"
        path.write_text("".join(f"G1 X{number % 90} Y{number // 90}\n" for number in range(1500)))
        return path

    def program(self) -> list[str]:
        return PROGRAM

    def moves(self) -> list[str]:
        return [line for line in self.ledger.executed("host") if line.startswith(("G1 X", "G1 Y", "G1 Z"))]

    def physical_starts(self) -> list[str]:
        return [kind for entry in self.ledger for kind in _starts(entry)]

    def interventions(self) -> list[str]:
        return [line for line in self.ledger.executed("host") if line.startswith(ABOUT_PRINTS)]

    def is_still(self) -> bool:
        self.wire.turn()
        return self.board.is_idle

    def is_stopped(self) -> bool:
        return self.board.is_halted

    def stored(self) -> dict[str, bytes]:
        return {file.short: bytes(file.content) for file in self.board.card.files}

    def is_same(self, stored: bytes, content: bytes) -> bool:
        return stored.split() == content.split()

    def is_uploading(self) -> bool:
        return self.ledger.count("sd_write") > UPLOADING_LINES and not self.ledger.count("sd_saved")


def _starts(entry: Entry) -> list[str]:
    """Of the file's first line that a host sent, and of a file of the card."""
    if entry.event == "executed" and entry.source == "host" and entry.line == "G28":
        return ["gateway"]
    return ["panel" if entry.source == "panel" else "gateway"] if entry.event == "sd_start" else []
