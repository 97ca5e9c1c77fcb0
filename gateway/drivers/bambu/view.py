"""A printer's state in the words of the domain."""

from __future__ import annotations

from gateway.domain.observations import Activity
from gateway.drivers.bambu.one_print import trouble
from gateway.protocol.bambu.codes import Severity, is_fault
from gateway.protocol.bambu.state import GcodeState, PrinterState


def activity(state: PrinterState) -> Activity:
    """What it is doing. An error that stops nothing is a message only."""
    if state.gcode_state is GcodeState.PAUSE:
        return Activity.PAUSED
    if state.is_active:
        return Activity.PRINTING
    is_fatal = any(entry.severity is Severity.FATAL for entry in state.hms)
    if is_fault(state.print_error) or (is_fatal and not state.is_signed_only):
        return Activity.ERROR
    return Activity.READY if state.is_resting else Activity.BUSY


def message(state: PrinterState) -> str | None:
    """What is wrong with it, for people."""
    return trouble(state)


def temperatures(state: PrinterState) -> dict[str, float]:
    """deg C, by the names that all drivers use; what it does not say is left out."""
    found = {
        "T": state.nozzle,
        "B": state.bed,
        "C": state.chamber,
        "T_target": state.nozzle_target,
        "B_target": state.bed_target,
    }
    return {name: value for name, value in found.items() if value is not None}
