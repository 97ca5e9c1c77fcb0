"""Which index a list of jobs and tasks walks: the statements behind `work_queries`.

A list is one walk, or several merged by work id (*arms*), so that no page is sorted and none reads rows that
it does not show:

    all                    jobs in order, tasks in order
    only unfinished        the indexes that hold nothing else
    by state or kind       one arm for each state of jobs, for each kind and state of tasks
    by time                the ids of the window, by the index of that time, sorted outside, if they are few;
                           else as above, and what is outside of the window is passed

The database has no statistics, so it is not asked to choose: what must not be looked up by an index stands
there as `+column`, which SQLite takes as a hint (https://sqlite.org/optoverview.html, 10).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    and_,
    func,
    literal_column,
    or_,
    select,
    true,
    type_coerce,
    union_all,
)
from sqlalchemy.types import NULLTYPE

from gateway.domain.job import ENDS, JobStatus, Verdict
from gateway.domain.task import ADMIN_KINDS, TASK_ENDS, Standing, TaskKind, TaskStatus
from gateway.store.columns import to_milliseconds
from gateway.store.prepared import placeholder
from gateway.store.schema import job, job_total
from gateway.store.schema_work import BLOCK_IDS, task, task_total

ALL_STATUSES: Final = frozenset(JobStatus)
ALL_STANDINGS: Final = frozenset(Standing)
ALL_KINDS: Final = frozenset(TaskKind)
#: Of tasks that are not over.
OPEN: Final = frozenset(Standing) - {Standing(end.value) for end in TASK_ENDS}
#: Of tasks whose status is pending; which of them one has depends on the time.
_WAITING: Final = OPEN - {Standing.RUNNING}
_OPEN_JOBS: Final = ALL_STATUSES - ENDS
#: Milliseconds that no task ended at: what is not over ends later than all.
_NEVER: Final = 2**62


@dataclass(frozen=True, slots=True)
class Window:
    """Bounds of a time, exclusive; None: none. `column` says of which."""

    column: str  # ended_at, begins_at
    after: bool
    before: bool


@dataclass(frozen=True, slots=True)
class TaskShape:
    """Which tasks a statement reads. Owners, times and places come in as parameters.

    Parameters: those named in `owners`; `since`, the end of what is gone; `now`, for standings that depend on
    the time; `from_id`; of windows `ended_at_after` and so on, and `most` ids.
    """

    owners: tuple[str, ...]  # columns of `task`; the first one's index is walked
    kinds: frozenset[TaskKind] = ALL_KINDS
    standings: frozenset[Standing] = ALL_STANDINGS
    windows: tuple[Window, ...] = ()  # all of them; the first one's index is used if ids are few

    @property
    def depends_on_time(self) -> bool:
        """Whether `now` decides which tasks these are."""
        return len(self.standings & {Standing.SCHEDULED, Standing.PENDING}) == 1

    @property
    def _is_walked(self) -> bool:
        """Whether all tasks of the owner are passed: (nearly) all are wanted, or it is a single member's."""
        is_nearly_all = self.standings == ALL_STANDINGS and self.kinds >= ALL_KINDS - ADMIN_KINDS
        return is_nearly_all or bool(self.owners and self.owners[0] != "organization_id")


@dataclass(frozen=True, slots=True)
class JobShape:
    """Which jobs a statement reads; as `TaskShape`."""

    owners: tuple[str, ...]  # columns of `job`
    statuses: frozenset[JobStatus] = ALL_STATUSES
    window: Window | None = None


def page_statement(arms: Sequence[Select[Any]], *, newest_first: bool = False) -> Select[Any]:
    """The ids that the arms read together, in their order. Parameters besides theirs: `limit`, `offset`."""
    listed: Any = union_all(*arms) if len(arms) > 1 else arms[0]
    by_id = listed.selected_columns.work_id
    ordered = listed.order_by(by_id.desc() if newest_first else by_id)
    page: Select[Any] = ordered.limit(placeholder("limit")).offset(placeholder("offset"))
    return page


def packed(*columns: ColumnElement[Any]) -> Select[Any]:
    """One row with a JSON array for each column, in no order, in the place of many rows.

    SQLite hands rows over one at a time, and for each one the reading thread gives the interpreter's lock
    away and has to get it back: beside a busy event loop that costs more than the row.
    """
    return select(*map(func.json_group_array, columns))


def count_statement(arms: Sequence[Select[Any]]) -> Select[Any]:
    """How many rows the arms read together."""
    counts = [arm.with_only_columns(func.count().label("n")) for arm in arms]
    each = union_all(*counts).subquery("each") if len(counts) > 1 else counts[0].subquery("each")
    return select(func.sum(each.c.n))


def task_arms(shape: TaskShape, *, is_count: bool = False, newest_first: bool = False) -> list[Select[Any]]:
    """Walks in the order of work ids that give every task of that shape once; `from_id` is the last one's if
    the newest is first.

    With `is_count` always by kind and state where there are such indexes: a count reads all there is, and
    theirs are the narrowest.
    """
    from_id: BindParameter[Any] = placeholder("from_id")
    is_behind = task.c.work_id <= from_id if newest_first else task.c.work_id >= from_id
    base = select(task.c.work_id).where(is_behind, *_passed(task, shape.windows))
    has_ended = any(window.column == "ended_at" for window in shape.windows)
    if not shape.kinds or not (shape.standings - OPEN if has_ended else shape.standings):
        return []
    if shape.standings <= OPEN:
        unfinished = base.where(task.c.ended_at.is_(None), *_owned(task, shape.owners, 0))
        return [unfinished.where(*_of_kinds(shape), _of_standings(shape.standings))]
    if shape._is_walked and not (is_count and shape.owners in ((), ("organization_id",))):
        walked = base.where(*_owned(task, shape.owners, 1), *_of_kinds(shape), _not_gone())
        return [walked.where(_of_standings(shape.standings))]
    return [
        base.where(
            *_owned(task, shape.owners, 1),
            task.c.kind == kind.value,
            task.c.status == status.value,
            _not_gone() if status in TASK_ENDS else _of_standings(shape.standings & _WAITING, status),
        )
        for kind in sorted(shape.kinds)
        for status in sorted(_statuses(shape.standings))
    ]


def task_count(shape: TaskShape) -> Select[Any]:
    """How many tasks there are of that shape: by the kept totals, where these know, less what is gone."""
    if shape.windows or shape.standings & _WAITING not in (frozenset(), _WAITING):
        return count_statement(task_arms(shape, is_count=True))
    statuses = _statuses(shape.standings)
    kept = select(func.coalesce(func.sum(task_total.c.n), 0)).where(
        *_owned(task_total, shape.owners, len(shape.owners)),
        task_total.c.kind.in_(sorted(kind.value for kind in shape.kinds)),
        task_total.c.status.in_(sorted(status.value for status in statuses)),
    )
    if not statuses & TASK_ENDS:
        return kept
    gone = select(func.count()).where(
        _raw(task.c.ended_at) <= placeholder("since"),
        *_owned(task, shape.owners, 0),
        *_of_kinds(shape),
        _of_standings(shape.standings),
    )
    return select(kept.scalar_subquery() - gone.scalar_subquery())


def task_window(shape: TaskShape) -> Select[Any]:
    """The ids of tasks in the windows, in no order, at most `most`."""
    first, *others = shape.windows
    found = select(task.c.work_id).where(
        *_within(task.c[first.column], first),
        *_passed(task, others),
        *_owned(task, shape.owners, 0),
        *_of_kinds(shape),
        _of_standings(shape.standings),
        _not_gone(),
    )
    return found.limit(placeholder("most"))


def gone_tasks(owners: tuple[str, ...], kinds: frozenset[TaskKind]) -> Select[Any]:
    """Blocks of ids, and how many tasks of each are gone and not swept yet: few, mostly."""
    gone: Select[Any] = select((task.c.work_id // BLOCK_IDS).label("block"), func.count()).where(
        _raw(task.c.ended_at) <= placeholder("since")
    )
    narrowed = gone.where(*_owned(task, owners, 0), *_of_kinds(TaskShape(owners, kinds)))
    return narrowed.group_by(literal_column("block"))


def job_arms(shape: JobShape) -> list[Select[Any]]:
    """Walks in the order of work ids that give every job of that shape once."""
    passed = () if shape.window is None else (shape.window,)
    base = select(job.c.work_id).where(job.c.work_id >= placeholder("from_id"), *_passed(job, passed))
    if not passed and shape.statuses == ALL_STATUSES and shape.owners in ((), ("organization_id",)):
        return [base.where(*_owned(job, shape.owners, 1))]
    if shape.statuses == _OPEN_JOBS and not shape.owners:
        return [base.where(job.c.ended_at.is_(None))]
    return [
        base.where(*_owned(job, shape.owners, 1), job.c.status == status.value)
        for status in sorted(shape.statuses if not passed else shape.statuses & ENDS)
    ]


def job_window(shape: JobShape) -> Select[Any]:
    """The ids of jobs in the window, in no order, at most `most`."""
    assert shape.window is not None
    found = select(job.c.work_id).where(
        *_within(job.c[shape.window.column], shape.window),
        *_owned(job, shape.owners, 0),
        *_of_statuses(shape.statuses),
    )
    return found.limit(placeholder("most"))


def job_count(shape: JobShape) -> Select[Any]:
    """How many jobs there are of that shape: by the kept totals, where these know."""
    if shape.window is not None or (shape.statuses & ENDS and not shape.statuses >= ENDS):
        return count_statement(job_arms(shape))  # a verdict is shown in the place of the end that it is about
    words = {status.value for status in shape.statuses}
    if shape.statuses & ENDS:
        words |= {verdict.value for verdict in Verdict}
    kept = select(func.coalesce(func.sum(job_total.c.n), 0)).where(*_owned(job_total, shape.owners, 1))
    return kept.where(job_total.c.shown_status.in_(sorted(words)))


def bounds(
    column: str, after: datetime | None, before: datetime | None
) -> tuple[Window | None, dict[str, int]]:
    """The window of a time, and its parameters: whole milliseconds, which columns hold."""
    if after is None and before is None:
        return None, {}
    values = {}
    if after is not None:
        values[f"{column}_after"] = to_milliseconds(after)
    if before is not None:
        values[f"{column}_before"] = to_milliseconds(before) + (before.microsecond % 1000 > 0)
    return Window(column, after is not None, before is not None), values


def _within(column: ColumnElement[Any], window: Window) -> list[ColumnElement[bool]]:
    given = []
    if window.after:
        given.append(_raw(column) > placeholder(f"{window.column}_after"))
    if window.before:
        given.append(_raw(column) < placeholder(f"{window.column}_before"))
    return given


def _owned(table: Any, owners: tuple[str, ...], visible: int) -> list[ColumnElement[bool]]:
    """Whose they are; the index of only the first `visible` ones is to be used."""
    return [
        (table.c[name] if at < visible else _hidden(table.c[name])) == placeholder(name)
        for at, name in enumerate(owners)
    ]


def _of_kinds(shape: TaskShape) -> list[ColumnElement[bool]]:
    if shape.kinds == ALL_KINDS:
        return []
    return [_hidden(task.c.kind).in_(sorted(kind.value for kind in shape.kinds))]


def _of_statuses(statuses: frozenset[JobStatus]) -> list[ColumnElement[bool]]:
    if statuses >= ENDS:  # what has an end has one of these
        return []
    return [_hidden(job.c.status).in_(sorted(status.value for status in statuses))]


def _passed(table: Any, windows: Sequence[Window]) -> list[ColumnElement[bool]]:
    """The bounds of windows, looked at row by row."""
    return [bound for one in windows for bound in _within(_hidden(table.c[one.column]), one)]


def _statuses(standings: frozenset[Standing]) -> set[TaskStatus]:
    return {TaskStatus.PENDING if one in _WAITING else TaskStatus(one.value) for one in standings}


def _of_standings(standings: frozenset[Standing], status: TaskStatus | None = None) -> ColumnElement[bool]:
    """As `Task.standing` has them. With `status` given, those of this status only."""
    if standings == ALL_STANDINGS or status not in (None, TaskStatus.PENDING):
        return true()
    waiting = standings & _WAITING
    known = {one.value for one in standings - _WAITING}
    if waiting == _WAITING:
        if status is not None:
            return true()
        return _hidden(task.c.status).in_(sorted(known | {TaskStatus.PENDING.value}))
    each = [and_(_hidden(task.c.status) == TaskStatus.PENDING.value, _WAITS[one]) for one in sorted(waiting)]
    if known:
        each.append(_hidden(task.c.status).in_(sorted(known)))
    return or_(*each)


def _hidden(column: Any) -> ColumnElement[Any]:
    """The column, never looked up by an index."""
    return literal_column(f"+{column.table.name}.{column.name}", NULLTYPE)


def _raw(column: Any) -> ColumnElement[Any]:
    """The column as the database has it: parameters come in as that."""
    return type_coerce(column, NULLTYPE)


def _not_gone() -> ColumnElement[bool]:
    since: BindParameter[Any] = placeholder("since")
    return func.coalesce(_raw(task.c.ended_at), _NEVER) > since


_is_paused = _hidden(task.c.is_paused) == 1
_has_failed = _hidden(task.c.retry_at).is_not(None)
_begins = func.coalesce(_hidden(task.c.begins_at), 0)
_WAITS: Final = {
    Standing.PAUSED: _is_paused,
    Standing.RETRYING: and_(~_is_paused, _has_failed),
    Standing.SCHEDULED: and_(~_is_paused, ~_has_failed, _begins > placeholder("now")),
    Standing.PENDING: and_(~_is_paused, ~_has_failed, _begins <= placeholder("now")),
}
