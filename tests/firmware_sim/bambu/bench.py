"""One printer on virtual time with one client, who keeps all that it hears."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from typing import Any

from firmware_sim.bambu.faults import BambuFault
from firmware_sim.bambu.ledger import Start, physical_starts
from firmware_sim.bambu.printer import BambuPrinter
from firmware_sim.bambu.seat import Seat

#: Three layers of moves, with what a slicer says of them.
PLATE = (
    b"; total layer number: 3\nM73 P0 R14\nG90\nM83\nG28\n"
    + b"".join(
        b"; CHANGE_LAYER\nM73 P%d R%d\nG1 Z%d F600\n" % (30 * layer, 14 - 5 * layer, layer + 1)
        + b"".join(b"G1 X%d Y%d F200\n" % (10 * corner, 20 * layer) for corner in range(1, 7))
        for layer in range(3)
    )
    + b"G1 X0 Y0\n"
)


def archive(gcode: bytes = PLATE, plate: str = "Metadata/plate_1.gcode") -> bytes:
    """A 3MF archive with one plate; the same bytes whenever it is made."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in (("[Content_Types].xml", b"<Types/>"), (plate, gcode)):
            file.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


@dataclass(frozen=True)
class Heard:
    """A message: when it came, its one type, and what is in it."""

    at: float
    kind: str
    body: dict[str, Any]


class Bench:
    """`ask` and `live`; `heard` is everything on `/report`, `shown` the state as a client merges it."""

    def __init__(self, personality: str = "a1", *faults: BambuFault, **options: Any) -> None:
        files = {"cube.gcode.3mf": archive(), "plain.gcode": PLATE}
        self.printer = BambuPrinter(personality, files=files, **options)
        for fault in faults:
            self.printer.panel.arm(fault)
        self.now = 0.0
        self.heard: list[Heard] = []
        self.shown: dict[str, Any] = {}
        self.seat = self.connect()
        self.ask("pushing", "pushall")

    def connect(self, client_id: str = "bench") -> Seat:
        self.seat = self.printer.attach(client_id, self.now)
        self.printer.subscribe(self.seat, self.printer.report_topic, self.now)
        return self.seat

    def send(self, payload: bytes) -> None:
        self.printer.publish(self.seat, self.printer.request_topic, payload, self.now)
        self._listen()

    def ask(self, kind: str, command: str, **parameters: Any) -> dict[str, Any] | None:
        """Send a command; the echo that comes at once, if one does."""
        count = len(self.heard)
        body = {"sequence_id": str(count), "command": command, **parameters}
        self.send(json.dumps({kind: body}).encode())
        echoes = [one.body for one in self.heard[count:] if one.body["command"] == command]
        return echoes[0] if echoes else None

    def start(
        self, ids: int | str = 77, file: str = "cube.gcode.3mf", **changes: Any
    ) -> dict[str, Any] | None:
        """As a gateway starts a print."""
        number = str(ids)
        order = {
            "param": "Metadata/plate_1.gcode", "url": f"ftp:///{file}", "subtask_name": "cube",
            "project_id": number, "profile_id": "0", "task_id": number, "subtask_id": number,
        }  # fmt: skip
        return self.ask("print", "project_file", **{**order, **changes})

    def live(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.printer.next_deadline()) <= end:
            self.now = due
            self.printer.poll(due)
            self._listen()
        self.now = end
        self.printer.poll(end)
        self._listen()

    def until(self, state: str, most_seconds: float = 900.0) -> float:
        """Live until `gcode_state` is shown as this; how long that took."""
        began = self.now
        while self.shown.get("gcode_state") != state:
            assert self.now - began < most_seconds, f"waited for {state}: {self.shown.get('gcode_state')}"
            self.live(0.5)
        return self.now - began

    def states(self) -> list[tuple[float, str]]:
        """When which `gcode_state` was told, without repetitions."""
        told: list[tuple[float, str]] = []
        for one in self.heard:
            state = one.body.get("gcode_state")
            if state is not None and (not told or told[-1][1] != state):
                told.append((round(one.at, 3), state))
        return told

    def echoes(self) -> list[dict[str, Any]]:
        return [one.body for one in self.heard if "result" in one.body]

    def starts(self) -> list[Start]:
        return physical_starts(self.printer.ledger)

    def moves(self) -> list[str]:
        return [line for line in self.printer.ledger.executed("sd") if line.startswith("G1")]

    def _listen(self) -> None:
        for payload in self.seat.take():
            ((kind, body),) = json.loads(payload.decode("utf-8", "replace")).items()
            self.heard.append(Heard(self.now, kind, body))
            if body["command"] == "push_status":
                self.shown = merged({} if body["msg"] == 0 else self.shown, body)


def merged(state: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Dictionaries deeply, lists as a whole."""
    for key, value in changes.items():
        before = state.get(key)
        both = isinstance(before, dict) and isinstance(value, dict)
        state[key] = merged(dict(before), value) if both else value  # type: ignore[arg-type]
    return state
