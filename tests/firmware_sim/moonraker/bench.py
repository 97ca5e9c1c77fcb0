"""A Moonraker machine on the bench: its core on plain virtual time, and everything it ever published."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from firmware_sim.moonraker.faults import Misfortune, Misfortunes
from firmware_sim.moonraker.later import Later
from firmware_sim.moonraker.printer import MoonrakerPrinter, Publish
from firmware_sim.moonraker.settings import MoonrakerConfig
from firmware_sim.moonraker.uploads import HttpAnswer, UploadForm

#: Twelve seconds of moves behind a homing.
MOVES = [f"G1 X{10 + index % 2 * 100} F6000" for index in range(12)]
PART = "\n".join(["; made by hand", "G28", "G1 X10 F6000", *MOVES, ""]).encode()
HOMING_SECONDS = 11.0
#: A start shows at Moonraker's next look, and on MQTT at the interval behind it.
LATEST_SHOWN = 0.75


@dataclass(frozen=True)
class Heard:
    """A publish, and when."""

    at: float
    message: Publish

    @property
    def body(self) -> Any:
        return json.loads(self.message.payload)


class Bench:
    """`run` lets time pass; `said` is all that reached the broker."""

    def __init__(self, *faults: Misfortune, config: MoonrakerConfig | None = None, **files: bytes) -> None:
        stored = {"part.gcode": PART, **{f"{name}.gcode": content for name, content in files.items()}}
        self.printer = MoonrakerPrinter(config, faults=Misfortunes(faults), files=stored)
        self.now = 0.0
        self.said: list[Heard] = []
        self._last_id = 0

    def began(self) -> Bench:
        """On the broker, with klippy attached and its whole state told."""
        self.printer.broker_up(self.now)
        self.run(2.0)
        return self

    def run(self, seconds: float) -> None:
        """The machine lives; each message is heard at its instant."""
        until = self.now + seconds
        while (due := self.printer.next_deadline()) is not None and due <= until:
            self.now = max(self.now, due)
            self._hear()
        self.now = until
        self._hear()

    def _hear(self) -> None:
        self.said += [Heard(self.now, message) for message in self.printer.poll(self.now)]

    # -- asking ------------------------------------------------------------------------------------------

    def send(self, asked: object) -> None:
        """A payload on the request topic: JSON, or bytes as they are."""
        payload = asked if isinstance(asked, bytes) else json.dumps(asked).encode()
        self.printer.receive(self.printer.request_topic, payload, self.now)
        self._hear()

    def ask(self, method: str, **params: object) -> int:
        """Send a request; its id."""
        self._last_id += 1
        self.send({"jsonrpc": "2.0", "method": method, "params": params, "id": self._last_id})
        return self._last_id

    def replies(self) -> list[Any]:
        """Everything on the response topic, in order."""
        return [heard.body for heard in self.said if heard.message.topic == self.printer.response_topic]

    def reply(self, number: int) -> Any:
        """The one reply to a request, `result` or `error`; None: none yet."""
        mine = [r for r in self.replies() if isinstance(r, dict) and r.get("id") == number]
        assert len(mine) < 2, mine
        return mine[0].get("result", mine[0].get("error")) if mine else None

    def get(self, method: str, **params: object) -> Any:
        """Ask and wait for a look of Moonraker."""
        number = self.ask(method, **params)
        self.run(0.3)
        return self.reply(number)

    def query(self, name: str) -> Any:
        """The fields of one object."""
        return self.get("printer.objects.query", objects={name: None})["status"][name]

    def upload(self, form: UploadForm) -> HttpAnswer:
        """POST a file; the answer, which is there within a second."""
        answers: list[object] = []
        later: Later = self.printer.upload(form, self.now)
        later.then(answers.append)
        self.run(1.0)
        [answer] = answers
        assert isinstance(answer, HttpAnswer)
        return answer

    # -- what was heard ----------------------------------------------------------------------------------

    def since(self, at: float) -> list[Heard]:
        """What was published from then on."""
        return [heard for heard in self.said if heard.at >= at]

    def shown(self, name: str, field: str, since: float = 0.0) -> list[Any]:
        """The values that a field had on `klipper/status`, in order."""
        bodies = [h.body for h in self.since(since) if h.message.topic.endswith("/klipper/status")]
        return [body["status"][name][field] for body in bodies if field in body["status"].get(name, {})]

    def started(self, name: str = "part.gcode") -> Bench:
        """Started by RPC and homed: the moves run."""
        self.ask("printer.print.start", filename=name)
        self.run(HOMING_SECONDS + 2.0)
        return self

    def events(self, prefix: str = "print-") -> list[str]:
        """The ledger's events with this beginning."""
        return [entry.event for entry in self.printer.ledger if entry.event.startswith(prefix)]

    def jobs(self) -> list[tuple[str, str, str]]:
        """The history: id, file, status; the oldest first."""
        rows = self.get("server.history.list", order="asc")["jobs"]
        return [(row["job_id"], row["filename"], row["status"]) for row in rows]
