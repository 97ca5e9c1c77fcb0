"""The native API as typed calls, over the host's Unix socket or a URL with a token."""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from gateway.client.answers import many, one, segment
from gateway.client.calls import ANSWER_WITHIN, BROKEN, Address, Calls, Sleep, explain, refuse
from gateway.client.errors import GatewayUnreachable, Refused
from gateway.client.models import (
    Answer,
    App,
    GatewayEvent,
    Grant,
    Health,
    Job,
    JobPage,
    Key,
    Member,
    Organization,
    Printer,
    PrinterCode,
    PrinterMember,
    RecoveryPlan,
    StoredFile,
)
from gateway.client.schedules import ScheduleCalls, StackCalls
from gateway.client.sse import NotAnEventStream, SseParser
from gateway.client.tasks import TaskCalls

#: Seconds without a byte on the event stream (the gateway sends a comment every 15) before it counts as dead.
STREAM_SILENT_FOR = 45.0
#: Seconds before the first and the longest wait for a new connection.
RECONNECT_AFTER = (0.25, 5.0)

#: An upload may take as long as it moves.
UPLOAD_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=ANSWER_WITHIN, sock_read=ANSWER_WITHIN)


class Opened:
    """The event stream is (again) connected: what is known should be read anew."""


class GatewayClient:
    """One session with one gateway. Use it as an async context manager."""

    def __init__(self, address: Address, *, sleep: Sleep = asyncio.sleep) -> None:
        self.address = address
        self._calls = Calls(address, sleep=sleep)
        self._call = self._calls.call
        self.stacks = StackCalls(self._calls)
        self.schedules = ScheduleCalls(self._calls)
        self.tasks = TaskCalls(self._calls)

    async def __aenter__(self) -> Self:
        await self._calls.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._calls.close()

    async def health(self, *, storage: bool = False) -> Health:
        """How the connections to printers and the user's broker are; for administrators.

        `storage`: also whether print files would get onto the printers; takes up to 25 s.
        """
        query = {"storage": "true"} if storage else {}
        return one(Health, await self._call("GET", "/health", params=query))

    # printers

    async def printers(self) -> tuple[Printer, ...]:
        """All printers one may see."""
        return many(Printer, (await self._call("GET", "/printers")), "printers")

    async def printer(self, name_or_id: str) -> Printer:
        """One printer."""
        return one(Printer, await self._call("GET", f"/printers/{segment(name_or_id)}"))

    async def set_plate(self, printer_id: int, plate: str) -> None:
        """Confirm the plate `clear`, or say that it is `occupied`."""
        await self._call("POST", f"/printers/{printer_id}/plate", json={"plate": plate})

    async def adjust(self, printer_id: int, change: Mapping[str, float]) -> Answer:
        """Change speed, flow, fan, hotend, bed, z_step, light: accepted, not yet done."""
        return one(Answer, await self._call("POST", f"/printers/{printer_id}/adjust", json=dict(change)))

    async def answer(self, printer_id: int, choice: int) -> Answer:
        """Press a button of the question that the printer asks."""
        return one(
            Answer, await self._call("POST", f"/printers/{printer_id}/prompt", json={"choice": choice})
        )

    async def tell(self, printer_id: int, command: str, parameters: Mapping[str, Any]) -> Answer:
        """Give a printer a command of its own: accepted, not yet done."""
        body = {"command": command, "parameters": dict(parameters)}
        return one(Answer, await self._call("POST", f"/printers/{printer_id}/command", json=body))

    async def task(self, task_id: str) -> Answer:
        """What became of an order."""
        return one(Answer, await self._call("GET", f"/commands/{segment(task_id)}"))

    async def stop(self, printer_id: int) -> Answer:
        """Emergency stop."""
        return one(Answer, await self._call("POST", f"/printers/{printer_id}/stop"))

    async def printer_members(self, printer_id: int) -> tuple[PrinterMember, ...]:
        """The owner and the members of a printer."""
        return many(PrinterMember, await self._call("GET", f"/printers/{printer_id}/members"), "members")

    async def set_printer_role(
        self,
        printer_id: int,
        member: str,
        *,
        is_printer_scoped: bool | None = None,
        is_job_scoped: bool | None = None,
    ) -> PrinterMember:
        """What a member of a printer may do, by id or name; None leaves it as it is."""
        rights = {"is_printer_scoped": is_printer_scoped, "is_job_scoped": is_job_scoped}
        path = f"/printers/{printer_id}/members/{segment(member)}"
        return one(PrinterMember, await self._call("PUT", path, json=rights))

    async def register_printer(self, code: str, name: str | None = None, owner: str | None = None) -> Printer:
        """Register the printer that shows this code, for oneself or for another member."""
        asked = {"code": code, "name": name, "owner": owner}
        return one(Printer, await self._call("POST", "/printers", json=asked))

    async def printer_code(self, printer_id: int, email: str | None = None) -> PrinterCode:
        """A code for one more member."""
        return one(
            PrinterCode, await self._call("POST", f"/printers/{printer_id}/codes", json={"email": email})
        )

    async def unregister(self, printer_id: int) -> None:
        """Give up a printer that calls in."""
        await self._call("DELETE", f"/printers/{printer_id}")

    # jobs

    async def upload(self, path: Path, name: str | None = None, *, is_archive: bool = False) -> StoredFile:
        """Store a print file; `is_archive`: or an archive, for a printer that reads it itself."""
        key = str(uuid.uuid4())
        # A file's name is bytes; what of it is no UTF-8 cannot be told to the gateway.
        shown = (name or path.name).encode("utf-8", "replace").decode()

        async def attempt() -> Any:
            with os.fdopen(os.open(path, os.O_RDONLY), "rb") as content:  # by number: the name is told below
                form = aiohttp.FormData()
                form.add_field("file", content, filename=shown, content_type="text/x.gcode")
                return await self._call(
                    "POST",
                    "/files",
                    params={"archive": "true"} if is_archive else {},
                    data=form,
                    headers={"Idempotency-Key": key},
                    timeout=UPLOAD_TIMEOUT,
                )

        return one(StoredFile, await self._calls.create(attempt))

    async def files(self, *, limit: int = 50) -> tuple[StoredFile, ...]:
        """Uploads, newest first."""
        return many(StoredFile, await self._call("GET", "/files", params={"limit": str(limit)}), "files")

    async def submit(
        self,
        *,
        printer: str | None,
        file_id: str,
        name: str,
        settings: Mapping[str, Any] | None = None,
        member: str | None = None,
    ) -> Job:
        """Hand in a job; without a printer it waits for one to be named."""
        wanted: dict[str, Any] = {"file_id": file_id, "name": name, "settings": dict(settings or {})}
        if printer is not None:
            wanted["printer"] = printer
        if member is not None:
            wanted["member"] = member
        key = str(uuid.uuid4())

        async def attempt() -> Any:
            return await self._call("POST", "/jobs", json=wanted, headers={"Idempotency-Key": key})

        return one(Job, await self._calls.create(attempt))

    async def jobs(
        self,
        *,
        status: str | None = None,
        printer: str | None = None,
        scope: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> JobPage:
        """A page of jobs, oldest first."""
        asked = {"status": status, "printer": printer, "scope": scope, "limit": limit, "offset": offset}
        params = {name: str(value) for name, value in asked.items() if value is not None}
        return one(JobPage, await self._call("GET", "/jobs", params=params))

    async def job(self, job_id: str) -> Job:
        """One job by its id."""
        return one(Job, await self._call("GET", f"/jobs/{segment(job_id)}"))

    async def command(self, job_id: str, verb: str) -> Answer:
        """`pause`, `resume` or `cancel` a job: accepted, not yet done."""
        return one(Answer, await self._call("POST", f"/jobs/{segment(job_id)}/{verb}"))

    async def start(self, job_id: str, printer: str | None = None) -> Job:
        """Start a waiting job now."""
        wanted = {} if printer is None else {"printer": printer}
        return one(Job, await self._call("POST", f"/jobs/{segment(job_id)}/start", json=wanted))

    async def resolve(self, job_id: str, outcome: str) -> None:
        """Say how a held job ended, after a look at the machine."""
        await self._call("POST", f"/jobs/{segment(job_id)}/resolve", json={"outcome": outcome})

    async def recovery(self, job_id: str, layer: int | None = None) -> RecoveryPlan:
        """What recovering a held print would do; nothing is done."""
        params = {} if layer is None else {"layer": str(layer)}
        path = f"/jobs/{segment(job_id)}/recovery"
        return one(RecoveryPlan, await self._call("GET", path, params=params))

    async def recover(self, job_id: str, plan: str, layer: int | None = None) -> Answer:
        """Go on with a held print as that plan says."""
        body = {"plan": plan, "layer": layer}
        return one(Answer, await self._call("POST", f"/jobs/{segment(job_id)}/recover", json=body))

    # members and keys

    async def members(self) -> tuple[Member, ...]:
        """All members."""
        return many(Member, await self._call("GET", "/members"), "members")

    async def add_member(
        self,
        name: str,
        email: str | None = None,
        organization: str | None = None,
        *,
        is_admin: bool = False,
    ) -> Member:
        """A new member, of one's own organization or of the one that is named; perhaps its administrator."""
        wanted: dict[str, Any] = {"name": name, "email": email, "is_admin": is_admin}
        if organization is not None:
            wanted["organization"] = organization
        return one(Member, await self._call("POST", "/members", json=wanted))

    async def organizations(self) -> tuple[Organization, ...]:
        """All organizations."""
        return many(Organization, await self._call("GET", "/organizations"), "organizations")

    async def add_organization(self, name: str) -> Organization:
        """A new organization."""
        return one(Organization, await self._call("POST", "/organizations", json={"name": name}))

    async def keys(self) -> tuple[Key, ...]:
        """All keys, without their tokens."""
        return many(Key, await self._call("GET", "/keys"), "keys")

    async def create_key(self, member: str, name: str, scopes: Sequence[str]) -> Key:
        """A new key; its token is in this answer and nowhere else."""
        wanted = {"member": member, "name": name, "scopes": list(scopes)}
        return one(Key, await self._call("POST", "/keys", json=wanted))

    async def revoke_key(self, key_id: str) -> None:
        """The key stops working at once."""
        await self._call("DELETE", f"/keys/{segment(key_id)}")

    async def set_password(self, member: str, password: str) -> None:
        """The password with which a member signs in to let apps act for it."""
        await self._call("PUT", f"/members/{segment(member)}/password", json={"password": password})

    # apps

    async def apps(self) -> tuple[App, ...]:
        """All apps one may know, without their secrets."""
        return many(App, await self._call("GET", "/apps"), "apps")

    async def create_app(
        self,
        name: str,
        owner: str,
        redirect_uris: Sequence[str],
        scopes: Sequence[str],
        *,
        public: bool,
        implicit: bool,
    ) -> App:
        """Register an app; its secret is in this answer and nowhere else."""
        wanted = {
            "name": name,
            "owner": owner,
            "redirect_uris": list(redirect_uris),
            "scopes": list(scopes),
            "public": public,
            "allow_implicit": implicit,
        }
        return one(App, await self._call("POST", "/apps", json=wanted))

    async def revoke_app(self, app_id: str) -> None:
        """The app and all its tokens stop working at once."""
        await self._call("DELETE", f"/apps/{segment(app_id)}")

    async def grants(self) -> tuple[Grant, ...]:
        """Which apps may act for whom."""
        return many(Grant, await self._call("GET", "/grants"), "grants")

    async def withdraw_grant(self, app_id: str, member: str | None = None) -> None:
        """An app may act for a member (None: oneself) no more."""
        params = {} if member is None else {"member": member}
        await self._call("DELETE", f"/grants/{segment(app_id)}", params=params)

    # events

    async def events(self, last_id: str | None = None) -> AsyncGenerator[GatewayEvent | Opened, None]:
        """What happens from now (or from behind `last_id`) on, over as many connections as it takes.

        Every connection begins with an `Opened`. Refusals end the stream; silence and broken connections do
        not, except that the very first connection must succeed.
        """
        wait, was_open = RECONNECT_AFTER[0], False
        parser = SseParser(last_id)
        while True:
            try:
                async for item in self._one_stream(parser):
                    wait, was_open = RECONNECT_AFTER[0], True
                    yield item
            except (GatewayUnreachable, Refused) as error:
                passing = not isinstance(error, Refused) or error.status >= 500
                if not (was_open and passing):
                    raise
            parser = SseParser(parser.last_id)
            await self._calls.sleep(wait)
            wait = min(wait * 2, RECONNECT_AFTER[1])

    async def _one_stream(self, parser: SseParser) -> AsyncGenerator[GatewayEvent | Opened, None]:
        headers = {"Accept": "text/event-stream"}
        if parser.last_id:
            headers["Last-Event-ID"] = parser.last_id
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=ANSWER_WITHIN, sock_read=STREAM_SILENT_FOR)
        try:
            async with self._calls.open("GET", "/events", headers=headers, timeout=timeout) as response:
                await refuse(response, self.address)
                yield Opened()
                async for chunk in response.content.iter_any():
                    for event in parser.feed(chunk):
                        yield _event(event.kind, event.text)
        except NotAnEventStream as error:
            raise GatewayUnreachable(f"{self.address} sends no event stream: {error}") from error
        except BROKEN as error:
            raise GatewayUnreachable(explain(self.address, error)) from error


def _event(kind: str, text: str) -> GatewayEvent:
    try:
        body = json.loads(text)
    except ValueError:
        body = {}
    return one(GatewayEvent, {"kind": kind, **(body if isinstance(body, dict) else {})})
