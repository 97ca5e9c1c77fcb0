"""All that is known of one printer that calls in. No I/O, no clock: `now` is monotonic seconds.

    status_posted, task_posted, print_announced, print_withdrawn   what it posts
    listening_changed, registered, unregistered                    how it stands with the gateway
    outcome, wake                                                  what became of a message; time
    orders.take_order                                              what it shall do (a module of its own)

Each may leave something in `take`: answers and snapshots for the engine, messages for the printer's channel,
and what is to be taken back of these. A message that the printer did not fetch in time is taken back: what
it would be told minutes later, nobody expects any more.

Nothing of an unregistered printer is reported; what it says is heard all the same, and counts from the
registration on.

    link up      a post within OFFLINE_AFTER (Forge API 2.1: 60 s)
    obstacle     it is not subscribed to its commands: `ready`, and yet nothing would reach it
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.domain.call_in import LOCAL_PREFIX, StatusPost, TaskPost, call_in_name
from gateway.domain.observations import (
    Activity,
    LinkState,
    OrderAnswered,
    OrderProgressed,
    OrderResult,
    PrinterObserved,
    PrintPhase,
)
from gateway.domain.printer import OFFLINE_AFTER
from gateway.drivers.forge.asked import ACK_SECONDS, ASKED_MAX, RECALL_SECONDS, Asked, answer_fields
from gateway.drivers.forge.names import ident_of, is_local_id
from gateway.drivers.forge.prints import Print, Prints
from gateway.drivers.forge.words import (
    Word,
    short_text,
    word_of_announcement,
    word_of_command_task,
    word_of_print_task,
    word_of_status,
)

#: Seconds for the proof of a start: an acknowledgement, or a status post that names the job.
PROOF_SECONDS: Final = 60.0
#: deg C beyond which a number is no temperature, of whatever part.
HOTTEST: Final = 10_000
NOT_LISTENING: Final = "it has not subscribed to its commands at /faye"
NOT_CALLED: Final = "it has not called since the gateway was started"
SILENT: Final = f"it has not called for {OFFLINE_AFTER:g} s: is it switched on, is its network there?"
NO_PROOF: Final = f"nothing proves within {PROOF_SECONDS:g} s that the start arrived"
NOT_REACHED: Final = "it did not come for the message: it is not listening at /faye at the moment"
GIVEN_UP: Final = "the printer was unregistered before it answered"
CALLED_OFF: Final = "canceled before its start left the gateway: nothing moved"
OVER: Final = "this print is over already"


@dataclass(frozen=True, slots=True)
class ToPrinter:
    """A message for the printer's command channel; `order_id` comes back with its outcome."""

    order_id: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Recall:
    """Take a message back, as far as it has not left. Its outcome comes as ever."""

    order_id: str


Output = PrinterObserved | OrderAnswered | OrderProgressed | ToPrinter | Recall


class Caller:
    """One printer."""

    def __init__(self, printer_id: int, new_id: Callable[[], str]) -> None:
        self.printer_id = printer_id
        self.name = call_in_name(printer_id)
        self.is_registered = False
        self.is_listening = False
        self.prints = Prints(printer_id, new_id)
        self.asked: dict[str, Asked] = {}  # by order_id
        self.status: StatusPost | None = None
        self.activity: Activity | None = None
        self._new_id = new_id
        self._heard_at: float | None = None
        self._was_online = False
        self._out: list[Output] = []

    # -- what it posts ------------------------------------------------------------------------------------

    def status_posted(self, post: StatusPost, now: float) -> None:
        """How it is; also the ping."""
        self._heard_at = now
        self.status, self.activity = post, post.printer_status
        self._hear(word_of_status(post), now)
        self.observe(now)

    def task_posted(self, post: TaskPost, now: float) -> None:
        """An acknowledgement; of a print also its progress."""
        self._heard_at = now
        self.activity = post.printer_status or self.activity
        asked = self.asked.get(post.task_id)
        if asked is not None:
            self._acknowledged(asked, post, now)
            self._hear(word_of_command_task(post), now)
        else:
            self._hear(word_of_print_task(post), now)
        self.observe(now)

    def print_announced(
        self, wire_id: str | None, name: str | None, now: float, job_data: Mapping[str, Any] | None = None
    ) -> str:
        """It says that a print was started at the machine. The key of that print."""
        self._heard_at = now
        given = wire_id or f"{LOCAL_PREFIX}{self._new_id()}"
        named = given if is_local_id(given) else LOCAL_PREFIX + given
        known = self.prints.local(named)
        if known is not None:
            known.job_data = job_data or known.job_data
            self.activity = self.activity or Activity.PRINTING  # it calls, so it is not offline
            self._hear(word_of_announcement(named, name), now)
        self.observe(now)
        return known.key if known is not None else ""

    def print_withdrawn(self, wire_id: str, now: float) -> bool:
        """It drops a print that it has; False: it has none of that name."""
        self._heard_at = now
        known = self.prints.by_ident(ident_of(wire_id))
        if known is None:
            return False
        self.prints.end(known, PrintPhase.CANCELED)
        self._prove(known, now)
        self.observe(now)
        return True

    def _acknowledged(self, asked: Asked, post: TaskPost, now: float) -> None:
        self._out.append(OrderProgressed(self.name, asked.order_id, post.progress, answer_fields(post)))
        judged = asked.judge(post, now)
        if judged is None:
            return
        result, message = judged
        ending = None if asked.ends_print is None else self.prints.by_ident(asked.ends_print)
        if ending is not None and result is OrderResult.ACCEPTED:
            ending.is_cancel_done = True
            ending.phase = ending.phase or PrintPhase.STARTING  # it had it
            self._prove(ending, now)
        self._close(asked, result, message)

    def _hear(self, word: Word, now: float) -> None:
        named = self.prints.hear(word, now)
        if named is not None and named.phase is not None:
            self._prove(named, now)

    def _prove(self, known: Print, now: float) -> None:
        """The printer has it: its start is answered, if it was not before."""
        self._recall(known)
        self._settle(known, OrderResult.ACCEPTED, None)
        self._pass_on_cancels(known, now)

    def _settle(self, known: Print, result: OrderResult, message: str | None) -> None:
        """Nothing more is waited for: the answer to its starts."""
        known.deadline = known.message_id = None
        for order_id in known.orders:
            self.answer(order_id, result, message)
        known.orders.clear()

    def _recall(self, known: Print) -> None:
        if known.message_id is not None and not known.is_recalled:
            known.is_recalled = True
            self._out.append(Recall(known.message_id))

    def _pass_on_cancels(self, known: Print, now: float) -> None:
        cancels, known.cancels = known.cancels, []
        for order_id in cancels:
            if self.prints.by_ident(known.ident) is known:
                self.ask(Asked(order_id, "cancel", now + ACK_SECONDS, known.ident), known.named)
            else:
                self.answer(order_id, OrderResult.REFUSED, OVER)

    # -- how it stands with the gateway -------------------------------------------------------------------

    def listening_changed(self, is_listening: bool, now: float) -> None:
        """Whether it is subscribed to its commands."""
        self.is_listening = is_listening
        self.observe(now)

    def registered(self, now: float) -> None:
        """A member owns it."""
        self.is_registered = True
        self.observe(now)

    def unregistered(self, now: float) -> None:
        """Nobody does; who waits for an answer gets the last one."""
        for known in self.prints.unproven():
            self._doubt(known, GIVEN_UP, now)
        for asked in list(self.asked.values()):
            if asked.is_waiting:
                self._out.append(Recall(asked.order_id))
            self._close(asked, OrderResult.UNCLEAR, GIVEN_UP)
        self.is_registered = False

    # -- messages and time --------------------------------------------------------------------------------

    def tell(self, order_id: str, payload: Mapping[str, Any]) -> None:
        """Leave a message for its command channel."""
        self._out.append(ToPrinter(order_id, payload))

    def ask(self, asked: Asked, parameters: Mapping[str, Any]) -> None:
        """Tell the printer a command, once, or answer why not."""
        if asked.order_id in self.asked:
            return  # its first message is on its way
        refusal = None
        if not self.is_listening:
            refusal = NOT_LISTENING
        elif len(self.asked) >= ASKED_MAX:
            refusal = f"{ASKED_MAX} commands wait for its answer already; it does not answer"
        if refusal is not None:
            self.answer(asked.order_id, OrderResult.REFUSED, refusal)
            return
        self.asked[asked.order_id] = asked
        self.tell(asked.order_id, {**parameters, "command": asked.command, "task_id": asked.order_id})

    def call_off(self, known: Print, order_id: str | None, now: float) -> bool:
        """Take a start back that may not have left; `order_id` is told how that went. False: it has left."""
        if known.message_id is None:
            return False
        self._recall(known)
        known.is_called_off = True
        known.deadline = now + RECALL_SECONDS
        if order_id is not None and order_id not in known.cancels:
            known.cancels.append(order_id)
        return True

    def outcome(self, order_id: str, is_never_sent: bool, now: float) -> None:
        """What became of a message. Never sent: nothing happened, unless the printer has proved otherwise."""
        asked = self.asked.get(order_id)
        if asked is not None and is_never_sent:
            self._close(asked, OrderResult.REFUSED, NOT_REACHED)
        elif asked is not None:
            asked.sent(now)
        for known in self.prints.unproven():
            if order_id == known.message_id:
                self._start_outcome(known, is_never_sent, now)

    def _start_outcome(self, known: Print, is_never_sent: bool, now: float) -> None:
        known.message_id = None
        if not is_never_sent:
            known.deadline = now + PROOF_SECONDS
            self._pass_on_cancels(known, now)
        elif known.is_called_off:
            known.message = CALLED_OFF
            self.prints.end(known, PrintPhase.CANCELED)
            self.observe(now)  # first: a refused start alone would be tried again
            self._settle(known, OrderResult.REFUSED, CALLED_OFF)
            for cancel_id in known.cancels:
                self.answer(cancel_id, OrderResult.ACCEPTED)
            known.cancels.clear()
        else:
            self.prints.drop(known)
            self._settle(known, OrderResult.REFUSED, NOT_REACHED)
            self.observe(now)

    def next_deadline(self) -> float:
        """When `wake` has something to do; infinite: never."""
        offline = self._offline_at if self._was_online else math.inf
        commands = (asked.deadline for asked in self.asked.values())
        starts = (known.deadline or math.inf for known in self.prints.unproven())
        return min(offline, min(commands, default=math.inf), min(starts, default=math.inf))

    def wake(self, now: float) -> None:
        """Time has passed."""
        for asked in [asked for asked in self.asked.values() if asked.deadline <= now]:
            if asked.is_waiting and not asked.is_recalled:
                asked.is_recalled, asked.deadline = True, now + RECALL_SECONDS
                self._out.append(Recall(asked.order_id))
            else:
                self._close(asked, OrderResult.UNCLEAR, asked.overdue())
        for known in self.prints.unproven():
            if known.deadline is None or known.deadline > now:
                continue
            if known.message_id is not None and not known.is_recalled:
                known.deadline = now + RECALL_SECONDS
                self._recall(known)
            else:
                self._doubt(known, NO_PROOF, now)
        if self._was_online and self._offline_at <= now:
            self.observe(now)

    def _doubt(self, known: Print, why: str, now: float) -> None:
        """It stays known: a late word about it is believed."""
        self._recall(known)
        self._settle(known, OrderResult.UNCLEAR, why)
        self._pass_on_cancels(known, now)

    def give_up(self, key: str, now: float) -> None:
        """The engine needs no more of this print: its end is committed, or a person said how it ended."""
        known = self.prints.by_key(key)
        if known is not None:
            self._doubt(known, "a person has said how this print ended", now)
        self.prints.forget(key)
        self.observe(now)

    # -- what comes out -----------------------------------------------------------------------------------

    def take(self) -> list[Output]:
        """What is to be told and sent, in order."""
        out, self._out = self._out, []
        return out

    def answer(self, order_id: str, result: OrderResult, message: str | None = None) -> None:
        """Answer an order; the caller sees to it that it is once."""
        self._out.append(OrderAnswered(self.name, order_id, result, message))

    def _close(self, asked: Asked, result: OrderResult, message: str | None) -> None:
        del self.asked[asked.order_id]
        self.answer(asked.order_id, result, message)

    def observe(self, now: float) -> None:
        """Leave a snapshot."""
        self._was_online = self.is_online(now)
        if self.is_registered:
            self._out.append(self.snapshot(now))

    @property
    def _offline_at(self) -> float:
        return -math.inf if self._heard_at is None else self._heard_at + OFFLINE_AFTER

    def is_online(self, now: float) -> bool:
        """Whether it has called lately."""
        return now < self._offline_at

    def snapshot(self, now: float) -> PrinterObserved:
        """All that is known now."""
        is_online = self.is_online(now)
        return PrinterObserved(
            printer=self.name,
            link=LinkState.UP if is_online else LinkState.DOWN,
            link_reason=None if is_online else NOT_CALLED if self._heard_at is None else SILENT,
            activity=self.activity,
            message=self._trouble(),
            current=self.prints.report(),
            ended=tuple(self.prints.ended.values()),
            temperatures=self._temperatures(),
            obstacle=None if self.is_listening else NOT_LISTENING,
            reported=None if self.status is None else reported_fields(self.status),
            silent_for=None if self._heard_at is None else max(0.0, now - self._heard_at),
        )

    def _trouble(self) -> str | None:
        if self.status is None or self.activity not in (Activity.ERROR, Activity.MAINTENANCE):
            return None
        return short_text(self.status.error_message)

    def _temperatures(self) -> Mapping[str, float]:
        measured = None if self.status is None else self.status.data.get("temperature")
        if not isinstance(measured, int | float) or isinstance(measured, bool):
            return {}
        return {"T": float(measured)} if -HOTTEST < measured < HOTTEST else {}  # neither NaN, nor 1e400


def reported_fields(post: StatusPost) -> dict[str, Any]:
    """The documented keys of a status post (Forge API 1.3, `last_reported_state`); no `job_id` for no job."""
    found: dict[str, Any] = {
        "printer_status": post.printer_status.value,
        "error_code": post.error_code,
        "error_message": post.error_message,
        "job_status": post.job_status,
        "job_progress": post.job_progress,
        "data": dict(post.data),
    }
    return found if post.job_id is None else {**found, "job_id": post.job_id}
