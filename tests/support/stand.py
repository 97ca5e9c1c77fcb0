"""A small house with printers: domain states for tests, and fakes for time, chance and disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gateway.domain.call_in import CALL_IN_DRIVER, CallIn, PrinterRole, call_in_name
from gateway.domain.commands import SubmitJob
from gateway.domain.deciding import Input, decide, start_due
from gateway.domain.file import StoredFile
from gateway.domain.idempotency import Idempotency
from gateway.domain.job import Attempt, Job
from gateway.domain.member import Member, Organization
from gateway.domain.observations import Activity, LinkState, PrinterObserved, PrintPhase, PrintReport
from gateway.domain.orders import Order
from gateway.domain.printer import Plate, Presence, Printer
from gateway.domain.schedule import Action, Stack
from gateway.domain.state import Draft, Moment, State
from gateway.domain.task import Task
from gateway.engine.ports import StoredEvent, StoreUnavailable

START = datetime(2016, 5, 18, 5, 42, 2, tzinfo=UTC)
ANA = Member("FPEJMQHAG3NXE", "ana", 1, created_at=START)
BEN = Member("MEMBERBENBEN0", "ben", 1, created_at=START)
#: Autodesk's Ember, in the catalogue of printer types.
EMBER_TYPE = "7FAF097F-DB2E-45DC-9395-A30210E789AA"
HOME = Organization(1, "home", "5f0c1e2d3a4b5c6d7e8f9a0b")


class FakeClock:
    """Time that moves when it is told to."""

    def __init__(self) -> None:
        self.passed = 0.0  # seconds

    def wall(self) -> datetime:
        return START + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return 1000.0 + self.passed

    def advance(self, seconds: float) -> None:
        self.passed += seconds


class CountingIds:
    """Chance that can be read: 00000000-0000-4000-8000-000000000001 and so on."""

    def __init__(self) -> None:
        self.given = 0

    def uuid(self) -> str:
        self.given += 1
        return f"00000000-0000-4000-8000-{self.given:012d}"

    def member_id(self) -> str:
        self.given += 1
        return f"M{self.given:012d}"

    def hex(self, digits: int) -> str:
        self.given += 1
        return f"{self.given:0{digits}x}"

    def registration_code(self) -> str:
        """AAAAAB, AAAAAC and so on."""
        self.given += 1
        return "".join(chr(ord("A") + self.given // 26**place % 26) for place in reversed(range(6)))


class FakeFiles:
    """Content that lies where its hash says."""

    def path_of(self, sha256: str) -> str:
        return f"/files/{sha256}"

    async def begin(self, expected: int = 0) -> None:
        raise AssertionError("no upload in this test")

    def must_fit(self, size: int) -> None:
        raise AssertionError("nothing is written in this test")


class FakeDrivers:
    """Remembers every order."""

    def __init__(self) -> None:
        self.orders: list[Order] = []

    def submit(self, order: Order) -> None:
        self.orders.append(order)

    def of(self, kind: type) -> list[Order]:
        return [order for order in self.orders if isinstance(order, kind)]


class MemoryJournal:
    """engine.ports.Journal in memory; `broken` makes it refuse, as a full disk does."""

    def __init__(self, state: State | None = None) -> None:
        self.initial = state or State()
        self.broken: str | None = None
        self.jobs: dict[int, Job] = {}
        self.attempts: dict[tuple[int, int], Attempt] = {}
        self.tasks: dict[int, Task] = {}
        self.actions: dict[int, Action] = {}
        self.events: list[StoredEvent] = []
        self.commits = 0
        self.progress_saves = 0
        self.idempotent: dict[tuple[str, str], tuple[Idempotency, str]] = {}

    async def load(self) -> State:
        return self.initial

    async def commit(self, draft: Draft) -> Sequence[StoredEvent]:
        if self.broken:
            raise StoreUnavailable(self.broken)
        self.commits += 1
        self.jobs.update(draft.job_rows)
        self.tasks.update(draft.task_rows)
        self.actions.update(draft.action_rows)
        self.attempts.update(draft.attempt_rows)
        for member_id, idempotency, answer in draft.idempotency_rows:
            self.idempotent[(member_id, idempotency.key)] = (idempotency, answer)
        stored = [
            StoredEvent(
                len(self.events) + number,
                event.kind,
                event.at,
                event.organization_id,
                event.member_id,
                event.printer_id,
                event.work_id,
                event.details(),
            )
            for number, event in enumerate(draft.events, start=1)
        ]
        self.events.extend(stored)
        return stored

    async def save_progress(self, jobs: Sequence[Job], attempts: Sequence[Attempt]) -> None:
        self.progress_saves += 1
        self.jobs.update({job.work_id: job for job in jobs})
        self.attempts.update({(a.work_id, a.number): a for a in attempts})

    async def find_idempotent(self, member_id: str, key: str) -> tuple[Idempotency, str] | None:
        return self.idempotent.get((member_id, key))

    # the reading side, as far as the engine asks

    async def job(self, job_id: str) -> Job | None:
        return next((job for job in self.jobs.values() if job.job_id == job_id), None)

    async def task(self, *, task_id: str) -> Task | None:
        return next((task for task in self.tasks.values() if task.task_id == task_id), None)

    async def action(self, *, action_id: str) -> Action | None:
        return next((action for action in self.actions.values() if action.action_id == action_id), None)

    async def file(self, file_id: str) -> None:
        return None


def printer(printer_id: int = 1, name: str = "mk3", **changes: object) -> Printer:
    """A printer of ana's with a clear plate."""
    return replace(
        Printer(printer_id, name, "marlin", ANA.member_id, 1, plate=Plate.CLEAR),
        **changes,  # type: ignore[arg-type]
    )


def a_call_in(printer_id: int = 58, **changes: object) -> CallIn:
    """An Ember that has called; its token's hash is its number, 64 digits long."""
    return replace(
        CallIn(printer_id, EMBER_TYPE, "1.1.1.1", "", f"{printer_id:064x}", START, START),
        **changes,  # type: ignore[arg-type]
    )


def a_forge_printer(printer_id: int = 58, **changes: object) -> Printer:
    """A printer that calls in and that ana has registered, with a clear plate."""
    values: dict[str, object] = {
        "driver": CALL_IN_DRIVER, "display_name": "Ana's Ember", "type_id": EMBER_TYPE, **changes
    }  # fmt: skip
    return printer(printer_id, call_in_name(printer_id), **values)


def with_call_ins(state: State) -> State:
    """The house, in which every printer of that kind has called."""
    for known in state.printers.values():
        if known.driver == CALL_IN_DRIVER:
            call_in = a_call_in(known.printer_id)
            state.call_ins[known.printer_id] = call_in
            state.tokens[call_in.token_sha256] = known.printer_id
    return state


def with_member(state: State, printer_id: int, member: Member = BEN, **rights: bool) -> State:
    """The house, in which somebody is a member of a printer."""
    state.roles[printer_id, member.member_id] = PrinterRole(printer_id, member.member_id, **rights)
    return state


def ready(**changes: object) -> Presence:
    """A printer that is linked and ready, heard now."""
    return replace(
        Presence(link=LinkState.UP, link_reason=None, activity=Activity.READY, heard_at=1000.0),
        **changes,  # type: ignore[arg-type]
    )


def house(*printers: Printer, presence: Presence | None = None) -> State:
    """Members, an organization, and printers that are ready."""
    chosen = printers or (printer(),)
    return State(
        printers={p.printer_id: p for p in chosen},
        presence={p.printer_id: presence or ready() for p in chosen},
        members={m.member_id: m for m in (ANA, BEN)},
        organizations={1: HOME},
        stacks={1: Stack(1, "5999b763474b0eafa5fafb64bff0ba80", 1, "all printers", START)},
    )


def a_file(name: str = "part.gcode", size: int = 1000) -> StoredFile:
    """A stored file of ben's."""
    return StoredFile("b1996dd1-4b7f-44d8-9040-01615530073c", "ab" * 32, name, size, BEN.member_id, 1, START)


def a_submission(name: str = "my_job", printer_id: int | None = 1, **changes: object) -> SubmitJob:
    """Ben hands in a file for printer 1."""
    asked = SubmitJob(BEN.member_id, 1, name, printer_id=printer_id, file=a_file())
    return replace(asked, **changes)  # type: ignore[arg-type]


def seen(
    current: PrintReport | None = None, name: str = "mk3", *, ended: tuple[PrintReport, ...] = ()
) -> PrinterObserved:
    """A snapshot of a linked printer whose activity fits what is on it."""
    activity = Activity.READY
    if current is not None:
        activity = Activity.PAUSED if current.phase is PrintPhase.PAUSED else Activity.PRINTING
    return PrinterObserved(
        name, LinkState.UP, activity=activity, current=current, ended=ended, silent_for=0.0
    )


def report(key: str, phase: PrintPhase = PrintPhase.PRINTING, **fields: object) -> PrintReport:
    """What a driver says of one print."""
    values: dict[str, object] = {"is_local": False, **fields}
    return PrintReport(key, phase, **values)  # type: ignore[arg-type]


class Table:
    """A state, and the drafts that change it one after the other; what went out is kept."""

    def __init__(self, state: State | None = None) -> None:
        self.state = state or house()
        self.clock = FakeClock()
        self.ids = CountingIds()
        self.orders: list[Order] = []
        self.safety: list[Order] = []
        self.stored: dict[str, Job | None] = {}  # what the store would say of public ids
        self.draft = self._new()

    def _new(self) -> Draft:
        return Draft(
            self.state,
            Moment(
                self.clock.wall(),
                self.clock.monotonic(),
                self.ids.uuid,
                self.ids.member_id,
                self.ids.registration_code,
                self.ids.hex,
                lambda sha256: f"/files/{sha256}",
            ),
        )

    def give(self, given: Input) -> object:
        """Decide one input and what is due after it, as the engine does, and make it the state."""
        self.draft = self._new()
        self.draft.stored_jobs.update(self.stored)
        result = decide(self.draft, given)
        start_due(self.draft)
        self.safety += self.draft.safety_orders
        self.orders += self.draft.orders
        self.draft.apply()
        return result

    def job(self, work_id: int = 1) -> Job:
        """The job, also when it has just ended."""
        known = self.draft.job_rows.get(work_id) or self.state.jobs.get(work_id)
        assert known is not None, f"no job {work_id}"
        return self.state.jobs.get(work_id, known)

    def kinds(self) -> list[str]:
        """Kinds of the events of the last decision."""
        return [event.kind for event in self.draft.events]
