"""Printers that call in: how they are known, how they come to have an owner, and what they post.

    first contact ----> CallIn (a number, a token, no owner) --- code typed in by a member ---> Printer
                              ^                                                                   |
                              +------------------ the owner unregisters it -----------------------+

A printer of this kind has no place in the configuration: it is in `State.printers` once a member has
registered it (Forge firmware workflow 2.3). Its number and its token stay the same through all of that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from gateway.domain.observations import Activity

#: The `driver` of printers that call in.
CALL_IN_DRIVER: Final = "forge"
#: A code that nobody typed in by then is worth nothing; the printer asks for another one.
CODE_LIFETIME: Final = timedelta(hours=24)
#: Printers that called and were never registered. The one that called longest ago makes room for a new one.
UNREGISTERED_KEPT: Final = 1000
#: Commands in a printer's own words that move it or restart it: none of them while it has a job, and no job
#: starts while one of them is under way.
EXCLUSIVE_COMMANDS: Final = frozenset({"reset", "calibrate", "home", "park", "firmware_upgrade"})
#: Commands that start, stop or hold a print: the gateway itself sends them, for a job that it knows.
JOB_COMMANDS: Final = frozenset({"print_data", "pause", "resume", "cancel"})
#: Codes of one printer that wait for members: more than anybody hands out in a day. The oldest makes room.
INVITATIONS_KEPT: Final = 20
#: How a printer names a print that it started by itself: this and a UUID (Forge firmware workflow 2.3, 9).
LOCAL_PREFIX: Final = "local_"

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class CallIn:
    """A printer that has called at least once. Its token is kept as a hash."""

    printer_id: int
    type_id: str  # UUID of the kind of printer, upper case
    firmware: str
    serial_number: str
    token_sha256: str  # hex digest
    first_seen_at: datetime
    seen_at: datetime  # of the last registration request
    revoked_at: datetime | None = None  # its token is refused since

    @property
    def printer_name(self) -> str:
        """The key of its printer row and of all orders; no configured printer can have it."""
        return call_in_name(self.printer_id)


def call_in_name(printer_id: int) -> str:
    """`forge:58`: the colon is in no name of the configuration."""
    return f"{CALL_IN_DRIVER}:{printer_id}"


class CodeKind(StrEnum):
    """What a registration code makes of the member who types it in."""

    PRIMARY = "primary"  # the printer's owner
    SECONDARY = "secondary"  # a member of the printer


@dataclass(frozen=True, slots=True)
class RegistrationCode:
    """Six upper-case letters, good for one registration."""

    code: str
    printer_id: int
    kind: CodeKind
    expires_at: datetime
    email: str | None = None  # secondary: whom the owner meant it for


@dataclass(frozen=True, slots=True)
class Contact:
    """The answer to a printer's registration request."""

    printer_id: int
    code: str
    is_registered: bool


@dataclass(frozen=True, slots=True)
class PrinterRole:
    """A member whom a printer's owner let use it (Forge: member_role). The owner has no row."""

    printer_id: int
    member_id: str
    is_printer_scoped: bool = False  # commands to the printer: reset, calibrate, firmware_upgrade, ...
    is_job_scoped: bool = True  # pause, resume, cancel of own jobs


@dataclass(frozen=True, slots=True)
class StatusPost:
    """What a printer posts of itself (Forge: POST printers/status), numbers read as numbers."""

    printer_status: Activity
    error_code: int | None = None
    error_message: str | None = None
    job_id: str | None = None  # as the printer wrote it: a UUID, or `local_` and a UUID
    job_status: str | None = None
    job_progress: float | None = None  # 0..1
    data: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, slots=True)
class TaskPost:
    """A printer's word about a command or a print (Forge: POST printers/command/:task_id)."""

    task_id: str  # of the command; of a print its job's id
    progress: float | None = None
    printer_status: Activity | None = None
    error_code: int | None = None
    error_message: str | None = None
    job_id: str | None = None
    job_status: str | None = None
    job_progress: float | None = None
    data: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
