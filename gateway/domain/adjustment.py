"""What people change on a printer while it prints: speed, flow, fan, temperatures, the nozzle's height,
the light."""

from __future__ import annotations

from dataclasses import dataclass

#: Percent of the speed a file asks for; Marlin's M220 takes 10 to 999, above 300 no printer follows.
SPEED_PERCENT = (10, 300)
#: Percent of the filament a file asks for; outside of this a print is scrap.
FLOW_PERCENT = (50, 200)
#: Millimetres the nozzle is shifted by one adjustment: a layer is 0.05 to 0.4 thick, and a greater step down
#: would dig into the plate. Several steps add up.
Z_STEP_MM = 0.5
#: Degrees Celsius a printer's hotend and bed may be set to, if its configuration does not say: an all-metal
#: hotend takes 300, a mains bed 120.
MAX_HOTEND, MAX_BED = 300, 120
#: Degrees Celsius beyond which a number is a mistake, whatever the printer.
CELSIUS_MAX = 500


@dataclass(frozen=True, slots=True)
class HeatLimits:
    """How hot a printer may be set by hand, in degrees Celsius."""

    hotend: int = MAX_HOTEND
    bed: int = MAX_BED


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What is to change; None leaves a thing as it is."""

    speed: int | None = None  # percent
    flow: int | None = None  # percent
    fan: int | None = None  # percent; 0 is off
    hotend: int | None = None  # deg C; 0 is off
    bed: int | None = None  # deg C; 0 is off
    z_step: float | None = None  # mm, up is positive; added to earlier ones
    light: bool | None = None  # that of the printer's case or chamber

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to change."""
        return self == Adjustment()

    @property
    def needs_print(self) -> bool:
        """Whether it makes sense only while something is printed."""
        return (self.speed, self.flow, self.z_step) != (None, None, None)

    def problem(self, limits: HeatLimits) -> str | None:
        """Why this cannot be asked of a printer with these limits, for people; None when it can."""
        if self.is_empty:
            names = "speed, flow, fan, hotend, bed, z_step, light"
            return f"nothing is to be adjusted; name at least one of {names}"
        checked = (
            ("speed", self.speed, *SPEED_PERCENT, "%"),
            ("flow", self.flow, *FLOW_PERCENT, "%"),
            ("fan", self.fan, 0, 100, "%"),
            ("hotend", self.hotend, 0, limits.hotend, "°C"),
            ("bed", self.bed, 0, limits.bed, "°C"),
            ("z_step", self.z_step, -Z_STEP_MM, Z_STEP_MM, "mm"),
        )
        for name, value, low, high, unit in checked:
            if value is not None and not low <= value <= high:
                return f"{name} {value:g} {unit} is out of range; it may be {low:g} to {high:g} {unit}"
        return None
