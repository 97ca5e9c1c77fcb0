"""Replies: a printer repeats a request on `report`, with `result`, `reason` and at times `err_code`.

Replies to other clients' requests are seen as well: that is how a print that a slicer or the cloud started is
told from one of the panel. `sequence_id` says whose it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from gateway.protocol.bambu.codes import BUSY_ERROR, UNSIGNED_ERROR, error_words
from gateway.protocol.bambu.reading import member, native_id, text, whole

#: Where replies are; `print` has the state reports too.
SECTIONS: Final = ("print", "system", "info")
#: What starts a print.
STARTS: Final = frozenset({"project_file", "gcode_file"})
#: The report of the state, which is no reply.
STATUS: Final = "push_status"
#: What people have to do before this printer takes anything from the gateway.
UNSIGNED: Final = (
    "the printer only takes signed commands: switch LAN Only Mode and then Developer Mode on at its screen "
    "(Settings > Network or General), and look up the access code again: it may have changed"
)


class Refused(StrEnum):
    """Why a printer would not."""

    UNSIGNED = "unsigned"  # it takes signed commands only: no other try helps
    BUSY = "busy"
    FILE = "file"  # it did not find it, or cannot read it
    STORAGE = "storage"
    FAULT = "fault"  # something is wrong with it
    OTHER = "other"


_BY_CODE: Final = {
    UNSIGNED_ERROR: Refused.UNSIGNED,
    BUSY_ERROR: Refused.BUSY,
    0x05004005: Refused.BUSY,
    0x05004009: Refused.BUSY,
    0x05004002: Refused.FILE,
    0x05004003: Refused.FILE,
    0x0500400A: Refused.FILE,
    0x0500400B: Refused.FILE,
    0x0300800E: Refused.FILE,
    0x05004006: Refused.STORAGE,
    0x0500400C: Refused.STORAGE,
    0x05004015: Refused.STORAGE,
    0x0500402E: Refused.STORAGE,
    0x0500402F: Refused.STORAGE,
}
#: Looked for in `reason`, in this order.
_BY_WORD: Final = (
    ("verify failed", Refused.UNSIGNED),
    ("busy", Refused.BUSY),
    ("printing", Refused.BUSY),
    ("not found", Refused.FILE),
    ("not exist", Refused.FILE),
    ("no such file", Refused.FILE),
    ("parse", Refused.FILE),
    ("sdcard", Refused.STORAGE),
    ("sd card", Refused.STORAGE),
    ("storage", Refused.STORAGE),
    ("space", Refused.STORAGE),
    ("print error", Refused.FAULT),
    ("print_error", Refused.FAULT),
    ("error", Refused.FAULT),
)
_SENTENCES: Final = {
    Refused.UNSIGNED: UNSIGNED,
    Refused.BUSY: "the printer is busy and did not take it",
    Refused.FILE: "the printer did not find the file, or cannot read it",
    Refused.STORAGE: "the printer's storage did not take it: look at its card",
    Refused.FAULT: "the printer has an error and did not take it: clear it at the printer",
    Refused.OTHER: "the printer did not take it",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """One request, repeated by the printer."""

    section: str
    command: str
    sequence_id: str
    is_success: bool
    reason: str
    error: int  # `err_code`; 0: none
    native_id: str | None  # of a print that it starts
    print_type: str
    url: str
    fields: Mapping[str, Any]  # all of it, as it came

    @property
    def starts_print(self) -> bool:
        """Whether somebody's start was taken."""
        return self.section == "print" and self.command in STARTS and self.is_success

    @property
    def refused(self) -> Refused | None:
        """Why not; None for a request that was taken."""
        if self.is_success:
            return None
        by_code = _BY_CODE.get(self.error)
        if by_code is not None:
            return by_code
        said = self.reason.lower()
        found = next((kind for word, kind in _BY_WORD if word in said), Refused.OTHER)
        return Refused.FAULT if found is Refused.OTHER and self.error else found

    @property
    def words(self) -> str:
        """Why not, for people: our sentence, and the printer's own words."""
        kind = self.refused
        if kind is None:
            return ""
        if kind is Refused.UNSIGNED:
            return UNSIGNED
        own = ", ".join(part for part in (self.reason, error_words(self.error)) if part)
        return _SENTENCES[kind] + (f" ({own})" if own else "")


def replies(message: Mapping[str, Any]) -> Iterator[Reply]:
    """The replies in a message, of whoever's requests."""
    for section in SECTIONS:
        found = member(message, section)
        if found is None:
            continue
        command = text(found.get("command"))
        if command and command != STATUS:
            yield _reply(section, command, found)


def _reply(section: str, command: str, found: Mapping[str, Any]) -> Reply:
    result = text(found.get("result")).lower()
    sequence = found.get("sequence_id")
    return Reply(
        section=section,
        command=command,
        sequence_id=str(sequence)[:64] if isinstance(sequence, str | int) else "",
        is_success=result in ("", "ok") or result.startswith("success"),
        reason=text(found.get("reason")),
        error=whole(found.get("err_code"), 0, 2**32 - 1) or 0,
        native_id=native_id(found.get("subtask_id")) or native_id(found.get("task_id")),
        print_type=text(found.get("print_type"), 20).lower(),
        url=text(found.get("url"), 2000),
        fields=found,
    )


def status_of(message: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The state report in a message; None when there is none."""
    found = member(message, "print")
    return found if found is not None and found.get("command", STATUS) == STATUS else None


@dataclass(frozen=True, slots=True)
class Versions:
    """What `get_version` told."""

    model: str | None
    firmware: str | None


def versions_of(reply: Reply) -> Versions | None:
    """Model and firmware in the reply to `get_version`; None for another reply."""
    modules = reply.fields.get("module")
    if reply.command != "get_version" or not isinstance(modules, list):
        return None
    named = [module for module in modules[:100] if isinstance(module, Mapping)]
    main = next((module for module in named if module.get("name") == "ota"), None)
    products = (text(module.get("product_name")) for module in named)
    return Versions(
        model=next((product for product in products if product), None),
        firmware=None if main is None else text(main.get("sw_ver")) or None,
    )
