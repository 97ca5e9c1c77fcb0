"""What the engine needs from outside, as protocols: the store, the files, the drivers, time and chance.

The implementations live in `gateway.store`, `gateway.streamer`, `gateway.main`; fakes in tests are
arguments too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from gateway.domain.call_in import StatusPost, TaskPost
from gateway.domain.events import Event
from gateway.domain.file import StoredFile
from gateway.domain.idempotency import Idempotency
from gateway.domain.job import Attempt, Job
from gateway.domain.orders import Order
from gateway.domain.printer_command import PrinterCommand
from gateway.domain.schedule import Action
from gateway.domain.selecting import TaskFilter as TaskFilter
from gateway.domain.selecting import WorkFilter as WorkFilter
from gateway.domain.state import Draft, State
from gateway.domain.task import Task


class StoreUnavailable(Exception):
    """The transaction was not committed (disk full, database gone). The text says what to do."""


class StoreFull(StoreUnavailable):
    """A file does not fit: the disk is full, or so full that the rest is kept for the database."""


class DraftRefused(StoreUnavailable):
    """The draft breaks a rule of the store: a bug behind one of its inputs; trying again does not help."""


class Clock(Protocol):
    """Time as an argument."""

    def wall(self) -> datetime:
        """Now, aware UTC. For people; never for order."""

    def monotonic(self) -> float:
        """Seconds that never jump. For durations."""


class IdSource(Protocol):
    """Chance as an argument."""

    def uuid(self) -> str:
        """A fresh random UUID, hyphenated lower case."""

    def member_id(self) -> str:
        """A fresh member id: 13 of A-Z 0-9, as in Forge's `FPEJMQHAG3NXE`."""

    def hex(self, digits: int) -> str:
        """Fresh random lower-case hex digits."""

    def registration_code(self) -> str:
        """Six fresh random upper-case letters, as in Forge's `YKNRKT`."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as it was committed, with its place in the one global order."""

    seq: int
    kind: str
    at: datetime
    organization_id: int | None
    member_id: str | None
    printer_id: int | None
    work_id: int | None
    details: Mapping[str, Any]


class Journal(Protocol):
    """The writing side of the store. Only the engine calls it."""

    async def load(self) -> State:
        """Everything that is not over, at start."""

    async def commit(self, draft: Draft) -> Sequence[StoredEvent]:
        """One transaction, `synchronous=FULL`: all rows and events of the draft.

        Raises StoreUnavailable or DraftRefused; in both cases nothing was written.
        """

    async def save_progress(self, jobs: Sequence[Job], attempts: Sequence[Attempt]) -> None:
        """Progress, position and line of running jobs; at most once a second, may be lost."""

    async def find_idempotent(self, member_id: str, key: str) -> tuple[Idempotency, str] | None:
        """The fingerprint first used with that key (in the last 24 h), and the id it answered."""


class Upload(Protocol):
    """Content on its way in. Nothing is visible under its hash until `finish`."""

    async def write(self, chunk: bytes) -> None:
        """Append a piece; raises StoreUnavailable, StoreFull when the disk is full."""

    async def finish(self) -> tuple[str, int]:
        """Make it durable (fsync, rename) and give (sha256, size in bytes)."""

    async def discard(self) -> None:
        """Throw it away. Idempotent; does nothing after `finish`."""

    @property
    def temporary_path(self) -> str:
        """Where the bytes lie before `finish`, so that they can be looked at first."""


class Files(Protocol):
    """Content, addressed by its hash and immutable."""

    def path_of(self, sha256: str) -> str:
        """Absolute path of the content."""

    async def begin(self, expected: int = 0) -> Upload:
        """Start an upload of about so many bytes, as far as known; raises StoreFull, StoreUnavailable."""

    def must_fit(self, size: int) -> None:
        """Raises StoreFull if so many bytes more do not fit. For what does not come through an upload."""


class Drivers(Protocol):
    """All driver hosts together. Never blocks; answers come back as observations."""

    def submit(self, order: Order) -> None:
        """Hand over an order."""


@dataclass(frozen=True, slots=True)
class JobPage:
    """A page of jobs, ascending by creation, and how many there are in all.

    A long page is made into jobs where it is looked at: take it in slices.
    """

    jobs: Sequence[Job]
    total: int


@dataclass(frozen=True, slots=True)
class TaskPage:
    """A page of tasks, ascending by creation unless asked otherwise, and how many there are in all."""

    tasks: Sequence[Task]
    total: int
    has_more: bool  # behind this page


@dataclass(frozen=True, slots=True)
class WorkPage:
    """A page of print jobs and tasks, ascending by work id, and how many match in all."""

    works: Sequence[Job | Task]
    total: int | None  # None: was not asked for
    has_more: bool  # something follows


@dataclass(frozen=True, slots=True)
class ActionPage:
    """A page of actions, newest first, and how many there are in all."""

    actions: Sequence[Action]
    total: int


class Queries(Protocol):
    """The reading side of the store: what the APIs show. Read-only connections; never behind a commit."""

    async def jobs(
        self,
        *,
        member_id: str | None = None,
        printer_id: int | None = None,
        organization_id: int | None = None,
        from_work_id: int | None = None,
        statuses: frozenset[str] = frozenset(),  # shown words (verdict included); empty: all
        limit: int | None = 20,  # None: all
        offset: int = 0,
    ) -> JobPage:
        """Jobs that match all that is given."""

    async def job(self, job_id: str) -> Job | None:
        """One job by its public id."""

    async def job_by_work_id(self, work_id: int) -> Job | None:
        """One job by the number of its work row."""

    async def tasks(
        self,
        wanted: TaskFilter,
        *,
        now: datetime,
        limit: int | None = 20,
        offset: int = 0,
        after: int | None = None,  # work id: only those behind it in the list
        newest_first: bool = False,
    ) -> TaskPage:
        """Tasks that match all that is given. `None` is no limit."""

    async def task(self, *, task_id: str | None = None, hex24: str | None = None) -> Task | None:
        """One task by one of its public ids; also one whose time is over and that is not swept yet."""

    async def works(
        self,
        wanted: WorkFilter,
        *,
        now: datetime,
        limit: int,
        offset: int = 0,
        after: int = 0,  # work id: only those behind it
        with_total: bool,
    ) -> WorkPage:
        """Print jobs and tasks in one list, in the order of their work ids."""

    async def action(self, *, action_id: str | None = None, work_id: int | None = None) -> Action | None:
        """One action, by its public id or by the number of its work row."""

    async def actions(
        self,
        *,
        organization_id: int | None = None,
        schedule_id: str | None = None,
        limit: int = 20,
        offset: int = 0,
    ) -> ActionPage:
        """Runs of schedules, newest first."""

    async def attempts(self, work_id: int) -> tuple[Attempt, ...]:
        """All tries to print a job, in order."""

    async def file(self, file_id: str) -> StoredFile | None:
        """One upload."""

    async def files(self, *, member_id: str | None, limit: int, offset: int) -> tuple[StoredFile, ...]:
        """Uploads, newest first; `None`: everybody's."""

    async def command(self, task_id: str) -> PrinterCommand | None:
        """One printer command."""

    async def events_after(self, seq: int, limit: int) -> tuple[StoredEvent, ...]:
        """Committed events behind `seq`, in order."""

    async def last_event_seq(self) -> int:
        """The newest committed event's number; 0 when there is none."""


class Expiry(Protocol):
    """Removes what is over and was kept long enough, a few rows a transaction: it never holds anybody up."""

    async def sweep(self, now: datetime) -> int:
        """One small bite: how many rows went; 0: nothing is left to remove now."""


class CallInPort(Protocol):
    """Where the API hands in what printers post; the driver of printers that call in implements it.

    Nothing here waits: `Engine.settled` tells when it was decided and committed.
    """

    def status_posted(self, printer_id: int, post: StatusPost) -> None:
        """A status post, which is also the ping."""

    def task_posted(self, printer_id: int, post: TaskPost) -> None:
        """An acknowledgement of a command, or progress of a print."""

    def local_print_announced(
        self, printer_id: int, job_id: str | None, name: str | None, job_data: Mapping[str, Any] | None = None
    ) -> str:
        """A print that was started at the machine. The key of the print, by which its job is found."""

    def print_withdrawn(self, printer_id: int, job_id: str) -> bool:
        """The printer drops a print that it has; False: it has none of that name."""

    def listening_changed(self, printer_id: int, is_listening: bool) -> None:
        """Whether it is subscribed to its commands."""

    def registered(self, printer_id: int) -> None:
        """A member owns it now; what it posted before counts from here on."""

    def unregistered(self, printer_id: int) -> None:
        """Nobody owns it any more: nothing of it is reported."""


class CallbackState(StrEnum):
    """How the updates of a job to its app's own server go."""

    PROBING = "probing"  # whether it takes updates is not known yet
    ACTIVE = "active"
    REFUSED = "refused"  # it takes none, or no more
    GIVEN_UP = "given-up"  # it did not answer for a day


@dataclass(frozen=True, slots=True)
class Callback:
    """What was delivered of one job, and how it goes. The job's own columns say where to and how often."""

    work_id: int
    url: str  # to which all of this applies; another one of the job's begins anew
    state: CallbackState = CallbackState.PROBING
    failures: int = 0  # in a row
    tried_at: datetime | None = None
    next_at: datetime | None = None  # when it is tried again after a failure; for people
    last_status: int | None = None  # of HTTP
    last_error: str | None = None  # for people
    delivered_version: int = 0  # of the job; what is newer is due
    delivered_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether anything is sent any more."""
        return self.state in (CallbackState.PROBING, CallbackState.ACTIVE)


class Outbox(Protocol):
    """What is to be delivered, derived from the jobs: nothing is queued, so nothing grows."""

    async def undelivered(self) -> tuple[int, ...]:
        """Work ids of jobs that ended with a callback, whose end was neither delivered nor given up."""

    async def callback(self, work_id: int) -> Callback | None:
        """What is known of a job's callback; None before the first try."""

    async def callbacks(self, work_ids: Sequence[int]) -> Mapping[int, Callback]:
        """The same for many jobs."""

    async def save(self, callback: Callback) -> None:
        """Remember it. A power cut may lose it: then the newest state is delivered once more."""


class Publisher(Protocol):
    """Hears what was committed, and fleeting progress."""

    def publish(self, events: Sequence[StoredEvent], fleeting: Sequence[Event]) -> None:
        """Never blocks, never raises."""


class Batch(Protocol):
    """What a subscriber missed since it last looked."""

    @property
    def events(self) -> Sequence[StoredEvent]:
        """Committed events, in order."""

    @property
    def fleeting(self) -> Sequence[Event]:
        """Progress that is not kept, the newest of each job."""

    @property
    def overflowed(self) -> bool:
        """Committed events were dropped: read them from the store."""

    @property
    def closed(self) -> bool:
        """Nothing follows."""


class Subscription(Protocol):
    """One listener's bounded buffer."""

    async def take(self) -> Batch:
        """Everything since the last call; waits until there is something."""

    def close(self) -> None:
        """Stop listening; a task in `take` gets what there is, closed. Idempotent."""
