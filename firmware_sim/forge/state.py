"""What a machine is doing, what is on it, and how it stands at one instant."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Refused(ValueError):
    """The machine cannot do that now; the message says why."""


class Phase(StrEnum):
    """What the machine is doing. MOVING: homing, parking, calibrating. OFF: no power."""

    IDLE = "idle"
    MOVING = "moving"
    LOADING = "loading"
    WAITING = "waiting"
    PRINTING = "printing"
    PAUSED = "paused"
    ENDING = "ending"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Print:
    """What is on the machine. `layer`: the one being printed, from 1; 0 before the start.

    by: `server` or `panel`. status: the job status in the API's words.
    """

    job_id: str
    name: str
    layers: int
    by: str
    task_id: str | None = None
    sha256: str | None = None
    layer: int = 0
    status: str = "received"


@dataclass(frozen=True, slots=True)
class Report:
    """How the machine stands at one instant. `cause`: what just changed, a word for the ledger."""

    cause: str
    printer_status: str
    print: Print | None
    temperature: float
    seconds_left: int = 0
    error_code: int = 0
    error_message: str = ""
