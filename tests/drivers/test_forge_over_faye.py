"""The same courses with the real Bayeux server between: sessions left behind, broken writes, late comers.

Whatever is written on a connection may reach the machine, also on one of a session that its printer left.
"""

from __future__ import annotations

import json
from collections import Counter

import pytest

from gateway.domain.commands import CancelJob
from gateway.domain.job import JobStatus
from gateway.protocol.bayeux.messages import Request
from gateway.protocol.bayeux.outcome import OnOutcome, TakeBack
from gateway.protocol.bayeux.publication import Told
from gateway.protocol.bayeux.server import BayeuxServer
from gateway.protocol.bayeux.session import Line, Parcel, Written
from tests.drivers.test_forge_at_most_once import EMBER, STEPS, Course
from tests.support.stand import ANA

COMMANDS = f"/printers/{EMBER}/command"
TOKENS = ("token", "token", "token", None)  # the printer's; a stranger's none, at a lenient server


class CourseOverFaye(Course):
    """Its machine is reached by what is written to any session of the server."""

    def __init__(self, seed: int) -> None:
        self.clients: list[str] = []  # the newest last
        self.written: list[str] = []  # a print_data each, on whatever connection
        self.too_late: list[str] = []  # of these, for a job that was over
        super().__init__(seed)

    def start_gateway(self) -> None:
        self.clients.clear()
        self.made = 0
        self.server = BayeuxServer(
            may_subscribe=lambda channel, token: True, new_id=self._new_id, is_for_one=lambda channel: True
        )
        super().start_gateway()
        self._shake_hands()

    def _new_id(self) -> str:
        self.made += 1
        return f"c{self.made}"

    def publish(self, channel: str, payload: object, on_outcome: OnOutcome) -> TakeBack:
        assert isinstance(payload, dict)
        return self.server.publish(channel, payload, on_outcome)

    def has_listener(self, channel: str) -> bool:
        return self.server.has_listener(channel)

    def _say(self, channel: str, **fields: object) -> Parcel | None:
        message = Request.model_validate({"channel": channel, **fields})
        return self.server.receive([message], Line("10.0.0.1"), self.table.clock.monotonic())

    def _shake_hands(self) -> None:
        hello = self._say("/meta/handshake", version="1.0", supportedConnectionTypes=["websocket"])
        assert hello is not None
        self.clients.append(json.loads(hello.text)[0]["clientId"])
        token = {"authentication_token": self.chance.choice(TOKENS)}
        self._say("/meta/subscribe", clientId=self.clients[-1], subscription=COMMANDS, ext=token)

    def _take_back_messages(self) -> None:
        self._tell()

    def _tell(self) -> None:
        for event in self.server.take_events():
            if isinstance(event, Told):
                event.on_outcome(event.outcome)
            else:
                self.driver.listening_changed(EMBER, event.is_heard)

    def _deliver_messages(self) -> None:
        self.server.tick(self.table.clock.monotonic())
        self._tell()
        if self.chance.random() < 0.3:
            self._shake_hands()
        for client in self.clients[-4:]:
            if self.chance.random() < 0.4:
                self._poll(client)
        self._tell()

    def _people(self) -> None:
        """They change their minds the moment a start is on its way."""
        for job in list(self.table.state.jobs.values()):
            if job.status is JobStatus.SENT and not job.is_held and self.chance.random() < 0.1:
                self.table.give(CancelJob(job.job_id, ANA.member_id))
        super()._people()

    def _poll(self, client: str) -> None:
        at_once = {"timeout": 0}
        parcel = self._say("/meta/connect", clientId=client, connectionType="websocket", advice=at_once)
        assert parcel is not None
        written = self.chance.choice([Written.YES, Written.YES, Written.MAYBE, Written.NO])
        if self.chance.random() < 0.2:
            self._shake_hands()  # while it is being written
        for message in json.loads(parcel.text):
            data = message.get("data", {})
            if data.get("command") == "print_data" and written is not Written.NO:
                self.written.append(data["job_id"])
                if all(job.job_id != data["job_id"] for job in self.table.state.jobs.values()):
                    self.too_late.append(data["job_id"])
                if written is Written.YES or self.chance.random() < 0.5:
                    self.machine.print_data(data["job_id"], self.chance.randint(1, 4))
        self.server.settle(parcel, written)


def written_wrongly(seed: int) -> list[str]:
    """Jobs whose start was written more than once, on whatever connections, or after their end."""
    course = CourseOverFaye(seed)
    for _ in range(STEPS):
        course.step()
    return course.too_late + [job_id for job_id, times in Counter(course.written).items() if times > 1]


def test_courses_do_print() -> None:
    """Else the test below would say nothing."""
    printed = 0
    for seed in range(30):
        course = CourseOverFaye(seed)
        for _ in range(STEPS):
            course.step()
        printed += len(course.machine.starts)
    assert printed > 10


def test_a_start_is_written_once_and_never_for_a_job_that_is_over() -> None:
    assert {seed: wrong for seed in range(60) if (wrong := written_wrongly(seed))} == {}


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_the_same_in_ten_thousand_courses() -> None:
    assert {seed: wrong for seed in range(10_000) if (wrong := written_wrongly(seed))} == {}
