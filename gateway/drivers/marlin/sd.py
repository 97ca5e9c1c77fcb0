"""Prints from the printer's own card: seen, named and followed to their end. No I/O, no clock.

What counts as what (Marlin 2.1.2 measured; 1.1 and Prusa by their sources):

* `File opened` + `File selected` is a choice, not a print, and so is `SD printing byte 0/n`.
* It **prints** once something proves it: `//action:resume` or `enqueueing "M24"` behind a selection, our own
  M24, a position that moved on, or - when we come in the middle - a position inside the file.
* A position equal to the size proves nothing by itself: after `Done printing file` some firmwares keep
  reporting it, and a file of a few lines is read whole before its first move. Found so by a new connection,
  its last lines may still run: they are all in the queue, so our M400 is answered behind them. `Done printing
  file` before that is the end of a print we came too late for.
* It is **paused** when the firmware says so (`//action:paused` by builds that park, `//action:pause` by the
  others) or took our own M25; a position that stands still is a long move, a heating, a dwell. It goes on
  when the firmware says so or the position moves on (M76 says `pause` too, and stops nothing).
* It is **completed** by `Done printing file`, and by nothing else.
* `Not SD printing` without it means somebody ended it at the machine. While paused that counts only for a
  firmware that goes on reporting positions of a paused print (Marlin 1.1 says `Not SD printing` instead).
* What ended while nobody listened cannot be told: it is held for a person, unless all of it had been read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gateway.domain.observations import Origin, PrintPhase, PrintReport
from gateway.protocol.marlin.replies import (
    Action,
    DonePrinting,
    Echo,
    FileOpened,
    FileSelected,
    NotSdPrinting,
    Reply,
    SdStatus,
)

AT_DEVICE = "job-canceled-at-device"
BY_USER = "job-canceled-by-user"
ABORTED = "aborted-by-system"
_PAUSE_WORDS = frozenset({"pause", "paused"})
_RESUME_WORDS = frozenset({"resume", "resumed"})


class CardWatch:
    """The card of one printer, for as long as the driver lives: prints outlive connections."""

    def __init__(self, new_key: Callable[[], str]) -> None:
        """`new_key` makes a key for a print nobody ordered."""
        self.report: PrintReport | None = None
        self._new_key = new_key
        self._name: str | None = None
        self._size: int | None = None
        self._is_selected = False
        self._is_done = False
        self._position: int | None = None
        self._paused_at: int | None = None
        self._reports_paused = False
        self._is_starting = False
        self._is_first_word = True
        self._is_known_idle = False  # by what this connection said
        self._cancel_reason = AT_DEVICE
        self.may_be_finishing = False

    @property
    def is_canceling(self) -> bool:
        """Whether we asked for its end."""
        return self.is_printing and self._cancel_reason is BY_USER

    @property
    def is_printing(self) -> bool:
        """Whether a print from the card is under way (paused included)."""
        return self.report is not None and not self.report.phase.is_end

    @property
    def title(self) -> str:
        """The print's name for people."""
        return (self.report.name if self.report else None) or "a file"

    def take_ended(self) -> PrintReport | None:
        """The print that is over, once; it is no longer watched."""
        if self.report is None or not self.report.phase.is_end:
            return None
        ended, self.report = self.report, None
        self._cancel_reason = AT_DEVICE
        return ended

    # -- what the firmware says ---------------------------------------------------------------------------

    def hear(self, reply: Reply) -> None:
        """Learn from one reply."""
        match reply:
            case FileOpened():
                self._opened(reply)
            case FileSelected():
                self._is_selected = self._name is not None
                if self._is_starting:
                    self._started()
            case SdStatus():
                self._status(reply.position, reply.size)
            case NotSdPrinting():
                self._not_printing()
            case DonePrinting():
                self._done()
            case Action():
                self._action(reply.name)
            case Echo() if reply.text.startswith('enqueueing "M24'):
                self._is_starting = True  # said before the file is opened
            case _:
                pass

    def _opened(self, opened: FileOpened) -> None:
        if self.is_printing and opened.name != self.report_name:
            self._end(PrintPhase.CANCELED, AT_DEVICE, f"{opened.name} was opened in its place.")
        self._name, self._size = opened.name, opened.size
        self._position = None
        self._is_done = False
        self._is_selected = False

    @property
    def report_name(self) -> str | None:
        """Name of the watched print."""
        return self.report.name if self.report else None

    def _status(self, position: int, size: int) -> None:
        before, self._position = self._position, position
        was_first, self._is_first_word = self._is_first_word, False
        self._size = size
        if was_first:
            self._cancel_reason = AT_DEVICE  # what was asked of it on an earlier connection did not end it
            self.may_be_finishing = position == size > 0
        if self._is_done:
            if position >= size:
                return
            self._is_done = False
        if self.report is None:
            came_in_the_middle = was_first and 0 < position < size
            if came_in_the_middle or (before is not None and position > before):
                self._started()
        if self.report is not None and not self.report.phase.is_end:
            self._advance(position, size)

    def _advance(self, position: int, size: int) -> None:
        assert self.report is not None
        progress = min(1.0, position / size) if size else None
        self.report = replace(self.report, position=position, size=size, progress=progress)
        if self.report.phase is PrintPhase.PAUSED:
            self._reports_paused = True
            if self._paused_at is None:
                self._paused_at = position
            elif position > self._paused_at:
                self._printing()
        elif self.report.phase is PrintPhase.HELD:
            self._printing()

    def _not_printing(self) -> None:
        was_first, self._is_first_word = self._is_first_word, False
        self._is_known_idle, self.may_be_finishing = True, False
        self._is_done = self._is_selected = self._is_starting = False
        read_all = self._position is not None and self._position == self._size
        self._position = None
        if self.report is None or self.report.phase.is_end or self.report.phase is PrintPhase.HELD:
            return
        is_ours = self._cancel_reason is BY_USER
        if was_first:  # it ended while the link was down
            if is_ours:
                self._end(PrintPhase.CANCELED, BY_USER, None)
            elif read_all:
                self._end(PrintPhase.COMPLETED, None, None)
            else:
                self.report = replace(
                    self.report,
                    phase=PrintPhase.HELD,
                    reason="printer-stopped",
                    message="The print from the card ended while the printer was not connected;"
                    " whether it was finished cannot be told. Look at it, then cancel it here.",
                )
        elif not is_ours and (self.report.phase is not PrintPhase.PAUSED or self._reports_paused):
            self._end(PrintPhase.CANCELED, AT_DEVICE, None)

    def _done(self) -> None:
        if self.report is None and not self._is_known_idle:
            self._is_selected = True
            self._started()  # we came behind its last line
        self._is_done = self._is_known_idle = True
        self._is_selected = self._is_starting = self.may_be_finishing = False
        if self.report is None or self.report.phase.is_end:
            return
        size = self._size
        self.report = replace(self.report, position=size, size=size, progress=1.0)
        self._end(PrintPhase.COMPLETED, None, None)

    def _action(self, name: str) -> None:
        if name in _RESUME_WORDS:
            if self.is_printing:
                self._printing()
            else:
                self._started()
        elif name in _PAUSE_WORDS and self.is_printing:
            self._pause()
        elif name == "cancel":
            self._reports_paused = True  # the next `Not SD printing` is the end, paused or not

    # -- what the driver did ------------------------------------------------------------------------------

    def pause_taken(self) -> None:
        """The firmware took our M25 and stands."""
        if self.is_printing:
            self._pause()

    def resume_taken(self) -> None:
        """The firmware took our M24."""
        if self.is_printing:
            self._printing()

    def stands_at_end(self) -> None:
        """The firmware, found with its file read to the end, has done everything before our M400."""
        if self.may_be_finishing and self.report is not None and self._position == self._size:
            if self.report.phase is PrintPhase.PRINTING:
                self._done()
        self.may_be_finishing = False

    def give_up(self, key: str) -> bool:
        """A person said how the held print `key` ended. False: there is none."""
        if self.report is None or self.report.key != key or self.report.phase is not PrintPhase.HELD:
            return False
        self.report = None
        return True

    def cancel_asked(self) -> None:
        """We asked for its end: `Not SD printing` is our doing; `cancel_taken` says when it is cold."""
        self._cancel_reason = BY_USER
        self._reports_paused = True

    def cancel_taken(self) -> None:
        """The firmware ended it because we said so."""
        if self.is_printing:
            self._end(PrintPhase.CANCELED, BY_USER, None)

    def connection_began(self) -> None:
        """The next report is the first of a connection."""
        self._is_first_word = True
        self._is_known_idle = self.may_be_finishing = False

    def board_gone(self, message: str) -> None:
        """The board was reset or killed: whatever it printed is over."""
        self._name = self._position = None
        self._is_selected = self._is_done = self._is_starting = False
        if self.is_printing:
            self._end(PrintPhase.FAILED, ABORTED, message)

    # -- phases -------------------------------------------------------------------------------------------

    def _started(self) -> None:
        # `resume` without a selected file, or behind the end of one, is somebody else's.
        if self.report is not None or self._is_done or not (self._is_selected or self._position is not None):
            return
        self._cancel_reason = AT_DEVICE
        self._is_starting = self._reports_paused = False
        self._paused_at = None
        size, position = self._size, self._position or 0
        self.report = PrintReport(
            key=self._new_key(),
            phase=PrintPhase.PRINTING,
            is_local=True,
            origin=Origin.PANEL,  # nobody else reaches its card: this host has its only port
            name=self._name,
            size=size,
            position=position,
            progress=min(1.0, position / size) if size else None,
        )

    def _pause(self) -> None:
        assert self.report is not None
        if self.report.phase is not PrintPhase.PAUSED:
            self._paused_at = None
            self._reports_paused = self._cancel_reason is BY_USER
            self.report = replace(self.report, phase=PrintPhase.PAUSED)

    def _printing(self) -> None:
        assert self.report is not None
        if self.report.phase is not PrintPhase.PRINTING:
            self.report = replace(self.report, phase=PrintPhase.PRINTING, reason=None, message=None)
        self._paused_at = None

    def _end(self, phase: PrintPhase, reason: str | None, message: str | None) -> None:
        assert self.report is not None
        self.report = replace(self.report, phase=phase, reason=reason, message=message)
        self._name = None
