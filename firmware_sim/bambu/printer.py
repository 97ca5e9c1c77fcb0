"""One printer, without I/O and without a clock.

    attach, subscribe, publish, detach      a client of the printer's broker
    poll(now)                               the machine lives up to `now`; reports wait in the seats then
    next_deadline()                         when it will have something to do again
    store_file                              a file came over FTPS
    panel                                   people, the cloud and bad luck

Time is an argument, seconds on any monotonic scale; the first call starts the machine.
"""

from __future__ import annotations

import contextlib
import hashlib
import heapq
import itertools
import json
import math
from collections.abc import Mapping
from random import Random
from typing import Any

from firmware_sim.bambu.course import Course
from firmware_sim.bambu.faults import (
    COMMAND,
    CONNECTION,
    REPORT,
    SUBSCRIPTION,
    TICK,
    UPLOAD,
    BambuFault,
    BambuFaults,
)
from firmware_sim.bambu.mover import Mover
from firmware_sim.bambu.panel import BambuPanel
from firmware_sim.bambu.personality import BambuPersonality, load_bambu_personality
from firmware_sim.bambu.requests import BAD_COMMAND, Refusal, Requests, echo, parse, versions
from firmware_sim.bambu.seat import Seat
from firmware_sim.bambu.status import Status
from firmware_sim.bambu.storage import Files, StorageFull
from firmware_sim.bambu.topics import matches
from firmware_sim.ledger import Ledger

USER = "bblp"
LONGEST_SILENCE_SECONDS = 30.0
"""With nothing to tell the signal strength is told so often at least (recorded: 32 s at most)."""
WIFI_DBM = range(-52, -47)
"""The signal strength of a recorded machine: another one in four of five reports."""
TRUNCATED_SHARE = 0.5
"""What is kept of a file that is cut."""

NOT_UTF8 = b'{"note":"\xc3(",'
"""The opening of a message with half a character in it (A1 mini 01.07.02 sends such bytes)."""


class NotServed(Exception):
    """The printer takes no such connection; the text says why."""


class BambuPrinter:
    """One simulated printer. See the module's text for the verbs."""

    def __init__(
        self,
        personality: BambuPersonality | str = "a1",
        *,
        serial: str = "01S00C000000001",
        access_code: str = "12345678",
        files: Mapping[str, bytes] | None = None,
        ledger: Ledger | None = None,
        seed: int = 0,
        faults: BambuFaults | None = None,
        developer_mode: bool = True,
    ) -> None:
        if isinstance(personality, str):
            personality = load_bambu_personality(personality)
        self.personality = personality
        self.serial = serial
        self.access_code = access_code
        self.ledger = ledger if ledger is not None else Ledger()
        self.files = Files(dict(files or {}))
        self.faults = faults if faults is not None else BambuFaults(seed=seed)
        self.mover = Mover(personality.build(), self.ledger, seed)
        self.course = Course(personality, self.mover, self._hurry)
        needs_signature = personality.verifies and not developer_mode
        self.status = Status(personality, self.course, self.mover, needs_signature)
        self.requests = Requests(personality, self.course, self.mover, self.status, self.files)
        self.requests.needs_signature = needs_signature
        self.panel = BambuPanel(self)
        self.seats: list[Seat] = []
        self.now = 0.0
        self.is_on = True
        self._is_awake = False
        self._is_booting = False
        self._back_at = math.inf
        self._tick_at = 0.0
        self._told_at = 0.0
        self._late: list[tuple[float, int, bytes]] = []
        self._order = itertools.count()
        self._chance = Random(f"bambu {seed}")

    @property
    def report_topic(self) -> str:
        """Where it tells how it stands."""
        return f"device/{self.serial}/report"

    @property
    def request_topic(self) -> str:
        """Where it is asked."""
        return f"device/{self.serial}/request"

    # -- clients ------------------------------------------------------------------------------------------

    def is_known(self, user: str | None, password: bytes | str | None) -> bool:
        """The one user there is, and the access code as its password; for the broker and the file server."""
        code = password.decode("utf-8", "replace") if isinstance(password, bytes) else password
        return user == USER and code == self.access_code

    def attach(self, client_id: str, now: float) -> Seat:
        """A client that knows the access code. Raises NotServed when it is off or has no place left."""
        self.poll(now)
        for other in self.seats:
            if client_id and other.client_id == client_id:  # MQTT 3.1.1 [3.1.4]: the new one takes over
                other.cut("the same client id came again")
        self._sweep()
        if not self.is_on:
            raise NotServed("the printer is off")
        if len(self.seats) >= self.personality.most_connections:
            raise NotServed(f"{len(self.seats)} clients are connected")
        seat = Seat(client_id)
        if fault := self._strike(CONNECTION).get("deltas-only"):
            seat.no_full_until = now + fault.seconds
        self.seats.append(seat)
        self._note("connected", client_id)
        return seat

    def detach(self, seat: Seat, now: float) -> None:
        """It is gone. Idempotent."""
        self.poll(now)
        seat.cut("the client left")
        self._sweep()

    def subscribe(self, seat: Seat, topics: str, now: float) -> None:
        """A topic filter; the seat may be cut by it."""
        self.poll(now)
        wants = [topic for topic in (self.report_topic, self.request_topic) if matches(topics, topic)]
        if self.request_topic in wants:
            drops = "request-drop" in self._strike(SUBSCRIPTION) or self.personality.drops_request_subscribe
            if drops:
                self._note("dropped", seat.client_id, effect="subscribed to /request")
                seat.cut("subscribed to /request")
        seat.is_listening = seat.is_listening or self.report_topic in wants
        self._sweep()

    def publish(self, seat: Seat, topic: str, payload: bytes, now: float) -> None:
        """A message of a client. When the seat is lost afterwards, it was not acknowledged."""
        self.poll(now)
        if topic != self.request_topic or not self.is_on or seat.lost is not None:
            return
        for kind, body in parse(payload):
            self._request(seat, kind, body)
            if seat.lost is not None:
                break
        self._sweep()

    def _sweep(self) -> None:
        for seat in [seat for seat in self.seats if seat.lost is not None]:
            self.seats.remove(seat)
            self._note("disconnected", seat.client_id, effect=seat.lost)

    # -- commands -----------------------------------------------------------------------------------------

    def _request(self, seat: Seat, kind: str, body: dict[str, Any]) -> None:
        name = f"{kind}.{body['command']}"
        struck = self._strike(COMMAND, body["command"])
        if "half-dead" in struck:
            seat.is_deaf = True
        if "lost-before" in struck:
            seat.cut("the connection broke before the command was done")
        if seat.is_deaf or seat.lost is not None or "vanished" in struck:
            self._note("request", name, source="mqtt", effect="not done: it vanished")
            return
        self._note("request", name, source="mqtt")
        if kind in ("pushing", "info"):
            self._tell(name, body)
        elif self.requests.knows(name):
            self._obey(kind, body, "mqtt", struck)
        if "lost-after" in struck:
            seat.cut("the connection broke when the command was done")

    def _tell(self, name: str, body: dict[str, Any]) -> None:
        if name == "info.get_version":
            self.say({"info": versions(self.personality, self.serial, body)})
        elif name in ("pushing.pushall", "pushing.start"):
            self.say({"print": self.status.full(self.now)}, is_full=True)

    def _obey(self, kind: str, body: dict[str, Any], by: str, struck: Mapping[str, BambuFault]) -> None:
        refusal: Refusal | None = None
        try:
            if "verify-failed" in struck:
                raise self.requests.unverified()
            if "refused" in struck:
                raise Refusal("refused", BAD_COMMAND)
            clamps = self.personality.clamps_ids or "int32-clamp" in struck
            self.requests.carry_out(kind, body, by, self.now, clamps=clamps)
        except Refusal as caught:
            refusal = caught
        if refusal is not None:
            self._note("refused", f"{kind}.{body['command']}", source=by, effect=refusal.reason)
        self._hurry()
        if "no-echo" in struck:
            return
        said = {kind: echo(self.personality, body, refusal)}
        if late := struck.get("echo-late"):
            heapq.heappush(self._late, (self.now + late.seconds, next(self._order), _packed(said)))
        else:
            self.say(said)

    def obey_slicer(self, body: dict[str, Any], now: float) -> None:
        """A command of another program on the network; whoever listens hears its echo."""
        self.poll(now)
        self._note("request", f"print.{body['command']}", source="slicer")
        self._obey("print", body, "slicer", {})

    # -- reports ------------------------------------------------------------------------------------------

    def say(self, document: Mapping[str, Any], *, is_full: bool = False) -> None:
        """A message on `/report` at the present instant."""
        self._send(_packed(document), is_full=is_full)

    def _send(self, payload: bytes, *, is_full: bool = False) -> None:
        self._told_at = self.now
        for seat in self.seats:
            seat.offer(payload, is_full=is_full, now=self.now)

    def _report(self) -> None:
        """What is due every two seconds, or at a change."""
        self._tick_at = self.now + self.personality.report_seconds
        silent_for = self.now - self._told_at + self.personality.report_seconds
        before, self.status.wifi_dbm = self.status.wifi_dbm, self._chance.choice(WIFI_DBM)
        if self.status.wifi_dbm == before and silent_for >= LONGEST_SILENCE_SECONDS:
            self.status.wifi_dbm -= 1
        sends_full = not self.personality.sends_deltas
        said = self.status.full(self.now) if sends_full else self.status.delta(self.now)
        if said is not None:
            self._spoiled(_packed({"print": said}), is_full=sends_full)
        if fault := self._strike(TICK).get("power-cut"):
            self.cut_power(fault.seconds)

    def _spoiled(self, payload: bytes, *, is_full: bool) -> None:
        """Send a report, with whatever bad luck there is for it."""
        is_heard = any(seat.is_listening for seat in self.seats)
        struck = self._strike(REPORT) if is_heard else {}
        if "connection-lost" in struck:
            for seat in self.seats:
                seat.cut("the connection broke")
            self._sweep()
        self._send(payload.replace(b"{", NOT_UTF8, 1) if "non-utf8" in struck else payload, is_full=is_full)

    def _hurry(self) -> None:
        """Something changed: it is told at once."""
        self._tick_at = self.now

    # -- files --------------------------------------------------------------------------------------------

    def store_file(self, path: str, content: bytes, now: float) -> None:
        """A whole file came. Raises StorageFull, or NotServed when the upload breaks off."""
        self.poll(now)
        struck = self._strike(UPLOAD)
        if "storage-full" in struck:
            raise StorageFull(f"no room for {path}")
        part = content[: int(len(content) * TRUNCATED_SHARE)]
        if "upload-cut" in struck:
            self.keep_part(path, part, now)
            raise NotServed("the connection broke in the middle of the file")
        if "file-truncated" in struck:
            content = part
        self.files.put(path, content)
        digest = hashlib.sha256(content).hexdigest()
        self._note("file-stored", path, source="ftps", effect=f"{len(content)} bytes, SHA-256 {digest}")

    def keep_part(self, path: str, content: bytes, now: float) -> None:
        """An upload broke off: what came of it is a file, if there is room."""
        self.poll(now)
        with contextlib.suppress(StorageFull):
            self.files.put(path, content)
            self._note("file-cut", path, source="ftps", effect=f"{len(content)} bytes")

    # -- power --------------------------------------------------------------------------------------------

    def cut_power(self, seconds: float = math.inf) -> None:
        """Off at the present instant, and on again after `seconds`; a print is gone."""
        self._note("power-cut")
        for seat in self.seats:
            seat.cut("the printer is off")
        self._sweep()
        self.is_on = False
        self._late.clear()
        self.course.power_lost()
        self.mover.power_off(self.now)
        self._back_at, self._is_booting = self.now + seconds, False

    def switch_on(self) -> None:
        """On again; the network is there when it has booted."""
        if not self.is_on and not self._is_booting:
            self._back_at = self.now

    def _come_back(self) -> None:
        if self._is_booting:
            self._back_at, self.is_on = math.inf, True
            self._note("power-on")
            self._hurry()
        else:
            self.mover.power_on(self.now)
            self._back_at, self._is_booting = self.now + self.personality.boot_seconds, True

    # -- time ---------------------------------------------------------------------------------------------

    def poll(self, now: float) -> None:
        """Live up to `now`."""
        if not self._is_awake:
            self._is_awake, self.now, self._tick_at, self._told_at = True, now, now, now
            self.mover.live(now)
        while (due := self._next_due()) <= now:
            self.now = max(self.now, due)
            self._on_time()
        self.now = max(self.now, now)
        self.mover.live(self.now)

    def next_deadline(self) -> float:
        """The next instant at which polling brings something; infinite while it is off for good."""
        return max(self.now, self._next_due())

    def _next_due(self) -> float:
        if not self.is_on:
            return self._back_at
        late = self._late[0][0] if self._late else math.inf
        return min(self.course.next_due(), self._tick_at, late)

    def _on_time(self) -> None:
        if not self.is_on:
            self._come_back()
            return
        self.course.advance(self.now)
        while self._late and self._late[0][0] <= self.now:
            self._send(heapq.heappop(self._late)[2])
        if self._tick_at <= self.now:
            self._report()

    def _strike(self, occasion: str, command: str | None = None) -> dict[str, BambuFault]:
        struck = self.faults.strikes(occasion, self.now, command=command)
        for name, fault in struck.items():
            self._note("fault", f"{name} {command}" if command else name, effect=f"{fault.seconds:g} s")
        return struck

    def _note(
        self, event: str, line: str | None = None, *, source: str | None = None, effect: str | None = None
    ) -> None:
        self.ledger.append(self.now, event, source=source, line=line, effect=effect)


def _packed(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
