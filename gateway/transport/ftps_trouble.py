"""Why a file did not get onto a printer or from it, in one sentence that says what to do."""

from __future__ import annotations

import ftplib
import socket
import ssl

from gateway.transport.storage import StorageTrouble
from gateway.transport.tls import tls_reason


class Refused(Exception):
    """The printer's answer to a transfer, and whether nothing of the file is there."""

    def __init__(self, answer: ftplib.Error, *, is_absent: bool) -> None:
        super().__init__(str(answer))
        self.answer = answer
        self.is_absent = is_absent


def explained(error: Exception, what: str, where: str, if_refused: str) -> StorageTrouble:
    """`what` was tried at `where`."""
    if isinstance(error, Refused):
        return _refused(error.answer, what, where, if_refused, is_absent=error.is_absent)
    if isinstance(error, ftplib.Error):
        return _refused(error, what, where, if_refused, is_absent=False)
    return StorageTrouble(f"cannot {what}: {_why(error, where)}")


def _refused(
    answer: ftplib.Error, what: str, where: str, if_refused: str, *, is_absent: bool
) -> StorageTrouble:
    """An answer of the FTP server: RFC 959 section 4.2, as these printers use it."""
    words = "".join(char for char in " ".join(str(answer)[:200].split()) if char.isprintable())
    code = words[:3]
    if code == "530":
        reason = f"{where} refuses the login: {if_refused}"
    elif code in ("452", "552"):
        reason = f"the storage of {where} is full: delete files on the printer"
    elif code in ("550", "553"):
        reason = f"{where} does not take it ({words}): look at the SD card or USB stick in it"
    elif code == "522":
        reason = f"{where} wants the data channel to reuse the TLS session, and it was not ({words})"
    else:
        reason = f"{where} says: {words}"
    return StorageTrouble(f"cannot {what}: {reason}", is_absent=is_absent)


def _why(error: Exception, where: str) -> str:
    if isinstance(error, ssl.SSLError):
        return f"{where}: {tls_reason(error)}"
    if isinstance(error, TimeoutError):
        return f"{where} does not answer: is it switched on and on this network?"
    if isinstance(error, socket.gaierror):
        return f"the name of {where} is unknown: check the spelling, or use the address"
    if isinstance(error, ConnectionRefusedError):
        return f"{where} refuses the connection: is LAN mode on, and the port right?"
    if isinstance(error, EOFError | ConnectionError):
        return f"{where} broke the connection off"
    if isinstance(error, OSError) and error.strerror:
        name = f" {error.filename}" if error.filename else f" ({where})"
        return f"{error.strerror.lower()}{name}"
    return f"{where}: {error}"
