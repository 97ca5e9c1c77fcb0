"""All that is known of one Bambu printer. No I/O, no clock: `now` is monotonic seconds.

    begin                                        what the former process left
    connected, lost, heard, unsent               the connection and what came over it
    looked, told_bytes, stored, not_stored,      files
    removed
    noted                                        the record of the start that is on its way
    take_order                                   what it shall do
    wake, deadline                               time

Each may leave something in `outbox`: answers and snapshots for the engine, requests and files for it.

    link     DOWN --connected--> CONNECTING --first full state--> UP; lost: DOWN, with the reason

Nothing is told of the printer before the first full state of a connection; until then the snapshot has the
prints as they were.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any, Final

from gateway.domain.observations import Activity, LinkState, PrinterObserved, PrintReport
from gateway.domain.orders import Order
from gateway.drivers.bambu.errands import Errands
from gateway.drivers.bambu.one_print import Print
from gateway.drivers.bambu.orders import stop_print, take_order
from gateway.drivers.bambu.outbox import Outbox, Reconnect, Remove, Send
from gateway.drivers.bambu.print_file import PrintFile
from gateway.drivers.bambu.prints import Prints
from gateway.drivers.bambu.settings import BambuSettings
from gateway.drivers.bambu.starting import Free, Starts
from gateway.drivers.bambu.uploads import Uploads
from gateway.drivers.bambu.view import activity, message, temperatures
from gateway.drivers.left import LeftPrint
from gateway.drivers.start_record import Note
from gateway.protocol.bambu.ladder import REPLY_SECONDS
from gateway.protocol.bambu.liveness import Act, Liveness
from gateway.protocol.bambu.merging import Merged, is_full
from gateway.protocol.bambu.reading import read_message
from gateway.protocol.bambu.replies import UNSIGNED, Refused, Reply, replies, status_of, versions_of
from gateway.protocol.bambu.requests import get_version, push_all
from gateway.protocol.bambu.state import PrinterState, read_state

#: Seconds between two snapshots of which only the temperatures differ.
TELEMETRY_SECONDS: Final = 5.0
#: Seconds between two snapshots at least, also when nothing changed: ends are repeated until acknowledged.
REPEAT_SECONDS: Final = 10.0
#: Seconds for which a print that a person chose at the panel is about to begin (an A1 shows it 2 s before).
ANNOUNCED_SECONDS: Final = 30.0
#: Seconds without a word in which no print can have begun and ended.
SHORTEST_PRINT_SECONDS: Final = 120.0
#: Seconds for which an active printer may still show the print before the one it was told to start.
MIXED_SECONDS: Final = 10.0
NOT_YET: Final = "the gateway has not reached it since it was started"
NO_FULL: Final = "the printer did not tell its state: check `serial`, then restart the printer"
SILENT: Final = "the printer fell silent"
QUESTION: Final = "it shows the end of a print that the gateway did not see; in a minute that is believed"
ANNOUNCED: Final = "a print is about to begin on it"


class Machine:
    """One printer."""

    def __init__(
        self, printer: str, settings: BambuSettings, *, new_id: Callable[[], str], chance: Random
    ) -> None:
        self.printer = printer
        self.settings = settings
        self.state: PrinterState | None = None
        self.outbox = Outbox(printer)
        self.prints = Prints(printer, new_id)
        self.errands = Errands(self.outbox, chance)
        self.uploads = Uploads(self.outbox)
        self.starts = Starts(
            self.outbox,
            self.prints,
            settings,
            free=self.free,
            look=self._ask_state,
            tell=self.observe,
            stop=self._stop,
        )
        self._merged = Merged()
        self._liveness = Liveness()
        self._link, self._why_down = LinkState.DOWN, NOT_YET
        self._has_seen = False  # a full state, in this process
        self._heard_at: float | None = None
        self._told_at: float | None = None  # the state
        self._reply_at: float | None = None  # somebody else's start was taken
        self._announced_at = -math.inf
        self._refused_unsigned = False
        self._doubts_plate = False  # to be told once
        self._mixed_until: float | None = None  # active, and not with the start that was sent
        self._model: str | None = settings.model
        self._firmware: str | None = None
        self._said: tuple[object, ...] = ()
        self._said_at = -math.inf

    # -- life ---------------------------------------------------------------------------------------------

    def begin(
        self,
        left: Sequence[LeftPrint],
        over: Collection[str] | None,
        now: float,
        *,
        unsent: Collection[str] = (),
    ) -> None:
        """What the former process left: prints on the printer, and keys of prints that ended.

        `unsent`: keys of starts that it provably did not send.
        """
        unproven = self.prints.begin(left, over)
        if unproven is not None:
            self.starts.go_on(unproven, now, is_unsent=unproven.key in unsent)
        self.observe(now)

    def connected(self, now: float) -> None:
        """A new connection listens to its reports."""
        self._merged = Merged()
        self._link, self._why_down = LinkState.CONNECTING, ""
        self._liveness.connected(now)
        self._ask_state()
        self.outbox.put(Send(get_version(self.errands.next_id())))
        self.observe(now)

    def lost(self, why: str, now: float) -> None:
        """There is no connection (any more)."""
        self._link, self._why_down = LinkState.DOWN, why
        self._mixed_until = None
        self._liveness.lost()
        self.errands.lost()
        self.starts.lost()
        self.observe(now)

    def take_order(self, order: Order, now: float) -> None:
        """What it shall do; answered through the outbox."""
        take_order(self, order, now)

    # -- what it says -------------------------------------------------------------------------------------

    def heard(self, payload: bytes, now: float) -> None:
        """A message on its report topic."""
        self._heard_at = now
        found = read_message(payload)
        report = None if found is None else status_of(found)
        self._liveness.heard(now, is_full=report is not None and is_full(report))
        if found is None:
            return
        for reply in replies(found):
            self._replied(reply, now)
        if report is not None:
            self._reported(report, now)
        self.observe_if_new(now)

    def _replied(self, reply: Reply, now: float) -> None:
        versions = versions_of(reply)
        if versions is not None:
            self._model, self._firmware = versions.model or self._model, versions.firmware
        is_ours = self.errands.replied(reply) or self.starts.replied(reply, now)
        if is_ours and reply.section == "print":
            self._refused_unsigned = reply.refused is Refused.UNSIGNED
        elif not is_ours and reply.starts_print:
            self._reply_at = now

    def _reported(self, report: Mapping[str, Any], now: float) -> None:
        is_first = self._merged.known is None
        if not self._merged.hear(report) or self._merged.known is None:
            return
        before, self.state = self.state, read_state(self._merged.known)
        unseen = math.inf if self._told_at is None else now - self._told_at
        self._told_at = now
        if is_first:
            self._link = LinkState.UP
            if not self._has_seen:
                self._has_seen = True
                self.starts.first_seen(now)
        elif before is not None:
            self._announce(before, self.state, now)
        self._follow(now, is_first=is_first)
        if is_first and unseen >= SHORTEST_PRINT_SECONDS and self.prints.may_be_again(self.state):
            self._doubts_plate = True

    def _announce(self, before: PrinterState, state: PrinterState, now: float) -> None:
        """At rest it names the print that begins in a moment: chosen at its panel, or sent by an app."""
        is_new = state.print_type != before.print_type or state.shown != before.shown
        if is_new and state.is_resting and state.print_type in ("local", "cloud"):
            self._announced_at = now

    def _follow(self, now: float, *, is_first: bool = False) -> None:
        state = self.state
        assert state is not None
        self.starts.saw(state, now)
        if self._is_mixed(state, now):
            return
        if state.is_active:
            self.starts.saw_another(now)
        known = self.prints.current
        has_reply = self._reply_at is not None and now - self._reply_at <= REPLY_SECONDS
        mark = self.starts.mark
        self.prints.follow(state, now, is_first=is_first, has_reply=has_reply, expected=mark)
        if self.prints.current is not known and state.is_active:
            self._reply_at, self._announced_at = None, -math.inf
        self.clear_up()

    def clear_up(self) -> None:
        """Remove files of prints that are over."""
        for name in self.prints.take_removable():
            self.outbox.put(Remove(name))

    def _is_mixed(self, state: PrinterState, now: float) -> bool:
        """Whether it may be our start that begins, its mark still to be told."""
        mark = self.starts.mark
        if mark is None or not state.is_active or state.is_marked(mark):
            self._mixed_until = None
            return False
        self._mixed_until = now + MIXED_SECONDS if self._mixed_until is None else self._mixed_until
        if now >= self._mixed_until:
            self._mixed_until = -math.inf  # no more time has to pass: it is another print
        return now < self._mixed_until

    def unsent(self, sequence_id: str, now: float) -> None:
        """A request provably never left."""
        self.errands.unsent(sequence_id)
        self.starts.unsent(sequence_id, now)

    # -- files --------------------------------------------------------------------------------------------

    def noted(self, note: Note, why_not: str | None, now: float) -> None:
        """What a start's record was to say is on the disk; or why it could not be written."""
        self.starts.noted(note, why_not, now)
        self.observe_if_new(now)

    def looked(self, key: str, found: PrintFile | str, now: float) -> None:
        """What a print file is, or why it cannot be printed."""
        self.starts.looked(key, found, now)
        self.observe_if_new(now)

    def told_bytes(self, key: str, count: int, now: float) -> None:
        """So much of a file is on its way."""
        if not self.starts.told_bytes(key, count):
            self.uploads.told_bytes(key, count)
        self.observe_if_new(now)

    def stored(self, key: str, now: float) -> None:
        """A file is on the printer, whole."""
        if not self.starts.stored(key):
            self.uploads.stored(key)
        self.observe_if_new(now)

    def not_stored(self, key: str, why: str, now: float, *, is_absent: bool) -> None:
        """It is not."""
        if not self.starts.not_stored(key, why, now):
            self.uploads.not_stored(key, why, is_absent=is_absent)
        self.observe_if_new(now)

    def removed(self, key: str, now: float, *, is_gone: bool) -> None:
        """What there was of it is gone, or not."""
        self.uploads.removed(key, is_gone=is_gone)
        self.observe_if_new(now)

    # -- time ---------------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float:
        """When `wake` has something to do."""
        parts = (self._liveness, self.errands, self.starts)
        return min(*(part.deadline for part in parts), self._follow_at, self._said_at + REPEAT_SECONDS)

    @property
    def _follow_at(self) -> float:
        """When the state means something else than now, if it has not changed."""
        if self._link is not LinkState.UP:
            return math.inf
        until = self._mixed_until
        return min(self.prints.deadline, math.inf if until is None or until == -math.inf else until)

    def wake(self, now: float) -> None:
        """Time has passed."""
        match self._liveness.wake(now):
            case Act.ASK:
                self._ask_state()
            case Act.RECONNECT:
                self._liveness.lost()
                self.outbox.put(Reconnect(NO_FULL if self._link is not LinkState.UP else SILENT))
        self.errands.wake(now)
        self.starts.wake(now)
        if self._follow_at <= now:
            self._follow(now)
        if self._said_at + REPEAT_SECONDS <= now:
            self.observe(now)
        self.observe_if_new(now)

    def _ask_state(self) -> None:
        self.outbox.put(Send(push_all(self.errands.next_id())))

    def _stop(self, present: Print, order_id: str, now: float) -> None:
        stop_print(self.errands, present, order_id, now)

    # -- how it is ----------------------------------------------------------------------------------------

    @property
    def is_connected(self) -> bool:
        """Whether a request would leave."""
        return self._link is not LinkState.DOWN

    def not_reached(self) -> str | None:
        """Why nothing is to be sent to it; None: it can."""
        if self._link is not LinkState.UP:
            return f"the printer is not connected: {self._why_down or 'it has not told its state yet'}"
        return UNSIGNED if self.state is not None and self.state.is_signed_only else None

    def free(self, now: float) -> Free:
        """Whether it can take a start now."""
        age = math.inf if self._told_at is None or self._link is not LinkState.UP else now - self._told_at
        why = self._why_not_free(now)
        return Free(self.state, age, why, is_final=why == UNSIGNED)

    def _why_not_free(self, now: float) -> str | None:
        state, present = self.state, self.prints.current
        if self._needs_signature():
            return UNSIGNED
        why = self.not_reached()
        if why is not None or state is None:
            return why or NOT_YET
        if present is not None:
            return f"the printer has {present.file_name or present.name!r}"
        if not state.is_resting or activity(state) is not Activity.READY:
            wrong = message(state)
            return "the printer is busy" if wrong is None else f"the printer has an error: {wrong}"
        if self.uploads.one is not None:
            return "a file is on its way to the printer's storage"
        if self.prints.has_question:
            return QUESTION
        return ANNOUNCED if self.is_announced(now) else None

    def is_announced(self, now: float) -> bool:
        """Whether somebody else's print is about to begin. An H2 shows FINISH for 50 s after it took it."""
        is_taken = self._reply_at is not None and now - self._reply_at <= REPLY_SECONDS
        return is_taken or now - self._announced_at < ANNOUNCED_SECONDS

    def _obstacle(self, now: float) -> str | None:
        """Why it can take no job although it says that it is at rest."""
        if self._needs_signature():
            return UNSIGNED
        if self.prints.has_question:
            return QUESTION
        is_about_to = self._link is LinkState.UP and self.prints.current is None and self.is_announced(now)
        return ANNOUNCED if is_about_to else None

    def _needs_signature(self) -> bool:
        return self._refused_unsigned or (self.state is not None and bool(self.state.is_signed_only))

    # -- what comes out -----------------------------------------------------------------------------------

    def observe_if_new(self, now: float) -> None:
        """Leave a snapshot if it says something that the last one did not."""
        shot = self.snapshot(now)
        gap = TELEMETRY_SECONDS if _told(shot) == self._said and not self._doubts_plate else 0.0
        if now - self._said_at >= gap:
            self._observe(shot, now)

    def observe(self, now: float) -> None:
        """Leave a snapshot."""
        self._observe(self.snapshot(now), now)

    def _observe(self, shot: PrinterObserved, now: float) -> None:
        for passing in self.prints.take_passing():
            self.outbox.put(replace(shot, current=passing))
        self._said, self._said_at = _told(shot), now
        self.outbox.put(replace(shot, doubts_plate=self._doubts_plate))
        self._doubts_plate = False

    def _current(self) -> PrintReport | None:
        on_it = None if self.prints.current is None else self.prints.current.current()
        start = None if self.starts.one is None else self.starts.one.report()
        return on_it or start

    def snapshot(self, now: float) -> PrinterObserved:
        """All that is known now."""
        is_up = self._link is LinkState.UP
        state = self.state if is_up else None
        age = None if self._told_at is None else max(0.0, now - self._told_at)
        return PrinterObserved(
            printer=self.printer,
            link=LinkState.CONNECTING if self._why_down is NOT_YET else self._link,
            link_reason=self._why_down or None,
            activity=None if state is None else activity(state),
            message=None if state is None else message(state),
            firmware=" ".join(part for part in (self._model, self._firmware) if part) or None,
            current=self._current(),
            ended=tuple(self.prints.ended.values()),
            temperatures={} if state is None else temperatures(state),
            temperature_age=age,
            obstacle=self._obstacle(now),
            silent_for=None if self._heard_at is None else max(0.0, now - self._heard_at),
            is_receiving=self.uploads.one is not None,
        )


def _told(shot: PrinterObserved) -> tuple[object, ...]:
    """What a snapshot says beside temperatures and ages."""
    return (
        shot.link,
        shot.link_reason,
        shot.activity,
        shot.message,
        shot.firmware,
        shot.current,
        shot.ended,
        shot.obstacle,
        shot.is_receiving,
    )
