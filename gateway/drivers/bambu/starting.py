"""The one start that is on its way: from the order to its proof. No I/O, no clock.

    stage     what happens                              next
    PREPARE   the record says that it is on its way     LOOK
    LOOK      the file is looked at                     STORE
    STORE     it is on the printer                      RECORD
    RECORD    the record says that it may be sent       CHECK, or SENT at once
    CHECK     a fresh state says that it is free        SENT       published once, and never again
              none in CHECK_SECONDS                     refused
    SENT      no reply in REPLY_SECONDS                 the connection is made anew, once
              what `confirmation` says                  accepted, refused, unclear

Until it is SENT, whatever goes wrong refuses the start, and a cancel ends it: nothing has reached the printer
but a file, which is removed. The printer must be at rest in a state that is not older than FRESH_SECONDS: a
start on a busy A1 mini cancels what it prints (bambuddy #2598).

A start of the former process is SENT; one that did not leave it, by its record, is refused as soon as the
printer is at rest and does not show it, or has another print.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from gateway.domain.observations import OrderResult, PrintPhase, PrintReport
from gateway.domain.orders import StartPrint
from gateway.drivers.bambu.errands import REPLY_SECONDS
from gateway.drivers.bambu.one_print import Print
from gateway.drivers.bambu.outbox import LookAtFile, Outbox, Reconnect, Remove, Send, StopStoring, Store
from gateway.drivers.bambu.print_file import PrintFile
from gateway.drivers.bambu.prints import Prints, files_of
from gateway.drivers.bambu.settings import BambuSettings
from gateway.drivers.left import mark_number
from gateway.drivers.start_record import NEVER_SENT, Note
from gateway.protocol.bambu.confirmation import Confirmation, Stage
from gateway.protocol.bambu.names import job_name
from gateway.protocol.bambu.replies import STARTS, Refused, Reply
from gateway.protocol.bambu.requests import gcode_file, project_file
from gateway.protocol.bambu.state import PrinterState

#: Seconds for which a state is fresh; reports come every 2 s while anything changes.
FRESH_SECONDS: Final = 10.0
#: Seconds for a fresh state, once it is asked for.
CHECK_SECONDS: Final = 15.0
CALLED_OFF: Final = "canceled before the start left the gateway: nothing moved"
NO_STATE: Final = f"the printer did not tell its state within {CHECK_SECONDS:g} s: nothing was started"
OVER: Final = "this print is over already"
NEVER_LEFT: Final = "the connection was lost before the start left: nothing moved"
UNPROVEN: Final = "nothing proves that the start arrived: the printer does not show this print"


class At(Enum):
    """Stages; see above."""

    PREPARE = "prepare"
    LOOK = "look"
    STORE = "store"
    RECORD = "record"
    CHECK = "check"
    SENT = "sent"


@dataclass(frozen=True, slots=True)
class Free:
    """Whether the printer can take a start; `why_not` None: it can, and `state` says so."""

    state: PrinterState | None
    age: float  # seconds since it told its state
    why_not: str | None = None
    is_final: bool = False  # and it will not before a person changes something


@dataclass(slots=True)
class Start:
    """One start."""

    print: Print
    mark: int
    path: str
    size: int  # bytes
    orders: list[str]
    at: At = At.PREPARE
    file: PrintFile | None = None
    stored_as: str | None = None  # name on the printer, from the moment it is being stored
    sent_bytes: int = 0
    deadline: float = math.inf
    confirmation: Confirmation | None = None
    reply_by: float = math.inf
    cancels: list[str] = field(default_factory=list)  # order ids, to be passed on when it runs
    is_shown: bool = True  # False: the engine has no proof that it left, and is told of none
    is_unsent: bool = False  # of the former process, which provably did not send it

    def report(self) -> PrintReport | None:
        """As the engine is told."""
        if not self.is_shown:
            return None
        return self.print.report(PrintPhase.STARTING, self._message())

    def _message(self) -> str:
        if self.at is At.STORE and self.size:
            tenths = 10 * min(self.sent_bytes, self.size) // self.size  # each change is a row in the journal
            return f"uploading {10 * tenths} %"
        return "sent to the printer, which has not begun" if self.at is At.SENT else "preparing the start"


class Starts:
    """At most one at a time."""

    def __init__(
        self,
        outbox: Outbox,
        prints: Prints,
        settings: BambuSettings,
        *,
        free: Callable[[float], Free],
        look: Callable[[], None],
        tell: Callable[[float], None],
        stop: Callable[[Print, str, float], None],
    ) -> None:
        """`free`: how the printer is; `look`: ask it for its full state; `tell`: leave a snapshot now.

        `stop`: carry out a cancel, with its order id, of a print that runs.
        """
        self._outbox = outbox
        self._prints = prints
        self._settings = settings
        self._free = free
        self._look = look
        self._tell = tell
        self._stop = stop
        self.one: Start | None = None

    # -- looking ------------------------------------------------------------------------------------------

    @property
    def mark(self) -> int | None:
        """Of the start that was sent and is being confirmed."""
        return self.one.mark if self.one is not None and self.one.at is At.SENT else None

    @property
    def deadline(self) -> float:
        """When `wake` has something to do."""
        if self.one is None:
            return math.inf
        confirmation = self.one.confirmation
        own = min(self.one.deadline, self.one.reply_by)
        return own if confirmation is None else min(own, confirmation.deadline)

    # -- from the order to the publish --------------------------------------------------------------------

    def begin(self, order: StartPrint, now: float) -> None:
        """Begin it, or refuse it; the same start again joins the first."""
        one = self.one
        if one is not None and one.print.key == order.key:
            if order.order_id not in one.orders:
                one.orders.append(order.order_id)
            return
        known = self._known_already(order.key)
        if known is not None:
            self._outbox.answer(order.order_id, *known)
            return
        free = self._free(now)
        busy = "another start is on its way to the printer" if one is not None else free.why_not
        if busy is not None:
            self._outbox.answer(order.order_id, OrderResult.REFUSED, busy, is_final=free.is_final)
            return
        mark = mark_number(order.key)
        name = Print(order.key, is_local=False, mark=mark, name=order.name, phase=PrintPhase.STARTING)
        self.one = Start(name, mark, order.path, order.size, [order.order_id])
        self._outbox.put(Note(order.key, is_sending=False))

    def _known_already(self, key: str) -> tuple[OrderResult, str | None] | None:
        """The answer to a start that was sent before."""
        present = self._prints.current
        if present is not None and present.key == key:
            return OrderResult.ACCEPTED, None
        if self._prints.is_over(key):
            return OrderResult.REFUSED, OVER
        is_doubted = self._prints.is_doubted(key)
        return (OrderResult.UNCLEAR, UNPROVEN) if is_doubted else None

    def noted(self, note: Note, why_not: str | None, now: float) -> None:
        """The record says so, on the disk; or why it could not be written."""
        one = self._at(note.key, At.RECORD if note.is_sending else At.PREPARE)
        if one is None:
            return
        if why_not is not None:
            self._refuse(one, why_not, now)
        elif note.is_sending:
            one.at = At.CHECK
            self._check(one, now)
        else:
            one.at = At.LOOK
            self._outbox.put(LookAtFile(note.key, one.path))

    def looked(self, key: str, found: PrintFile | str, now: float) -> None:
        """What the file is, or why it cannot be printed."""
        one = self._at(key, At.LOOK)
        if one is None:
            return
        if isinstance(found, str):
            self._refuse(one, found, now, is_final=True)
            return
        one.file = found
        one.stored_as = job_name(one.print.name or "", one.mark) + found.ending
        one.at = At.STORE
        self._outbox.put(Store(key, one.path, one.stored_as))

    def told_bytes(self, key: str, count: int) -> bool:
        """So much of the file is on its way; False: it is no start's."""
        one = self._at(key, At.STORE)
        if one is None:
            return False
        one.sent_bytes = count
        return True

    def stored(self, key: str) -> bool:
        """The file is on the printer, whole; False: it is no start's."""
        one = self._at(key, At.STORE)
        if one is None:
            return False
        one.at = At.RECORD
        self._outbox.put(Note(key, is_sending=True))
        return True

    def not_stored(self, key: str, why: str, now: float) -> bool:
        """It is not; False: it is no start's."""
        one = self._at(key, At.STORE)
        if one is None:
            return False
        self._refuse(one, why, now)
        return True

    def _at(self, key: str, at: At) -> Start | None:
        one = self.one
        return one if one is not None and one.print.key == key and one.at is at else None

    def _check(self, one: Start, now: float) -> None:
        """The last look before the publish."""
        free = self._free(now)
        is_fresh = free.state is not None and free.age <= FRESH_SECONDS
        if free.why_not is not None and (is_fresh or free.is_final):
            self._refuse(one, free.why_not, now, is_final=free.is_final)
        elif is_fresh:
            self._publish(one, free.state, now)
        elif one.deadline == math.inf:
            one.deadline = now + CHECK_SECONDS
            self._look()

    def _publish(self, one: Start, state: PrinterState | None, now: float) -> None:
        assert one.file is not None
        assert one.stored_as is not None
        one.at, one.confirmation = At.SENT, Confirmation(one.mark, now, before=state)
        one.deadline, one.reply_by = math.inf, now + REPLY_SECONDS
        if one.file.plate is None:
            self._outbox.put(Send(gcode_file(one.mark, one.stored_as)))
            return
        url = self._settings.url_form.replace("{name}", one.stored_as)
        name = job_name(one.print.name or "", one.mark)
        self._outbox.put(
            Send(
                project_file(
                    one.mark,
                    plate=one.file.plate,
                    file=one.stored_as,
                    url=url,
                    name=name,
                    options=self._settings.options,
                )
            )
        )

    # -- from the publish to the proof --------------------------------------------------------------------

    def go_on(self, left: Print, now: float, *, is_unsent: bool) -> None:
        """A start of the former process: the printer may have it. It is looked for, and never sent again.

        Also one that never went out (`is_unsent`): there are printers that print what lies on their card.
        """
        assert left.mark is not None
        one = Start(
            left, left.mark, "", 0, [left.key], At.SENT,
            is_shown=left.phase is not None, is_unsent=is_unsent,
        )  # fmt: skip
        one.confirmation = Confirmation(left.mark, now)
        self.one = one

    def first_seen(self, now: float) -> None:
        """The printer tells for the first time in this process: a start of before gets all of its time."""
        one = self.one
        if one is not None and one.confirmation is not None:
            one.confirmation = Confirmation(one.mark, now)

    def replied(self, reply: Reply, now: float) -> bool:
        """A reply; False: it is to somebody else's request."""
        one = self.one
        if one is None or one.confirmation is None or reply.command not in STARTS:
            return False
        if str(one.mark) not in (reply.sequence_id, reply.native_id):
            return False
        one.confirmation.replied(reply, now)
        self._judge(one, None, now)
        return True

    def saw(self, state: PrinterState, now: float) -> None:
        """A state of the printer, before `Prints` follows it."""
        one = self.one
        if one is None:
            return
        if one.confirmation is not None:
            one.confirmation.saw(state, now)
            self._judge(one, state, now)
        elif one.at is At.CHECK:
            self._check(one, now)
        elif state.is_active:
            self._refuse(one, "the printer began another print", now)

    def saw_another(self, now: float) -> None:
        """The printer is active, for certain with another print than the start that was sent."""
        one = self.one
        if one is not None and one.is_unsent and one.confirmation is not None:
            if one.confirmation.stage is not Stage.TAKEN:  # it showed the mark before
                self._refuse(one, NEVER_SENT, now)

    def unsent(self, sequence_id: str, now: float) -> None:
        """This request provably never left."""
        one = self.one
        if one is not None and one.at is At.SENT and sequence_id == str(one.mark):
            self._refuse(one, NEVER_LEFT, now)

    def lost(self) -> None:
        """The connection is gone."""
        if self.one is not None and self.one.confirmation is not None:
            self.one.confirmation.unwatched()

    def wake(self, now: float) -> None:
        """Time has passed."""
        one = self.one
        if one is None or self.deadline > now:
            return
        if one.reply_by <= now:
            self._no_reply(one)
        if one.confirmation is None:
            self._refuse(one, NO_STATE, now)
        elif one.confirmation.wake(now):
            self._look()
        else:
            self._judge(one, None, now)

    def _no_reply(self, one: Start) -> None:
        """There are sessions that tell and do not listen: the printer is looked at through another one."""
        assert one.confirmation is not None
        one.reply_by = math.inf
        if one.confirmation.stage is Stage.ASKED:
            self._outbox.put(Reconnect("the printer did not reply to the start"))

    def _judge(self, one: Start, state: PrinterState | None, now: float) -> None:
        assert one.confirmation is not None
        match one.confirmation.stage:
            case Stage.ASKED if one.is_unsent and state is not None and state.is_resting:
                self._refuse(one, NEVER_SENT, now)
            case Stage.RUNNING:
                self._prints.doubt(one.print)  # `Prints` finds it by its mark, right now
                self._arrived(one)
                for order_id in one.cancels:
                    self._stop(one.print, order_id, now)
            case Stage.ENDED if state is not None:
                self._arrived(one)
                self._prints.ended_by(one.print, state)
                for order_id in one.cancels:
                    self._outbox.answer(order_id, OrderResult.REFUSED, OVER)
            case Stage.REFUSED:
                refusal = one.confirmation.refusal
                assert refusal is not None
                self._refuse(one, refusal.words, now, is_final=refusal.refused is Refused.UNSIGNED)
            case Stage.UNCLEAR if one.is_unsent:
                self._refuse(one, NEVER_SENT, now)
            case Stage.UNCLEAR:
                self.one = None
                self._prints.doubt(one.print)
                one.print.file_on_printer = one.stored_as
                one.print.phase = None
                self._answer(one, OrderResult.UNCLEAR, UNPROVEN)
                for order_id in one.cancels:
                    self._outbox.answer(order_id, OrderResult.UNCLEAR, UNPROVEN)
                self._tell(now)

    def _arrived(self, one: Start) -> None:
        self.one = None
        one.print.file_on_printer = one.stored_as
        self._answer(one, OrderResult.ACCEPTED, None)

    # -- ends ---------------------------------------------------------------------------------------------

    def call_off(self, now: float) -> bool:
        """End a start that has not left, with its file. False: it has left."""
        one = self.one
        if one is None or one.at is At.SENT:
            return False
        self._remove_file(one)
        self.one = None
        self._prints.end(one.print, PrintPhase.CANCELED, CALLED_OFF)
        self._tell(now)  # first: a refused start alone would be tried again
        self._answer(one, OrderResult.REFUSED, CALLED_OFF)
        return True

    def _refuse(self, one: Start, why: str, now: float, *, is_final: bool = False) -> None:
        """Provably nothing of it moved."""
        self._remove_file(one)
        self.one = None
        self._answer(one, OrderResult.REFUSED, why, is_final=is_final)
        for order_id in one.cancels:
            self._outbox.answer(order_id, OrderResult.ACCEPTED, f"its start was refused: {why}")
        self._tell(now)

    def _remove_file(self, one: Start) -> None:
        if one.is_unsent:
            for name in files_of(one.print):
                self._outbox.put(Remove(name))
        elif one.stored_as is not None and one.at is At.STORE:
            self._outbox.put(StopStoring(one.print.key, one.stored_as))
        elif one.stored_as is not None:
            self._outbox.put(Remove(one.stored_as))

    def _answer(self, one: Start, result: OrderResult, why: str | None, *, is_final: bool = False) -> None:
        for order_id in one.orders:
            self._outbox.answer(order_id, result, why, is_final=is_final)
        one.orders.clear()
