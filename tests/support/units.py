"""The shipped units, and what is set in them."""

from __future__ import annotations

from pathlib import Path

UNITS = Path(__file__).parents[2] / "systemd"
GATEWAY, STREAMER = "print-gateway.service", "print-gateway-streamer.service"


def settings(unit: str, section: str) -> dict[str, list[str]]:
    """A section's keys and all their values."""
    found: dict[str, list[str]] = {}
    current = ""
    for line in (UNITS / unit).read_text().splitlines():
        if line.startswith("["):
            current = line.strip("[]")
        elif line and not line.startswith(("#", ";")) and current == section:
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def stop_seconds(unit: str) -> int:
    """Seconds between SIGTERM and SIGKILL."""
    (seconds,) = settings(unit, "Service")["TimeoutStopSec"]
    return int(seconds)
