"""From a line record that is open to a print that goes on - or to the reason why it is held.

    the host died, or the port went away  ->  Recovery: the print is reported HELD, "asking ..."
        the link names its firmware       ->  it is asked for its last line; the file is hashed meanwhile
        it tells line L                   ->  L is in the record: M105 as line L + 1, recorded before it goes
        that is answered                  ->  the print goes on behind the last line of the file up to L

The stage is the recorded one: a paused print comes back paused, a cancelled one is cancelled to its end.
Lines of our own at the end of a stage (M400, markers, heaters off, the end script) are sent again: doing them
twice does no harm, and which of them arrived does not matter.

Everything else is *held*, recorded as held, and never tried again by itself: a board that was reset (it says
so, or names a line nobody recorded), a firmware that will not tell, a file that is not the recorded one. The
file is hashed, not just looked at: going on with another file's lines in a hot machine is the worst that
could happen. The hash is taken in a thread, of the very descriptor that is read on from afterwards.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import os
import stat
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from gateway.domain.observations import PrintPhase, PrintReport
from gateway.domain.orders import StartPrint
from gateway.drivers.contract import LineKind, OpenRecord, RecordedStage
from gateway.drivers.marlin_print import HostPrint, Place
from gateway.protocol.marlin.asking import IGNORES_NUMBERS
from gateway.protocol.marlin.link import Link
from gateway.protocol.marlin.link_events import LinkReady, PositionTold, PositionUnknown
from gateway.protocol.marlin.responses import Action, Reply, Start

if TYPE_CHECKING:
    from gateway.drivers.marlin import MarlinDriver

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
_WAS_RESET = "the printer was reset, so its position is lost"
_NOT_OURS = (
    "the printer's last line is {last_line}, which is not one of this print: it was reset, or used by others"
)
_LEFT_ALONE = (
    f"the printer was left alone for more than {ALONE_SECONDS_MAX:.0f} seconds: its motors may have let go,"
    " or somebody may have a hand in it"
)

_ENDING = frozenset({RecordedStage.CANCELED_BY_USER, RecordedStage.CANCELED_AT_DEVICE, RecordedStage.FAILED})
_PIECE_BYTES = 1 << 20


class FileChanged(Exception):
    """The recorded print file cannot be gone on with. The text says why, for people."""


def open_unchanged(path: str, size: int, sha256: str, is_wanted: Callable[[], bool]) -> BinaryIO:
    """The file, open, if it is still the one described. Raises FileChanged. Blocks: run it in a thread."""
    try:
        file = open(path, "rb")
    except (OSError, ValueError) as error:
        raise FileChanged(f"its file cannot be read: {getattr(error, 'strerror', error)}") from error
    try:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_size != size:
            raise FileChanged(f"its file has {found.st_size} bytes instead of {size}")
        digest = hashlib.sha256()
        while is_wanted() and (piece := file.read(_PIECE_BYTES)):
            digest.update(piece)
        if digest.hexdigest() != sha256:
            raise FileChanged("its file was replaced by another one")
    except OSError as error:
        file.close()
        raise FileChanged(f"its file cannot be read: {error.strerror}") from error
    except BaseException:
        file.close()
        raise
    return file


class Recovery:
    """One unfinished print on its way back, over as many connections as it takes."""

    def __init__(self, left: OpenRecord) -> None:
        self.left = left
        self.stage = left.stage
        self.told: int | None = None  # the line that the firmware named on this connection
        self.place: Place | None = None  # where the print goes on, once that is decided
        self.file: BinaryIO | None = None
        self.trouble: str | None = None
        self._is_checking = False
        self._is_over = False

    @property
    def needs_file(self) -> bool:
        """Whether lines of the file are still to be sent."""
        return self.stage not in _ENDING

    def check_file(self, checked: Callable[[], None]) -> None:
        """Open and hash the file in a thread, once; `checked` is called when that is done."""
        if self._is_checking or not self.needs_file:
            return
        self._is_checking = True
        left = self.left
        work = partial(open_unchanged, left.path, left.size, left.sha256, lambda: not self._is_over)
        future = asyncio.get_running_loop().run_in_executor(None, work)
        future.add_done_callback(lambda done: self._checked(done, checked))

    def _checked(self, done: asyncio.Future[BinaryIO], checked: Callable[[], None]) -> None:
        if done.cancelled():
            return
        error = done.exception()
        if error is not None:
            self.trouble = str(error)
        elif self._is_over:
            done.result().close()
        else:
            self.file = done.result()
        if not self._is_over:
            checked()

    def take_file(self) -> BinaryIO | None:
        """The file, which is the print's from now on."""
        file, self.file = self.file, None
        return file

    def let_go(self) -> None:
        """It came to its end, or the driver's run did."""
        self._is_over = True
        if self.file is not None:
            self.file.close()
            self.file = None


def take_over(driver: MarlinDriver, why: str) -> None:
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


def give_up(driver: MarlinDriver) -> None:
    """A person decides about the held print: nothing brings it back any more."""
    if driver.held is not None:
        driver.record.enter(RecordedStage.HELD)
    if driver.recovery is not None:
        driver.recovery.let_go()
        driver.recovery = None


def hold(driver: MarlinDriver, why: str) -> None:
    """It cannot go on: a person must look."""
    recovery = driver.recovery
    assert recovery is not None
    left = driver.record.unfinished() or recovery.left
    give_up(driver)
    driver.held = _report(left, f"This print cannot go on: {why}.{_LOOK}")
    link = driver.link
    if link is not None:
        link.locator.stop()
    driver.report(now=True)


def link_ready(driver: MarlinDriver, recovery: Recovery, ready: LinkReady, link: Link, now: float) -> None:
    """The firmware has named itself; or it has proven the line behind which the print goes on."""
    if ready.is_numbered:
        _go_on(driver, recovery, link)
    elif not ready.profile.counts_lines:
        hold(driver, f"the printer cannot be asked where it stands: {IGNORES_NUMBERS}")
    else:
        recovery.told = recovery.place = None
        recovery.check_file(driver.wake)
        link.locator.start(now)


def told(driver: MarlinDriver, recovery: Recovery, event: PositionTold | PositionUnknown) -> None:
    """The firmware has named its last line, or has not."""
    if isinstance(event, PositionUnknown):
        hold(driver, f"the printer was asked where it stands, and {event.message}")
        return
    before, recovery.told = recovery.told, event.last_line
    if before is not None and event.last_line - before not in (0, 1):
        hold(driver, "the printer named two different lines as its last one")


def turn(driver: MarlinDriver, recovery: Recovery, link: Link, now: float) -> None:
    """Take what was told, as soon as the file is known to be the right one."""
    if recovery.trouble is not None:
        hold(driver, recovery.trouble)
    elif recovery.told is None or (recovery.needs_file and recovery.file is None):
        return
    elif link.locator.is_told:
        _prove(driver, recovery, recovery.told, link, now)


def _prove(driver: MarlinDriver, recovery: Recovery, last_line: int, link: Link, now: float) -> None:
    left = driver.record.unfinished()
    if left is not None and recovery.needs_file and not _was_watched(left, now):
        hold(driver, _LEFT_ALONE)
        return
    # Beyond the newest entry the ring may still hold numbers of an earlier life: they never arrived.
    found = driver.record.find(last_line) if left is not None and last_line <= left.last_number else None
    if found is None:
        hold(driver, _NOT_OURS.format(last_line=last_line))
        return
    offset, line, _ = found
    number = link.locator.go_on(now)
    driver.record.sent(number, offset, line, LineKind.SIDE)
    recovery.place = Place(number, offset, line)


def _was_watched(left: OpenRecord, now: float) -> bool:
    """Whether the gap is short. A clock that went back means that the host was started anew meanwhile."""
    return left.alive_at == math.inf or 0.0 <= now - left.alive_at <= ALONE_SECONDS_MAX


def _go_on(driver: MarlinDriver, recovery: Recovery, link: Link) -> None:
    assert recovery.place is not None
    left = recovery.left
    order = StartPrint(driver.printer, "", left.key, left.path, left.sha256, left.size, left.name)
    streamed = HostPrint(order, recovery.take_file(), driver.record, link.profile, recovery.place)
    driver.scripts.clear("the print goes on")
    driver.recovery, driver.held, driver.print = None, None, streamed
    streamed.take_up(link, recovery.stage)
    driver.report(now=True)


def hear(driver: MarlinDriver, recovery: Recovery, reply: Reply) -> None:
    """Somebody at the machine, or its end, while it is being asked."""
    if isinstance(reply, Start):
        hold(driver, _WAS_RESET)
    elif isinstance(reply, Action):
        stage = {
            "pause": RecordedStage.PAUSED,
            "paused": RecordedStage.PAUSED,
            "resume": RecordedStage.STREAMING,
            "resumed": RecordedStage.STREAMING,
            "cancel": RecordedStage.CANCELED_AT_DEVICE,
        }.get(reply.name)
        if stage is not None and recovery.needs_file:
            recovery.stage = stage
            driver.record.enter(stage)
