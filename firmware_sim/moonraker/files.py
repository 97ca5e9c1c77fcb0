"""Moonraker's folder `gcodes`, from which klippy prints. Source: Moonraker's file_manager.py, metadata.py."""

from __future__ import annotations

import hashlib
import posixpath
import re
from dataclasses import dataclass
from uuid import UUID

EXTENSIONS = (".gcode", ".g", ".gco", ".ufp", ".nc")
"""What Moonraker takes for print files."""
ROOT = "gcodes"
HOME = "/home/pi/printer_data/gcodes"
"""Where `virtual_sdcard.file_path` says the files lie."""
HEAD_BYTES = 1 << 16
"""How much of each end of a file the slicer's comments are looked for in."""

_COMMENTS = {
    "estimated_time": re.compile(rb"^; estimated printing time \(normal mode\) = (.+?)\r?$", re.MULTILINE),
    "layer_count": re.compile(rb"^; total layers count = (\d+)\r?$", re.MULTILINE),
    "object_height": re.compile(rb"^; max_z_height: ([\d.]+)\r?$", re.MULTILINE),
    "filament_total": re.compile(rb"^; filament used \[mm\] = ([\d.]+)\r?$", re.MULTILINE),
}
_SPAN = re.compile(rb"(\d+)([dhms])")
_UNIT_SECONDS = {b"d": 86_400, b"h": 3_600, b"m": 60, b"s": 1}


class BadPath(ValueError):
    """A path that leads out of the folder."""


@dataclass(slots=True)
class StoredFile:
    """One print file. modified: wall time in seconds."""

    content: bytes
    modified: float
    started: float | None = None
    job_id: str | None = None


class Gcodes:
    """Files by their path below `gcodes`; outlives every process."""

    def __init__(self) -> None:
        self.by_name: dict[str, StoredFile] = {}

    def put(self, name: str, content: bytes, modified: float) -> StoredFile:
        """Store or replace."""
        file = self.by_name[name] = StoredFile(content, modified)
        return file

    def find(self, name: str) -> tuple[str, StoredFile] | None:
        """As klippy opens files: by the exact name, else upper and lower case alike."""
        if name in self.by_name:
            return name, self.by_name[name]
        for known, file in self.by_name.items():
            if known.lower() == name.lower():
                return known, file
        return None

    def metadata(self, name: str) -> dict[str, object] | None:
        """What Moonraker's parser found in it; None: no such file."""
        file = self.by_name.get(name)
        if file is None:
            return None
        found: dict[str, object] = {
            "size": len(file.content),
            "modified": file.modified,
            "uuid": str(UUID(bytes=hashlib.sha256(file.content).digest()[:16])),
            "print_start_time": file.started,
            "job_id": file.job_id,
        }
        found.update(_slicer_comments(file.content))
        return found


def inside(path: str) -> str:
    """A path without `gcodes/` in front and dots in it. Raises BadPath."""
    plain = posixpath.normpath(path.strip().lstrip("/"))
    if plain.startswith("..") or plain in ("", "."):
        raise BadPath(path)
    return plain


def _slicer_comments(content: bytes) -> dict[str, object]:
    text = content if len(content) <= 2 * HEAD_BYTES else content[:HEAD_BYTES] + b"\n" + content[-HEAD_BYTES:]
    found: dict[str, object] = {}
    for name, pattern in _COMMENTS.items():
        if match := pattern.search(text):
            found[name] = _seconds(match[1]) if name == "estimated_time" else float(match[1])
    if "layer_count" in found:
        found["layer_count"] = int(str(found["layer_count"]).partition(".")[0])
    return found


def _seconds(span: bytes) -> float:
    """`1h 2m 3s`."""
    return float(sum(int(count) * _UNIT_SECONDS[unit] for count, unit in _SPAN.findall(span)))
