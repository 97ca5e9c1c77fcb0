"""Lines from the firmware: one pure function from a line to what it says.

`parse_reply` never raises: what nobody knows is `Other`. Measured on Marlin 2.1.2 and bugfix-2.1.x, Klipper's
pseudo-terminal and OctoPrint's virtual printer; tolerant of the variants those showed (`Resend:2`, `rs N2`,
`busy:processing`, `Not SD printing.`, `File opened:x Size:29`, `// action:pause`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from gateway.protocol.marlin.replies import (
    PLAIN_OK,
    Action,
    Area,
    Busy,
    Capability,
    DonePrinting,
    Echo,
    ErrorLine,
    Fault,
    FileOpened,
    FileOpenFailed,
    FileSaved,
    FileSelected,
    FileWriting,
    FirmwareError,
    FirmwareInfo,
    Killed,
    NotSdPrinting,
    Ok,
    Other,
    Position,
    Reply,
    Resend,
    SdStatus,
    Start,
    Stopped,
    Temperature,
    ThermalKind,
    UnknownCommand,
    Wait,
)

#: `ok N1234567 P15 B7` and M105's answer; longer lines that nobody understands are chatter.
DAMAGED_OK_CHARS_MAX = 80

_ADVANCED_OK = re.compile(r"ok(?: N(\d+))?(?: P(\d+))?(?: B(\d+))?$")
_TAKEN_OK = re.compile(r"ok (\d{1,12})$")
_EXPECTED_LINE = re.compile(r"expected line (\d{1,12}) got \d", re.IGNORECASE)
_RESEND = re.compile(r"(?:resend|rs):?\s*N?\s*(\d+)", re.IGNORECASE)
_LAST_LINE = re.compile(r"Last Line:\s*(\d+)")
_READING = re.compile(r"(?<![\w@])([TBCPARL]\d*):\s*(-?\d+(?:\.\d*)?)(?:\s*/\s*(-?\d+(?:\.\d*)?))?")
_TEMPERATURE_START = re.compile(r"[TB]\d*:\s*-?\d")
_CAPABILITY = re.compile(r"Cap:\s*(\w+):\s*([01])")
_FIRMWARE = re.compile(r"FIRMWARE_NAME:\s*(.*?)\s*(?=$|[A-Z][A-Z_]{3,}:)")
_MACHINE = re.compile(r"MACHINE_TYPE:\s*(.*?)\s*(?=$|[A-Z][A-Z_]{3,}:)")
_SD_BYTE = re.compile(r"SD printing byte\s+(\d+)\s*/\s*(\d+)", re.IGNORECASE)
_FILE_OPENED = re.compile(r"File opened:\s*(.+?)(?:\s+Size:\s*(\d+))?$", re.IGNORECASE)
_OPEN_FAILED = re.compile(r"open failed,?\s*File:\s*(.+?)\.?$", re.IGNORECASE)
_WRITING = re.compile(r"Writing to file:\s*(\S.*)$", re.IGNORECASE)
_ACTION = re.compile(r"//\s*action:\s*(\S+)\s*(.*)$")
_BUSY = re.compile(r"(?:echo:\s*)?busy:\s*(.+)$")
_UNKNOWN = re.compile(r"(?:echo:\s*|//\s*)Unknown command:\s*\"?(.*?)\"?$")
_POSITION = re.compile(r"(?:X:-?\d)")
_AXIS = re.compile(r"([XYZE]):\s*(-?\d+(?:\.\d*)?)")
_AREA = re.compile(r"full:\{.*?max:\{[^}]*?\bz:\s*(\d+(?:\.\d*)?)")
_HEATER = re.compile(r"Heater_ID:\s*(\S+)", re.IGNORECASE)
_LINE_ERRORS = ("checksum", "line number", "expected line", "last line")
#: What a serial line says while the board at its end gets its power.
_BOOT_NOISE = "".join(map(chr, range(0x20))) + "\x7f\x80\ufffd"
_KILLED = ("kill() called", "kill caused by", "emergency shutdown detected")
_STOPPED = ("printer stopped", "system stopped")
_THERMAL = (
    ("mintemp", ThermalKind.MINTEMP),
    ("maxtemp", ThermalKind.MAXTEMP),
    ("heating failed", ThermalKind.HEATING_FAILED),
    ("thermal runaway", ThermalKind.RUNAWAY),
)


def parse_reply(line: bytes) -> Reply:
    """What one line (without its newline) says. Never raises; bytes that are not UTF-8 are replaced."""
    if line == b"ok":
        return PLAIN_OK
    text = line.decode("utf-8", "replace").strip("\r\n\t \0")
    if text.endswith("start") and not text[:-5].strip(_BOOT_NOISE):
        return Start()
    for prefix, parse in _BY_PREFIX:
        if text.startswith(prefix):
            reply = parse(text)
            if reply is not None:
                return reply
    return Other(text)


def is_damaged_ok(text: str) -> bool:
    """Whether a line that says nothing may have been an `ok`: `oK`, `o`, `k N12`, `okok`, odd bytes."""
    if not text or len(text) > DAMAGED_OK_CHARS_MAX:
        return False
    return text[0] in "oO" or text[:2][-1] in "kK" or "ok" in text[:4] or not text.isprintable()


def _parse_ok(text: str) -> Reply | None:
    if text == "ok":
        return PLAIN_OK
    match = _ADVANCED_OK.match(text)
    if match:
        number, planner, block = (int(group) if group else None for group in match.groups())
        return Ok(number, planner, block)
    taken = _TAKEN_OK.match(text)
    if taken:
        return Ok(taken=int(taken[1]))
    if text[2:3] not in (" ", ":"):
        return None
    rest = text[3:].lstrip()
    if _TEMPERATURE_START.match(rest):
        return Ok(temperatures=_readings(rest))
    return Ok(firmware=_firmware(rest) if rest.startswith("FIRMWARE_NAME") else None)


def _readings(text: str) -> Mapping[str, float]:
    readings: dict[str, float] = {}
    for heater, actual, target in _READING.findall(text):
        readings[heater] = float(actual)
        if target:
            readings[f"{heater}_target"] = float(target)
    return readings


def _firmware(text: str) -> FirmwareInfo:
    name, machine = _FIRMWARE.search(text), _MACHINE.search(text)
    return FirmwareInfo(name.group(1) if name else text, machine.group(1) if machine else None)


def _parse_temperature(text: str) -> Reply | None:
    if not _TEMPERATURE_START.match(text):
        return None
    return Temperature(_readings(text), is_waiting=" W:" in text)


def _parse_resend(text: str) -> Reply | None:
    match = _RESEND.match(text)
    return Resend(int(match.group(1)[:12])) if match else None


def _parse_error(text: str) -> Reply | None:
    words = text.partition(":")[2].strip()
    lowered = words.lower()
    if any(sign in lowered for sign in _LINE_ERRORS):
        last, expected = _LAST_LINE.search(words), _EXPECTED_LINE.match(words)
        if expected:  # Repetier
            return ErrorLine(words, int(expected[1]) - 1)
        return ErrorLine(words, int(last.group(1)[:12]) if last else None)
    for sign, kind in _THERMAL:
        if sign in lowered:
            heater = _HEATER.search(words)
            return Fault(kind, heater.group(1) if heater else None, words)
    if any(sign in lowered for sign in _KILLED):
        return Killed(words)
    return FirmwareError(words, is_fatal=any(sign in lowered for sign in _STOPPED))


def _parse_echo(text: str) -> Reply | None:
    busy = _BUSY.match(text)
    if busy:
        return Busy(busy.group(1).strip())
    unknown = _UNKNOWN.match(text)
    if unknown:
        return UnknownCommand(unknown.group(1))
    words = text.partition(":")[2].strip()
    if any(sign in words.lower() for sign in _KILLED):
        return Killed(words)
    return Echo(words)


def _parse_slashes(text: str) -> Reply | None:
    action = _ACTION.match(text)
    if action:
        return Action(action.group(1).lower(), action.group(2).rstrip())
    unknown = _UNKNOWN.match(text)
    if unknown:
        return UnknownCommand(unknown.group(1))
    words = text.lstrip("/ ")
    if words == "Klipper state: Shutdown":  # all it says, for an emergency stop and a broken thermistor alike
        return Killed(words)
    return Start() if words == "Klipper state: Ready" else Echo(words)


def _parse_capability(text: str) -> Reply | None:
    match = _CAPABILITY.match(text)
    return Capability(match.group(1), match.group(2) == "1") if match else None


def _parse_sd(text: str) -> Reply | None:
    match = _SD_BYTE.match(text)
    return SdStatus(int(match.group(1)[:18]), int(match.group(2)[:18])) if match else None


def _parse_file(text: str) -> Reply | None:
    if text.startswith("File selected"):
        return FileSelected()
    match = _FILE_OPENED.match(text)
    if not match:
        return None
    return FileOpened(match.group(1), int(match.group(2)[:18]) if match.group(2) else None)


def _parse_open_failed(text: str) -> Reply | None:
    match = _OPEN_FAILED.match(text)
    return FileOpenFailed(match.group(1)) if match else None


def _parse_writing(text: str) -> Reply | None:
    match = _WRITING.match(text)
    return FileWriting(match.group(1)) if match else None


def _parse_position(text: str) -> Reply | None:
    if not _POSITION.match(text):
        return None
    return Position({axis: float(at) for axis, at in _AXIS.findall(text.partition("Count")[0])})


def _parse_area(text: str) -> Reply | None:
    match = _AREA.search(text)
    return Area(float(match.group(1))) if match else None


def _parse_busy(text: str) -> Reply | None:
    match = _BUSY.match(text)
    return Busy(match.group(1).strip()) if match else None


# In the order of how often they come in a print.
_BY_PREFIX: tuple[tuple[str, Callable[[str], Reply | None]], ...] = (
    ("ok", _parse_ok),
    ("T", _parse_temperature),
    ("echo:", _parse_echo),
    ("X:", _parse_position),
    ("B", _parse_temperature),
    ("//", _parse_slashes),
    ("SD printing", _parse_sd),
    ("Not SD printing", lambda _: NotSdPrinting()),
    ("Resend", _parse_resend),
    ("resend", _parse_resend),
    ("rs", _parse_resend),
    ("Error", _parse_error),
    ("error", _parse_error),
    ("fatal:", lambda text: Stopped(text[6:].strip())),
    ("!!", lambda text: FirmwareError(text[2:].strip(), is_fatal=True)),
    ("busy:", _parse_busy),
    ("wait", lambda text: Wait() if text == "wait" else None),
    ("Cap:", _parse_capability),
    ("FIRMWARE_NAME:", _firmware),
    ("area:", _parse_area),
    ("File ", _parse_file),
    ("open failed", _parse_open_failed),
    ("Writing to file", _parse_writing),
    ("Done saving file", lambda _: FileSaved()),
    ("Done printing file", lambda _: DonePrinting()),
)
