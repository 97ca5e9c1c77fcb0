"""Who the printer is to the server: id, token and code, kept over a restart in a file if one is given."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path


class BadIdentity(ValueError):
    """The state file is none; the message is one line that names it."""


@dataclass(slots=True)
class Identity:
    """What `printers/registration_code` answered, and whether the printer belongs to a member by now."""

    printer_id: int | None = None
    auth_token: str | None = None
    registered: bool = False
    registration_code: str | None = None

    def forget(self) -> None:
        """As new."""
        self.printer_id = self.auth_token = self.registration_code = None
        self.registered = False


class IdentityFile:
    """Keeps an identity; with `path` None it lives as long as the object."""

    def __init__(self, path: Path | None = None) -> None:
        """Raises BadIdentity, and OSError when the file cannot be read, or its folder is not there."""
        if path is not None and not path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path.parent))
        self._path = path
        self.identity = Identity() if path is None or not path.exists() else _read(path)

    def save(self) -> None:
        """Write by rename: a simulator killed in between is the old or the new printer, never none."""
        if self._path is None:
            return
        beside = self._path.with_name(f"{self._path.name}.new")
        beside.write_text(json.dumps(asdict(self.identity)) + "\n", encoding="utf-8")
        beside.replace(self._path)


def _read(path: Path) -> Identity:
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BadIdentity(f"{path} is no state of a printer: {error}") from error
    known = {entry.name for entry in fields(Identity)}
    if not isinstance(row, dict) or row.keys() - known:
        raise BadIdentity(f"{path} is no state of a printer: it needs the keys {', '.join(sorted(known))}")
    return Identity(**row)
