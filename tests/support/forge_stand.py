"""The driver of printers that call in, with a channel that the test holds in its hands; no I/O, no loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from gateway.domain.call_in import StatusPost, TaskPost
from gateway.domain.observations import (
    Activity,
    Observation,
    OrderAnswered,
    OrderProgressed,
    PrinterObserved,
    PrintPhase,
    PrintReport,
)
from gateway.domain.orders import (
    Acknowledge,
    CancelPrint,
    EmergencyStop,
    Order,
    PausePrint,
    ResumePrint,
    StartPrint,
    Tell,
)
from gateway.drivers.forge.driver import ForgeDriver, OpenPrint
from gateway.protocol.bayeux.outcome import OnOutcome, Outcome, TakeBack

EMBER = 58
NAME = "forge:58"
JOB = "4b5a3181-8997-4d6a-979f-e1af7eb5b545"
LOCAL = "d075f5ee-98b7-491a-b4b1-188260b01c59"
MARK = "mark-1"


@dataclass
class Published:
    """One message, and what is done with it."""

    channel: str
    payload: Mapping[str, Any]
    on_outcome: OnOutcome
    outcome: Outcome | None = None
    is_taken_back: bool = False

    def came_to(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.on_outcome(outcome)

    def take_back(self) -> None:
        self.is_taken_back = True


class ForgeStand:
    """Driver, channel, clock, and everything the driver said. The printer is registered and listens."""

    def __init__(self, *left: OpenPrint, is_ready: bool = True, printer_id: int = EMBER) -> None:
        self.now = 1000.0
        self.messages: list[Published] = []
        self.heard: list[Observation] = []
        self.printer_id = printer_id
        numbers = count(1)
        self.driver = ForgeDriver(
            self,
            self.heard.append,
            printable_link=lambda order: f"http://gateway/{order.job_id}/part.tar.gz?signature=s",
            monotonic=lambda: self.now,
            firmware_of=lambda number: f"1.1.{number}",
            new_id=lambda: f"00000000-0000-4000-8000-{next(numbers):012d}",
        )
        self.driver.begin([printer_id], left)
        if is_ready:
            self.driver.listening_changed(printer_id, True)
            self.posts("ready")

    # protocol.bayeux.outcome.ChannelPublisher

    def publish(self, channel: str, payload: Mapping[str, Any], on_outcome: OnOutcome) -> TakeBack:
        self.messages.append(Published(channel, payload, on_outcome))
        return self.messages[-1].take_back

    def has_listener(self, channel: str) -> bool:
        return True

    # -- the printer --------------------------------------------------------------------------------------

    def posts(
        self, status: str, job_id: str | None = None, job_status: str | None = None, **more: Any
    ) -> None:
        """A status post."""
        post = StatusPost(Activity(status), job_id=job_id, job_status=job_status, **more)
        self.driver.status_posted(self.printer_id, post)

    def acks(self, task_id: str, state: str | None = None, **more: Any) -> None:
        """An acknowledgement; `state` is what smith's client puts into `data`."""
        data = {"state": state} if state else {}
        self.driver.task_posted(
            self.printer_id, TaskPost(task_id, data={**data, **more.pop("data", {})}, **more)
        )

    def passes(self, seconds: float, *posts: str) -> None:
        """Time passes; with `posts` the printer pings with these arguments every 15 s."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(self.now + 15.0, end)
            self.driver.wake()
            if posts:
                self.posts(*posts)

    # -- the engine ---------------------------------------------------------------------------------------

    def give(self, order: Order) -> None:
        self.driver.submit(order)

    def start(self, key: str = MARK, job_id: str = JOB, order_id: str | None = None) -> None:
        self.give(
            StartPrint(
                self.printer, order_id or key, key, "/files/ab", "ab", 10, "Part1",
                job_id=job_id, settings={"Settings": {}},
            )
        )  # fmt: skip

    def turn(self) -> None:
        """The next turn of the loop: what was taken back, and had not left, is told to be dropped."""
        for message in list(self.messages):
            if message.is_taken_back and message.outcome is None:
                message.came_to(Outcome.DROPPED)

    def printing(self) -> None:
        """A job is sent, taken, and printed."""
        self.start()
        self.messages[-1].came_to(Outcome.DELIVERED)
        self.acks(JOB, "received", progress=0.0)
        self.posts("printing", JOB, "printing", job_progress=0.1)

    def pause(self, expect: str = MARK, order_id: str = "p1") -> None:
        self.give(PausePrint(self.printer, order_id, expect))

    def resume(self, expect: str = MARK, order_id: str = "r1") -> None:
        self.give(ResumePrint(self.printer, order_id, expect))

    def cancel(self, expect: str = MARK, order_id: str = "c1") -> None:
        self.give(CancelPrint(self.printer, order_id, expect))

    def tell(self, command: str, order_id: str = "t1", **parameters: Any) -> None:
        self.give(Tell(self.printer, order_id, command, parameters))

    def stop(self, order_id: str = "e1") -> None:
        self.give(EmergencyStop(self.printer, order_id))

    def acknowledge(self, key: str) -> None:
        self.give(Acknowledge(self.printer, "a1", key))

    # -- looking ------------------------------------------------------------------------------------------

    @property
    def printer(self) -> str:
        return f"forge:{self.printer_id}"

    @property
    def seen(self) -> PrinterObserved:
        """The newest snapshot."""
        return [heard for heard in self.heard if isinstance(heard, PrinterObserved)][-1]

    @property
    def current(self) -> PrintReport | None:
        return self.seen.current

    @property
    def phase(self) -> PrintPhase | None:
        return self.current.phase if self.current else None

    @property
    def ends(self) -> dict[str, PrintPhase]:
        """Ends in the newest snapshot, by key."""
        return {end.key: end.phase for end in self.seen.ended}

    @property
    def answers(self) -> list[OrderAnswered]:
        return [heard for heard in self.heard if isinstance(heard, OrderAnswered)]

    def answer(self, order_id: str) -> OrderAnswered | None:
        """The answer to an order; there is never a second one."""
        found = [answer for answer in self.answers if answer.order_id == order_id]
        assert len(found) <= 1
        return found[0] if found else None

    def result(self, order_id: str) -> str | None:
        answer = self.answer(order_id)
        return answer.result.value if answer else None

    @property
    def progressed(self) -> list[OrderProgressed]:
        return [heard for heard in self.heard if isinstance(heard, OrderProgressed)]

    @property
    def commands(self) -> list[str]:
        """What the printer was told, in order."""
        return [message.payload["command"] for message in self.messages]
