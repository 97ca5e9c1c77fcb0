"""What the engine asks of drivers: orders, going down.

Orders are not awaited: each carries an `order_id`, and its answer comes back as an
`observations.OrderAnswered`. `expect` names the print an order is meant for; a driver refuses the order
when another print is on the machine, so that a late cancel never hits what a person started meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.domain.adjustment import Adjustment


@dataclass(frozen=True, slots=True)
class StartPrint:
    """Start printing `path`. Sent at most once per key; a driver never retries a start."""

    printer: str
    order_id: str
    key: str  # the attempt's mark: identifies this print in every later report
    path: str  # absolute path of the file, readable by the driver host
    sha256: str
    size: int  # bytes
    name: str  # for people and for the printer's display
    job_id: str = ""  # public id, for printers that are told it
    settings: Mapping[str, Any] = field(default_factory=dict)  # of the job, for printers that are told them


@dataclass(frozen=True, slots=True)
class PausePrint:
    """Pause the print `expect`."""

    printer: str
    order_id: str
    expect: str


@dataclass(frozen=True, slots=True)
class ResumePrint:
    """Go on with the paused print `expect`."""

    printer: str
    order_id: str
    expect: str


@dataclass(frozen=True, slots=True)
class CancelPrint:
    """End the print `expect`: no more motion of the job, heaters off."""

    printer: str
    order_id: str
    expect: str


@dataclass(frozen=True, slots=True)
class EmergencyStop:
    """Stop everything on the machine at once (M112). Needs no print."""

    printer: str
    order_id: str


@dataclass(frozen=True, slots=True)
class SendGcode:
    """Lines of G-code for an idle printer."""

    printer: str
    order_id: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Adjust:
    """Change speed, flow, fan, temperatures or height, between two lines of what is printed."""

    printer: str
    order_id: str
    expect: str  # the print on the machine; empty: nothing is printed
    change: Adjustment


@dataclass(frozen=True, slots=True)
class AnswerPrompt:
    """Press a button of the question that the printer asks."""

    printer: str
    order_id: str
    prompt: int  # number of the question, as the printer's snapshot tells it: no other one is answered
    choice: int  # 0-based, in the order the printer named them


@dataclass(frozen=True, slots=True)
class HeatersOff:
    """Switch the heaters off while nothing is printed, or while the print stands (paused, held)."""

    printer: str
    order_id: str
    expect: str  # the print on the machine; empty: nothing is printed
    only_hotends: bool = False  # leave the bed as it is: it holds the part


@dataclass(frozen=True, slots=True)
class RecoverPrint:
    """Go on with a held print from a place in its file, behind lines that bring the machine back there.

    Sent at most once per order; nothing is sent to the machine unless the print `expect` is held, or nothing
    is known to be on the machine (the host lost its memory too).
    """

    printer: str
    order_id: str
    expect: str  # key of the held print; it keeps it
    path: str
    sha256: str
    size: int  # bytes
    name: str
    position: int  # bytes of the file that had been accepted when it was interrupted
    offset: int  # bytes of the file that are not sent again
    line: int  # printable lines in them
    heat_lines: tuple[str, ...]  # sent first, the machine standing
    move_lines: tuple[str, ...]  # lift, home, move back


@dataclass(frozen=True, slots=True)
class UploadFile:
    """Put `path` on the printer's own storage; nothing is started.

    Meanwhile `OrderProgressed` tells `sent` and `size` in bytes and `name_on_printer`, once a second at most;
    with progress 1.0 right before the answer. ACCEPTED: the printer said that it is saved, whole. REFUSED:
    nothing of it is on the printer. UNCLEAR: something may be; the message says what to do.

    Given again with the same `path` and `sha256` while it is under way, it joins: progress is told to the
    newest order from then on, the end to all of them.
    """

    printer: str
    order_id: str
    path: str  # absolute path of the file, readable by the driver host
    sha256: str
    size: int  # bytes
    name: str  # for people; the printer's storage may know it by another one


@dataclass(frozen=True, slots=True)
class AbortUpload:
    """End an upload under way: the unfinished file is closed and deleted.

    ACCEPTED when the printer said that it is deleted, and the upload is answered REFUSED; both are UNCLEAR
    when it did not. REFUSED when that upload is not under way (any more).
    """

    printer: str
    order_id: str
    upload_id: str  # order_id of the UploadFile, of any that joined it


@dataclass(frozen=True, slots=True)
class Tell:
    """A command in the printer's own words."""

    printer: str
    order_id: str
    command: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """The engine has committed the end of print `key`: the driver forgets it. Not answered.

    A held print is given up by it too: a person has said how it ended, and nothing is sent to the machine.
    """

    printer: str
    order_id: str
    key: str


Order = (
    StartPrint
    | PausePrint
    | ResumePrint
    | CancelPrint
    | EmergencyStop
    | SendGcode
    | Adjust
    | AnswerPrompt
    | HeatersOff
    | RecoverPrint
    | UploadFile
    | AbortUpload
    | Tell
    | Acknowledge
)
