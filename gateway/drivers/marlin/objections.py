"""What a firmware says when it answers a macro's line with `ok` and has not done it.

Marlin acknowledges each line, also one that it does not know, and a procedure that it broke off. The macro
has failed then, but for lines that only tell people something: a board without a display or a speaker does
the rest all the same, and its owner reads which line was left out.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.drivers.marlin.scripts import ScriptQueue
from gateway.protocol.marlin.replies import (
    Echo,
    FirmwareError,
    Other,
    Reply,
    UnknownCommand,
)

#: Marlin's language.h: STR_PID_BAD_HEATER_ID, STR_PID_TEMP_TOO_HIGH, STR_PID_TIMEOUT, STR_ERR_PROBING_FAILED,
#: MSG_HOME_FIRST (of what needs a homed machine), STR_ERR_COLD_EXTRUDE_STOP, STR_ERR_LONG_EXTRUDE_STOP.
_BROKEN_OFF: Final = re.compile(
    r"PID Autotune failed|Probing Failed|^Home [A-Z]+ First|extrusion prevented", re.IGNORECASE
)
#: They speak to people and change nothing at the machine: progress, display, serial line, lamps, a tone.
_FOR_PEOPLE: Final = frozenset({"M73", "M117", "M118", "M150", "M300", "M355"})


def hear(scripts: ScriptQueue, reply: Reply) -> None:
    """Note it with the macro that is under way, if one is."""
    match reply:
        case UnknownCommand(command):
            word = command.split(maxsplit=1)[0] if command.strip() else ""
            words = f"it does not know {word}, that line was not carried out"
            if word.upper() in _FOR_PEOPLE:
                scripts.remark(words, word)
            else:
                scripts.object(words, word)
        case FirmwareError(text, _):
            scripts.object(text)
        case Echo(text) | Other(text) if _BROKEN_OFF.search(text.strip()):
            scripts.object(text.strip())
