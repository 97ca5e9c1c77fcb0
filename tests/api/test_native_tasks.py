"""Tasks over the native API: created, looked at, paused, resumed, canceled; what each kind takes."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from gateway.domain.commands import AddFile
from gateway.domain.member import Member, Scope
from gateway.domain.task import TASK_KEPT
from gateway.domain.task_commands import BeginTask, FailTask, FinishTask, NoteProgress
from tests.api.host import EVE, PUBLIC_URL, Host
from tests.conformance.conversio_house import CSV, OLGA, furnish, put_content
from tests.support.stand import ANA, BEN, START

TASKS = "/gateway/v1/tasks"
ADMIN = tuple(Scope)
EXPORT: dict[str, Any] = {"kind": "history-export"}


async def ask(
    host: Host, method: str, path: str = "", who: Member = BEN, *scopes: Scope, **options: Any
) -> tuple[int, Any]:
    headers = {**await host.bearer(who, *scopes), **options.pop("headers", {})}
    async with host.client.request(method, TASKS + path, headers=headers, **options) as response:
        return response.status, await response.json()


async def created(host: Host, who: Member = BEN, *scopes: Scope, **wanted: Any) -> dict[str, Any]:
    status, body = await ask(host, "POST", "", who, *scopes, json=wanted or EXPORT)
    assert status == 202, body
    found: dict[str, Any] = body
    return found


# ---------------------------------------------------------------- creation


async def test_a_new_task_tells_where_it_is_polled(host: Host) -> None:
    """202, and the async job's URL: whoever created it can go on as a client of Conversio's."""
    headers = await host.bearer(BEN)
    async with host.client.post(TASKS, json=EXPORT, headers=headers) as response:
        body = await response.json()
        assert response.status == 202
        assert response.headers["Location"] == f"{PUBLIC_URL}/api/v1/async-jobs/{body['async_job_id']}"
        etag = response.headers["ETag"]
    key = {"X-ApiKey": headers["Authorization"].removeprefix("Bearer ")}
    async with host.client.get(response.headers["Location"].removeprefix(PUBLIC_URL), headers=key) as polled:
        assert (await polled.json())["data"] == {
            "id": body["async_job_id"], "kind": "history-export", "status": "pending",
        }  # fmt: skip
    async with host.client.get(f"{TASKS}/{body['id']}", headers={**headers, "If-None-Match": etag}) as again:
        assert again.status == 304


async def test_every_key_of_a_new_task(host: Host) -> None:
    later = START + timedelta(hours=2)
    wanted = {**EXPORT, "name": "for the tax", "begins_at": later.isoformat(), "is_paused": True}
    found = await created(host, **wanted)
    key_id = host.tokens["ben"][4:16]
    assert found == {
        "id": found["id"], "number": found["number"], "async_job_id": found["async_job_id"],
        "kind": "history-export", "name": "for the tax", "status": "pending", "standing": "paused",
        "is_paused": True, "member_id": BEN.member_id, "organization_id": 1, "app_id": key_id, "tries": 0,
        "arguments": {
            "member_id": BEN.member_id, "organization_id": 1, "printer_id": None, "statuses": [],
            "created_after": None, "created_before": None,
        },
        "begins_at": "2016-05-18T07:42:02.000Z", "retry_at": None, "created_at": "2016-05-18T05:42:02.000Z",
        "started_at": None, "ended_at": None, "updated_at": "2016-05-18T05:42:02.000Z", "expires_at": None,
        "progress": {"value": 0, "total": None}, "message": None, "result": None, "result_url": None,
        "file": None, "error": None, "version": 1,
    }  # fmt: skip


async def test_a_creation_that_is_repeated_makes_one_task(host: Host) -> None:
    once = {"Idempotency-Key": "export-of-may"}
    first = await ask(host, "POST", json=EXPORT, headers=once)
    assert await ask(host, "POST", json=EXPORT, headers=once) == first
    assert (await ask(host, "POST", json={**EXPORT, "name": "other"}, headers=once))[0] == 422
    assert (await ask(host, "GET"))[1]["total"] == 1


# ---------------------------------------------------------------- what each kind takes


async def test_what_is_stored_of_each_kinds_arguments(host: Host) -> None:
    file = await host.put_file(BEN)
    printer = {"printer_id": 1, "printer": "mk3", "file_id": file.file_id, "sha256": file.sha256}
    taken = [
        ("file-import", {"file_id": file.file_id}, {"file_id": file.file_id}),
        ("file-import", {"url": "https://files.example/part.gcode"},
         {"url": "https://files.example/part.gcode", "name": None}),
        ("printer-upload", {"printer": "mk3", "file_id": file.file_id},
         {**printer, "size": file.size, "name": "part.gcode"}),
        ("printer-upload", {"printer": "1", "file_id": file.file_id, "name": "PART.GCO"},
         {**printer, "size": file.size, "name": "PART.GCO"}),
        ("history-export",
         {"printer_id": 1, "statuses": ["failed"], "created_after": "2016-05-01T00:00:00+02:00"},
         {"member_id": BEN.member_id, "organization_id": 1, "printer_id": 1, "statuses": ["failed"],
          "created_after": "2016-04-30T22:00:00.000Z", "created_before": None}),
    ]  # fmt: skip
    for kind, given, stored in taken:
        found = await created(host, kind=kind, arguments=given)
        assert found["arguments"] == stored, kind
        assert host.engine.state.tasks[found["number"]].arguments == stored, kind
    found = await created(host, ANA, *ADMIN, kind="backup", arguments={"with_files": True})
    assert found["arguments"] == {"with_files": True}
    assert (await created(host, ANA, *ADMIN, kind="diagnostics"))["arguments"] == {}


async def test_a_task_has_a_name_that_says_what_it_does(host: Host) -> None:
    file = await host.put_file(BEN)
    named = [
        ({"kind": "file-import", "arguments": {"file_id": file.file_id}}, "import part.gcode"),
        ({"kind": "file-import", "arguments": {"url": "https://x.example/b%20c.gcode"}}, "import b c.gcode"),
        ({"kind": "file-import", "arguments": {"url": "https://x.example/%0A"}}, "import _"),
        ({"kind": "printer-upload", "arguments": {"printer": "mk3", "file_id": file.file_id}},
         "part.gcode to mk3"),
        (EXPORT, "history export"),
    ]  # fmt: skip
    for wanted, name in named:
        assert (await created(host, **wanted))["name"] == name


async def test_an_export_has_no_more_than_its_creator_may_see(host: Host) -> None:
    await furnish(host)  # for olga
    shown = [
        (BEN, (), {}, (BEN.member_id, 1)),
        (BEN, (), {"member_id": BEN.member_id}, (BEN.member_id, 1)),
        (OLGA, (), {}, (None, 1)),
        (OLGA, (), {"member_id": BEN.member_id}, (BEN.member_id, 1)),
        (ANA, ADMIN, {}, (None, 1)),
    ]  # fmt: skip
    for who, scopes, given, narrowed in shown:
        found = (await created(host, who, *scopes, kind="history-export", arguments=given))["arguments"]
        assert (found["member_id"], found["organization_id"]) == narrowed, who.name


async def test_no_task_holds_what_its_organization_may_not_see(host: Host) -> None:
    """Its organization's admin reads its result, whoever created it: also an administrator of the gateway."""
    eves = (await host.put_file(EVE)).file_id
    wanted = {"kind": "file-import", "arguments": {"file_id": eves}}
    status, body = await ask(host, "POST", "", ANA, *ADMIN, json=wanted)
    assert (status, "there is no such file for you" in body["detail"]) == (422, True)
    bens = (await host.put_file(BEN)).file_id
    found = await created(host, ANA, *ADMIN, kind="file-import", arguments={"file_id": bens})
    assert (found["member_id"], found["organization_id"]) == (ANA.member_id, 1)


MISTAKES: list[tuple[dict[str, Any], int, str]] = [
    ({"kind": "miracle"}, 422, "kind must be one of file-import, history-export, backup, "),
    ({}, 422, "body: kind is needed"),
    ({"kind": "file-import"}, 422, "arguments: this field is needed"),
    ({"kind": "file-import", "arguments": {"file_id": "00000000-0000-4000-9000-00000000dead"}}, 422,
     "arguments.file_id: there is no such file for you"),
    ({"kind": "file-import", "arguments": {}}, 422, "arguments.file_id: this field is needed"),
    ({"kind": "file-import", "arguments": 7}, 422, "arguments: an object is needed"),
    ({"kind": "file-import", "arguments": {"file_id": "{file}", "url": "https://x.example/"}}, 422,
     "arguments.url: there is no such field here"),
    ({"kind": "file-import", "arguments": {"file_id": "{eves_file}"}}, 422,
     "arguments.file_id: there is no such file for you"),
    ({"kind": "file-import", "arguments": {"url": "ftp://x.example/a"}}, 422, "arguments.url: "),
    ({"kind": "file-import", "arguments": {"url": "http://127.0.0.1/a"}}, 422, "arguments.url: "),
    ({"kind": "printer-upload", "arguments": {"printer": "xl", "file_id": "{file}"}}, 422,
     "arguments.printer: There is no printer 'xl' for you. Yours: mk3."),
    ({"kind": "printer-upload", "arguments": {"printer": "mk3", "file_id": "{eves_file}"}}, 422,
     "arguments.file_id: there is no such file for you"),
    ({"kind": "history-export", "arguments": {"printer_id": 2}}, 422,
     "arguments.printer_id: there is no printer 2 for you"),
    ({"kind": "history-export", "arguments": {"member_id": ANA.member_id}}, 422,
     "arguments.member_id: only your own jobs"),
    ({"kind": "history-export", "arguments": {"statuses": ["lost"]}}, 422, "there is no status 'lost'"),
    ({"kind": "history-export", "arguments": {"created_after": "0001-01-01T00:00:00+10:00"}}, 422,
     "arguments.created_after: "),
    ({**EXPORT, "begins_at": "2018-01-01T00:00:00Z"}, 422,
     "begins_at: a task may be scheduled a year ahead at most"),
    ({**EXPORT, "begins_at": "9999-12-31T23:59:59-10:00"}, 422, "begins_at: "),
    ({**EXPORT, "begins_at": "tomorrow"}, 422, "begins_at: "),
    ({**EXPORT, "name": "two\nlines"}, 422, "name: A name is one line of text"),
    ({"kind": "backup"}, 403, "A backup is for administrators of the gateway (scope admin)."),
    ({"kind": "diagnostics"}, 403, "A diagnostics is for administrators"),
]  # fmt: skip


async def test_mistakes_are_told_in_words(host: Host) -> None:
    names = {"file": (await host.put_file(BEN)).file_id, "eves_file": (await host.put_file(EVE)).file_id}
    for wanted, status, words in MISTAKES:
        text = json.dumps(wanted)
        for name, number in names.items():
            text = text.replace(f"{{{name}}}", number)
        options = {"data": text, "headers": {"Content-Type": "application/json"}}
        found, body = await ask(host, "POST", **options)
        assert (found, words in body["detail"]) == (status, True), (wanted, body["detail"])
    assert (await ask(host, "GET"))[1]["total"] == 0


async def test_a_password_in_an_address_is_shown_to_nobody(host: Host) -> None:
    wanted = {"kind": "file-import", "arguments": {"url": "https://ben:secret@files.example/a.gcode?x=@"}}
    found = await created(host, **wanted)
    assert found["arguments"]["url"] == "https://files.example/a.gcode?x=@"
    _, listed = await ask(host, "GET")
    assert "secret" not in json.dumps(listed)
    assert host.engine.state.tasks[found["number"]].arguments["url"] == wanted["arguments"]["url"]


# ---------------------------------------------------------------- the course of a task


async def test_a_task_from_its_creation_to_its_result(host: Host) -> None:
    task = await created(host)
    number, path = task["number"], f"/{task['id']}"
    await host.engine.execute(BeginTask(number))
    await host.engine.execute(NoteProgress(number, 1, 30, 120, "reading"))
    _, running = await ask(host, "GET", path)
    assert (running["status"], running["tries"], running["message"]) == ("running", 1, "reading")
    assert running["progress"] == {"value": 30, "total": 120}, "of memory: nothing is written for it"
    assert (await ask(host, "GET"))[1]["tasks"][0]["progress"] == {"value": 30, "total": 120}
    status, early = await ask(host, "GET", f"{path}/result")
    assert (status, "not over yet" in early["detail"]) == (409, True)
    await host.engine.execute(FinishTask(number, 1, {"rows": 1}, await put_content(host)))
    _, done = await ask(host, "GET", path)
    assert (done["standing"], done["result"], done["error"]) == ("done", {"rows": 1}, None)
    assert done["file"] == {"name": "history.csv", "size": len(CSV), "media_type": "text/csv"}
    assert done["expires_at"] == "2016-05-25T05:42:02.000Z"
    async with host.client.get(f"{TASKS}{path}/result", headers=await host.bearer(BEN)) as response:
        assert (await response.read(), response.headers["Content-Type"]) == (CSV, "text/csv")
        assert response.headers["Content-Disposition"].startswith("attachment")
    async with host.client.get(done["result_url"].removeprefix(PUBLIC_URL)) as response:
        assert await response.read() == CSV, "without a key"
    host.clock.advance(TASK_KEPT.total_seconds())
    assert (await ask(host, "GET", path))[0] == 404
    assert (await ask(host, "GET", f"{path}/result"))[0] == 404


async def test_pause_resume_cancel(host: Host) -> None:
    task = await created(host)
    path = f"/{task['id']}"
    course = [("pause", 200, "paused"), ("resume", 200, "pending"), ("resume", 409, None),
              ("cancel", 200, "canceled"), ("cancel", 409, None), ("pause", 409, None)]  # fmt: skip
    for verb, status, standing in course:
        found, body = await ask(host, "POST", f"{path}/{verb}")
        assert (found, body.get("standing")) == (status, standing), verb
    _, over = await ask(host, "GET", path)
    assert (over["status"], over["result_url"]) == ("canceled", None)
    assert (await ask(host, "GET", f"{path}/result"))[0] == 404


async def test_a_failed_try_is_told_and_can_be_hurried(host: Host) -> None:
    task = await created(host)
    number, path = task["number"], f"/{task['id']}"
    await host.engine.execute(BeginTask(number))
    await host.engine.execute(FailTask(number, 1, "the disk is full", is_passing=True))
    _, waits = await ask(host, "GET", path)
    assert (waits["standing"], waits["retry_at"]) == ("retrying", "2016-05-18T05:42:12.000Z")
    assert "the disk is full" in waits["message"]
    _, hurried = await ask(host, "POST", f"{path}/resume")
    assert (hurried["standing"], hurried["retry_at"]) == ("pending", None)
    await host.engine.execute(BeginTask(number))
    await host.engine.execute(FailTask(number, 2, "no such file", is_passing=False))
    _, failed = await ask(host, "GET", path)
    assert (failed["status"], failed["error"], failed["result"]) == ("failed", "no such file", None)


# ---------------------------------------------------------------- who sees what


async def test_lists_show_what_one_may_see_and_asks_for(host: Host) -> None:
    ids = await furnish(host)
    host.clock.advance(10)  # pages are cut to ten seconds
    gone = {"gone"}
    bens = set(ids) - gone - {"anas", "eves", "backup"}
    over = {"exported", "counted", "failed", "canceled", "of-app", "of-gone-key"}
    for who, scopes, query, expected in [
        (BEN, (), "", bens),
        (OLGA, (), "", bens | {"anas"}),
        (EVE, (), "", {"eves"}),
        (ANA, ADMIN, "", set(ids) - gone),
        (BEN, (), "?over=true", over),
        (BEN, (), "?over=false", bens - over),
        (BEN, (), "?kind=file-import", {"waiting", "counted"}),
        (BEN, (), "?kind=file-import&kind=backup", {"waiting", "counted"}),
        (ANA, ADMIN, "?kind=backup", {"backup"}),
        (BEN, (), "?kind=backup", set()),
        (BEN, (), "?limit=2&offset=1", {"paused", "retrying"}),
    ]:
        status, body = await ask(host, "GET", query, who, *scopes)
        assert status == 200, body
        assert {task["async_job_id"] for task in body["tasks"]} == {ids[name] for name in expected}, query
    for query in ("?over=maybe", "?kind=miracle", "?limit=0", "?page=1"):
        assert (await ask(host, "GET", query))[0] == 400, query


async def test_a_foreign_task_is_not_there(host: Host) -> None:
    mine = f"/{(await created(host))['id']}"
    for who, status in ((EVE, 404), (ANA, 404)):
        for method, path in (("GET", mine), ("GET", f"{mine}/result"), ("POST", f"{mine}/cancel")):
            assert (await ask(host, method, path, who))[0] == status, (who.name, path)
    assert (await ask(host, "POST", f"{mine}/cancel", ANA, *ADMIN))[0] == 200


# ---------------------------------------------------------------- events


async def test_the_event_stream_tells_of_tasks(host: Host) -> None:
    """Added and moved are kept; progress is fleeting: it has no number."""
    heard: list[tuple[str, dict[str, Any]]] = []
    async with host.client.get("/gateway/v1/events", headers=await host.bearer(BEN)) as stream:
        assert (await _next(stream))[0] == "hello"
        task = await created(host)
        number = task["number"]
        await host.engine.execute(BeginTask(number))
        await host.engine.execute(NoteProgress(number, 1, 30, 120))
        while not heard or heard[-1][0] != "task-progressed":  # what is fleeting may come behind what is kept
            heard.append(await asyncio.wait_for(_next(stream), 60))
        await host.engine.execute(FinishTask(number, 1, {"rows": 1}))
        while heard[-1][1].get("details", {}).get("status") != "done":
            heard.append(await asyncio.wait_for(_next(stream), 60))
    kinds = [kind for kind, _ in heard]
    assert kinds[:2] == ["task-added", "task-moved"]
    assert kinds[-1] == "task-moved"
    progress = next(body for kind, body in heard if kind == "task-progressed")
    assert "seq" not in progress
    assert progress["details"] == {"task_id": task["id"], "value": 30, "total": 120}
    assert heard[-1][1]["details"]["before"] == "running"


async def _next(stream: Any) -> tuple[str, dict[str, Any]]:
    """The next event: its kind and its body."""
    kind = ""
    async for raw in stream.content:
        name, _, value = raw.decode().strip().partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            return kind, json.loads(value)
    raise AssertionError("the stream ended")


async def test_a_file_that_the_printer_does_not_print_is_not_put_onto_it(host: Host) -> None:
    file = await host.put_file(BEN)
    file = replace(file, file_id="00000000-0000-4000-9000-0000000000aa", metadata={"format": "gcode.3mf"})
    await host.engine.execute(AddFile(file))
    asked = {"kind": "printer-upload", "arguments": {"printer": "mk3", "file_id": file.file_id}}
    status, body = await ask(host, "POST", json=asked)
    assert (status, "mk3 prints G-code, and" in body["detail"]) == (422, True)
