"""The name of a fetched file: what the server says it is, else what its address ends in. Never a path."""

from __future__ import annotations

from email.message import Message
from typing import Final

#: Characters of a file's name: what a file system takes.
NAME_CHARS: Final = 255
_FALLBACK: Final = "fetched.gcode"


def file_name(disposition: str | None, url_path: str) -> str:
    """From the header Content-Disposition (RFC 6266) or the URL's decoded path."""
    for given in (_of_disposition(disposition), url_path):
        last = given.replace("\\", "/").rstrip("/").rpartition("/")[2]
        clean = "".join(char for char in last if char.isprintable()).strip()
        if clean.strip("."):
            return clean[-NAME_CHARS:]
    return _FALLBACK


def _of_disposition(disposition: str | None) -> str:
    if disposition is None:
        return ""
    header = Message()
    try:
        header["Content-Disposition"] = disposition
        return header.get_filename() or ""
    except (ValueError, LookupError):  # a charset that does not exist
        return ""
