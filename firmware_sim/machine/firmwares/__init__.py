"""The manners of firmwares: how each reads lines, judges them, says `ok` and dies. One class each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_sim.machine.firmwares.base import Firmware
from firmware_sim.machine.firmwares.klipper import KlipperFirmware
from firmware_sim.machine.firmwares.marlin import MarlinFirmware
from firmware_sim.machine.firmwares.prusa import PrusaFirmware
from firmware_sim.machine.firmwares.repetier import RepetierFirmware

if TYPE_CHECKING:
    from firmware_sim.machine.loop import CommandLoop

_KINDS: dict[str, type[Firmware]] = {
    "klipper": KlipperFirmware,
    "marlin": MarlinFirmware,
    "prusa": PrusaFirmware,
    "repetier": RepetierFirmware,
}


def firmware_for(loop: CommandLoop) -> Firmware:
    """The firmware a board's personality asks for, fresh as after a reset."""
    return _KINDS[loop.personality.firmware](loop)


__all__ = ["Firmware", "firmware_for"]
