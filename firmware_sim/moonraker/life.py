"""How a klippy process stands, and the words it has for that. Source: klippy/klippy.py, klippy/mcu.py."""

from __future__ import annotations

import enum

SHUTDOWN_WORDS = (
    'Once the underlying issue is corrected, use the\n"FIRMWARE_RESTART" command to reset the firmware, '
    "reload the\nconfig, and restart the host software.\nPrinter is shutdown\n"
)
STARTUP_MESSAGE = (
    "\nPrinter is not ready\nThe klippy host software is attempting to connect.  Please\n"
    "retry in a few moments.\n"
)
READY_MESSAGE = "Printer is ready"


class Life(enum.Enum):
    """What the process is doing; the value is `webhooks.state` but for `down`."""

    DOWN = "disconnected"
    STARTING = "startup"
    READY = "ready"
    SHUTDOWN = "shutdown"
    ERROR = "error"
