"""What the configuration says about heat, as the safety monitors take it; for both processes."""

from __future__ import annotations

from gateway.config.sections import Safety
from gateway.safety.limits import SafetyLimits


def heat_tolerance(wanted: Safety) -> SafetyLimits:
    """The configuration's minutes as seconds."""
    return SafetyLimits(
        idle=wanted.idle_minutes * 60,
        held=wanted.held_minutes * 60,
        paused_hotend=wanted.paused_hotend_minutes * 60,
        paused_bed=wanted.paused_bed_minutes * 60,
        watches_temperatures=wanted.watch_temperatures,
        hotend_max=wanted.hotend_max,
        bed_max=wanted.bed_max,
    )
