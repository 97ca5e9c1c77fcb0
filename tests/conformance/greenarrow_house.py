"""The house in which the cases of `greenarrow/` are asked: a print in every status, a task in every standing.

ben    of organization 1; nearly everything is his
ana    of organization 1; has one print
olga   administers organization 1
eve    of organization 2, with a print and a task of her own
otto   administers organization 2
root   a key of ben's with the scope admin: a system administrator
"""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from gateway.domain.commands import RevokeKey
from gateway.domain.job import Job, JobStatus, Reason
from gateway.domain.member import Member, Scope
from gateway.domain.state import Draft
from gateway.domain.task import Task, TaskKind, TaskStatus
from tests.api.host import EVE, Host, a_job
from tests.support.stand import ANA, BEN, START, printer

OLGA: Final = Member("OLGAOLGAOLGA0", "olga", 1, is_admin=True, created_at=START)
OTTO: Final = Member("OTTOOTTOOTTO0", "otto", 2, is_admin=True, created_at=START)
PEOPLE: Final = {"ben": BEN, "ana": ANA, "olga": OLGA, "eve": EVE, "otto": OTTO}

#: Printers of organization 1 that have a print.
BUSY: Final = tuple(printer(number, f"busy{number}") for number in (11, 12, 13, 14))
#: An upload to one of them, which waits.
UPLOAD: Final = {
    "printer_id": 13, "printer": "busy13", "file_id": "00000000-0000-4000-8000-00000000000f",
    "sha256": "ab" * 32, "size": 30, "name": "part.gcode",
}  # fmt: skip
#: Times of works: one begins at BEGINS, one ended at ENDED, and so on.
BEGINS: Final = START + timedelta(hours=2)
ENDED: Final = START + timedelta(minutes=30, milliseconds=250)


def works() -> dict[str, Job | Task]:
    """Everything in the house, by the names that the cases use, oldest first."""
    over = {"started_at": START, "ended_at": ENDED, "status_at": ENDED}
    on = {"started_at": START, "print_key": "m", "position": 12}
    return {
        "created": a_print(JobStatus.CREATED, printer_id=None, file_size=None),
        "unscheduled": a_print(JobStatus.UNSCHEDULED, printer_id=None),
        "queued": a_print(JobStatus.QUEUED),
        "sent": a_print(JobStatus.SENT, Reason.HOLD, printer_id=11, print_key="s"),
        "received": a_print(JobStatus.RECEIVED, printer_id=12, print_key="r"),
        "printing": a_print(JobStatus.PRINTING, Reason.PRINTING, printer_id=13, progress=0.4, **on),
        "paused": a_print(JobStatus.PAUSED, Reason.SUSPENDED_BY_OPERATOR, printer_id=14, **on),
        "completed": a_print(JobStatus.COMPLETED, Reason.COMPLETED_SUCCESSFULLY, **over),
        "failed": a_print(JobStatus.FAILED, Reason.ABORTED_BY_SYSTEM, message="thermal runaway", **over),
        "canceled": a_print(JobStatus.CANCELED, Reason.CANCELED_BY_USER, **over),
        "task-scheduled": a_task(kind=TaskKind.FILE_IMPORT, begins_at=BEGINS),
        "task-paused": a_task(is_paused=True),
        "task-retrying": a_task(tries=1, started_at=START, retry_at=START + timedelta(seconds=10)),
        "task-pending": a_task(kind=TaskKind.PRINTER_UPLOAD, arguments=UPLOAD),
        "task-running": a_task(status=TaskStatus.RUNNING, tries=1, started_at=START),
        "task-done": a_task(status=TaskStatus.DONE, tries=1, progress_value=7, progress_total=7, **_ended()),
        "task-failed": a_task(status=TaskStatus.FAILED, tries=5, error="the disk is full", **_ended()),
        "task-canceled": a_task(status=TaskStatus.CANCELED, ended_at=ENDED, updated_at=ENDED),
        "task-backup": a_task(kind=TaskKind.BACKUP, status=TaskStatus.DONE, **_ended()),
        "anas": replace(a_print(JobStatus.CREATED, printer_id=None), member_id=ANA.member_id),
        "eves": replace(a_print(JobStatus.CREATED, printer_id=None), **_of(EVE)),
        "eves-task": replace(a_task(status=TaskStatus.DONE, **_ended()), **_of(EVE)),
    }


def a_print(status: JobStatus, *reasons: Reason, **changes: Any) -> Job:
    """A print of Ben's."""
    return a_job(status.value, status=status, reasons=frozenset(reasons), **changes)


def a_task(**changes: Any) -> Task:
    """A history export of Ben's that waits."""
    task = Task(
        work_id=0, task_id="", hex24="", kind=TaskKind.HISTORY_EXPORT, name="history", created_at=START,
        member_id=BEN.member_id, organization_id=1,
    )  # fmt: skip
    return replace(task, **changes)


def _ended() -> dict[str, Any]:
    return {"started_at": START, "ended_at": ENDED, "updated_at": ENDED}


def _of(member: Member) -> dict[str, Any]:
    return {"member_id": member.member_id, "organization_id": member.organization_id}


async def furnish(host: Host) -> dict[str, int]:
    """Build the house; the id of each work by its name."""
    await host.change(_add_people)
    await host.put_printers(*BUSY)
    return await put_works(host, works())


async def put_works(host: Host, found: dict[str, Job | Task]) -> dict[str, int]:
    """Store works as they are, in this order; their ids."""
    numbers: dict[str, int] = {}

    def add(draft: Draft) -> None:
        for name, work in found.items():
            numbers[name] = number = draft.next_work_id()
            if isinstance(work, Task):
                draft.add_task(replace(work, work_id=number, task_id=host.ids.uuid(), hex24=host.ids.hex(24)))
                continue
            ordinal = draft.member_jobs.get(work.member_id, 0)
            draft.add_job(replace(work, work_id=number, job_id=host.ids.uuid(), member_ordinal=ordinal))

    await host.change(add)
    return numbers


def _add_people(draft: Draft) -> None:
    for member in (OLGA, OTTO):
        draft.members[member.member_id] = member
        draft.member_rows.append(member)


async def headers_of(host: Host, who: str) -> dict[str, str]:
    """How somebody shows who they are."""
    if who == "nobody":
        return {}
    if who == "root":
        return basic(await _token(host, BEN, *Scope))
    if who == "root by organization":
        return basic(await _token(host, BEN, *Scope), "1")
    if who == "root by secret":
        token = await _token(host, BEN, *Scope)
        return _header(token[4:16], token[17:])
    if who == "root by bearer":
        return {"Authorization": f"Bearer {await _token(host, BEN, *Scope)}"}
    if who == "wrong organization":
        return basic(await _token(host, BEN, *Scope), "2")
    if who == "wrong key":
        token = await _token(host, BEN, *Scope)
        return basic(token[:-4] + ("aaaa" if token[-4:] != "aaaa" else "bbbb"))
    if who == "revoked":
        token = await host.token(OLGA)
        await host.engine.execute(RevokeKey(token[4:16]))
        return basic(token)
    if who == "the example's":
        return {"Authorization": "Basic MTo1ZTk2NDY1Yzg4M2YzMzA5ZjAxMDVhMmUxMDc2NjMyYjY4N2U2MWQy"}
    if who == "not base64":
        return {"Authorization": "Basic !!!"}
    if who == "public only":
        return basic(await _token(host, OLGA, Scope.PUBLIC))
    return basic(await _token(host, PEOPLE[who]))


async def _token(host: Host, member: Member, *scopes: Scope) -> str:
    return (await host.bearer(member, *scopes))["Authorization"].removeprefix("Bearer ")


def basic(token: str, name: str | None = None) -> dict[str, str]:
    """The header of a key (`gwk_<id>_<secret>`); its name is the key's id if none is given."""
    return _header(token[4:16] if name is None else name, token)


def _header(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}
