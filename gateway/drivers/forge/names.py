"""How a printer that calls in, its channels and its prints are named, on the wire and in the gateway."""

from __future__ import annotations

import re
from typing import Final

from gateway.domain.call_in import CALL_IN_DRIVER, LOCAL_PREFIX, call_in_name

_COMMAND_CHANNEL: Final = re.compile(r"/printers/([0-9]{1,10})/command")
_PRINTER_NAME: Final = re.compile(rf"{CALL_IN_DRIVER}:([0-9]{{1,10}})")
#: In the key of a print to which the printer gives no id.
_NAMELESS: Final = "nameless_"
#: Behind the key of a print that was over once: the key of its end is not used again.
_AGAIN: Final = re.compile(r"~[0-9a-f-]{36}$")
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def command_channel(printer_id: int) -> str:
    """Where a printer listens to its commands (Forge API 2.3, 2)."""
    return f"/printers/{printer_id}/command"


def users_channel(printer_id: int) -> str:
    """Where a printer hears that a member registered it (Forge API 2.3, 3)."""
    return f"/printers/{printer_id}/users"


def listened_to(channel: str) -> int | None:
    """The printer whose command channel this is; None for any other channel."""
    match = _COMMAND_CHANNEL.fullmatch(channel)
    return int(match[1]) if match else None


def printer_number(name: str) -> int | None:
    """58 for `forge:58`; None for a printer of another kind."""
    match = _PRINTER_NAME.fullmatch(name)
    return int(match[1]) if match else None


def ident_of(wire_id: str) -> str:
    """What is compared: printers write one print's id with and without `local_`, in either case."""
    return wire_id.strip().removeprefix(LOCAL_PREFIX).lower()


def is_local_id(wire_id: str) -> bool:
    """Whether the printer says that it started this print itself (Forge API 2.3, 9)."""
    return wire_id.strip().startswith(LOCAL_PREFIX)


def is_uuid(text: str) -> bool:
    """Whether it can be the public id of a job."""
    return _UUID.fullmatch(text) is not None


def local_key(printer_id: int, wire_id: str | None, ident: str, again: str | None = None) -> str:
    """The key of a print nobody ordered: no print of another printer can have the same.

    `again` is a new UUID for a print that was over, and goes on.
    """
    key = f"{call_in_name(printer_id)}/{wire_id.strip() if wire_id else _NAMELESS + ident}"
    return key if again is None else f"{key}~{again}"


def names_in_key(key: str) -> tuple[str | None, str]:
    """How the printer calls the print with this local key, and what is compared."""
    name = _AGAIN.sub("", key.partition("/")[2])
    if name.startswith(_NAMELESS):
        return None, name.removeprefix(_NAMELESS)
    return name, ident_of(name)
