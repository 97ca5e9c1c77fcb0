"""The printer: its durable row, what is known of it now, and the plate.

    plate:   occupied --(a person, the printer or an ejection macro says clear)--> clear
             clear    --(anything moved: a start is intended, a print is seen)----> occupied

A new printer is occupied until someone confirmed it clear once. A printer's `ready` never clears it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gateway.domain.observations import Activity, Alarm, HeadPosition, LinkState, PrinterObserved, Prompt

#: Forge: a printer that has said nothing for this long is offline (firmware workflow, 60 s without a ping).
OFFLINE_AFTER = 60.0


class Plate(StrEnum):
    """Whether the next print may start on the plate."""

    CLEAR = "clear"
    OCCUPIED = "occupied"


class PlateClear(StrEnum):
    """Who says that the plate is clear after a print."""

    CONFIRM = "confirm"  # a person, each time
    AUTO = "auto"  # the printer ejects by itself


class PrinterStatus(StrEnum):
    """What the world is told: the printer's own words, and `offline`, which only the gateway says."""

    READY = "ready"
    BUSY = "busy"
    PRINTING = "printing"
    PAUSED = "paused"
    MAINTENANCE = "maintenance"
    ERROR = "error"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class Printer:
    """The durable row. `name` is the configuration's key; gone from the configuration means disabled.

    A printer that calls in is in no configuration: its name is `call_in.call_in_name`.
    """

    printer_id: int
    name: str
    driver: str
    owner_id: str  # member
    organization_id: int
    plate: Plate = Plate.OCCUPIED
    plate_clear: PlateClear = PlateClear.CONFIRM
    enabled: bool = True
    link: str = ""  # where it is reached, for people: port, host
    display_name: str | None = None  # what its owner calls it, where `name` is not for people
    type_id: str | None = None  # UUID of the kind of printer, if it has said so
    jobs_from: int = 0  # the first work id of its owner's time: jobs before it were another owner's
    version: int = 1

    @property
    def shown_name(self) -> str:
        """What people read."""
        return self.display_name or self.name

    def is_of_owners_time(self, work_id: int) -> bool:
        """Whether that job was handed in, or seen, since its present owner has it."""
        return work_id >= self.jobs_from

    @property
    def typed_name(self) -> str:
        """What people type to mean it; a name of their own making may have blanks and quotes."""
        return str(self.printer_id) if self.display_name else self.name


def printer_named(printers: Mapping[int, Printer], name: str) -> Printer | None:
    """The printer with that name in the configuration; some hundreds at most, so no index."""
    return next((printer for printer in printers.values() if printer.name == name), None)


@dataclass(frozen=True, slots=True)
class Presence:
    """What is known of a printer now. Memory only: after a restart it is unknown until a driver speaks."""

    link: LinkState = LinkState.DOWN
    link_reason: str | None = "waiting for the printer's driver"
    activity: Activity | None = None
    message: str | None = None
    firmware: str | None = None
    temperatures: Mapping[str, float] = field(default_factory=dict)
    position: HeadPosition | None = None
    alarms: tuple[Alarm, ...] = ()
    prompt: Prompt | None = None
    obstacle: str | None = None  # why it can take no job although it says that it is ready
    reported: Mapping[str, Any] | None = None  # its last status post, for printers that call in
    print_key: str | None = None  # the print on the machine, if any
    is_receiving: bool = False  # busy with a file for its own storage: nothing moves
    heard_at: float | None = None  # monotonic seconds of the printer's last word

    @property
    def is_at_something(self) -> bool:
        """Whether the machine does something that is no print and may move it."""
        return self.link is LinkState.UP and self.activity is Activity.BUSY and not self.is_receiving

    def status(self, now: float) -> PrinterStatus:
        """The word for the world at monotonic `now`."""
        silent = self.heard_at is None or now - self.heard_at > OFFLINE_AFTER
        if self.link is not LinkState.UP or silent or self.activity is None:
            return PrinterStatus.OFFLINE
        return PrinterStatus(self.activity.value)


def presence_from(seen: PrinterObserved, before: Presence, now: float) -> Presence:
    """What a snapshot makes known, at monotonic `now`."""
    is_trying = seen.link is LinkState.CONNECTING  # why it was down stays the reason until it is up
    heard = before.heard_at if seen.silent_for is None else now - seen.silent_for
    return Presence(
        link=seen.link,
        link_reason=seen.link_reason or (before.link_reason if is_trying else None),
        activity=seen.activity,
        message=seen.message,
        firmware=seen.firmware or before.firmware,
        temperatures=seen.temperatures,
        position=seen.position,
        alarms=seen.alarms,
        prompt=seen.prompt,
        obstacle=seen.obstacle,
        reported=seen.reported if seen.reported is not None else before.reported,
        print_key=seen.current.key if seen.current else None,
        is_receiving=seen.is_receiving,
        heard_at=heard,
    )
