"""What one Moonraker says of its printer, asked for again and again. Sans-I/O; `now` is monotonic seconds.

Answers are believed, and only those to questions of this connection. Everything that Moonraker publishes by
itself is a hint to ask: it may be a leftover that the broker kept, stops without a word when Klipper dies,
comes field by field, and is not configured everywhere. With it news come at once, else within a poll.

    what                    when it is asked
    server.info             at the begin of a connection, and when Moonraker came back
    printer.info,           when Klipper is there (again)
    printer.objects.list
    printer.objects.query   every POLL_ACTIVE (a print, an open question) or POLL_IDLE seconds; upon a hint
    server.history.list     when the standing changed, and every HISTORY_SECONDS
    server.files.metadata   once a print, for the slicer's estimate
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.drivers.moonraker.asking import Asking
from gateway.protocol.moonraker.history import METHOD as HISTORY
from gateway.protocol.moonraker.history import ROWS, Row, estimate, rows
from gateway.protocol.moonraker.judging import Standing, judge
from gateway.protocol.moonraker.lax import table, text
from gateway.protocol.moonraker.objects import objects, wanted
from gateway.protocol.moonraker.refusals import NO_METHOD
from gateway.protocol.moonraker.rpc import Reply, read

#: Seconds between two polls: a Klipper that died is noticed within so long.
POLL_ACTIVE: Final = 2.0
POLL_IDLE: Final = 5.0
#: Seconds between two polls upon hints: Klipper itself looks four times a second.
POLL_LEAST: Final = 0.25
#: Seconds between two looks into the history while nothing hints at a change.
HISTORY_SECONDS: Final = 60.0
#: Seconds that Moonraker has, from its start or ours, to find a Klipper that runs: it tries every 0.25 to 2.
ATTACH_SECONDS: Final = 6.0
#: Seconds between two births that are believed: no Moonraker starts in less, and everybody may publish one.
BIRTH_SECONDS: Final = 1.0
#: Seconds between two polls meanwhile.
ATTACH_POLL: Final = 0.5
#: Polls without an answer before Moonraker counts as silent.
MOST_MISSED: Final = 2
#: Fields whose change is worth a poll at once.
_HINTS: Final[Mapping[str, tuple[str, ...]]] = {
    "print_stats": ("state", "filename", "message"),
    "webhooks": ("state",),
}
_NOT_THERE: Final = "Klipper is not running on the printer's host. Look at klippy.log there, and start it."


@dataclass(slots=True)
class Watch:
    """`news` is called behind every answer that may have changed something."""

    asking: Asking
    news: Callable[[float], None]
    is_fresh: bool = False  # an answer of this connection says how the machine stands
    is_offline: bool = False  # Moonraker, or its last will, said so
    missed: int = 0  # polls without an answer
    refusal: str | None = None  # why Moonraker does not answer polls as it should
    known: dict[str, dict[str, Any]] | None = None  # Klipper's objects; None: it is not there
    known_at: float | None = None
    rows: list[Row] = field(default_factory=list)  # the newest first
    has_no_history: bool = False
    klipper: str | None = None  # versions
    moonraker: str | None = None
    estimates: dict[str, float | None] = field(default_factory=dict)  # seconds by file; of one print only
    is_busy: bool = False  # a print is on the machine, or a question is open: poll more often
    tickets: int = 0  # questions are numbered, so that an answer is known to be younger than something
    known_ticket: int = 0  # of the poll that was answered last
    rows_ticket: int = 0
    _asked: dict[str, tuple[str, ...]] = field(default_factory=lambda: wanted(()))
    _attach_until: float = -math.inf
    _born_at: float = -math.inf
    _poll_at: float = math.inf
    _polled_at: float = -math.inf
    _is_polling: bool = False
    _history_at: float = math.inf
    _is_reading: bool = False
    _poll_ticket: int = 0  # of the one that is open
    _read_ticket: int = 0

    # -- life ---------------------------------------------------------------------------------------------

    def connected(self, now: float) -> None:
        """A new connection, and everything is asked anew: nothing comes by itself."""
        self.lost()
        self.missed, self.is_offline = 0, False
        self._begin(now)

    def lost(self) -> None:
        """Nothing that is known is known to be so any more."""
        self.is_fresh, self.has_no_history, self.known = False, False, None
        self.known_ticket = self.rows_ticket = 0
        self._is_polling = self._is_reading = False
        self._poll_at = self._history_at = math.inf

    def _begin(self, now: float) -> None:
        self._attach_until = now + ATTACH_SECONDS
        self.asking.ask("server.info", None, self._hear_server, now)
        self.poll(now)
        self.read_history(now)

    def _ask_klipper(self, now: float) -> None:
        self.asking.ask("printer.info", None, self._hear_klipper, now)
        self.asking.ask("printer.objects.list", None, self._hear_list, now)

    @property
    def is_silent(self) -> bool:
        """Moonraker does not answer."""
        return self.missed >= MOST_MISSED

    @property
    def standing(self) -> Standing:
        """How the machine stands, by the last answer."""
        return judge(self.known, self.refusal or _NOT_THERE)

    # -- hints --------------------------------------------------------------------------------------------

    def server_said(self, payload: bytes, is_kept: bool, now: float) -> None:
        """Moonraker's own status; `is_kept`: the broker had it from before."""
        state = text(table(read(payload)).get("server"))
        if state == "offline":
            self.is_offline = True
            if not is_kept:
                self.is_fresh = False
                self.asking.give_up(now)
        elif state == "online" and not is_kept:
            if now < self._born_at + BIRTH_SECONDS:
                self.hint(now)
                return
            self._born_at = now
            self._anew(now)
        self.news(now)

    def status_said(self, payload: bytes, is_kept: bool, now: float) -> None:
        """Differences of objects. What a print stands at is asked for; the rest is taken as it comes."""
        if is_kept or not self.is_fresh or self.known is None:
            return
        said = table(read(payload))
        for name, fields in objects(said.get("status")).items():
            if any(name_of in fields for name_of in _HINTS.get(name, ())):
                self.hint(now)
            if name in self.known and name not in _HINTS:
                self.known[name].update(fields)

    def hint(self, now: float) -> None:
        """Something changed: look at once, or as soon as is decent."""
        self.poll_at(max(now, self._polled_at + POLL_LEAST))

    # -- asking -------------------------------------------------------------------------------------------

    def ticket(self) -> int:
        """A number below that of every question asked from now on."""
        self.tickets += 1
        return self.tickets

    def poll_at(self, at: float) -> None:
        """Poll no later than at `at`."""
        self._poll_at = min(self._poll_at, at)

    def poll(self, now: float) -> None:
        """Ask how the machine stands; while that is open it is not asked twice, but anew behind it."""
        if self._is_polling:
            self.poll_at(now)
            return
        ticket = self._poll_ticket = self.ticket()
        params = {"objects": {name: list(fields) for name, fields in self._asked.items()}}
        self._polled_at, self._poll_at = now, math.inf

        def told(reply: Reply | None, now: float) -> None:
            self._hear_poll(reply, ticket, now)

        self._is_polling = self.asking.ask("printer.objects.query", params, told, now)
        if not self._is_polling and self.asking.is_connected:  # too much is without an answer
            self.poll_at(now + POLL_IDLE)

    def read_history(self, now: float) -> None:
        """Ask what was printed; as `poll`."""
        if self._is_reading or self.has_no_history:
            self._history_at = min(self._history_at, now)
            return
        ticket = self._read_ticket = self.ticket()
        self._history_at = math.inf

        def told(reply: Reply | None, now: float) -> None:
            self._hear_history(reply, ticket, now)

        self._is_reading = self.asking.ask(HISTORY, {"limit": ROWS, "order": "desc"}, told, now)
        if not self._is_reading and self.asking.is_connected:
            self.read_history_at(now + POLL_IDLE)

    def read_history_at(self, at: float) -> None:
        """Ask no later than at `at`."""
        self._history_at = min(self._history_at, at)

    def ask_estimate(self, file: str, now: float) -> None:
        """How long the slicer thinks that this file takes; asked once."""
        if file in self.estimates:
            return
        self.estimates = {file: None}

        def told(reply: Reply | None, _now: float) -> None:
            if reply is not None and file in self.estimates:
                self.estimates[file] = estimate(reply.result)

        self.asking.ask("server.files.metadata", {"filename": file}, told, now)

    def wake(self, now: float) -> None:
        """Time has passed."""
        if self._poll_at <= now and not self._is_polling:
            self.poll(now)
        if self._history_at <= now and not self._is_reading and not self.has_no_history:
            self.read_history(now)

    def next_deadline(self) -> float:
        """When `wake` has something to do; infinite: never."""
        poll = math.inf if self._is_polling else self._poll_at
        return poll if self._is_reading or self.has_no_history else min(poll, self._history_at)

    # -- answers ------------------------------------------------------------------------------------------

    def _hear_server(self, reply: Reply | None, now: float) -> None:
        if reply is None or reply.error is not None:
            return
        self.moonraker = text(table(reply.result).get("moonraker_version"))
        self.news(now)

    def _hear_klipper(self, reply: Reply | None, now: float) -> None:
        if reply is not None and reply.error is None:
            self.klipper = text(table(reply.result).get("software_version")) or self.klipper
            self.news(now)

    def _hear_list(self, reply: Reply | None, now: float) -> None:
        listed = None if reply is None else table(reply.result).get("objects")
        if isinstance(listed, list):
            self._asked = wanted(listed)

    def _hear_poll(self, reply: Reply | None, ticket: int, now: float) -> None:
        if ticket != self._poll_ticket:
            return  # given up: Moonraker came back meanwhile
        self._is_polling = False
        self.poll_at(now + (POLL_ACTIVE if self.is_busy else POLL_IDLE))
        if reply is None:
            self.missed += 1
            if self.is_silent:
                self.is_fresh = False
            self.news(now)
            return
        was_away = self.is_silent or self.is_offline
        self.missed, self.is_offline = 0, False
        if was_away and not self.is_fresh:
            self._anew(now)
        self._take(reply, now)
        self.known_ticket = ticket
        self.news(now)

    def _take(self, reply: Reply, now: float) -> None:
        if reply.error is not None and not self.is_fresh and now < self._attach_until:
            self.poll_at(now + ATTACH_POLL)
            return
        was_gone = self.known is None
        if reply.error is None:
            self.known = objects(table(reply.result).get("status"))
            self.known_at, self.refusal = now, None
        else:
            self.known = None
            is_usual = reply.error.code in (503, NO_METHOD)  # it had no Klipper since it was started
            self.refusal = None if is_usual else f"Moonraker says: {reply.error.message}"
        if was_gone and self.known is not None:
            self._ask_klipper(now)
        self.is_fresh = True

    def _anew(self, now: float) -> None:
        """Moonraker is there again, maybe another one, with another Klipper."""
        self.has_no_history = self._is_reading = self._is_polling = False
        self._attach_until = now + ATTACH_SECONDS
        self.known = None
        self.asking.ask("server.info", None, self._hear_server, now)
        self.read_history(now)
        self.poll_at(now)

    def _hear_history(self, reply: Reply | None, ticket: int, now: float) -> None:
        if ticket != self._read_ticket:
            return
        self._is_reading = False
        self.read_history_at(now + (POLL_IDLE if reply is None else HISTORY_SECONDS))
        if reply is None:
            return
        if reply.error is not None:
            self.has_no_history = reply.error.code == NO_METHOD
            self.rows = []
        else:
            self.rows, self.rows_ticket = rows(reply.result), ticket
        self.news(now)

    def has_read_since(self, ticket: int) -> bool:
        """Whether the history answered something asked behind `ticket`, or there is none."""
        return self.has_no_history or self.rows_ticket > ticket

    def has_looked_since(self, ticket: int) -> bool:
        """Whether machine and history answered what was asked behind `ticket`."""
        return self.is_fresh and self.known_ticket > ticket and self.has_read_since(ticket)
