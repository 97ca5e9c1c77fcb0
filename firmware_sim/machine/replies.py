"""What the firmware says, word for word. Recorded from Marlin 2.1.2 unless a line says otherwise."""

from __future__ import annotations

OK = "ok"
WAIT = "wait"
BUSY_WORKING = "echo:busy: processing"
BUSY_USER = "echo:busy: paused for user"

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

CARD_OK = "echo:SD card ok"
NO_CARD = "echo:No media"
FILES_BEGIN = "Begin file list"
FILES_END = "End file list"
FILE_SELECTED = "File selected"
FILE_SAVED = "Done saving file."
FILE_PRINTED = "Done printing file"
NOT_PRINTING = "Not SD printing"


def line_error(reason: str, last_line: int) -> str:
    """`Error:` line of a refused numbered line; the caller adds `Resend:` and `ok`."""
    return f"Error:{reason}{last_line}"


def resend(line_number: int) -> str:
    """The number the firmware wants next."""
    return f"Resend: {line_number}"


def unknown(command: str) -> str:
    """A command the parser does not know; it is still followed by `ok`."""
    return f'echo:Unknown command: "{command}"'


def temperatures(hotend: tuple[float, float, int], bed: tuple[float, float, int]) -> str:
    """The body of M105, M155 and M109 lines: (actual °C, target °C, heater output 0-127) twice."""
    return f"T:{hotend[0]:.2f} /{hotend[1]:.2f} B:{bed[0]:.2f} /{bed[1]:.2f} @:{hotend[2]} B@:{bed[2]}"


def position(x: float, y: float, z: float, e: float, counts: tuple[int, int, int]) -> str:
    """M114, and what G92 and G28 report: millimetres, then steps."""
    return f"X:{x:.2f} Y:{y:.2f} Z:{z:.2f} E:{e:.2f} Count X:{counts[0]} Y:{counts[1]} Z:{counts[2]}"


def printing_byte(position_bytes: int, size_bytes: int) -> str:
    """M27 while a file is printing, selected or paused; this line ends in CR LF."""
    return f"SD printing byte {position_bytes}/{size_bytes}\r"


def opened(name: str, size_bytes: int) -> str:
    """M23 of a file that exists."""
    return f"File opened: {name} Size: {size_bytes}"


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
