"""What becomes of each order.

StartPrint                 `starting`
Pause, Resume, Cancel      one word to the printer; refused, and nothing is sent, for another print than
                           `expect`. Cancel of a start that has not left: it does not leave
SendGcode                  one `gcode_line`, to a printer that prints nothing
Adjust                     speed: the nearest of its four levels; temperatures, fan: lines; flow, Z: refused
HeatersOff                 lines
EmergencyStop              `stop`, heaters off; refused all the same: only the mains switch stops it at once
Tell                       refused
UploadFile, AbortUpload    `uploads`
RecoverPrint, AnswerPrompt refused: the printer does both at its own screen
Acknowledge                the print is forgotten

A print that somebody else started gets nothing of this but what its own key was named for: pause, resume and
cancel; and the emergency stop.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final, Protocol

from gateway.domain.observations import OrderResult, PrintPhase
from gateway.domain.orders import (
    AbortUpload,
    Acknowledge,
    Adjust,
    AnswerPrompt,
    CancelPrint,
    EmergencyStop,
    HeatersOff,
    Order,
    PausePrint,
    RecoverPrint,
    ResumePrint,
    SendGcode,
    StartPrint,
    Tell,
    UploadFile,
)
from gateway.drivers.bambu.adjusting import adjustment_requests
from gateway.drivers.bambu.errands import Errand, Errands
from gateway.drivers.bambu.one_print import Print
from gateway.drivers.bambu.outbox import Outbox
from gateway.drivers.bambu.prints import Prints
from gateway.drivers.bambu.settings import BambuSettings
from gateway.drivers.bambu.starting import OVER, Starts
from gateway.drivers.bambu.uploads import Uploads
from gateway.protocol.bambu.requests import gcode_lines, print_word
from gateway.protocol.bambu.state import PrinterState

#: Lines, and characters, of one `gcode_line`: printers take some hundred bytes at once.
MOST_LINES: Final = 64
MOST_CHARACTERS: Final = 2048
COLD: Final = ("M104 S0", "M140 S0")
COLD_NOZZLE: Final = ("M104 S0",)
NOT_SHOWN: Final = "the printer does not show this print; look at it, then say how it ended"
STARTING: Final = "its start is on its way: it can only be canceled"
CUT_THE_POWER: Final = "a Bambu printer has no emergency stop over the network: switch it off at the mains"
STOPPED: Final = "it took the order to stop its print and to cool down, as for a cancel"
OFF: Final = "it is not connected: switch it off at the mains"
_WORDS: Final[Mapping[type, str]] = {PausePrint: "pause", ResumePrint: "resume", CancelPrint: "stop"}
_CANNOT: Final[Mapping[type, str]] = {
    RecoverPrint: "a Bambu printer goes on in the middle of a file by itself only: print it anew",
    AnswerPrompt: "a Bambu printer asks its questions on its own screen only",
    Tell: "a Bambu printer is told nothing in words of its own: adjust it, or send it lines of G-code",
}


class Machine(Protocol):
    """What is known of the printer, and what orders act on."""

    outbox: Outbox
    prints: Prints
    starts: Starts
    uploads: Uploads
    errands: Errands
    settings: BambuSettings
    state: PrinterState | None

    @property
    def is_connected(self) -> bool:
        """Whether a request would leave."""

    def not_reached(self) -> str | None:
        """Why nothing is to be sent to it; None: it can."""

    def is_announced(self, now: float) -> bool:
        """Whether somebody else's print is about to begin."""

    def clear_up(self) -> None:
        """Remove files of prints that are over."""

    def observe(self, now: float) -> None:
        """Leave a snapshot."""


def take_order(machine: Machine, order: Order, now: float) -> None:
    """Carry it out, or answer why not. Every order but Acknowledge is answered once, now or later."""
    match order:
        case StartPrint():
            machine.starts.begin(order, now)
            machine.observe(now)
        case PausePrint() | ResumePrint() | CancelPrint():
            _about_print(machine, order, now)
        case SendGcode():
            _gcode(machine, order, now)
        case Adjust():
            _adjust(machine, order, now)
        case HeatersOff():
            _heaters_off(machine, order, now)
        case EmergencyStop():
            _stop(machine, order, now)
        case UploadFile():
            _upload(machine, order, now)
        case AbortUpload():
            machine.uploads.abort(order)
        case Acknowledge():
            machine.prints.acknowledge(order.key)
            machine.clear_up()
            machine.observe(now)
        case _:
            _refuse(machine, order.order_id, _CANNOT[type(order)])


def _refuse(machine: Machine, order_id: str, why: str) -> None:
    machine.outbox.answer(order_id, OrderResult.REFUSED, why)


# -- the print on the machine -----------------------------------------------------------------------------


def _about_print(machine: Machine, order: PausePrint | ResumePrint | CancelPrint, now: float) -> None:
    start = machine.starts.one
    if start is not None and start.print.key == order.expect:
        _about_start(machine, order, now)
        return
    present = machine.prints.current
    why = _why_not_it(machine, present, order.expect) or machine.not_reached()
    if why is not None or present is None:
        _refuse(machine, order.order_id, why or OVER)
    elif isinstance(order, CancelPrint):
        stop_print(machine.errands, present, order.order_id, now)
    else:
        word = _WORDS[type(order)]
        machine.errands.go(Errand(order.order_id), [partial(print_word, word=word)], now)


def _about_start(machine: Machine, order: PausePrint | ResumePrint | CancelPrint, now: float) -> None:
    start = machine.starts.one
    if not isinstance(order, CancelPrint):
        _refuse(machine, order.order_id, STARTING)
    elif machine.starts.call_off(now):
        machine.outbox.answer(order.order_id, OrderResult.ACCEPTED)
    elif start is not None and order.order_id not in start.cancels:
        start.cancels.append(order.order_id)


def stop_print(errands: Errands, present: Print, order_id: str, now: float) -> None:
    """End a print that is on the machine."""
    errands.go(Errand(order_id, stops=present), [partial(print_word, word="stop")], now)


def _why_not_it(machine: Machine, present: Print | None, expect: str) -> str | None:
    """Why this is not the print that the order is for; None: it is."""
    if present is not None and present.key == expect:
        return NOT_SHOWN if present.phase is PrintPhase.HELD else None
    if machine.prints.is_over(expect):
        return OVER
    on_it = "nothing that is known" if present is None else repr(present.file_name or present.name)
    return f"it has another print on it now: {on_it}"


# -- lines ------------------------------------------------------------------------------------------------


def _gcode(machine: Machine, order: SendGcode, now: float) -> None:
    lines = [line.strip() for line in order.lines if line.strip()]
    if _is_taken(machine, now):
        _refuse(machine, order.order_id, "it has a print; lines are for a printer that prints nothing")
    elif any(not (line.isascii() and line.isprintable()) for line in lines):
        _refuse(machine, order.order_id, "a line has characters that are no G-code")
    elif len(lines) > MOST_LINES or sum(map(len, lines)) > MOST_CHARACTERS:
        why = f"it takes {MOST_LINES} lines and {MOST_CHARACTERS} characters at once; these are more"
        _refuse(machine, order.order_id, why)
    elif not lines:
        machine.outbox.answer(order.order_id, OrderResult.ACCEPTED)
    else:
        _send_lines(machine, Errand(order.order_id), lines, now)


def _send_lines(machine: Machine, errand: Errand, lines: list[str] | tuple[str, ...], now: float) -> None:
    why = machine.not_reached()
    if why is not None:
        _refuse(machine, errand.order_id, why)
        return
    machine.errands.go(errand, [partial(gcode_lines, lines=lines)], now)


def _is_taken(machine: Machine, now: float) -> bool:
    is_active = machine.state is not None and machine.state.is_active
    return is_active or machine.starts.one is not None or machine.is_announced(now)


def _why_not_heat(machine: Machine, expect: str, now: float) -> str | None:
    """Why the temperatures of this printer are not this order's to change; None: they are."""
    present = machine.prints.current
    if machine.starts.one is not None:
        return STARTING
    if not expect:
        return "it has a print on it now" if _is_taken(machine, now) else None
    if present is not None and present.key == expect and present.is_local:
        return "somebody else started this print: change it at the printer, or in the app it came from"
    return _why_not_it(machine, present, expect)


def _adjust(machine: Machine, order: Adjust, now: float) -> None:
    why = _why_not_heat(machine, order.expect, now) or machine.not_reached()
    requests, done = adjustment_requests(order.change, machine.settings.heat)
    if why is not None or not requests:
        _refuse(machine, order.order_id, why or done)
    else:
        machine.errands.go(Errand(order.order_id, done=done or None), requests, now)


def _heaters_off(machine: Machine, order: HeatersOff, now: float) -> None:
    present = machine.prints.current
    is_standing = present is not None and present.phase in (PrintPhase.PAUSED, PrintPhase.HELD)
    lines = COLD_NOZZLE if order.only_hotends else COLD
    if order.expect and present is not None and present.key == order.expect and not is_standing:
        _refuse(machine, order.order_id, "its print is running: pause or cancel it first")
        return
    why = _why_not_heat(machine, order.expect, now)
    if why is not None and not (why == NOT_SHOWN and not _is_taken(machine, now)):
        _refuse(machine, order.order_id, why)
        return
    _send_lines(machine, Errand(order.order_id), lines, now)


def _stop(machine: Machine, order: EmergencyStop, now: float) -> None:
    """What has not left does not leave; whatever is on the machine is stopped, told or not."""
    machine.starts.call_off(now)
    if not machine.is_connected:
        _refuse(machine, order.order_id, OFF)
        return
    present = machine.prints.current
    errand = Errand(order.order_id, done=STOPPED, stops=present, never_enough=CUT_THE_POWER)
    asking = [partial(print_word, word="stop"), partial(gcode_lines, lines=COLD)]
    machine.errands.go(errand, asking, now)


# -- the rest ---------------------------------------------------------------------------------------------


def _upload(machine: Machine, order: UploadFile, now: float) -> None:
    if machine.starts.one is not None:
        _refuse(machine, order.order_id, "a start is on its way to the printer: its file goes first")
        return
    machine.uploads.begin(order)
    machine.observe(now)
