"""One start, from its order to its proof. Sans-I/O; `now` is monotonic seconds.

    PREPARING   the record says that it is on its way
    UPLOADING   the file goes to the printer under a name of its own
    RECORDING   the record says that it may be sent
    CHECKING    a fresh answer says that nothing else is on the machine: Klipper would drop a paused print for
                a new one without a word
    SENT        `printer.print.start` went out, once; protocol.moonraker.starting says whether it arrived

Until it is sent, everything that goes wrong is a refusal, and a cancel is: it was never begun.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Final

from gateway.domain.observations import OrderResult, PrintPhase
from gateway.domain.orders import StartPrint
from gateway.drivers.moonraker.files import BUSY, Remove
from gateway.drivers.moonraker.looks import CHECK_SECONDS
from gateway.drivers.moonraker.names import mark_of, marked_name
from gateway.drivers.moonraker.prints import Print
from gateway.drivers.start_record import Note
from gateway.protocol.moonraker.rpc import Reply
from gateway.protocol.moonraker.starting import LOOK_SECONDS, REPLY_SECONDS, Confirmation, Stage
from gateway.transport.storage import StorageTrouble

if TYPE_CHECKING:
    from gateway.drivers.moonraker.machine import Machine

NOT_CHECKED: Final = "The printer does not say whether it is free."
CALLED_OFF: Final = "Canceled before the printer was told to start: nothing moved."
NOT_SENT: Final = "The printer cannot be told anything at the moment."

_RESULTS: Final = {
    Stage.ACCEPTED: OrderResult.ACCEPTED,
    Stage.REFUSED: OrderResult.REFUSED,
    Stage.UNCLEAR: OrderResult.UNCLEAR,
}


class Step(Enum):
    """How far it is."""

    PREPARING = "preparing"
    UPLOADING = "uploading"
    RECORDING = "recording"
    CHECKING = "checking"
    SENT = "sent"


class Start:
    """One attempt. `machine.start` is it until it is answered."""

    def __init__(
        self,
        machine: Machine,
        order: StartPrint,
        obstacle: Callable[[], str | None],
        cancel: Callable[[str], None],
    ) -> None:
        """`obstacle`: why the machine can take no print now. `cancel` passes on what was asked meanwhile.

        Raises ValueError for a key that is no mark.
        """
        self.key = order.key
        self.file = marked_name(order.name, order.key)
        self.orders = [order.order_id]
        self.cancels: list[str] = []
        self.step = Step.PREPARING
        self._machine = machine
        self._obstacle = obstacle
        self._cancel = cancel
        self._print = Print(order.key, self.file, is_local=False, name=order.name, size=order.size)
        self._confirmation: Confirmation | None = None
        self._ticket = 0  # of the check, or of the look
        self._look_of: Stage | None = None  # the stage that the look was begun for
        self._deadline = math.inf
        self._path = order.path
        self._transfer = 0  # its ticket
        machine.put(Note(self.key, is_sending=False))

    @property
    def is_sent(self) -> bool:
        """Whether the printer may have it."""
        return self.step is Step.SENT

    def next_deadline(self) -> float:
        """When `turn` has something to do; infinite: never."""
        return self._deadline if self._confirmation is None else self._confirmation.deadline

    # -- before it is sent --------------------------------------------------------------------------------

    def _stored(self, trouble: StorageTrouble | None, _now: float) -> None:
        if trouble is not None:
            self._refused(f"The print file could not be put on the printer: {trouble}")
            return
        self.step = Step.RECORDING
        self._machine.put(Note(self.key, is_sending=True))

    def noted(self, note: Note, why_not: str | None, now: float) -> None:
        """The record says so, on the disk; or why it could not be written."""
        if self.step is not (Step.RECORDING if note.is_sending else Step.PREPARING):
            return
        if why_not is not None:
            self._refused(why_not)
        elif note.is_sending:
            self._look_first(now)
        else:
            self._upload()

    def _upload(self) -> None:
        files = self._machine.files
        if files.is_busy:
            self._refused(BUSY)
            return
        self.step = Step.UPLOADING
        self._transfer = files.store(self._path, self.file, self._stored, self._machine.put)

    def _look_first(self, now: float) -> None:
        self.step = Step.CHECKING
        self._ticket = self._machine.watch.ticket()
        self._deadline = now + CHECK_SECONDS
        self._machine.watch.poll(now)

    def call_off(self, why: str, now: float) -> None:
        """End it before it is sent. The end is told first: a start that is only refused is tried again."""
        machine = self._machine
        machine.files.stop(self._transfer, machine.put)
        machine.following.end(self._print, PrintPhase.CANCELED, why)
        machine.put(machine.snapshot(now))
        self._refused(why)

    def turn(self, now: float) -> None:
        """Something happened, or time has passed."""
        if self.step is Step.CHECKING:
            self._check(now)
        elif self._confirmation is not None:
            self._confirm(self._confirmation, now)

    def _check(self, now: float) -> None:
        watch = self._machine.watch
        if watch.known_ticket > self._ticket and self._machine.is_certain:
            why = self._obstacle()
            if why is None:
                self._send(now)
            else:
                self._refused(why)
        elif now >= self._deadline or not self._machine.is_up:
            self._refused(self._machine.unreachable() or NOT_CHECKED)

    def _send(self, now: float) -> None:
        machine = self._machine
        machine.following.open_starts[mark_of(self.key)] = self._print
        self.step, self._confirmation = Step.SENT, Confirmation(now)
        is_out = machine.asking.order(
            "printer.print.start", {"filename": self.file}, self._replied, now + REPLY_SECONDS + LOOK_SECONDS
        )
        if not is_out:
            self._refused(NOT_SENT)

    # -- behind it ----------------------------------------------------------------------------------------

    def _replied(self, reply: Reply | None, now: float) -> None:
        if self._confirmation is None:
            return
        if reply is None:
            self._confirmation.lost(now)
        else:
            self._confirmation.replied(reply.error, now)
            self._machine.watch.poll(now)

    def seen(self) -> None:
        """The machine, or its history, has it."""
        if self._confirmation is not None:
            self._confirmation.seen()
        else:  # not sent, and yet there: whoever printed it, it is this file
            self._end(OrderResult.ACCEPTED, None)

    def _confirm(self, confirmation: Confirmation, now: float) -> None:
        confirmation.wake(now)
        if confirmation.stage.looks:
            self._look(confirmation, now)
        if confirmation.stage is Stage.REFUSED:
            self._refused(confirmation.why or NOT_SENT)
        elif confirmation.stage.is_end:
            self._end(_RESULTS[confirmation.stage], confirmation.why)

    def _look(self, confirmation: Confirmation, now: float) -> None:
        watch = self._machine.watch
        if self._look_of is not confirmation.stage:
            self._look_of = confirmation.stage
            self._ticket = watch.ticket()
            watch.poll(now)
            watch.read_history(now)
        elif watch.has_looked_since(self._ticket):
            confirmation.looked()

    def _refused(self, why: str) -> None:
        """Nothing was printed, and the file is of no use: another try brings it anew."""
        self._machine.following.open_starts.pop(mark_of(self.key), None)
        self._machine.put(Remove(0, self.file))
        self._end(OrderResult.REFUSED, why)

    def _end(self, result: OrderResult, why: str | None) -> None:
        machine = self._machine
        machine.start = None
        for order_id in self.orders:
            machine.answer(order_id, result, why)
        for cancel_id in self.cancels:
            self._end_cancel(cancel_id, result)

    def _end_cancel(self, order_id: str, result: OrderResult) -> None:
        if result is OrderResult.ACCEPTED:
            self._cancel(order_id)
        elif result is OrderResult.REFUSED:
            self._machine.answer(order_id, OrderResult.ACCEPTED)
        else:
            self._machine.answer(order_id, OrderResult.UNCLEAR, "Nobody knows whether it was started.")
