"""A store with 100,000 finished tasks of one organization, a few prints, and one stack with its schedules.

Written straight into the tables, like the jobs in `http_store`; valid by every constraint.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert

from gateway.auth.keys import make_key
from gateway.domain.member import Member, Scope
from gateway.domain.schedule import Schedule, ScheduleType, Stack
from gateway.domain.task import Task, TaskKind, TaskStatus
from gateway.store import rows, work_rows
from gateway.store.database import Database
from gateway.store.load import last_work_id
from gateway.store.row_sets import add_to_counts
from gateway.store.schema import api_key, member, work
from gateway.store.schema_work import TASKS as COUNTED_TASKS
from gateway.store.schema_work import schedule, stack, task, task_total, work_block
from gateway.store.work_commit import Blocks, count_in_block
from tests.benchmarks.http_store import BEGAN, fill

TASKS: Final = 100_000
#: Prints beside them, in the same list.
JOBS: Final = 2_000
SCHEDULES: Final = 30
STACK_ID: Final = "5" * 32
#: How long ago they ended: within the week that they are kept, or beyond it.
KEPT, EXPIRED = timedelta(days=1), timedelta(days=9)
_ADMIN: Final = Member("MEMBERADMIN00", "head", 1, is_admin=True, created_at=BEGAN)
_KINDS: Final = (TaskKind.FILE_IMPORT, TaskKind.HISTORY_EXPORT, TaskKind.PRINTER_UPLOAD)
_BATCH: Final = 5000


def fill_tasks(path: Path, tasks: int = TASKS, ago: timedelta = KEPT) -> str:
    """Make the database at `path`; a key of the organization's administrator, with the scopes of all APIs."""
    fill(path, min(JOBS, tasks))
    database = Database(f"sqlite:///{path}")
    scopes = frozenset(Scope) - {Scope.ADMIN}
    made = make_key(_ADMIN.member_id, "benchmark", scopes, BEGAN)

    def unit(connection: Any) -> None:
        connection.execute(insert(member), [rows.member_values(_ADMIN)])
        connection.execute(insert(api_key), [rows.key_values(made.key)])
        blocks: Blocks = Counter()
        totals: Counter[tuple[str, int, str, str, str]] = Counter()
        coming = _tasks(tasks, last_work_id(connection) + 1, datetime.now(UTC) - ago)
        while some := list(islice(coming, _BATCH)):
            connection.execute(insert(work), [_work_values(given) for given in some])
            connection.execute(insert(task), [work_rows.task_values(given) for given in some])
            for given in some:
                count_in_block(blocks, given.work_id, given.organization_id, COUNTED_TASKS, 1)
                app_id, kind, status = given.app_id or "", given.kind.value, given.status.value
                totals[given.member_id, given.organization_id, app_id, kind, status] += 1
        add_to_counts(connection, work_block, blocks)
        add_to_counts(connection, task_total, totals)
        connection.execute(insert(stack), [work_rows.stack_values(Stack(1, STACK_ID, 1, "room", BEGAN))])
        connection.execute(insert(schedule), [work_rows.schedule_values(given) for given in _schedules()])

    try:
        database._write(unit, True)
    finally:
        database.close()
    return made.token


def _work_values(given: Task) -> dict[str, Any]:
    return work_rows.work_values(given, given.hex24, f"{given.work_id:032x}")


def _tasks(number: int, first: int, ended: datetime) -> Iterator[Task]:
    chance = random.Random(9)
    for index in range(number):
        is_failed = chance.random() < 0.1
        at = ended + timedelta(milliseconds=index)
        yield Task(
            work_id=first + index,
            task_id=str(UUID(int=chance.getrandbits(128), version=4)),
            hex24=f"{first + index:024x}",
            kind=chance.choice(_KINDS),
            name=f"part-{chance.randrange(400)}.gcode",
            member_id=_ADMIN.member_id,
            organization_id=1,
            created_at=at - timedelta(minutes=2),
            app_id="benchmark",
            status=TaskStatus.FAILED if is_failed else TaskStatus.DONE,
            tries=1,
            started_at=at - timedelta(minutes=1),
            ended_at=at,
            updated_at=at,
            progress_value=chance.randrange(10**6),
            progress_total=10**6,
            result=None if is_failed else {"rows": chance.randrange(900)},
            error="the address does not answer" if is_failed else None,
            version=4,
        )


def _schedules() -> Iterator[Schedule]:
    for number in range(SCHEDULES):
        yield Schedule(
            f"{number:032x}", 1, 1, _ADMIN.member_id, f"wipe {number}", ScheduleType.MAINTENANCE, BEGAN,
            BEGAN, cron="0 4 * * *", params={"gcode": "G28", "note": "every night"},
        )  # fmt: skip
