"""Faults that strike at an instant: what each of them does to the machine, the firmware or the cable."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

from firmware_sim.faults.catalogue import Fault
from firmware_sim.machine import replies
from firmware_sim.machine.thermal import ThermalFault

if TYPE_CHECKING:
    from firmware_sim.faults.injector import Injector
    from firmware_sim.machine.board import Board

WAIT_SECONDS = 1.0
"""Marlin's NO_TIMEOUTS 1000 of the recorded build."""


class Cable(Protocol):
    """The endpoint's side of the plug. Seconds are machine seconds; infinity: until somebody plugs it in."""

    def unplug(self, seconds: float, *, elsewhere: bool) -> None:
        """Out for `seconds`; `elsewhere`: back as another device."""

    def plug(self) -> None:
        """Put it back, if it is out."""

    def block(self, seconds: float) -> None:
        """Somebody else holds the port for `seconds`."""


def strike(fault: Fault, board: Board, injector: Injector) -> None:
    """Carry out one fault of the occasion INSTANT at `board.now`."""
    kind, _, rest = fault.name.partition("-")
    if kind == "panel":
        _press(rest, fault, board)
    elif kind == "heater":
        _harm_heater(rest, fault, board)
    elif fault.name in ("unplug", "unplug-and-return", "port-busy"):
        _cable(fault, injector)
    elif fault.name in _MACHINE:
        injector.log(fault)
        _MACHINE[fault.name](board, fault)
    else:
        _firmware(fault, board, injector)


def _press(what: str, fault: Fault, board: Board) -> None:
    panel = board.panel
    if what == "start":
        if board.card.find(fault.what, long_too=True) is None:
            board.note("fault", line=fault.label, effect=f"nothing happened: no file {fault.what!r}")
            return
        panel.start(fault.what, board.now)
    else:
        {"pause": panel.pause, "resume": panel.resume, "cancel": panel.cancel}[what](board.now)
    board.note("fault", line=fault.label)


def _harm_heater(kind: str, fault: Fault, board: Board) -> None:
    board.heater(fault.what).suffer(kind, board.now)
    board.note("fault", line=f"{fault.label}: {fault.what}")


def _cable(fault: Fault, injector: Injector) -> None:
    cable = injector.cable
    if cable is None:
        injector.log(fault, effect="nothing happened: there is no cable here")
        return
    injector.log(fault, _seconds(fault.seconds))
    if fault.name == "port-busy":
        cable.block(fault.seconds)
    else:
        cable.unplug(fault.seconds, elsewhere=fault.name == "unplug-and-return")


def _firmware(fault: Fault, board: Board, injector: Injector) -> None:
    until = board.now + fault.seconds
    match fault.name:
        case "m110-ignored":
            injector.ignores_m110_until = until
        case "no-checksum-support":
            injector.checks_nothing_until = until
        case "unknown-command-echoed":
            board.forget_command(fault.what)
            injector.log(fault, fault.what)
            return
        case "baud-mismatch":
            injector.mismatch(int(fault.what), until)
        case "planner-starved":
            injector.watches_planner = True
        case "slow-host":
            injector.hold(until)
        case "suspend":
            injector.hold(until, both_ways=True)
        case "wait-for-ever":
            _wait_on(board, injector, until)
    injector.log(fault, _seconds(fault.seconds) if fault.seconds else "")


def _wait_on(board: Board, injector: Injector, until: float) -> None:
    if board.is_running:
        board.say(replies.WAIT)
    if board.now + WAIT_SECONDS <= until:
        injector.at(board.now + WAIT_SECONDS, lambda: _wait_on(board, injector, until))


def _busy(board: Board, fault: Fault) -> None:
    board.inject(f"G4 P{round(fault.seconds * 1000)}", "machine")


def _runaway(board: Board, fault: Fault) -> None:
    if board.is_running:
        board.thermal_shutdown(ThermalFault(board.now, "Thermal Runaway", fault.what))


def _filament_out(board: Board, _: Fault) -> None:
    board.host_action("out_of_filament T0")
    board.inject("M600" if board.personality.has("park_on_pause") else "M0 Filament Runout", "machine")


def _door(board: Board, _: Fault) -> None:
    board.inject("M0 Door open", "machine")


def _card_out(board: Board, _: Fault) -> None:
    if board.card.printing or board.card.paused:
        board.card.abort_wanted = True
    board.card.pull()
    board.say(replies.NO_CARD)


def _card_full(board: Board, _: Fault) -> None:
    board.card.room = 0


def _probe_dead(board: Board, _: Fault) -> None:
    board.probe_is_dead = True


def _reset(board: Board, _: Fault) -> None:
    board.reset(board.now)


def _halt(board: Board, _: Fault) -> None:
    board.kill_button(board.now)


def _silent(board: Board, fault: Fault) -> None:
    board.hang(board.now + fault.seconds)


_MACHINE = {
    "busy-for-minutes": _busy,
    "runaway": _runaway,
    "filament-out": _filament_out,
    "door": _door,
    "probe-dead": _probe_dead,
    "sd-removed": _card_out,
    "sd-full": _card_full,
    "reset": _reset,
    "halt": _halt,
    "silent": _silent,
}


def _seconds(value: float) -> str:
    return "for good" if value == math.inf else f"for {value:g} s"
