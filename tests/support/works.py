"""Tasks and schedules of the house in `stand`: what they do, and a table that runs them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from gateway.domain.deciding import Input, begin, start_due
from gateway.domain.observations import OrderAnswered, OrderResult
from gateway.domain.orders import SendGcode, StartPrint, UploadFile
from gateway.domain.schedule import Action, Macro, Schedule, ScheduleType, Step
from gateway.domain.schedule_commands import AddSchedule, RunSchedule, ScheduleDue
from gateway.domain.state import State
from gateway.domain.task import Task, TaskKind
from gateway.domain.task_commands import AddTask
from tests.support.stand import ANA, BEN, START, Table

FAN = Macro(("M106 S255", "G4 S1", "M107"))
HOMING = Macro(("G28",), moves=True)
PURGE = Macro(("G28", "G1 X20 E5 F300"), moves=True, prints=True)
WARM = Macro(("M104 S200",), hotend=200)
HOURLY = "0 * * * *"
DUE = START + timedelta(minutes=18)


def a_schedule(macro: Macro | None = FAN, **changes: Any) -> AddSchedule:
    """Ana's, on the stack of all printers, every hour."""
    params = {"gcode": list(macro.lines)} if macro is not None else {}
    asked = AddSchedule(
        ANA.member_id,
        1,
        1,
        "fan",
        ScheduleType.GCODE_MACRO,
        cron=HOURLY,
        params=params,
        macro=macro,
        next_at=DUE,
    )
    return replace(asked, **changes)


def an_upload(printer_id: int = 1, **changes: Any) -> AddTask:
    """Ben's file of 1000 bytes for a printer's own storage."""
    arguments = {
        "printer_id": printer_id, "printer": "mk3", "file_id": "f", "sha256": "ab" * 32, "size": 1000,
        "name": "part.gcode",
    }  # fmt: skip
    return replace(AddTask(BEN.member_id, 1, TaskKind.PRINTER_UPLOAD, "up", arguments=arguments), **changes)


class WorkTable(Table):
    """A table with words for tasks and runs; it remembers what is over."""

    def __init__(self, state: State | None = None) -> None:
        super().__init__(state)
        self.works: dict[int, Task | Action] = {}

    def give(self, given: Input) -> object:
        """As the engine does."""
        result = super().give(given)
        self._note()
        return result

    def _note(self) -> None:
        self.works.update(self.draft.task_rows)
        self.works.update(self.draft.action_rows)

    def schedule(self, asked: AddSchedule) -> Schedule:
        """Make one."""
        made = self.give(asked)
        assert isinstance(made, Schedule)
        return made

    def run(self, schedule: Schedule, **given: Any) -> Action:
        """Run it by hand; the run as it is after what was due at once."""
        action = self.give(RunSchedule(schedule.schedule_id, BEN.member_id, **given))
        assert isinstance(action, Action)
        return self.action(action.work_id)

    def due(self, schedule: Schedule, at: datetime, then: datetime | None = None) -> object:
        """The clock says so."""
        return self.give(ScheduleDue(schedule.schedule_id, at, then or at + timedelta(hours=1)))

    def task(self, asked: AddTask) -> Task:
        """Create one."""
        made = self.give(asked)
        assert isinstance(made, Task)
        return self.task_now(made.work_id)

    def task_now(self, work_id: int) -> Task:
        """The task, also when it has just ended."""
        known = self.state.tasks.get(work_id) or self.works.get(work_id)
        assert isinstance(known, Task), f"no task {work_id}"
        return known

    def action(self, work_id: int) -> Action:
        """The run, also when it has just ended."""
        known = self.state.actions.get(work_id) or self.works.get(work_id)
        assert isinstance(known, Action), f"no run {work_id}"
        return known

    def step(self, action: Action, printer_id: int = 1) -> Step:
        """The part of one printer."""
        steps = self.action(action.work_id).steps
        return next(step for step in steps if step.printer_id == printer_id)

    def answer(self, result: OrderResult, message: str | None = None, *, printer: str = "mk3") -> None:
        """What the driver says of the last macro, or upload, that it was given."""
        mine = [o for o in self.orders if isinstance(o, SendGcode | UploadFile) and o.printer == printer]
        self.give(OrderAnswered(printer, mine[-1].order_id, result, message))

    def restart(self) -> None:
        """The process ends, and another one reads what is not over; printers are as they were."""
        self.draft = self._new()
        begin(self.draft)
        self.draft.apply()
        self._note()

    @property
    def macros(self) -> list[SendGcode]:
        """Sent so far."""
        return [order for order in self.orders if isinstance(order, SendGcode)]

    @property
    def uploads(self) -> list[UploadFile]:
        """Ordered so far."""
        return [order for order in self.orders if isinstance(order, UploadFile)]

    @property
    def starts(self) -> list[StartPrint]:
        """Ordered so far."""
        return [order for order in self.orders if isinstance(order, StartPrint)]

    def pass_time(self, seconds: float) -> None:
        """Time passes, and the engine looks at what is due by it."""
        self.clock.advance(seconds)
        self.look()

    def look(self) -> None:
        """A turn of the engine without any input."""
        self.draft = self._new()
        start_due(self.draft)
        self.orders += self.draft.orders
        self.draft.apply()
        self._note()
