"""Who is told what and when; a receiver that fails, hangs or goes; deaths in between. On virtual time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gateway.api.forge.mapping import callback_body
from gateway.domain.commands import AddMember, CancelJob, SetCallback, SubmitJob
from gateway.domain.job import Job, JobStatus
from gateway.engine.ports import Callback, CallbackState, Subscription
from gateway.publish.callback_rules import FAILURES, PROBES
from gateway.publish.callbacks import SENDERS_PER_HOST, SENDERS_PER_MEMBER, CallbackSender
from gateway.publish.hub import Heard
from gateway.store.outbox import Outbox
from gateway.transport.web import WebAnswer
from gateway.transport.web_errors import PRIVATE, WebTrouble
from tests.store.stand import moved as a_move
from tests.support.office import Office
from tests.support.stand import ANA, BEN

HOOK = "https://app.example/hook"
YES = WebAnswer(200, b'{"callback": "supported"}')
SLOW = WebTrouble("it took too long", is_passing=True)
LONG = 900.0  # seconds: beyond all probes, many intervals


class Receiver:
    """An app's server. `answers` says what the next ones are; the last of them stays."""

    def __init__(self, latency: float = 0.1) -> None:
        self.latency = latency  # seconds
        self.support: list[Any] = [YES]
        self.answers: list[Any] = [WebAnswer(200, b"")]
        self.probes: list[tuple[float, str]] = []
        self.updates: list[tuple[float, dict[str, Any]]] = []
        self.now = self.most_now = 0

    async def exchange(self, answers: list[Any]) -> WebAnswer:
        self.now += 1
        self.most_now = max(self.most_now, self.now)
        try:
            await asyncio.sleep(self.latency)
        finally:
            self.now -= 1
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, WebAnswer)
        return answer

    @property
    def statuses(self) -> list[str]:
        return [update["job_status"] for _, update in self.updates]


class FakeWeb:
    """The network: receivers by host."""

    def __init__(self) -> None:
        self.receivers: dict[str, Receiver] = {}

    def at(self, url: str) -> Receiver:
        return self.receivers.setdefault(url.split("/")[2], Receiver())

    async def get(self, url: str, *, seconds: float, most_bytes: int) -> WebAnswer:
        receiver = self.at(url)
        receiver.probes.append((asyncio.get_running_loop().time(), url))
        return await receiver.exchange(receiver.support)

    async def post_json(self, url: str, body: bytes, *, seconds: float, most_bytes: int) -> WebAnswer:
        receiver = self.at(url)
        if url.endswith("/support"):
            return await receiver.exchange(receiver.support)
        receiver.updates.append((asyncio.get_running_loop().time(), json.loads(body)))
        return await receiver.exchange(receiver.answers)


class CountedOutbox(Outbox):
    saves = 0
    meanwhile: Callable[[], Awaitable[None]] | None = None  # what happens once while callbacks are read

    async def callbacks(self, work_ids: Sequence[int]) -> Mapping[int, Callback]:
        found = await super().callbacks(work_ids)
        if self.meanwhile is not None:
            happens, self.meanwhile = self.meanwhile, None
            await happens()
        return found

    async def save(self, given: Callback) -> None:
        self.saves += 1
        await super().save(given)


class House(Office):
    web: FakeWeb

    def tell(
        self,
        subscribe: Callable[[], Subscription] | None = None,
        meanwhile: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Start a sender, as a process does."""
        self.counted = CountedOutbox(self.database)
        self.counted.meanwhile = meanwhile
        self.run(
            CallbackSender(
                engine=self.engine, queries=self.queries, outbox=self.counted,
                subscribe=subscribe or self.hub.subscribe,
                web=self.web, render=self.render, clock=self.clock, chance=self.chance,
            ).run()
        )  # fmt: skip

    def render(self, job: Job) -> dict[str, Any]:
        state = self.engine.state
        return callback_body(
            job, state.printers.get(job.printer_id or 0), state.presence.get(job.printer_id or 0)
        )

    async def move(self, status: JobStatus, work_id: int = 1, **changes: Any) -> None:
        """What a printer's report would have done."""

        def decide(draft: Any) -> None:
            job = replace(draft.jobs[work_id], print_key=f"key {work_id}", **changes)
            moved = draft.put_job(job.moved(status, draft.moment.wall))
            draft.events.append(a_move(moved))

        await self.change(decide)

    async def print(self, work_id: int = 1) -> None:
        """From `created` to `printing`, with a file and a printer."""
        await self.move(
            JobStatus.QUEUED, work_id, printer_id=1, file_sha256="ab" * 32, file_size=1, is_local=True
        )
        await self.move(JobStatus.SENT, work_id)
        await self.move(JobStatus.PRINTING, work_id)

    async def until(self, condition: Callable[[], bool], seconds: float = LONG) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.05)

    async def state(self, work_id: int = 1) -> CallbackState | None:
        known = await self.outbox.callback(work_id)
        return None if known is None else known.state


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path) as built:
        built.web = FakeWeb()
        built.tell()
        yield built


# ---------------------------------------------------------------- the ordinary course


async def test_a_job_is_told_from_its_birth_to_its_end(house: House) -> None:
    receiver = house.web.at(HOOK)
    await house.submit(callback_url=HOOK, callback_interval=20)
    await house.until(lambda: receiver.statuses == ["created"])
    assert [url for _, url in receiver.probes] == [f"{HOOK}/support"]
    await house.move(JobStatus.QUEUED, printer_id=1, file_sha256="ab" * 32, file_size=1, is_local=True)
    await house.until(lambda: receiver.statuses[-1] == "queued")
    await house.move(JobStatus.SENT)
    await house.until(lambda: receiver.statuses[-1] == "sent")
    await house.move(JobStatus.PRINTING)
    await house.until(lambda: receiver.statuses[-1] == "printing")
    await asyncio.sleep(70.0)
    await house.move(JobStatus.COMPLETED)
    await house.until(lambda: receiver.statuses[-1] == "completed")
    await asyncio.sleep(LONG)
    assert receiver.statuses == ["created", "queued", "sent", *["printing"] * 4, "completed"]
    printing = [at for at, update in receiver.updates if update["job_status"] == "printing"]
    waits = [after - before for before, after in pairwise(printing)]
    assert [round(wait) for wait in waits] == [20, 20, 20]
    assert await house.outbox.undelivered() == ()
    assert len(receiver.probes) == 1


class HardOfHearing:
    """A subscription that hears nothing but, once, that events were lost."""

    def __init__(self) -> None:
        self.overflows = asyncio.Event()
        self.has_told = asyncio.Event()

    async def take(self) -> Heard:
        if self.has_told.is_set():
            await asyncio.Event().wait()
        await self.overflows.wait()
        self.has_told.set()
        return Heard(overflowed=True)

    def close(self) -> None:
        """Nothing is kept."""


async def test_what_is_lost_while_all_is_read_is_read_again(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        house.web = FakeWeb()
        lossy = HardOfHearing()

        async def burst() -> None:
            await house.submit(callback_url=HOOK)
            lossy.overflows.set()
            await lossy.has_told.wait()
            await asyncio.sleep(0)

        house.tell(lambda: lossy, burst)
        await house.until(lambda: house.web.at(HOOK).statuses == ["created"])


async def test_a_job_that_waits_is_told_of_once(house: House) -> None:
    receiver = house.web.at(HOOK)
    await house.submit(callback_url=HOOK)
    await asyncio.sleep(LONG)
    assert receiver.statuses == ["created"]


async def test_jobs_without_a_callback_tell_nobody(house: House) -> None:
    await house.submit()
    await house.print()
    await house.move(JobStatus.COMPLETED)
    await asyncio.sleep(LONG)
    assert house.web.receivers == {}


async def test_states_that_come_quickly_are_one_update(house: House) -> None:
    """The newest one, at once behind the one that is under way."""
    receiver = house.web.at(HOOK)
    receiver.latency = 5.0
    await house.submit(callback_url=HOOK)
    await house.until(lambda: receiver.statuses == ["created"])
    await house.print()
    await house.move(JobStatus.COMPLETED)
    await asyncio.sleep(LONG)
    assert receiver.statuses == ["created", "completed"]


async def test_registering_later_tells_at_once(house: House) -> None:
    receiver = house.web.at(HOOK)
    job = await house.submit()
    await house.print()
    await house.give(SetCallback(job.job_id, BEN.member_id, HOOK, 60))
    await house.until(lambda: receiver.statuses == ["printing"])
    other = house.web.at("https://other.example/")
    await house.give(SetCallback(job.job_id, BEN.member_id, "https://other.example/", 60))
    await house.until(lambda: other.statuses == ["printing"])
    await asyncio.sleep(600.0)
    assert (len(receiver.updates), len(other.probes)) == (1, 1)


# ---------------------------------------------------------------- receivers that are none, or fail


@pytest.mark.parametrize(
    ("support", "probes"),
    [([WebAnswer(404, b"")], PROBES), ([WebAnswer(200, b"{}")], PROBES), ([SLOW], PROBES),
     ([WebTrouble(PRIVATE, is_passing=False)], 1)],
    ids=["no such page", "other words", "silence", "private address"],
)  # fmt: skip
async def test_who_takes_no_updates_is_refused_visibly(house: House, support: list[Any], probes: int) -> None:
    receiver = house.web.at(HOOK)
    receiver.support = support
    await house.submit(callback_url=HOOK)
    await asyncio.sleep(LONG)
    known = await house.outbox.callback(1)
    assert known is not None
    assert (known.state, known.failures, known.next_at) == (CallbackState.REFUSED, probes, None)
    assert known.last_error
    assert (len(receiver.probes), receiver.updates) == (probes, [])


async def test_a_receiver_that_knows_only_post_is_one(house: House) -> None:
    receiver = house.web.at(HOOK)
    receiver.support = [WebAnswer(405, b""), YES]
    await house.submit(callback_url=HOOK)
    await house.until(lambda: receiver.statuses == ["created"])


async def test_registering_again_after_a_refusal_asks_again(house: House) -> None:
    receiver = house.web.at(HOOK)
    receiver.support = [WebTrouble(PRIVATE, is_passing=False), YES]
    job = await house.submit(callback_url=HOOK)
    await asyncio.sleep(LONG)
    assert await house.state() is CallbackState.REFUSED
    await house.give(SetCallback(job.job_id, BEN.member_id, HOOK))
    await house.until(lambda: receiver.statuses == ["created"])


async def test_an_update_that_fails_is_tried_again_with_the_newest_state(house: House) -> None:
    receiver = house.web.at(HOOK)
    receiver.answers = [WebAnswer(500, b""), SLOW, WebAnswer(302, b""), WebAnswer(204, b"")]
    await house.submit(callback_url=HOOK)
    await house.until(lambda: len(receiver.updates) == 2)
    await house.print()
    await house.until(lambda: len(receiver.updates) == 4)
    assert receiver.statuses[:4] == ["created", "created", "printing", "printing"]
    times = [at for at, _ in receiver.updates[:4]]
    waits = [after - before for before, after in pairwise(times)]
    assert [round(wait / 5.0 / 2**number) for number, wait in enumerate(waits)] == [1, 1, 1]
    await house.until(lambda: len(receiver.updates) == 5)
    known = await house.outbox.callback(1)
    assert known is not None
    assert (known.state, known.failures, known.last_error) == (CallbackState.ACTIVE, 0, None)


async def test_gone_stops_at_once(house: House) -> None:
    receiver = house.web.at(HOOK)
    receiver.answers = [WebAnswer(410, b"")]
    await house.submit(callback_url=HOOK)
    await house.print()
    await asyncio.sleep(LONG)
    assert await house.state() is CallbackState.REFUSED
    assert len(receiver.updates) == 1


async def known_of(house: House) -> Callback:
    known = await house.outbox.callback(1)
    assert known is not None
    return known


async def test_after_a_day_it_is_given_up(house: House) -> None:
    receiver = house.web.at(HOOK)
    receiver.answers = [SLOW]
    job = await house.submit(callback_url=HOOK)
    await house.until(lambda: len(receiver.updates) == 1)
    await asyncio.sleep(1.0)
    await house.give(CancelJob(job.job_id, BEN.member_id))
    await house.outbox.save(replace(await known_of(house), failures=FAILURES - 1, next_at=None))
    await house.kill()
    await house.start()
    house.tell()
    await asyncio.sleep(60.0)
    assert await house.state() is CallbackState.GIVEN_UP
    assert await house.outbox.undelivered() == ()
    told = len(receiver.updates)
    await asyncio.sleep(LONG)
    assert len(receiver.updates) == told


async def test_one_slow_receiver_stops_nobody(house: House) -> None:
    slow, quick = house.web.at("https://slow.example/"), house.web.at(HOOK)
    slow.latency = 10.0
    for _ in range(20):
        await house.submit(callback_url="https://slow.example/")
    await asyncio.sleep(1.0)
    before = asyncio.get_running_loop().time()
    await house.submit(callback_url=HOOK)
    await house.until(lambda: quick.statuses == ["created"])
    assert asyncio.get_running_loop().time() - before < 1.0
    await house.until(lambda: len(slow.updates) == 20)
    assert slow.most_now == SENDERS_PER_HOST


async def test_a_receiver_by_many_names_holds_up_nobody_else_s(house: House) -> None:
    for number in range(100):
        house.web.at(f"https://{number}.slow.example/").latency = 10.0
        await house.submit(callback_url=f"https://{number}.slow.example/")
    await asyncio.sleep(1.0)
    assert sum(receiver.now for receiver in house.web.receivers.values()) == SENDERS_PER_MEMBER
    await house.give(AddMember(ANA))
    quick = house.web.at(HOOK)
    await house.give(SubmitJob(ANA.member_id, ANA.organization_id, "hers", callback_url=HOOK))
    before = asyncio.get_running_loop().time()
    await house.until(lambda: quick.statuses == ["created"])
    assert asyncio.get_running_loop().time() - before < 1.0


# ---------------------------------------------------------------- deaths


async def test_a_change_that_nobody_could_tell_before_the_death_is_told_after_it(house: House) -> None:
    """Killed between the commit and the delivery."""
    receiver = house.web.at(HOOK)
    await house.submit(callback_url=HOOK)
    await house.until(lambda: receiver.statuses == ["created"])
    await house.print()
    await house.kill()
    await house.start()
    await house.move(JobStatus.COMPLETED)  # with no sender at all
    await house.kill()
    before = len(receiver.updates)
    await house.start()
    house.tell()
    await house.until(lambda: receiver.statuses[before:] == ["completed"])
    await asyncio.sleep(LONG)
    assert len(receiver.updates) == before + 1
    assert await house.outbox.undelivered() == ()


async def test_a_death_before_the_first_probe(house: House) -> None:
    receiver = house.web.at(HOOK)
    await house.kill()
    await house.start()
    await house.submit(callback_url=HOOK)
    await house.kill()
    await house.start()
    house.tell()
    await house.until(lambda: receiver.statuses == ["created"])


async def test_a_death_in_the_middle_of_a_delivery_delivers_twice_rather_than_never(house: House) -> None:
    receiver = house.web.at(HOOK)
    receiver.latency = 5.0
    await house.submit(callback_url=HOOK)
    await house.until(lambda: receiver.statuses == ["created"])
    await house.kill()
    await house.start()
    house.tell()
    await asyncio.sleep(60.0)
    assert receiver.statuses == ["created", "created"]


async def test_a_back_off_outlives_a_death(house: House) -> None:
    receiver = house.web.at(HOOK)
    receiver.answers = [SLOW]
    await house.submit(callback_url=HOOK)
    await house.until(lambda: len(receiver.updates) == 8)
    await asyncio.sleep(10.0)
    told = len(receiver.updates)
    await house.kill()
    await house.start()
    house.tell()
    await asyncio.sleep(300.0)
    assert len(receiver.updates) == told
    known = await house.outbox.callback(1)
    assert known is not None
    assert known.failures == told
    receiver.answers = [WebAnswer(200, b"")]
    await house.until(lambda: len(receiver.updates) == told + 1)


async def test_a_running_job_writes_seldom(house: House) -> None:
    """Updates every second are no writes every second."""
    receiver = house.web.at(HOOK)
    await house.submit(callback_url=HOOK, callback_interval=1)
    await house.print()
    await house.until(lambda: receiver.statuses[-1:] == ["printing"])
    before = house.counted.saves
    await asyncio.sleep(600.0)
    assert len(receiver.updates) > 500
    assert house.counted.saves - before < 20
