"""What becomes of a print, of orders and of heat when a link fails, or its port goes away."""

from __future__ import annotations

from gateway.domain.observations import LinkState, PrintPhase
from gateway.drivers.contract import RecordedStage
from gateway.drivers.marlin import rebuild, recovery, upload_orders
from gateway.drivers.marlin.driver_state import DriverState
from gateway.drivers.marlin.sd import ABORTED
from gateway.drivers.marlin.session import Session
from gateway.protocol.marlin.failures import FailureReason
from gateway.protocol.marlin.framing import bare
from gateway.protocol.marlin.link_events import LinkFailed

_COOLED = (
    " Nothing more of the print is sent, and the heaters are switched off. Look at the print: it may be"
    " recovered from its last finished layer, or canceled."
)
_ENDED_COLD = " Nothing more of the print is sent, and the heaters are switched off."
_STOP_OBEYED = (
    "The printer stopped itself in an emergency stop and was reset by it: its heaters and motors are off."
    " Look at it before the next print."
)
#: The machine lives and takes none of our lines: the print is over, and what needs no number cools it.
_FATAL_FOR_PRINT = frozenset({FailureReason.LINE_REFUSED, FailureReason.NUMBERS_DISAGREE})


def connection_lost(driver: DriverState, reason: str) -> None:
    """The port went away: nobody knows what the machine makes of the lines it has."""
    driver.kill_at, driver.card_cancel_pending, driver.breaks_wait = None, False, False
    rebuild.give_up(driver)
    upload_orders.lost(
        driver, f"The connection to the printer was lost in mid-upload ({reason.rstrip('.')})."
    )
    driver.scripts.clear(reason)
    if driver.print is not None:
        driver.print.close(PrintPhase.HELD, "printer-stopped", None)
        driver.print_over(driver.print)
        recovery.take_over(driver, f"The connection to the printer was lost in mid-print ({reason}).")


def link_failed(driver: DriverState, failed: LinkFailed) -> None:
    """The firmware halted, was reset, or cannot be talked with any more: `failed.reason` says which."""
    session, reason = driver.session, failed.reason
    assert session is not None
    # Prusa and Repetier reset themselves on M112, the latter without a word before `start`.
    is_obeyed = driver.kill_at is not None and reason is FailureReason.RESTARTED
    message = _STOP_OBEYED if is_obeyed else failed.message
    if reason is not FailureReason.POSITION_LOST:  # its session goes on, and a stop stays wanted
        driver.kill_at = None
    driver.card_cancel_pending = driver.breaks_wait = False
    rebuild.give_up(driver)
    upload_orders.lost(driver, message)
    driver.scripts.clear(message)
    if reason.is_halt or reason.is_reset:
        driver.card.board_gone(message)
        driver.take_ended_from_card()
    if reason.is_reset and (driver.print is not None or driver.recovery is not None):
        driver.cools = True
    _close_print(driver, reason, message, is_obeyed=is_obeyed)
    if driver.recovery is not None and (reason.is_halt or reason.is_reset):
        recovery.hold(driver, message.rstrip("."), is_cooled=True)
    driver.view.message = message if is_obeyed else failed.detail or message
    _go_on_without(driver, session, failed)


def _close_print(driver: DriverState, reason: FailureReason, message: str, *, is_obeyed: bool) -> None:
    """The streamed print, if there is one: failed where nothing can go on, else held for a person."""
    streamed = driver.print
    if streamed is None:
        return
    if reason in _FATAL_FOR_PRINT:
        driver.cools = True  # what is said without a number now may not arrive: the next link says it again
    ends = reason.is_halt or reason in _FATAL_FOR_PRINT or is_obeyed
    streamed.close(
        PrintPhase.FAILED if ends else PrintPhase.HELD,
        ABORTED if ends else "printer-stopped",
        message + _what_follows(reason, is_obeyed=is_obeyed),
    )
    if not ends:
        driver.record.enter(RecordedStage.HELD)
    driver.print_over(streamed)


def _what_follows(reason: FailureReason, *, is_obeyed: bool) -> str:
    if reason in _FATAL_FOR_PRINT:
        return _ENDED_COLD
    return _COOLED if reason.is_reset and not is_obeyed else ""


def _go_on_without(driver: DriverState, session: Session, failed: LinkFailed) -> None:
    """A board that halted or was reset has a new link on the same port; else the port is closed."""
    reason = failed.reason
    if reason.is_halt:
        driver.is_halted = True
        session.link = driver.new_link(is_halted=True)
        driver.report(now=True)
    elif reason in (FailureReason.RESTARTED, FailureReason.POSITION_LOST) and session.link.was_ready:
        session.link = driver.new_link()
        driver.view.link = LinkState.CONNECTING
        driver.report(now=True)
    else:
        _switch_heaters_off(session, reason)
        session.end(failed.message)


def _switch_heaters_off(session: Session, reason: FailureReason) -> None:
    """The link is given up with the machine alive: what needs no line number still reaches it."""
    if reason in _FATAL_FOR_PRINT and session.port is not None:
        commands = session.link.profile.heaters_off
        session.port.write(b"".join(bare(command) for command in commands))
