"""What the firmware asks of its host in a streamed print (`//action:`).

pause, out_of_filament     the host pauses: parked as by an order
paused                     the firmware pauses by itself, and moves its head as it likes
pause(d) filament_runout   the same two: the filament ran out (Marlin's ACTION_REASON_ON_FILAMENT_RUNOUT)
resume, resumed            on it goes
cancel                     the print ends
disconnect                 the port is given up and left alone for a while; the print is held
"""

from __future__ import annotations

from gateway.domain.observations import PrintPhase
from gateway.drivers.contract import RecordedStage
from gateway.drivers.marlin.driver_state import DriverState
from gateway.drivers.marlin.print import HostPrint
from gateway.drivers.marlin.sd import AT_DEVICE
from gateway.protocol.marlin.link import Link
from gateway.protocol.marlin.replies import Action, ActionKind

#: Seconds for which the port is left alone when the printer asked for it: time to pull the cable, or for
#: another program to take the port.
DISCONNECTED_SECONDS = 60.0

_RUNOUT = "filament_runout"
_NO_FILAMENT = "The filament ran out. Load new filament, then resume."
_AT_PRINTER = "Paused at the printer."
_DISCONNECTED = "The printer asked to be disconnected."


def hear(driver: DriverState, action: Action, streamed: HostPrint, link: Link) -> None:
    """One action in the middle of a streamed print."""
    match action.name:
        case ActionKind.PAUSE:
            streamed.pause(reason="job-suspended-by-operator", note=_AT_PRINTER)
        case ActionKind.PAUSED:
            streamed.pause(parks=False, reason="job-suspended-by-operator", note=_AT_PRINTER)
        case ActionKind.OUT_OF_FILAMENT:
            streamed.pause()
        case ActionKind.RESUME | ActionKind.RESUMED:
            streamed.resume()
        case ActionKind.CANCEL:
            streamed.end(link, PrintPhase.CANCELED, AT_DEVICE)
        case _:
            pass
    if _is_out_of_filament(action) and not streamed.is_ending:
        streamed.pause_reason, streamed.pause_note = "media-empty", _NO_FILAMENT
        driver.report(now=True)


def _is_out_of_filament(action: Action) -> bool:
    pauses = action.kind in (ActionKind.PAUSE, ActionKind.PAUSED)
    return action.kind is ActionKind.OUT_OF_FILAMENT or (pauses and action.argument.startswith(_RUNOUT))


def disconnect(driver: DriverState) -> None:
    """Let go of the port; a print is held with that reason and does not go on by itself."""
    session = driver.session
    if session is None:
        return
    driver.left_alone_until = driver.clock() + DISCONNECTED_SECONDS
    if driver.print is not None:
        driver.record.enter(RecordedStage.HELD)
    session.end(f"{_DISCONNECTED} It is left alone for {DISCONNECTED_SECONDS:.0f} seconds.")
