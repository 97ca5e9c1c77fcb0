"""Jobs, tasks, schedules and what printers say, in any order: one thing at a time on each machine.

What is ordered is judged by rules written anew here, as are the state and the rows after every input.
"""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.commands import CancelJob, CommandRefused, SetPlate, StartJob
from gateway.domain.job import Job
from gateway.domain.observations import (
    Activity,
    LinkState,
    OrderAnswered,
    OrderProgressed,
    OrderResult,
    PrinterObserved,
    PrintPhase,
    PrintReport,
)
from gateway.domain.orders import AbortUpload, Order, SendGcode, StartPrint, UploadFile
from gateway.domain.printer import Plate, Printer
from gateway.domain.schedule import RUNS_KEPT, Action, Macro, RunState, ScheduleType
from gateway.domain.schedule_commands import CancelAction, RemoveSchedule, RunSchedule, ScheduleDue
from gateway.domain.task import TRIES, Task, TaskKind, TaskStatus
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
from tests.support.stand import ANA, BEN, a_submission, house, printer
from tests.support.works import FAN, HOMING, PURGE, WARM, WorkTable, a_schedule, an_upload

NAMES = ("left", "right")
printer_ids = st.sampled_from([1, 2])
#: Which of the things that exist is meant: the newest, one before, ...
picks = st.integers(0, 3)
results = st.sampled_from(OrderResult)
macros = st.sampled_from([FAN, HOMING, PURGE, WARM, replace(WARM, hotend=400)])


@dataclass(frozen=True)
class Step:
    """What happens next; who it happens to is looked up when it does."""

    what: str
    printer_id: int
    pick: int
    macro: Macro
    result: OrderResult
    seconds: float


#: By weight: answers and snapshots must keep up with what is asked for.
WHATS = (
    "job", "job", "start", "cancel-job", "plate-clear", "plate-clear", "plate-clear", "plate-occupied",
    "schedule", "maintenance", "note", "export", "run", "run", "run", "due", "cancel-run", "remove-schedule",
    "import", "upload", "upload", "pause", "resume", "cancel", "begin", "progress", "finish", "fail",
    "answer", "answer", "answer", "answer", "answer-abort", "answer-start", "say",
    "ready", "ready", "ready", "busy", "printing", "ended", "down", "local", "restart", "look", "look",
)  # fmt: skip
steps = st.builds(
    Step,
    st.sampled_from(WHATS),
    printer_ids,
    picks,
    macros,
    results,
    st.sampled_from([0.0, 1.0, 6.0, 30.0, 90000.0]),
)


class World(WorkTable):
    """Two printers and everything that can happen to them."""

    def __init__(self) -> None:
        super().__init__(house(printer(1, "left"), printer(2, "right")))
        self.finished: dict[int, Job | Task | Action] = {}
        self.restarted = 0

    # ------------------------------------------------------------ what happens

    def happen(self, step: Step) -> None:
        self.clock.advance(step.seconds)
        self.draft = self._new()
        if step.what == "restart":
            self.restart()
        elif step.what == "look":
            self.look()
        else:
            asked = self._input(step)
            if asked is not None:
                self._give(asked)

    def _give(self, asked: Any) -> None:
        try:
            self.give(asked)
        except CommandRefused as refused:
            why = refused.message
        else:
            return
        assert not self.draft.is_durable, "a refused command changes nothing"
        assert len(why.split()) > 4, "it is told why, in a sentence"

    def _input(self, step: Step) -> Any:
        return (
            self._of_jobs(step) or self._of_schedules(step) or self._of_tasks(step) or self._of_drivers(step)
        )

    def _of_jobs(self, step: Step) -> Any:
        job = _picked(list(self.state.jobs.values()), step.pick)
        if step.what == "job":
            return a_submission("job", step.printer_id if step.pick else None)
        if step.what == "plate-clear":
            return SetPlate(step.printer_id, Plate.CLEAR, "ana")
        if step.what == "plate-occupied":
            return SetPlate(step.printer_id, Plate.OCCUPIED, "ana")
        if job is None:
            return None
        if step.what == "start":
            return StartJob(job.job_id, BEN.member_id, step.printer_id)
        return CancelJob(job.job_id, BEN.member_id) if step.what == "cancel-job" else None

    def _of_schedules(self, step: Step) -> Any:
        name = f"schedule {self.ids.given}"
        if step.what == "schedule":
            return a_schedule(step.macro, name=name)
        if step.what == "maintenance":
            return a_schedule(step.macro, name=name, type=ScheduleType.MAINTENANCE)
        if step.what == "note":
            return a_schedule(None, name=name, type=ScheduleType.MAINTENANCE, params={"note": "oil"})
        if step.what == "export":
            return a_schedule(None, name=name, type=ScheduleType.HISTORY_EXPORT)
        action = _picked(list(self.state.actions.values()), step.pick)
        if step.what == "cancel-run" and action is not None:
            return CancelAction(action.work_id, ANA.member_id)
        schedule = _picked(list(self.state.schedules.values()), step.pick)
        if schedule is None:
            return None
        if step.what == "run":
            return RunSchedule(schedule.schedule_id, BEN.member_id)
        if step.what == "due":
            now = self.clock.wall()
            return ScheduleDue(schedule.schedule_id, now, now + timedelta(minutes=1))
        return RemoveSchedule(schedule.schedule_id, ANA.member_id) if step.what == "remove-schedule" else None

    def _of_tasks(self, step: Step) -> Any:
        if step.what == "import":
            return AddTask(BEN.member_id, 1, TaskKind.FILE_IMPORT, "import")
        if step.what == "upload":
            return an_upload(step.printer_id)
        task = _picked(list(self.state.tasks.values()), step.pick)
        if task is None:
            return None
        tries = task.tries - step.pick // 3
        by_name = {"pause": PauseTask, "resume": ResumeTask, "cancel": CancelTask}
        if step.what in by_name:
            return by_name[step.what](task.task_id, BEN.member_id)
        return {
            "begin": BeginTask(task.work_id),
            "progress": NoteProgress(task.work_id, tries, 5, 10),
            "finish": FinishTask(task.work_id, tries),
            "fail": FailTask(task.work_id, tries, "it did not work", step.pick != 2),
        }.get(step.what)

    def _of_drivers(self, step: Step) -> Any:
        name = NAMES[step.printer_id - 1]
        kinds: dict[str, tuple[type, ...]] = {
            "answer": (SendGcode, UploadFile),
            "answer-abort": (AbortUpload,),
            "answer-start": (StartPrint,),
            "say": (UploadFile,),
        }
        if step.what in kinds:
            mine = [o for o in self.orders if isinstance(o, kinds[step.what]) and o.printer == name]
            order = _picked(mine, step.pick)
            if order is None:
                return None
            if step.what == "say":
                return OrderProgressed(name, order.order_id, 0.5, {"sent": 500, "name_on_printer": "P.GCO"})
            return OrderAnswered(name, order.order_id, step.result, "the driver's words")
        return self._seen(step, name)

    def _seen(self, step: Step, name: str) -> Any:
        starts = [o for o in self.orders if isinstance(o, StartPrint) and o.printer == name]
        start = _picked(starts, step.pick)
        key = "local-1" if step.what == "local" or start is None else start.key
        current = PrintReport(key, PrintPhase.PRINTING, key == "local-1")
        up, printing = LinkState.UP, Activity.PRINTING
        seen: dict[str, PrinterObserved] = {
            "ready": PrinterObserved(name, up, activity=Activity.READY),
            "busy": PrinterObserved(name, up, activity=Activity.BUSY),
            "down": PrinterObserved(name, LinkState.DOWN, link_reason="unplugged"),
            "printing": PrinterObserved(name, up, activity=printing, current=current),
            "local": PrinterObserved(name, up, activity=printing, current=current),
            "ended": PrinterObserved(
                name, up, activity=Activity.READY, ended=(replace(current, phase=PrintPhase.COMPLETED),),
            ),
        }  # fmt: skip
        return seen.get(step.what)


def _picked(things: list[Any], pick: int) -> Any:
    """The newest for 0, the one before for 1, ...; None: there are not so many."""
    return things[-1 - pick] if pick < len(things) else None


# ---------------------------------------------------------------- what must be true


def check_orders(world: World, new: list[Order], before: dict[int, Printer], step: Step) -> None:
    """Whatever was ordered is the only thing on its machine, and had everything it needs."""
    physical = [order for order in new if isinstance(order, StartPrint | SendGcode | UploadFile)]
    assert max(Counter(order.printer for order in physical).values(), default=0) <= 1, "one thing a machine"
    for order in physical:
        machine = world.state.printer_named(order.printer)
        assert machine is not None
        at = machine.printer_id
        presence = world.state.presence[at]
        assert (presence.link, presence.print_key, machine.enabled) == (LinkState.UP, None, True)
        joins = isinstance(order, UploadFile) and presence.activity is Activity.BUSY
        assert presence.activity is Activity.READY or joins
        assert world.state.refused_until.get(at, 0.0) <= world.clock.monotonic()
        assert sum(occupants(world, at).values()) == 1, occupants(world, at)
        was_clear = before[at].plate is Plate.CLEAR or step.what == "plate-clear"
        refused = step.what.startswith("answer") and step.result is OrderResult.REFUSED
        if isinstance(order, StartPrint):
            assert was_clear or refused, "nothing starts on a plate that is not confirmed clear"
            assert machine.plate is Plate.OCCUPIED
        if isinstance(order, SendGcode):
            check_macro(world, order, machine, is_clear=was_clear or refused)


def check_macro(world: World, order: SendGcode, machine: Printer, *, is_clear: bool) -> None:
    command = world.state.commands[order.order_id]
    action = world.state.actions[command.work_id or 0]
    macro = action.macro
    assert macro is not None
    assert order.lines == macro.lines
    assert is_clear or not macro.moves, "nothing moves over a plate that is not confirmed clear"
    assert macro.hotend <= 300
    if macro.prints or action.type is ScheduleType.MAINTENANCE:
        assert machine.plate is Plate.OCCUPIED
    assert [s.command_id for s in action.steps if s.state is RunState.RUNNING].count(order.order_id) == 1


def occupants(world: World, printer_id: int) -> dict[str, int]:
    """What the gateway has, or may have, a machine do."""
    commands = [c.command for c in world.state.commands.values() if c.printer_id == printer_id]
    return {
        "jobs": sum(j.is_on_printer and j.printer_id == printer_id for j in world.state.jobs.values()),
        "runs": sum(
            s.state is RunState.RUNNING and s.printer_id == printer_id
            for a in world.state.actions.values()
            for s in a.steps
        ),
        "uploads": sum(
            t.status is TaskStatus.RUNNING and t.arguments.get("printer_id") == printer_id
            for t in world.state.tasks.values()
        ),
        "aborts": commands.count("abort-upload"),
    }


def check_state(world: World) -> None:
    state = world.state
    for printer_id in (1, 2):
        beside = occupants(world, printer_id)
        assert beside["runs"] + beside["uploads"] <= 1, beside
    for work_id, action in state.actions.items():
        assert (action.work_id, action.is_over) == (work_id, False)
        for step in action.steps:
            if step.state is RunState.RUNNING:
                command = state.commands[str(step.command_id)]
                assert (command.command, command.work_id, command.printer_id) == (
                    "run-macro", work_id, step.printer_id
                )  # fmt: skip
        assert action.steps or action.task_id in {task.task_id for task in state.tasks.values()}
    runs = Counter(action.schedule_id for action in state.actions.values())
    assert all(count <= RUNS_KEPT for count in runs.values())
    for command in state.commands.values():
        if command.command == "run-macro":
            steps = state.actions[command.work_id or 0].steps
            assert any(step.command_id == command.task_id for step in steps)
    for task in state.tasks.values():
        assert not task.is_over
        assert task.tries - task.given_up <= TRIES
        if task.status is TaskStatus.RUNNING:
            assert (task.order_id is not None) == (task.kind is TaskKind.PRINTER_UPLOAD)
            assert not task.is_paused


def check_rows(world: World, versions: dict[int, int]) -> None:
    """A commit writes each row once, one version on; over stays over; the end is told with its reason."""
    for work_id, row in (*world.draft.task_rows.items(), *world.draft.action_rows.items()):
        assert row.version == versions.get(work_id, 0) + 1
        assert work_id not in world.finished, "nothing follows an end"
        assert (work_id in versions) != (work_id in world.draft.new_works)
        assert row.is_over == (row.ended_at is not None)
        if isinstance(row, Task):
            assert not row.is_paused or row.status is TaskStatus.PENDING
            assert row.result is None or row.status is TaskStatus.DONE
            assert (row.error is not None) == (row.status is TaskStatus.FAILED), "a failure has its words"
        elif row.state is RunState.FAILED:
            assert row.message, "a failure has its words"
        if row.is_over:
            world.finished[work_id] = row
            assert row.ended_at == world.draft.moment.wall


def check_steps(given_steps: list[Step]) -> None:
    world = World()
    sent: set[str] = set()
    for step in given_steps:
        printers = copy.copy(world.state.printers)
        versions = {w: row.version for w, row in (*world.state.tasks.items(), *world.state.actions.items())}
        first = len(world.orders)
        world.happen(step)
        new = world.orders[first:]
        ids = [order.order_id for order in new]
        assert len(set(ids)) == len(ids)
        assert sent.isdisjoint(ids), "nothing is ordered twice by one name"
        sent.update(ids)
        check_rows(world, versions)
        check_state(world)
        check_orders(world, new, printers, step)
        if step.what == "restart":
            assert not new, "a restart sends nothing by itself"
            assert not any(t.status is TaskStatus.RUNNING for t in world.state.tasks.values())
            assert not any(s.state is RunState.RUNNING for a in world.state.actions.values() for s in a.steps)


@settings(max_examples=80, deadline=None)
@given(st.lists(steps, min_size=20, max_size=60))
def test_one_thing_at_a_time_and_the_truth(given_steps: list[Step]) -> None:
    check_steps(given_steps)


@pytest.mark.soak
@pytest.mark.timeout(1200)
@settings(max_examples=2000, deadline=None)
@given(st.lists(steps, min_size=20, max_size=150))
def test_one_thing_at_a_time_and_the_truth_for_long(given_steps: list[Step]) -> None:
    check_steps(given_steps)
