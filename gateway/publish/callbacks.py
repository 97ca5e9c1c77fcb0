"""Updates of jobs to the apps' own servers (Forge API 1.4): at least once, always the newest state.

    committed events --> which jobs changed --+
    start: open jobs, ends not delivered -----+--> due? --slot--> probe or POST --> row of the outbox
    time: interval, back-off -----------------+      ^                               |
                                                     +-------------------------------+

Nothing is queued: a job is due when its version is newer than the delivered one, or when it runs and its
interval is over. What is sent is rendered when it is sent. So a receiver that is slow or away gets fewer
updates, never old ones, and holds up nobody else's.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any, Final, Protocol

from gateway.domain.job import Job
from gateway.domain.state import State
from gateway.engine.ports import (
    Callback,
    CallbackState,
    Clock,
    Outbox,
    Queries,
    StoredEvent,
    StoreUnavailable,
    Subscription,
)
from gateway.publish import callback_rules as rules
from gateway.publish.callback_exchange import Exchanged, Web, post, probe
from gateway.rounds import Rounds, Slots

log = logging.getLogger(__name__)

#: Exchanges at the same time, and with one host: a receiver that hangs holds two of them for ten seconds. And
#: for one member: one that hangs by a thousand names holds half of them.
SENDERS: Final = 32
SENDERS_PER_HOST: Final = 2
SENDERS_PER_MEMBER: Final = 16
#: Seconds between two looks when nothing is due and nothing happens.
LOOK_EVERY: Final = 60.0
#: Seconds until the store is asked again after it could not be read.
STORE_AGAIN: Final = 5.0
#: Updates that changed nothing but the time are written this seldom: an SD card takes so many writes.
WRITE_EVERY: Final = timedelta(seconds=60)
_CHANGES: Final = frozenset({"job-submitted", "job-adopted", "job-moved", "job-changed"})


class Deciding(Protocol):
    """The engine, as far as it is needed here: what is not over, read only."""

    @property
    def state(self) -> State:
        """Jobs with their newest progress."""


@dataclass(slots=True)
class _Told:
    """One job's callback in memory."""

    known: Callback
    member_id: str = ""  # whose job it is, from the first look on
    saved: Callback | None = None  # as the store has it
    due: float | None = None  # monotonic seconds; None: not before the job changes
    sent: float | None = None  # when an update was last taken, monotonic seconds
    task: asyncio.Task[None] | None = None


class CallbackSender:
    """`run` it for as long as the gateway lives. `render`: a job as the body of an update."""

    def __init__(
        self,
        *,
        engine: Deciding,
        queries: Queries,
        outbox: Outbox,
        subscribe: Callable[[], Subscription],
        web: Web,
        render: Callable[[Job], Mapping[str, Any]],
        clock: Clock,
        chance: Random,
    ) -> None:
        self._engine = engine
        self._queries = queries
        self._outbox = outbox
        self._subscribe = subscribe
        self._web = web
        self._render = render
        self._clock = clock
        self._chance = chance
        self._told: dict[int, _Told] = {}  # by work_id: open jobs with a callback, ends not delivered
        self._changed: set[int] = set()
        self._anew: set[int] = set()  # somebody registered the callback again
        self._rounds = Rounds("callbacks")

    async def run(self) -> None:
        """Deliver until cancelled; what is under way then is delivered again at the next start."""
        await self._rounds.run(self._subscribe(), self._hear, self._look_at_all)

    def _hear(self, event: StoredEvent) -> bool:
        if event.work_id is not None and event.kind in _CHANGES:
            self._changed.add(event.work_id)
            if event.details.get("what") == "callback":
                self._anew.add(event.work_id)
        return bool(self._changed)

    async def _look_at_all(self) -> float:
        is_read = await self._catch_up()
        soonest = self._begin_due()
        return soonest if is_read else min(soonest, STORE_AGAIN)

    # ---------------------------------------------------------------- what is due

    async def _catch_up(self) -> bool:
        """Look at every job that changed; False: the store could not be read, look again later."""
        try:
            if self._rounds.must_scan:
                await self._recall()
            while self._changed:
                await self._look_once(self._changed.pop())
        except StoreUnavailable as failure:
            log.warning("callbacks wait: %s", failure)
            return False
        return True

    async def _look_once(self, work_id: int) -> None:
        try:
            await self._look(work_id)
        except StoreUnavailable:
            self._changed.add(work_id)
            raise

    async def _recall(self) -> None:
        """Every job that may have something to tell: those not over, and ends that were not delivered."""
        self._rounds.must_scan = False  # before looking: what overflows meanwhile is looked at once more
        running = [job.work_id for job in self._engine.state.jobs.values() if job.callback_url is not None]
        try:
            wanted = [*running, *(await self._outbox.undelivered())]
            callbacks = await self._outbox.callbacks(wanted)
        except StoreUnavailable:
            self._rounds.must_scan = True
            raise
        for work_id, known in callbacks.items():
            if work_id not in self._told:
                wait = rules.remaining(known, self._clock.wall())
                self._told[work_id] = _Told(known, saved=known, due=self._clock.monotonic() + wait)
        self._changed.update(wanted)

    async def _job(self, work_id: int) -> Job | None:
        """The job with its newest progress."""
        return self._engine.state.jobs.get(work_id) or await self._queries.job_by_work_id(work_id)

    async def _look(self, work_id: int) -> None:
        """When the next exchange about this job is due."""
        job = await self._job(work_id)
        if job is None or job.callback_url is None:
            self._told.pop(work_id, None)
            self._anew.discard(work_id)
            return
        one = self._told.get(work_id)
        if one is None:
            stored = await self._outbox.callback(work_id)
            one = self._told[work_id] = _Told(rules.current(stored, job), saved=stored)
        one.member_id = job.member_id
        if one.task is not None:
            return  # it looks again when it is done
        if work_id in self._anew or one.known.url != job.callback_url:
            self._anew.discard(work_id)
            one.known, one.due = Callback(work_id, job.callback_url), None
        one.due = self._next(one, job)
        if one.due is None and job.is_over:
            del self._told[work_id]

    def _next(self, one: _Told, job: Job) -> float | None:
        now = self._clock.monotonic()
        if not one.known.is_open:
            return None
        if one.known.failures:
            return now if one.due is None else one.due
        if one.known.state is CallbackState.PROBING or job.version > one.known.delivered_version:
            return now
        if not job.is_on_printer:
            return None
        return now if one.sent is None else one.sent + rules.interval_of(job)

    # ---------------------------------------------------------------- telling

    def _begin_due(self) -> float:
        """Begin what is due and has a slot; seconds until something else will be due."""
        now = self._clock.monotonic()
        busy = (one for one in self._told.values() if one.task is not None)
        slots = Slots(
            SENDERS,
            (SENDERS_PER_HOST, SENDERS_PER_MEMBER),
            ((rules.shown_host(one.known.url), one.member_id) for one in busy),
        )
        waiting = [
            (one.due, number) for number, one in self._told.items() if one.due is not None and not one.task
        ]
        for due, work_id in sorted(waiting):
            if due > now:
                return min(LOOK_EVERY, due - now)
            one = self._told[work_id]
            if slots.take(rules.shown_host(one.known.url), one.member_id):
                one.task = self._rounds.begin(self._tell(one), f"callback of job {work_id}")
        return LOOK_EVERY

    async def _tell(self, one: _Told) -> None:
        work_id = one.known.work_id
        try:
            try:
                await self._exchange(one)
            except Exception:
                log.exception("the callback of job %d failed", work_id)
                self._failed(one, Exchanged(None, "the gateway failed; its journal has the details"))
            await self._save(one)
        finally:
            one.task = None
            self._changed.add(work_id)
            self._rounds.wake()

    async def _exchange(self, one: _Told) -> None:
        job = await self._job(one.known.work_id)
        if job is None:
            return
        if one.known.state is CallbackState.PROBING:
            went = await probe(self._web, one.known.url)
        else:
            started = self._clock.monotonic()
            body = json.dumps(self._render(job), separators=(",", ":")).encode()
            went = await post(self._web, one.known.url, body)
        if went.trouble is not None or went.status is None:
            self._failed(one, went)
        elif one.known.state is CallbackState.PROBING:
            one.known = rules.supported(one.known, went.status, self._clock.wall())
        else:
            one.sent = started
            one.known = rules.delivered(one.known, job.version, went.status, self._clock.wall())

    def _failed(self, one: _Told, went: Exchanged) -> None:
        reason = went.trouble or "it does not answer"
        one.known, wait = rules.failed(
            one.known, reason, went.status, self._clock.wall(), self._chance, is_final=went.is_final
        )
        one.due = self._clock.monotonic() + wait
        host, work_id = rules.shown_host(one.known.url), one.known.work_id
        if one.known.is_open:
            log.info("callback of job %d to %s: %s; again in %.0f s", work_id, host, reason, wait)
        else:
            log.warning("callback of job %d to %s: %s; %s", work_id, host, reason, one.known.state)

    async def _save(self, one: _Told) -> None:
        if not _is_worth_writing(one.saved, one.known):
            return
        try:
            await self._outbox.save(one.known)
            one.saved = one.known
        except StoreUnavailable as failure:
            log.warning("what was delivered of job %d is not recorded: %s", one.known.work_id, failure)


def _is_worth_writing(saved: Callback | None, known: Callback) -> bool:
    """Whether more than the time has changed, or much of that."""
    if saved is None or saved.delivered_at is None or known.delivered_at is None:
        return saved != known
    same = replace(known, tried_at=saved.tried_at, delivered_at=saved.delivered_at)
    return same != saved or known.delivered_at - saved.delivered_at >= WRITE_EVERY
