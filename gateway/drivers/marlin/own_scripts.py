"""The owner's scripts with their variables filled in."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.drivers.marlin.driver_state import DriverState
from gateway.drivers.marlin.scripts import Script
from gateway.gcode.macros import MacroInvalid, render


def one_hotend(readings: Mapping[str, float]) -> Mapping[str, float]:
    """The readings with the hotend in use as `T`: Klipper names the only one `T0`, Marlin says both."""
    named = {key.replace("T0", "T", 1): value for key, value in readings.items() if key.startswith("T0")}
    return {**named, **readings}


def rendered(
    driver: DriverState,
    lines: tuple[str, ...],
    *,
    key: str = "",
    name: str = "",
    place: Mapping[str, float] | None = None,
    feedrate: float | None = None,
    progress: float | None = None,
) -> tuple[str, ...]:
    """The lines as they are sent. One that its values make unsendable is left out, and said so.

    `place`: X, Y, Z, E in mm. `feedrate` in mm/min. `progress` from 0 to 1.
    """
    if not lines:
        return ()
    measured = one_hotend(driver.view.temperatures)
    values: dict[str, object] = {
        "file": name,
        "job": key,
        "printer": driver.printer,
        "hotend": measured.get("T_target"),
        "bed": measured.get("B_target"),
        "feedrate": feedrate,
        "progress": None if progress is None else int(100 * progress),
        **{axis.lower(): value for axis, value in (place or {}).items() if axis in "XYZE"},
    }
    sent = []
    for line in lines:
        try:
            sent.append(render(line, values))
        except MacroInvalid as error:
            driver.view.message = f"The script line {line!r} was not sent: {error}."
    return tuple(sent)


def start_and_end(driver: DriverState, key: str, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What goes in front of the first line of a print, and behind its last one."""
    scripts = driver.settings.scripts
    return (
        rendered(driver, scripts.start, key=key, name=name),
        rendered(driver, scripts.end, key=key, name=name, progress=1.0),
    )


def run_connect(driver: DriverState) -> None:
    """Once a connection to a printer that nothing is printed on; a print goes first, and goes on without."""
    lines = rendered(driver, driver.settings.scripts.connect)
    if lines and driver.print is None and driver.held is None and not driver.card.is_printing:
        driver.scripts.add(Script(lines, is_macro=True, yields=True))
