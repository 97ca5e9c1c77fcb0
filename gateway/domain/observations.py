"""What drivers see: facts about printers, going up. A driver observes, the domain judges.

Every report is a *snapshot*, not an increment: hearing one twice changes nothing, and after a lost
connection the next one says all there is to know. That is what makes re-attaching to a running
streamer simple: it repeats its snapshots, and the engine compares them with what it believes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

_NOTHING: Mapping[str, float] = MappingProxyType({})


class LinkState(StrEnum):
    """Whether the driver can talk to the printer."""

    DOWN = "down"
    CONNECTING = "connecting"
    UP = "up"


class Activity(StrEnum):
    """What the printer itself says it is doing (Forge 2.1, without the derived `offline`)."""

    READY = "ready"
    BUSY = "busy"
    PRINTING = "printing"
    PAUSED = "paused"
    MAINTENANCE = "maintenance"
    ERROR = "error"


class PrintPhase(StrEnum):
    """Where one print on a machine stands, as far as its driver can prove."""

    STARTING = "starting"  # accepted by the driver; the machine has executed none of it yet
    PRINTING = "printing"
    PAUSED = "paused"
    COMPLETED = "completed"  # done on the machine: M400's ok behind the last line, `Done printing file`
    CANCELED = "canceled"
    FAILED = "failed"
    HELD = "held"  # the driver cannot tell where the machine stands; a person must look

    @property
    def is_end(self) -> bool:
        """Whether the print is over on the machine."""
        return self in (PrintPhase.COMPLETED, PrintPhase.CANCELED, PrintPhase.FAILED)


class Origin(StrEnum):
    """Who started a print, as far as its printer tells."""

    GATEWAY = "gateway"  # a job of this gateway's queue
    PANEL = "panel"  # a person at the machine: its screen, its card, its knob
    LAN_APP = "lan-app"  # a slicer or another program that talks to the printer itself
    CLOUD = "cloud"  # the vendor's cloud
    UNKNOWN = "unknown"  # not this gateway; nothing tells who


@dataclass(frozen=True, slots=True)
class PrintReport:
    """One print on one machine, as its driver sees it now.

    `key` identifies the print for as long as it lives: the attempt's mark for a print the gateway ordered,
    a key of the driver's own making (`local-<uuid4>`) for one somebody started at the machine.
    """

    key: str
    phase: PrintPhase
    is_local: bool  # True: nobody ordered it through this driver
    name: str | None = None  # file name as the machine says it
    size: int | None = None  # bytes of the print file
    position: int | None = None  # bytes of the file accepted by the machine
    line: int | None = None  # last acknowledged line of the file (1-based, printable lines only)
    progress: float | None = None  # 0..1
    reason: str | None = None  # IPP keyword where one fits, e.g. job-canceled-at-device
    message: str | None = None  # for people: what happened and what to do
    job_id: str | None = None  # of a local print: the UUID by which the printer itself names it
    details: Mapping[str, Any] | None = None  # what else the printer says of it: layer, seconds_left, ...
    job_data: Mapping[str, Any] | None = None  # of a local print: what it was announced with (Forge job_data)
    error_code: int | None = None  # the printer's own, with its message
    origin: Origin | None = None  # of a local print: who started it; None: the driver cannot tell


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question that the printer asks on its host's screen."""

    number: int  # grows with every question of this driver's life
    text: str
    choices: tuple[str, ...]  # the buttons' words


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something about a printer's heat that a person should know now; it lasts for as long as it is told."""

    rule: str  # which one, for programs: idle-heat, held-heat, stuck-on-t, ...
    message: str  # for people: what is wrong, what is being done about it, what to do


@dataclass(frozen=True, slots=True)
class HeadPosition:
    """Where the head is by the firmware's own report, some seconds old; mm, as the G-code counts them."""

    x: float
    y: float
    z: float
    e: float  # of the filament, since it was last set


@dataclass(frozen=True, slots=True)
class PrinterObserved:
    """The whole of what a driver knows of one printer, now.

    `ended` holds prints that are over and that the engine has not acknowledged yet (orders.Acknowledge):
    they are repeated in every snapshot until then, so that no end is missed while the gateway is away.
    """

    printer: str  # name from the configuration
    link: LinkState
    link_reason: str | None = None  # why the link is down, with what to do
    activity: Activity | None = None  # None: the printer has not said
    message: str | None = None  # the printer's own words about an error
    firmware: str | None = None
    current: PrintReport | None = None
    ended: tuple[PrintReport, ...] = ()
    #: deg C by sensor: "T", "B" as measured, "T_target", "B_target" as set
    temperatures: Mapping[str, float] = field(default_factory=lambda: _NOTHING)
    temperature_age: float | None = None  # seconds since they were told last; None: never, on this link
    position: HeadPosition | None = None  # None: its firmware does not report it by itself
    alarms: tuple[Alarm, ...] = ()  # of the safety monitor, not of the driver
    prompt: Prompt | None = None
    obstacle: str | None = None  # why it can take no job although it says that it is ready
    reported: Mapping[str, Any] | None = None  # its last status post as it was read; None: nothing new
    silent_for: float | None = None  # seconds since the printer's last byte; None: never heard
    doubts_plate: bool = False  # said once: something may have been printed while nobody here could see it
    is_receiving: bool = False  # busy with a file for its own storage: nothing needs its heat for that


@dataclass(frozen=True, slots=True)
class DriverAttached:
    """A driver host (the streamer, or a driver in this process) is there; snapshots of all its printers.

    `instance` changes whenever the host was started anew.
    """

    host: str
    instance: str
    printers: tuple[PrinterObserved, ...]


@dataclass(frozen=True, slots=True)
class DriverDetached:
    """The driver host went away. Its prints may well go on."""

    host: str
    reason: str


class OrderResult(StrEnum):
    """What became of an order."""

    ACCEPTED = "accepted"  # the machine (or the driver, for start) took it
    REFUSED = "refused"  # provably nothing happened; `message` says why
    UNCLEAR = "unclear"  # it may or may not have happened; look at the machine


@dataclass(frozen=True, slots=True)
class OrderAnswered:
    """A driver's answer to one order."""

    printer: str
    order_id: str
    result: OrderResult
    message: str | None = None
    is_final: bool = False  # refused, and so would every other try be until a person changes something


@dataclass(frozen=True, slots=True)
class OrderProgressed:
    """A printer's word about a command, which may not be its last: OrderAnswered closes it."""

    printer: str
    order_id: str
    progress: float | None
    answer: Mapping[str, Any]  # the fields of its post


Observation = PrinterObserved | DriverAttached | DriverDetached | OrderAnswered | OrderProgressed
