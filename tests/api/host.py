"""A whole gateway without printers: real engine, store (in a temporary folder) and HTTP; drivers are fake.

Time is told to move, ids are counted, so that a test knows them before.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

from aiohttp import ClientSession, UnixConnector, web, web_app
from aiohttp.test_utils import TestClient, TestServer

from gateway.api.cloud66.dialect import CLOUD66
from gateway.api.conversio.dialect import CONVERSIO, CONVERSIO_RESULTS
from gateway.api.conversio.results import ResultLinks
from gateway.api.forge.apps.printables import PrintableLinks
from gateway.api.forge.dialect import FORGE
from gateway.api.forge.printdb.catalogue import Catalogue
from gateway.api.greenarrow.dialect import GREENARROW
from gateway.api.http import limits
from gateway.api.http.app import build_app, runner_options
from gateway.api.http.rate import AttemptLimit, RequestLimit
from gateway.api.http.services import BrokerStatus, LookAtStorages, Services, no_storages
from gateway.api.http.sign_in import SignIn
from gateway.api.native.dialect import NATIVE
from gateway.api.oauth.dialect import DISCOVERY, OAUTH
from gateway.auth.issuer import Issuer
from gateway.auth.keys import make_key
from gateway.auth.passwords import Cost
from gateway.auth.signing import KEY_BYTES, UrlSigner
from gateway.domain.commands import AddKey, CommandRefused, RevokeKey
from gateway.domain.file import FileRejected, StoredFile
from gateway.domain.job import Job, JobStatus
from gateway.domain.member import Member, Scope
from gateway.domain.observations import Observation, PrinterObserved
from gateway.domain.orders import Order
from gateway.domain.printer import Plate, Presence, Printer
from gateway.domain.state import Draft
from gateway.engine.engine import Engine
from gateway.engine.ports import StoredEvent
from gateway.gcode.printables import archive_format
from gateway.main_call_in import CallIns
from gateway.main_files import plan_recovery
from gateway.publish.hub import Hub
from gateway.store.database import Database
from gateway.store.files import Files
from gateway.store.journal import Journal
from gateway.store.loose import LooseContents
from gateway.store.outbox import Outbox
from gateway.store.queries import Queries
from gateway.store.reserve import Reserve
from gateway.tasks.cron import CronTimes
from gateway.tasks.run_plans import RunPlans
from gateway.transport.web import refusal_of
from tests.support.databases import empty_database
from tests.support.gate import Gate
from tests.support.stand import (
    ANA,
    BEN,
    HOME,
    START,
    CountingIds,
    FakeClock,
    FakeDrivers,
    Table,
    printer,
    ready,
)

#: Of another organization.
EVE = Member("EVEEVEEVEEVE0", "eve", 2, created_at=START)
ALL_SCOPES = frozenset({Scope.DATA_READ, Scope.DATA_WRITE})
PUBLIC_URL = "http://printhost.local:8080"
MAX_UPLOAD = 1_000_000  # bytes
CATALOGUE = Catalogue.load()
#: Passwords that cost nothing to check.
CHEAP = Cost(n=2, r=1, p=1)
DIALECTS = [FORGE, GREENARROW, CONVERSIO, CONVERSIO_RESULTS, CLOUD66, NATIVE, OAUTH, DISCOVERY]
GCODE = b"G28\nG1 X10 Y10 F3000\nM104 S0\n"


def look_at(path: str) -> Mapping[str, Any]:
    """Stands in for the inspection: text that contains `PK` is an archive."""
    content = Path(path).read_bytes()
    if content.startswith(b"PK"):
        raise FileRejected("this is an archive, not G-code: export the sliced file")
    return {"lines": content.count(b"\n")}


def look_at_printable(path: str) -> Mapping[str, Any]:
    """The same for Forge's upload: archives by their first bytes."""
    found = archive_format(Path(path).read_bytes())
    return look_at(path) if found is None else {"format": found}


@dataclass
class Host:
    """Build one with `async with Host(folder) as host`."""

    folder: Path
    clock: FakeClock = field(default_factory=FakeClock)
    ids: CountingIds = field(default_factory=CountingIds)
    drivers: FakeDrivers = field(default_factory=FakeDrivers)
    hub: Hub = field(default_factory=Hub)
    service_uid: int = field(default_factory=os.getuid)
    tokens: dict[str, str] = field(default_factory=dict)
    heartbeat: float = limits.HEARTBEAT  # seconds
    issuer: Issuer | None = None
    rate: str | None = None  # requests of one client, such as 5/minute
    reserve: Reserve | None = None  # of the disk; None: files may fill it
    public_url: str = PUBLIC_URL
    port: int | None = None  # None: any
    broker: BrokerStatus | None = None  # how it goes with the user's
    storages: LookAtStorages = no_storages  # whether files get onto printers
    is_new: bool = True  # False: goes on with what a former one left in the folder
    lenient: bool = False  # at /faye
    private_addresses: bool = False  # whether apps may name them
    overhear: Callable[[Observation], None] = lambda seen: None  # what printers that call in are seen to do
    pass_on: Callable[[Order], bool] = lambda order: True  # False: an order of the engine's is swallowed

    async def __aenter__(self) -> Self:
        self._stack = AsyncExitStack()
        path = self.folder / "gateway.db"
        if self.is_new:
            path.write_bytes(empty_database())
        self.database = Database(f"sqlite:///{path}")
        self._stack.callback(self.database.close)
        note = LooseContents(self.database).note
        self.files = Files(self.folder / "files", note=note, reserve=self.reserve)
        self._stack.callback(self.files.close)
        self.queries = Queries(self.database)
        self.journal = Journal(self.database, self.ids.hex, self.clock)
        signer = UrlSigner(b"k" * KEY_BYTES)
        link = PrintableLinks(f"{self.public_url}/ps/v1", signer, self.clock)
        self.call_ins = CallIns(
            state=lambda: self.engine.state, observe=self._observe,
            clock=self.clock, ids=self.ids, lenient=self.lenient, printable_link=link,
        )  # fmt: skip
        self.engine = Engine(
            journal=self.journal, queries=self.queries,
            drivers=Gate(self.call_ins.drivers(self.drivers), lambda order: self.pass_on(order)),
            files=self.files, publisher=self.call_ins.publisher(self.hub), clock=self.clock, ids=self.ids,
        )  # fmt: skip
        await self.engine.start()
        self.call_ins.begin(None)
        if self.is_new:
            await self._furnish()
        self._running = asyncio.create_task(self.engine.run(), name="engine")
        self._stack.push_async_callback(self._end_engine)
        self.outbox = Outbox(self.database)
        self.services = Services(
            outbox=self.outbox, signer=signer,
            url_refusal=partial(refusal_of, is_private_allowed=self.private_addresses),
            printable_link=link, call_ins=self.call_ins.driver,
            cron=CronTimes(shortest_minutes=5), run_plans=RunPlans(),
            result_link=ResultLinks(self.public_url, signer),
            contact_attempts=AttemptLimit(limits.CONTACT_ATTEMPTS, self.clock),
            inspect_printable=look_at_printable,
            engine=self.engine, queries=self.queries, files=self.files, clock=self.clock, ids=self.ids,
            plan_recovery=plan_recovery,
            inspect=look_at, events=self.hub, printdb=CATALOGUE,
            code_attempts=AttemptLimit(limits.CODE_ATTEMPTS, self.clock), public_url=self.public_url,
            max_upload_bytes=MAX_UPLOAD, version="0.1.0", service_uid=self.service_uid,
            heartbeat=self.heartbeat, sign_in=SignIn(self.clock, CHEAP), issuer=self.issuer,
            rate_limit=None if self.rate is None else RequestLimit(self.rate, self.clock),
            broker_status=lambda: self.broker, look_at_storages=lambda names: self.storages(names),
        )  # fmt: skip
        self.app = build_app(self.services, DIALECTS, extra_routes=self.call_ins.hub.routes)
        self.client = TestClient(TestServer(self.app, port=self.port))
        await self.client.start_server()
        self._stack.push_async_callback(self.client.close)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        # aiohttp remembers the last 1024 apps, each with its whole host: the search for garbage grows.
        with suppress(AttributeError):
            web_app._cached_build_middleware.cache_clear()

    async def _end_engine(self) -> None:
        self.engine.stop()
        with suppress(asyncio.CancelledError):
            await self._running

    async def kill(self) -> None:
        """The process is gone: nothing is said to anybody, connections break."""
        self._running.cancel()
        server = self.client.server.runner.server
        assert server is not None
        for connection in server.connections:
            if connection.transport is not None:
                connection.transport.abort()
        await self._stack.aclose()

    def _observe(self, seen: Observation) -> None:
        self.overhear(seen)
        self.engine.observe(seen)

    async def _furnish(self) -> None:
        """Ana owns the printer mk3, Ben is a colleague, Eve is of another organization with a printer xl.

        Both plates are occupied: nothing starts by itself.
        """
        await self.change(self._add_people)
        for number in self.engine.state.printers:
            self.engine.state.presence[number] = ready()

    def _add_people(self, draft: Draft) -> None:
        other = replace(HOME, organization_id=2, name="shop", public_id="aaaaaaaaaaaaaaaaaaaaaaaa")
        draft.organizations[2] = other
        draft.organization_rows.append(other)
        for member in (ANA, BEN, EVE):
            draft.members[member.member_id] = member
            draft.member_rows.append(member)
        draft.put_printer(printer(plate=Plate.OCCUPIED))
        draft.put_printer(printer(2, "xl", owner_id=EVE.member_id, organization_id=2, plate=Plate.OCCUPIED))

    async def change(self, decide: Any) -> list[StoredEvent]:
        """Commit a change that no command makes: a state that took a day of printing, for example."""
        draft: Draft = Table(self.engine.state)._new()
        decide(draft)
        stored = await self.journal.commit(draft)
        draft.apply()
        self.hub.publish(stored, draft.fleeting)
        return list(stored)

    async def put_jobs(self, *jobs: Job) -> None:
        """Store jobs as they are, in this order."""

        def add(draft: Draft) -> None:
            for job in jobs:
                number = draft.next_work_id()
                ordinal = draft.member_jobs.get(job.member_id, 0)
                draft.add_job(replace(job, work_id=number, member_ordinal=ordinal))

        await self.change(add)

    async def put_printers(self, *printers: Printer, presence: Presence | None = None) -> None:
        """Store printers, their plates occupied, and what is known of them."""
        rows = [replace(row, plate=Plate.OCCUPIED) for row in printers]
        await self.change(lambda draft: [draft.put_printer(row) for row in rows])
        for row in rows:
            self.engine.state.presence[row.printer_id] = presence or ready()

    async def put_file(self, member: Member = BEN, name: str = "part.gcode") -> StoredFile:
        """Store a file of `member`."""
        upload = await self.files.begin()
        await upload.write(GCODE)
        sha256, size = await upload.finish()
        file = StoredFile(
            self.ids.uuid(), sha256, name, size, member.member_id, member.organization_id, self.clock.wall()
        )
        await self.change(lambda draft: draft.file_rows.append(file))
        return file

    async def token(self, member: Member = BEN, *scopes: Scope) -> str:
        """A new key of `member`; without scopes one that reads and writes."""
        made = make_key(member.member_id, "test", frozenset(scopes) or ALL_SCOPES, self.clock.wall())
        await self.engine.execute(AddKey(made.key))
        return made.token

    async def bearer(self, member: Member = BEN, *scopes: Scope) -> dict[str, str]:
        """The header of a (kept) key."""
        name = " ".join((member.name, *sorted(scopes)))
        if name not in self.tokens:
            self.tokens[name] = await self.token(member, *scopes)
        return {"Authorization": f"Bearer {self.tokens[name]}"}

    async def on_socket(self, path: Path, idle: float = limits.IDLE_SECONDS) -> ClientSession:
        """A client of the same app on a Unix socket."""
        runner = web.AppRunner(build_app(self.services, DIALECTS), **runner_options(idle))
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.UnixSite(runner, str(path)).start()
        session = ClientSession("http://localhost", connector=UnixConnector(str(path)))
        self._stack.push_async_callback(session.close)
        return session

    async def observe(self, *seen: PrinterObserved) -> None:
        """Let the engine hear of printers, and decide."""
        for snapshot in seen:
            self.engine.observe(snapshot)
        with suppress(CommandRefused):  # what comes behind them is answered when they are committed
            await self.engine.execute(RevokeKey("none"))


def a_job(name: str = "my_job", member: Member = BEN, **changes: Any) -> Job:
    """A queued job of `member` for mk3, with the seed's first instants."""
    job = Job(
        work_id=0, job_id="4b5a3181-8997-4d6a-979f-e1af7eb5b545", name=name, member_id=member.member_id,
        organization_id=member.organization_id, created_at=START, status=JobStatus.QUEUED, status_at=START,
        printer_id=1, file_name="part.gcode", file_size=30, file_sha256="ab" * 32,
    )  # fmt: skip
    return replace(job, **changes)
