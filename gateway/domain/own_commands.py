"""Commands in a printer's own words: which a kind takes, and what goes with them.

forge       what its firmware knows; what goes with the documented ones is documented (Forge API 2.4)
moonraker   what its driver passes on; nothing goes with it
the rest    none: the gateway drives them
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.domain.call_in import CALL_IN_DRIVER
from gateway.domain.printer import Printer

#: What goes with the documented commands to a printer that calls in; with others goes whatever is sent.
_TAKEN: Final[Mapping[str, tuple[str, ...]]] = {
    "reset": (),
    "calibrate": (),
    "firmware_upgrade": ("package_url",),
    "log": (),
    "logs": ("upload_url",),
    "home": (),
    "park": (),
    "request_settings": (),
    "settings": ("settings",),
}
#: What a command cannot do without, and what that is.
_NEEDED: Final[Mapping[str, tuple[str, str]]] = {
    "firmware_upgrade": ("package_url", "the address of the package"),
    "settings": ("settings", "an object with the settings"),
}
_ADDRESSES: Final = frozenset({"package_url", "upload_url"})
#: What the gateway itself writes into a command.
WRITTEN: Final = ("command", "task_id", "job_id", "printer_id", "file_url")
#: Commands that a kind's driver passes on; a printer that calls in judges itself.
_TOLD: Final[Mapping[str, tuple[str, ...]]] = {
    "moonraker": ("restart", "firmware_restart"),
}


def parameters_taken(printer: Printer, command: str) -> tuple[str, ...] | None:
    """The names of what may go with a command; None: whatever is sent."""
    return _TAKEN.get(command) if printer.driver == CALL_IN_DRIVER else ()


def why_not_told(printer: Printer, command: str, parameters: Mapping[str, Any]) -> str | None:
    """Why this kind of printer is not told that, whatever it is doing, and what to do; None: it may be."""
    if printer.driver == CALL_IN_DRIVER:
        return _misfit(printer, command, parameters)
    told = _TOLD.get(printer.driver, ())
    if not told:
        return (
            f"{printer.shown_name} is driven by the gateway and takes no commands of its own: adjust it, "
            "or let a schedule send it lines of G-code"
        )
    if command not in told:
        return f"{printer.shown_name} takes no command {command!r}; it takes: {', '.join(told)}"
    return _misfit(printer, command, parameters)


def _misfit(printer: Printer, command: str, parameters: Mapping[str, Any]) -> str | None:
    """What is wrong with what goes with a command."""
    written = next((name for name in WRITTEN if name in parameters), None)
    if written is not None:
        return f"{written} is written by the gateway and cannot be sent with a command"
    taken = parameters_taken(printer, command)
    strange = next((name for name in parameters if taken is not None and name not in taken), None)
    if strange is not None:
        return f"{command} takes {' and '.join(taken or ()) or 'nothing'}; there is no {strange!r}"
    name, meaning = _NEEDED.get(command, (None, ""))
    if name is not None and not parameters.get(name):
        return f"{command} needs {name}: {meaning}"
    if command == "settings" and not isinstance(parameters["settings"], Mapping):
        return f"{command} needs settings: {meaning}"
    wrong = next(
        (name for name in sorted(_ADDRESSES & set(parameters)) if not _is_web(parameters[name])), None
    )
    return None if wrong is None else f"{wrong} is an address that begins with http:// or https://"


def _is_web(address: object) -> bool:
    if not isinstance(address, str) or not address.isprintable():
        return False
    try:
        parts = urlsplit(address)
    except ValueError:  # brackets that are no IPv6 address
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
