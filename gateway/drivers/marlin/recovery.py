"""From a line record that is open to a print that goes on - or to the reason why it is held.

    the host died, or the port went away  ->  Recovery: the print is reported HELD, "asking ..."
        the link names its firmware       ->  it is asked for its last line; the file is hashed meanwhile
        it tells line L                   ->  L is in the record: M105 as line L + 1, recorded before it goes
        that is answered                  ->  the print goes on behind the last line of the file up to L

The stage is the recorded one: a paused print comes back paused, a cancelled one is cancelled to its end.
Lines of our own at the end of a stage (M400, markers, heaters off, the end script) are sent again: doing them
twice does no harm, and which of them arrived does not matter.

Everything else is *held*, recorded as held, and never tried again by itself: a board that was reset (it says
so, or has no numbered line at all: then its heaters go off, unless it prints from its card), a board with a
line of another program (nothing is touched: it may be at work for that one), a firmware that will not tell,
a file that is not the recorded one. The file is hashed, not just looked at: going on with another file's
lines in a hot machine is the worst that could happen. The hash is taken in a thread, of the very descriptor
that is read on from afterwards.
"""

from __future__ import annotations

import math

from gateway.domain.observations import PrintPhase, PrintReport
from gateway.domain.orders import StartPrint
from gateway.drivers.contract import LineKind, OpenRecord, RecordedStage
from gateway.drivers.marlin import rebuild
from gateway.drivers.marlin.driver_state import DriverState
from gateway.drivers.marlin.own_scripts import start_and_end
from gateway.drivers.marlin.print import HostPrint
from gateway.drivers.marlin.stages import Place
from gateway.drivers.marlin.unfinished import Recovery
from gateway.protocol.marlin.asking import IGNORES_NUMBERS
from gateway.protocol.marlin.link import Link
from gateway.protocol.marlin.link_events import LinkReady, PositionTold, PositionUnknown
from gateway.protocol.marlin.replies import (
    Action,
    NotSdPrinting,
    Reply,
    SdStatus,
    Start,
)

#: Seconds a print may have been left alone and still go on by itself. A restart or an upgrade takes ten, a
#: cable put back at once as many. After 120 s Marlin lets go of its motors (DEFAULT_STEPPER_TIMEOUT_SEC), the
#: part has cooled under a hot nozzle, and somebody may have a hand in the machine.
ALONE_SECONDS_MAX = 60.0

DIED = "The program that streamed this print was stopped in mid-print."
_ASKING = " Asking the printer where it stands; the print goes on from there."
_LOOK = (
    " Look at the printer: it stands where its last line left it, with its heaters as they were. Cancel it"
    " to switch them off."
)
_COOLED = (
    " The heaters are switched off. Look at the printer: the print may be recovered from its last finished"
    " layer, or canceled."
)
_DECIDED = "Somebody decided otherwise about this print first."
_WAS_RESET = "the printer was reset, so its position is lost"
_NOT_OURS = (
    "the printer's last line is {last_line}, which is not one of this print: another program has used it"
)
_FORGOT = "the printer has no line of it, so it was reset, and its position is lost"
_CARD_RUNS = (
    "the printer has no line of it, so it was reset; it prints from its card now, and nothing is sent to it"
)
_NOT_BEGUN = "it had not begun: nothing of it was sent to the printer"
_LEFT_ALONE = (
    f"the printer was left alone for more than {ALONE_SECONDS_MAX:.0f} seconds: its motors may have let go,"
    " or somebody may have a hand in it"
)


def take_over(driver: DriverState, why: str) -> None:
    """Look into the record: what it tells is held, and on its way back if it may go on."""
    left = driver.record.unfinished()
    if left is None:
        return
    if left.stage is RecordedStage.HELD:
        driver.held = _report(left, why + _LOOK)
    else:
        driver.held = _report(left, why + _ASKING)
        driver.recovery = Recovery(left)


def _report(left: OpenRecord, message: str) -> PrintReport:
    return PrintReport(
        key=left.key,
        phase=PrintPhase.HELD,
        is_local=False,
        name=left.name,
        size=left.size,
        position=left.last_offset,
        line=left.last_line,
        progress=left.last_offset / left.size if left.size else None,
        reason="printer-stopped",
        message=message,
    )


def give_up(driver: DriverState) -> None:
    """A person decides about the held print: nothing brings it back any more."""
    rebuild.give_up(driver, _DECIDED)
    if driver.held is not None:
        driver.record.enter(RecordedStage.HELD)
    if driver.recovery is not None:
        driver.recovery.let_go()
        driver.recovery = None


def hold(driver: DriverState, why: str, *, is_cooled: bool = False) -> None:
    """It cannot go on: a person must look. `is_cooled`: its heaters are off, or about to be."""
    recovery = driver.recovery
    assert recovery is not None
    left = driver.record.unfinished() or recovery.left
    give_up(driver)
    driver.held = _report(left, f"This print cannot go on: {why}.{_COOLED if is_cooled else _LOOK}")
    link = driver.link
    if link is not None:
        link.locator.stop()
    driver.report(now=True)


def link_ready(driver: DriverState, recovery: Recovery, ready: LinkReady, link: Link, now: float) -> None:
    """The firmware has named itself; or it has proven the line behind which the print goes on."""
    if ready.is_numbered:
        _go_on(driver, recovery, link)
    elif not ready.profile.counts_lines:
        hold(driver, f"the printer cannot be asked where it stands: {IGNORES_NUMBERS}")
    else:
        recovery.told = recovery.place = None
        recovery.check_file(driver.wake)
        is_early = ready.profile.ok_when == "taken"
        link.locator.start(now, near=recovery.left.last_number, repeats=is_early)


def told(driver: DriverState, recovery: Recovery, event: PositionTold | PositionUnknown) -> None:
    """The firmware has named its last line, or has not."""
    if isinstance(event, PositionUnknown):
        hold(driver, f"the printer was asked where it stands, and {event.message}")
        return
    before, recovery.told = recovery.told, event.last_line
    if before is not None and event.last_line - before not in (0, 1):
        hold(driver, "the printer named two different lines as its last one")


def turn(driver: DriverState, recovery: Recovery, link: Link, now: float) -> None:
    """Take what was told, as soon as the file is known to be the right one."""
    if recovery.trouble is not None:
        hold(driver, recovery.trouble)
    elif recovery.told is None or (recovery.needs_file and recovery.file is None):
        return
    elif link.locator.is_told:
        _prove(driver, recovery, recovery.told, link, now)


def _prove(driver: DriverState, recovery: Recovery, last_line: int, link: Link, now: float) -> None:
    left = driver.record.unfinished()
    if left is not None and recovery.needs_file and not _was_watched(left, now):
        hold(driver, _LEFT_ALONE)
        return
    if left is not None and not left.last_number:
        hold(driver, _NOT_BEGUN)
        return
    # Beyond the newest entry the ring may still hold numbers of an earlier life: they never arrived.
    found = driver.record.find(last_line) if left is not None and last_line <= left.last_number else None
    if found is None:
        if last_line:  # somebody's: heaters may be on for a reason
            hold(driver, _NOT_OURS.format(last_line=last_line))
        else:
            _forgotten(driver, link, now)
        return
    offset, line, kind = found
    number = link.locator.go_on(now)
    if kind in (LineKind.HANDSHAKE, LineKind.START):  # none of the file yet, and so much of the start script
        driver.record.sent(number, 0, line, LineKind.START)
        recovery.place = Place(number, 0, 0, prepared=line)
    else:
        driver.record.sent(number, offset, line, LineKind.SIDE)
        recovery.place = Place(number, offset, line, prepared=None)


def _forgotten(driver: DriverState, link: Link, now: float) -> None:
    """Nobody has numbered a line since it booted: it is cooled, unless it prints from its card."""
    driver.asks_card = link.profile.sd_card
    driver.cools = not driver.asks_card
    hold(driver, _FORGOT, is_cooled=driver.cools)
    if driver.cools:
        link.begin_numbering(now)


def hear_card(driver: DriverState, reply: Reply, link: Link, now: float) -> None:
    """What M27 says of a board that has forgotten a held print."""
    if not isinstance(reply, NotSdPrinting | SdStatus):
        return
    driver.asks_card = False
    left = driver.record.unfinished()
    if driver.held is None or left is None:
        return
    driver.cools = isinstance(reply, NotSdPrinting)
    why, what_to_do = (_FORGOT, _COOLED) if driver.cools else (_CARD_RUNS, _LOOK)
    driver.held = _report(left, f"This print cannot go on: {why}.{what_to_do}")
    if driver.cools:
        link.begin_numbering(now)
    driver.report(now=True)


def _was_watched(left: OpenRecord, now: float) -> bool:
    """Whether the gap is short. A clock that went back means that the host was started anew meanwhile."""
    return left.alive_at == math.inf or 0.0 <= now - left.alive_at <= ALONE_SECONDS_MAX


def _go_on(driver: DriverState, recovery: Recovery, link: Link) -> None:
    assert recovery.place is not None
    left = recovery.left
    order = StartPrint(driver.printer, "", left.key, left.path, left.sha256, left.size, left.name)
    scripts = start_and_end(driver, left.key, left.name)
    streamed = HostPrint(order, recovery.take_file(), driver.record, link.profile, recovery.place, *scripts)
    driver.scripts.clear("the print goes on")
    driver.recovery, driver.held, driver.print = None, None, streamed
    streamed.take_up(link, recovery.stage, left.parked)
    driver.report(now=True)


def hear(driver: DriverState, recovery: Recovery, reply: Reply) -> None:
    """Somebody at the machine, or its end, while it is being asked."""
    if isinstance(reply, Start):
        hold(driver, _WAS_RESET, is_cooled=True)
        driver.cools = True
    elif isinstance(reply, Action):
        stage = {
            "pause": RecordedStage.PAUSED,
            "paused": RecordedStage.PAUSED,
            "resume": RecordedStage.RESUMING,  # it may be parked
            "resumed": RecordedStage.RESUMING,
            "cancel": RecordedStage.CANCELED_AT_DEVICE,
        }.get(reply.name)
        if stage is not None and recovery.needs_file:
            recovery.stage = stage
            driver.record.enter(stage)
