"""The one writer. Everything that changes a job or a printer passes through here, one batch at a time:

    1 decide    domain, pure: each input changes a draft
      safety    pause, cancel: to the driver now, whatever the disk does
    2 commit    all rows and events of the draft in one transaction
    3 apply     the draft becomes the state
      publish   committed events, fleeting progress
    4 act       starts, resumes, acknowledgements: to the drivers
      answer    every command's future, so that each client reads its own writes

A failed commit leaves memory unchanged: commands of that batch are told so, observations are decided again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.domain.assign import waiting_for
from gateway.domain.commands import Command, CommandRefused, Refusal, StopPrinter
from gateway.domain.deciding import begin, decide, start_due
from gateway.domain.job import Job
from gateway.domain.observations import Observation, PrinterObserved
from gateway.domain.orders import EmergencyStop, Order
from gateway.domain.printer_command import PrinterCommand
from gateway.domain.schedule import Action
from gateway.domain.state import Draft, Moment, State
from gateway.domain.task import Task
from gateway.engine.asked_of_store import look_up, repeated_answer
from gateway.engine.ports import (
    Clock,
    DraftRefused,
    Drivers,
    Files,
    IdSource,
    Journal,
    Publisher,
    Queries,
    StoredEvent,
    StoreUnavailable,
)

log = logging.getLogger(__name__)

#: Inputs waiting for the engine. A commit takes milliseconds; ten thousand waiting means the disk is gone,
#: and then telling clients so is better than growing.
INBOX_LIMIT = 10_000
#: Inputs decided in one transaction: bounds how long one answer waits for its batch.
BATCH_LIMIT = 256
#: How often progress is saved and what is due by time is looked at, in seconds. A power cut loses this much
#: progress, an SD card survives one small write a second.
TICK = 1.0
#: How long after a failed commit its observations are decided again, in seconds.
RETRY_AFTER = 1.0


class EngineBusy(Exception):
    """The inbox is full; try again later."""


@dataclass(slots=True)
class _Waiting:
    given: Command | Observation | None  # None: only waits for what came before it
    answer: asyncio.Future[Any] | None = None


class Engine:
    """Owns the state. `execute` and `observe` may be called from any task of the same loop."""

    def __init__(
        self,
        *,
        journal: Journal,
        queries: Queries,
        drivers: Drivers,
        files: Files,
        publisher: Publisher,
        clock: Clock,
        ids: IdSource,
    ) -> None:
        self.state = State()
        self._journal = journal
        self._queries = queries
        self._drivers = drivers
        self._files = files
        self._publisher = publisher
        self._clock = clock
        self._ids = ids
        self._inbox: deque[_Waiting] = deque()
        self._something = asyncio.Event()
        self._stopping = False
        self._put_off: list[StoreUnavailable] = []  # why batches of observations wait to be decided again
        self._unsaved: set[int] = set()  # work_ids whose progress is only in memory
        self._saved_at = clock.monotonic()

    # ---------------------------------------------------------------- for everybody

    async def execute(self, command: Command) -> Any:
        """Carry out a command; returns its result once it is committed.

        Raises CommandRefused (nothing changed), StoreUnavailable (nothing recorded; a pause or cancel has
        reached the printer all the same), EngineBusy.
        """
        return await self._put(command)

    async def emergency_stop(self, printer_id: int, member_id: str) -> PrinterCommand:
        """Stop a machine at once: past the queue, before any commit. Result: the journaled command."""
        printer = self.state.printers.get(printer_id)
        if printer is None:
            raise CommandRefused(Refusal.UNKNOWN, "there is no such printer")
        task_id = self._ids.uuid()
        journaled = self._put(StopPrinter(printer_id, member_id, task_id))
        self._drivers.submit(EmergencyStop(printer.name, task_id))
        command = await journaled
        assert isinstance(command, PrinterCommand)
        return command

    def observe(self, observation: Observation) -> None:
        """Hear a fact from a driver. A snapshot too many is dropped: the next one says it all again."""
        if len(self._inbox) >= INBOX_LIMIT and isinstance(observation, PrinterObserved):
            return
        self._inbox.append(_Waiting(observation))
        self._something.set()

    async def settled(self) -> None:
        """Until everything observed so far was decided and committed.

        Raises StoreUnavailable if that failed (it is tried again a little later), EngineBusy.
        """
        await self._put(None)

    def live(self, job: Job) -> Job:
        """The job with the newest progress, when it is one that runs."""
        known = self.state.jobs.get(job.work_id)
        return known if known is not None and known.version >= job.version else job

    def live_task(self, task: Task) -> Task:
        """The task with the newest progress, when it is one that runs."""
        known = self.state.tasks.get(task.work_id)
        return known if known is not None and known.version >= task.version else task

    def waiting(self, job: Job) -> str | None:
        """Why a job that waits has not started, for people."""
        return waiting_for(job, self.state)

    # ---------------------------------------------------------------- life

    async def start(self) -> None:
        """Read what is not over. What has become of it is for the drivers to say."""
        self.state = await self._journal.load()
        draft = Draft(self.state, self._moment())
        begin(draft)
        if draft.is_durable:
            await self._journal.commit(draft)
            draft.apply()

    async def run(self) -> None:
        """Decide batches until `stop`; ends between two batches, never inside one."""
        while not (self._stopping and not self._inbox):
            await self._wait()
            batch = [self._inbox.popleft() for _ in range(min(len(self._inbox), BATCH_LIMIT))]
            await self._step(batch)
            await self._save_progress()

    def stop(self) -> None:
        """Let `run` end after what is in the inbox."""
        self._stopping = True
        self._something.set()

    # ---------------------------------------------------------------- inside

    def _put(self, command: Command | None) -> asyncio.Future[Any]:
        if self._stopping or len(self._inbox) >= INBOX_LIMIT:
            raise EngineBusy("the gateway is stopping or overloaded; try again in a moment")
        answer = asyncio.get_running_loop().create_future()
        self._inbox.append(_Waiting(command, answer))
        self._something.set()
        return answer

    async def _wait(self) -> None:
        if not self._inbox and not self._stopping:
            try:
                async with asyncio.timeout(TICK):
                    await self._something.wait()
            except TimeoutError:
                pass
        self._something.clear()

    async def _step(self, batch: Sequence[_Waiting]) -> None:
        draft = Draft(self.state, self._moment())
        answers: list[tuple[_Waiting, Any]] = []
        try:
            for waiting in batch:
                answers.append((waiting, await self._decide(draft, waiting.given)))
            start_due(draft)
            answers = [(waiting, _as_it_is_now(draft, result)) for waiting, result in answers]
        except Exception:
            await self._step_apart(batch)
            return
        self._send(draft.safety_orders)
        try:
            stored = await self._journal.commit(draft) if draft.is_durable else ()
        except DraftRefused:
            await self._step_apart(batch)
            return
        except StoreUnavailable as failure:
            self._not_committed(batch, failure)
            return
        self._unsaved = (self._unsaved - draft.job_rows.keys()) | draft.progressed
        draft.apply()
        self._publish(stored, draft)
        self._send(draft.orders)
        for waiting, result in answers:
            _answer(waiting, result)

    async def _step_apart(self, batch: Sequence[_Waiting]) -> None:
        """One input of the batch has a bug behind it: find it, and let the others through."""
        if len(batch) > 1:
            for waiting in batch:
                await self._step([waiting])
            return
        log.exception("an input could not be decided: %r", batch[0].given if batch else "a start that is due")
        for waiting in batch:
            _answer(waiting, RuntimeError("the gateway failed to decide this; its journal has the details"))
        if not batch:
            await asyncio.sleep(TICK)

    async def _decide(self, draft: Draft, given: Command | Observation | None) -> Any:
        """The command's result, or the exception that is its answer."""
        if given is None:
            return self._put_off[-1] if self._put_off else None
        try:
            await look_up(draft, given, self._queries)
            repeated = await repeated_answer(draft, given, self._journal, self._queries)
            if repeated is not None:
                return repeated
            return decide(draft, given)
        except (CommandRefused, StoreUnavailable) as refused:
            return refused

    def _moment(self) -> Moment:
        return Moment(
            wall=self._clock.wall(),
            monotonic=self._clock.monotonic(),
            new_id=self._ids.uuid,
            new_member_id=self._ids.member_id,
            new_code=self._ids.registration_code,
            new_hex=self._ids.hex,
            path_of=self._files.path_of,
        )

    def _send(self, orders: Sequence[Order]) -> None:
        for order in orders:
            self._drivers.submit(order)

    def _publish(self, stored: Sequence[StoredEvent], draft: Draft) -> None:
        if stored or draft.fleeting:
            self._publisher.publish(stored, draft.fleeting)

    def _not_committed(self, batch: Sequence[_Waiting], failure: StoreUnavailable) -> None:
        """Nothing was written and nothing is believed; what drivers said is decided again a little later."""
        log.error("not committed, %d inputs wait or are told so: %s", len(batch), failure)
        again = []
        for waiting in batch:
            if waiting.answer is None:
                again.append(waiting)
            else:
                _answer(waiting, failure)
        if again:
            self._put_off.append(failure)
            asyncio.get_running_loop().call_later(RETRY_AFTER, self._put_back, again)

    def _put_back(self, observations: list[_Waiting]) -> None:
        self._put_off.pop(0)
        self._inbox.extendleft(reversed(observations))
        self._something.set()

    async def _save_progress(self) -> None:
        now = self._clock.monotonic()
        if not self._unsaved or now - self._saved_at < TICK:
            return
        self._saved_at = now
        work_ids, self._unsaved = self._unsaved, set()
        jobs = [self.state.jobs[work_id] for work_id in work_ids if work_id in self.state.jobs]
        attempts = [
            replace(self.state.attempts[job.work_id], line=job.line, position=job.position)
            for job in jobs
            if job.work_id in self.state.attempts
        ]
        try:
            await self._journal.save_progress(jobs, attempts)
        except StoreUnavailable as failure:
            log.warning("progress not saved: %s", failure)


def _as_it_is_now(draft: Draft, result: Any) -> Any:
    """What was started, or answered, in the same breath as it was asked for is shown as that."""
    if isinstance(result, PrinterCommand):
        return draft.command_rows.get(result.task_id, result)
    if isinstance(result, Job):
        return draft.job_rows.get(result.work_id, result)
    if isinstance(result, Task):
        return draft.task_rows.get(result.work_id, result)
    return draft.action_rows.get(result.work_id, result) if isinstance(result, Action) else result


def _answer(waiting: _Waiting, result: Any) -> None:
    if waiting.answer is None or waiting.answer.done():
        return
    if isinstance(result, Exception):
        waiting.answer.set_exception(result)
    else:
        waiting.answer.set_result(result)
