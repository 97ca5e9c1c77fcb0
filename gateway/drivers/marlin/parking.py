"""When a print is paused, resumed or cancelled: which lines park it, bring it back, present the part.

`HostPrint` says what it needs (`Need`); here it is decided with what only the driver knows: the printer's
settings, its temperatures, the height of the machine, and what the file says up to that place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gateway.drivers.contract import Parked
from gateway.drivers.marlin.driver_state import DriverState
from gateway.drivers.marlin.file_state import FileReading
from gateway.drivers.marlin.heat import heat_again
from gateway.drivers.marlin.own_scripts import one_hotend, rendered
from gateway.drivers.marlin.park import (
    EXTRUDE_MIN,
    HEAT_NOT_TOLD,
    FileState,
    park_lines,
    present_lines,
    restore_lines,
    why_not,
)
from gateway.drivers.marlin.print import HostPrint
from gateway.drivers.marlin.settings import ParkBy
from gateway.drivers.marlin.stages import Need, Stage
from gateway.protocol.marlin.link import Link

#: Stages in which what the file says will be asked for, or is.
_READING = frozenset({Stage.PAUSING, Stage.LOCATING, Stage.PARKING, Stage.RESUMING, Stage.ENDING})


def turn(driver: DriverState, streamed: HostPrint, link: Link) -> None:
    """Decide what the print needs, as soon as enough is known."""
    if streamed.stage not in _READING:
        return
    reading = _reading(driver, streamed, link)
    if streamed.needs is None or not reading.is_done:
        return
    if streamed.needs is Need.PARK:
        _park(driver, streamed, link, reading)
    elif streamed.needs is Need.RESTORE:
        _restore(driver, streamed, link, reading)
    else:
        _present(driver, streamed, link, reading)


def _reading(driver: DriverState, streamed: HostPrint, link: Link) -> FileReading:
    reading = driver.reading
    path, offset = streamed.order.path, streamed.fed_position
    if reading is None or (reading.path, reading.offset) != (path, offset):
        reading = driver.reading = FileReading(
            path,
            offset,
            is_homed=_homes(driver.settings.scripts.start),
            g90_sets_extruder=link.profile.g90_sets_extruder,
        )
        reading.begin(driver.wake)
    return reading


def _homes(lines: tuple[str, ...]) -> bool:
    return any(line.split(";")[0].strip().upper() in ("G28", "G28 W") for line in lines)


def _height(driver: DriverState) -> float | None:
    return driver.settings.park.height or driver.view.height


def _knows_height(driver: DriverState, link: Link) -> bool:
    park = driver.settings.park
    return _height(driver) is not None or link.profile.soft_endstops or park.lift == 0


def _script(
    driver: DriverState,
    lines: tuple[str, ...],
    streamed: HostPrint,
    place: Mapping[str, float] | None,
    state: FileState | None,
) -> tuple[str, ...]:
    return rendered(
        driver,
        lines,
        key=streamed.key,
        name=streamed.order.name,
        place=place,
        feedrate=state.machine.feedrate if state else None,
        progress=streamed.report().progress,
    )


def _park(driver: DriverState, streamed: HostPrint, link: Link, reading: FileReading) -> None:
    settings = driver.settings
    if streamed.parked is not None:  # by a former host, or it was on its way back: once more, without script
        own: tuple[str, ...] = ()
        if settings.park.by is ParkBy.GATEWAY:
            height, highest = _height(driver), reading.state.highest if reading.state else 0.0
            # A file that is gone does not say what stands in the way: up, and not aside.
            park = settings.park if reading.state else replace(settings.park, x=None, y=None)
            own = tuple(park_lines(streamed.parked, park, highest=highest, height=height, is_hot=False))
        streamed.park((*own, *link.profile.keep_motors), streamed.parked)
        return
    place = streamed.place
    if settings.park.by is ParkBy.NOBODY:
        streamed.park(_script(driver, settings.scripts.pause, streamed, place, reading.state), None)
        return
    if reading.state is None:
        streamed.park((), None, f"Not parked: {reading.trouble}.")
        return
    state, knows_height = reading.state, _knows_height(driver, link)
    g90_sets_extruder = link.profile.g90_sets_extruder
    why = why_not(place, state, knows_height=knows_height, g90_sets_extruder=g90_sets_extruder)
    if why is not None or place is None:
        streamed.park((), None, f"Not parked: {why}.")
        return
    targets = driver.view.agreed_targets
    if targets is None:  # a resume would heat to what noise has made of it
        streamed.park((), None, f"Not parked: {HEAT_NOT_TOLD}.")
        return
    targets = one_hotend(targets)
    parked = Parked(
        x=place["X"], y=place["Y"], z=place["Z"], e=place["E"],
        hotend=targets.get("T_target", 0.0), bed=targets.get("B_target", 0.0),
    )  # fmt: skip
    own = ()
    if settings.park.by is ParkBy.GATEWAY:
        height, is_hot = _height(driver), _is_hot(parked)
        own = tuple(park_lines(parked, settings.park, highest=state.highest, height=height, is_hot=is_hot))
    script = _script(driver, settings.scripts.pause, streamed, place, state)
    streamed.park((*own, *link.profile.keep_motors, *script), parked)


def _is_hot(parked: Parked) -> bool:
    return parked.hotend >= EXTRUDE_MIN


def _restore(driver: DriverState, streamed: HostPrint, link: Link, reading: FileReading) -> None:
    settings, parked = driver.settings, streamed.parked
    if parked is None:
        alone = settings.scripts.resume if settings.park.by is ParkBy.NOBODY else ()
        script = _script(driver, alone, streamed, None, reading.state)
        machine = reading.state.machine if reading.state else None
        streamed.restore((*heat_again(driver, streamed, machine), *script))
        return
    if reading.state is None:
        streamed.stay(f"It cannot go on: {reading.trouble}. Cancel it.")
        return
    place = {"X": parked.x, "Y": parked.y, "Z": parked.z, "E": parked.e}
    script = _script(driver, settings.scripts.resume, streamed, place, reading.state)
    heat = heat_again(driver, streamed, reading.state.machine)
    is_hot = _is_hot(parked) and settings.park.by is ParkBy.GATEWAY
    back = restore_lines(parked, settings.park, reading.state.machine, is_hot=is_hot)
    streamed.restore((*script, *heat, *back, *link.profile.time_motors))


def _present(driver: DriverState, streamed: HostPrint, link: Link, reading: FileReading) -> None:
    """Heaters are off by now. Off the part only where it is known where that is."""
    settings, place, state = driver.settings, streamed.place, reading.state
    script = _script(driver, settings.scripts.cancel, streamed, place, state)
    own: tuple[str, ...] = ()
    if settings.park.by is ParkBy.GATEWAY and streamed.parked is None and place is not None:
        is_known = state is not None and state.said.is_homed and place.keys() >= {"X", "Y", "Z", "E"}
        if state is not None and is_known and not (state.machine.is_shifted or state.machine.is_inch):
            if _knows_height(driver, link):
                height = _height(driver)
                own = tuple(present_lines(place, settings.park, highest=state.highest, height=height))
    streamed.present((*own, *script))
