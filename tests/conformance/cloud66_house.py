"""The house in which the cases of `cloud66/` are asked: stacks, schedules, and runs in every state.

ana    owns the printer mk3; her e-mail address is the one of the documentation's example
ben    a colleague without an e-mail address
eve    of another organization, with a printer, a stack and a schedule of her own
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from gateway.domain.member import Scope
from gateway.domain.printer import Plate
from gateway.domain.schedule import (
    Action,
    Macro,
    RunState,
    Schedule,
    ScheduleStatus,
    ScheduleType,
    Stack,
    StartedVia,
)
from gateway.domain.state import Draft
from tests.api.host import EVE, Host
from tests.support.stand import ANA, BEN, START

#: Of the documentation's examples.
STACK: Final = "5999b763474b0eafa5fafb64bff0ba80"
STACK_NUMBER: Final = 1602
JOB: Final = "98ee5a9b93919d9b63bd5377636675bd"
ACTION: Final = 2593
JOB_AT: Final = datetime(2016, 2, 1, 13, 37, 7, tzinfo=UTC)
EMAIL: Final = "test@example.com"

PEOPLE: Final = {"ana": replace(ANA, email=EMAIL), "ben": BEN, "eve": EVE}
#: Schedules of the list that has three pages.
MANY: Final = 61


def hex_id(number: int) -> str:
    """Ids that a reader can tell apart."""
    return f"{number:032x}"


def a_stack(number: int, name: str, organization_id: int = 1, stack_id: str | None = None) -> Stack:
    return Stack(number, stack_id or hex_id(number), organization_id, name, START)


def a_schedule(number: int, name: str, stack: int, **changes: object) -> Schedule:
    """A macro of ana's that warms the hotend up."""
    schedule = Schedule(
        schedule_id=hex_id(number), stack_number=stack, organization_id=1, member_id=ANA.member_id, name=name,
        type=ScheduleType.GCODE_MACRO, created_at=START + timedelta(seconds=number), updated_at=START,
        params={"gcode": ["M104 S60"]}, macro=Macro(("M104 S60",), hotend=60.0),
    )  # fmt: skip
    return replace(schedule, **changes)  # type: ignore[arg-type]


#: The schedule of the example, but for its type: its macro wants one argument.
RAKE: Final = a_schedule(
    0, "rake_test", STACK_NUMBER, schedule_id=JOB, created_at=JOB_AT, updated_at=JOB_AT,
    status=ScheduleStatus.SUCCESS, params={"gcode": ["M117 {1}"]}, macro=None,
)  # fmt: skip
WARM_UP: Final = a_schedule(11, "warm up", STACK_NUMBER, cron="30 6 * * 1-5")
OILING: Final = a_schedule(
    12, "oiling", STACK_NUMBER, type=ScheduleType.MAINTENANCE, params={"note": "oil the rods"}, macro=None
)
PAUSED: Final = a_schedule(
    13, "paused", STACK_NUMBER, is_paused=True, params={"gcode": ["M104 S61"]}, macro=Macro(("M104 S61",))
)
#: Its nine arguments take as many characters as may be.
NINE: Final = a_schedule(
    15, "nine", STACK_NUMBER, params={"gcode": [f"M117 {{{n}}}" for n in range(1, 10)]}, macro=None
)
WORDS: Final = ("w" * 31, *["w" * 27] * 8)
THEIRS: Final = a_schedule(14, "theirs", 3, organization_id=2, member_id=EVE.member_id)


def a_run(number: int, **changes: object) -> Action:
    """A run of `warm up` that ana asked for, a minute long."""
    action = Action(
        work_id=0, action_id=f"00000000-0000-4000-a000-0000000000{number:02x}",
        schedule_id=WARM_UP.schedule_id, stack_number=STACK_NUMBER, organization_id=1,
        member_id=ANA.member_id, name="warm up", type=ScheduleType.GCODE_MACRO, started_via=StartedVia.API,
        created_at=START, state=RunState.SUCCEEDED, started_at=START, ended_at=START + timedelta(minutes=1),
        message="done on 1 of 1 printer",
    )  # fmt: skip
    return replace(action, **changes)  # type: ignore[arg-type]


RUNS: Final = {
    "done": a_run(1),
    "failed": a_run(
        2, state=RunState.FAILED, message="look at the machine", member_id=BEN.member_id,
        started_via=StartedVia.SCHEDULE, due_at=START,
    ),
    "canceled": a_run(3, state=RunState.CANCELED, message="canceled"),
}  # fmt: skip


async def furnish(host: Host) -> dict[str, str]:
    """Build the house; the names under which the cases know what is in it."""
    numbers: dict[str, str] = {}

    def add(draft: Draft) -> None:
        draft.members[ANA.member_id] = PEOPLE["ana"]
        draft.put_printer(replace(draft.printers[1], plate=Plate.CLEAR))
        draft.put_stack(a_stack(STACK_NUMBER, "the printers", stack_id=STACK))
        draft.put_stack(a_stack(1603, "nothing yet"))
        draft.put_stack(a_stack(1604, "much"))
        draft.put_stack(a_stack(3, "hers", 2))
        for schedule in (RAKE, WARM_UP, OILING, PAUSED, NINE, THEIRS):
            draft.put_schedule(schedule)
        for number in range(MANY):
            draft.put_schedule(a_schedule(100 + number, f"number {number}", 1604))
        for name, run in RUNS.items():
            work_id = draft.next_work_id()
            draft.add_action(replace(run, work_id=work_id))
            numbers[name] = str(work_id)
        draft.last_work_id = ACTION - 1

    await host.change(add)
    return numbers | {
        "stack": STACK, "empty": hex_id(1603), "long": hex_id(1604), "theirs": hex_id(3), "rake": JOB,
        "macro": WARM_UP.schedule_id, "maintenance": OILING.schedule_id, "paused": PAUSED.schedule_id,
        "their_job": THEIRS.schedule_id, "nine": NINE.schedule_id,
        "255": " ".join(WORDS), "w31": WORDS[0], "w27": WORDS[1],
    }  # fmt: skip


async def headers_of(host: Host, who: str, scopes: list[str] | None = None) -> dict[str, str]:
    """What somebody shows: a key with the scope `public` unless another is named."""
    if who == "nobody":
        return {}
    if who == "stranger":
        return {"Authorization": "Bearer gwk_nobodyknows_thiskeyatallthiskeyatallthiskeyatall"}
    return await host.bearer(PEOPLE[who], *(Scope(scope) for scope in scopes or ["public"]))
