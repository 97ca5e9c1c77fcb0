"""The event stream: complete, in order, once, for those who may see it, and over when the server is."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import ClientResponse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.api.http import limits
from gateway.domain.commands import SubmitJob
from gateway.domain.events import JobProgressed
from gateway.domain.member import Member, Scope
from gateway.engine.ports import StoreUnavailable
from gateway.publish import hub as hub_module
from tests.api.host import EVE, Host
from tests.support.stand import ANA, BEN, START

PATH = "/gateway/v1/events"


@dataclass(frozen=True)
class Told:
    """One event as it came over the wire."""

    kind: str
    number: str | None
    body: dict[str, Any]


class Reader:
    """Reads a stream event by event."""

    def __init__(self, response: ClientResponse) -> None:
        self.response = response

    async def next(self) -> Told | None:
        """The next event; None at the end of the stream."""
        found: dict[str, str] = {}
        while True:
            line = (await self.response.content.readline()).decode()
            if not line:
                return None
            name, _, value = line.rstrip("\n").partition(": ")
            if name in ("event", "id", "data"):
                found[name] = value
            elif not name and found:
                return Told(found["event"], found.get("id"), json.loads(found["data"]))

    async def kinds(self, count: int) -> list[str]:
        return [told.kind for told in [await self.next() for _ in range(count)] if told]


async def listen(host: Host, member: Member = BEN, *scopes: Scope, query: str = "", **headers: str) -> Reader:
    response = await host.client.get(
        PATH + query, headers={**await host.bearer(member, *scopes), **headers}, timeout=None
    )
    assert response.status == 200, await response.text()
    assert response.content_type == "text/event-stream"
    return Reader(response)


async def submit(host: Host, member: Member = BEN, printer_id: int | None = 1, name: str = "part") -> Any:
    return await host.engine.execute(
        SubmitJob(member.member_id, member.organization_id, name, printer_id=printer_id)
    )


async def test_begins_with_where_it_starts(host: Host) -> None:
    await submit(host)
    reader = await listen(host)
    told = await reader.next()
    assert told is not None
    assert (told.kind, told.number) == ("hello", str(await host.queries.last_event_seq()))


async def test_tells_what_happens_from_now_on(host: Host) -> None:
    await submit(host, name="before")
    reader = await listen(host)
    await reader.next()
    job = await submit(host, name="after")
    told = await reader.next()
    assert told is not None
    assert (told.kind, told.body["details"]["job_id"]) == ("job-submitted", job.job_id)
    assert told.number == str(told.body["seq"])
    assert told.body["at"] == "2016-05-18T05:42:02.000Z"


@pytest.mark.parametrize("how", ["header", "query"])
async def test_resumes_behind_the_last_event_seen(host: Host, how: str) -> None:
    start = await host.queries.last_event_seq()
    jobs = [await submit(host, name=str(number)) for number in range(3)]
    await submit(host, name="later")
    if how == "header":
        reader = await listen(host, **{"Last-Event-ID": str(start)})
    else:
        reader = await listen(host, query=f"?after={start}")
    assert (await reader.next()).number == str(start)  # type: ignore[union-attr]
    told = [await reader.next() for _ in range(3)]
    assert [item.body["details"]["job_id"] for item in told if item] == [job.job_id for job in jobs]


async def test_header_counts_before_query(host: Host) -> None:
    newest = await host.queries.last_event_seq()
    reader = await listen(host, query="?after=0", **{"Last-Event-ID": str(newest)})
    assert (await reader.next()).number == str(newest)  # type: ignore[union-attr]


@pytest.mark.parametrize("value", ["x", "-1", "1.5", "9" * 25])
async def test_resume_point_that_is_none(host: Host, value: str) -> None:
    headers = await host.bearer()
    assert (await host.client.get(PATH, headers={**headers, "Last-Event-ID": value})).status == 400
    assert (await host.client.get(f"{PATH}?after={value}", headers=headers)).status == 400


class Interrupted:
    """Queries that let something happen between the subscription and the reading of the store."""

    def __init__(self, host: Host, happen: Any) -> None:
        self._host = host
        self._happen = happen

    async def last_event_seq(self) -> int:
        newest = await self._host.queries.last_event_seq()
        await self._happen()
        return newest

    async def events_after(self, seq: int, limit: int) -> Any:
        page = await self._host.queries.events_after(seq, limit)
        await self._happen()
        return page


async def test_no_gap_and_no_double_between_stored_and_live(host: Host) -> None:
    """Events happen at the worst moments: while the store is being read. Each is told once, in order."""
    await host.bearer()
    start = await host.queries.last_event_seq()
    names = iter(range(100))

    async def happen() -> None:
        await submit(host, name=str(next(names)))

    for _ in range(3):
        await happen()
    object.__setattr__(host.services, "queries", Interrupted(host, happen))
    reader = await listen(host, **{"Last-Event-ID": str(start)})
    await reader.next()
    told = [await reader.next() for _ in range(5)]
    await happen()
    told.append(await reader.next())
    assert [item.body["details"]["name"] for item in told if item] == [str(number) for number in range(6)]


async def test_who_reads_behind_the_headers_misses_nothing(host: Host) -> None:
    """A client reads its job as soon as it is answered: from there on it must hear of every change."""
    headers = await host.bearer()
    reading, read = asyncio.Event(), asyncio.Event()

    async def held_up() -> None:
        reading.set()
        await read.wait()

    object.__setattr__(host.services, "queries", Interrupted(host, held_up))
    answered = asyncio.create_task(host.client.get(PATH, headers=headers, timeout=None))
    await reading.wait()
    done, _ = await asyncio.wait({answered}, timeout=0.2)
    assert not done, "answered before it was settled from where the stream tells"
    job = await submit(host)  # behind the reading of the newest event, before the answer
    read.set()
    reader = Reader(await answered)
    assert (await reader.next()).kind == "hello"  # type: ignore[union-attr]
    told = await reader.next()
    assert told is not None
    assert told.body["details"]["job_id"] == job.job_id


async def test_what_is_committed_and_not_yet_in_memory_is_told(host: Host) -> None:
    """The store has the event, and so `hello` covers it; but a client that asks now may be told of before."""

    class Ahead(Interrupted):
        async def last_event_seq(self) -> int:
            return await super().last_event_seq() + 1

    async def nothing() -> None:
        """What comes, comes later."""

    await host.bearer()
    object.__setattr__(host.services, "queries", Ahead(host, nothing))
    reader = await listen(host)
    hello = await reader.next()
    job = await submit(host)
    async with asyncio.timeout(60):
        told = await reader.next()
    assert hello is not None
    assert told is not None
    assert (told.number, told.body["details"]["job_id"]) == (hello.number, job.job_id)


async def test_a_store_that_cannot_be_read_is_said_by_the_status(host: Host) -> None:
    headers = await host.bearer()

    async def fail() -> None:
        raise StoreUnavailable("the disk is gone")

    object.__setattr__(host.services, "queries", Interrupted(host, fail))
    assert (await host.client.get(PATH, headers=headers)).status == 503
    assert host.hub.listeners == 0


async def test_a_slow_listener_goes_back_to_the_store(host: Host) -> None:
    """More than its buffer holds while it was not read: nothing is lost all the same."""
    await host.bearer()
    start = await host.queries.last_event_seq()
    gate = asyncio.Event()
    started = asyncio.Event()

    async def hold() -> None:
        started.set()
        await gate.wait()

    real = host.services.queries
    object.__setattr__(host.services, "queries", Interrupted(host, hold))
    opening = asyncio.create_task(listen(host))
    await started.wait()
    for _ in range(12):
        await asyncio.gather(*(submit(host) for _ in range(hub_module.BUFFERED_EVENTS // 10)))
    gate.set()
    reader = await opening
    hello = await reader.next()
    object.__setattr__(host.services, "queries", real)
    assert hello is not None
    assert hello.number == str(start)
    numbers = [told.body["seq"] for told in [await reader.next() for _ in range(1200)] if told]
    assert numbers == list(range(start + 1, start + 1201))


async def test_too_far_behind_is_told_to_read_anew(host: Host) -> None:
    reader = await listen(host, **{"Last-Event-ID": str(10**9)})  # a database restored from a backup
    await reader.next()
    told = await reader.next()
    newest = await host.queries.last_event_seq()
    assert told is not None
    assert (told.kind, told.number) == ("resync", str(newest))
    await submit(host)
    assert await reader.kinds(1) == ["job-submitted"]


async def test_replay_is_bounded(host: Host) -> None:
    class Long(Interrupted):
        async def last_event_seq(self) -> int:
            return limits.REPLAY_EVENTS + 1

    object.__setattr__(host.services, "queries", Long(host, None))
    reader = await listen(host, **{"Last-Event-ID": "0"})
    assert await reader.kinds(2) == ["hello", "resync"]


async def test_a_beginning_that_was_pruned_is_a_resync(host: Host) -> None:
    for _ in range(4):
        await submit(host)
    real = host.services.queries

    class Pruned(Interrupted):
        async def last_event_seq(self) -> int:
            return await real.last_event_seq()

        async def events_after(self, seq: int, limit: int) -> Any:
            return [event for event in await real.events_after(seq, limit) if event.seq > 3]

    object.__setattr__(host.services, "queries", Pruned(host, None))
    reader = await listen(host, **{"Last-Event-ID": "1"})
    assert await reader.kinds(2) == ["hello", "resync"]
    await submit(host)
    assert await reader.kinds(1) == ["job-submitted"]


async def test_progress_has_no_number_and_is_the_newest(host: Host) -> None:
    reader = await listen(host)
    await reader.next()
    for reached in (0.1, 0.2, 0.3):
        host.hub.publish([], [JobProgressed(START, 1, BEN.member_id, 1, 7, "j", reached, 10, 3)])
    told = await reader.next()
    assert told is not None
    assert (told.kind, told.number, "seq" in told.body) == ("job-progressed", None, False)
    assert told.body["details"] == {
        "job_id": "j", "progress": 0.3, "position": 10, "line": 3,
        "layer": None, "layers": None, "seconds_left": None,
    }  # fmt: skip


async def test_each_hears_what_it_may_see(host: Host) -> None:
    eves, anas, bens = [await listen(host, member) for member in (EVE, ANA, BEN)]
    for reader in (eves, anas, bens):
        await reader.next()
    job = await submit(host, BEN)  # on ana's printer
    foreign = await submit(host, EVE, printer_id=2)
    await host.client.post(
        "/gateway/v1/printers/mk3/plate", json={"plate": "clear"}, headers=await host.bearer(ANA)
    )
    assert [(await reader.next()).body["details"]["job_id"] for reader in (anas, bens, eves)] == [  # type: ignore[union-attr]
        job.job_id, job.job_id, foreign.job_id,
    ]  # fmt: skip
    assert await anas.kinds(1) == await bens.kinds(1) == ["plate-changed"]


async def test_ends_cleanly_when_the_server_stops(host: Host) -> None:
    reader = await listen(host)
    await reader.next()
    await submit(host)
    host.hub.close()
    assert await reader.kinds(1) == ["job-submitted"]
    assert await reader.next() is None


async def test_a_client_that_went_away_is_forgotten(host: Host) -> None:
    reader = await listen(host)
    await reader.next()
    assert host.hub.listeners == 1
    reader.response.close()
    while host.hub.listeners:
        await submit(host)


async def test_needs_a_key_that_reads(host: Host) -> None:
    assert (await host.client.get(PATH)).status == 401
    writer = await host.bearer(BEN, Scope.DATA_WRITE)
    assert (await host.client.get(PATH, headers=writer)).status == 403


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["submit", "reconnect"]), max_size=12))
def test_any_reconnecting_reader_hears_all(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    """Whenever the connection breaks, `Last-Event-ID` makes the whole story out of the pieces."""

    async def play() -> None:
        async with Host(tmp_path_factory.mktemp("host")) as host:
            reader = await listen(host)
            last = (await reader.next()).number  # type: ignore[union-attr]
            told, submitted = [], 0
            for step in [*steps, "reconnect"]:
                if step == "submit":
                    await submit(host, name=str(submitted))
                    submitted += 1
                    continue
                for _ in range(submitted - len(told)):
                    if len(told) % 2:  # read only some of it before the connection breaks
                        break
                    item = await reader.next()
                    assert item is not None
                    told.append(item.body["details"]["name"])
                    last = item.number
                reader.response.close()
                reader = await listen(host, **{"Last-Event-ID": str(last)})
                await reader.next()
            while len(told) < submitted:
                item = await reader.next()
                assert item is not None
                told.append(item.body["details"]["name"])
            assert told == [str(number) for number in range(submitted)]

    asyncio.run(play())
