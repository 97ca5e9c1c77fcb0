"""What the Marlin driver does with each order: check, act, answer exactly once.

Orders for the print on the machine are in `print_orders`.
"""

from __future__ import annotations

from gateway.domain.observations import OrderResult
from gateway.domain.orders import (
    AbortUpload,
    Acknowledge,
    Adjust,
    AnswerPrompt,
    CancelPrint,
    EmergencyStop,
    HeatersOff,
    Order,
    PausePrint,
    RecoverPrint,
    ResumePrint,
    SendGcode,
    StartPrint,
    Tell,
    UploadFile,
)
from gateway.drivers.contract import LineKind
from gateway.drivers.marlin import heat, print_orders, rebuild, recovery, tending, upload_orders
from gateway.drivers.marlin.driver_state import DriverState
from gateway.drivers.marlin.errands import BUSY, NOT_CONNECTED, errand, file_refusal, unclear
from gateway.drivers.marlin.own_scripts import start_and_end
from gateway.drivers.marlin.print import HostPrint
from gateway.drivers.marlin.scripts import Script
from gateway.drivers.marlin.stages import Place
from gateway.gcode.lines import printable
from gateway.protocol.marlin.framing import LineNotSendable, numbered

#: Lines of one SendGcode: a macro, not a print.
MACRO_LINES_MAX = 256

_ACCEPTED, _REFUSED, _UNCLEAR = OrderResult.ACCEPTED, OrderResult.REFUSED, OrderResult.UNCLEAR
_NO_OWN_WORDS = "This printer has no commands of its own: adjust it, or send it lines of G-code."
_STOPS_LATE = "The printer reads the stop behind the command it is at. Switch it off if that is too late."


def take(driver: DriverState, order: Order) -> None:
    """Do what is asked for; the answer goes to the sink."""
    match order:
        case StartPrint():
            start(driver, order)
        case PausePrint():
            print_orders.pause(driver, order)
        case ResumePrint():
            print_orders.resume(driver, order)
        case CancelPrint():
            print_orders.cancel(driver, order)
        case EmergencyStop():
            emergency_stop(driver, order)
        case SendGcode():
            send_gcode(driver, order)
        case Adjust():
            tending.adjust(driver, order)
        case AnswerPrompt():
            tending.answer_prompt(driver, order)
        case HeatersOff():
            heat.switch_off(driver, order)
        case RecoverPrint():
            rebuild.recover(driver, order)
        case UploadFile():
            upload_orders.upload(driver, order)
        case AbortUpload():
            upload_orders.abort(driver, order)
        case Tell():
            driver.answer(order.order_id, _REFUSED, _NO_OWN_WORDS)
        case Acknowledge():
            print_orders.acknowledge(driver, order)


def start(driver: DriverState, order: StartPrint) -> None:
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
        driver.answer(order.order_id, _REFUSED, refusal or NOT_CONNECTED)
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
    driver.view.prompts.clear()
    begin = Place(link.last_number, 0, 0)
    driver.record.sent(begin.number, begin.offset, begin.line, LineKind.HANDSHAKE)
    driver.print = HostPrint(
        order, file, driver.record, link.profile, begin, *start_and_end(driver, order.key, order.name)
    )
    session.turn()
    if session.is_over:
        driver.answer(order.order_id, _UNCLEAR, "The connection was lost while the print was being started.")
    else:
        driver.answer(order.order_id, _ACCEPTED)
    driver.report(now=True)


def _start_refusal(driver: DriverState, order: StartPrint) -> str | None:
    if order.key in driver.ended or order.key in driver.finished_keys:
        return "This print is over already; a new attempt needs a new key."
    if driver.held is not None:
        return f"The print of {driver.held.name or 'a file'} is held; cancel it first."
    if driver.print is not None:
        return f"The printer is printing {driver.print.order.name}."
    if driver.card.is_printing:
        return f"The printer is printing {driver.card.title} from its card."
    if (busy := driver.why_receiving()) is not None:
        return busy
    if driver.link is None:
        return driver.why_unavailable()
    if driver.scripts.is_macro_running:
        return BUSY
    if driver.scripts.is_awaited:  # it would be sent behind the print: a nozzle heated for nobody
        return "The printer has not done yet what it was told last."
    return file_refusal(order.path, order.size, order.name)


def emergency_stop(driver: DriverState, order: EmergencyStop) -> None:
    """M112, bare and at once; repeated until the firmware says that it halted."""
    session = driver.session
    if session is None or session.is_over:
        driver.answer(order.order_id, _REFUSED, f"{NOT_CONNECTED} Switch it off if it must stop.")
        return
    if driver.print is not None:
        driver.print.freeze()
    recovery.give_up(driver)
    upload_orders.lost(driver, "The emergency stop came first.")
    driver.scripts.clear("The emergency stop came first.")
    if not upload_orders.stop(driver, session.link):
        session.link.send_emergency("M112")
    session.pump()
    driver.expect_kill()
    # The card's lines take every slot of such a firmware's queue, and it reads nothing before one is free.
    is_late = driver.card.is_printing and not session.link.profile.emergency_parser
    driver.answer(order.order_id, _ACCEPTED, _STOPS_LATE if is_late else None)


def send_gcode(driver: DriverState, order: SendGcode) -> None:
    """A macro for an idle printer; answered when its last line was."""
    lines = tuple(text for text in (printable(line.encode("utf-8")) for line in order.lines) if text)
    refusal = _gcode_refusal(driver, lines)
    if refusal is not None:
        driver.answer(order.order_id, _REFUSED, refusal)
    elif not lines:
        driver.answer(order.order_id, _ACCEPTED)
    else:
        lost = unclear(driver, order.order_id)
        script = Script(lines, lost=lost, is_proven=True, is_macro=True, yields=True)
        script.done = lambda: _macro_done(driver, order, script)
        errand(driver, order.order_id, script)
        driver.report(now=True)


def _macro_done(driver: DriverState, order: SendGcode, script: Script) -> None:
    """All of its lines were answered; whether all of them were carried out, the firmware has said."""
    if script.objection is None:
        remark = f"its firmware says: {script.remark}" if script.remark is not None else None
        driver.answer(order.order_id, _ACCEPTED, remark)
    else:
        unclear(driver, order.order_id)(f"its firmware says: {script.objection}")


def _gcode_refusal(driver: DriverState, lines: tuple[str, ...]) -> str | None:
    if driver.current() is not None:
        return "A print is on the machine."
    if (busy := driver.why_receiving()) is not None:
        return busy
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
