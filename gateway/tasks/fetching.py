"""Fetching the files that jobs name by address: `printable_url`.

What is to be fetched is not kept anywhere: it is every job that waits, has a `printable_url` and no file. So
a restart finds it again. A file is looked at like an upload and is there whole or not at all.

    wanted --slot free--> fetching --> FileFetched
      ^                       |
      +---- later, if it may pass (back-off) ---- else, or after TRIES: FileNotFetched, with what to do
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from gateway.domain.commands import AddFile, Command, FileFetched, FileNotFetched
from gateway.domain.file import FileRejected, StoredFile
from gateway.domain.job import WAITING, Job
from gateway.domain.state import State
from gateway.engine.ports import Clock, Files, IdSource, StoredEvent, StoreUnavailable, Subscription
from gateway.rounds import Rounds, Slots
from gateway.tasks.downloading import Fetching, Web
from gateway.transport.backoff import Backoff
from gateway.transport.web_errors import WebTrouble

log = logging.getLogger(__name__)

#: Files fetched at the same time, and from one host: more only share the host's line and the disk. And for
#: one member: servers that send next to nothing for half an hour, by as many names, hold up nobody else.
FETCHES: Final = 4
FETCHES_PER_MEMBER: Final = 3
FETCHES_PER_HOST: Final = 2
#: Tries of one file, and the waits between them in seconds: ten minutes together. Then somebody should look.
TRIES: Final = 8
BACKOFF: Final = Backoff(first=5.0, limit=600.0)
#: Seconds that it sleeps at most when nothing is due.
LOOK_EVERY: Final = 60.0
_CALLING: Final = frozenset({"job-submitted", "job-changed", "job-moved"})

_WHAT_TO_DO: Final = "send another printable_url or a printable_id (POST jobs/:job_id/printable)"


class Decider(Protocol):
    """The engine, as far as it is needed here."""

    @property
    def state(self) -> State:
        """What is not over; read only."""

    async def execute(self, command: Command) -> Any:
        """Carry out a command."""


@dataclass(slots=True)
class _Wanted:
    """One file of one job."""

    work_id: int
    member_id: str
    url: str
    due: float  # monotonic seconds
    failures: int = 0
    task: asyncio.Task[None] | None = None

    @property
    def host(self) -> str:
        """For people and for the bound; never the whole URL, which may hold credentials."""
        return urlsplit(self.url).hostname or ""


class Fetcher:
    """`run` it for as long as the gateway lives."""

    def __init__(
        self,
        *,
        engine: Decider,
        subscribe: Callable[[], Subscription],
        web: Web,
        files: Files,
        inspect: Callable[[str], Mapping[str, Any]],  # path -> metadata; blocking; raises FileRejected
        most_bytes: int,
        clock: Clock,
        ids: IdSource,
        chance: Random,
    ) -> None:
        self._engine = engine
        self._subscribe = subscribe
        self._fetching = Fetching(web, files, most_bytes)
        self._inspect = inspect
        self._clock = clock
        self._ids = ids
        self._chance = chance
        self._wanted: dict[int, _Wanted] = {}  # by work_id
        self._changed: set[int] = set()  # work_ids
        self._rounds = Rounds("fetcher")

    async def run(self) -> None:
        """Fetch until cancelled; what is half fetched then is thrown away and fetched again another time."""
        await self._rounds.run(self._subscribe(), self._hear, self._look)

    def _hear(self, event: StoredEvent) -> bool:
        if event.work_id is not None and event.kind in _CALLING:
            self._changed.add(event.work_id)
        return bool(self._changed)

    async def _look(self) -> float:
        self._find_wanted()
        return self._begin_due()

    def _find_wanted(self) -> None:
        """Which files jobs want now. What none wants any more is not fetched on."""
        jobs = self._engine.state.jobs
        if self._rounds.must_scan:
            self._changed.update(self._wanted, jobs)
        self._rounds.must_scan = False
        while self._changed:
            work_id = self._changed.pop()
            job, known = jobs.get(work_id), self._wanted.get(work_id)
            url = job.printable_url if job is not None and wants_file(job) else None
            if known is not None and known.url != url:
                del self._wanted[work_id]
                if known.task is not None:
                    known.task.cancel()
            if job is not None and url is not None and work_id not in self._wanted:
                self._wanted[work_id] = _Wanted(work_id, job.member_id, url, self._clock.monotonic())

    def _begin_due(self) -> float:
        """Begin what may begin; seconds until something else may."""
        now = self._clock.monotonic()
        busy = ((one.host, one.member_id) for one in self._wanted.values() if one.task is not None)
        slots = Slots(FETCHES, (FETCHES_PER_HOST, FETCHES_PER_MEMBER), busy)
        soonest = LOOK_EVERY
        for one in sorted(self._wanted.values(), key=lambda one: one.due):
            if one.task is not None:
                continue
            if one.due > now:
                return min(soonest, one.due - now)
            if slots.take(one.host, one.member_id):
                one.task = self._rounds.begin(self._fetch(one), f"fetch for job {one.work_id}")
        return soonest

    async def _fetch(self, one: _Wanted) -> None:
        try:
            await self._try(one)
        except WebTrouble as trouble:
            await self._failed(one, trouble.reason, is_passing=trouble.is_passing)
        except FileRejected as rejected:
            await self._failed(one, f"what it sends cannot be printed: {rejected}", is_passing=False)
        except StoreUnavailable as full:
            await self._failed(one, str(full), is_passing=True)
        except Exception:
            log.exception("fetching the file of job %d failed", one.work_id)
            await self._failed(one, "the gateway failed; its journal has the details", is_passing=True)
        finally:
            one.task = None
            self._changed.add(one.work_id)
            self._rounds.wake()

    async def _try(self, one: _Wanted) -> None:
        async with self._fetching.file(one.url) as came:
            loop = asyncio.get_running_loop()
            metadata = await loop.run_in_executor(None, self._inspect, came.path)
            job = self._engine.state.jobs.get(one.work_id)
            if job is None or job.printable_url != one.url:
                return
            sha256, size = await came.keep()
        await self._hand_over(one, job, sha256, size, came.name, metadata)

    async def _hand_over(
        self, one: _Wanted, job: Job, sha256: str, size: int, name: str, metadata: Mapping[str, Any]
    ) -> None:
        file = StoredFile(
            file_id=self._ids.uuid(),
            sha256=sha256,
            name=name,
            size=size,
            member_id=job.member_id,
            organization_id=job.organization_id,
            created_at=self._clock.wall(),
            metadata=metadata,
        )
        stored: StoredFile = await self._engine.execute(AddFile(file))
        await self._engine.execute(FileFetched(one.work_id, one.url, stored))
        log.info("job %d has its file, %d bytes from %s", one.work_id, size, one.host)

    async def _failed(self, one: _Wanted, reason: str, *, is_passing: bool) -> None:
        one.failures += 1
        wait = BACKOFF.wait(one.failures, self._chance)
        one.due = self._clock.monotonic() + wait
        if is_passing and one.failures < TRIES:
            log.info("file of job %d from %s: %s; again in %.0f s", one.work_id, one.host, reason, wait)
            return
        text = f"its file could not be fetched from {one.host}: {reason.rstrip('.')}; {_WHAT_TO_DO}"
        log.warning("job %d: %s", one.work_id, text)
        try:
            await self._engine.execute(FileNotFetched(one.work_id, one.url, text))
        except Exception:  # the disk is full, the gateway stops: it is told with the next try
            log.exception("that the file of job %d cannot be fetched was not recorded", one.work_id)


def wants_file(job: Job) -> bool:
    """Whether a job waits for a file that is to be fetched."""
    return job.status in WAITING and job.file_sha256 is None and job.printable_url is not None
