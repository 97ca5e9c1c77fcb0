"""The owner's scripts with their variables filled in."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.drivers.marlin_core import DriverCore
from gateway.gcode.macros import MacroInvalid, render


def rendered(
    driver: DriverCore,
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
    measured = driver.view.temperatures
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
