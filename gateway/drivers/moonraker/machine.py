"""All that is known of one Klipper printer, and everything it is told. No I/O, no clock: `now` is monotonic.

    connected, down, heard             what becomes of the connection, and what comes over it
    noted                              the record of the start that is on its way
    stored, store_told, removed        what becomes of files on their way to the printer
    wake                               time
    orders.take_order                  what it shall do (a module of its own)

Each may leave something in `take`: requests, files to be put there or removed, answers and snapshots for the
engine.

    link up     Moonraker has said on this connection how the printer stands, and goes on answering
    activity    busy until the history has told of all prints up to now: one that nobody watched may lie
                on the plate
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from gateway.domain.observations import (
    Activity,
    LinkState,
    OrderAnswered,
    OrderProgressed,
    OrderResult,
    PrinterObserved,
    PrintReport,
)
from gateway.drivers.left import LeftPrint
from gateway.drivers.moonraker.asking import Asking, Send
from gateway.drivers.moonraker.files import Files, Remove, StopStore, Store
from gateway.drivers.moonraker.following import Following
from gateway.drivers.moonraker.left_prints import UNPROVEN, LeftPrints
from gateway.drivers.moonraker.looks import Looks
from gateway.drivers.moonraker.names import mark_of
from gateway.drivers.moonraker.prints import left_report
from gateway.drivers.moonraker.settings import MoonrakerSettings
from gateway.drivers.moonraker.start import Start
from gateway.drivers.moonraker.watch import Watch
from gateway.drivers.start_record import NEVER_SENT, Note
from gateway.protocol.moonraker.judging import Doing
from gateway.protocol.moonraker.objects import is_moving, temperatures
from gateway.protocol.moonraker.topics import Heard, Topics

#: Seconds between two snapshots that differ in numbers only: people watch them.
OBSERVE_SECONDS: Final = 1.0

Output = Send | Store | StopStore | Remove | Note | PrinterObserved | OrderAnswered | OrderProgressed

_CONNECTING: Final = "Nobody has said yet how the printer is."
_OFFLINE: Final = (
    "Moonraker is not connected to the broker ({topic} says offline). Is the printer's host switched on?"
)
_SILENT: Final = (
    "Moonraker does not answer on {topic}. Is instance_name in its section [mqtt] the one configured here,"
    " may the gateway's user of the broker write there, and does moonraker.log speak of mqtt?"
)
_STARTING: Final = "Klipper is starting."
_STOPPED: Final = "{why} Find the cause, then restart Klipper (FIRMWARE_RESTART)."
_NO_CARD: Final = "Klipper has no [virtual_sdcard] in printer.cfg: it can print no file."
_ACTIVITIES: Final = {
    Doing.GONE: Activity.ERROR,
    Doing.BOOTING: Activity.BUSY,
    Doing.STOPPED: Activity.ERROR,
    Doing.PRINTING: Activity.PRINTING,
    Doing.PAUSED: Activity.PAUSED,
}


@dataclass(slots=True)
class _Told:
    """The last snapshot, as far as a change in it is told at once; and when it was told."""

    essence: object = None
    at: float = -math.inf


class Machine:
    """One printer."""

    def __init__(
        self, printer: str, *, chance: Random, new_id: Callable[[], str], settings: MoonrakerSettings
    ) -> None:
        self.printer = printer
        self.settings = settings
        self.topics = Topics(settings.instance)
        self.asking = Asking(chance, self.put)
        self.watch = Watch(self.asking, self._news)
        self.following = Following(printer, self.watch, new_id, self._seen)
        self.left = LeftPrints(printer, self.following, self.watch)
        self.files = Files()
        self.looks = Looks(self.watch)
        self.start: Start | None = None
        self._unsent: frozenset[str] = frozenset()  # starts of the former process that never went out
        self.joined: dict[str, list[str]] = {}  # orders that wait for the same reply, by what they ask
        self._out: list[Output] = []
        self._is_connected = False
        self._down_reason = _CONNECTING
        self._heard_at: float | None = None
        self._told = _Told()

    # -- outputs ------------------------------------------------------------------------------------------

    def put(self, output: Output) -> None:
        """Leave something for the outside."""
        self._out.append(output)

    def take(self) -> list[Output]:
        """What was left; it is gone then."""
        taken, self._out = self._out, []
        return taken

    def answer(self, order_id: str, result: OrderResult, message: str | None = None) -> None:
        """The one answer to an order."""
        self.put(OrderAnswered(self.printer, order_id, result, message))

    # -- inputs -------------------------------------------------------------------------------------------

    def begin(self, left: Sequence[LeftPrint], unsent: Collection[str] = ()) -> None:
        """What the former process left; before the first connection.

        `unsent`: keys of starts that it provably did not send.
        """
        self._unsent = frozenset(unsent)
        self.left.begin(left)

    def noted(self, note: Note, why_not: str | None, now: float) -> None:
        """What a start's record was to say is on the disk; or why it could not be written."""
        if self.start is not None and self.start.key == note.key:
            self.start.noted(note, why_not, now)
        self.turn(now)

    def connected(self, now: float) -> None:
        """A new connection to the broker, subscribed to `topics.heard`."""
        self._is_connected = True
        self.asking.connected()
        self.watch.connected(now)
        self.turn(now)

    def down(self, reason: str, now: float) -> None:
        """There is no connection (any more)."""
        self._is_connected, self._down_reason = False, reason
        self.asking.lost(now)
        self.watch.lost()
        self.following.lost()
        self.turn(now)

    def heard(self, topic: str, payload: bytes, is_kept: bool, now: float) -> None:
        """A message; `is_kept`: the broker had it from before this subscription."""
        kind = self.topics.kind(topic)
        if kind is Heard.REPLY:
            if self.asking.heard(payload, now):
                self._heard_at = now
        elif kind is Heard.SERVER:
            self.watch.server_said(payload, is_kept, now)
        elif kind is Heard.STATUS:
            self.watch.status_said(payload, is_kept, now)
        elif kind is Heard.FIELD and not is_kept:
            self.watch.hint(now)
        self.turn(now)

    def wake(self, now: float) -> None:
        """Time has passed."""
        self.asking.wake(now)
        self.watch.wake(now)
        self.turn(now)

    def next_deadline(self) -> float:
        """When `wake` has something to do; infinite: never."""
        start = math.inf if self.start is None else self.start.next_deadline()
        parts = (self.asking, self.watch, self.looks)
        return min(*(part.next_deadline() for part in parts), start)

    def turn(self, now: float) -> None:
        """Behind everything that happened: what follows from it, and whether people are to be told."""
        if self.start is not None:
            self.start.turn(now)
        self.looks.turn(now, is_up=self.is_up)
        self.watch.is_busy = self.following.current is not None or self.start is not None
        self.watch.wake(now)
        self._observe(now)

    # -- what it knows ------------------------------------------------------------------------------------

    @property
    def is_up(self) -> bool:
        """Whether Moonraker has said how the printer stands, and goes on answering."""
        return self._is_connected and self.watch.is_fresh and not self.watch.is_silent

    @property
    def is_certain(self) -> bool:
        """Whether all prints of this printer up to now are known."""
        return self.is_up and not self.left.waiting and self.following.is_certain

    def unreachable(self) -> str | None:
        """Why Klipper cannot be told anything; None: it can."""
        if not self.is_up:
            return self.link_reason()
        doing = self.watch.standing.doing
        if doing in (Doing.GONE, Doing.BOOTING, Doing.STOPPED):
            return self.message()
        return None

    def link_reason(self) -> str | None:
        """Why the link is not up, and what to do; None: it is."""
        if self.is_up:
            return None
        if not self._is_connected:
            return self._down_reason
        if self.watch.is_offline:
            return _OFFLINE.format(topic=self.topics.server)
        return _SILENT.format(topic=self.topics.request) if self.watch.is_silent else _CONNECTING

    def message(self) -> str | None:
        """The printer's words about an error."""
        if not self.is_up:
            return None
        standing = self.watch.standing
        if standing.doing is Doing.GONE:
            return standing.why
        if standing.doing is Doing.BOOTING:
            return _STARTING
        if standing.doing is Doing.STOPPED:
            return _STOPPED.format(why=standing.why if standing.why.endswith(".") else f"{standing.why}.")
        return None

    def activity(self) -> Activity | None:
        """What the printer is doing; None while it is not known."""
        if not self.is_up:
            return None
        found = _ACTIVITIES.get(self.watch.standing.doing)
        if found is not None:
            return found
        is_busy = self.start is not None or not self.is_certain or is_moving(self.watch.known or {})
        return Activity.BUSY if is_busy or self.following.current is not None else Activity.READY

    def snapshot(self, now: float) -> PrinterObserved:
        """All that is known now."""
        watch = self.watch
        is_known = self.is_up and watch.known is not None
        has_no_card = is_known and watch.standing.doing is Doing.NO_PRINTS
        return PrinterObserved(
            printer=self.printer,
            link=self._link_state(),
            link_reason=self.link_reason(),
            activity=self.activity(),
            message=self.message(),
            firmware=self._firmware(),
            current=self._current(),
            ended=tuple(known.report() for known in self.following.ended.values()),
            temperatures=temperatures(watch.known or {}) if is_known else {},
            temperature_age=now - watch.known_at if is_known and watch.known_at is not None else None,
            obstacle=_NO_CARD if has_no_card else None,
            silent_for=None if self._heard_at is None else now - self._heard_at,
            is_receiving=self.files.is_busy,
        )

    def _link_state(self) -> LinkState:
        if self.is_up:
            return LinkState.UP
        is_trying = self._is_connected and not self.watch.is_offline and not self.watch.is_silent
        is_new = not self._is_connected and self._down_reason is _CONNECTING
        return LinkState.CONNECTING if is_trying or is_new else LinkState.DOWN

    def _current(self) -> PrintReport | None:
        if self.following.current is not None:
            return self.following.current.report()
        reports = (left_report(one) for one in self.left.waiting)
        return next((report for report in reports if report is not None), None)

    def _firmware(self) -> str | None:
        named = (("Klipper", self.watch.klipper), ("Moonraker", self.watch.moonraker))
        return ", ".join(f"{name} {version}" for name, version in named if version) or None

    # -- inside -------------------------------------------------------------------------------------------

    def _news(self, now: float) -> None:
        """The watch has an answer."""
        if not self.is_up:
            return
        if self.left.waiting:
            for key in self.left.settle(now):
                self._not_shown(key)
        else:
            self.following.follow(now)
        current = self.following.current
        if current is not None and current.row is None:
            self.watch.ask_estimate(current.file, now)

    def _not_shown(self, key: str) -> None:
        """The printer, asked, shows nothing of a start of the former process."""
        if key not in self._unsent:
            self.answer(key, OrderResult.UNCLEAR, UNPROVEN)
            return
        self.put(Remove(0, self.following.open_starts.pop(mark_of(key)).file))
        self.answer(key, OrderResult.REFUSED, NEVER_SENT)

    def _seen(self, key: str) -> None:
        """A start is proven by the machine, or by its history."""
        if self.start is not None and self.start.key == key:
            self.start.seen()
        elif self.left.is_proof(key):
            self.answer(key, OrderResult.ACCEPTED)

    def _observe(self, now: float) -> None:
        is_doubtful = self.following.take_unseen()
        shot = replace(self.snapshot(now), doubts_plate=is_doubtful)
        current = shot.current
        essence = (
            shot.link, shot.link_reason, shot.activity, shot.message, shot.obstacle, shot.is_receiving,
            None if current is None else (current.key, current.phase, current.message),
            tuple(end.key for end in shot.ended),
        )  # fmt: skip
        if is_doubtful or essence != self._told.essence or now >= self._told.at + OBSERVE_SECONDS:
            self._told.essence, self._told.at = essence, now
            self.put(shot)
