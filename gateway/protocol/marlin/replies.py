"""What firmware can say: one class a meaning. `parsing` makes them of lines; nothing here reads any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class ThermalKind(StrEnum):
    """Which of the firmware's heater protections tripped."""

    MINTEMP = "mintemp"
    MAXTEMP = "maxtemp"
    HEATING_FAILED = "heating failed"
    RUNAWAY = "thermal runaway"


@dataclass(frozen=True, slots=True)
class Ok:
    """A command left the queue. `number`, `planner_free`, `block_free` only with ADVANCED_OK.

    Repetier's `ok 12` is `taken`: the number it read last, in or before the line it has put into its buffer.
    """

    number: int | None = None
    planner_free: int | None = None
    block_free: int | None = None  # free slots of the command ring: BUFSIZE - 1 when idle
    temperatures: Mapping[str, float] | None = None  # M105 answers in its ok
    firmware: FirmwareInfo | None = None  # Klipper answers M115 in its ok
    taken: int | None = None


@dataclass(frozen=True, slots=True)
class Resend:
    """The firmware wants line `number` next; everything from there on was not accepted."""

    number: int


@dataclass(frozen=True, slots=True)
class ErrorLine:
    """A line was refused; a Resend follows. `last_line` is the last number accepted, when it was said."""

    text: str
    last_line: int | None


@dataclass(frozen=True, slots=True)
class FirmwareError:
    """Any other `Error:` (or Klipper's `!!`, which is always `is_fatal` for the job)."""

    text: str
    is_fatal: bool


@dataclass(frozen=True, slots=True)
class Fault:
    """A heater protection tripped; the firmware halts."""

    kind: ThermalKind
    heater: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Killed:
    """The firmware halted; only a reset revives it."""

    text: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The firmware lives and answers, but refuses every command until a reset (Repetier's `fatal:`)."""

    text: str


@dataclass(frozen=True, slots=True)
class Busy:
    """A command takes its time: `processing`, `paused for user`, `paused for input`."""

    kind: str

    @property
    def waits_for_person(self) -> bool:
        """Whether somebody has to press a button at the printer."""
        return self.kind.startswith("paused")


@dataclass(frozen=True, slots=True)
class Temperature:
    """Degrees Celsius: `T`, `T0`, `B`, …, and `<heater>_target`. `is_waiting`: M109/M190 wait for it."""

    readings: Mapping[str, float]
    is_waiting: bool


@dataclass(frozen=True, slots=True)
class Start:
    """The board booted."""


@dataclass(frozen=True, slots=True)
class Wait:
    """The firmware is idle and says so (NO_TIMEOUTS); never an ok."""


@dataclass(frozen=True, slots=True)
class Capability:
    """`Cap:NAME:0|1` of M115."""

    name: str
    is_on: bool


@dataclass(frozen=True, slots=True)
class FirmwareInfo:
    """The FIRMWARE_NAME line of M115."""

    name: str
    machine: str | None = None


@dataclass(frozen=True, slots=True)
class SdStatus:
    """M27: bytes of the selected file read, and its size. Says nothing of whether it prints."""

    position: int
    size: int


@dataclass(frozen=True, slots=True)
class NotSdPrinting:
    """M27: no file is open for printing."""


@dataclass(frozen=True, slots=True)
class FileOpened:
    """M23 or the panel opened a file of the card; `size` in bytes."""

    name: str
    size: int | None


@dataclass(frozen=True, slots=True)
class FileOpenFailed:
    """M23 found no such file (there is no `Error:` for it, and an ok follows)."""

    name: str


@dataclass(frozen=True, slots=True)
class FileSelected:
    """The opened file is the one M24 starts."""


@dataclass(frozen=True, slots=True)
class FileWriting:
    """M28: from now on lines go into this file until M29 is executed; none of them is run."""

    name: str


@dataclass(frozen=True, slots=True)
class FileSaved:
    """M29 closed the file that M28 opened: lines are run again."""


@dataclass(frozen=True, slots=True)
class DonePrinting:
    """The print from the card reached its end."""


class ActionKind(StrEnum):
    """What firmware asks of, or tells, its host (`//action:<name>`; Klipper writes `// action:<name>`).

    `PAUSE`, `RESUME` and `CANCEL` ask the host to do it; `PAUSED` and `RESUMED` say that it is done. A prompt
    is `PROMPT_BEGIN` with its text, its buttons, then `PROMPT_SHOW`; `PROMPT_END` takes it away. Sources:
    Marlin's host_actions.cpp; OctoPrint's action-command documents for the older names.
    """

    PAUSE = "pause"
    PAUSED = "paused"
    RESUME = "resume"
    RESUMED = "resumed"
    CANCEL = "cancel"
    START = "start"
    OUT_OF_FILAMENT = "out_of_filament"
    DISCONNECT = "disconnect"
    POWER_OFF = "poweroff"
    SHUTDOWN = "shutdown"
    NOTIFICATION = "notification"
    PROMPT_BEGIN = "prompt_begin"
    PROMPT_BUTTON = "prompt_button"
    PROMPT_CHOICE = "prompt_choice"  # the older name of prompt_button
    PROMPT_SHOW = "prompt_show"
    PROMPT_END = "prompt_end"


_ACTION_KINDS = {str(kind): kind for kind in ActionKind}


@dataclass(frozen=True, slots=True)
class Action:
    """A host action; `argument` is the text behind its name (of a prompt, a button, why it pauses)."""

    name: str
    argument: str = ""

    @property
    def kind(self) -> ActionKind | None:
        """Which action it is; None: one that nobody knows."""
        return _ACTION_KINDS.get(self.name)


@dataclass(frozen=True, slots=True)
class UnknownCommand:
    """The firmware did not know a command; an ok follows."""

    command: str


@dataclass(frozen=True, slots=True)
class Position:
    """M114 or its autoreport: millimetres, without the stepper counts."""

    axes: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Area:
    """`area:` of M115: how high the nozzle may go, in mm."""

    height: float


@dataclass(frozen=True, slots=True)
class Echo:
    """Something for people."""

    text: str


@dataclass(frozen=True, slots=True)
class Other:
    """A line this parser has no meaning for."""

    text: str


Reply = (
    Ok | Resend | ErrorLine | FirmwareError | Fault | Killed | Stopped | Busy | Temperature | Start | Wait
    | Capability | FirmwareInfo | SdStatus | NotSdPrinting | FileOpened | FileOpenFailed | FileSelected
    | FileWriting | FileSaved | DonePrinting | Action | UnknownCommand | Position | Area | Echo | Other
)  # fmt: skip

#: What most lines of a print are answered with: made once.
PLAIN_OK = Ok()
