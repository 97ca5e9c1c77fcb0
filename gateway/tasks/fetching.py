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
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from gateway.domain.commands import AddFile, Command, FileFetched, FileNotFetched
from gateway.domain.file import FileRejected, StoredFile
from gateway.domain.job import WAITING, Job
from gateway.domain.state import State
from gateway.engine.ports import Clock, Files, IdSource, StoreUnavailable, Subscription
from gateway.tasks.file_names import file_name
from gateway.transport.web import Downloaded, Sink
from gateway.transport.web_backoff import Backoff
from gateway.transport.web_errors import WebTrouble

log = logging.getLogger(__name__)

#: Files fetched at the same time, and from one host: more only share the host's line and the disk. And for
#: one member: servers that send next to nothing for half an hour, by as many names, hold up nobody else.
FETCHES: Final = 4
FETCHES_PER_MEMBER: Final = 3
FETCHES_PER_HOST: Final = 2
#: Seconds for one file: 600 MB at 330 kB/s.
FETCH_SECONDS: Final = 1800.0
#: Redirects of one file: a short link, a login, a mirror, and two more.
REDIRECTS: Final = 5
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


class Web(Protocol):
    """`transport.web.WebClient`, as far as it is needed here."""

    async def download(
        self, url: str, sink: Sink, *, seconds: float, most_bytes: int, redirects: int
    ) -> Downloaded:
        """Raises WebTrouble."""


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
        self._web = web
        self._files = files
        self._inspect = inspect
        self._most_bytes = most_bytes
        self._clock = clock
        self._ids = ids
        self._chance = chance
        self._wanted: dict[int, _Wanted] = {}  # by work_id
        self._changed: set[int] = set()  # work_ids
        self._must_scan = True  # at the start, and when events were lost
        self._woken = asyncio.Event()

    async def run(self) -> None:
        """Fetch until cancelled; what is half fetched then is thrown away and fetched again another time."""
        listening = asyncio.create_task(self._listen(self._subscribe()), name="fetcher listens")
        try:
            while True:
                self._woken.clear()
                self._look()
                await self._wait(self._begin_due())
        finally:
            tasks = [listening, *(one.task for one in self._wanted.values() if one.task is not None)]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self, events: Subscription) -> None:
        try:
            closed = False
            while not closed:
                heard = await events.take()
                closed = heard.closed
                self._must_scan = self._must_scan or heard.overflowed
                for event in heard.events:
                    if event.work_id is not None and event.kind in _CALLING:
                        self._changed.add(event.work_id)
                if self._changed or self._must_scan:
                    self._woken.set()
        finally:
            events.close()

    def _look(self) -> None:
        """Which files jobs want now. What none wants any more is not fetched on."""
        jobs = self._engine.state.jobs
        if self._must_scan:
            self._changed.update(self._wanted, jobs)
        self._must_scan = False
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
        busy = [one for one in self._wanted.values() if one.task is not None]
        hosts, members = Counter(one.host for one in busy), Counter(one.member_id for one in busy)
        soonest = LOOK_EVERY
        for one in sorted(self._wanted.values(), key=lambda one: one.due):
            if one.task is not None:
                continue
            if one.due > now:
                return min(soonest, one.due - now)
            has_room = hosts[one.host] < FETCHES_PER_HOST and members[one.member_id] < FETCHES_PER_MEMBER
            if has_room and hosts.total() < FETCHES:
                hosts[one.host] += 1
                members[one.member_id] += 1
                one.task = asyncio.create_task(self._fetch(one), name=f"fetch for job {one.work_id}")
        return soonest

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            pass

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
            self._woken.set()

    async def _try(self, one: _Wanted) -> None:
        upload = await self._files.begin()
        try:
            came = await self._web.download(
                one.url, upload.write, seconds=FETCH_SECONDS, most_bytes=self._most_bytes, redirects=REDIRECTS
            )
            if came.size == 0:
                raise FileRejected("The file is empty.")
            loop = asyncio.get_running_loop()
            metadata = await loop.run_in_executor(None, self._inspect, upload.temporary_path)
            job = self._engine.state.jobs.get(one.work_id)
            if job is None or job.printable_url != one.url:
                return
            sha256, size = await upload.finish()
        finally:
            await upload.discard()
        await self._hand_over(one, job, sha256, size, file_name(came.disposition, came.path), metadata)

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
