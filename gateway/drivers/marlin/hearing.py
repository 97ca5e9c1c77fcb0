"""What the Marlin driver makes of what its printer says."""

from __future__ import annotations

import functools

from gateway.domain.observations import LinkState, PrintPhase
from gateway.drivers.marlin import actions, card_orders, heat, objections, rebuild, recovery, upload_orders
from gateway.drivers.marlin.driver_state import DriverState
from gateway.drivers.marlin.link_ends import link_failed
from gateway.drivers.marlin.own_scripts import run_connect
from gateway.drivers.marlin.print import HostPrint
from gateway.drivers.marlin.scripts import Script
from gateway.drivers.marlin.sd import ABORTED
from gateway.drivers.marlin.stages import STANDSTILL
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
_BOOTS = "The printer was reset and is starting."


def hear(driver: DriverState, event: LinkEvent, link: Link, now: float) -> None:
    """One thing that the firmware said, or that became of the link."""
    if isinstance(event, LinkReady):
        _came_up(driver, event, link, now)
    elif isinstance(event, PositionTold | PositionUnknown):
        if driver.recovery is not None:
            recovery.told(driver, driver.recovery, event)
    elif isinstance(event, LinkFailed):
        link_failed(driver, event)
    else:
        _hear_reply(driver, event, link, now)


def _came_up(driver: DriverState, ready: LinkReady, link: Link, now: float) -> None:
    driver.view.came_up(ready)
    driver.is_halted = driver.asks_card = False
    driver.asked_at = now
    if (driver.held is None or driver.cools) and not ready.is_numbered:
        link.begin_numbering(now)  # it was given up, or reset: the old number tells nothing any more
    elif driver.cools:
        heat.cool_after_reset(driver, functools.partial(_cooled, driver))
    if driver.rebuild is not None and ready.is_numbered:
        rebuild.begin(driver, link)
    if ready.is_numbered:
        upload_orders.clean_up(driver)
    if driver.recovery is not None:
        recovery.link_ready(driver, driver.recovery, ready, link, now)
    elif ready.is_numbered:
        run_connect(driver)
    driver.report(now=True)


def _cooled(driver: DriverState) -> None:
    driver.cools = False


def _hear_reply(driver: DriverState, reply: Reply, link: Link, now: float) -> None:
    if isinstance(reply, Start):
        _booted(driver)
    elif isinstance(reply, ErrorLine) and driver.kill_at is not None and driver.kills == 1:
        driver.kill_at = now  # it may be the M112 that was refused: once more at once, with a checksum
    if not driver.is_halted:  # what a stopped board says after its first words explains less
        driver.view.hear(reply, now)
    driver.is_changed = True
    upload_orders.hear(driver, reply)
    objections.hear(driver.scripts, reply)
    if isinstance(reply, Temperature | Busy):
        _hear_waiting(driver, reply, link, now)
    elif isinstance(reply, Action) and reply.name == ActionKind.DISCONNECT:
        actions.disconnect(driver)
    elif driver.print is not None:
        _hear_in_print(driver, reply, driver.print, link)
    else:
        if driver.recovery is not None:
            recovery.hear(driver, driver.recovery, reply)
        elif driver.asks_card:
            recovery.hear_card(driver, reply, link, now)
        _hear_card(driver, reply)


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
        driver.print_over(streamed)


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
