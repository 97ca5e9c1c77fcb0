"""Moonraker: alive or not, attached to klippy or not; who asks klippy, and what of it gets known.

It looks at klippy every 0.25 s, on a grid that begins when it attached: queries are answered at the next
look, job events and shutdowns are noticed then. A klippy that dies takes all requests that wait for it along
(`Klippy Disconnected`); after that Moonraker says `Klippy Host not connected` and tries again. Nothing of
this is published. Source: Moonraker's klippy_connection.py, mqtt.py; klippy's webhooks.py; measured runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from firmware_sim.ledger import Ledger
from firmware_sim.moonraker.files import Gcodes
from firmware_sim.moonraker.history import History, Job
from firmware_sim.moonraker.klippy import Klippy, Script
from firmware_sim.moonraker.later import Later, Refusal
from firmware_sim.moonraker.life import Life
from firmware_sim.moonraker.settings import MoonrakerConfig
from firmware_sim.moonraker.status_feed import Status, StatusFeed
from firmware_sim.moonraker.status_objects import status_of

LOOK_SECONDS = 0.25
"""klippy's SUBSCRIPTION_REFRESH_TIME, and how often Moonraker tries to attach."""
SLOW_LOOK_SECONDS = 5.0
"""Where nothing happens but cooling: the simulator need not look more often."""
RESTART_SECONDS = 2.8
"""From a new process to the whole state on MQTT (measured)."""
ATTACH_SECONDS = 2.3
"""From a new process to an attached klippy: one interval before the state goes out."""
BROKER_SECONDS = 1.5
"""From a new process to the first attempt at the broker (judged)."""
AT_REST_CELSIUS = 0.1
OWN_OBJECTS: Mapping[str, tuple[str, ...] | None] = {"webhooks": None, "print_stats": None}
"""What Moonraker itself is subscribed to."""
Wanted = Mapping[str, tuple[str, ...] | None]


class Moonraker:
    """One process after the other; the history and the files outlive them. `now` is klippy's."""

    def __init__(
        self,
        config: MoonrakerConfig,
        klippy: Klippy,
        gcodes: Gcodes,
        ledger: Ledger,
        publish: Callable[[str, object, bool], None],
    ) -> None:
        self.config, self.klippy, self.gcodes, self._ledger = config, klippy, gcodes, ledger
        self.history = History(gcodes, lambda: self.wall, self._tell_job)
        self.feed = StatusFeed(config, publish, lambda: self.is_connected)
        self.is_connected = False  # to the broker
        self.is_up = True
        self.serves_at = self.broker_from = 0.0
        self.life = Life.DOWN  # klippy's, as far as Moonraker knows
        self._attached_at: float | None = None
        self._is_started = False
        self._attach_at = 0.0
        self._look_at = math.inf
        self._seen: Status = {}
        self._waiting: dict[Later, None] = {}  # in the order in which they asked
        self._queries: list[tuple[Wanted, Later]] = []
        klippy.on_gone = self._klippy_gone

    @property
    def wall(self) -> float:
        """Wall time in seconds."""
        return self.config.epoch + self.klippy.now

    @property
    def wants_broker(self) -> bool:
        """Whether the process would have a connection now, or try to get one."""
        return self.is_up and self.klippy.now >= self.broker_from and not self.config.is_mqtt_refused

    @property
    def serves(self) -> bool:
        """Whether HTTP is answered."""
        return self.is_up and self.klippy.now >= self.serves_at

    # -- life --------------------------------------------------------------------------------------------

    def die(self) -> None:
        """kill -9: nobody gets an answer any more."""
        self.is_up = False
        self._detach()
        self._attach_at = math.inf
        self.feed.forget()

    def start(self) -> None:
        """A new process."""
        if self.is_up:
            return
        now = self.klippy.now
        self.is_up, self._is_started = True, False
        self.broker_from = self.serves_at = now + BROKER_SECONDS
        self._attach_at = now + ATTACH_SECONDS
        self.history.server_started()

    def _detach(self) -> None:
        self.life, self._attached_at, self._is_started = Life.DOWN, None, False
        self._look_at = math.inf
        self._seen = {}
        self._waiting.clear()
        self._queries.clear()

    def _klippy_gone(self) -> None:
        if self._attached_at is None:
            return
        self.feed.klippy_gone()
        if self._is_started:
            self.history.klippy_gone()
        waiting = [*self._waiting, *(later for _wanted, later in self._queries)]
        self._detach()
        self._attach_at = self.klippy.now + LOOK_SECONDS
        for later in waiting:
            later.resolve(Refusal("Klippy Disconnected", 503))

    # -- time --------------------------------------------------------------------------------------------

    def next_due(self) -> float:
        """When Moonraker does something by itself; infinity: never."""
        if not self.is_up:
            return math.inf
        begins = self.broker_from if self.klippy.now < self.broker_from else math.inf
        return min(self._attach_at, self._look_at, self.feed.next_due(), begins)

    def on_time(self) -> None:
        """Whatever is due at klippy's instant: first what was gathered, then a new look."""
        now = self.klippy.now
        self.feed.on_time(now)
        if self._attach_at <= now:
            self._attach()
        elif self._look_at <= now:
            self._look()

    def stir(self) -> None:
        """Something was done from outside: look again at the next point of the grid."""
        if self._attached_at is not None:
            self._look_at = min(self._look_at, self._grid_after(self.klippy.now))

    def _grid_after(self, now: float) -> float:
        assert self._attached_at is not None
        turns = math.floor((now - self._attached_at) / LOOK_SECONDS + 1e-6) + 1
        return self._attached_at + turns * LOOK_SECONDS

    def _attach(self) -> None:
        """The socket of klippy, if it can be opened."""
        self._attach_at = math.inf
        if self.klippy.life is Life.DOWN:
            return  # `klippy_began` leads back here
        now = self.klippy.now
        if not self.klippy.is_attachable:
            self._attach_at = now + LOOK_SECONDS
            return
        self._attached_at, self.life = now, self.klippy.life
        if self.life is Life.STARTING:
            self._look_at = now + LOOK_SECONDS
        else:
            self._klippy_started()

    def klippy_began(self) -> None:
        """There is a process again: its socket will be tried."""
        if self.is_up and self._attached_at is None and self._attach_at == math.inf:
            self._attach_at = self.klippy.now + LOOK_SECONDS

    def _klippy_started(self) -> None:
        now, wanted = self.klippy.now, self.config.objects
        self._is_started = True
        self._seen = status_of(self.klippy, {**wanted, **OWN_OBJECTS})
        self.life = self.klippy.life
        if self.life is Life.READY:
            self.history.klippy_ready(self._seen["print_stats"])
        self.feed.klippy_started(wanted, self._seen, now)
        self._look_at = self._grid_after(now)

    def _look(self) -> None:
        """One turn of the grid: answer queries, and see what has changed."""
        now = self.klippy.now
        if not self._is_started:
            if self.klippy.life is Life.STARTING:
                self._look_at = self._grid_after(now)
            else:
                self._klippy_started()
            self._answer_queries()
            return
        seen = status_of(self.klippy, {**self.feed.wanted, **OWN_OBJECTS})
        changes = _differences(self._seen, seen)
        self._seen = seen
        self._answer_queries()
        self._heed(changes)
        self.feed.take(changes, now)
        self._look_at = self._next_look(bool(changes))

    def _next_look(self, is_changing: bool) -> float:
        klippy = self.klippy
        if is_changing or klippy.is_busy:
            return self._grid_after(klippy.now)
        off = max(abs(h.celsius(klippy.now) - h.ambient) for h in (klippy.hotend, klippy.bed))
        held = klippy.hotend.target or klippy.bed.target
        return klippy.now + SLOW_LOOK_SECONDS if off > AT_REST_CELSIUS or held else math.inf

    def _heed(self, changes: Status) -> None:
        if "webhooks" in changes:
            self.life = self.klippy.life
            if self.life is Life.SHUTDOWN:
                self.history.klippy_shut_down()
        if "print_stats" in changes:
            self.history.look(changes["print_stats"])

    def _answer_queries(self) -> None:
        queries, self._queries = self._queries, []
        for wanted, later in queries:
            later.resolve({"eventtime": self.klippy.now, "status": status_of(self.klippy, wanted)})

    def _tell_job(self, action: str, job_id: str, job: Job) -> None:
        self._ledger.append(
            self.klippy.now, f"history-{action}", source="moonraker", n=self.klippy.starts, line=job.filename,
            effect=f"{job_id} {job.status}",
        )  # fmt: skip

    # -- what methods ask of klippy ----------------------------------------------------------------------

    def run_script(self, text: str, who: str, request: str = "") -> Later:
        """`ok` when it has run. Raises Refusal when nobody is there."""
        later = self._await()

        def done(error: str | None) -> None:
            if later in self._waiting:  # else the process that asked is dead
                del self._waiting[later]
                later.resolve("ok" if error is None else Refusal(error))

        self.klippy.run_script(Script(text, who, done, request))
        self.stir()
        return later

    def restart_klippy(self, command: str, who: str) -> Later:
        """RESTART or FIRMWARE_RESTART: that klippy goes away is the answer."""
        later = Later()

        def told(outcome: object | Refusal) -> None:
            gone = isinstance(outcome, Refusal) and outcome.message == "Klippy Disconnected"
            later.resolve("ok" if gone else outcome)

        self.run_script(command, who).then(told)
        return later

    def query(self, wanted: Wanted) -> Later:
        """Answered at the next look."""
        self.check_attached()
        later = Later()
        self._queries.append((wanted, later))
        self.stir()
        return later

    def subscribe(self, wanted: Wanted) -> Later:
        """The whole of MQTT is subscribed to this from now on, and to nothing else."""
        self.check_attached()
        self.feed.wanted = dict(wanted)
        return self.query(wanted)

    def check_attached(self) -> None:
        """Raises Refusal while there is no klippy."""
        if self._attached_at is None:
            raise Refusal("Klippy Host not connected", 503)

    def _await(self) -> Later:
        self.check_attached()
        later = Later()
        self._waiting[later] = None
        return later


def _differences(before: Status, after: Status) -> Status:
    changes: Status = {}
    for name, fields in after.items():
        old = before.get(name, {})
        changed = {key: value for key, value in fields.items() if key not in old or old[key] != value}
        if changed:
            changes[name] = changed
    return changes
