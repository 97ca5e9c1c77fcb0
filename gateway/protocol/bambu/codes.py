"""The printer's numbers for what is wrong, in words: `print_error` and `hms`.

    print_error   one number of 32 bits: AAAA_BBBB; 0 is none. It ends or pauses a print.
    hms           a list of {attr, code}: AAAA_AAAA_BBBB_BBBB; the severity is in bits 16 and up of `code`

A table has the frequent ones; for the others there is the number and where the maker explains it. Two
numbers say that a person cancelled: they are no fault.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from gateway.protocol.bambu.reading import whole

#: A person cancelled: "0300_400C the task was canceled", "0500_400E printing was cancelled".
CANCELED: Final = frozenset({0x0300400C, 0x0500400E})
#: The reply to a command that is not signed, from firmware that wants signatures (2025-01 and later).
UNSIGNED_ERROR: Final = 0x05024007
#: The same, as the printer shows it.
UNSIGNED_HMS: Final = "0500_0500_0001_0007"
#: Another print runs; an A1 mini has cancelled it by now.
BUSY_ERROR: Final = 0x05004004
#: Entries of `hms` that are looked at; a printer shows a handful.
MOST_HMS: Final = 32
_EXPLAINED: Final = "https://wiki.bambulab.com/en/hms/home"

_PRINT_ERRORS: Final = {
    0x03004000: "the nozzle could not be homed in Z: something is on the bed, or the nozzle is dirty",
    0x03004001: "the printer timed out while the nozzle cooled down",
    0x03004002: "levelling the bed failed",
    0x03004003: "the nozzle temperature is wrong",
    0x03004004: "the bed temperature is wrong",
    0x03004005: "the nozzle fan is too slow",
    0x03004006: "the nozzle is clogged",
    0x03004008: "the AMS failed to change the filament",
    0x03004009: "homing in X and Y failed",
    0x0300400B: "its parts do not reach each other; switch it off and on",
    0x0300400C: "the print was canceled",
    0x0300400D: "going on after a power failure failed",
    0x0300400F: "there is no build plate",
    0x03008000: "paused for a reason the printer does not know",
    0x03008001: "paused by a person",
    0x03008002: "the first layer is bad",
    0x03008003: "the print came loose (spaghetti was seen)",
    0x03008004: "the filament ran out",
    0x03008005: "the front cover of the toolhead fell off",
    0x03008006: "the build plate marker was not seen",
    0x03008007: "the power failed during a print",
    0x03008008: "the nozzle temperature is wrong",
    0x03008009: "the bed temperature is wrong",
    0x0300800A: "filament piled up in the waste chute",
    0x0300800B: "the cutter is stuck",
    0x0300800E: "the print file is not on its storage any more",
    0x0300800F: "the door is open",
    0x03008010: "the hotend fan is wrong",
    0x03008011: "another build plate is on than the file wants",
    0x03008013: "paused by a person",
    0x03008014: "filament is around the nozzle, or the build plate is not in place",
    0x03008015: "the filament ran out",
    0x03008016: "the nozzle is clogged",
    0x03008017: "something lies on the bed",
    0x03008018: "the chamber temperature is wrong",
    0x03008019: "there is no build plate",
    0x05004002: "it takes no file of this name or path",
    0x05004003: "it could not read the file",
    0x05004004: "it is busy and takes no print",
    0x05004005: "it takes no print while its firmware is updated",
    0x05004006: "its storage is full",
    0x05004007: "it takes no print before its firmware is repaired",
    0x05004008: "starting the print failed; switch it off and on",
    0x0500400A: "it takes no file of this name",
    0x0500400B: "it could not get the file",
    0x0500400C: "there is no card in it",
    0x0500400D: "it wants a self-test first",
    0x0500400E: "the print was canceled",
    0x05004012: "the door is open",
    0x05004014: "slicing failed",
    0x05004015: "its card is full",
    0x0500402E: "its card must be formatted to FAT32",
    0x0500402F: "its card is damaged",
    0x05024007: "it refused a command that is not signed",
    0x07008011: "the filament in the AMS ran out",
    0x07FF8011: "the filament on the external spool ran out",
}
_HMS: Final = {
    "0300_0100_0001_0001": "the bed temperature is wrong; its heater may have a short circuit",
    "0300_0100_0001_0007": "the bed temperature is wrong; its sensor may be broken",
    "0300_0200_0001_0001": "the nozzle temperature is wrong; its heater may have a short circuit",
    "0300_0200_0001_0007": "the nozzle temperature is wrong; its sensor may be broken",
    "0300_0300_0001_0001": "the hotend fan is too slow or stands",
    "0300_1200_0002_0001": "the front cover of the toolhead fell off",
    "0500_0300_0001_0001": "the motion controller is wrong; switch it off and on",
    "0500_0500_0001_0007": "it refused a command that is not signed",
}


class Severity(IntEnum):
    """How bad; the printer's own order."""

    FATAL = 1
    SERIOUS = 2
    COMMON = 3
    INFO = 4


@dataclass(frozen=True, slots=True)
class Hms:
    """An entry of the printer's health list."""

    code: str  # AAAA_AAAA_BBBB_BBBB
    severity: Severity

    @property
    def words(self) -> str:
        """For people."""
        return _HMS.get(self.code) or f"HMS {self.code} (see {_EXPLAINED})"


def read_hms(value: object) -> tuple[Hms, ...]:
    """The health list; entries that are none are left out."""
    if not isinstance(value, list):
        return ()
    return tuple(entry for entry in map(_entry, value[:MOST_HMS]) if entry is not None)


def _entry(value: Any) -> Hms | None:
    attr, code = (whole(value.get(name), 0, 2**32 - 1) for name in ("attr", "code")) if isinstance(
        value, dict
    ) else (None, None)  # fmt: skip
    if attr is None or code is None or (attr, code) == (0, 0):
        return None
    severity = code >> 16
    known = Severity(severity) if severity in list(Severity) else Severity.COMMON
    parts = (attr >> 16, attr & 0xFFFF, code >> 16, code & 0xFFFF)
    return Hms("_".join(f"{part:04X}" for part in parts), known)


def error_words(print_error: int) -> str:
    """What a `print_error` means, with its number; empty for none."""
    if not print_error:
        return ""
    number = f"{print_error >> 16 & 0xFFFF:04X}_{print_error & 0xFFFF:04X}"
    said = _PRINT_ERRORS.get(print_error)
    return f"{said} ({number})" if said else f"error {number} (see {_EXPLAINED})"


def is_fault(print_error: int) -> bool:
    """Whether it is one: neither none nor a person's cancel."""
    return bool(print_error) and print_error not in CANCELED


def worst(entries: Iterable[Hms]) -> Hms | None:
    """The most severe of the fatal and serious entries, the first of them; None: nothing to worry about."""
    bad = [entry for entry in entries if entry.severity <= Severity.SERIOUS]
    return min(bad, key=lambda entry: entry.severity, default=None)
