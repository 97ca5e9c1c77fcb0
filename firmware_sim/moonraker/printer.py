"""One machine with Klipper and Moonraker, without I/O and without a clock.

    broker_up(now), broker_lost(now)   the connection to the broker stands, or is gone
    receive(topic, payload, now)       a message of a topic in `subscriptions`
    upload(form, now)                  a file over HTTP; `later` settles with the answer
    poll(now)                          the machine lives up to `now`; what it publishes, in order
    next_deadline()                    when polling brings something; None: only others can change that
    wants_broker                       False: no process holds a connection; drop it without goodbye

The same in every run with the same calls and the same seed. `panel` and the verbs below it are people and
accidents; what really happened stands in the ledger.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass

from firmware_sim.faults.strokes import DEFAULT_SECONDS
from firmware_sim.ledger import Entry, Ledger
from firmware_sim.moonraker.faults import Misfortune, Misfortunes
from firmware_sim.moonraker.files import Gcodes
from firmware_sim.moonraker.klippy import Klippy
from firmware_sim.moonraker.later import Later
from firmware_sim.moonraker.methods import methods_of
from firmware_sim.moonraker.panel import Panel
from firmware_sim.moonraker.rpc import Dispatcher
from firmware_sim.moonraker.server import RESTART_SECONDS, Moonraker
from firmware_sim.moonraker.settings import MoonrakerConfig
from firmware_sim.moonraker.uploads import HttpAnswer, HttpSide, UploadForm, refused
from firmware_sim.personality import Personality, load_personality

RECONNECT_SECONDS = 2.0
"""How long Moonraker waits between two attempts at the broker (mqtt.py)."""
STARTED = "print-started"


@dataclass(frozen=True, slots=True)
class Publish:
    """One message for the broker."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False


class MoonrakerPrinter:
    """See the module's text for the verbs; `now` in seconds on any scale that begins at 0 or later."""

    def __init__(
        self,
        config: MoonrakerConfig | None = None,
        *,
        ledger: Ledger | None = None,
        faults: Misfortunes | None = None,
        personality: Personality | str = "klipper",
        files: dict[str, bytes] | None = None,
    ) -> None:
        self.config = config or MoonrakerConfig()
        self.ledger = ledger if ledger is not None else Ledger()
        self.faults = faults or Misfortunes()
        self.gcodes = Gcodes()
        for name, content in (files or {}).items():
            self.gcodes.put(name, content, self.config.epoch)
        build = load_personality(personality) if isinstance(personality, str) else personality
        self.klippy = Klippy(build, self.ledger, self.gcodes, has_macros=self.config.has_macros)
        self._out: list[tuple[float, int, Publish]] = []
        self._said = 0
        self.server = Moonraker(self.config, self.klippy, self.gcodes, self.ledger, self._publish)
        self.panel = Panel(self)
        self._http = HttpSide(self.server)
        self._dispatcher = Dispatcher(methods_of(self.server))
        self._requests = 0
        self._returns: list[tuple[float, Callable[[], None]]] = []

    # -- topics ------------------------------------------------------------------------------------------

    @property
    def request_topic(self) -> str:
        """Where requests are read."""
        return f"{self.config.instance}/moonraker/api/request"

    @property
    def response_topic(self) -> str:
        """Where all replies go, to all clients."""
        return f"{self.config.instance}/moonraker/api/response"

    @property
    def status_topic(self) -> str:
        """Retained `{"server":"online"}`, and the will."""
        return f"{self.config.instance}/moonraker/status"

    @property
    def will(self) -> Publish:
        """What the broker says when the connection breaks."""
        return Publish(self.status_topic, _json({"server": "offline"}), self.config.qos, True)

    @property
    def now(self) -> float:
        """The machine's present instant."""
        return self.klippy.now

    @property
    def wants_broker(self) -> bool:
        """Whether there is a process that holds, or tries to get, a connection."""
        return self.server.wants_broker

    # -- the verbs ---------------------------------------------------------------------------------------

    def broker_up(self, now: float) -> None:
        """Connected, and subscribed to `request_topic`."""
        self.live_until(now)
        self.server.is_connected = True
        self._publish("moonraker/status", {"server": "online"}, True)

    def broker_lost(self, now: float) -> None:
        """The connection broke. What was to be said is not said later."""
        self.live_until(now)
        self.server.is_connected = False
        self._out.clear()

    def receive(self, topic: str, payload: bytes, now: float) -> None:
        """A message arrives; what it causes at once is in the next poll."""
        self.live_until(now)
        if topic != self.request_topic or not self.server.is_up:
            return
        self._requests += 1
        method = _method_of(payload)
        hits = list(self.faults.strikes("request", now, method=method, request=self._requests).values())
        names = {fault.name for fault in hits}
        for fault in hits:
            self.klippy.note("fault", line=f"{fault.name} {method}".strip())
        if "request-lost" in names:
            return
        for _copy in range(2 if "request-doubled" in names else 1):
            self._dispatcher.dispatch(payload, self._replier(hits))
        self.settle()

    def _replier(self, hits: list[Misfortune]) -> Callable[[object | None], None]:
        late = sum(fault.seconds for fault in hits if fault.name == "reply-late")
        is_lost = any(fault.name == "reply-lost" for fault in hits)

        def reply(response: object | None) -> None:
            if response is not None and not is_lost:
                self._publish("moonraker/api/response", response, False, late)

        return reply

    def upload(self, form: UploadForm, now: float) -> Later:
        """POST /server/files/upload; settles with an HttpAnswer."""
        self.live_until(now)
        if not self.server.serves:
            return _at_once(HttpAnswer(503, is_lost=True))
        hits = list(self.faults.strikes("upload", now).values())
        for fault in hits:
            self.klippy.note("fault", line=f"{fault.name} {form.filename}")
        answered = self._http.upload(form, hits)
        self.settle()
        return answered

    def download(self, name: str, now: float) -> HttpAnswer:
        """GET /server/files/gcodes/NAME."""
        return self._asked(now, lambda: self._http.download(name))

    def delete(self, name: str, now: float) -> HttpAnswer:
        """DELETE /server/files/gcodes/NAME."""
        return self._asked(now, lambda: self._http.delete(name))

    def info(self, now: float) -> HttpAnswer:
        """GET /server/info."""
        return self._asked(now, self._http.info)

    def _asked(self, now: float, answer: Callable[[], HttpAnswer]) -> HttpAnswer:
        self.live_until(now)
        return answer() if self.server.serves else HttpAnswer(503, is_lost=True)

    def is_allowed(self, api_key: str | None) -> bool:
        """Whether HTTP is answered to somebody with this X-Api-Key."""
        return not self.config.api_key or api_key == self.config.api_key

    def poll(self, now: float) -> list[Publish]:
        """Live up to `now`; what was published since the last poll, in order."""
        self.live_until(now)
        due = sorted((entry for entry in self._out if entry[0] <= now), key=lambda entry: entry[:2])
        if due:
            self._out = [entry for entry in self._out if entry[0] > now]
        return [publish for _at, _order, publish in due]

    def next_deadline(self) -> float | None:
        """When polling brings something; never in the past."""
        said = min((at for at, _order, _publish in self._out), default=math.inf)
        due = min(said, self._next_due())
        return max(due, self.now) if due < math.inf else None

    # -- living ------------------------------------------------------------------------------------------

    def live_until(self, now: float) -> None:
        """Everything that happens by itself up to `now`, each at its own instant."""
        while (due := self._next_due()) <= now:
            was_due = self.klippy.next_due() <= due
            self.klippy.live_until(max(due, self.now))
            if was_due:
                self.server.stir()
            self.server.on_time()
            self._accidents()
            self.settle()
        self.klippy.live_until(max(now, self.now))

    def settle(self) -> None:
        """Run what can be run at this instant."""
        self.klippy.live_until(self.now)

    def _next_due(self) -> float:
        back = min((at for at, _act in self._returns), default=math.inf)
        return min(self.klippy.next_due(), self.server.next_due(), self.faults.due, back)

    def _accidents(self) -> None:
        now = self.now
        due = [entry for entry in self._returns if entry[0] <= now]
        self._returns = [entry for entry in self._returns if entry[0] > now]
        for _at, act in due:
            act()
        for fault in self.faults.taken_at(now):
            self.klippy.note("fault", line=fault.name)
            self._strike(fault)

    def _strike(self, fault: Misfortune) -> None:
        match fault.name:
            case "klippy-death":
                self.kill_klippy(self.now)
            case "klippy-restart":
                self.restart_klippy(self.now)
            case "moonraker-death":
                self.kill_moonraker(self.now, back_after=fault.seconds)
            case "emergency-stop":
                self.emergency_stop(self.now)
            case "mcu-shutdown":
                self.shut_down_mcu(self.now)

    # -- accidents ---------------------------------------------------------------------------------------

    def kill_klippy(self, now: float) -> None:
        """kill -9 of klippy: nothing at all is published. `start_klippy` brings it back."""
        self._act(now, lambda: self.klippy.die("killed"))

    def start_klippy(self, now: float) -> None:
        """systemd starts it: ready 1.7 s later."""

        def start() -> None:
            self.klippy.start_process()
            self.server.klippy_began()

        self._act(now, start)

    def restart_klippy(self, now: float) -> None:
        """Its process ends and comes back: a print that was there is gone without a word."""
        self.kill_klippy(now)
        self.start_klippy(now)

    def emergency_stop(self, now: float) -> None:
        """Another app's emergency stop."""
        self._act(now, lambda: self.klippy.shut_down("Shutdown due to webhooks request"))

    def shut_down_mcu(self, now: float, why: str = "MCU 'mcu' shutdown: Timer too close") -> None:
        """The micro-controller gives up."""
        self._act(now, lambda: self.klippy.shut_down(why))

    def break_heater(self, heater: str, kind: str, now: float) -> None:
        """One of thermal.HEATER_FAULTS to `E0` or `bed`. Raises ValueError for others."""
        self._act(now, lambda: self.klippy.heater(heater).suffer(kind, self.now))

    def kill_moonraker(self, now: float, *, back_after: float | None = None) -> None:
        """kill -9 of Moonraker; the machine prints on. back_after: seconds until systemd starts it again."""

        def kill() -> None:
            self.klippy.note("moonraker-gone")
            self.server.die()
            self.server.is_connected = False
            self._out.clear()
            if back_after is not None:
                self._returns.append((self.now + back_after, lambda: self.start_moonraker(self.now)))

        self._act(now, kill)

    def start_moonraker(self, now: float) -> None:
        """A new process: its state is on the broker `RESTART_SECONDS` later, if that is there."""

        def start() -> None:
            self.klippy.note("moonraker-started", effect=f"whole state after {RESTART_SECONDS:g} s")
            self.server.start()
            self._dispatcher = Dispatcher(methods_of(self.server))

        self._act(now, start)

    def power_cycle(self, now: float, *, back_after: float = DEFAULT_SECONDS) -> None:
        """The whole host loses its power: both processes end, and both come back."""
        self.kill_moonraker(now, back_after=back_after)
        self.kill_klippy(now)
        self._returns.append((self.now + back_after, lambda: self.start_klippy(self.now)))

    def _act(self, now: float, act: Callable[[], object]) -> None:
        if now > self.now:
            self.live_until(now)
        act()
        self.server.stir()
        self.settle()

    # -- what is said ------------------------------------------------------------------------------------

    def _publish(self, topic: str, payload: object, retain: bool, late: float = 0.0) -> None:
        if not self.server.is_connected:
            return
        self._said += 1
        message = Publish(f"{self.config.instance}/{topic}", _json(payload), self.config.qos, retain)
        self._out.append((self.now + late, self._said, message))

    def leftovers(self) -> list[Publish]:
        """What a former life left retained on the broker: a print that runs, and Moonraker online."""
        said = {"moonraker/status": {"server": "online"}}
        former = {
            "print_stats/state": "printing",
            "print_stats/filename": "yesterday.gcode",
            "webhooks/state": "ready",
            "virtual_sdcard/is_active": True,
            "virtual_sdcard/progress": 0.42,
        }
        said |= {f"klipper/state/{path}": {"eventtime": 1.0, "value": v} for path, v in former.items()}  # type: ignore[dict-item]
        return [
            Publish(f"{self.config.instance}/{topic}", _json(payload), 0, True)
            for topic, payload in said.items()
        ]

    def physical_starts(self) -> list[Entry]:
        """The ledger's `print-started`: file in `line`, who in `source`, the request's id in `effect`."""
        return self.ledger.events(STARTED)


def _json(payload: object) -> bytes:
    """Without blanks, as Moonraker writes it."""
    return json.dumps(payload, separators=(",", ":")).encode()


def _at_once(answer: HttpAnswer) -> Later:
    later = Later()
    later.resolve(answer)
    return later


def unauthorized() -> HttpAnswer:
    """No or another X-Api-Key."""
    return refused(401, "Unauthorized")


def _method_of(payload: bytes) -> str:
    """For faults that wait for a method; empty for what is no single request."""
    try:
        asked = json.loads(payload)
    except ValueError:
        return ""
    return str(asked.get("method", "")) if isinstance(asked, dict) else ""
