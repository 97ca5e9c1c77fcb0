"""The worker pool: runs tasks that are due, a few at a time, and tells the engine how each try went.

    due --slot--> BeginTask --> the kind's try --> FinishTask
     ^                            |        +-----> FailTask: tried again later, or failed
     +---- canceled, paused: given up <----+

What is to be done is not kept here: it is every pending task in the engine's state. A restart begins anew
what was under way. What blocks runs in threads of the pool's own, so that no task holds up a commit, a list
or an upload.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from gateway.domain.commands import Command, CommandRefused
from gateway.domain.state import State
from gateway.domain.task import Task, TaskKind, TaskStatus
from gateway.domain.task_commands import BeginTask, FailTask, FinishTask, NoteProgress
from gateway.engine.ports import Clock, DraftRefused, StoredEvent, StoreUnavailable, Subscription
from gateway.rounds import Rounds, Slots
from gateway.tasks.work import Kind, Outcome, Reached, TaskFailed, Work

log = logging.getLogger(__name__)

#: Tasks that run at the same time: each reads or writes a whole file; more only make a disk seek. And of one
#: member: who starts twenty backups holds up nobody else's import.
TASKS: Final = 4
TASKS_PER_MEMBER: Final = 2
#: Seconds that it sleeps at most: the wall clock, by which tasks begin, may jump while it sleeps.
LOOK_EVERY: Final = 15.0
#: Seconds between two words of a try's progress.
PROGRESS_EVERY: Final = 1.0
#: Seconds until the store is asked again after it took nothing.
STORE_AGAIN: Final = 5.0
_CALLING: Final = frozenset({"task-added", "task-moved"})
#: What a person can do about a bug.
_BUG: Final = "the gateway failed; its journal has the details"


class Deciding(Protocol):
    """The engine, as far as it is needed here."""

    @property
    def state(self) -> State:
        """What is not over; read only."""

    async def execute(self, command: Command) -> Any:
        """Carry out a command."""


@dataclass(slots=True)
class _Try:
    """One try of a task, from the wish to begin it until the engine has heard how it went."""

    work_id: int
    member_id: str
    number: int | None = None  # Task.tries; None: the engine has not begun it yet
    running: asyncio.Task[None] | None = None
    is_given_up: bool = False

    def give_up(self) -> None:
        """Once: a second word would tear it out of tidying up behind itself."""
        if self.running is not None and not self.is_given_up:
            self.is_given_up = True
            self.running.cancel()

    def is_former(self, task: Task | None) -> bool:
        """Whether the task went on without it: canceled, paused, tried anew."""
        if task is None:
            return True
        is_running = task.status is TaskStatus.RUNNING and task.tries == self.number
        return self.number is not None and not is_running


class Pool:
    """`run` it for as long as the gateway lives."""

    def __init__(
        self,
        *,
        engine: Deciding,
        subscribe: Callable[[], Subscription],
        kinds: Mapping[TaskKind, Kind],
        clock: Clock,
    ) -> None:
        self._engine = engine
        self._subscribe = subscribe
        self._kinds = kinds
        self._clock = clock
        self._tries: dict[int, _Try] = {}  # by work_id
        self._rounds = Rounds("tasks")
        self._store_again = 0.0  # monotonic seconds before which nothing begins

    async def run(self) -> None:
        """Run tasks until cancelled; what is under way then is given up and begins anew at the next start."""
        with ThreadPoolExecutor(TASKS, thread_name_prefix="task") as self._threads:
            await self._rounds.run(self._subscribe(), self._hear, self._look)

    def _hear(self, event: StoredEvent) -> bool:
        return event.kind in _CALLING

    async def _look(self) -> float:
        """Give up what is not wanted any more, begin what is due; seconds until something else is."""
        self._rounds.must_scan = False
        tasks = self._engine.state.tasks
        for one in self._tries.values():
            if one.is_former(tasks.get(one.work_id)):
                one.give_up()
        return self._begin_due(self._clock.wall())

    def _begin_due(self, now: datetime) -> float:
        wait = self._store_again - self._clock.monotonic()
        if wait > 0:
            return min(wait, LOOK_EVERY)
        slots = Slots(TASKS, (TASKS_PER_MEMBER,), ((one.member_id,) for one in self._tries.values()))
        waiting = (task for task in self._engine.state.tasks.values() if self._may_wait(task))
        soonest = LOOK_EVERY
        for task in sorted(waiting, key=_order):
            if not task.is_due(now):
                at = task.not_before()
                assert at is not None
                soonest = min(soonest, (at - now).total_seconds())
            elif slots.take(task.member_id):
                one = self._tries[task.work_id] = _Try(task.work_id, task.member_id)
                one.running = self._rounds.begin(self._try(one), f"task {task.work_id}")
        return soonest

    def _may_wait(self, task: Task) -> bool:
        is_open = task.status is TaskStatus.PENDING and not task.is_paused
        return is_open and task.kind in self._kinds and task.work_id not in self._tries

    # ---------------------------------------------------------------- one try

    async def _try(self, one: _Try) -> None:
        try:
            task = await self._begin(one)
            if task is not None:
                one.number = task.tries
                self._rounds.wake()  # it may have been canceled since
                await self._run(task)
        finally:
            del self._tries[one.work_id]
            self._rounds.wake()

    async def _begin(self, one: _Try) -> Task | None:
        try:
            task: Task | None = await self._engine.execute(BeginTask(one.work_id))
        except CommandRefused:
            return None
        except Exception as failure:  # the store, a full inbox, the gateway stops
            log.warning("task %d waits: %s", one.work_id, failure)
            self._store_again = self._clock.monotonic() + STORE_AGAIN
            return None
        return task

    async def _run(self, task: Task) -> None:
        work = Work(self._threads)
        telling = asyncio.create_task(self._tell(task, work), name=f"progress of task {task.work_id}")
        try:
            said: FinishTask | FailTask = _done(task, await self._kinds[task.kind].run(task, work))
        except TaskFailed as failed:
            said = _failed(task, str(failed), is_passing=failed.is_passing)
        except StoreUnavailable as full:
            said = _failed(task, str(full), is_passing=True)
        except Exception:
            log.exception("task %d (%s) failed", task.work_id, task.kind)
            said = _failed(task, _BUG, is_passing=False)
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
        await self._note(task, work.reached)
        await self._say(task, said)

    async def _tell(self, task: Task, work: Work) -> None:
        told = Reached()
        while True:
            await asyncio.sleep(PROGRESS_EVERY)
            if work.reached != told:
                told = work.reached
                await self._note(task, told)

    async def _note(self, task: Task, reached: Reached) -> None:
        try:
            await self._engine.execute(
                NoteProgress(task.work_id, task.tries, reached.value, reached.total, reached.message)
            )
        except Exception as failure:  # the next one says it all again
            log.debug("progress of task %d is not told: %s", task.work_id, failure)

    async def _say(self, task: Task, said: FinishTask | FailTask) -> None:
        """Tell how it went, until it is committed: the work is done, only the store may be full."""
        while True:
            try:
                await self._engine.execute(said)
                return
            except CommandRefused:
                return
            except (DraftRefused, RuntimeError):  # trying again does not help
                log.exception("the end of task %d (%s) was not taken", task.work_id, task.kind)
                if isinstance(said, FailTask):
                    return
                said = _failed(task, _BUG, is_passing=False)
            except Exception as failure:
                log.warning("the end of task %d waits: %s", task.work_id, failure)
                await asyncio.sleep(STORE_AGAIN)


def _order(task: Task) -> tuple[datetime, int]:
    return task.not_before() or task.created_at, task.work_id


def _done(task: Task, made: Outcome) -> FinishTask:
    return FinishTask(task.work_id, task.tries, made.result, made.file)


def _failed(task: Task, error: str, *, is_passing: bool) -> FailTask:
    return FailTask(task.work_id, task.tries, error, is_passing)
