"""A file on its way to the printer's card: M28, its lines, M29. No clock, no port.

    CHECKING -> LISTING -> NAMING -> OPENING -> WRITING -> CLOSING -> MEASURING -> OVER (saved)
        |          |          |         |          |          |           |
        +----------+----------+         +----------+----------+-----------+-> DELETING -> OVER
        v                                                       (CLOSING first, wherever M28 was sent)
      OVER (refused: nothing was begun)

    CHECKING    the file is opened and hashed in a thread: what is sent is what was ordered
    LISTING     M20: is there a card, and which names are taken; without a list M21, and M20 again
    NAMING      M23 of the name: only `open failed` proves that nobody's file is overwritten
    OPENING     M28, alone; not one line follows before the firmware said `Writing to file:`
    WRITING     the lines, numbered and checksummed, in the link's window as those of a print
    CLOSING     M29, numbered, when every line was answered: were one refused behind it, it would be run
    MEASURING   M20: the size must be that of the lines sent, each with CR LF
    DELETING    M30, and M20 to see that it is gone

With M28 open the firmware writes whatever it accepts, so nothing but lines of the file goes out from before
M28 to behind M29; the link asks into silence with lines that are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum, auto
from functools import partial
from typing import NamedTuple

from gateway.domain.observations import OrderResult
from gateway.domain.orders import UploadFile
from gateway.drivers.contract import UploadMark
from gateway.drivers.marlin.card_names import names_for
from gateway.drivers.marlin.scripts import TOO_MANY, Script, ScriptQueue
from gateway.drivers.marlin.upload_lines import UploadLines
from gateway.protocol.marlin.card_words import FileList, same_file
from gateway.protocol.marlin.link import Link
from gateway.protocol.marlin.replies import (
    FileOpened,
    FileOpenFailed,
    FileWriting,
    FirmwareError,
    Other,
    Reply,
)

#: Times that a list, a name or a deletion is asked for: its answer comes without a checksum.
TRIES_MAX = 3
#: Seconds behind M28's ok in which `Writing to file:` must have been heard; it is said in front of that ok.
OPEN_SECONDS = 5.0

_WRITE_FAILED = "error writing to file"

_NO_CARD = "The printer has no card, or cannot read it. Put one in, then upload again."
_NO_NAME = "The card has too many files of that name. Delete some, then upload again."
_NOT_OPENED = "The printer could not open a file on its card. Look whether it is full or write-protected."
_PRINTS = "Somebody began to print at the printer."
_CARD_FAILED = "The printer could not write to its card: it is full, or was taken out."
_AT_PRINTER = "Somebody opened another file at the printer in the middle of the upload."
_NO_LINES = "The file has no line that a printer could print."
_WRONG_SIZE = "The file on the card does not have the size of what was sent. Upload it again."
_LOST_FOR_WORDS = "The printer does not answer understandably. Check the cable, then upload again."
_LATER = (
    "The unfinished file {name} on its card is deleted when the printer answers again; upload it anew then."
)
_LEFT = " An unfinished file {name} may be left on its card: delete it at the printer."


class Stage(Enum):
    """Where an upload stands; see the table above."""

    CHECKING = auto()
    LISTING = auto()
    NAMING = auto()
    OPENING = auto()
    WRITING = auto()
    CLOSING = auto()
    MEASURING = auto()
    DELETING = auto()
    OVER = auto()


_NOT_BEGUN = frozenset({Stage.CHECKING, Stage.LISTING, Stage.NAMING, Stage.OPENING})


class Outcome(NamedTuple):
    """What is answered."""

    result: OrderResult
    message: str
    is_gone: bool  # nothing of it is on the card


class Saved(NamedTuple):
    """A file that was put on the card."""

    path: str
    sha256: str
    name: str  # on the card
    size: int  # bytes there


class Upload:
    """One file, from its order to its answer."""

    def __init__(
        self, order: UploadFile, scripts: ScriptQueue, mark: UploadMark, before: Saved | None = None
    ) -> None:
        """`before`: what was saved last. It is not sent again while the card has it: whoever orders it again
        may not have heard of its end.
        """
        self.order = order
        self.orders = [order.order_id]  # answered alike, all of them
        self.aborts: list[str] = []
        self.stage = Stage.CHECKING
        self.name: str | None = None  # on the card
        self.lines = UploadLines(order)
        self.outcome: Outcome | None = None
        self.told_at = 0.0  # of the last word about its progress
        self._scripts = scripts
        self._mark = mark
        self._before = before
        self.saved: Saved | None = None
        self._list = FileList()
        self._names: Iterator[str] = iter(())
        self._tries = 0
        self._is_free: bool | None = None  # what M23 told of the name
        self._number = 0  # of M28, once it was sent
        self._answered_at: float | None = None
        self._is_open = False  # `Writing to file:` was heard
        self._was_refused = False  # M28 said `open failed`
        self._may_delete = True
        self._failure: str | None = None

    # -- what others ask ----------------------------------------------------------------------------------

    @property
    def is_saving(self) -> bool:
        """Whether M28 was sent and M29 was not: nothing but lines of the file may be."""
        return self._number > 0

    @property
    def progress(self) -> float:
        """0..1."""
        return min(1.0, self.lines.sent / self.order.size)

    @property
    def words(self) -> str:
        """For people."""
        if self._failure is not None:
            return f"ending the upload of {self.order.name}: {self._failure}"
        return f"receiving {self.order.name}, {int(100 * self.progress)} %"

    # -- turns --------------------------------------------------------------------------------------------

    def turn(self, link: Link, now: float, *, is_idle: bool) -> None:
        """Do what can be done now. `is_idle`: no print has come between."""
        if not is_idle and self.stage in _NOT_BEGUN and not self.is_saving:
            self._refuse(_PRINTS)  # M23 and M28 would end a print from the card without a word
        elif self.stage is Stage.CHECKING and self.lines.are_checked:
            self._begin()
        elif self.stage is Stage.OPENING:
            self._open(link, now)
        elif self.stage is Stage.WRITING:
            self.go_on(link)
        if self.stage is Stage.CLOSING and link.wants_line and link.is_idle:
            self._close(link)

    def _begin(self) -> None:
        trouble = self.lines.trouble
        if trouble is not None:
            self._refuse(f"The file {self.order.name} cannot be sent: {trouble}. Upload it again.")
        else:
            self._look("M20")

    def _ask(self, stage: Stage, done: Callable[[], None], *lines: str) -> None:
        """Send questions; `done` is called when they are proven to be answered, and nothing came between."""
        self.stage = stage
        is_mine = partial(self._answered, stage, done)
        if not self._scripts.add(Script(lines, is_mine, is_proven=True, is_macro=True)):
            self.lost(TOO_MANY)

    def _answered(self, stage: Stage, done: Callable[[], None]) -> None:
        if self.stage is stage:
            done()

    def _look(self, *lines: str) -> None:
        self._tries += 1
        self._list = FileList()
        self._ask(Stage.LISTING, self._listed, *lines)

    def _listed(self) -> None:
        before = self._before
        if self._list.is_whole and before is not None and self._is_there(before):
            self.name, self.lines.sent = before.name, self.order.size
            self._accept(before)
        elif self._list.is_whole:
            self._tries = 0
            self._names = names_for(self.order.name, self._list.sizes)
            self._try_next_name()
        elif self._tries < TRIES_MAX:
            self._look("M21", "M20")
        else:
            self._refuse(_NO_CARD)

    def _is_there(self, before: Saved) -> bool:
        order = self.order
        is_same = (before.path, before.sha256) == (order.path, order.sha256)
        return is_same and self._list.sizes.get(before.name) == before.size

    def _try_next_name(self) -> None:
        self.name = next(self._names, None)
        if self.name is None:
            self._refuse(_NO_NAME)
        else:
            self._try_name()

    def _try_name(self) -> None:
        self._is_free = None
        self._ask(Stage.NAMING, self._named, f"M23 {self.name}")

    def _named(self) -> None:
        if self._is_free:
            self.stage = Stage.OPENING
        elif self._is_free is not None:
            self._try_next_name()
        elif self._tries < TRIES_MAX:
            self._tries += 1
            self._try_name()
        else:
            self._refuse(_LOST_FOR_WORDS)

    def _open(self, link: Link, now: float) -> None:
        assert self.name is not None
        if not self.is_saving:
            if self._scripts.is_empty and link.is_idle:
                self._send_m28(link, self.name)
        elif self._is_open:
            self.stage = Stage.WRITING
            self.go_on(link)
        elif link.acked >= self._number:
            if self._answered_at is None:
                self._answered_at = now
            elif now - self._answered_at >= OPEN_SECONDS:
                self.fail(_NOT_OPENED)

    def _send_m28(self, link: Link, name: str) -> None:
        try:
            self._mark.note(name)
        except OSError as error:
            self._refuse(f"The upload cannot be recorded: {error.strerror or error}.")
            return
        link.is_saving = True
        self._number = link.submit(f"M28 {name}")

    def go_on(self, link: Link) -> bool:
        """See what was answered, hand over lines. False: there is more to it than that."""
        if self.stage is not Stage.WRITING:
            return False
        lines = self.lines
        lines.see_answers(link.acked)
        try:
            while link.wants_line and lines.hand_over(link):
                pass
        except ValueError as error:
            self.fail(f"The file cannot be sent: {error}.")
        if lines.are_over and self._failure is None:
            self.stage = Stage.CLOSING
        return self.stage is Stage.WRITING

    def _close(self, link: Link) -> None:
        """M29. What follows is accepted behind it only, so it is run and not written."""
        link.submit("M29")
        link.is_saving, self._number, self._tries = False, 0, 0
        if self._failure is None and not self.lines.written:
            self._failure = _NO_LINES
        if self._failure is None:
            self._measure()
        else:
            self._delete()

    # -- the end ------------------------------------------------------------------------------------------

    def _measure(self) -> None:
        self._tries += 1
        self._list = FileList()
        self._ask(Stage.MEASURING, self._measured, "M20")

    def _measured(self) -> None:
        assert self.name is not None
        told = self._list.sizes
        is_listed = self._list.is_whole and self.name in told
        if is_listed and told[self.name] in (None, self.lines.written):
            self.lines.sent = self.order.size
            self._mark.clear()
            self._accept(Saved(self.order.path, self.order.sha256, self.name, self.lines.written))
        elif self._tries < TRIES_MAX:
            self._measure()
        else:
            self._failure, self._tries = _WRONG_SIZE, 0
            self._delete()

    def _accept(self, saved: Saved) -> None:
        self.saved = saved
        text = f"It is on the printer's card as {saved.name}."
        self._over(Outcome(OrderResult.ACCEPTED, text, is_gone=False))

    def _delete(self) -> None:
        self._tries += 1
        self._list = FileList()
        if not self._may_delete:
            self._ask(Stage.DELETING, self._leave, "M20")
        elif self._was_refused:
            self._ask(Stage.DELETING, self._deleted, "M20")
        else:
            self._ask(Stage.DELETING, self._deleted, f"M30 {self.name}", "M20")

    def _deleted(self) -> None:
        assert self._failure is not None
        if (self._list.is_whole or self._was_refused) and self.name not in self._list.sizes:
            self._mark.clear()
            self._over(Outcome(OrderResult.REFUSED, self._failure, is_gone=True))
        elif self._tries < TRIES_MAX:
            self._delete()
        else:
            self._leave()

    def _leave(self) -> None:
        """Nothing more is done about it: a later connection might meet another file of that name."""
        self._mark.clear()
        text = f"{self._failure}{_LEFT.format(name=self.name)}"
        self._over(Outcome(OrderResult.UNCLEAR, text, is_gone=False))

    def fail(self, why: str) -> None:
        """It cannot become whole: close the file and delete it, if there is one."""
        if self._failure is None and self.stage is not Stage.OVER:
            self._end_as(why)

    def _end_as(self, why: str) -> None:
        if self.stage is Stage.MEASURING:
            self._failure, self._tries = why, 0
            self._delete()
        elif self.is_saving:
            self._failure, self._tries = why, 0
            self.stage = Stage.CLOSING
        else:
            self._refuse(why)

    def lost(self, reason: str) -> None:
        """The connection, or the board: what is on the card now cannot be told."""
        if self._mark.left() is None:
            self._refuse(reason)
        else:
            text = f"{reason.rstrip('.')}. {_LATER.format(name=self.name)}"
            self._over(Outcome(OrderResult.UNCLEAR, text, is_gone=False))

    def _refuse(self, why: str) -> None:
        self._over(Outcome(OrderResult.REFUSED, why, is_gone=True))

    def _over(self, outcome: Outcome) -> None:
        self.stage, self.outcome = Stage.OVER, outcome
        self.lines.let_go()

    # -- what the firmware says ---------------------------------------------------------------------------

    def hear(self, reply: Reply) -> None:
        """Learn from one reply."""
        match reply:
            case Other():
                self._list.hear(reply.text)
            case FileOpenFailed() if self.stage is Stage.NAMING and self.name is not None:
                self._is_free = same_file(reply.name, self.name) or self._is_free
            case FileOpened() if self.stage is Stage.NAMING:
                self._is_free = False
            case FileOpened() if self.is_saving:
                self._may_delete = False  # old firmware ends a print from the card when it deletes
                self.fail(_AT_PRINTER)
            case FileOpenFailed() if self.stage is Stage.OPENING:
                self._was_refused = not self._is_open
                self.fail(_NOT_OPENED)
            case FileWriting() if self.stage is Stage.OPENING and self.name is not None:
                self._is_open = same_file(reply.name, self.name)
            case FirmwareError() if _WRITE_FAILED in reply.text.lower():
                self.fail(_CARD_FAILED)
            case _:
                pass
