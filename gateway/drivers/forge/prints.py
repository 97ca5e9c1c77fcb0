"""What is on one printer's machine, as far as its posts prove it.

A print is known from the moment its start goes out (no phase yet: nothing is proven), or from the post that
names it first. It stays until its end is heard, or somebody gives it up (Acknowledge):

    a post names it, with a word for it           words.FOLLOWS
    `ready`, without it, for LOST_SECONDS         held: its end was missed, a person must look
    `ready`, without it, a cancel acknowledged    canceled
    a word about one that is over                 ignored: late, or said again
    GOES_ON_SECONDS of nothing but such words     a print of its own: the machine runs it, whoever ended it

A print that nobody ordered is taken up when its id has `local_`, or when both printer_status and job_status
say that the machine runs it: an id alone is not believed, it may be another printer's or a finished job's.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.domain.observations import Activity, PrintPhase, PrintReport
from gateway.drivers.forge.names import ident_of, is_local_id, is_uuid, local_key
from gateway.drivers.forge.words import FOLLOWS, PHASE_OF_ACTIVITY, RUNNING, Word, failure_text

#: Seconds of `ready` posts that do not name a running print, until a person is asked to look.
LOST_SECONDS: Final = 60.0
#: Seconds of status posts that say a print runs that is over, until that is believed. Late posts come within
#: some seconds, and a machine that goes on must be seen, so that somebody can stop it.
GOES_ON_SECONDS: Final = 60.0
#: Prints of one printer that are not over: one runs; the others are starts in doubt, and held ones.
KNOWN_MAX: Final = 16
#: Ends kept until they are acknowledged, and prints remembered as over against late posts.
OVER_KEPT: Final = 64

_NOT_BEGUN: Final = (None, PrintPhase.STARTING)
LOST: Final = (
    "the printer is ready and did not say how this print ended: look at the part, then say how it ended"
)
GOES_ON: Final = "the printer goes on with this print, which was said to be over: look, or cancel it"


@dataclass(slots=True)
class Print:
    """One print that is not over."""

    ident: str  # what is compared: names.ident_of
    key: str
    wire_id: str | None  # as the printer calls it; None: it gives it no name
    is_local: bool
    phase: PrintPhase | None = None  # None: no proof that the printer has it
    name: str | None = None
    progress: float | None = None  # 0..1
    details: Mapping[str, Any] | None = None
    job_data: Mapping[str, Any] | None = None  # that it was announced with
    message: str | None = None
    remark: str | None = None  # for people, while there is no message
    lost_since: float | None = None  # monotonic seconds
    is_cancel_done: bool = False  # the printer acknowledged a cancel of it
    orders: list[str] = field(default_factory=list)  # starts that wait for their proof
    deadline: float | None = None  # of that proof, monotonic seconds
    message_id: str | None = None  # of its start, until it is known what became of that
    is_recalled: bool = False  # that message was taken back, as far as it had not left
    is_called_off: bool = False  # its cancel came first: what never left does not go out again
    cancels: list[str] = field(default_factory=list)  # orders that wait for the fate of that message

    @property
    def named(self) -> Mapping[str, str]:
        """How a command about it names it; nothing where the printer gives it no name."""
        return {} if self.wire_id is None else {"job_id": self.wire_id}

    def report(self, phase: PrintPhase, *, error_code: int | None = None) -> PrintReport:
        """What the engine is told of it."""
        is_known_id = self.is_local and is_local_id(self.wire_id or "") and is_uuid(self.ident)
        return PrintReport(
            key=self.key,
            phase=phase,
            is_local=self.is_local,
            name=self.name or (f"print {self.ident[:8]}" if self.is_local else None),
            progress=self.progress,
            message=self.message or self.remark,
            job_id=self.ident if is_known_id else None,
            details=self.details,
            job_data=self.job_data,
            error_code=error_code,
        )

    def take(self, word: Word) -> PrintPhase | None:
        """Let a word about it change it; its end, if it is one."""
        self.name = word.name or self.name
        if word.progress is not None:
            self.progress = max(word.progress, self.progress or 0.0)  # a late word takes nothing back
        self.details = word.data or self.details
        is_refused = word.is_refusal and self.phase in _NOT_BEGUN and word.job_status not in RUNNING
        phase = PrintPhase.FAILED if is_refused else word.phase
        if phase is None and self.phase is None:
            phase = PrintPhase.STARTING  # it knows the job, so the start arrived
        if phase is None or phase not in FOLLOWS[self.phase]:
            return None
        is_failed = phase is PrintPhase.FAILED
        self.message = failure_text(word.error_code, word.error_message) if is_failed else None
        self.phase = phase
        return phase if phase.is_end else None


class Prints:
    """The prints of one printer."""

    def __init__(self, printer_id: int, new_id: Callable[[], str]) -> None:
        self._printer_id = printer_id
        self._new_id = new_id
        self._known: OrderedDict[str, Print] = OrderedDict()  # by ident, the newest last
        self._over: OrderedDict[str, str] = OrderedDict()  # ident -> key
        self._current: Print | None = None
        self._nameless_posts = 0
        self._goes_on: tuple[str, float] | None = None  # ident of a print that was over; seen since then
        self.ended: dict[str, PrintReport] = {}  # by key, until acknowledged

    # -- looking ------------------------------------------------------------------------------------------

    @property
    def current(self) -> Print | None:
        """The print on the machine, proven."""
        return self._current

    def report(self) -> PrintReport | None:
        """The print on the machine, as the engine is told of it."""
        now = self._current
        return None if now is None or now.phase is None else now.report(now.phase)

    def by_key(self, key: str) -> Print | None:
        """The print that is not over, with this key."""
        return next((known for known in self._known.values() if known.key == key), None)

    def by_ident(self, ident: str) -> Print | None:
        """The print that is not over, with this id."""
        return self._known.get(ident)

    def is_over(self, key: str) -> bool:
        """Whether this print is remembered as over."""
        return key in self._over.values()

    def unproven(self) -> list[Print]:
        """Starts that wait for their proof."""
        return [known for known in self._known.values() if known.deadline is not None]

    # -- changing -----------------------------------------------------------------------------------------

    def add(self, new: Print) -> None:
        """A start goes out, a print is seen for the first time, or was open before a restart."""
        self._known[new.ident] = new
        if new.phase is not None and self._current is None:
            self._current = new
        while len(self._known) > KNOWN_MAX:
            oldest = next(
                known
                for known in self._known.values()
                if known is not self._current and known.deadline is None
            )
            del self._known[oldest.ident]

    def drop(self, known: Print) -> None:
        """It never was: its start provably left nobody."""
        self._known.pop(known.ident, None)

    def forget(self, key: str) -> None:
        """The engine has its end, or a person has given it up."""
        self.ended.pop(key, None)
        known = self.by_key(key)
        if known is not None:
            self._leave(known)

    def end(self, known: Print, phase: PrintPhase, error_code: int | None = None) -> None:
        """It is over; repeated until it is acknowledged."""
        self._leave(known)
        self.ended[known.key] = known.report(phase, error_code=error_code)
        while len(self.ended) > OVER_KEPT:
            del self.ended[next(iter(self.ended))]

    def _leave(self, known: Print) -> None:
        self._known.pop(known.ident, None)
        self._over[known.ident] = known.key
        while len(self._over) > OVER_KEPT:
            self._over.popitem(last=False)
        if self._current is known:
            self._current = None

    # -- hearing ------------------------------------------------------------------------------------------

    def hear(self, word: Word, now: float) -> Print | None:
        """Let a post change what is known; the print that it names, if that is not over already."""
        named = self._named(word, now)
        if named is not None:
            self._follow(named, word)
        if word.is_status:
            for known in list(self._known.values()):
                self._watch(known, word, named, now)
        return named

    def _follow(self, named: Print, word: Word) -> None:
        end = named.take(word)
        if end is not None:
            self.end(named, end, word.error_code or None if end is PrintPhase.FAILED else None)
        elif named.phase is not None and self._is_on_machine(named):
            self._current = named

    def _is_on_machine(self, named: Print) -> bool:
        """Two prints that are not over: the machine runs the one that is running."""
        present = self._current
        if present is None or present.phase is PrintPhase.HELD:
            return True
        return named.phase in RUNNING

    def _named(self, word: Word, now: float) -> Print | None:
        ident = "" if word.wire_id is None else ident_of(word.wire_id)
        if word.is_status and not (ident in self._over and _is_running(word)):
            self._goes_on = None
        if word.wire_id is None:
            return self._nameless(word)
        self._nameless_posts = 0
        if ident in self._known:
            return self._known[ident]
        if ident in self._over:
            return self._gone_on(ident, word, now) if word.is_status and _is_running(word) else None
        return self._local(ident, word.wire_id) if ident and _is_believed(word) else None

    def _gone_on(self, ident: str, word: Word, now: float) -> Print | None:
        """A print that was over, once the printer has said for long enough that it runs."""
        if self._goes_on is None or self._goes_on[0] != ident:
            self._goes_on = ident, now
        if now - self._goes_on[1] < GOES_ON_SECONDS:
            return None
        self._goes_on = None
        key = local_key(self._printer_id, word.wire_id, ident, again=self._new_id())
        del self._over[ident]
        known = Print(ident, key, word.wire_id, is_local=True, remark=GOES_ON)
        self.add(known)
        return known

    def _nameless(self, word: Word) -> Print | None:
        """A machine that runs something and does not say what: the print that is there, else its own."""
        if not word.is_status or word.activity not in PHASE_OF_ACTIVITY:
            return None
        if self._current is not None:
            return None if self._current.phase is PrintPhase.HELD else self._current
        self._nameless_posts += 1
        if self._nameless_posts < 2 or self.unproven():
            return None  # one may be late; and a start on its way explains it
        self._nameless_posts = 0
        return self._local(self._new_id(), None)

    def _local(self, ident: str, wire_id: str | None) -> Print:
        known = Print(ident, local_key(self._printer_id, wire_id, ident), wire_id, is_local=True)
        self.add(known)
        return known

    def local(self, wire_id: str) -> Print | None:
        """The print that the printer says it started, known from now on; None when it is over."""
        ident = ident_of(wire_id)
        if ident in self._over:
            return None
        return self._known.get(ident) or self._local(ident, wire_id)

    def _watch(self, known: Print, word: Word, named: Print | None, now: float) -> None:
        """Hold a print of which the printer, ready or with another one, says nothing any more."""
        if known.phase is None or known.phase is PrintPhase.HELD:
            return
        is_ready = word.activity is Activity.READY
        if known is named and not (is_ready and word.job_status is None and known.phase in RUNNING):
            known.lost_since = None
            return
        has_other = named is not None and named is not known and named.phase in RUNNING
        if not is_ready and not has_other:
            return
        if known.is_cancel_done:
            self.end(known, PrintPhase.CANCELED)
            return
        known.lost_since = now if known.lost_since is None else known.lost_since
        if now - known.lost_since >= LOST_SECONDS:
            known.phase, known.message, known.lost_since = PrintPhase.HELD, LOST, None


def _is_running(word: Word) -> bool:
    """Whether the printer says in all its words that the print it names runs."""
    return word.activity in PHASE_OF_ACTIVITY and (word.job_status in RUNNING or word.job_status is None)


def _is_believed(word: Word) -> bool:
    """Whether the id of a print that nobody ordered is one."""
    if word.is_proof or not word.is_status:
        return False
    if is_local_id(word.wire_id or ""):
        return word.phase is not None
    return word.job_status in RUNNING and word.activity in PHASE_OF_ACTIVITY
