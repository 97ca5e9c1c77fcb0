"""The task: long work inside the gateway, its status table and its row.

    pending ----> running ----> done | failed | canceled      (ends: nothing follows)
      ^  |           |
      |  +-----------|--------> canceled
      +--------------+          a failure that may pass, an interruption, a pause: it begins anew later

Beside the status stand: `is_paused` (a person said to wait; only a pending task is), `begins_at` (not
before), `retry_at` (a try failed, the next one not before). Together they are its *standing*, the one word
for lists.

A task runs in the gateway's worker pool, but `printer-upload`, which a printer's driver carries out. Each
kind begins anew when it was interrupted, so a try leaves nothing half done behind. What is over is kept for
TASK_KEPT, then it is gone with its result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

#: How long a task that is over is kept, with its result (Conversio: jobs expire 1 week after their end).
TASK_KEPT: Final = timedelta(days=7)
#: Tasks of one member that are not over: a person starts a handful a day. All of them are in memory.
TASKS_KEPT: Final = 200
#: Tries of one task, and the wait behind each failed one: it doubles from the first to the last of these.
TRIES: Final = 5
RETRY_FIRST, RETRY_LAST = timedelta(seconds=10), timedelta(minutes=30)


class TaskKind(StrEnum):
    """What a task does."""

    FILE_IMPORT = "file-import"  # verify and analyse a print file, uploaded or fetched
    HISTORY_EXPORT = "history-export"  # jobs as CSV
    BACKUP = "backup"  # the whole store as one archive
    DIAGNOSTICS = "diagnostics"  # what a developer needs to help, without secrets
    PRINTER_UPLOAD = "printer-upload"  # put a print file on a printer's own storage


#: The command that ends an upload under way; nothing starts on the printer before it is answered.
ABORT_UPLOAD: Final = "abort-upload"
#: Kinds whose results hold what belongs to every organization: for administrators of the gateway only.
ADMIN_KINDS: Final = frozenset({TaskKind.BACKUP, TaskKind.DIAGNOSTICS})
#: Kinds that the worker pool runs; the others are carried out by a printer's driver.
POOL_KINDS: Final = frozenset(TaskKind) - {TaskKind.PRINTER_UPLOAD}


class TaskStatus(StrEnum):
    """Where a task stands."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELED = "canceled"


class Standing(StrEnum):
    """Status, pause and times in one word, for lists."""

    SCHEDULED = "scheduled"  # pending, its time has not come
    PAUSED = "paused"
    RETRYING = "retrying"  # pending, a try failed
    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELED = "canceled"


#: Of a task that does not wait the standing is its status.
_NOT_WAITING: Final = {
    status: Standing(status.value) for status in TaskStatus if status is not TaskStatus.PENDING
}

TASK_ENDS: Final = frozenset({TaskStatus.DONE, TaskStatus.FAILED, TaskStatus.CANCELED})

_S = TaskStatus
#: From -> where to. Anything else is an IllegalTaskMove. The diagram above is this table.
TASK_MOVES: Final[Mapping[TaskStatus, frozenset[TaskStatus]]] = MappingProxyType(
    {
        _S.PENDING: frozenset({_S.RUNNING, _S.FAILED, _S.CANCELED}),
        _S.RUNNING: frozenset({_S.PENDING}) | TASK_ENDS,
        _S.DONE: frozenset(),
        _S.FAILED: frozenset(),
        _S.CANCELED: frozenset(),
    }
)


class IllegalTaskMove(Exception):
    """A status change the table does not know. Ours to fix, never a user's mistake."""


@dataclass(frozen=True, slots=True)
class TaskFile:
    """A task's result as a file: content in the file store, and how it is handed out."""

    sha256: str
    name: str
    size: int  # bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Task:
    """One task. Instants are aware UTC datetimes."""

    work_id: int  # the row in `work`
    task_id: str  # public id, UUID
    hex24: str  # public id of 24 hex digits
    kind: TaskKind
    name: str
    member_id: str  # who owns it
    organization_id: int
    created_at: datetime
    app_id: str | None = None  # the app or key that created it
    arguments: Mapping[str, Any] = field(default_factory=dict)  # of its kind; checked when it was created
    status: TaskStatus = TaskStatus.PENDING
    is_paused: bool = False
    begins_at: datetime | None = None  # not before; None: at once
    retry_at: datetime | None = None  # not before, because a try failed
    tries: int = 0  # begun so far: the number of the newest one
    given_up: int = 0  # of them, because somebody paused it: they count for nothing
    started_at: datetime | None = None  # of the first try
    ended_at: datetime | None = None
    updated_at: datetime | None = None  # of the last committed change
    progress_value: int = 0  # in the kind's own unit: bytes, rows, ...
    progress_total: int | None = None  # None: not known
    message: str | None = None  # for people: what it waits for, what it is at
    order_id: str | None = None  # of a printer's driver, while it carries the task out, or may do so still
    result: Mapping[str, Any] | None = None  # inline
    file: TaskFile | None = None
    error: str | None = None  # for people: why it failed, and what to do
    version: int = 1  # grows with every committed change; the ETag

    @property
    def is_over(self) -> bool:
        """Whether nothing of it can happen any more."""
        return self.status in TASK_ENDS

    @property
    def expires_at(self) -> datetime | None:
        """When it is gone; None while it is not over."""
        return None if self.ended_at is None else self.ended_at + TASK_KEPT

    def is_gone(self, now: datetime) -> bool:
        """Whether its time is over, swept or not."""
        return self.ended_at is not None and self.ended_at + TASK_KEPT <= now

    def not_before(self) -> datetime | None:
        """When it may begin; None: at once."""
        return max((at for at in (self.begins_at, self.retry_at) if at is not None), default=None)

    @property
    def may_try_again(self) -> bool:
        """Whether another try is left when this one fails."""
        return self.tries - self.given_up < TRIES

    def retry_wait(self) -> timedelta:
        """How long it waits behind a try that failed."""
        wait = RETRY_FIRST
        for _ in range(self.tries - self.given_up - 1):
            wait = min(wait * 2, RETRY_LAST)
        return wait

    def is_due(self, now: datetime) -> bool:
        """Whether it may begin now."""
        at = self.not_before()
        return self.status is TaskStatus.PENDING and not self.is_paused and (at is None or at <= now)

    def standing(self, now: datetime) -> Standing:
        """Status, pause and times in one word."""
        if self.status is not TaskStatus.PENDING:
            return _NOT_WAITING[self.status]
        if self.is_paused:
            return Standing.PAUSED
        if self.retry_at is not None:
            return Standing.RETRYING
        is_early = self.begins_at is not None and self.begins_at > now
        return Standing.SCHEDULED if is_early else Standing.PENDING

    def moved(self, to: TaskStatus, now: datetime, **changes: Any) -> Task:
        """The task after one step of the table; raises IllegalTaskMove for a step it does not know."""
        if to not in TASK_MOVES[self.status]:
            raise IllegalTaskMove(f"task {self.task_id}: {self.status} -> {to} is not in the table")
        kept: dict[str, Any] = {
            "is_paused": self.is_paused and to is TaskStatus.PENDING,  # nothing else is
            "started_at": self.started_at or (now if to is TaskStatus.RUNNING else None),
            "ended_at": now if to in TASK_ENDS else None,
            "updated_at": now,
        }
        return replace(self, status=to, **kept | changes)
