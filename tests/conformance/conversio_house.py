"""The house in which the statements of `conversio/` are tried: a task in every standing.

ben    of organization 1; nearly everything is his
ana    of organization 1; has one task
olga   administers organization 1
eve    of organization 2; has one task
root   a key of ben's with the scope admin

Two apps, `reports` and `mailer`, act for members with read_async_jobs.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from gateway.auth.keys import hash_of
from gateway.auth.tokens import ACCESS_PREFIX, make_secret
from gateway.domain.commands import RevokeKey
from gateway.domain.grant import App
from gateway.domain.grant_commands import AddApp, IssueToken
from gateway.domain.member import Member, Scope
from gateway.domain.state import Draft
from gateway.domain.task import TASK_KEPT, Task, TaskFile, TaskKind, TaskStatus
from tests.api.host import EVE, Host
from tests.support.stand import ANA, BEN, START

OLGA: Final = Member("OLGAOLGAOLGA0", "olga", 1, is_admin=True, created_at=START)
PEOPLE: Final = {"ben": BEN, "ana": ANA, "olga": OLGA, "eve": EVE}
APPS: Final = ("reports", "mailer")
ENDED: Final = START - timedelta(days=1, milliseconds=250)
CSV: Final = b"number,name\r\n1,part\r\n"


async def furnish(host: Host) -> dict[str, str]:
    """Build the house; the public id of each task by its name."""
    await host.change(_add_people)
    for app_id in APPS:
        scopes = frozenset({Scope.DATA_READ, Scope.READ_ASYNC_JOBS})
        await host.engine.execute(AddApp(App(app_id, app_id, ANA.member_id, (), scopes, START)))
    gone_key = (await host.token(BEN))[4:16]
    await host.engine.execute(RevokeKey(gone_key))
    return await put_tasks(host, tasks(await put_content(host), gone_key))


def tasks(file: TaskFile, gone_key: str) -> dict[str, Task]:
    """Everything in the house, by the names that the statements use, oldest first."""
    soon = START + timedelta(hours=1)
    over: dict[str, Any] = {"started_at": ENDED - timedelta(minutes=2), "ended_at": ENDED}
    done: dict[str, Any] = {"status": TaskStatus.DONE, **over}
    gone = {**done, "ended_at": START - TASK_KEPT}
    eves = {"member_id": EVE.member_id, "organization_id": EVE.organization_id}
    return {
        "gone": a_task(file=file, **gone),
        "scheduled": a_task(begins_at=soon),
        "paused": a_task(is_paused=True),
        "retrying": a_task(tries=1, started_at=ENDED, retry_at=soon),
        "waiting": a_task(kind=TaskKind.FILE_IMPORT),
        "running": a_task(status=TaskStatus.RUNNING, tries=1, started_at=ENDED),
        "exported": a_task(file=file, **done),
        "counted": a_task(kind=TaskKind.FILE_IMPORT, result={"layers": 12, "name": "Würfel"}, **done),
        "failed": a_task(status=TaskStatus.FAILED, error="the disk is full", **over),
        "canceled": a_task(status=TaskStatus.CANCELED, ended_at=ENDED),
        "of-app": a_task(app_id="reports", file=file, **done),
        "of-gone-key": a_task(app_id=gone_key, file=file, **done),
        "of-other-app": a_task(app_id="mailer", status=TaskStatus.RUNNING, started_at=ENDED),
        "anas": a_task(member_id=ANA.member_id),
        "eves": a_task(**eves),
        "backup": a_task(kind=TaskKind.BACKUP, file=replace(file, name="backup.tar.gz"), **done),
    }


def a_task(**changes: Any) -> Task:
    """A history export of Ben's that waits."""
    task = Task(
        work_id=0, task_id="", hex24="", kind=TaskKind.HISTORY_EXPORT, name="history export",
        created_at=ENDED, member_id=BEN.member_id, organization_id=1,
    )  # fmt: skip
    return replace(task, **changes)


async def put_content(host: Host, content: bytes = CSV) -> TaskFile:
    """A result's file."""
    upload = await host.files.begin()
    await upload.write(content)
    sha256, size = await upload.finish()
    return TaskFile(sha256, "history.csv", size, "text/csv")


async def put_tasks(host: Host, found: dict[str, Task]) -> dict[str, str]:
    """Store tasks as they are, in this order; an id of 24 hex digits is made where there is none."""
    ids: dict[str, str] = {}

    def add(draft: Draft) -> None:
        for name, task in found.items():
            ids[name] = task.hex24 or host.ids.hex(24)
            number = draft.next_work_id()
            draft.add_task(replace(task, work_id=number, task_id=host.ids.uuid(), hex24=ids[name]))

    await host.change(add)
    return ids


def _add_people(draft: Draft) -> None:
    draft.members[OLGA.member_id] = OLGA
    draft.member_rows.append(OLGA)


async def headers_of(host: Host, who: str) -> dict[str, str]:
    """How somebody shows who they are."""
    if who.startswith("app "):
        _, app_id, _, member = who.split()
        if member == "scope":
            return await app_token(host, "reports", BEN, Scope.DATA_READ)
        return await app_token(host, app_id, PEOPLE[member], Scope.READ_ASYNC_JOBS)
    good = await key(host, BEN)
    wrong = good[:-4] + ("aaaa" if good[-4:] != "aaaa" else "bbbb")
    if who == "wrong key beside a good bearer":
        return {"X-ApiKey": wrong, **await app_token(host, "reports", BEN, Scope.READ_ASYNC_JOBS)}
    if who == "an access token as key":
        bearer = await app_token(host, "reports", BEN, Scope.READ_ASYNC_JOBS)
        return {"X-ApiKey": bearer["Authorization"].removeprefix("Bearer ")}
    if who == "revoked":
        token = await host.token(OLGA)
        await host.engine.execute(RevokeKey(token[4:16]))
        return {"X-ApiKey": token}
    shown = {
        "wrong key": wrong,
        "root": await key(host, BEN, *Scope),
        "key of another scope": await key(host, BEN, Scope.PUBLIC),
        "ben by read_async_jobs": await key(host, BEN, Scope.READ_ASYNC_JOBS),
    }
    if who == "nobody":
        return {}
    return {"X-ApiKey": shown[who] if who in shown else await key(host, PEOPLE[who])}


async def key(host: Host, member: Member, *scopes: Scope) -> str:
    """A (kept) key of a member."""
    return (await host.bearer(member, *scopes))["Authorization"].removeprefix("Bearer ")


async def app_token(host: Host, app_id: str, member: Member, *scopes: Scope) -> dict[str, str]:
    """The header of an app that acts for a member."""
    token = make_secret(ACCESS_PREFIX)
    command = IssueToken(app_id, member.member_id, host.ids.uuid(), frozenset(scopes), hash_of(token))
    await host.engine.execute(command)
    return {"Authorization": f"Bearer {token}"}
