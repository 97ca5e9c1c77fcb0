"""What a firmware says when it answers a macro's line with `ok` and has not done it.

Marlin acknowledges each line, also one that it does not know, and a procedure that it broke off.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.drivers.marlin.scripts import ScriptQueue
from gateway.protocol.marlin.responses import Echo, FirmwareError, Other, Reply, UnknownCommand

#: Marlin's language.h: STR_PID_BAD_HEATER_ID, STR_PID_TEMP_TOO_HIGH, STR_PID_TIMEOUT, STR_ERR_PROBING_FAILED.
_BROKEN_OFF: Final = re.compile(r"PID Autotune failed|Probing Failed", re.IGNORECASE)


def hear(scripts: ScriptQueue, reply: Reply) -> None:
    """Note it with the macro that is under way, if one is."""
    match reply:
        case UnknownCommand(command):
            word = command.split(maxsplit=1)[0] if command.strip() else ""
            scripts.object(f"it does not know {word}", word)
        case FirmwareError(text, _):
            scripts.object(text)
        case Echo(text) | Other(text) if _BROKEN_OFF.search(text):
            scripts.object(text)
