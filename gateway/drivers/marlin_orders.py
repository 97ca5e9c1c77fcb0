"""What the Marlin driver does with each order: check, act, answer exactly once."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.domain.observations import OrderResult, PrintPhase
from gateway.domain.orders import (
    Acknowledge,
    CancelPrint,
    EmergencyStop,
    PausePrint,
    ResumePrint,
    SendGcode,
    StartPrint,
)
from gateway.drivers import marlin_recovery
from gateway.drivers.contract import LineKind
from gateway.drivers.marlin_print import STANDSTILL, HostPrint, Place
from gateway.drivers.marlin_scripts import Script
from gateway.drivers.marlin_sd import BY_USER
from gateway.gcode.lines import printable
from gateway.protocol.marlin.framing import LineNotSendable, numbered
from gateway.protocol.marlin.responses import NotSdPrinting, Reply, UnknownCommand

if TYPE_CHECKING:
    from gateway.drivers.marlin import MarlinDriver

#: Lines of one SendGcode: a macro, not a print.
MACRO_LINES_MAX = 256

_ACCEPTED, _REFUSED, _UNCLEAR = OrderResult.ACCEPTED, OrderResult.REFUSED, OrderResult.UNCLEAR
_NOT_CONNECTED = "The printer is not connected."
_WAITS = "The printer waits for somebody to press its button."
_STOPS_LATE = "The printer reads the stop behind the command it is at. Switch it off if that is too late."
_TOO_MANY = "Too many orders wait for the printer."


def start(driver: MarlinDriver, order: StartPrint) -> None:
    """Begin streaming a file; never twice for one key."""
    streamed = driver.print
    if streamed is not None and streamed.key == order.key:
        same = streamed.order.sha256 == order.sha256 and streamed.order.path == order.path
        driver.answer(
            order.order_id, _ACCEPTED if same else _REFUSED, None if same else "This key prints another file."
        )
        return
    refusal = _start_refusal(driver, order)
    link, session = driver.link, driver.session
    if refusal is not None or link is None or session is None:
        driver.answer(order.order_id, _REFUSED, refusal or _NOT_CONNECTED)
        return
    try:
        file = open(order.path, "rb")
    except OSError as error:
        driver.answer(order.order_id, _REFUSED, f"The file cannot be read: {error.strerror}.")
        return
    try:
        driver.record.open(
            key=order.key, path=order.path, sha256=order.sha256, size=order.size, name=order.name
        )
    except (OSError, ValueError) as error:
        file.close()
        driver.answer(order.order_id, _REFUSED, f"The print cannot be recorded: {error}.")
        return
    begin = Place(link.last_number, 0, 0)
    driver.record.sent(*begin, LineKind.HANDSHAKE)
    driver.print = HostPrint(order, file, driver.record, link.profile, begin)
    session.turn()
    if session.is_over:
        driver.answer(order.order_id, _UNCLEAR, "The connection was lost while the print was being started.")
    else:
        driver.answer(order.order_id, _ACCEPTED)
    driver.report(now=True)


def _start_refusal(driver: MarlinDriver, order: StartPrint) -> str | None:
    if order.key in driver.ended or order.key in driver.finished_keys:
        return "This print is over already; a new attempt needs a new key."
    if driver.held is not None:
        return f"The print of {driver.held.name or 'a file'} is held; cancel it first."
    if driver.print is not None:
        return f"The printer is printing {driver.print.order.name}."
    if driver.card.is_printing:
        return f"The printer is printing {driver.card.title} from its card."
    if driver.link is None:
        return driver.why_unavailable()
    if driver.scripts.is_macro_running:
        return "The printer is busy with G-code somebody sent."
    return _file_refusal(order)


def _file_refusal(order: StartPrint) -> str | None:
    size = _size_of(order.path)
    if size is None:
        return f"The file {order.name} is not there any more. Upload it again."
    if size == 0:
        return f"The file {order.name} is empty. Upload it again."
    if size != order.size:
        return f"The file {order.name} has {size} bytes instead of {order.size}. Upload it again."
    return None


def _size_of(path: str) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        found = os.stat(path)
        return found.st_size if stat.S_ISREG(found.st_mode) else None
    return None


def _refusal_by_expect(driver: MarlinDriver, expect: str) -> str | None:
    current = driver.current()
    if current is None:
        return "Nothing is being printed."
    return None if current.key == expect else "Another print is on the machine."


def pause(driver: MarlinDriver, order: PausePrint) -> None:
    """Stop feeding lines, or M25."""
    refusal = _refusal_by_expect(driver, order.expect)
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
        driver.answer(order.order_id, _REFUSED, _NOT_CONNECTED)
    else:
        _pause_card(driver, order.order_id, driver.link.profile.sd_pause)


def _pause_card(driver: MarlinDriver, order_id: str, command: str) -> None:
    def stands() -> None:
        driver.card.pause_taken()
        driver.report(now=True)

    def taken() -> None:
        driver.answer(order_id, _ACCEPTED)
        if driver.card.report is not None and driver.card.report.phase is not PrintPhase.PAUSED:
            driver.scripts.add(Script(("M400",), stands, is_proven=True))

    _errand(driver, order_id, Script((command,), taken, _unclear(driver, order_id)))


def resume(driver: MarlinDriver, order: ResumePrint) -> None:
    """Go on with the next line, or M24."""
    refusal = _refusal_by_expect(driver, order.expect)
    if refusal is None and driver.held is not None:
        refusal = "A held print cannot be continued yet; look at the printer, then cancel it."
    if refusal is not None:
        driver.answer(order.order_id, _REFUSED, refusal)
    elif driver.print is not None:
        _resume_streamed(driver, order.order_id, driver.print)
    elif driver.link is None:
        driver.answer(order.order_id, _REFUSED, _NOT_CONNECTED)
    else:

        def done() -> None:
            driver.answer(order.order_id, _ACCEPTED)
            driver.card.resume_taken()
            driver.report(now=True)

        _card_command(driver, order.order_id, (driver.link.profile.sd_resume,), done)


def _resume_streamed(driver: MarlinDriver, order_id: str, streamed: HostPrint) -> None:
    link = driver.link
    waits = streamed.waits_for_person and driver.view.waits_for_person(driver.clock())
    can_break = link is not None and link.profile.emergency_parser and link.profile.break_wait is not None
    if waits and not can_break:
        driver.answer(order_id, _REFUSED, _WAITS)
        return
    taken = streamed.resume() or waits
    if waits and link is not None and link.profile.break_wait:
        link.send_emergency(link.profile.break_wait)
    driver.answer(order_id, _ACCEPTED if taken else _REFUSED, None if taken else "It is not paused.")
    driver.report(now=True)


def cancel(driver: MarlinDriver, order: CancelPrint) -> None:
    """No more motion of the print, heaters off; CANCELED follows when the machine did it."""
    refusal = _refusal_by_expect(driver, order.expect)
    if refusal is not None:
        driver.answer(order.order_id, _REFUSED, refusal)
        return
    session, link = driver.session, driver.link
    if session is None or link is None:
        driver.answer(order.order_id, _REFUSED, f"{_NOT_CONNECTED} Switch it off if it must stop.")
    elif driver.print is not None:
        driver.print.end(link, PrintPhase.CANCELED, BY_USER)
        driver.answer(order.order_id, _ACCEPTED, driver.print.message)
    elif driver.held is not None:
        _cancel_held(driver, order.order_id)
    else:
        _cancel_card(driver, order.order_id)


def acknowledge(driver: MarlinDriver, order: Acknowledge) -> None:
    """Forget an end that is committed, or a held print that a person has resolved: nothing is sent for it."""
    held = driver.held
    if driver.ended.pop(order.key, None) is not None:
        driver.finished_keys[order.key] = None
        driver.trim()
    elif held is not None and held.key == order.key:
        driver.finished_keys[order.key] = None
        marlin_recovery.give_up(driver)
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


def _cancel_held(driver: MarlinDriver, order_id: str) -> None:
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

    if driver.scripts.add(Script((*link.profile.heaters_off, STANDSTILL[0]), ended, is_proven=True)):
        driver.breaks_wait = True  # the lines that were left in the firmware may be waiting for heat
        marlin_recovery.give_up(driver)
        link.begin_numbering(driver.clock())
        driver.answer(order_id, _ACCEPTED)
    else:
        driver.answer(order_id, _REFUSED, _TOO_MANY)


def _cancel_card(driver: MarlinDriver, order_id: str) -> None:
    link = driver.link
    assert link is not None
    if driver.card.is_canceling and not driver.scripts.is_empty:
        # It is on its way; a second one might end what somebody starts behind the first.
        driver.answer(order_id, _ACCEPTED)
        return
    commands = link.profile.sd_cancel

    def done() -> None:
        driver.answer(order_id, _ACCEPTED)
        if commands == ("M524",):
            # The firmware drops its queue when it ends the print: nothing of ours may be in it by then.
            driver.scripts.add(Script(("M27",)))
        else:
            _cool_after_card(driver)

    if _card_command(driver, order_id, commands, done):
        driver.card.cancel_asked()
        driver.card_cancel_pending = commands == ("M524",)


def card_answered(driver: MarlinDriver, reply: Reply) -> None:
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


def _cool_after_card(driver: MarlinDriver) -> None:
    key = driver.card.report.key if driver.card.report else None

    def cold() -> None:
        if driver.card.report is not None and driver.card.report.key == key:
            driver.card.cancel_taken()
            driver.take_ended_from_card()

    link = driver.link
    if link is not None:
        driver.scripts.add(Script((*link.profile.cancel_script, STANDSTILL[0]), cold, is_proven=True))


def _card_command(
    driver: MarlinDriver, order_id: str, commands: tuple[str, ...], done: Callable[[], None]
) -> bool:
    """Send a card command; past a firmware that waits for a person, break that wait behind it.

    False: it was refused, nothing is sent.
    """
    link = driver.link
    assert link is not None
    waits = driver.view.waits_for_person(driver.clock())
    if not waits and (driver.scripts.is_empty or not link.profile.emergency_parser):
        return _errand(driver, order_id, Script(commands, done, _unclear(driver, order_id)))
    if link.profile.emergency_parser and link.profile.break_wait:
        # Builds that park run M25 until somebody presses the button: what is sent meanwhile waits behind it.
        driver.breaks_wait = True

        def answered() -> None:
            driver.breaks_wait = False
            done()

        driver.scripts.overtake(link, Script(commands, answered, _unclear(driver, order_id)))
        if waits:
            link.send_emergency(link.profile.break_wait)
        return True
    driver.answer(order_id, _REFUSED, _WAITS)
    return False


def _unclear(driver: MarlinDriver, order_id: str) -> Callable[[str], None]:
    return lambda reason: driver.answer(order_id, _UNCLEAR, reason)


def _errand(driver: MarlinDriver, order_id: str, script: Script) -> bool:
    if driver.scripts.add(script):
        return True
    driver.answer(order_id, _REFUSED, _TOO_MANY)
    return False


def emergency_stop(driver: MarlinDriver, order: EmergencyStop) -> None:
    """M112, bare and at once; repeated until the firmware says that it halted."""
    session = driver.session
    if session is None or session.is_over:
        driver.answer(order.order_id, _REFUSED, f"{_NOT_CONNECTED} Switch it off if it must stop.")
        return
    if driver.print is not None:
        driver.print.freeze()
    marlin_recovery.give_up(driver)
    driver.scripts.clear("The emergency stop came first.")
    session.link.send_emergency("M112")
    session.pump()
    driver.expect_kill()
    # The card's lines take every slot of such a firmware's queue, and it reads nothing before one is free.
    is_late = driver.card.is_printing and not session.link.profile.emergency_parser
    driver.answer(order.order_id, _ACCEPTED, _STOPS_LATE if is_late else None)


def send_gcode(driver: MarlinDriver, order: SendGcode) -> None:
    """A macro for an idle printer; answered when its last line was."""
    lines = tuple(text for text in (printable(line.encode("utf-8")) for line in order.lines) if text)
    refusal = _gcode_refusal(driver, lines)
    if refusal is not None:
        driver.answer(order.order_id, _REFUSED, refusal)
    elif not lines:
        driver.answer(order.order_id, _ACCEPTED)
    else:
        _errand(
            driver,
            order.order_id,
            Script(
                lines,
                lambda: driver.answer(order.order_id, _ACCEPTED),
                _unclear(driver, order.order_id),
                is_proven=True,
                is_macro=True,
            ),
        )
        driver.report(now=True)


def _gcode_refusal(driver: MarlinDriver, lines: tuple[str, ...]) -> str | None:
    if driver.current() is not None:
        return "A print is on the machine."
    if driver.link is None:
        return driver.why_unavailable()
    if len(lines) > MACRO_LINES_MAX:
        return f"{len(lines)} lines are too many for a macro ({MACRO_LINES_MAX}); print them as a file."
    try:
        for line in lines:
            numbered(9_999_999, line, line_chars=driver.link.profile.line_chars)
    except LineNotSendable as error:
        return f"This cannot be sent: {error}."
    return None
