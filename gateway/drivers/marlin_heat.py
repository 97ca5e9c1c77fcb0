"""Heaters off, whatever the printer is at: idle, paused, held, or reset in the middle of a print.

What streams is not cooled down: a print without heat is a broken print. It is paused or canceled first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from gateway.domain.observations import OrderResult, PrintPhase
from gateway.domain.orders import HeatersOff
from gateway.drivers.marlin_core import DriverCore
from gateway.drivers.marlin_errands import NOT_CONNECTED, TOO_MANY, WAITS, refusal_by_expect, unclear
from gateway.drivers.marlin_print import HostPrint
from gateway.drivers.marlin_scripts import Script
from gateway.protocol.marlin.profile import Profile

_HOTEND = re.compile(r"T(\d+)_target")
_BEING_ASKED = "The printer is being asked where its print stands."
_STREAMS = "The print is under way; pause or cancel it first."
_ANOTHER = "Another print is on the machine."


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


def switch_off(driver: DriverCore, order: HeatersOff) -> None:
    """Answered when the firmware took it, which may be behind the command it is at."""
    refusal = _refusal(driver, order)
    link = driver.link
    if refusal is not None or link is None:
        driver.answer(order.order_id, OrderResult.REFUSED, refusal or NOT_CONNECTED)
        return
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


def _refusal(driver: DriverCore, order: HeatersOff) -> str | None:
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
    if driver.view.waits_for_person(driver.clock()):
        # It would be read when somebody has pressed the button, and cool the print that goes on then.
        return WAITS
    return None


def _remember(driver: DriverCore, streamed: HostPrint) -> None:
    """What a resume must heat again. A parked print knows by itself, and survives this process's death."""
    key, lines = driver.reheat
    known = lines if key == streamed.key else ()
    if streamed.parked is None:
        driver.reheat = (streamed.key, known or tuple(_heat_again(driver.view.temperatures)))


def _heat_again(readings: Mapping[str, float]) -> Iterator[str]:
    """Bed and nozzle to their targets of now, waited for."""
    for name, command in (("B_target", "M190"), ("T_target", "M109")):
        target = readings.get(name, 0.0)
        if target > 0:
            yield f"{command} S{target:g}"


def heat_again(driver: DriverCore, streamed: HostPrint) -> None:
    """A paused print goes on: what was switched off meanwhile is heated first."""
    key, lines = driver.reheat
    driver.reheat = ("", ())
    if key == streamed.key and lines:
        streamed.interject(Script(lines))


def cool_after_reset(driver: DriverCore, done: Callable[[], None]) -> None:
    """The position is lost and the link is new: the heaters go off before anything else is sent.

    A board that really was reset has done it already; one that only forgot its line numbers has not. The
    fan is left as it is: it cools.
    """
    link = driver.link
    assert link is not None
    lines = lines_off(link.profile, driver.view.temperatures, only_hotends=False)
    driver.scripts.add(Script(lines, done, is_proven=True))
