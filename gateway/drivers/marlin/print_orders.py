"""Orders for the print on the machine: pause, resume, cancel, acknowledge."""

from __future__ import annotations

from dataclasses import replace

from gateway.domain.observations import OrderResult, PrintPhase
from gateway.domain.orders import Acknowledge, CancelPrint, PausePrint, ResumePrint
from gateway.drivers.marlin import card_orders, recovery
from gateway.drivers.marlin.driver_state import DriverState
from gateway.drivers.marlin.errands import NOT_CONNECTED, WAITS, refusal_by_expect
from gateway.drivers.marlin.print import HostPrint
from gateway.drivers.marlin.scripts import TOO_MANY, Script
from gateway.drivers.marlin.sd import BY_USER
from gateway.drivers.marlin.stages import STANDSTILL, Stage

_ON_ITS_WAY = "It is going on already: it heats, or moves back to where it was paused."
_ACCEPTED, _REFUSED = OrderResult.ACCEPTED, OrderResult.REFUSED


def pause(driver: DriverState, order: PausePrint) -> None:
    """Stop feeding lines, or M25."""
    refusal = refusal_by_expect(driver, order.expect)
    if refusal is None and driver.held is not None:
        refusal = "The print is held already."
    if refusal is not None:
        driver.answer(order.order_id, _REFUSED, refusal)
    elif driver.print is not None:
        taken = driver.print.pause()
        driver.answer(
            order.order_id,
            _ACCEPTED if taken else _REFUSED,
            None if taken else "The print is ending already.",
        )
    elif driver.link is None:
        driver.answer(order.order_id, _REFUSED, NOT_CONNECTED)
    else:
        card_orders.pause(driver, order.order_id, driver.link.profile.sd_pause)


def resume(driver: DriverState, order: ResumePrint) -> None:
    """Go on with the next line, or M24."""
    refusal = refusal_by_expect(driver, order.expect)
    if refusal is None and driver.held is not None:
        refusal = "A held print is not resumed; look at the printer, then recover or cancel it."
    if refusal is not None:
        driver.answer(order.order_id, _REFUSED, refusal)
    elif driver.print is not None:
        _resume_streamed(driver, order.order_id, driver.print)
    elif driver.link is None:
        driver.answer(order.order_id, _REFUSED, NOT_CONNECTED)
    else:
        card_orders.resume(driver, order.order_id, driver.link.profile.sd_resume)


def _resume_streamed(driver: DriverState, order_id: str, streamed: HostPrint) -> None:
    link = driver.link
    waits = streamed.waits_for_person and driver.view.waits_for_person(driver.clock())
    can_break = link is not None and link.profile.emergency_parser and link.profile.break_wait is not None
    if waits and not can_break:
        driver.answer(order_id, _REFUSED, WAITS)
        return
    taken = streamed.resume() or waits
    if waits and link is not None and link.profile.break_wait:
        link.send_emergency(link.profile.break_wait)
    why = _ON_ITS_WAY if streamed.stage is Stage.RESUMING else "It is not paused."
    driver.answer(order_id, _ACCEPTED if taken else _REFUSED, None if taken else why)
    driver.report(now=True)


def cancel(driver: DriverState, order: CancelPrint) -> None:
    """No more motion of the print, heaters off; CANCELED follows when the machine did it."""
    refusal = refusal_by_expect(driver, order.expect)
    if refusal is not None:
        driver.answer(order.order_id, _REFUSED, refusal)
        return
    session, link = driver.session, driver.link
    if session is None or link is None:
        driver.answer(order.order_id, _REFUSED, f"{NOT_CONNECTED} Switch it off if it must stop.")
    elif driver.print is not None:
        driver.print.end(link, PrintPhase.CANCELED, BY_USER)
        driver.answer(order.order_id, _ACCEPTED, driver.print.message)
    elif driver.held is not None:
        _cancel_held(driver, order.order_id)
    else:
        card_orders.cancel(driver, order.order_id)


def _cancel_held(driver: DriverState, order_id: str) -> None:
    link = driver.link
    assert link is not None
    assert driver.held is not None
    held = driver.held

    def ended() -> None:
        driver.breaks_wait = False
        if driver.held is held:  # else it was given up meanwhile, or an earlier cancel did this
            driver.record.close()
            driver.held = None
            driver.finish(replace(held, phase=PrintPhase.CANCELED, reason=BY_USER, message=None))

    if driver.scripts.add(Script((*link.profile.heaters_off, STANDSTILL), ended, is_proven=True)):
        driver.breaks_wait = True  # the lines that were left in the firmware may be waiting for heat
        recovery.give_up(driver)
        link.begin_numbering(driver.clock())
        driver.answer(order_id, _ACCEPTED)
    else:
        driver.answer(order_id, _REFUSED, TOO_MANY)


def acknowledge(driver: DriverState, order: Acknowledge) -> None:
    """Forget an end that is committed, or a held print that a person has resolved: nothing is sent for it."""
    held = driver.held
    if driver.ended.pop(order.key, None) is not None:
        driver.finished_keys[order.key] = None
        driver.trim()
    elif held is not None and held.key == order.key:
        driver.finished_keys[order.key] = None
        recovery.give_up(driver)
        driver.record.close()
        driver.held = None
        if driver.link is not None:
            driver.link.begin_numbering(driver.clock())
    elif driver.print is not None and driver.print.key == order.key and driver.print.is_taken_up:
        # It was held when the person decided about it, and goes on by now: it ends, as that person expects.
        if driver.link is not None:
            driver.print.end(driver.link, PrintPhase.CANCELED, BY_USER)
    elif driver.card.give_up(order.key):
        driver.finished_keys[order.key] = None
    driver.report(now=True)
