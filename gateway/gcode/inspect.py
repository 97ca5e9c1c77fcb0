"""Is this a G-code file, and what does its slicer say of it? Streaming: bounded memory for any size."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from gateway.gcode.lines import LineOverlong, printable, raw_lines

#: Characters of text in a line that still fit a 96-byte firmware buffer with number and checksum (13).
TEXT_CHARS_MAX = 82
#: Comment lines looked at for metadata, at either end of the file; slicers write their settings there.
COMMENT_LINES = 400
#: Bytes at the end in which the trailing comments are looked for: PrusaSlicer's settings take about 20 KiB.
TAIL_BYTES = 64 * 1024
#: Bytes at the start that decide what kind of file it is.
HEAD_BYTES = 1024
#: Lines between two breaths: some milliseconds.
BREATH_LINES = 4096
#: Printable lines that may have no G-code look before the file is refused.
ODD_LINES_MAX = 20


class NotPrintable(ValueError):
    """This file cannot be printed. The text says why and what to do, for people."""


class FileEmpty(NotPrintable):
    """There is nothing to print in it."""


class NotGcode(NotPrintable):
    """It is something else: an STL, a 3MF, a web page, a picture, an unfinished upload."""


class LineTooLongForFirmware(NotPrintable):
    """A line does not fit the line buffer of the usual firmware."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a G-code file holds. Everything the slicer did not say is None."""

    size: int  # bytes
    lines: int  # all lines
    printable_lines: int
    slicer: str | None = None
    estimated_time: float | None = None  # seconds
    filament_mm: float | None = None
    filament_g: float | None = None
    layers: int | None = None


#: PrusaSlicer's .bgcode begins so.
_BINARY_GCODE = b"GCDE"
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a ZIP archive (a 3MF project, perhaps)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"solid ", "an STL model"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
)
#: A command of the standard (RS-274): without a single one a file is text, whatever else it holds.
_STANDARD_COMMAND = re.compile(r"[GMT]\d")
#: Also seen in print files: macros of Klipper-like firmware, RS-274's comments, program marks, block deletes.
_OTHER_COMMAND = re.compile(r"[A-Z][A-Z0-9_]{2,}(\s|$)|\(|%$|/")
_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([dhms])")
_GENERATED = re.compile(r"(?:generated (?:by|with)|sliced (?:by|with)|generator:)\s*([^\n]{1,80})", re.I)


@dataclass(slots=True)
class _Findings:
    slicer: str | None = None
    estimated_time: float | None = None
    filament_mm: float | None = None
    filament_g: float | None = None
    layers: int | None = None
    comments: int = field(default=0)


def inspect(path: Path, breathe: Callable[[], None] = lambda: None) -> Inspection:
    """Inspect a file on disk. `breathe` is called between pieces. Raises NotPrintable (or OSError)."""
    with path.open("rb") as file:
        return inspect_file(file, breathe)


def inspect_file(file: BinaryIO, breathe: Callable[[], None] = lambda: None) -> Inspection:
    """Inspect an open, seekable file. Raises NotPrintable, or what `breathe` does."""
    file.seek(0)
    _refuse_foreign(file.read(HEAD_BYTES))
    findings = _Findings()
    size = lines = sendable = odd = standard = 0
    try:
        for raw, size in raw_lines(file):  # noqa: B007 - the last size is the file's
            lines += 1
            if lines % BREATH_LINES == 0:
                breathe()
            if raw[:1] == b";" or raw[:2] == b" ;":
                if findings.comments < COMMENT_LINES:
                    _learn(raw, findings)
                continue
            text = printable(raw)
            if not text:
                continue
            sendable += 1
            if _STANDARD_COMMAND.match(text):
                standard += 1
            elif not _OTHER_COMMAND.match(text):
                odd += 1
            _check(text, lines, odd, sendable)
    except LineOverlong as error:
        raise NotGcode(str(error)) from None
    if sendable == 0:
        raise FileEmpty("The file holds no command to print. Slice the model again and upload the result.")
    if standard == 0:
        raise NotGcode("No line of the file looks like G-code. Slice the model first.")
    _learn_tail(file, size, findings)
    return Inspection(
        size, lines, sendable, findings.slicer, findings.estimated_time,
        findings.filament_mm, findings.filament_g, findings.layers,
    )  # fmt: skip


def _refuse_foreign(head: bytes) -> None:
    if not head.strip():
        raise FileEmpty("The file is empty. The upload may have been interrupted: upload it again.")
    for magic, what in _MAGIC:
        if head[: len(magic)].lower() == magic.lower():
            raise NotGcode(f"The file is {what}, not G-code. Slice the model and upload the G-code.")
    if head[: len(_BINARY_GCODE)] == _BINARY_GCODE:
        raise NotGcode("The file is binary G-code. Export it as plain text: the slicer has a switch for it.")
    if b"\0" in head:
        raise NotGcode("The file is binary, not G-code. Slice the model and upload the G-code.")


def _check(text: str, line: int, odd: int, sendable: int) -> None:
    if not text.isprintable():
        raise NotGcode(f"Line {line} holds control characters: the file is damaged. Upload it again.")
    if odd > ODD_LINES_MAX and odd * 2 > sendable:
        raise NotGcode(f"Line {line} and many before it are not G-code. Slice the model first.")
    if len(text) > TEXT_CHARS_MAX:
        raise LineTooLongForFirmware(
            f"Line {line} has {len(text)} characters, the printer's firmware takes {TEXT_CHARS_MAX}."
            " Shorten it, or remove it if it comes from a start or end script of the slicer."
        )


def _learn_tail(file: BinaryIO, size: int, findings: _Findings) -> None:
    file.seek(max(0, size - TAIL_BYTES))
    comments = [line for line in file.read(TAIL_BYTES).split(b"\n") if line.lstrip()[:1] == b";"]
    for raw in comments[-COMMENT_LINES:]:
        _learn(raw, findings)


def _learn(raw: bytes, findings: _Findings) -> None:
    findings.comments += 1
    comment = raw[:200].decode("utf-8", "replace").strip("; \r\t")
    generated = _GENERATED.search(comment)
    if generated and findings.slicer is None:
        findings.slicer = generated.group(1).split(" on ")[0].strip(" \r,")
        return
    for key, separator in ((comment.partition("="), "="), (comment.partition(":"), ":")):
        if key[1] == separator:
            learn = _LEARNERS.get(key[0].strip().lower())
            if learn is not None:
                learn(key[2].strip(), findings)
                return


def parse_duration(text: str) -> float | None:
    """`1d 2h 3m 4s` or plain seconds -> seconds; None when it is neither."""
    parts = _DURATION.findall(text)
    if parts:
        return sum(float(number) * _SECONDS[unit] for number, unit in parts)
    number = _number(text)
    return number


def _number(text: str) -> float | None:
    match = re.match(r"-?\d+(?:\.\d+)?", text)
    return float(match.group()) if match else None


def _learn_time(text: str, findings: _Findings) -> None:
    if findings.estimated_time is None:
        findings.estimated_time = parse_duration(text)


def _learn_filament_mm(text: str, findings: _Findings) -> None:
    number = _number(text)
    if findings.filament_mm is None and number is not None:
        findings.filament_mm = number * (1000.0 if re.search(r"\dm\b", text) else 1.0)


def _learn_filament_g(text: str, findings: _Findings) -> None:
    if findings.filament_g is None:
        findings.filament_g = _number(text)


def _learn_layers(text: str, findings: _Findings) -> None:
    number = _number(text)
    if findings.layers is None and number is not None:
        findings.layers = int(number)


# Keys as PrusaSlicer/OrcaSlicer/SuperSlicer, Cura, Simplify3D and ideaMaker write them.
_LEARNERS: dict[str, Callable[[str, _Findings], None]] = {
    "estimated printing time (normal mode)": _learn_time,
    "total estimated time": _learn_time,
    "model printing time": _learn_time,
    "time": _learn_time,
    "print time": _learn_time,
    "build time": _learn_time,
    "filament used [mm]": _learn_filament_mm,
    "filament used": _learn_filament_mm,
    "filament length": _learn_filament_mm,
    "filament used [g]": _learn_filament_g,
    "total filament used [g]": _learn_filament_g,
    "total filament weight [g]": _learn_filament_g,
    "layer_count": _learn_layers,
    "total layers count": _learn_layers,
    "total layer number": _learn_layers,
    "layer count": _learn_layers,
}
