"""What a printable file is, by its first bytes: G-code, or an archive that some printers read themselves.

    tar.gz   gzip (RFC 1952) whose content begins with a tar header (POSIX pax, ustar)
    zip      PKWARE APPNOTE 4.3.7, a local file header first
    gcode.3mf    a zip with the G-code of a plate: what Bambu printers take (sliced_3mf)

Archives are for the printers that Forge drove, too: Ember takes a `tar.gz` of slices. Nothing is unpacked.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from gateway.gcode.inspect import inspect
from gateway.gcode.sliced_3mf import sliced_3mf

#: The format of a 3MF that was sliced (domain.file knows it by the same word).
SLICED_3MF: Final = "gcode.3mf"
_GZIP: Final = b"\x1f\x8b\x08"
_ZIP: Final = b"PK\x03\x04"
#: Bytes of a file that are looked at: a gzip header with a long name still leaves a tar header in them.
HEAD_BYTES: Final = 64 * 1024
_TAR_HEADER: Final = 512  # bytes
_CHECKSUM: Final = slice(148, 156)  # of a tar header: octal, the sum of its bytes with blanks in this place
_ANY_HEADER: Final = zlib.MAX_WBITS | 16  # of zlib: with a gzip header


def inspect_printable(path: Path, breathe: Callable[[], None] = lambda: None) -> Mapping[str, Any]:
    """What a file holds, for its metadata; `format` names an archive. Raises NotPrintable or OSError.

    `breathe` is called between pieces, and may raise.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    found = archive_format(head)
    sliced = sliced_3mf(path) if found == "zip" else None
    if sliced is not None:
        return {"format": SLICED_3MF, "size": path.stat().st_size, **sliced}
    if found is not None:
        return {"format": found, "size": path.stat().st_size}
    return asdict(inspect(path, breathe))


def archive_format(head: bytes) -> str | None:
    """`tar.gz` or `zip`, from the beginning of a file; None when it is neither."""
    if head.startswith(_ZIP):
        return "zip"
    if head.startswith(_GZIP) and _is_tar(_unpacked(head)):
        return "tar.gz"
    return None


def _unpacked(head: bytes) -> bytes:
    """The first tar header's worth of a gzip file: never more, whatever it unpacks to."""
    try:
        return zlib.decompressobj(_ANY_HEADER).decompress(head, _TAR_HEADER)
    except zlib.error:
        return b""


def _is_tar(header: bytes) -> bool:
    if len(header) < _TAR_HEADER or not header[0]:
        return False
    try:
        told = int(header[_CHECKSUM].strip(b" \0"), 8)
    except ValueError:
        return False
    return told == sum(header) - sum(header[_CHECKSUM]) + 8 * ord(" ")
