"""The part that heats and moves: a board that runs the lines of a file of its own.

The board is the one of the serial printers, without its serial side: nobody numbers lines or waits for an ok.
What it runs is in the ledger as `executed`, with the source `sd` for lines of the print file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from firmware_sim.ledger import Ledger
from firmware_sim.machine.board import Board
from firmware_sim.machine.state import Machine
from firmware_sim.machine.thermal import ThermalFault
from firmware_sim.machine.words import Command
from firmware_sim.personality import Personality

PRINT_FILE = "PLATE.GCO"
_CARD_COMMANDS = {f"M{number}" for number in (20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 32, 125, 524)}
"""What only a printer with a serial side knows; there the lines of the file are read by M24."""


class Mover(Board):
    """`begin`, `hold`, `go_on`, `abort` a print file; `done_at` says when its last move ended."""

    def __init__(self, build: Personality, ledger: Ledger, seed: int = 0) -> None:
        self._abnormal: list[str] = []
        super().__init__(build, ledger=ledger, seed=seed)
        self.done_at = math.inf
        known = {code: run for code, run in self.handlers.items() if code not in _CARD_COMMANDS}
        self.handlers = {**known, "M1001": self._end_of_file, "M73": _told}

    def live(self, now: float) -> None:
        """Up to `now`; nobody listens to what a serial printer would say."""
        self.poll(now)

    def begin(self, gcode: bytes, now: float) -> None:
        """Run a file from its first line. What ran before is over."""
        self.live(now)
        self.card.close()
        self.card.files.clear()
        self.card.put(PRINT_FILE, gcode)
        self.card.select(PRINT_FILE)
        self.card.fetching = self.card.begun = True
        self.done_at = math.inf
        self.live(now)

    def power_off(self, now: float) -> None:
        """Heaters and motors are off, nothing is read."""
        self.live(now)
        self.kill()
        self.done_at = math.inf

    def power_on(self, now: float) -> None:
        """It boots."""
        self._abnormal.clear()
        self.reset(now)

    def hold(self, now: float) -> None:
        """Read no further lines; what is read is run."""
        self.live(now)
        self.card.fetching = False

    def go_on(self, now: float) -> None:
        """Read on."""
        self.live(now)
        self.card.fetching = self.card.opened is not None
        self.live(now)

    def abort(self, now: float) -> None:
        """Stop at once: heaters off, planned moves dropped, the head goes aside."""
        self.live(now)
        if self.is_running:
            self.release(user=True)
            self.abort_card_print()
            self.live(now)

    def run(self, lines: list[str], source: str, now: float) -> None:
        """Lines from elsewhere, ahead of those of the file."""
        self.live(now)
        for line in lines:
            self.inject(line, source)
        self.live(now)

    def thermal_shutdown(self, fault: ThermalFault) -> None:
        """Thermal protection strikes: the board is halted; which heater it was is remembered."""
        self._abnormal.append(fault.heater)
        super().thermal_shutdown(fault)

    def abnormal_heaters(self) -> list[str]:
        """`E0`, `bed`: what protection switched off, until the printer is switched off and on."""
        return self._abnormal

    @property
    def offset(self) -> int:
        """Bytes of the file read."""
        return self.card.position

    def next_due(self) -> float:
        """When something happens by itself; infinity if never."""
        due = self.next_deadline()
        return math.inf if due is None else due

    def _end_of_file(self, _m: Machine, _c: Command) -> Iterator[float]:
        yield from self.motion_done()
        self.done_at = self.now
        self.card.close()


def _told(_m: Machine, _c: Command) -> None:
    """M73: progress is the file's, see `archive.py`."""
