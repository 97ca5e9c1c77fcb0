"""Looking at print files: what they are, and where an interrupted print would go on. All of it blocks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gateway.domain.commands import CommandRefused, Refusal
from gateway.domain.file import FileRejected
from gateway.gcode import recovery
from gateway.gcode.inspect import NotPrintable, inspect
from gateway.gcode.printables import inspect_printable
from gateway.gcode.recovery import RecoveryPlan
from gateway.protocol.marlin.profile import profile_for

#: Seconds that a thread reading a whole file leaves to the event loop between two pieces of 64 KiB.
BREATH_SECONDS = 0.0002


def look_at_gcode(path: str) -> Mapping[str, Any]:
    """What a slicer wrote into the file. Raises FileRejected for what is no G-code."""
    try:
        return asdict(inspect(Path(path)))
    except NotPrintable as refused:
        raise FileRejected(str(refused)) from refused


def look_at_printable(path: str, breathe: Callable[[], None] = lambda: None) -> Mapping[str, Any]:
    """The same, and what archives there are for printers that read them. Raises FileRejected.

    `breathe` is called between pieces, and may raise.
    """
    try:
        return inspect_printable(Path(path), breathe)
    except NotPrintable as refused:
        raise FileRejected(str(refused)) from refused


def plan_recovery(
    path: str, sha256: str, position: int, layer: int | None, firmware: str | None
) -> RecoveryPlan:
    """`gcode.recovery` for the API; lets the event loop have its turns. Raises CommandRefused."""
    try:
        with open(path, "rb") as file:
            return recovery.plan_recovery(
                file,
                sha256,
                position,
                layer,
                lambda: time.sleep(BREATH_SECONDS),
                g90_sets_extruder=profile_for(firmware or "").g90_sets_extruder,
            )
    except recovery.NotRecoverable as refused:
        raise CommandRefused(Refusal.CONFLICT, f"This print cannot be recovered: {refused}.") from refused
    except OSError as error:
        text = f"This print cannot be recovered: its file cannot be read ({error.strerror})."
        raise CommandRefused(Refusal.CONFLICT, text) from error
