"""What the Marlin driver makes of what its printer says, and of connections that end."""

from __future__ import annotations

import functools

from gateway.domain.observations import LinkState, PrintPhase
from gateway.drivers.contract import RecordedStage
from gateway.drivers.marlin import actions, card_orders, heat, objections, rebuild, recovery, upload_orders
from gateway.drivers.marlin.driver_state import DriverState
from gateway.drivers.marlin.own_scripts import run_connect
from gateway.drivers.marlin.print import HostPrint
from gateway.drivers.marlin.scripts import Script
from gateway.drivers.marlin.sd import ABORTED
from gateway.drivers.marlin.session import Session
from gateway.drivers.marlin.stages import STANDSTILL
from gateway.protocol.marlin.failures import FailureReason
from gateway.protocol.marlin.framing import bare
from gateway.protocol.marlin.link import Link
from gateway.protocol.marlin.link_events import (
    LinkEvent,
    LinkFailed,
    LinkReady,
    PositionTold,
    PositionUnknown,
)
from gateway.protocol.marlin.replies import (
    Action,
    ActionKind,
    Busy,
    ErrorLine,
    FirmwareError,
    Position,
    Reply,
    Start,
    Temperature,
    UnknownCommand,
)

#: Seconds between two M108 while a cancelled print waits for heat or a person.
BREAK_AGAIN_SECONDS = 1.0
#: `start`s behind an emergency stop, in the handshake, after which it counts as obeyed: power-up and opening
#: of the port make two.
STOP_BOOTS = 3

_TWO_PRINTS = (
    "Somebody started {other} from the printer's card in the middle of this print. Nothing more of it is"
    " sent; look at the printer."
)
_PANEL_PRINT = (
    "Somebody started {other} from the printer's card in the middle of this. Nothing more of it is sent; look"
    " at the printer."
)
_COOLED = (
    " Nothing more of the print is sent, and the heaters are switched off. Look at the print: it may be"
    " recovered from its last finished layer, or canceled."
)
_ENDED_COLD = " Nothing more of the print is sent, and the heaters are switched off."
_STOP_OBEYED = (
    "The printer stopped itself in an emergency stop and was reset by it: its heaters and motors are off."
    " Look at it before the next print."
)
_BOOTS = "The printer was reset and is starting."
_FATAL_FOR_PRINT = frozenset({FailureReason.LINE_REFUSED, FailureReason.NUMBERS_DISAGREE})


def hear(driver: DriverState, event: LinkEvent, link: Link, now: float) -> None:
    """One thing that the firmware said, or that became of the link."""
    if isinstance(event, LinkReady):
        driver.view.came_up(event)
        driver.is_halted = driver.asks_card = False
        driver.asked_at = now
        if (driver.held is None or driver.cools) and not event.is_numbered:
            link.begin_numbering(now)  # it was given up, or reset: the old number tells nothing any more
        elif driver.cools:
            heat.cool_after_reset(driver, functools.partial(_cooled, driver))
        if driver.rebuild is not None and event.is_numbered:
            rebuild.begin(driver, link)
        if event.is_numbered:
            upload_orders.clean_up(driver)
        if driver.recovery is not None:
            recovery.link_ready(driver, driver.recovery, event, link, now)
        elif event.is_numbered:
            run_connect(driver)
        driver.report(now=True)
    elif isinstance(event, PositionTold | PositionUnknown):
        if driver.recovery is not None:
            recovery.told(driver, driver.recovery, event)
    elif isinstance(event, LinkFailed):
        _link_failed(driver, event)
    else:
        if isinstance(event, Start):
            _booted(driver)
        elif isinstance(event, ErrorLine) and driver.kill_at is not None and driver.kills == 1:
            driver.kill_at = now  # it may be the M112 that was refused: once more at once, with a checksum
        if not driver.is_halted:  # what a stopped board says after its first words explains less
            driver.view.hear(event, now)
        driver.is_changed = True
        upload_orders.hear(driver, event)
        objections.hear(driver.scripts, event)
        if isinstance(event, Temperature | Busy):
            _hear_waiting(driver, event, link, now)
        elif isinstance(event, Action) and event.name == ActionKind.DISCONNECT:
            actions.disconnect(driver)
        elif driver.print is not None:
            _hear_in_print(driver, event, driver.print, link)
        else:
            if driver.recovery is not None:
                recovery.hear(driver, driver.recovery, event)
            elif driver.asks_card:
                recovery.hear_card(driver, event, link, now)
            _hear_card(driver, event)


def _booted(driver: DriverState) -> None:
    """It begins anew. Some ask for a press of the knob before they answer.

    A board that was booting, or was reset by the opening of its port, has not read the M112 of before. One
    that says `start` each time resets itself on M112, and would again with each further one.
    """
    driver.boots += 1
    if driver.boots >= STOP_BOOTS:
        driver.kill_at = None
    if driver.is_halted:
        driver.is_halted = False
        driver.view.link, driver.view.link_reason = LinkState.CONNECTING, _BOOTS


def _hear_in_print(driver: DriverState, reply: Reply, streamed: HostPrint, link: Link) -> None:
    if isinstance(reply, Action):
        actions.hear(driver, reply, streamed, link)
    elif isinstance(reply, Position):
        streamed.place_seen(reply.axes)
    elif isinstance(reply, FirmwareError) and reply.is_fatal:
        streamed.end(link, PrintPhase.FAILED, ABORTED, f"The printer reported an error: {reply.text}")
    elif isinstance(reply, UnknownCommand):
        if not link.has_sent(reply.command):
            streamed.damage_seen(reply.command)
    else:
        _hear_card_in_print(driver, reply, streamed)


def _hear_card_in_print(driver: DriverState, reply: Reply, streamed: HostPrint) -> None:
    """Somebody at the printer starts a file of its card in the middle: the machine can run only one."""
    driver.card.hear(reply)
    if driver.card.is_printing:
        streamed.close(PrintPhase.FAILED, ABORTED, _TWO_PRINTS.format(other=driver.card.title))
        print_over(driver, streamed)


def _hear_card(driver: DriverState, reply: Reply) -> None:
    before = driver.card.report
    driver.card.hear(reply)
    card_orders.answered(driver, reply)
    if driver.card.is_printing and (before is None or before.phase.is_end):
        driver.scripts.yield_to_print(_PANEL_PRINT.format(other=driver.card.title))
    driver.take_ended_from_card()
    if driver.card.may_be_finishing and not driver.scripts.is_macro_running:
        driver.scripts.add(
            Script((STANDSTILL,), functools.partial(_card_stands, driver), is_proven=True, is_macro=True)
        )
    if (before and before.phase) != (driver.card.report and driver.card.report.phase):
        driver.report(now=True)


def _card_stands(driver: DriverState) -> None:
    driver.card.stands_at_end()
    driver.take_ended_from_card()
    driver.report(now=True)


def _hear_waiting(driver: DriverState, reply: Temperature | Busy, link: Link, now: float) -> None:
    waits = reply.is_waiting if isinstance(reply, Temperature) else reply.waits_for_person
    if driver.print is not None and isinstance(reply, Busy) and waits:
        before = driver.print.phase
        driver.print.wait_seen(link, _why_waiting(driver))
        if driver.print.phase is not before:
            driver.report(now=True)
    if not waits or now - driver.broke_at < BREAK_AGAIN_SECONDS:
        return
    driver.broke_at = now
    if driver.print is not None:
        driver.print.break_wait(link)
    elif driver.breaks_wait and link.profile.emergency_parser and link.profile.break_wait:
        link.send_emergency(link.profile.break_wait)


def _why_waiting(driver: DriverState) -> str:
    asked = driver.view.prompts.shown
    words = f": {asked.text}" if asked is not None else ""
    return f"The printer waits for somebody{words}. Look at it, then resume or press its button."


def print_over(driver: DriverState, streamed: HostPrint) -> None:
    """The streamed print has left the driver's hands: it ended, or is held for a person."""
    driver.print = None
    report = streamed.report()
    if report.phase is PrintPhase.HELD:
        driver.held = report
        driver.report(now=True)
    else:
        driver.finish(report)


def connection_lost(driver: DriverState, reason: str) -> None:
    """The port went away: nobody knows what the machine makes of the lines it has."""
    driver.kill_at, driver.card_cancel_pending, driver.breaks_wait = None, False, False
    rebuild.give_up(driver)
    upload_orders.lost(
        driver, f"The connection to the printer was lost in mid-upload ({reason.rstrip('.')})."
    )
    driver.scripts.clear(reason)
    if driver.print is not None:
        driver.print.close(
            PrintPhase.HELD,
            "printer-stopped",
            None,
        )
        print_over(driver, driver.print)
        recovery.take_over(driver, f"The connection to the printer was lost in mid-print ({reason}).")


def _link_failed(driver: DriverState, failed: LinkFailed) -> None:
    session = driver.session
    assert session is not None
    # Prusa and Repetier reset themselves on M112, the latter without a word before `start`.
    is_obeyed = driver.kill_at is not None and failed.reason is FailureReason.RESTARTED
    message = _STOP_OBEYED if is_obeyed else failed.message
    if failed.reason is not FailureReason.POSITION_LOST:  # its session goes on, and a stop stays wanted
        driver.kill_at = None
    driver.card_cancel_pending = driver.breaks_wait = False
    rebuild.give_up(driver)
    upload_orders.lost(driver, message)
    driver.scripts.clear(message)
    reason = failed.reason
    if reason.is_halt or reason.is_reset:
        driver.card.board_gone(message)
        driver.take_ended_from_card()
    if reason.is_reset and (driver.print is not None or driver.recovery is not None):
        driver.cools = True
    if reason in _FATAL_FOR_PRINT and driver.print is not None:
        driver.cools = True  # what is said without a number now may not arrive: the next link says it again
    if driver.print is not None:
        ends = reason.is_halt or reason in _FATAL_FOR_PRINT or is_obeyed
        driver.print.close(
            PrintPhase.FAILED if ends else PrintPhase.HELD,
            ABORTED if ends else "printer-stopped",
            message + _what_follows(reason, is_obeyed=is_obeyed),
        )
        if not ends:
            driver.record.enter(RecordedStage.HELD)
        print_over(driver, driver.print)
    if driver.recovery is not None and (reason.is_halt or reason.is_reset):
        recovery.hold(driver, message.rstrip("."), is_cooled=True)
    driver.view.message = message if is_obeyed else failed.detail or message
    if reason.is_halt:
        driver.is_halted = True
        session.link = driver.new_link(is_halted=True)
        driver.report(now=True)
    elif reason in (FailureReason.RESTARTED, FailureReason.POSITION_LOST) and session.link.was_ready:
        session.link = driver.new_link()
        driver.view.link = LinkState.CONNECTING
        driver.report(now=True)
    else:
        _switch_heaters_off(driver, session, reason)
        session.end(failed.message)


def _what_follows(reason: FailureReason, *, is_obeyed: bool) -> str:
    if reason in _FATAL_FOR_PRINT:
        return _ENDED_COLD
    return _COOLED if reason.is_reset and not is_obeyed else ""


def _cooled(driver: DriverState) -> None:
    driver.cools = False


def _switch_heaters_off(driver: DriverState, session: Session, reason: FailureReason) -> None:
    """The link is given up with the machine alive: what needs no line number still reaches it."""
    if reason in _FATAL_FOR_PRINT and session.port is not None:
        commands = session.link.profile.heaters_off
        session.port.write(b"".join(bare(command) for command in commands))
