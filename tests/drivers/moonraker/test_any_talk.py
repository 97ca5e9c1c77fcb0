"""Whatever a Moonraker answers, in any order, with any loss: nothing raises, and a start goes out once."""

from __future__ import annotations

import json
from collections import Counter
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.observations import OrderAnswered, PrinterObserved
from gateway.domain.orders import AbortUpload, CancelPrint, EmergencyStop, PausePrint, SendGcode, StartPrint
from gateway.drivers.left import LeftPrint
from gateway.drivers.moonraker.asking import Send
from gateway.drivers.moonraker.files import Remove, StopStore, Store
from gateway.drivers.moonraker.machine import Machine
from gateway.drivers.moonraker.orders import Orders
from gateway.drivers.moonraker.settings import MoonrakerSettings
from gateway.drivers.start_record import Note
from gateway.transport.storage import StorageTrouble
from tests.contract.stand import MARK, SECOND

FILES = ["", "vase.gcode", f"part_{MARK.replace('-', '')}.gcode", f"part_{SECOND.replace('-', '')}.gcode"]
STATUS = st.builds(
    lambda hooks, state, file, seconds: {
        "webhooks": {"state": hooks, "state_message": "words"},
        "print_stats": {"state": state, "filename": file, "total_duration": seconds, "message": "why"},
    },
    st.sampled_from(["ready", "ready", "ready", "startup", "shutdown", "error"]),
    st.sampled_from(["standby", "printing", "paused", "complete", "cancelled", "error", "odd"]),
    st.sampled_from(FILES),
    st.integers(0, 50),
)
ROW = st.builds(
    lambda number, status, file: {
        "job_id": f"{number:06X}", "start_time": 100.0 + number, "status": status, "filename": file
    },
    st.integers(1, 6),
    st.sampled_from(["in_progress", "completed", "cancelled", "error", "klippy_disconnect", "interrupted"]),
    st.sampled_from(FILES),
)  # fmt: skip
ROWS = st.lists(ROW, max_size=4, unique_by=lambda row: row["job_id"]).map(
    lambda rows: {"jobs": sorted(rows, key=lambda row: row["job_id"], reverse=True)}
)
ERROR = st.sampled_from(
    [{"code": 503, "message": "Klippy Host not connected"}, {"code": 400, "message": "SD busy"},
     {"code": 503, "message": "Klippy Disconnected"}, {"code": -32601, "message": "Method not found"}]
)  # fmt: skip
STEP = st.one_of(
    st.tuples(st.just("reply"), st.integers(0, 3), STATUS, ROWS),
    st.tuples(st.just("reply"), st.integers(0, 3), STATUS, ROWS),
    st.tuples(st.just("error"), st.integers(0, 3), ERROR),
    st.tuples(st.just("lose"), st.integers(0, 3)),
    st.tuples(st.just("wait"), st.sampled_from([0.3, 3.0, 40.0, 700.0])),
    st.tuples(st.just("stored"), st.booleans()),
    st.tuples(st.just("noted"), st.booleans()),
    st.tuples(st.sampled_from(["down", "connected", "offline", "online", "hint"])),
    st.tuples(st.just("start"), st.sampled_from([MARK, SECOND])),
    st.tuples(st.sampled_from(["pause", "cancel", "gcode", "stop", "abort"])),
)


class Talk:
    """A machine, and somebody who answers it as the test wants."""

    def __init__(self, left: list[LeftPrint], unsent: set[str]) -> None:
        self.machine = Machine(
            "p1", chance=Random(1), new_id=iter(f"id{n}" for n in range(9999)).__next__,
            settings=MoonrakerSettings("v"),
        )  # fmt: skip
        self.orders = Orders(self.machine)
        self.now = 10.0
        self.asked: list[dict[str, Any]] = []
        self.transfers: list[int] = []
        self.notes: list[Note] = []
        self.starts: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.given: list[str] = []
        self.machine.begin(left, unsent)
        self.take()

    def take(self) -> None:
        for output in self.machine.take():
            if isinstance(output, Send):
                request = json.loads(output.payload)
                self.asked.append(request)
                if request["method"] == "printer.print.start":
                    self.starts[request["params"]["filename"]] += 1
            elif isinstance(output, Store) or (isinstance(output, Remove) and output.ticket):
                self.transfers.append(output.ticket)
            elif isinstance(output, StopStore):
                self.transfers.remove(output.ticket)
            elif isinstance(output, Note):
                self.notes.append(output)
            elif isinstance(output, OrderAnswered):
                self.answers[output.order_id] += 1
            elif isinstance(output, PrinterObserved):
                keys = [end.key for end in output.ended]
                assert len(keys) == len(set(keys))
                assert output.current is None or output.current.key not in keys

    def reply(self, index: int, body: dict[str, Any]) -> None:
        if self.asked:
            request = self.asked.pop(index % len(self.asked))
            said = json.dumps({"jsonrpc": "2.0", "id": request["id"], **body}).encode()
            self.machine.heard("v/moonraker/api/response", said, False, self.now)

    def order(self, name: str, key: str = MARK) -> None:
        id = f"o{len(self.given)}"
        self.given.append(id)
        order: Any = {
            "start": lambda: StartPrint("p1", id, key, "/part", "ab", 10, "part.gcode"),
            "pause": lambda: PausePrint("p1", id, key),
            "cancel": lambda: CancelPrint("p1", id, key),
            "gcode": lambda: SendGcode("p1", id, ("G28",)),
            "stop": lambda: EmergencyStop("p1", id),
            "abort": lambda: AbortUpload("p1", id, "o0"),
        }[name]()
        self.orders.take(order, self.now)

    def do(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("reply", index, status, rows):
                asked = self.asked[index % len(self.asked)]["method"] if self.asked else ""
                results = {"printer.objects.query": {"status": status}, "server.history.list": rows}
                self.reply(index, {"result": results.get(asked, "ok")})
            case ("error", index, error):
                self.reply(index, {"error": error})
            case ("lose", index):
                del self.asked[index : index + 1]
            case ("wait", seconds):
                self.now += seconds
                self.machine.wake(self.now)
            case ("stored", is_good):
                if self.transfers:
                    trouble = None if is_good else StorageTrouble("no")
                    self.machine.files.settled(self.transfers.pop(0), trouble, self.now)
                    self.machine.turn(self.now)
            case ("noted", is_good):
                if self.notes:
                    self.machine.noted(self.notes.pop(0), None if is_good else "the disk is full", self.now)
            case ("start", key):
                self.order("start", key)
            case ("down",):
                self.machine.down("gone", self.now)
                self.asked.clear()
            case ("connected",):
                self.machine.connected(self.now)
            case ("offline" | "online" as state,):
                self.machine.heard("v/moonraker/status", b'{"server":"%s"}' % state.encode(), False, self.now)
            case ("hint",):
                said = b'{"status":{"print_stats":{"state":"paused"},"extruder":{"temperature":3}}}'
                self.machine.heard("v/klipper/status", said, False, self.now)
            case (name,):
                self.order(name)
        self.take()


LEFT = st.lists(
    st.sampled_from(
        [
            LeftPrint(MARK, False, None, False, "part.gcode", None, None, None, None),
            LeftPrint("local-1", True, None, False, "vase.gcode", "vase.gcode", None, None, None),
        ]
    ),
    max_size=1,
)
IDLE = {"webhooks": {"state": "ready"}, "print_stats": {"state": "standby", "filename": ""}}


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(LEFT, st.sampled_from([set(), {MARK}]), st.booleans(), st.lists(STEP, max_size=40))
def test_every_order_is_answered_once_and_a_start_goes_out_once(
    left: list[LeftPrint], unsent: set[str], is_begun: bool, steps: list[Any]
) -> None:
    talk = Talk(left, unsent)
    talk.do(("connected",))
    if is_begun:  # an idle printer, and a start that has been sent
        _idle(talk)
        talk.do(("start", SECOND))
        for step in ("noted", "stored", "noted"):
            talk.do((step, True))
        _idle(talk)
    for step in steps:
        talk.do(step)
    talk.do(("down",))  # whoever waits for a reply hears that none comes
    while talk.transfers or talk.notes:
        talk.do(("stored", True))
        talk.do(("noted", True))
    for _ in range(8):
        talk.do(("wait", 700.0))
    assert max(talk.starts.values(), default=0) <= 1
    assert not is_begun or talk.starts.total() >= 1
    assert all(talk.answers[id] == 1 for id in talk.given)


def _idle(talk: Talk) -> None:
    """Everything that is asked is answered, but a start."""

    def questions() -> list[int]:
        asked = enumerate(talk.asked)
        return [number for number, request in asked if request["method"] != "printer.print.start"]

    while numbers := questions():
        talk.do(("reply", numbers[0], IDLE, {"jobs": []}))
