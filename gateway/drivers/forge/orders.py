"""What a printer that calls in shall do: the engine's orders as messages on its command channel.

StartPrint                 print_data    once, if it can take it; its proof comes with its posts
Pause, Resume, Cancel      the same      refused, and nothing is sent, for another print than `expect`
Cancel, start not fetched  nothing       the start is taken back; if it had left after all, as above
Tell                       as it says
Acknowledge                nothing       the print is forgotten
EmergencyStop              cancel        refused all the same: only the mains switch stops such a printer
the rest                   refused       its firmware has no such command (Forge API 2.4)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from gateway.domain.observations import Activity, OrderResult
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
from gateway.drivers.forge.asked import ACK_SECONDS, Asked
from gateway.drivers.forge.caller import NOT_CALLED, NOT_LISTENING, OVER, PROOF_SECONDS, SILENT, Caller
from gateway.drivers.forge.prints import Print

#: Where the printer fetches the file of a start; None: it cannot be fetched.
PrintableLink = Callable[[StartPrint], str | None]

#: Never sent for anybody: it starts a print.
PRINT_DATA: Final = "print_data"
CUT_THE_POWER: Final = "a printer that calls in has no emergency stop: switch it off at the mains"
CANCEL_TOLD: Final = "it is told to cancel its print as well, if it listens"
_CANNOT: Final[Mapping[type, str]] = {
    SendGcode: "a printer that calls in takes no G-code: use its own panel",
    Adjust: "a printer that calls in cannot be adjusted from here: use its own panel",
    HeatersOff: "a printer that calls in controls its heaters by itself: use its own panel, or switch it off",
    RecoverPrint: "a printer that calls in cannot go on in the middle of its file: print it anew",
    UploadFile: "a printer that calls in fetches its files itself when a print starts: submit the job to it",
    AbortUpload: "nothing is uploaded to a printer that calls in: it fetches its files itself",
    AnswerPrompt: "a printer that calls in asks its questions on its own panel only",
}
_WORDS: Final[Mapping[type, str]] = {PausePrint: "pause", ResumePrint: "resume", CancelPrint: "cancel"}


def take_order(caller: Caller, order: Order, now: float, link: PrintableLink) -> None:
    """Carry out an order, or answer why not. Every order but Acknowledge is answered, now or later."""
    match order:
        case StartPrint():
            _start(caller, order, now, link)
        case PausePrint() | ResumePrint() | CancelPrint():
            _about_print(caller, order, now)
        case Tell():
            _tell(caller, order, now)
        case Acknowledge():
            caller.give_up(order.key, now)
        case EmergencyStop():
            _stop(caller, order, now)
        case _:
            caller.answer(order.order_id, OrderResult.REFUSED, _CANNOT[type(order)])


def _start(caller: Caller, order: StartPrint, now: float, link: PrintableLink) -> None:
    known = caller.prints.by_key(order.key)
    if known is not None:
        _start_again(caller, order, known)
        return
    obstacle = _start_obstacle(caller, order, now)
    url = None if obstacle is not None else link(order)
    if url is None:
        why = obstacle or "its file has no address that the printer could fetch it from"
        caller.answer(order.order_id, OrderResult.REFUSED, why)
        return
    ident = order.job_id.lower()
    caller.prints.add(
        Print(ident, order.key, order.job_id, is_local=False, name=order.name, orders=[order.order_id],
              deadline=now + PROOF_SECONDS, message_id=order.order_id)
    )  # fmt: skip
    caller.tell(
        order.order_id,
        {
            "command": PRINT_DATA,
            "task_id": order.job_id,  # the job's: one client reports this as its job's id (Forge API 2.3, 6)
            "job_id": order.job_id,
            "file_url": url,
            "settings": dict(order.settings),
        },
    )


def _start_again(caller: Caller, order: StartPrint, known: Print) -> None:
    """The same start: nothing is sent; what the first one comes to is the answer."""
    if known.phase is not None:
        caller.answer(order.order_id, OrderResult.ACCEPTED)
    elif known.deadline is None:
        caller.answer(order.order_id, OrderResult.UNCLEAR, "this start was sent before, without an answer")
    elif order.order_id not in known.orders:
        known.orders.append(order.order_id)


def _start_obstacle(caller: Caller, order: StartPrint, now: float) -> str | None:
    """What keeps it from being started; nothing has been sent then."""
    present = caller.prints.current
    if caller.prints.is_over(order.key):
        return OVER
    if present is not None:
        return f"the printer has {present.name or present.ident!r}"
    if caller.prints.unproven():
        return "another start is on its way to the printer"
    if caller.activity is not Activity.READY:
        return f"the printer is {caller.activity or 'silent'}"
    return _unreachable(caller, now)


def _unreachable(caller: Caller, now: float) -> str | None:
    if not caller.is_registered:
        return "the printer is not registered"
    if not caller.is_online(now):
        return SILENT if caller.status is not None else NOT_CALLED
    return None if caller.is_listening else NOT_LISTENING


def _about_print(caller: Caller, order: PausePrint | ResumePrint | CancelPrint, now: float) -> None:
    known = caller.prints.by_key(order.expect)
    present = caller.prints.current
    is_cancel = isinstance(order, CancelPrint)
    if known is not None and is_cancel and caller.call_off(known, order.order_id, now):
        return
    if known is None or (present is not None and present is not known):
        on_it = "nothing that is known" if present is None else f"{present.name or present.ident!r}"
        caller.answer(order.order_id, OrderResult.REFUSED, f"it has another print on it now: {on_it}")
        return
    asked = Asked(order.order_id, _WORDS[type(order)], now + ACK_SECONDS, known.ident if is_cancel else None)
    caller.ask(asked, known.named)


def _tell(caller: Caller, order: Tell, now: float) -> None:
    if order.command == PRINT_DATA:
        caller.answer(order.order_id, OrderResult.REFUSED, "only the gateway starts prints: submit a job")
        return
    caller.ask(Asked(order.order_id, order.command, now + ACK_SECONDS), order.parameters)


def _stop(caller: Caller, order: EmergencyStop, now: float) -> None:
    """What has not left does not leave; what has is canceled, whatever else is on the machine."""
    starting = caller.prints.unproven()
    for known in starting:
        caller.call_off(known, None, now)
    present = caller.prints.current or next(iter(starting), None)
    if present is None:
        caller.answer(order.order_id, OrderResult.REFUSED, CUT_THE_POWER)
        return
    caller.tell(order.order_id, {"command": "cancel", "task_id": order.order_id, **present.named})
    caller.answer(order.order_id, OrderResult.REFUSED, f"{CUT_THE_POWER}; {CANCEL_TOLD}")
