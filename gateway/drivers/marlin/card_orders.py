"""Orders for a print that the printer runs from its own card: pause, resume, cancel."""

from __future__ import annotations

from collections.abc import Callable

from gateway.domain.observations import OrderResult, PrintPhase
from gateway.drivers.marlin.driver_state import DriverState
from gateway.drivers.marlin.errands import WAITS, errand, unclear
from gateway.drivers.marlin.scripts import Script
from gateway.drivers.marlin.stages import STANDSTILL
from gateway.protocol.marlin.replies import NotSdPrinting, Reply, UnknownCommand


def pause(driver: DriverState, order_id: str, command: str) -> None:
    """M25; PAUSED is said when the machine stands."""

    def stands() -> None:
        driver.card.pause_taken()
        driver.report(now=True)

    def taken() -> None:
        driver.answer(order_id, OrderResult.ACCEPTED)
        if driver.card.report is not None and driver.card.report.phase is not PrintPhase.PAUSED:
            driver.scripts.add(Script((STANDSTILL,), stands, is_proven=True))

    errand(driver, order_id, Script((command,), taken, unclear(driver, order_id)))


def resume(driver: DriverState, order_id: str, command: str) -> None:
    """M24."""

    def done() -> None:
        driver.answer(order_id, OrderResult.ACCEPTED)
        driver.card.resume_taken()
        driver.report(now=True)

    _command(driver, order_id, (command,), done)


def cancel(driver: DriverState, order_id: str) -> None:
    """M524 or what the firmware has instead, then heaters off."""
    link = driver.link
    assert link is not None
    if driver.card.is_canceling and not driver.scripts.is_empty:
        # It is on its way; a second one might end what somebody starts behind the first.
        driver.answer(order_id, OrderResult.ACCEPTED)
        return
    commands = link.profile.sd_cancel

    def done() -> None:
        driver.answer(order_id, OrderResult.ACCEPTED)
        if commands == ("M524",):
            # The firmware drops its queue when it ends the print: nothing of ours may be in it by then.
            driver.scripts.add(Script(("M27",)))
        else:
            _cool_after_card(driver)

    if _command(driver, order_id, commands, done):
        driver.card.cancel_asked()
        driver.card_cancel_pending = commands == ("M524",)


def answered(driver: DriverState, reply: Reply) -> None:
    """`Not SD printing` behind our M524, or a firmware that has no M524."""
    if driver.link is None or not driver.card_cancel_pending:
        return
    if isinstance(reply, UnknownCommand):
        if "M524" not in reply.command:
            return
        driver.scripts.add(Script(("M25", "M26 S0")))
    elif not isinstance(reply, NotSdPrinting):
        return
    driver.card_cancel_pending = False
    _cool_after_card(driver)


def _cool_after_card(driver: DriverState) -> None:
    key = driver.card.report.key if driver.card.report else None

    def cold() -> None:
        if driver.card.report is not None and driver.card.report.key == key:
            driver.card.cancel_taken()
            driver.take_ended_from_card()

    link = driver.link
    if link is not None:
        driver.scripts.add(Script((*link.profile.cancel_script, STANDSTILL), cold, is_proven=True))


def _command(driver: DriverState, order_id: str, commands: tuple[str, ...], done: Callable[[], None]) -> bool:
    """Send a card command; past a firmware that waits for a person, break that wait behind it.

    False: it was refused, nothing is sent.
    """
    link = driver.link
    assert link is not None
    waits = driver.view.waits_for_person(driver.clock())
    if not waits and (driver.scripts.is_empty or not link.profile.emergency_parser):
        return errand(driver, order_id, Script(commands, done, unclear(driver, order_id)))
    if link.profile.emergency_parser and link.profile.break_wait:
        # Builds that park run M25 until somebody presses the button: what is sent meanwhile waits behind it.
        driver.breaks_wait = True

        def answered() -> None:
            driver.breaks_wait = False
            done()

        driver.scripts.overtake(link, Script(commands, answered, unclear(driver, order_id)))
        if waits:
            link.send_emergency(link.profile.break_wait)
        return True
    driver.answer(order_id, OrderResult.REFUSED, WAITS)
    return False
