"""The stages of a streamed print, and the lines that close one."""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

from gateway.drivers.contract import Parked, RecordedStage

#: Executed when every planned move is done; what proves that it was is the profile's `proof`.
STANDSTILL = "M400"
#: Where it stands: said twice, for it comes without a checksum.
LOCATE = ("M114", "M114")
MOTORS_OFF = frozenset({"M84", "M18"})
#: Why a print is paused that nobody paused: a command of its own, or the machine, waits for somebody.
WAITS_FOR_PERSON = "job-suspended-by-system"
#: Recorded while the machine stands where nobody knows: nothing is moved from there.
NOWHERE = Parked(0.0, 0.0, 0.0, 0.0)
RECORDED_END = {
    "job-canceled-by-user": RecordedStage.CANCELED_BY_USER,
    "job-canceled-at-device": RecordedStage.CANCELED_AT_DEVICE,
}


class Stage(Enum):
    """Where a streamed print stands, for its driver."""

    PREPARING = auto()  # the owner's start script
    REBUILDING = auto()  # back to a layer, after the position was lost
    STREAMING = auto()
    PAUSING = auto()  # until it stands
    LOCATING = auto()  # M114, twice
    PARKING = auto()
    PAUSED = auto()
    RESUMING = auto()  # back to where it was paused
    FINISHING = auto()
    ENDING = auto()
    FROZEN = auto()
    ENDED = auto()


#: Stages whose end tells somebody that the machine stands.
STANDS_AFTER = frozenset({Stage.PAUSING, Stage.PARKING, Stage.FINISHING, Stage.ENDING})
#: Stages of a print that somebody paused.
PAUSES = frozenset({Stage.PAUSING, Stage.LOCATING, Stage.PARKING, Stage.PAUSED})


class Need(Enum):
    """What only the driver knows enough for (`parking`)."""

    PARK = auto()
    RESTORE = auto()
    PRESENT = auto()  # a cancelled print: off the part, motors off


class Place(NamedTuple):
    """Behind what a print begins or goes on: number of a line, and what had been handed over by then."""

    number: int
    offset: int  # bytes of the file
    line: int  # printable lines of the file
    prepared: int | None = 0  # lines of the start script; None: all
