"""How one machine's moonraker.conf and printer.cfg are set, as far as somebody on the broker notices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

LEAST_INTERVAL = 0.25
"""Seconds; `status_interval` must be above it. At it, Moonraker runs on without MQTT (measured)."""
STATUS_OBJECTS: Mapping[str, tuple[str, ...] | None] = {
    "webhooks": None,
    "print_stats": None,
    "virtual_sdcard": None,
    "pause_resume": None,
    "display_status": None,
    "extruder": ("temperature", "target"),
    "heater_bed": ("temperature", "target"),
    "idle_timeout": ("state",),
    "toolhead": ("homed_axes",),
}
"""`[mqtt] status_objects` of a usual set-up; None: all fields."""


@dataclass(frozen=True, slots=True)
class MoonrakerConfig:
    """Times in seconds.

    instance: `instance_name`, the first part of every topic. objects: `status_objects`; empty:
    nothing is published unless a client subscribes. interval: `status_interval`; 0: every change at once.
    is_split: a retained topic a field instead of one message (`publish_split_status`). qos: `default_qos`.
    api_key: what HTTP wants in X-Api-Key; empty: nothing (a trusted client). epoch: wall time in seconds of
    the machine's second 0. has_macros: CANCEL_PRINT cools and waits for the moves, as Mainsail's macro does.
    """

    instance: str = "voron1"
    objects: Mapping[str, tuple[str, ...] | None] = field(default_factory=lambda: dict(STATUS_OBJECTS))
    interval: float = 0.5
    is_split: bool = False
    qos: int = 0
    api_key: str = ""
    epoch: float = 1_700_000_000.0
    has_macros: bool = True

    @property
    def is_mqtt_refused(self) -> bool:
        """Whether Moonraker throws its MQTT component out for the interval."""
        return self.interval != 0 and self.interval <= LEAST_INTERVAL
