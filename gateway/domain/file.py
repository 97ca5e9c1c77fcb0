"""A stored print file: a name for content that never changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

#: The format of a file whose metadata names none.
GCODE = "gcode"
#: What a slicer for Bambu printers exports: a 3MF with the G-code of a plate in it (`.gcode.3mf`).
SLICED_3MF = "gcode.3mf"
#: What a printable id begins with (Forge `printable_id`: a URN that names the store).
_URN = "urn:adsk.objects:os.object:print-gateway/"


class FileRejected(Exception):
    """The content is not something a printer can print. The text says why and what to do."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One upload. Content is addressed by its hash, so two uploads may share it; a job pins the hash."""

    file_id: str  # UUID
    sha256: str  # hex digest of the content
    name: str
    size: int  # bytes
    member_id: str
    organization_id: int
    created_at: datetime
    metadata: Mapping[str, Any] = field(default_factory=dict)  # what the slicer wrote: time, filament, layers

    @property
    def printable_id(self) -> str:
        """The URN by which Forge apps name it (Forge `job_data.printable_id`)."""
        return f"{_URN}{self.file_id}.{self.format}"

    @property
    def format(self) -> str:
        """`gcode`; or `gcode.3mf`, `tar.gz`, `zip` and so on, for printers that read it themselves."""
        return str(self.metadata.get("format", GCODE))

    @property
    def is_gcode(self) -> bool:
        """Whether any printer that is fed line by line can print it."""
        return self.format == GCODE


def format_in(printable_id: str) -> str:
    """The format that a printable id of this gateway names behind the file's id."""
    return printable_id.removeprefix(_URN).partition(".")[2]
