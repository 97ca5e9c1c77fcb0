"""What the firmware says, word for word. Recorded from Marlin 2.1.2 unless a line says otherwise."""

from __future__ import annotations

OK = "ok"
WAIT = "wait"

ERR_CHECKSUM = "checksum mismatch, Last Line: "
ERR_LINE_NUMBER = "Line Number is not Last Line Number+1, Last Line: "
ERR_NO_CHECKSUM = "No Checksum with line number, Last Line: "

KILLED = "Error:Printer halted. kill() called!"
KILLED_BY_M112 = "echo:M112 Shutdown"
KILLED_BY_BUTTON = "Error:!! KILL caused by KILL button/pin"
HOST_POWER_OFF = "//action:poweroff"

COLD_EXTRUSION = "echo: cold extrusion prevented"
LONG_EXTRUSION = "echo: too long extrusion prevented"
HOME_FIRST = "Home XYZ First"

PROBING_FAILED = "Error:Probing Failed"
TUNING_STARTED = "PID Autotune start"
TUNING_FINISHED = (
    "PID Autotune finished! Put the last Kp, Ki and Kd constants from below into Configuration.h"
)
TUNING_BAD_HEATER = "PID Autotune failed! Bad heater id"
TUNING_TOO_HOT = "PID Autotune failed! Temperature too high"
TUNING_TIMEOUT = "PID Autotune failed! timeout"
"""These six by their source (language.h), not recorded."""

CARD_OK = "echo:SD card ok"
NO_CARD = "echo:No media"
CARD_FAILED = "echo:No SD card"
"""M21 with an empty slot; by its source (language.h, STR_SD_INIT_FAIL), not recorded."""
FILES_BEGIN = "Begin file list"
FILES_END = "End file list"
FILE_SELECTED = "File selected"
FILE_SAVED = "Done saving file."
WRITE_FAILED = "Error:error writing to file"
"""A line between M28 and M29 that the card does not take; by its source (language.h), not recorded."""
FILE_PRINTED = "Done printing file"


def line_error(reason: str, last_line: int) -> str:
    """`Error:` line of a refused numbered line; the caller adds `Resend:` and `ok`."""
    return f"Error:{reason}{last_line}"


def open_failed(name: str) -> str:
    """M23 of a file that does not; an `ok` follows all the same."""
    return f"open failed, File: {name}."


def duration(seconds: float) -> str:
    """Marlin's print time, M31: `0s`, `2m 5s`, `1h 0m 0s`, `1d 2h 3m 4s`."""
    whole = int(seconds)
    days, hours, minutes, rest = whole // 86400, whole // 3600 % 24, whole // 60 % 60, whole % 60
    if days:
        return f"{days}d {hours}h {minutes}m {rest}s"
    if hours:
        return f"{hours}h {minutes}m {rest}s"
    if minutes:
        return f"{minutes}m {rest}s"
    return f"{rest}s"


def thermal_fault(kind: str, heater: str) -> tuple[str, str]:
    """The `Error:` line and the status line of a thermal shutdown; `kind` as in Marlin's messages."""
    status = {
        "MINTEMP triggered": "echo:Err: MINTEMP",
        "MAXTEMP triggered": "echo:Err: MAXTEMP",
        "Heating failed": "echo:Heating Failed",
        "Thermal Runaway": "echo:THERMAL RUNAWAY",
    }[kind]
    return f"Error:{kind}, system stopped! Heater_ID: {heater}", status
