"""Tasks: which step follows which, what counts as a try, and every refusal with what to do next."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.domain.commands import CommandRefused, Refusal
from gateway.domain.deciding import begin
from gateway.domain.idempotency import Idempotency
from gateway.domain.state import Draft
from gateway.domain.task import (
    ADMIN_KINDS,
    RETRY_FIRST,
    RETRY_LAST,
    TASK_ENDS,
    TASK_KEPT,
    TASK_MOVES,
    TASKS_KEPT,
    TRIES,
    IllegalTaskMove,
    Standing,
    Task,
    TaskFile,
    TaskKind,
    TaskStatus,
)
from gateway.domain.task_commands import (
    AddTask,
    BeginTask,
    CancelTask,
    FailTask,
    FinishTask,
    NoteProgress,
    PauseTask,
    ResumeTask,
)
from gateway.domain.work_events import TaskProgressed
from tests.support.stand import ANA, BEN, START, Table

S = TaskStatus
ADDED = AddTask(BEN.member_id, 1, TaskKind.FILE_IMPORT, "look at part", arguments={"file_id": "f"})
CSV = TaskFile("cd" * 32, "jobs.csv", 1234, "text/csv")


def added(table: Table, asked: AddTask = ADDED) -> Task:
    task = table.give(asked)
    assert isinstance(task, Task)
    return task


def now(table: Table, task: Task) -> Task:
    """The task, also when it has just ended."""
    known = table.state.tasks.get(task.work_id) or table.draft.task_rows.get(task.work_id)
    assert known is not None
    return known


def begun(table: Table, task: Task) -> Task:
    again = table.give(BeginTask(task.work_id))
    assert isinstance(again, Task)
    return again


def refusal(table: Table, command: object) -> CommandRefused:
    with pytest.raises(CommandRefused) as refused:
        table.give(command)  # type: ignore[arg-type]
    assert not table.draft.is_durable, "a refused command changes nothing"
    return refused.value


def restarted(table: Table) -> None:
    """The process ends and another one reads what is not over."""
    table.draft = Draft(table.state, table.draft.moment)
    begin(table.draft)
    table.draft.apply()


# ---------------------------------------------------------------- the table


@pytest.mark.parametrize("start", S)
@pytest.mark.parametrize("to", S)
def test_the_table_allows_what_its_diagram_shows(start: S, to: S) -> None:
    allowed = {
        S.PENDING: {S.RUNNING, S.FAILED, S.CANCELED},
        S.RUNNING: {S.PENDING, S.DONE, S.FAILED, S.CANCELED},
    }.get(start, set())
    assert set(TASK_MOVES[start]) == allowed
    task = replace(_bare(), status=start)
    if to in allowed:
        assert task.moved(to, START).status is to
    else:
        with pytest.raises(IllegalTaskMove):
            task.moved(to, START)


def _bare() -> Task:
    return Task(1, "t", "0" * 24, TaskKind.BACKUP, "n", "m", 1, START)


@pytest.mark.parametrize("to", sorted(TASK_MOVES[S.PENDING]))
def test_only_what_is_pending_is_paused(to: S) -> None:
    """An upload that waits, paused, for a printer that goes fails as any other."""
    assert not replace(_bare(), is_paused=True).moved(to, START).is_paused


def test_what_is_over_is_gone_a_week_later() -> None:
    for end in TASK_ENDS:
        task = replace(_bare(), status=S.RUNNING).moved(end, START)
        assert task.expires_at == START + TASK_KEPT == START + timedelta(days=7)
        assert not task.is_gone(START + TASK_KEPT - timedelta(seconds=1))
        assert task.is_gone(START + TASK_KEPT)


# ---------------------------------------------------------------- created, and tried


def test_a_task_has_the_ids_of_every_dialect_from_the_start() -> None:
    table = Table()
    task = added(table)
    assert (task.work_id, task.version, task.status) == (1, 1, S.PENDING)
    assert len(task.hex24) == 24
    assert len(task.task_id) == 36
    assert table.kinds() == ["task-added"]
    assert table.draft.new_works == {1}


def test_a_try_does_it() -> None:
    table = Table()
    task = begun(table, added(table))
    assert (task.status, task.tries, task.started_at) == (S.RUNNING, 1, START)
    assert table.give(FinishTask(task.work_id, 1, {"layers": 12}, CSV)) is True
    done = now(table, task)
    assert (done.status, done.result, done.file, done.error) == (S.DONE, {"layers": 12}, CSV, None)
    assert table.state.tasks == {}, "what is over leaves memory"
    assert table.kinds() == ["task-moved"]


def test_progress_is_memory_only_until_a_commit_saves_it() -> None:
    table = Table()
    task = begun(table, added(table))
    table.give(NoteProgress(task.work_id, 1, 10, 100, "reading"))
    assert not table.draft.is_durable
    assert [type(event) for event in table.draft.fleeting] == [TaskProgressed]
    assert (now(table, task).progress_value, now(table, task).version) == (10, task.version)
    table.give(FinishTask(task.work_id, 1))
    ended = now(table, task)
    assert (ended.progress_value, ended.progress_total, ended.version) == (100, 100, task.version + 1)


def test_an_open_end_has_the_progress_it_has() -> None:
    table = Table()
    task = begun(table, added(table))
    table.give(NoteProgress(task.work_id, 1, 17, None))
    table.give(FinishTask(task.work_id, 1))
    assert (now(table, task).progress_value, now(table, task).progress_total) == (17, None)


def test_the_pool_begins_only_what_is_due() -> None:
    table = Table()
    later = added(table, replace(ADDED, begins_at=START + timedelta(hours=1)))
    paused = added(table, replace(ADDED, is_paused=True))
    upload = added(table, an_upload_for_nobody())
    assert (later.standing(START), paused.standing(START)) == (Standing.SCHEDULED, Standing.PAUSED)
    for task in (later, paused, upload):
        assert table.give(BeginTask(task.work_id)) is None
    assert table.give(BeginTask(99)) is None
    table.clock.advance(3600)
    assert begun(table, later).status is S.RUNNING
    assert table.give(BeginTask(later.work_id)) is None, "it runs already"


def an_upload_for_nobody() -> AddTask:
    arguments = {"printer_id": 1, "printer": "mk3", "sha256": "ab" * 32, "size": 9, "name": "part.gcode"}
    begins = START + timedelta(days=1)
    return AddTask(BEN.member_id, 1, TaskKind.PRINTER_UPLOAD, "up", arguments=arguments, begins_at=begins)


def test_what_a_former_try_says_counts_for_nothing() -> None:
    table = Table()
    task = begun(table, added(table))
    table.give(FailTask(task.work_id, 1, "the server is away", is_passing=True))
    table.clock.advance(10)
    begun(table, task)
    assert table.give(FinishTask(task.work_id, 1)) is False
    table.give(FailTask(task.work_id, 1, "late", is_passing=False))
    table.give(NoteProgress(task.work_id, 1, 5, 10))
    assert (now(table, task).status, now(table, task).progress_value) == (S.RUNNING, 0)


# ---------------------------------------------------------------- tries that fail


def test_a_failure_that_may_pass_is_tried_again_later_and_later() -> None:
    table = Table()
    task = added(table)
    waits = []
    for number in range(1, TRIES + 1):
        assert begun(table, task).tries == number
        table.give(FailTask(task.work_id, number, "no route to host", is_passing=True))
        failed = now(table, task)
        if failed.retry_at is not None:
            waits.append(failed.retry_at - table.clock.wall())
            assert failed.standing(table.clock.wall()) is Standing.RETRYING
            assert failed.error is None, "it has not failed yet"
            assert "no route to host" in str(failed.message)
            assert table.give(BeginTask(task.work_id)) is None, "not before its time"
            table.clock.advance(waits[-1].total_seconds())
    assert waits == [RETRY_FIRST * 2**n for n in range(TRIES - 1)]
    assert (failed.status, failed.error, failed.message) == (S.FAILED, "no route to host", None)


def test_the_wait_has_an_end() -> None:
    task = replace(_bare(), tries=40)
    assert task.retry_wait() == RETRY_LAST
    assert replace(_bare(), tries=1).retry_wait() == RETRY_FIRST


def test_a_failure_that_does_not_pass_is_the_end() -> None:
    table = Table()
    task = begun(table, added(table))
    table.give(FailTask(task.work_id, 1, "this is no G-code", is_passing=False))
    assert (now(table, task).status, now(table, task).error) == (S.FAILED, "this is no G-code")


def test_a_restart_interrupts_and_a_task_that_kills_the_gateway_does_so_a_few_times() -> None:
    table = Table()
    task = added(table)
    for number in range(1, TRIES):
        begun(table, task)
        restarted(table)
        again = now(table, task)
        assert (again.status, again.message, again.tries) == (S.PENDING, "interrupted by a restart", number)
        assert again.retry_at == table.clock.wall() + RETRY_FIRST
        table.clock.advance(RETRY_FIRST.total_seconds())
    begun(table, task)
    restarted(table)
    assert now(table, task).status is S.FAILED
    assert "interrupted by a restart" in str(now(table, task).error)


def test_a_restart_leaves_what_waits_as_it_is() -> None:
    table = Table()
    task = added(table, replace(ADDED, is_paused=True))
    restarted(table)
    assert table.state.tasks[task.work_id] == task


# ---------------------------------------------------------------- pause, resume, cancel


def test_a_paused_task_waits_and_a_running_try_is_given_up_without_counting() -> None:
    table = Table()
    task = begun(table, added(table))
    table.give(NoteProgress(task.work_id, 1, 50, 100))
    for _ in range(TRIES + 1):
        paused = table.give(PauseTask(task.task_id, BEN.member_id))
        assert isinstance(paused, Task)
        assert (paused.status, paused.is_paused, paused.progress_value) == (S.PENDING, True, 0)
        assert table.give(PauseTask(task.task_id, BEN.member_id)) == paused, "twice is no error"
        assert table.give(FinishTask(task.work_id, paused.tries)) is False
        table.give(ResumeTask(task.task_id, BEN.member_id))
        begun(table, task)
    tries = now(table, task).tries
    table.give(FailTask(task.work_id, tries, "away", is_passing=True))
    assert now(table, task).status is S.PENDING, "its first failure"
    assert now(table, task).retry_at == table.clock.wall() + RETRY_FIRST


def test_resume_begins_the_next_try_now() -> None:
    table = Table()
    task = begun(table, added(table))
    table.give(FailTask(task.work_id, 1, "away", is_passing=True))
    resumed = table.give(ResumeTask(task.task_id, BEN.member_id))
    assert isinstance(resumed, Task)
    assert resumed.is_due(table.clock.wall())


def test_a_paused_task_with_a_time_keeps_it() -> None:
    table = Table()
    task = added(table, replace(ADDED, begins_at=START + timedelta(hours=1), is_paused=True))
    resumed = table.give(ResumeTask(task.task_id, BEN.member_id))
    assert isinstance(resumed, Task)
    assert resumed.standing(START) is Standing.SCHEDULED


def test_only_what_waits_for_something_is_resumed() -> None:
    table = Table()
    task = added(table)
    assert "is pending" in refusal(table, ResumeTask(task.task_id, BEN.member_id)).message
    begun(table, task)
    assert "is running" in refusal(table, ResumeTask(task.task_id, BEN.member_id)).message


@pytest.mark.parametrize("is_running", [False, True])
def test_a_task_is_canceled_at_once(is_running: bool) -> None:
    table = Table()
    task = added(table)
    if is_running:
        begun(table, task)
    canceled = table.give(CancelTask(task.task_id, BEN.member_id))
    assert isinstance(canceled, Task)
    assert (canceled.status, canceled.ended_at) == (S.CANCELED, START)
    assert table.give(FinishTask(task.work_id, 1)) is False
    assert not table.draft.is_durable, "the second word changed nothing"


@pytest.mark.parametrize("kind", [PauseTask, ResumeTask, CancelTask])
def test_what_is_over_takes_no_command(kind: type) -> None:
    table = Table()
    task = added(table)
    table.give(CancelTask(task.task_id, BEN.member_id))
    refused = refusal(table, kind(task.task_id, BEN.member_id))
    assert refused.refusal is Refusal.CONFLICT
    assert "over already" in refused.message


def test_one_member_has_so_many_open_tasks() -> None:
    table = Table()
    for _ in range(TASKS_KEPT):
        task = added(table)
    refused = refusal(table, ADDED)
    assert refused.refusal is Refusal.CONFLICT
    assert "cancel some" in refused.message
    added(table, replace(ADDED, member_id=ANA.member_id))
    table.give(CancelTask(task.task_id, BEN.member_id))
    added(table)


def test_the_name_of_a_request_is_kept_with_the_task() -> None:
    table = Table()
    named = Idempotency("k", "f" * 64)
    task = added(table, replace(ADDED, idempotency=named))
    assert table.draft.idempotency_rows == [(BEN.member_id, named, task.task_id)]


def test_kinds_for_administrators_are_nobody_elses_to_hear_of() -> None:
    for kind in TaskKind:
        table = Table()
        begins = None if kind is not TaskKind.PRINTER_UPLOAD else START + timedelta(days=1)
        asked = replace(ADDED, kind=kind, begins_at=begins, arguments=an_upload_for_nobody().arguments)
        added(table, asked)
        [told] = table.draft.events
        heard = (None, None) if kind in ADMIN_KINDS else (1, BEN.member_id)
        assert (told.organization_id, told.member_id) == heard
