"""The working state: everything that is not over, and the draft in which the next state is decided.

A `State` changes only by `Draft.apply`, after the transaction that explains the change was committed.
Reading goes through the draft, so a decision sees what the decisions before it in the same batch did.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from gateway.domain.adjustment import HeatLimits
from gateway.domain.call_in import CallIn, PrinterRole, RegistrationCode
from gateway.domain.events import Event
from gateway.domain.file import StoredFile
from gateway.domain.grants import Grants, GrantsDraft
from gateway.domain.idempotency import Idempotency
from gateway.domain.job import Attempt, Job
from gateway.domain.member import Key, Member, Organization
from gateway.domain.orders import Order
from gateway.domain.overlay import Overlay
from gateway.domain.printer import Presence, Printer, printer_named
from gateway.domain.printer_command import PrinterCommand
from gateway.domain.schedule import Action, Schedule, Stack
from gateway.domain.task import Task

#: Ends remembered so that a repeated report of one is acknowledged, not adopted. Each is about 100 bytes;
#: a driver repeats an end until it is acknowledged, so a thousand is far beyond one reconnect.
ENDED_KEYS_KEPT = 1000


@dataclass(slots=True)
class State:
    """What the engine knows. Owned by the engine's task; others only read."""

    printers: dict[int, Printer] = field(default_factory=dict)
    presence: dict[int, Presence] = field(default_factory=dict)
    jobs: dict[int, Job] = field(default_factory=dict)  # by work_id, only those not over
    attempts: dict[int, Attempt] = field(default_factory=dict)  # the open attempt of a job, by work_id
    commands: dict[str, PrinterCommand] = field(default_factory=dict)  # pending ones, by task_id
    members: dict[str, Member] = field(default_factory=dict)
    organizations: dict[int, Organization] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)  # by key_id
    call_ins: dict[int, CallIn] = field(default_factory=dict)  # by printer_id
    tokens: dict[str, int] = field(default_factory=dict)  # printer_id by its token's hash
    codes: dict[str, RegistrationCode] = field(default_factory=dict)  # by code
    roles: dict[tuple[int, str], PrinterRole] = field(default_factory=dict)  # by printer_id and member_id
    grants: Grants = field(default_factory=Grants)  # apps, their tokens, passwords
    tasks: dict[int, Task] = field(default_factory=dict)  # by work_id, only those not over
    stacks: dict[int, Stack] = field(default_factory=dict)  # by number
    schedules: dict[str, Schedule] = field(default_factory=dict)  # by schedule_id, without removed ones
    actions: dict[int, Action] = field(default_factory=dict)  # by work_id, only those not over
    member_jobs: dict[str, int] = field(default_factory=dict)  # member -> number of jobs ever
    ended_keys: OrderedDict[str, int] = field(default_factory=OrderedDict)  # print key -> work_id
    missing_since: dict[int, float] = field(default_factory=dict)  # work_id -> monotonic seconds
    refused_until: dict[int, float] = field(default_factory=dict)  # printer_id -> monotonic seconds
    adopted_until: dict[int, float] = field(default_factory=dict)  # printer_id -> monotonic (domain.adopting)
    #: printer_id -> work_id: the sent job, or the run of a schedule, whose start alone, and nothing since,
    #: made the plate occupied
    plate_taken_by: dict[int, int] = field(default_factory=dict)
    heat_limits: dict[int, HeatLimits] = field(default_factory=dict)  # by printer_id, of the configuration
    #: work_id of a running upload -> what the printer calls the file, as far as it has said
    names_on_printer: dict[int, str] = field(default_factory=dict)
    last_work_id: int = 0
    last_stack_number: int = 0  # ever given, as far as any row still names it

    def printer_named(self, name: str) -> Printer | None:
        """The printer with that name in the configuration."""
        return printer_named(self.printers, name)

    def call_in_by_token(self, token_sha256: str) -> CallIn | None:
        """The printer whose token has this hash (hex), if it may still use it."""
        call_in = self.call_ins.get(self.tokens.get(token_sha256, 0))
        return call_in if call_in is not None and call_in.revoked_at is None else None


@dataclass(frozen=True, slots=True)
class Moment:
    """What a decision may know of time and chance: arguments, never looked up."""

    wall: datetime  # aware, UTC; for people, never for order
    monotonic: float  # seconds; for durations
    new_id: Callable[[], str]  # a fresh UUID
    new_member_id: Callable[[], str]  # a fresh member id
    new_code: Callable[[], str]  # six fresh upper-case letters
    new_hex: Callable[[int], str]  # that many fresh lower-case hex digits
    path_of: Callable[[str], str]  # sha256 -> absolute path of the stored content


@dataclass(slots=True)
class Draft:
    """The next state in the making, with the rows, events and orders that go with it."""

    state: State
    moment: Moment
    printers: Overlay[int, Printer] = field(init=False)
    presence: Overlay[int, Presence] = field(init=False)
    jobs: Overlay[int, Job] = field(init=False)
    attempts: Overlay[int, Attempt] = field(init=False)
    commands: Overlay[str, PrinterCommand] = field(init=False)
    members: Overlay[str, Member] = field(init=False)
    organizations: Overlay[int, Organization] = field(init=False)
    keys: Overlay[str, Key] = field(init=False)
    call_ins: Overlay[int, CallIn] = field(init=False)
    tokens: Overlay[str, int] = field(init=False)
    codes: Overlay[str, RegistrationCode] = field(init=False)
    roles: Overlay[tuple[int, str], PrinterRole] = field(init=False)
    grants: GrantsDraft = field(init=False)
    tasks: Overlay[int, Task] = field(init=False)
    stacks: Overlay[int, Stack] = field(init=False)
    schedules: Overlay[str, Schedule] = field(init=False)
    actions: Overlay[int, Action] = field(init=False)
    member_jobs: Overlay[str, int] = field(init=False)
    ended_keys: Overlay[str, int] = field(init=False)
    missing_since: Overlay[int, float] = field(init=False)
    refused_until: Overlay[int, float] = field(init=False)
    adopted_until: Overlay[int, float] = field(init=False)
    plate_taken_by: Overlay[int, int] = field(init=False)
    heat_limits: Overlay[int, HeatLimits] = field(init=False)
    names_on_printer: Overlay[int, str] = field(init=False)
    last_work_id: int = field(init=False)
    last_stack_number: int = field(init=False)
    # what the transaction writes
    job_rows: dict[int, Job] = field(default_factory=dict)
    new_jobs: set[int] = field(default_factory=set)
    attempt_rows: dict[tuple[int, int], Attempt] = field(default_factory=dict)
    printer_rows: dict[int, Printer] = field(default_factory=dict)
    command_rows: dict[str, PrinterCommand] = field(default_factory=dict)
    member_rows: list[Member] = field(default_factory=list)
    organization_rows: list[Organization] = field(default_factory=list)
    key_rows: dict[str, Key] = field(default_factory=dict)
    file_rows: list[StoredFile] = field(default_factory=list)
    #: None: the row goes
    call_in_rows: dict[int, CallIn | None] = field(default_factory=dict)
    code_rows: dict[str, RegistrationCode | None] = field(default_factory=dict)
    role_rows: dict[tuple[int, str], PrinterRole | None] = field(default_factory=dict)
    #: member, key with fingerprint, id of what was created
    idempotency_rows: list[tuple[str, Idempotency, str]] = field(default_factory=list)
    #: those not in `new_works` exist already, with the version before
    task_rows: dict[int, Task] = field(default_factory=dict)
    action_rows: dict[int, Action] = field(default_factory=dict)
    new_works: set[int] = field(default_factory=set)  # tasks and actions
    stack_rows: dict[int, Stack | None] = field(default_factory=dict)  # None: the row goes
    schedule_rows: dict[str, Schedule] = field(default_factory=dict)  # removed ones stay as rows
    events: list[Event] = field(default_factory=list)
    #: jobs that memory has no more, by public id, as far as inputs name them; None: the store has none either
    stored_jobs: dict[str, Job | None] = field(default_factory=dict)
    progressed: set[int] = field(default_factory=set)  # jobs whose progress no row of this draft saves
    # what goes out
    fleeting: list[Event] = field(default_factory=list)  # published, not stored
    safety_orders: list[Order] = field(default_factory=list)  # before the commit
    orders: list[Order] = field(default_factory=list)  # after the commit

    _NAMES = (
        "printers", "presence", "jobs", "attempts", "commands", "members", "organizations", "keys",
        "call_ins", "tokens", "codes", "roles", "tasks", "stacks", "schedules", "actions", "member_jobs",
        "ended_keys", "missing_since", "refused_until", "plate_taken_by", "heat_limits", "names_on_printer",
        "adopted_until",
    )  # fmt: skip

    def __post_init__(self) -> None:
        for name in self._NAMES:
            setattr(self, name, Overlay(getattr(self.state, name)))
        self.grants = GrantsDraft(self.state.grants)
        self.last_work_id = self.state.last_work_id
        self.last_stack_number = max(self.state.last_stack_number, *self.state.stacks, 0)

    @property
    def is_durable(self) -> bool:
        """Whether there is anything to commit."""
        return bool(
            self.job_rows or self.attempt_rows or self.printer_rows or self.command_rows
            or self.member_rows or self.organization_rows or self.key_rows or self.file_rows
            or self.call_in_rows or self.code_rows or self.role_rows or self.idempotency_rows or self.events
            or self.grants.is_durable or self.task_rows or self.action_rows or self.stack_rows
            or self.schedule_rows
        )  # fmt: skip

    def put_job(self, job: Job) -> Job:
        """A durable change of a job; its version grows once per commit. Jobs that are over leave memory."""
        if job.work_id not in self.job_rows and job.work_id not in self.new_jobs:
            job = replace(job, version=job.version + 1)
        return self._keep(job)

    def note_progress(self, job: Job) -> None:
        """How far a job is: memory only, until a commit or the timer saves it."""
        if job.work_id in self.job_rows:
            self.job_rows[job.work_id] = job
        else:
            self.progressed.add(job.work_id)
        self.jobs[job.work_id] = job

    def job_with_id(self, job_id: str) -> Job | None:
        """The job with that public id, whether it is over or not, as far as it is known here."""
        changed = (job for job in self.job_rows.values() if job.job_id == job_id)
        running = (job for job in self.jobs.values() if job.job_id == job_id)
        return next(running, None) or next(changed, None) or self.stored_jobs.get(job_id)

    def is_free(self, job_id: str) -> bool:
        """Whether a new job may have that public id; False unless it was looked up in the store."""
        return job_id in self.stored_jobs and self.job_with_id(job_id) is None

    def add_job(self, job: Job) -> Job:
        """A new job, already numbered by `next_work_id`."""
        self.new_jobs.add(job.work_id)
        self.member_jobs[job.member_id] = job.member_ordinal + 1
        return self._keep(job)

    def _keep(self, job: Job) -> Job:
        self.job_rows[job.work_id] = job
        if job.is_over:
            self.jobs.pop(job.work_id, None)
            self.missing_since.pop(job.work_id, None)
        else:
            self.jobs[job.work_id] = job
        return job

    def next_work_id(self) -> int:
        """The number of the next work row; the store set the start of this host's range."""
        self.last_work_id += 1
        return self.last_work_id

    def next_stack_number(self) -> int:
        """The number of the next stack: never one that runs of a former stack still have."""
        self.last_stack_number += 1
        return self.last_stack_number

    def add_task(self, task: Task) -> Task:
        """A new task, already numbered by `next_work_id`."""
        self.new_works.add(task.work_id)
        return self._keep_task(task)

    def put_task(self, task: Task) -> Task:
        """A durable change of a task; its version grows once per commit. Tasks that are over leave memory."""
        if task.work_id not in self.task_rows:
            task = replace(task, version=task.version + 1)
        return self._keep_task(task)

    def _keep_task(self, task: Task) -> Task:
        self.task_rows[task.work_id] = task
        if task.is_over:
            self.tasks.pop(task.work_id, None)
        else:
            self.tasks[task.work_id] = task
        return task

    def note_task(self, task: Task) -> None:
        """How far a running task is: memory only, until a commit saves it."""
        if task.work_id in self.task_rows:
            self.task_rows[task.work_id] = task
        self.tasks[task.work_id] = task

    def add_action(self, action: Action) -> Action:
        """A new action, already numbered by `next_work_id`."""
        self.new_works.add(action.work_id)
        return self._keep_action(action)

    def put_action(self, action: Action) -> Action:
        """A durable change of an action, as `put_task`."""
        if action.work_id not in self.action_rows:
            action = replace(action, version=action.version + 1)
        return self._keep_action(action)

    def _keep_action(self, action: Action) -> Action:
        self.action_rows[action.work_id] = action
        if action.is_over:
            self.actions.pop(action.work_id, None)
        else:
            self.actions[action.work_id] = action
        return action

    def put_stack(self, stack: Stack) -> Stack:
        """A new stack, or a change of one, as `put_task`."""
        if stack.number in self.stacks and stack.number not in self.stack_rows:
            stack = replace(stack, version=stack.version + 1)
        self.stacks[stack.number] = self.stack_rows[stack.number] = stack
        return stack

    def drop_stack(self, number: int) -> None:
        """A stack goes."""
        del self.stacks[number]
        self.stack_rows[number] = None

    def put_schedule(self, schedule: Schedule) -> Schedule:
        """A durable change of a schedule, as `put_task`. Removed ones leave memory."""
        if schedule.schedule_id in self.schedules and schedule.schedule_id not in self.schedule_rows:
            schedule = replace(schedule, version=schedule.version + 1)
        self.schedule_rows[schedule.schedule_id] = schedule
        if schedule.removed_at is None:
            self.schedules[schedule.schedule_id] = schedule
        else:
            self.schedules.pop(schedule.schedule_id, None)
        return schedule

    def put_attempt(self, attempt: Attempt) -> None:
        """A durable change of an attempt."""
        self.attempt_rows[(attempt.work_id, attempt.number)] = attempt
        if attempt.ended_at is None:
            self.attempts[attempt.work_id] = attempt
        else:
            self.attempts.pop(attempt.work_id, None)

    def put_printer(self, printer: Printer) -> Printer:
        """A durable change of a printer."""
        if printer.printer_id in self.printers and printer.printer_id not in self.printer_rows:
            printer = replace(printer, version=printer.version + 1)
        self.printers[printer.printer_id] = self.printer_rows[printer.printer_id] = printer
        return printer

    def put_command(self, command: PrinterCommand) -> PrinterCommand:
        """A durable change of a printer command; answered ones leave memory."""
        self.command_rows[command.task_id] = command
        if command.answered_at is None:
            self.commands[command.task_id] = command
        else:
            self.commands.pop(command.task_id, None)
        return command

    def put_call_in(self, call_in: CallIn) -> CallIn:
        """A durable change of a printer that calls in; its token stays what it was."""
        self.call_ins[call_in.printer_id] = self.call_in_rows[call_in.printer_id] = call_in
        self.tokens[call_in.token_sha256] = call_in.printer_id
        return call_in

    def drop_call_in(self, printer_id: int) -> None:
        """Forget a printer that called, and its token."""
        del self.tokens[self.call_ins.pop(printer_id).token_sha256]
        self.call_in_rows[printer_id] = None

    def put_code(self, code: RegistrationCode) -> RegistrationCode:
        """A new registration code."""
        self.codes[code.code] = self.code_rows[code.code] = code
        return code

    def drop_code(self, code: str) -> None:
        """A code that was used, or is too old."""
        del self.codes[code]
        self.code_rows[code] = None

    def put_role(self, role: PrinterRole) -> PrinterRole:
        """A durable change of what a member of a printer may do."""
        key = (role.printer_id, role.member_id)
        self.roles[key] = self.role_rows[key] = role
        return role

    def drop_role(self, printer_id: int, member_id: str) -> None:
        """The member is none of the printer any more."""
        del self.roles[printer_id, member_id]
        self.role_rows[printer_id, member_id] = None

    def apply(self) -> None:
        """Make the draft the state. Only after its transaction was committed."""
        for name in self._NAMES:
            getattr(self, name).apply()
        self.grants.apply()
        self.state.last_work_id = self.last_work_id
        self.state.last_stack_number = self.last_stack_number
        while len(self.state.ended_keys) > ENDED_KEYS_KEPT:
            self.state.ended_keys.popitem(last=False)
