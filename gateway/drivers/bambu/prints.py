"""What is on one printer: the print that is current, and those that ended. No I/O, no clock.

    the printer is       the print on record                      then
    active               the one it shows (`_known`)              follows the state
                         another one, or none                     that one is given up; a new local one
    at rest              the one it shows, or was watched to show  over: FINISH completed; FAILED failed, or
                                                                  canceled by its code; IDLE canceled, after a
                                                                  moment
                         unwatched, and IDLE or another one       held: how it ended, nobody saw
                         none, unwatched, FINISH or FAILED        ended before anybody looked: a local print,
                         of a print nobody knows                  once it was shown for LINGER_SECONDS

"Watched" means: on this connection, from state to state. Prints of the former process are looked for in the
first full state; what it shows of them is believed (`begin`).
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from typing import Final

from gateway.domain.observations import Origin, PrintPhase, PrintReport
from gateway.drivers.bambu.keys import Keys
from gateway.drivers.bambu.one_print import ORIGINS, Print, trouble
from gateway.drivers.bambu.print_file import ENDINGS
from gateway.drivers.left import LeftPrint, mark_number
from gateway.protocol.bambu.codes import CANCELED, is_fault
from gateway.protocol.bambu.confirmation import LINGER_SECONDS
from gateway.protocol.bambu.ladder import whose
from gateway.protocol.bambu.names import job_name
from gateway.protocol.bambu.state import GcodeState, PrinterState

#: Seconds for the reason of a failure, which may come with a later report.
REASON_SECONDS: Final = 5.0
#: Seconds for which IDLE is shown before it is the end of a print: two reports.
IDLE_SECONDS: Final = 5.0
#: Ends kept until they are acknowledged, and starts nobody saw arrive: a machine prints a dozen a day.
KEPT: Final = 64
#: What a printer shows of a print before it runs.
BEGINNINGS: Final = frozenset({GcodeState.SLICING, GcodeState.PREPARE})
NOT_SEEN: Final = "it ended, or was replaced, while the gateway could not see the printer"
REPLACED: Final = "another print was started on the printer, which ended this one"
NO_REASON: Final = "the printer says that it failed, and not why"

G = GcodeState
P = PrintPhase


class Prints:
    """Of one printer."""

    def __init__(self, printer: str, new_id: Callable[[], str]) -> None:
        self.keys = Keys(printer, new_id)
        self.current: Print | None = None
        self.ended: OrderedDict[str, PrintReport] = OrderedDict()  # by key, until acknowledged
        self._doubted: OrderedDict[int, Print] = OrderedDict()  # by mark: starts nobody saw arrive
        self._passing: list[PrintReport] = []  # to be told once, before the current one
        self._over: OrderedDict[str, None] = OrderedDict()  # keys
        self._removable: list[str] = []  # files on the printer whose print is over
        self._last_shown: tuple[str | None, str | None] | None = None  # of the last end that is known
        self._question: tuple[PrinterState, float] | None = None  # an end nobody saw, and since when

    # -- what the former process left ---------------------------------------------------------------------

    def begin(self, left: Sequence[LeftPrint], over: Collection[str] | None) -> Print | None:
        """What was on the printer when the former process ended. Returns the start that has no proof yet.

        A print that somebody was asked to look at is believed again as soon as the printer shows it.
        """
        self.keys.remember(over)
        unproven = None
        for each in sorted(left, key=lambda one: one.is_held):
            known = _left_print(each)
            if known.is_local or each.phase not in (None, P.STARTING):
                self._put_back(known)
            elif unproven is None and not each.is_held:
                unproven = known
            else:
                self.doubt(known)
        return unproven

    def _put_back(self, known: Print) -> None:
        if self.current is None:
            self.current = known
        elif known.mark is not None:
            self.doubt(known)

    # -- looking ------------------------------------------------------------------------------------------

    def is_over(self, key: str) -> bool:
        """Whether this print ended, as far as this process remembers."""
        return key in self._over

    def is_doubted(self, key: str) -> bool:
        """Whether its start was sent, and nobody saw it arrive."""
        return any(each.key == key for each in self._doubted.values())

    def may_be_again(self, state: PrinterState) -> bool:
        """Whether the end that is shown may be that of a second print of a file, which looks like the first.

        Prints with an id are told apart; files of the gateway's own are gone when their print is over.
        """
        is_bare = state.native_id is None and state.name is not None and state.mark is None
        is_end = state.gcode_state in (G.FINISH, G.FAILED)
        return is_bare and is_end and self.current is None and self._question is None

    @property
    def has_question(self) -> bool:
        """Whether the printer shows the end of a print that nobody knows: its part lies on the plate."""
        return self._question is not None

    @property
    def deadline(self) -> float:
        """When the state is to be followed again, if it has not changed."""
        failed = self.current.failed_since if self.current is not None else None
        reason = math.inf if failed is None else failed + REASON_SECONDS
        idle = self.current.idle_since if self.current is not None else None
        reason = min(reason, math.inf if idle is None else idle + IDLE_SECONDS)
        asked = math.inf if self._question is None else self._question[1] + LINGER_SECONDS
        return min(reason, asked)

    def take_passing(self) -> list[PrintReport]:
        """Reports of prints that are not current any more, to be told once."""
        passing, self._passing = self._passing, []
        return passing

    # -- changing -----------------------------------------------------------------------------------------

    def doubt(self, start: Print) -> None:
        """This start was sent; it is on the printer as soon as the printer shows it."""
        assert start.mark is not None
        self._doubted[start.mark] = start
        while len(self._doubted) > KEPT:
            self._doubted.popitem(last=False)

    def drop(self, start: Print) -> None:
        """It was refused: it never was."""
        if start.mark is not None:
            self._doubted.pop(start.mark, None)

    def acknowledge(self, key: str) -> None:
        """The engine has its end, or a person said how it ended."""
        self.ended.pop(key, None)
        self._is_over_now(key)
        for each in [each for each in self._doubted.values() if each.key == key]:
            self._removable += files_of(each)
            self.drop(each)
        if self.current is not None and self.current.key == key:
            self._leave(self.current)

    def end(self, known: Print, phase: PrintPhase, message: str | None = None, error: int = 0) -> None:
        """It is over; repeated until it is acknowledged."""
        self._leave(known)
        self.ended[known.key] = known.report(phase, message, error)
        while len(self.ended) > KEPT:
            self.ended.popitem(last=False)

    def _leave(self, known: Print) -> None:
        if known.file_on_printer is not None:
            self._removable.append(known.file_on_printer)
        self._is_over_now(known.key)
        self.drop(known)
        if self.current is known:
            self.current = None

    def _is_over_now(self, key: str) -> None:
        """No other print gets this key: the engine takes reports of ended ones for late words."""
        self._over[key] = None
        self.keys.ended(key)
        while len(self._over) > 4 * KEPT:
            self._over.popitem(last=False)

    # -- hearing ------------------------------------------------------------------------------------------

    def follow(
        self, state: PrinterState, now: float, *, is_first: bool, has_reply: bool, expected: int | None
    ) -> None:
        """A state of the printer; `is_first`: on this connection. `has_reply`: see the ladder.

        `expected`: mark of a start that is being confirmed; what its end means, its confirmation says.
        """
        self._settle_question(state)
        if state.is_active:
            self._give_no_reason()
            known = self._known(state, is_first) or self._new(state, has_reply)
            self._is_on_machine(known, is_watched=not is_first)
            known.follow(state)
            self._last_shown = None
        elif state.is_resting:
            if self.current is not None:
                self._rest(self.current, state, now, is_first)
            if expected is None or not state.is_marked(expected):
                self._ask(state, now, is_first)
        else:
            if now >= self.deadline:
                self._give_no_reason()
            if self.current is not None:
                self.current.idle_since = None

    def _known(self, state: PrinterState, is_first: bool) -> Print | None:
        """The print on record that an active printer shows; None: another one."""
        for each in (self.current, *self._doubted.values()):
            if each is not None and each.mark is not None and state.is_marked(each.mark):
                return each
        present = self.current
        if present is None or not self._may_be(present, state):
            return None
        if not is_first and present.is_seen and present.phase is not P.HELD:
            return present
        return present if self._is_same_unwatched(present, state) else None

    def _may_be(self, present: Print, state: PrinterState) -> bool:
        """Whether nothing says that the printer has another print: an id that changed, one that begins."""
        before = str(present.mark) if present.mark is not None else present.native_id
        if before is not None and before == state.native_id:
            return True
        if state.gcode_state in BEGINNINGS and present.is_seen and present.phase in (P.PRINTING, P.PAUSED):
            return False  # no print that runs is prepared again
        if state.native_id is None:
            return True
        return before is None and (present.phase is P.STARTING or not present.is_seen)

    def _is_same_unwatched(self, present: Print, state: PrinterState) -> bool:
        """Whether this is the print that was here before nobody watched."""
        if present.mark is not None:
            return False  # its mark is not shown
        if present.native_id is not None:
            return present.native_id == state.native_id
        if present.key == self.keys.of(state):
            return True
        is_further = (state.percent or 0) >= 100 * (present.progress or 0) - 1
        return present.file_name is not None and present.file_name == state.name and is_further

    def _new(self, state: PrinterState, has_reply: bool) -> Print:
        """Nobody ordered it."""
        origin = whose(has_mark=False, has_reply=has_reply, print_type=state.print_type)
        key = self.keys.of(state)
        return Print(key, True, None, None, P.STARTING, file_name=state.name, origin=ORIGINS[origin])

    def _is_on_machine(self, known: Print, *, is_watched: bool) -> None:
        present = self.current
        if present is not None and present is not known:
            if is_watched and present.is_seen and present.phase is not P.HELD:
                self.end(present, P.CANCELED, REPLACED)
            else:
                self._hold(present)
                self._passing.append(present.report(P.HELD, present.message))
                self._put_back_in_doubt(present)
        self.drop(known)
        self.current = known

    def _put_back_in_doubt(self, present: Print) -> None:
        if present.mark is not None:
            self.doubt(present)

    def _give_no_reason(self) -> None:
        """The printer is active again, and never said why the print before failed."""
        present = self.current
        if present is not None and present.failed_since is not None:
            self.end(present, P.FAILED, NO_REASON)

    # -- ends ---------------------------------------------------------------------------------------------

    def _rest(self, present: Print, state: PrinterState, now: float, is_first: bool) -> None:
        """The printer is at rest; so its print is over."""
        is_watched = present.is_seen and not is_first and self._may_be(present, state)
        if not is_watched and not self._is_end_of(present, state):
            self._hold(present)
        elif present.phase is P.HELD and is_watched:
            pass  # a person decides
        elif state.gcode_state is G.FINISH:
            self._ended(present, P.COMPLETED, state)
        elif state.gcode_state is G.IDLE:
            self._idle(present, state, now)
        else:
            self._failed(present, state, now)

    def _is_end_of(self, present: Print, state: PrinterState) -> bool:
        """Whether the end that is shown is that of a print that was not watched to its end."""
        if state.gcode_state is G.IDLE:
            return False
        if present.mark is not None:
            return state.is_marked(present.mark)
        if present.native_id is not None or state.native_id is not None:
            return state.native_id is not None and (
                present.native_id == state.native_id or present.key == self.keys.first(state)
            )
        return present.key == self.keys.of(state) or present.file_name == state.name

    def _idle(self, present: Print, state: PrinterState, now: float) -> None:
        """Some firmware shows a cancel like that; a moment of it in mid-print is none."""
        present.idle_since = now if present.idle_since is None else present.idle_since
        is_cancel = present.is_stop_taken or state.print_error in CANCELED
        if is_cancel or now >= present.idle_since + IDLE_SECONDS:
            self._ended(present, P.CANCELED, state)

    def _failed(self, present: Print, state: PrinterState, now: float) -> None:
        is_fatal = is_fault(state.print_error)
        if state.print_error in CANCELED or (present.is_stop_taken and not is_fatal):
            self._ended(present, P.CANCELED, state)
            return
        present.failed_since = now if present.failed_since is None else present.failed_since
        if is_fatal or now >= present.failed_since + REASON_SECONDS:
            self._ended(present, P.FAILED, state)

    def ended_by(self, start: Print, state: PrinterState) -> None:
        """A start of ours is over, and nobody saw it run."""
        start.is_seen = True
        self._end_as_shown(start, state)

    def _end_as_shown(self, known: Print, state: PrinterState) -> None:
        if state.gcode_state is G.FINISH:
            self._ended(known, P.COMPLETED, state)
        elif state.print_error in CANCELED:
            self._ended(known, P.CANCELED, state)
        else:
            self._ended(known, P.FAILED, state)

    def _ended(self, present: Print, phase: PrintPhase, state: PrinterState) -> None:
        if phase is P.COMPLETED:
            present.progress = 1.0
        present.details.pop("stage", None)
        present.details.pop("seconds_left", None)
        message = (trouble(state) or NO_REASON) if phase is P.FAILED else None
        error = state.print_error if phase is P.FAILED else 0
        self._last_shown = state.shown
        self.end(present, phase, message, error)

    def _hold(self, present: Print) -> None:
        if present.phase is not P.HELD:
            present.phase, present.message = P.HELD, NOT_SEEN
        present.failed_since = present.idle_since = None

    # -- ends that nobody saw -----------------------------------------------------------------------------

    def _ask(self, state: PrinterState, now: float, is_first: bool) -> None:
        """A print that began and ended while nobody looked, and is shown still."""
        if is_first and self.current is None and self._is_unknown_end(state):
            self._question = state, now
            return
        if self._question is not None and now >= self._question[1] + LINGER_SECONDS:
            self._question = None
            self._ended_unseen(state)

    def _settle_question(self, state: PrinterState) -> None:
        """Whatever else is shown: the print whose end was shown is over. It goes on: that was not its end."""
        if self._question is None:
            return
        asked, _ = self._question
        is_it = state.shown == asked.shown
        if is_it and state.is_active:
            self._question = None
        elif not is_it or state.gcode_state is not asked.gcode_state:
            self._question = None
            self._ended_unseen(asked)

    def _is_unknown_end(self, state: PrinterState) -> bool:
        if state.gcode_state not in (G.FINISH, G.FAILED) or state.shown == (None, None):
            return False
        if self._doubted_of(state) is not None:
            return True
        if state.is_a_gateways:
            return False  # a job's; its end was told when it came
        return state.shown != self._last_shown and not self.keys.is_told(state)

    def _doubted_of(self, state: PrinterState) -> Print | None:
        return next((each for mark, each in self._doubted.items() if state.is_marked(mark)), None)

    def _ended_unseen(self, state: PrinterState) -> None:
        doubted = self._doubted_of(state)
        key = self.keys.first(state)
        local = Print(key, True, None, None, None, file_name=state.name, origin=Origin.UNKNOWN)
        self._end_as_shown(doubted or local, state)

    def take_removable(self) -> list[str]:
        """Files that were put on the printer for prints that are over.

        P1S and A1 were seen to start what they find on their card when they are switched on (bambuddy #374).
        """
        removable, self._removable = self._removable, []
        return removable


def _left_print(left: LeftPrint) -> Print:
    return Print(
        key=left.key,
        is_local=left.is_local,
        mark=None if left.is_local else mark_number(left.key),
        name=left.name,
        phase=left.phase,
        file_name=left.file_name if left.is_local else None,
        progress=left.progress,
        message=left.message,
    )


def files_of(start: Print) -> list[str]:
    """Under which names its file may be on the printer: a former process knew its kind."""
    if start.file_on_printer is not None or start.mark is None:
        return [] if start.file_on_printer is None else [start.file_on_printer]
    return [job_name(start.name or "", start.mark) + ending for ending in ENDINGS]
