"""A gateway that answers as it is told, on a real Unix socket or TCP port, in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

NOW = "2026-01-02T03:04:05+00:00"


def printer(**changes: Any) -> dict[str, Any]:
    """A printer as the native API shows it."""
    return {
        "id": 1, "name": "mk3", "driver": "marlin", "owner": "ana", "owner_id": "FPEJMQHAG3NXE", "link": "up",
        "link_reason": None, "port": "/dev/ttyACM0", "status": "ready", "plate": "occupied",
        "plate_clear": "confirm", "enabled": True, "firmware": "Marlin 2.1.2", "message": None,
        "temperatures": {"T": 21.0, "B": 20.5}, "current_job": None, "queued": 0, "new_in_a_later_version": 1,
        **changes,
    }  # fmt: skip


def job(**changes: Any) -> dict[str, Any]:
    """A job as the native API shows it."""
    return {
        "id": "4b5a3181-8997-4d6a-979f-e1af7eb5b545", "number": 7, "name": "clip.gcode", "status": "queued",
        "reasons": [], "verdict": None, "is_local": False, "is_held": False, "member_id": "FPEJMQHAG3NXE",
        "member": "ana", "printer_id": 1, "printer": "mk3",
        "file": {"sha256": "00", "name": "clip.gcode", "size": 9}, "progress": None, "position": None,
        "line": None, "message": None, "waiting": "waiting for a clear plate", "attempts": 0,
        "created_at": NOW, "status_at": NOW, "started_at": None, "ended_at": None, "version": 1,
        **changes,
    }  # fmt: skip


def task(**changes: Any) -> dict[str, Any]:
    """A task as the native API shows it."""
    return {
        "id": "7c1e0a52-8c3b-4d0e-9a55-0d2f6c0b9a11", "number": 9, "async_job_id": "57b5aa3b046abfb053d80b52",
        "kind": "history-export", "name": "history export", "status": "pending", "standing": "pending",
        "arguments": {}, "progress": {"value": 0, "total": None}, "created_at": NOW, **changes,
    }  # fmt: skip


class FakeGateway:
    """What it knows is public; what it was asked is in `asked`."""

    def __init__(self) -> None:
        self.printers = [printer()]
        self.jobs = [job()]
        self.tasks = [task()]
        #: What a task made, and how much of it is sent before the connection breaks; None: all.
        self.result, self.result_breaks_at = b"number,name\r\n", None  # type: bytes, int | None
        self.members = [{"id": "FPEJMQHAG3NXE", "name": "ana", "email": None}]
        self.keys: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[Any] = []
        #: Answers given instead of the usual one, by path; a `None` hangs up in the middle.
        self.instead: dict[str, deque[web.Response | None]] = {}
        #: What each connection to the event stream gets: texts to send, then it is closed.
        self.streams: deque[list[str]] = deque()
        #: State and message of every command that is asked after.
        self.outcome: tuple[str, str | None] = ("done", None)
        #: What a printer said with it.
        self.said: dict[str, Any] | None = None
        #: State and message with which an emergency stop is answered.
        self.stop_outcome: tuple[str, str | None] = ("pending", None)
        #: Every time the job is read, the next of these changes has happened to it.
        self.fate: deque[dict[str, Any]] = deque()

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._note])
        base = "/gateway/v1"
        app.add_routes(
            [
                web.get(f"{base}/printers", self._printers),
                web.get(f"{base}/printers/{{name}}", self._printer),
                web.post(f"{base}/printers/{{id}}/plate", self._done),
                web.post(f"{base}/printers/{{id}}/adjust", self._accepted_with),
                web.post(f"{base}/printers/{{id}}/prompt", self._accepted_with),
                web.post(f"{base}/printers/{{id}}/command", self._accepted_with),
                web.get(f"{base}/commands/{{id}}", self._command),
                web.post(f"{base}/printers/{{id}}/stop", self._stop),
                web.post(f"{base}/files", self._file),
                web.post(f"{base}/jobs", self._submit),
                web.get(f"{base}/jobs", self._jobs),
                web.get(f"{base}/jobs/{{id}}", self._job),
                web.post(f"{base}/jobs/{{id}}/resolve", self._done),
                web.get(f"{base}/jobs/{{id}}/recovery", self._recovery),
                web.post(f"{base}/jobs/{{id}}/recover", self._accepted_with),
                web.post(f"{base}/jobs/{{id}}/{{verb}}", self._accepted),
                web.get(f"{base}/tasks", self._tasks),
                web.post(f"{base}/tasks", self._task),
                web.get(f"{base}/tasks/{{id}}", self._task),
                web.post(f"{base}/tasks/{{id}}/{{verb}}", self._task),
                web.get(f"{base}/tasks/{{id}}/result", self._result),
                web.get(f"{base}/members", self._members),
                web.post(f"{base}/members", self._add_member),
                web.get(f"{base}/keys", self._keys),
                web.post(f"{base}/keys", self._create_key),
                web.delete(f"{base}/keys/{{id}}", self._done),
                web.get(f"{base}/events", self._events),
            ]
        )
        return app

    @web.middleware
    async def _note(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked.append((request.method, request.path_qs.removeprefix("/gateway/v1")))
        self.headers.append(dict(request.headers))
        prepared = self.instead.get(request.path.removeprefix("/gateway/v1"))
        if prepared:
            await request.read()
            answer = prepared.popleft()
            if answer is None and request.transport is not None:
                request.transport.close()
            return answer or web.Response()
        response: web.StreamResponse = await handler(request)
        return response

    async def _printers(self, request: web.Request) -> web.Response:
        return web.json_response({"printers": self.printers})

    async def _printer(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        found = next((p for p in self.printers if name in (p["name"], str(p["id"]))), None)
        return web.json_response(found) if found else problem(404, f'there is no printer "{name}"')

    async def _file(self, request: web.Request) -> web.Response:
        part = await (await request.multipart()).next()
        assert part is not None
        self.files[part.filename] = bytes(await part.read())  # type: ignore[union-attr,index,arg-type]
        stored = {"id": str(uuid.uuid4()), "name": part.filename, "size": 9, "sha256": "00"}  # type: ignore[union-attr]
        return web.json_response(stored, status=201)

    async def _submit(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.json())
        return web.json_response(self.jobs[-1], status=201)

    async def _jobs(self, request: web.Request) -> web.Response:
        limit, offset = int(request.query.get("limit", 20)), int(request.query.get("offset", 0))
        page = self.jobs[offset : offset + limit]
        return web.json_response({"jobs": page, "total": len(self.jobs), "limit": limit, "offset": offset})

    async def _recovery(self, request: web.Request) -> web.Response:
        layer = int(request.query.get("layer", 42))
        plan = {
            "plan": f"plan-{layer}", "layer": layer, "layers_done": layer - 1, "z": layer / 5, "z_now": 8.4,
            "line": 900, "hotend": 210.0, "bed": 60.0, "gcode": ["M190 S60"], "warnings": ["Look first."],
        }  # fmt: skip
        return web.json_response(plan)

    async def _job(self, request: web.Request) -> web.Response:
        found = next((one for one in self.jobs if one["id"] == request.match_info["id"]), None)
        if found is None:
            return problem(404, "there is no such job")
        if self.fate:
            found.update(self.fate.popleft())
        return web.json_response(found)

    async def _tasks(self, request: web.Request) -> web.Response:
        limit, offset = int(request.query["limit"]), int(request.query["offset"])
        return web.json_response({"tasks": self.tasks[offset : offset + limit], "total": len(self.tasks)})

    async def _task(self, request: web.Request) -> web.Response:
        if request.can_read_body:
            self.bodies.append(await request.json())
        if self.fate:
            self.tasks[-1].update(self.fate.popleft())
        return web.json_response(self.tasks[-1], status=202 if request.method == "POST" else 200)

    async def _result(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(self.result))})
        await response.prepare(request)
        await response.write(self.result[: self.result_breaks_at])
        if self.result_breaks_at is not None and request.transport is not None:
            request.transport.close()
        return response

    async def _members(self, request: web.Request) -> web.Response:
        return web.json_response({"members": self.members})

    async def _add_member(self, request: web.Request) -> web.Response:
        self.members.append({"id": "A" * 13, **await request.json()})
        return web.json_response(self.members[-1], status=201)

    async def _keys(self, request: web.Request) -> web.Response:
        return web.json_response({"keys": self.keys})

    async def _create_key(self, request: web.Request) -> web.Response:
        key = {"id": "k1", "created_at": NOW, "revoked_at": None, **await request.json()}
        self.keys.append(key)
        return web.json_response({**key, "token": "secret-token"}, status=201)

    async def _done(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.json() if request.can_read_body else None)
        return web.Response(status=204)

    async def _accepted(self, request: web.Request) -> web.Response:
        answer = {"task_id": str(uuid.uuid4()), "state": "pending", "message": None}
        return web.json_response(answer, status=202)

    async def _stop(self, request: web.Request) -> web.Response:
        state, message = self.stop_outcome
        answer = {"task_id": str(uuid.uuid4()), "state": state, "message": message}
        return web.json_response(answer, status=202)

    async def _accepted_with(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.json())
        return await self._accepted(request)

    async def _command(self, request: web.Request) -> web.Response:
        state, message = self.outcome
        found = {"task_id": request.match_info["id"], "state": state, "message": message, "data": self.said}
        return web.json_response(found)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for text in self.streams.popleft() if self.streams else ():
            await response.write(text.encode())
        return response


def event(kind: str, seq: int | None = None, **details: Any) -> str:
    """One event of the stream, as text."""
    body = {"seq": seq, "kind": kind, "at": NOW, "details": details}
    lines = [f"id: {seq}"] if seq is not None else []
    return "\n".join([*lines, f"event: {kind}", f"data: {json.dumps(body)}", "", ""])


def problem(status: int, detail: str) -> web.Response:
    """RFC 9457."""
    body = {"type": "about:blank", "title": "No", "status": status, "detail": detail}
    return web.json_response(body, status=status, content_type="application/problem+json")


@contextmanager
def served(fake: FakeGateway, socket: Path | None = None) -> Iterator[str]:
    """Run it; gives its URL (or the socket's path)."""
    started: list[str] = []
    ready, loop = threading.Event(), asyncio.new_event_loop()

    async def start() -> web.AppRunner:
        runner = web.AppRunner(fake.app(), shutdown_timeout=0.1)
        await runner.setup()
        site: web.BaseSite
        site = web.UnixSite(runner, str(socket)) if socket else web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        started.append(str(socket) if socket else f"http://127.0.0.1:{runner.addresses[0][1]}")
        ready.set()
        return runner

    def run() -> None:
        runner = loop.run_until_complete(start())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    thread = threading.Thread(target=run, name="fake gateway", daemon=True)
    thread.start()
    assert ready.wait(60)
    try:
        yield started[0]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
