"""What a printer was told to do, by whom, and what became of it: one row of the journal, pending or over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class CommandStatus(StrEnum):
    """Where a printer command stands."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PrinterCommand:
    """A command somebody gave to a printer (Forge's "task"), with its answer."""

    task_id: str  # UUID; also the order_id
    printer_id: int | None
    work_id: int | None
    #: pause, resume, cancel, recover, emergency-stop, adjust, answer-prompt, run-macro, abort-upload, or a
    #: printer's own word
    command: str
    member_id: str
    given_at: datetime
    state: CommandStatus = CommandStatus.PENDING
    answered_at: datetime | None = None
    message: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    progress: float | None = None  # 0..1, as the printer said it
    answer: Mapping[str, Any] | None = None  # the printer's last word about it, in the fields of its post
    heard_at: datetime | None = None  # when it said that
