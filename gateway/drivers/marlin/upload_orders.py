"""Orders that put a file on the printer's card, and what the driver makes of it: who may, who is told what.

While an upload is under way the printer is busy: nothing is started, no G-code is taken. What stops or cools
the machine comes first: the emergency stop goes out behind an M29, and an order to switch the heaters off
ends the upload. A driver host that finds the mark of an upload closes and deletes that file.
"""

from __future__ import annotations

from gateway.domain.observations import OrderProgressed, OrderResult
from gateway.domain.orders import AbortUpload, UploadFile
from gateway.drivers.marlin.driver_state import DriverState
from gateway.drivers.marlin.errands import BUSY, WAITS, file_refusal
from gateway.drivers.marlin.scripts import Script
from gateway.drivers.marlin.session import Session
from gateway.drivers.marlin.upload import Upload
from gateway.protocol.marlin.card_words import FileList
from gateway.protocol.marlin.framing import bare
from gateway.protocol.marlin.link import Link
from gateway.protocol.marlin.replies import FileSaved, Other, Reply

#: Seconds between two words about the progress of one upload: people watch it, and each is a message.
PROGRESS_SECONDS = 1.0

_REFUSED = OrderResult.REFUSED
_ABORTED = "The upload was aborted."
_FORGOTTEN = "That upload is not under way any more."
_NO_M28 = "The printer's firmware is not known to take files over its cable (M28). Print the file from here."
_NO_CARD = "The printer does not say that it has a card reader. Print the file from here."
_MAY_BE_LEFT = (
    "The upload of {name} was interrupted, and half of it may be left on the printer's card: delete it there,"
    " and do not print it."
)
_UNWATCHED = (
    "The heaters are on, and this printer's firmware tells no temperatures while it takes a file. Switch them"
    " off, then upload again."
)


def upload(driver: DriverState, order: UploadFile) -> None:
    """Begin, or join the same upload that is under way; answered at its end."""
    present = driver.upload
    if present is not None and (present.order.path, present.order.sha256) == (order.path, order.sha256):
        present.orders.append(order.order_id)
        tell(driver, present)
        return
    refusal = _refusal(driver, order)
    if refusal is not None:
        driver.answer(order.order_id, _REFUSED, refusal)
        return
    driver.upload = Upload(order, driver.scripts, driver.mark, driver.uploaded)
    driver.upload.lines.check(driver.wake)
    driver.report(now=True)


def _refusal(driver: DriverState, order: UploadFile) -> str | None:
    link, current = driver.link, driver.current()
    if (busy := driver.why_receiving()) is not None:
        return busy
    if current is not None:
        return f"A print is on the machine ({current.name or 'a file'}). Upload again when it is over."
    if link is None or driver.recovery is not None or driver.rebuild is not None:
        return driver.why_unavailable()
    if driver.scripts.is_macro_running:
        return BUSY
    if driver.view.waits_for_person(driver.clock()):
        return WAITS
    if not link.profile.sd_upload:
        return _NO_M28
    if not link.profile.sd_card:
        return _NO_CARD
    is_hot = any(value > 0 for name, value in driver.view.temperatures.items() if name.endswith("_target"))
    if is_hot and not driver.view.reports_temperatures:
        return _UNWATCHED
    return file_refusal(order.path, order.size, order.name)


def abort(driver: DriverState, order: AbortUpload) -> None:
    """End the upload; answered when the unfinished file is gone, or cannot be deleted."""
    present = driver.upload
    if present is None or order.upload_id not in present.orders:
        driver.answer(order.order_id, _REFUSED, _FORGOTTEN)
        return
    present.aborts.append(order.order_id)
    present.fail(_ABORTED)
    settle(driver)


def turn(driver: DriverState, present: Upload, link: Link, now: float) -> None:
    """Hand over what there is room for; errands only while no file is open."""
    present.turn(link, now, is_idle=driver.current() is None)
    if not present.is_saving:
        driver.scripts.feed(link, now)
    if present.outcome is None and present.name is not None and now - present.told_at >= PROGRESS_SECONDS:
        tell(driver, present)
    driver.asked_at = now
    driver.is_changed = True
    settle(driver)


def tell(driver: DriverState, present: Upload) -> None:
    """How far it has come, to whoever ordered it last."""
    present.told_at = driver.clock()
    answer = {"sent": present.lines.sent, "size": present.order.size, "name_on_printer": present.name}
    driver.say(OrderProgressed(driver.printer, present.orders[-1], present.progress, answer))


def hear(driver: DriverState, reply: Reply) -> None:
    """One thing that the firmware said."""
    if driver.upload is not None:
        driver.upload.hear(reply)
    elif driver.listed is not None and isinstance(reply, Other):
        driver.listed.hear(reply.text)
    if isinstance(reply, FileSaved) and driver.kill_at is not None:
        driver.kill_at = driver.clock()  # nothing swallows the M112 any more


def lost(driver: DriverState, reason: str) -> None:
    """The connection is over, or the emergency stop came first."""
    if driver.upload is not None:
        driver.upload.lost(reason)
        settle(driver)


def settle(driver: DriverState) -> None:
    """Answer everybody, once it is over."""
    present = driver.upload
    if present is None or present.outcome is None:
        return
    driver.upload = None
    outcome = present.outcome
    if outcome.result is OrderResult.ACCEPTED:
        driver.uploaded = present.saved
        tell(driver, present)
    for order_id in present.orders:
        driver.answer(order_id, outcome.result, outcome.message)
    for order_id in present.aborts:
        done = OrderResult.ACCEPTED if outcome.is_gone else OrderResult.UNCLEAR
        driver.answer(order_id, done, None if outcome.is_gone else outcome.message)
    driver.report(now=True)


def clean_up(driver: DriverState) -> None:
    """A connection is ready, and a file was open when the last one ended: it is closed by now. Delete it.

    Once only, whatever comes of it: the next file of that name may be somebody's. Half a print file would end
    with its heaters on, so one that is left is told of. Not while something is printed from the card, which
    M30 would end without a word.
    """
    name = driver.mark.left()
    if name is None or driver.upload is not None:
        return

    def told() -> None:
        if driver.card.is_printing or driver.card.may_be_finishing:
            driver.mark.clear()
            driver.view.message = _MAY_BE_LEFT.format(name=name)
        else:
            _delete(driver, name)

    driver.scripts.add(Script(("M27",), told, is_proven=True, is_macro=True))


def _delete(driver: DriverState, name: str) -> None:
    driver.listed = FileList()

    def looked() -> None:
        driver.mark.clear()
        found, driver.listed = driver.listed, None
        if found is None or not found.is_whole or name in found.sizes:
            driver.view.message = _MAY_BE_LEFT.format(name=name)

    driver.scripts.add(Script((f"M30 {name}", "M20"), looked, is_proven=True, is_macro=True))


def leave(driver: DriverState, session: Session) -> None:
    """The driver host stops: a board that goes on saving would be deaf to whoever comes next.

    The file is left to the successor, who knows its name. What is refused in front of this M29 is not sent
    again by anybody, so it cannot be run behind it.
    """
    if driver.upload is not None and driver.upload.is_saving and session.port is not None:
        session.port.write(bare("M29"))


def stop(driver: DriverState, link: Link) -> bool:
    """M112 where a file may be open. False: none is, and it goes out as ever."""
    if driver.mark.left() is None:
        return False
    link.stop_saving()
    return True
