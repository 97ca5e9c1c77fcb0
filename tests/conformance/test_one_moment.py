"""A print, a task and a run of a schedule, seen in the same moment through every dialect.

    Forge       the print                 GreenArrow   the print and the task, in one list
    Conversio   the task                  Cloud 66     the schedule and its run

The native API shows all three, and is what the others are held against.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.domain.job import JobStatus
from gateway.domain.member import Scope
from gateway.domain.observations import OrderAnswered, OrderResult, PrintPhase
from gateway.domain.orders import SendGcode
from gateway.domain.schedule import Action, Macro, Schedule, ScheduleType, Stack
from gateway.domain.schedule_commands import AddSchedule, AddStack, RunSchedule
from gateway.domain.state import Draft
from gateway.domain.task import Task, TaskKind
from gateway.domain.task_commands import AddTask, BeginTask, FailTask, FinishTask, NoteProgress
from tests.api.host import Host, a_job
from tests.conformance.greenarrow_house import OLGA, basic
from tests.support.stand import BEN, START, printer, report, seen

#: Bytes of the print's file, and how many of them its machine has.
SIZE, TAKEN = 30, 12


@dataclass
class Seen:
    """What every dialect says, by its own names."""

    forge: dict[str, Any]
    greenarrow_print: dict[str, Any]
    greenarrow_task: dict[str, Any]
    conversio: dict[str, Any]
    cloud66_job: dict[str, Any]
    cloud66_action: dict[str, Any]
    native_job: dict[str, Any]
    native_task: dict[str, Any]
    native_action: dict[str, Any]

    @property
    def unfinished(self) -> set[str]:
        """Which of them say that something may still happen."""
        said = {
            "forge": self.forge["job_status"]["job_status"] in ("printing", "paused"),
            "greenarrow print": self.greenarrow_print["state"] in ("pending", "active", "paused"),
            "greenarrow task": self.greenarrow_task["state"] in ("pending", "active", "paused"),
            "conversio": self.conversio["status"] == "pending",
            "cloud66 job": self.cloud66_job["status"] == 1,
            "cloud66 action": self.cloud66_action["finished_at"] is None,
            "native job": self.native_job["ended_at"] is None,
            "native task": self.native_task["ended_at"] is None,
            "native action": self.native_action["ended_at"] is None,
        }
        return {name for name, is_open in said.items() if is_open}


ALL: Final = {
    "forge", "greenarrow print", "greenarrow task", "conversio", "cloud66 job", "cloud66 action",
    "native job", "native task", "native action",
}  # fmt: skip


class Moment:
    """Ben prints on mk3, exports his history, and has a macro run on the spare printer."""

    def __init__(self, host: Host) -> None:
        self.host = host

    async def begin(self) -> None:
        """All three are under way."""
        host = self.host
        await host.change(_add_olga)
        await host.put_printers(printer(3, "spare"))
        on = {"status": JobStatus.PRINTING, "started_at": START, "print_key": "m", "file_size": SIZE}
        await host.put_jobs(a_job(position=TAKEN, **on))
        await self._printer_says(PrintPhase.PRINTING)
        self.task: Task = await self._do(
            AddTask(BEN.member_id, 1, TaskKind.HISTORY_EXPORT, "history", app_id="app")
        )
        await self._do(BeginTask(self.task.work_id))
        await self._do(NoteProgress(self.task.work_id, 1, 7, 20))
        self.stack: Stack = await self._do(AddStack(BEN.member_id, 1, "spares", (3,)))
        self.schedule: Schedule = await self._do(
            AddSchedule(
                BEN.member_id, 1, self.stack.number, "purge", ScheduleType.GCODE_MACRO,
                params={"gcode": ["M300"]}, macro=Macro(("M300",)),
            )
        )  # fmt: skip
        self.action: Action = await self._do(RunSchedule(self.schedule.schedule_id, BEN.member_id))

    async def end(self, result: OrderResult, phase: PrintPhase, *, is_task_done: bool) -> None:
        """All three are over."""
        (order,) = self.host.drivers.of(SendGcode)
        self.host.engine.observe(OrderAnswered("spare", order.order_id, result))
        await self._printer_says(phase)
        finished = FinishTask(self.task.work_id, 1, result={"rows": 20})
        failed = FailTask(self.task.work_id, 1, "the disk is full", is_passing=False)
        await self._do(finished if is_task_done else failed)

    async def look(self) -> Seen:
        """Ask all of them."""
        host, stack = self.host, self.stack.stack_id
        ben, olga = await host.bearer(BEN), await host.bearer(OLGA)
        token = olga["Authorization"].removeprefix("Bearer ")
        public = await host.bearer(BEN, Scope.PUBLIC)
        rows = (await self._get("/ga/api/v2/jobs/all", basic(token)))["data"]
        (forge,) = (await self._get("/ps/v1/print/jobs", ben))["jobs"]
        (conversio,) = (await self._get("/api/v1/async-jobs", {"X-ApiKey": token}))["data"]
        (job,) = (await self._get(f"/stacks/{stack}/jobs", public))["response"]
        action = await self._get(f"/stacks/{stack}/actions/{self.action.work_id}", public)
        (native_job,) = (await self._get("/gateway/v1/jobs", ben))["jobs"]
        return Seen(
            forge=forge,
            greenarrow_print=next(row for row in rows if row["job_type"] == "PrintJob"),
            greenarrow_task=next(row for row in rows if row["job_type"] == "HistoryExport"),
            conversio=conversio,
            cloud66_job=job,
            cloud66_action=action["response"],
            native_job=native_job,
            native_task=await self._get(f"/gateway/v1/tasks/{self.task.task_id}", ben),
            native_action=await self._get(f"/gateway/v1/actions/{self.action.action_id}", ben),
        )

    async def _get(self, path: str, headers: dict[str, str]) -> dict[str, Any]:
        async with self.host.client.get(path, headers=headers) as response:
            assert response.status == 200, (path, await response.text())
            body: dict[str, Any] = await response.json()
            return body

    async def _do(self, command: Any) -> Any:
        return await self.host.engine.execute(command)

    async def _printer_says(self, phase: PrintPhase) -> None:
        said = report("m", phase, position=TAKEN, size=SIZE)
        await self.host.observe(seen(ended=(said,)) if phase.is_end else seen(said))


def _add_olga(draft: Draft) -> None:
    """The organization's administrator."""
    draft.members[OLGA.member_id] = OLGA
    draft.member_rows.append(OLGA)


@pytest.fixture
async def moment(tmp_path: Path) -> AsyncIterator[Moment]:
    async with Host(tmp_path) as host:
        made = Moment(host)
        await made.begin()
        yield made


async def test_while_all_is_under_way_every_dialect_says_so(moment: Moment) -> None:
    said = await moment.look()
    assert said.unfinished == ALL
    # one print: its ids, its name and how far it is
    assert said.forge["job_id"] == said.native_job["id"]
    assert said.greenarrow_print["id"] == said.native_job["number"]
    assert said.forge["job_name"] == said.greenarrow_print["name"] == said.native_job["name"]
    assert (said.greenarrow_print["progress_value"], said.greenarrow_print["progress_total"]) == (TAKEN, SIZE)
    # one task
    assert said.conversio["id"] == said.native_task["async_job_id"]
    assert said.greenarrow_task["id"] == said.native_task["number"]
    assert said.conversio["kind"] == said.native_task["kind"]
    progress = {
        "value": said.greenarrow_task["progress_value"], "total": said.greenarrow_task["progress_total"]
    }  # fmt: skip
    assert progress == said.native_task["progress"] == {"value": 7, "total": 20}
    assert said.conversio["partnerApp"] == said.native_task["app_id"] == "app"
    # one run
    assert said.cloud66_job["uid"] == said.native_action["schedule_id"]
    assert said.cloud66_action["id"] == said.native_action["number"]
    assert said.cloud66_action["finished_success"] is None


async def test_they_agree_on_what_went_well(moment: Moment) -> None:
    moment.host.clock.advance(5.0)
    await moment.end(OrderResult.ACCEPTED, PrintPhase.COMPLETED, is_task_done=True)
    said = await moment.look()
    assert said.unfinished == set()
    assert said.forge["job_status"]["job_status"] == "completed"
    assert said.greenarrow_print["state"] == said.greenarrow_task["state"] == "finished"
    assert said.conversio["status"] == "done"
    assert said.conversio["result"] == '{"rows":20}'
    assert said.cloud66_job["status"] == 2
    assert said.cloud66_action["finished_success"] is True
    ends = {
        said.greenarrow_print["finished_at"], said.greenarrow_task["finished_at"],
        said.cloud66_action["finished_at"], said.conversio["completedAt"][:19] + "Z",
    }  # fmt: skip
    assert len(ends) == 1  # the clock stood still while it ended


async def test_they_agree_on_what_went_wrong(moment: Moment) -> None:
    await moment.end(OrderResult.UNCLEAR, PrintPhase.FAILED, is_task_done=False)
    said = await moment.look()
    assert said.unfinished == set()
    assert said.forge["job_status"]["job_status"] == "failed"
    assert said.greenarrow_print["state"] == said.greenarrow_task["state"] == "failed"
    assert (said.conversio["status"], said.conversio["error"]) == ("failed", "the disk is full")
    assert said.cloud66_job["status"] == 3
    assert said.cloud66_action["finished_success"] is False
    assert "look at the machine" in said.cloud66_action["finished_message"]
