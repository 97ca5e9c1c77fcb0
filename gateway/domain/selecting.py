"""What lists of work are narrowed to: who may see what (`auth`), and what somebody asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.domain.job import JobStatus
from gateway.domain.task import Standing, TaskKind


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Which tasks; what is None does not narrow. Tasks whose time is over are never among them."""

    organization_id: int | None = None
    member_id: str | None = None
    app_id: str | None = None
    kinds: frozenset[TaskKind] | None = None
    is_over: bool | None = None


@dataclass(frozen=True, slots=True)
class WorkFilter:
    """Which print jobs and tasks of one list; what is None does not narrow. Instants are exclusive bounds."""

    organization_id: int | None = None
    member_id: str | None = None
    with_admin_kinds: bool = False  # tasks of ADMIN_KINDS too
    job_statuses: frozenset[JobStatus] | None = None  # empty: no job
    standings: frozenset[Standing] | None = None  # of tasks; empty: no task
    task_kinds: frozenset[TaskKind] | None = None
    begins_after: datetime | None = None  # jobs have no such time: a bound leaves them out
    begins_before: datetime | None = None
    ended_after: datetime | None = None
    ended_before: datetime | None = None
