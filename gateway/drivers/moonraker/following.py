"""Whose print is on the machine, and how each one ended. Sans-I/O; `now` is monotonic seconds.

`follow` hears every fresh answer. What is on the machine is told by print_stats, as judged; who it belongs to
by the mark in the file's name, or by the row of the history; how a print ended that is not there any more, by
the history alone:

    the machine is    with a print known            with none known
    active            the same file: it goes on     whose it is: an open start's, else a row's
    over              the same file: its end        an open start's, or nobody watched: the history
    idle              vanished: the history         nothing
    stopped           FAILED, with Klipper's words  an open start's, else nothing
    gone              FAILED once the history says  nothing
                      that Klipper left it; else HELD

A print is the same one while its file is, and its time only grows: a second print of a file begins at 0.
The history lags behind the machine by up to a second, so it is asked again before it is taken at its word.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from gateway.domain.observations import PrintPhase
from gateway.drivers.left import native_key
from gateway.drivers.moonraker.names import mark_in
from gateway.drivers.moonraker.past import Past
from gateway.drivers.moonraker.prints import Print, local_print, phase_of
from gateway.drivers.moonraker.watch import Watch
from gateway.protocol.moonraker.history import Row, RowEnd
from gateway.protocol.moonraker.judging import Doing, Standing
from gateway.protocol.moonraker.objects import is_moving

#: Seconds that the history may take to know what print_stats says: it listens four times a second.
LAG_SECONDS: Final = 6.0
#: Seconds until it is asked again meanwhile.
AGAIN_SECONDS: Final = 1.0
#: Seconds without Klipper before a print counts as ended, or held: Moonraker finds a living one in two.
GONE_SECONDS: Final = 20.0
#: Seconds a machine may move on after print_stats said complete, cancelled or paused: what was in its queue,
#: or a parking macro.
SETTLE_SECONDS: Final = 15.0
#: Seconds that print_stats may seem to go back: answers are rounded, not late.
SAME_SECONDS: Final = 1.0
#: Keys of prints that are over, so that none of them is started or reported anew.
OVER_KEPT: Final = 256

_VANISHED: Final = "The print is not on the printer any more, and its history does not say how it ended."
_STOPPED: Final = "Klipper stopped the printer: {why} The heaters are off."
_GONE: Final = (
    "Klipper does not run on the printer's host, and nothing tells how far this print is. Look at the"
    " printer."
)


class Following:
    """One printer's prints."""

    def __init__(
        self, printer: str, watch: Watch, new_id: Callable[[], str], on_seen: Callable[[str], None]
    ) -> None:
        """`on_seen`: told the key of a start that is proven to have arrived."""
        self.current: Print | None = None
        self.ended: OrderedDict[str, Print] = OrderedDict()  # by key, until acknowledged
        self.over: OrderedDict[str, None] = OrderedDict()
        self.open_starts: dict[str, Print] = {}  # by mark: sent, and not proven
        self.past = Past()
        self._printer = printer
        self._watch = watch
        self._new_id = new_id
        self._on_seen = on_seen
        self._standing: tuple[Doing, str, float] | None = None
        self._since = 0  # ticket: the history asked behind it knows of this standing
        self._patience = 0.0  # until then the history may lag
        self._gone_at: float | None = None
        self._last_over: tuple[str, float] | None = None  # file and seconds that print_stats ended with
        self._is_over_unseen = False

    # -- what is asked of it ------------------------------------------------------------------------------

    @property
    def is_certain(self) -> bool:
        """Whether all prints up to the present standing are known, as far as the printer tells."""
        return self._standing is not None and self._watch.has_read_since(self._since)

    def lost(self) -> None:
        """The connection is gone: what happens meanwhile is looked up afterwards."""
        self._standing = None

    def end(self, known: Print, phase: PrintPhase, message: str | None = None) -> None:
        """It is over; told until it is acknowledged."""
        known.phase, known.message = phase, message
        self._settle(known)
        if self.current is known:
            self.current = None
        self.ended[known.key] = known
        self._keep_over(known)

    def _keep_over(self, known: Print) -> None:
        self.over[known.key] = None
        self.over.move_to_end(known.key)
        while len(self.over) > OVER_KEPT:
            self.over.popitem(last=False)
        self.past.ended(known)

    def forget(self, key: str) -> Print | None:
        """Acknowledged: an end that was told, or a held print, or an unclear start, that a person gave up."""
        if (ended := self.ended.pop(key, None)) is not None:
            return ended
        mark = next((mark for mark, opened in self.open_starts.items() if opened.key == key), None)
        known = None if mark is None else self.open_starts.pop(mark)
        if self.current is not None and self.current.key == key:
            known, self.current = self.current, None
        if known is not None:
            self._keep_over(known)
        return known

    # -- what the machine says ----------------------------------------------------------------------------

    def follow(self, now: float) -> None:
        """The watch has a fresh answer."""
        standing = self._watch.standing
        self._note(standing, now)
        was_here = self.current
        if standing.doing is not Doing.GONE:
            self._gone_at = None
        if standing.doing is Doing.GONE:
            self._gone(now)
        elif standing.doing is Doing.STOPPED:
            self._stopped(standing, now)
        elif standing.doing.is_active:
            self._active(standing, now)
        elif standing.doing.is_over:
            self._finished(standing, now)
        elif standing.doing is not Doing.BOOTING and self.current is not None:
            self._look_up(self.current, now)
        if standing.doing.is_over:
            self._compare(standing, was_here or self.current)
        self._catch_up(standing, now)

    def take_unseen(self) -> bool:
        """Whether print_stats tells of a print whose end nobody saw; said once.

        The history knows of it as well, unless Moonraker was away too.
        """
        is_unseen, self._is_over_unseen = self._is_over_unseen, False
        return is_unseen

    def _compare(self, standing: Standing, known: Print | None) -> None:
        """print_stats stands still behind an end: another file, or other seconds, were another print."""
        over = (standing.file, round(standing.seconds, 3))
        is_new = self._last_over is not None and over != self._last_over
        self._is_over_unseen |= is_new and (known is None or not known.is_of(standing.file))
        self._last_over = over

    def _note(self, standing: Standing, now: float) -> None:
        """Whether the machine stands otherwise than before: then the history is asked."""
        ended_after = round(standing.seconds, 3) if standing.doing.is_over else 0.0
        noted = (standing.doing, standing.file, ended_after)
        if noted == self._standing:
            return
        self._standing = noted
        self._since = self._watch.ticket()
        self._patience = now + LAG_SECONDS
        self._watch.read_history(now)

    def _active(self, standing: Standing, now: float) -> None:
        current = self.current
        if current is not None and not self._is_same(current, standing) and not self._look_up(current, now):
            return
        if self.current is None and not self._begin(standing, now):
            return
        current = self.current
        assert current is not None
        self._advance(current, standing)
        current.message = None
        if standing.doing is Doing.PAUSED and self._still_moves(current, now):
            return
        current.phase = phase_of(standing.doing)

    def _is_same(self, current: Print, standing: Standing) -> bool:
        """Whether this is the print that was on the machine before."""
        if not current.is_of(standing.file) or standing.seconds + SAME_SECONDS < current.seconds:
            return False
        newest = next(iter(self._watch.rows), None)
        is_read = self._watch.has_read_since(self._since)
        if newest is None or current.row is None or not is_read or newest.end is not RowEnd.RUNNING:
            return True
        return newest.native_id == current.row.native_id

    def _begin(self, standing: Standing, now: float) -> bool:
        """A print is on the machine, and none was known: whose it is. False: the history must tell first."""
        opened = self.open_starts.get(mark_in(standing.file) or "")
        if opened is not None:
            self.current = opened
            opened.file = standing.file
            self._settle(opened)
            return True
        row = self._row_on_machine(standing.file)
        if row is None and not self._watch.has_no_history and not self._is_late(now):
            return False
        key = f"local-{self._new_id()}" if row is None else native_key(self._printer, row.native_id)
        if key in self.over:  # it was given up, and goes on
            key = f"local-{self._new_id()}"
        self.current = local_print(key, standing.file, row)
        return True

    def _row_on_machine(self, file: str) -> Row | None:
        """The row of what is printed now: the newest, unless Moonraker has not noticed yet."""
        newest = next(iter(self._watch.rows), None)
        is_read = self._watch.has_read_since(self._since)
        is_it = is_read and newest is not None and newest.file == file and newest.end.may_go_on
        return newest if is_it else None

    def _finished(self, standing: Standing, now: float) -> None:
        current = self.current
        if current is not None and not self._is_same(current, standing):
            self._look_up(current, now)
            current = self.current
        opened = self.open_starts.get(mark_in(standing.file) or "")
        if current is None and opened is not None:
            current = self.current = opened
            self._settle(opened)
        if current is None or not current.is_of(standing.file):
            return
        self._advance(current, standing)
        phase = phase_of(standing.doing)
        if phase is PrintPhase.FAILED or not self._still_moves(current, now):
            self.end(current, phase, standing.why or None)

    def _stopped(self, standing: Standing, now: float) -> None:
        known = self.current or self.open_starts.get(mark_in(standing.file) or "")
        if known is None:
            return
        if known.is_of(standing.file):
            self.end(known, PrintPhase.FAILED, _STOPPED.format(why=_sentence(standing.why)))
        else:
            self._look_up(known, now)

    def _gone(self, now: float) -> None:
        self._gone_at = now if self._gone_at is None else self._gone_at
        current = self.current
        if current is None or now < self._gone_at + GONE_SECONDS:
            return
        row = self._row_of(current)
        if row is not None and (row.end is RowEnd.DISCONNECTED or not row.end.may_go_on):
            self.end_by(current, row)
        else:
            current.phase, current.message = PrintPhase.HELD, _GONE
            self._watch.read_history_at(now + AGAIN_SECONDS)

    def _advance(self, current: Print, standing: Standing) -> None:
        watch = self._watch
        if current.row is None:
            current.row = self._row_on_machine(current.file)
        self.past.claim(current)
        current.advance(standing, watch.known or {}, watch.estimates.get(current.file))

    def _still_moves(self, current: Print, now: float) -> bool:
        """print_stats speaks of the file: the moves that are in Klipper's queue are made behind its end."""
        if not is_moving(self._watch.known or {}):
            current.moving_since = None
            return False
        current.moving_since = now if current.moving_since is None else current.moving_since
        self._watch.poll_at(now + AGAIN_SECONDS / 2)
        return now < current.moving_since + SETTLE_SECONDS

    # -- what the history says ----------------------------------------------------------------------------

    def _look_up(self, known: Print, now: float) -> bool:
        """It is not on the machine any more: how it ended. False: the history has yet to tell."""
        if known.missed_at is None:
            known.missed_at = now
        row = self._row_of(known)
        if row is not None and row.end is not RowEnd.RUNNING:
            self.end_by(known, row)
        elif self._watch.has_no_history or now >= known.missed_at + LAG_SECONDS:
            self.end(known, PrintPhase.FAILED, _VANISHED)
        else:
            self._watch.read_history_at(now + AGAIN_SECONDS)
            return False
        return True

    def _row_of(self, known: Print) -> Row | None:
        """Its row, by an answer that knows of the present standing."""
        if not self._watch.has_read_since(self._since):
            return None
        rows = self._watch.rows
        if known.row is not None:
            return next((row for row in rows if row.native_id == known.row.native_id), None)
        same = [row for row in rows if known.is_of(row.file)]
        if not same:
            return None
        return same[0] if known.is_local else same[-1]  # a marked file was printed for the gateway first

    def end_by(self, known: Print, row: Row) -> None:
        """It is over, as the history says."""
        known.row = row
        phases = {RowEnd.COMPLETED: PrintPhase.COMPLETED, RowEnd.CANCELED: PrintPhase.CANCELED}
        self.end(known, phases.get(row.end, PrintPhase.FAILED), row.words or None)

    def _catch_up(self, standing: Standing, now: float) -> None:
        """Prints that began and ended while nobody watched."""
        if not self._watch.has_read_since(self._since):
            return
        if standing.doing.is_active and self.current is None:
            self._watch.read_history_at(now + AGAIN_SECONDS)
            return  # the newest row may be what is on the machine
        for row in self.past.unwatched(self._watch.rows, self.open_starts, self.current):
            opened = self.open_starts.get(mark_in(row.file) or "")
            known = opened or local_print(native_key(self._printer, row.native_id), row.file, row)
            if known.key not in self.over:
                self.end_by(known, row)

    def _settle(self, known: Print) -> None:
        """A start is proven, if it was one."""
        for mark, opened in list(self.open_starts.items()):
            if opened is known:
                del self.open_starts[mark]
                self._on_seen(known.key)

    def _is_late(self, now: float) -> bool:
        return now >= self._patience


def _sentence(words: str) -> str:
    return "" if not words else words if words.endswith(".") else f"{words}."
