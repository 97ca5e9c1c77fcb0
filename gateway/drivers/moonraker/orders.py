"""What a Klipper printer shall do: the engine's orders as requests to Moonraker.

StartPrint                 upload, check, printer.print.start once     (start.Start)
Pause, Resume, Cancel      printer.print.pause, .resume, .cancel       refused for another print than `expect`
Cancel, start not sent     nothing: it is called off
EmergencyStop              printer.emergency_stop                      whatever else is under way
SendGcode                  printer.gcode.script                        for a printer without a print, which is
Adjust, HeatersOff         printer.gcode.script                        looked at once more before
UploadFile, AbortUpload    HTTP                                        (files.Uploads)
Tell                       printer.restart, printer.firmware_restart   not while it prints
Acknowledge                nothing; the file of that print is removed
RecoverPrint, AnswerPrompt refused

A reply comes when the script behind it has run, which may take minutes (Klipper waits for heat before it
cancels). Klipper answers "ok" to lines that it does not know: it tells them on its console only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from gateway.domain.adjustment import Adjustment
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
from gateway.drivers.moonraker.files import BUSY, Remove, Uploads
from gateway.drivers.moonraker.machine import Machine
from gateway.drivers.moonraker.start import CALLED_OFF, NOT_CHECKED, NOT_SENT, Start
from gateway.protocol.moonraker.judging import Doing
from gateway.protocol.moonraker.objects import is_moving
from gateway.protocol.moonraker.refusals import in_words, proves_nothing_done
from gateway.protocol.moonraker.rpc import Reply

#: Seconds for the reply to a pause, resume or cancel: their macros park, heat and wait.
ACT_SECONDS: Final = 600.0
#: Seconds for the reply to lines of G-code: a bed is levelled in ten minutes.
SCRIPT_SECONDS: Final = 1800.0
#: Seconds for the reply to an emergency stop: Moonraker passes it on at once.
STOP_SECONDS: Final = 10.0
#: Orders that may wait for the same reply: people press a button again, nobody presses it a hundred times.
MOST_JOINED: Final = 64

_REFUSED, _ACCEPTED, _UNCLEAR = OrderResult.REFUSED, OrderResult.ACCEPTED, OrderResult.UNCLEAR
_METHODS: Final[Mapping[type, str]] = {
    PausePrint: "printer.print.pause",
    ResumePrint: "printer.print.resume",
    CancelPrint: "printer.print.cancel",
}
_TELLS: Final = {"restart": "printer.restart", "firmware_restart": "printer.firmware_restart"}
_OVER: Final = "This print is over already."
_UNDER_WAY: Final = "Another print is on its way to the printer."
_NOT_YET: Final = "What is on the printer is not known yet. Try again in a moment."
_BUSY: Final = "The printer is busy: something moves, or a macro runs."
_NOT_BEGUN: Final = "The print has not begun yet."
_HELD: Final = "Nobody knows how far this print is: look at the printer."
_NOT_PAUSED: Final = "It is not paused."
_PRINTS: Final = "It is printing. Pause or cancel the print first."
_SILENT: Final = "The printer did not answer in time. Look at it before you ask again."
_MAINS: Final = "{why} It cannot be stopped from here: switch it off at the mains."
_NO_RECOVERY: Final = "Klipper cannot go on in the middle of a file from here: print it anew."
_NO_LIGHT: Final = (
    "Klipper has no command of its own for a light: switch it by the macro or pin that you gave it"
)
_NO_PROMPT: Final = "Klipper's prompts are answered on its own screen."
_CONTROL: Final = "A line of G-code has characters that no printer reads: line ends, tabs or the like."
_TELLABLE: Final = "A Klipper printer can be told: restart, firmware_restart."


class Orders:
    """One printer's; `machine` carries them out."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.uploads = Uploads(machine.printer, machine.files, machine.put, machine.answer)

    def take(self, order: Order, now: float) -> None:
        """Carry out an order, or answer why not. Every order but Acknowledge is answered, now or later."""
        match order:
            case StartPrint():
                self._start(order, now)
            case PausePrint() | ResumePrint() | CancelPrint():
                self._about_print(order, now)
            case EmergencyStop():
                self._stop(order, now)
            case SendGcode():
                self._gcode(order, now)
            case Adjust():
                self._adjust(order, now)
            case HeatersOff():
                self._cool(order, now)
            case UploadFile():
                self.uploads.begin(order)
            case AbortUpload():
                self.uploads.abort(order)
            case Tell():
                self._tell(order, now)
            case Acknowledge():
                self._acknowledge(order)
            case RecoverPrint():
                self._refuse(order.order_id, _NO_RECOVERY)
            case AnswerPrompt():
                self._refuse(order.order_id, _NO_PROMPT)
        self._machine.turn(now)

    def _refuse(self, order_id: str, why: str) -> None:
        self._machine.answer(order_id, _REFUSED, why)

    # -- starts -------------------------------------------------------------------------------------------

    def _start(self, order: StartPrint, now: float) -> None:
        machine = self._machine
        following, start = machine.following, machine.start
        if start is not None and start.key == order.key:
            start.orders.append(order.order_id)
        elif following.current is not None and following.current.key == order.key:
            machine.answer(order.order_id, _ACCEPTED)
        elif order.key in following.over:
            self._refuse(order.order_id, _OVER)
        elif any(opened.key == order.key for opened in following.open_starts.values()):
            machine.answer(order.order_id, _UNCLEAR, _HELD)
        elif start is not None:
            self._refuse(order.order_id, _UNDER_WAY)
        elif machine.files.is_busy:
            self._refuse(order.order_id, BUSY)
        elif (why := self._obstacle()) is not None:
            self._refuse(order.order_id, why)
        else:
            self._begin_start(order, now)

    def _begin_start(self, order: StartPrint, now: float) -> None:
        machine = self._machine

        def cancel(order_id: str) -> None:
            self._about_print(CancelPrint(machine.printer, order_id, order.key), now)

        try:
            machine.start = Start(machine, order, self._obstacle, cancel)
        except ValueError:
            self._refuse(order.order_id, f"The print's mark {order.key!r} is no UUID.")

    def _obstacle(self) -> str | None:
        """Why the machine can take no print now; None: it is free, by its last answer."""
        machine = self._machine
        if (why := machine.unreachable()) is not None:
            return why
        if not machine.is_certain:
            return _NOT_YET
        current = machine.following.current
        if current is not None:
            return f"The printer has a print on it: {current.name!r}."
        standing = machine.watch.standing
        if standing.doing is Doing.NO_PRINTS:
            return machine.snapshot(0.0).obstacle
        if not standing.doing.is_free:
            return f"The printer has a print on it: {standing.file!r}."
        return _BUSY if is_moving(machine.watch.known or {}) else None

    # -- the print on the machine -------------------------------------------------------------------------

    def _about_print(self, order: PausePrint | ResumePrint | CancelPrint, now: float) -> None:
        machine = self._machine
        start = machine.start
        if start is not None and start.key == order.expect:
            self._about_start(start, order, now)
            return
        why = self._not_on_it(order.expect) or machine.unreachable()
        if why is not None:
            self._refuse(order.order_id, why)
            return
        machine.looks.begin(lambda _is_told, later: self._act(order, later), now)

    def _act(self, order: PausePrint | ResumePrint | CancelPrint, now: float) -> None:
        """The machine was asked: it may have had another print for a moment already."""
        machine = self._machine
        why = self._not_on_it(order.expect) or machine.unreachable()
        current = machine.following.current
        if why is not None or current is None:
            self._refuse(order.order_id, why or _OVER)
        elif current.phase is PrintPhase.HELD:
            self._refuse(order.order_id, _HELD)
        elif isinstance(order, ResumePrint) and current.phase is not PrintPhase.PAUSED:
            self._refuse(order.order_id, _NOT_PAUSED)
        elif isinstance(order, PausePrint) and current.phase is PrintPhase.PAUSED:
            machine.answer(order.order_id, _ACCEPTED)
        else:
            method = _METHODS[type(order)]
            self._ask_once(f"{method} {order.expect}", order.order_id, method, now)

    def _about_start(self, start: Start, order: PausePrint | ResumePrint | CancelPrint, now: float) -> None:
        if not isinstance(order, CancelPrint):
            self._refuse(order.order_id, _NOT_BEGUN)
            return
        start.cancels.append(order.order_id)
        if not start.is_sent:
            start.call_off(CALLED_OFF, now)

    def _not_on_it(self, expect: str) -> str | None:
        """Why an order is not for what is on the machine; `expect` empty: for a machine without a print."""
        current = self._machine.following.current
        if self._machine.left.waiting:
            return _NOT_YET
        if current is None and expect:
            return "Nothing that is known is on the printer."
        if current is None:
            return _NOT_YET if self._machine.watch.standing.doing.is_active else None
        if current.key != expect:
            return f"The printer has another print on it: {current.name!r}."
        standing = self._machine.watch.standing
        if standing.doing.is_active and not current.is_of(standing.file):  # how ours ended is not known yet
            return f"The printer has another print on it: {standing.file!r}."
        return None

    def _ask_once(self, what: str, order_id: str, method: str, now: float) -> None:
        """Send a request, unless the same one is under way: then its reply answers this order too."""
        machine = self._machine
        joined = machine.joined.get(what)
        if joined is not None and len(joined) < MOST_JOINED:
            joined.append(order_id)
            return

        def told(reply: Reply | None, now: float) -> None:
            for waiting in machine.joined.pop(what, []):
                self._answered(waiting, reply, now)

        if machine.asking.order(method, None, told, now + ACT_SECONDS):
            machine.joined[what] = [order_id]
        else:
            self._refuse(order_id, NOT_SENT)

    def _answered(self, order_id: str, reply: Reply | None, now: float) -> None:
        machine = self._machine
        if reply is None:
            machine.answer(order_id, _UNCLEAR, machine.link_reason() or _SILENT)
        elif reply.error is not None:
            is_undone = proves_nothing_done(reply.error)
            machine.answer(order_id, _REFUSED if is_undone else _UNCLEAR, in_words(reply.error))
        else:
            machine.answer(order_id, _ACCEPTED)
        machine.watch.poll(now)

    def _stop(self, order: EmergencyStop, now: float) -> None:
        machine = self._machine
        told = partial(self._answered, order.order_id)
        is_out = machine.asking.order(
            "printer.emergency_stop", None, told, now + STOP_SECONDS, is_urgent=True
        )
        if not is_out:
            self._refuse(order.order_id, _MAINS.format(why=machine.link_reason() or NOT_SENT))
        if machine.start is not None and not machine.start.is_sent:
            machine.start.call_off("The emergency stop came before the printer was told to start.", now)

    # -- G-code -------------------------------------------------------------------------------------------

    def _gcode(self, order: SendGcode, now: float) -> None:
        machine = self._machine
        why = self._not_on_it("") or machine.unreachable()
        if any(not line.isprintable() for line in order.lines):
            why = _CONTROL
        if why is None and machine.start is not None:
            why = _UNDER_WAY
        self._script(order.order_id, order.lines, "", why, now)

    def _adjust(self, order: Adjust, now: float) -> None:
        why = self._not_on_it(order.expect) or self._machine.unreachable()
        if order.change.light is not None:
            why = _NO_LIGHT
        self._script(order.order_id, adjusting_lines(order.change), order.expect, why, now)

    def _cool(self, order: HeatersOff, now: float) -> None:
        machine = self._machine
        why = self._not_on_it(order.expect)
        current = machine.following.current
        if why is None and current is not None and current.phase is PrintPhase.PRINTING:
            why = _PRINTS
        if why is None and machine.is_up and machine.watch.standing.doing is Doing.STOPPED:
            machine.answer(order.order_id, _ACCEPTED)  # a shutdown switches every heater off (klipper3d.org)
            return
        known = machine.watch.known or {}
        hotends = tuple(
            f"SET_HEATER_TEMPERATURE HEATER={name} TARGET=0" for name in known if name.startswith("extruder")
        )
        lines = hotends if order.only_hotends else ("TURN_OFF_HEATERS",)
        self._script(order.order_id, lines, order.expect, why or machine.unreachable(), now)

    def _script(
        self, order_id: str, lines: tuple[str, ...], expect: str, why: str | None, now: float
    ) -> None:
        """Run lines as one script, unless there is a reason not to.

        Without a print on the machine it is asked first: one may have begun since it was heard last.
        """

        def looked(is_told: bool, now: float) -> None:
            machine = self._machine
            why = machine.unreachable() or self._not_on_it("") or (None if is_told else NOT_CHECKED)
            self._run(order_id, lines, _UNDER_WAY if why is None and machine.start is not None else why, now)

        if why is None and not expect:
            self._machine.looks.begin(looked, now)
        else:
            self._run(order_id, lines, why, now)

    def _run(self, order_id: str, lines: tuple[str, ...], why: str | None, now: float) -> None:
        told = partial(self._answered, order_id)
        script = {"script": "\n".join(lines)}
        if why is not None:
            self._refuse(order_id, why)
        elif not self._machine.asking.order("printer.gcode.script", script, told, now + SCRIPT_SECONDS):
            self._refuse(order_id, NOT_SENT)

    # -- the rest -----------------------------------------------------------------------------------------

    def _tell(self, order: Tell, now: float) -> None:
        machine = self._machine
        method = _TELLS.get(order.command)
        why = None if machine.is_up else machine.link_reason()
        if method is None:
            why = _TELLABLE
        elif machine.start is not None or machine.following.current is not None:
            why = _PRINTS
        told = partial(self._answered, order.order_id)
        if why is not None or method is None:
            self._refuse(order.order_id, why or _TELLABLE)
        elif not machine.asking.order(method, None, told, now + ACT_SECONDS):
            self._refuse(order.order_id, NOT_SENT)

    def _acknowledge(self, order: Acknowledge) -> None:
        machine = self._machine
        known = machine.following.forget(order.key)
        machine.left.forget(order.key)
        if known is not None and not known.is_local and not machine.settings.keeps_files:
            machine.put(Remove(0, known.file))


def adjusting_lines(change: Adjustment) -> tuple[str, ...]:
    """An adjustment as G-code that Klipper knows (klipper3d.org: G-Codes)."""
    lines: list[tuple[object, Callable[[], str]]] = [
        (change.speed, lambda: f"M220 S{change.speed}"),
        (change.flow, lambda: f"M221 S{change.flow}"),
        (change.fan, lambda: f"M106 S{round((change.fan or 0) * 255 / 100)}"),
        (change.hotend, lambda: f"M104 S{change.hotend}"),
        (change.bed, lambda: f"M140 S{change.bed}"),
        (change.z_step, lambda: f"SET_GCODE_OFFSET Z_ADJUST={change.z_step:g} MOVE=1"),
    ]
    return tuple(line() for value, line in lines if value is not None)
