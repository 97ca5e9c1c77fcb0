"""Seeded courses by the thousands: messages lost, doubled, late; gateways that die. One start a job at most.

Engine decisions and driver are the real ones; the printer is the smallest that obeys the protocol: it starts
each print_data that reaches it while it is idle, and its ledger is what is judged.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random

import pytest

from gateway.domain.call_in import StatusPost, TaskPost
from gateway.domain.commands import CancelJob, CommandRefused, ResolveJob, SetPlate
from gateway.domain.job import JobStatus
from gateway.domain.observations import Activity, Observation
from gateway.domain.orders import Order
from gateway.domain.printer import Plate, Presence
from gateway.domain.state import State
from gateway.drivers.forge.driver import ForgeDriver, open_print
from gateway.protocol.bayeux.outcome import OnOutcome, Outcome, TakeBack
from tests.support.stand import ANA, Table, a_submission, house, printer

EMBER = 58
STEPS = 60


@dataclass
class TinyPrinter:
    """Idle, or printing one job for some steps. `starts` is its ledger."""

    starts: list[str] = field(default_factory=list)
    job_id: str | None = None
    left: int = 0
    outbox: list[StatusPost | TaskPost] = field(default_factory=list)

    def print_data(self, job_id: str, steps: int) -> None:
        if self.job_id is not None:
            self.outbox.append(TaskPost(job_id, 0.0, error_code=400, error_message="busy"))
            return
        self.starts.append(job_id)
        self.job_id, self.left = job_id, steps
        self.outbox.append(TaskPost(job_id, 0.0, data={"state": "received"}))

    def step(self) -> None:
        if self.job_id is None:
            self.outbox.append(StatusPost(Activity.READY))
            return
        self.left -= 1
        status = "printing" if self.left > 0 else "completed"
        activity = Activity.PRINTING if self.left > 0 else Activity.READY
        self.outbox.append(StatusPost(activity, job_id=self.job_id, job_status=status))
        if self.left <= 0:
            self.job_id = None


class Course:
    """One seeded course of everything."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        row = printer(EMBER, "forge:58", driver="forge")
        self.table = Table(house(row, presence=Presence()))
        self.machine = TinyPrinter()
        self.on_the_way: list[tuple[str, OnOutcome]] = []  # print_data in the hub
        self.taken_back: list[tuple[str, OnOutcome]] = []
        self.ordered = 0
        self.observed: list[Observation] = []
        self.start_gateway()
        for number in range(3):
            self.table.give(a_submission(f"job {number}", EMBER))

    # protocol.bayeux.outcome.ChannelPublisher

    def publish(self, channel: str, payload: object, on_outcome: OnOutcome) -> TakeBack:
        assert isinstance(payload, dict)
        if payload["command"] != "print_data":
            return lambda: None
        message = payload["job_id"], on_outcome
        self.on_the_way.append(message)
        return lambda: self.taken_back.append(message)

    def has_listener(self, channel: str) -> bool:
        return True

    # -- the gateway --------------------------------------------------------------------------------------

    def start_gateway(self) -> None:
        """A new process on what was committed; of presence and of what was on the way it knows nothing."""
        left = self.table.state
        self.table.state = State(
            printers=left.printers, jobs=left.jobs, attempts=left.attempts, members=left.members,
            organizations=left.organizations, ended_keys=left.ended_keys, last_work_id=left.last_work_id,
            member_jobs=left.member_jobs,
        )  # fmt: skip
        self.ordered = len(self.table.orders)
        self.observed = []
        self.driver = ForgeDriver(
            self, self.observed.append, printable_link=lambda order: "http://x/y",
            monotonic=self.table.clock.monotonic, new_id=self.table.ids.uuid,
            firmware_of=lambda printer_id: None,
        )  # fmt: skip
        prints = [open_print(job) for job in left.jobs.values()]
        self.driver.begin([EMBER], [found for found in prints if found is not None])
        self.driver.listening_changed(EMBER, True)

    def decide(self, die_before_acting: bool = False) -> None:
        """What the engine does with what was observed; it may die between commit and act."""
        while self.observed:
            self.table.give(self.observed.pop(0))
        if die_before_acting:
            self.ordered = len(self.table.orders)
            return
        orders: list[Order] = self.table.orders[self.ordered :] + self.table.safety
        self.ordered = len(self.table.orders)
        self.table.safety = []
        for order in orders:
            self.driver.submit(order)

    # -- what happens -------------------------------------------------------------------------------------

    def step(self) -> None:
        chance = self.chance
        self.table.clock.advance(chance.choice([1.0, 15.0, 15.0, 40.0]))
        self.machine.step()
        self.driver.wake()
        self._take_back_messages()
        self._deliver_messages()
        self._deliver_posts()
        if chance.random() < 0.1:
            self.decide(die_before_acting=chance.random() < 0.5)
            self.start_gateway()
        self.decide()
        self._people()

    def _take_back_messages(self) -> None:
        for message in self.taken_back:
            if message in self.on_the_way:
                self.on_the_way.remove(message)
                message[1](Outcome.DROPPED)
        self.taken_back.clear()

    def _deliver_messages(self) -> None:
        for job_id, on_outcome in self.on_the_way[:]:
            luck = self.chance.random()
            if luck < 0.5:
                self.machine.print_data(job_id, self.chance.randint(1, 4))
                on_outcome(self.chance.choice([Outcome.DELIVERED, Outcome.UNCLEAR]))
            elif luck < 0.6:
                on_outcome(Outcome.UNCLEAR)
            elif luck < 0.7:
                on_outcome(self.chance.choice([Outcome.DROPPED, Outcome.NOBODY]))
            else:
                continue  # it waits in the queue
            self.on_the_way.remove((job_id, on_outcome))

    def _deliver_posts(self) -> None:
        chance, posts = self.chance, self.machine.outbox
        if chance.random() < 0.2:
            chance.shuffle(posts)
        while posts and chance.random() < 0.8:
            post = posts.pop(0)
            for _ in range(chance.choice([0, 1, 1, 1, 1, 2])):
                if isinstance(post, StatusPost):
                    self.driver.status_posted(EMBER, post)
                else:
                    self.driver.task_posted(EMBER, post)

    def _people(self) -> None:
        for job in list(self.table.state.jobs.values()):
            luck = self.chance.random()
            try:
                if job.is_held and luck < 0.5:
                    self.table.give(ResolveJob(job.job_id, ANA.member_id, JobStatus.FAILED))
                elif luck < 0.02:
                    self.table.give(CancelJob(job.job_id, ANA.member_id))
            except CommandRefused:
                continue
        if self.machine.job_id is None and self.chance.random() < 0.5:
            try:
                self.table.give(SetPlate(EMBER, Plate.CLEAR, "ana"))
            except CommandRefused:
                return


def started_twice(seed: int) -> list[str]:
    """Jobs that the machine started more than once."""
    course = Course(seed)
    for _ in range(STEPS):
        course.step()
    return [job_id for job_id, times in Counter(course.machine.starts).items() if times > 1]


def test_courses_do_print() -> None:
    """Else the tests below would say nothing."""
    printed = 0
    for seed in range(50):
        course = Course(seed)
        for _ in range(STEPS):
            course.step()
        printed += len(course.machine.starts)
    assert printed > 75


@pytest.mark.parametrize("block", range(4))
def test_no_job_is_started_twice(block: int) -> None:
    seeds = range(block * 75, (block + 1) * 75)
    assert {seed: twice for seed in seeds if (twice := started_twice(seed))} == {}


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_no_job_is_started_twice_in_twenty_thousand_courses() -> None:
    assert {seed: twice for seed in range(20_000) if (twice := started_twice(seed))} == {}
