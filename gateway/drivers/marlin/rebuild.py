"""A held print that goes on from one of its layers, because a person wants it so.

First come lines that bring the machine back to that place (`gcode.recovery` makes them): heat, X and Y homed,
above the part and down on it. Until all of them are proven to be done the record says HELD: whatever
interrupts them, the print is held again and nobody goes on in the middle of them.
"""

from __future__ import annotations

import os

from gateway.domain.observations import OrderResult, PrintPhase
from gateway.domain.orders import RecoverPrint, StartPrint
from gateway.drivers.contract import LineKind, RecordedStage
from gateway.drivers.marlin.driver_state import DriverState
from gateway.drivers.marlin.errands import BUSY, NOT_CONNECTED, refusal_by_expect
from gateway.drivers.marlin.own_scripts import start_and_end
from gateway.drivers.marlin.print import HostPrint
from gateway.drivers.marlin.stages import NOWHERE, Place, Stage
from gateway.protocol.marlin.asking import IGNORES_NUMBERS
from gateway.protocol.marlin.framing import LineNotSendable, numbered
from gateway.protocol.marlin.link import Link

_WAY_BACK = "It is being recovered: the printer heats, homes X and Y, and goes back to the part."
_PARKED = (
    "The nozzle had been moved away from the part (it was paused, or being recovered) when the position was"
    " lost: how high it stands is not known."
)
_NOT_HELD = "The print is under way."
_INTERRUPTED = "The connection was lost before anything was sent."


class RebuiltPrint(HostPrint):
    """A print that goes on behind lines of its own."""

    def rebuild(self, order: RecoverPrint) -> None:
        """Bring the machine back first; to be called once, before anything is fed."""
        self.is_taken_up = True
        self.phase, self.message = PrintPhase.PRINTING, _WAY_BACK
        self._behind = order.offset
        self._moves: tuple[str, ...] = order.move_lines
        # Should it be interrupted, it stands where it was interrupted first.
        self._position = self._fed_position = order.position
        self._begin(Stage.REBUILDING, (*order.heat_lines, *self._standstill))

    def end(self, link: Link, phase: PrintPhase, reason: str, message: str | None = None) -> None:
        """On its way back the board does not know where it stands: it is ended without a move."""
        if self.stage is Stage.REBUILDING:
            self.parked = NOWHERE
            self._record.park(NOWHERE)
        super().end(link, phase, reason, message)

    def _stage_done(self) -> None:
        if self.stage is not Stage.REBUILDING:
            super()._stage_done()
        elif self._moves:
            self._record.park(NOWHERE)  # from here on nobody knows how high it stands until it is back
            moves, self._moves = self._moves, ()
            self._begin(Stage.REBUILDING, (*moves, *self._standstill))
        else:
            self._target = 0
            self._position = self._fed_position = self._behind
            self._record.park(None)
            self._record.enter(RecordedStage.STREAMING)
            self.stage, self.message = Stage.STREAMING, None


def recover(driver: DriverState, order: RecoverPrint) -> None:
    """Begin, now or when the link has its line numbers anew; never twice for one order."""
    link = driver.link
    refusal = _refusal(driver, order)
    if refusal is not None or link is None:
        driver.answer(order.order_id, OrderResult.REFUSED, refusal or NOT_CONNECTED)
        return
    driver.rebuild = order
    link.begin_numbering(driver.clock())
    if link.is_ready:
        begin(driver, link)


def _refusal(driver: DriverState, order: RecoverPrint) -> str | None:
    link, held = driver.link, driver.held
    if driver.print is not None or driver.recovery is not None or driver.rebuild is not None:
        return _NOT_HELD
    if held is not None or driver.card.report is not None:
        refusal = refusal_by_expect(driver, order.expect)
        if refusal is not None:
            return refusal
    if order.expect in driver.ended or order.expect in driver.finished_keys:
        return "This print is over already."
    if link is None:
        return driver.why_unavailable()
    if not link.profile.counts_lines:
        return f"This printer cannot recover a print: {IGNORES_NUMBERS}."
    left = driver.record.unfinished()
    if left is not None and left.parked is not None:
        return _PARKED
    if driver.scripts.is_macro_running:
        return BUSY
    if (busy := driver.why_receiving()) is not None:
        return busy
    try:
        for line in (*order.heat_lines, *order.move_lines):
            numbered(9_999_999, line, line_chars=link.profile.line_chars)
    except LineNotSendable as error:
        return f"This cannot be sent: {error}."
    return None


def begin(driver: DriverState, link: Link) -> None:
    """The link is numbered: from here on it is a print like any other, behind its way back."""
    order, session = driver.rebuild, driver.session
    assert order is not None
    driver.rebuild = None
    start = StartPrint(
        order.printer, order.order_id, order.expect, order.path, order.sha256, order.size, order.name
    )
    try:
        file = open(order.path, "rb")
    except OSError as error:
        driver.answer(order.order_id, OrderResult.REFUSED, f"The file cannot be read: {error.strerror}.")
        return
    if os.fstat(file.fileno()).st_size != order.size:
        file.close()
        driver.answer(order.order_id, OrderResult.REFUSED, "The file is not the one that was printed.")
        return
    try:
        driver.record.close()
        driver.record.open(
            key=order.expect, path=order.path, sha256=order.sha256, size=order.size, name=order.name
        )
    except (OSError, ValueError) as error:
        file.close()
        driver.answer(order.order_id, OrderResult.REFUSED, f"The print cannot be recorded: {error}.")
        return
    behind = Place(link.last_number, order.offset, order.line, prepared=None)
    driver.record.enter(RecordedStage.HELD)
    driver.record.sent(behind.number, order.position, order.line, LineKind.SIDE)
    _, end_lines = start_and_end(driver, order.expect, order.name)
    streamed = RebuiltPrint(start, file, driver.record, link.profile, behind, (), end_lines)
    streamed.rebuild(order)
    driver.scripts.clear("the print goes on")
    driver.held, driver.print = None, streamed
    driver.cools = False
    driver.answer(order.order_id, OrderResult.ACCEPTED)
    driver.report(now=True)
    if session is not None:
        session.turn()


def give_up(driver: DriverState, why: str = _INTERRUPTED) -> None:
    """Something came first: nothing of it was sent."""
    order, driver.rebuild = driver.rebuild, None
    if order is not None:
        driver.answer(order.order_id, OrderResult.REFUSED, why)
