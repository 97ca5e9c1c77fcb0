"""Heaters off, whatever the printer is at: idle, paused, held, or reset in the middle of a print.

What streams is not cooled down: a print without heat is a broken print. It is paused or canceled first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from gateway.domain.observations import OrderResult, PrintPhase
from gateway.domain.orders import HeatersOff
from gateway.drivers.marlin.driver_state import DriverState
from gateway.drivers.marlin.errands import NOT_CONNECTED, WAITS, refusal_by_expect, unclear
from gateway.drivers.marlin.own_scripts import one_hotend
from gateway.drivers.marlin.park import heat_lines
from gateway.drivers.marlin.print import HostPrint
from gateway.drivers.marlin.scripts import TOO_MANY, Script
from gateway.drivers.marlin.stages import Stage
from gateway.gcode.state import MachineState
from gateway.protocol.marlin.profile import Profile

_HOTEND = re.compile(r"T(\d+)_target")
_BEING_ASKED = "The printer is being asked where its print stands."
_STREAMS = "The print is under way; pause or cancel it first."
_GOES_ON = "The print is going on: it heats, or moves back to where it was paused. Pause or cancel it first."
_ANOTHER = "Another print is on the machine."
#: It is on, and to what is not known for sure: nothing is sent.
_LEFT = -1.0


def lines_off(profile: Profile, readings: Mapping[str, float], *, only_hotends: bool) -> tuple[str, ...]:
    """The commands that switch off every heater the printer has told of.

    M104 without a tool means the one in use; the others are named. A chamber is off with the bed.
    """
    others = [found[1] for name in readings if (found := _HOTEND.fullmatch(name))]
    hotends = ("M104 S0", *(f"M104 T{tool} S0" for tool in sorted(others, key=int)))
    if only_hotends:
        return hotends
    chamber = ("M141 S0",) if "C_target" in readings else ()
    return (*hotends, *(line for line in profile.heaters_off if line not in hotends), *chamber)


def switch_off(driver: DriverState, order: HeatersOff) -> None:
    """Answered when the firmware took it, which may be behind the command it is at."""
    refusal = _refusal(driver, order)
    link = driver.link
    if refusal is not None or link is None:
        driver.answer(order.order_id, OrderResult.REFUSED, refusal or NOT_CONNECTED)
        return
    if driver.upload is not None:
        driver.upload.fail("The heaters were to be switched off, which this printer cannot do meanwhile.")
    lines = lines_off(link.profile, driver.view.temperatures, only_hotends=order.only_hotends)

    def done() -> None:
        driver.breaks_wait = False
        driver.answer(order.order_id, OrderResult.ACCEPTED)

    script = Script(lines, done, unclear(driver, order.order_id), is_proven=True)
    streamed = driver.print
    is_taken = driver.scripts.add(script) if streamed is None else streamed.interject(script)
    if not is_taken:
        driver.answer(order.order_id, OrderResult.REFUSED, TOO_MANY)
    elif streamed is not None:
        _remember(driver, streamed)
    elif driver.held is not None:
        # It never goes on by itself: the firmware's line number has told all that it could.
        driver.breaks_wait = True
        link.begin_numbering(driver.clock())


def _refusal(driver: DriverState, order: HeatersOff) -> str | None:
    current = driver.current()
    if order.expect:
        refusal = refusal_by_expect(driver, order.expect)
        if refusal is not None:
            return refusal
    elif current is not None:
        return _ANOTHER
    if driver.link is None:
        return driver.why_unavailable()
    if driver.recovery is not None:
        return _BEING_ASKED
    if current is not None and current.phase in (PrintPhase.STARTING, PrintPhase.PRINTING):
        return _STREAMS
    if driver.print is not None and driver.print.stage is Stage.RESUMING:
        # It would be read behind the heating that is on its way, and cool the print that goes on then.
        return _GOES_ON
    if driver.view.waits_for_person(driver.clock()):
        # It would be read when somebody has pressed the button, and cool the print that goes on then.
        return WAITS
    return None


def _remember(driver: DriverState, streamed: HostPrint) -> None:
    """What a resume must heat again. A parked print knows by itself."""
    if streamed.parked is not None or driver.reheat[0] == streamed.key:
        return
    readings = one_hotend(driver.view.agreed_targets or driver.view.temperatures)
    driver.reheat = (streamed.key, {name: readings.get(name, 0.0) for name in ("T_target", "B_target")})


def heat_again(driver: DriverState, streamed: HostPrint, machine: MachineState | None) -> Iterator[str]:
    """A paused print goes on: what it was heated to, waited for, before anything moves.

    A parked print knows what that was. One that was left where it stood is heated to what it had before it
    was cooled, or to what somebody has set since. Where nobody remembers (this process died meanwhile, or the
    firmware or somebody at the panel switched off) the file says what it wants: no print goes on cold.
    """
    key, kept = driver.reheat
    driver.reheat = ("", {})
    kept = kept if key == streamed.key else {}
    parked, agreed = streamed.parked, one_hotend(driver.view.agreed_targets or {})
    if parked is not None:
        hotend, bed = parked.hotend, parked.bed
    else:
        told = one_hotend(driver.view.temperatures)
        hotend, bed = (
            agreed.get(name, _LEFT if told.get(name) else 0.0) for name in ("T_target", "B_target")
        )
    hotend, bed = hotend or kept.get("T_target", 0.0), bed or kept.get("B_target", 0.0)
    if machine is not None:
        hotend = hotend or machine.hotends.get(machine.tool, 0.0)
        if streamed.is_taken_up:  # else it is known why the bed is off
            bed = bed or machine.bed or 0.0
        yield from _others(machine, agreed)
    yield from heat_lines(max(hotend, 0.0), max(bed, 0.0))


def _others(machine: MachineState, targets: Mapping[str, float]) -> Iterator[str]:
    """Nozzles that are not in use, and the chamber, if they are off and the file wants them warm."""
    cold = [
        (tool, target)
        for tool, target in sorted(machine.hotends.items())
        if tool != machine.tool and target > 0 and targets.get(f"T{tool}_target") == 0
    ]
    yield from (f"M104 T{tool} S{target:g}" for tool, target in cold)
    if machine.chamber and targets.get("C_target") == 0:
        yield f"M141 S{machine.chamber:g}"
    yield from (f"M109 T{tool} S{target:g}" for tool, target in cold)


def cool_after_reset(driver: DriverState, done: Callable[[], None]) -> None:
    """The position is lost and the link is new: the heaters go off before anything else is sent.

    A board that really was reset has done it already; one that only forgot its line numbers has not. The
    fan is left as it is: it cools.
    """
    link = driver.link
    assert link is not None
    lines = lines_off(link.profile, driver.view.temperatures, only_hotends=False)
    driver.scripts.add(Script(lines, done, is_proven=True))
