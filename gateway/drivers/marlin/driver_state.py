"""What the parts of the Marlin driver share: one printer's state, its answers and its reports.

`driver.MarlinDriver` adds the life (connect, turn, reconnect); what to do with orders, with what is heard and
with an unfinished print is in modules of their own, which know this class and not that one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from gateway.domain.observations import (
    OrderAnswered,
    OrderProgressed,
    OrderResult,
    PrinterObserved,
    PrintPhase,
    PrintReport,
)
from gateway.domain.orders import RecoverPrint
from gateway.drivers.contract import LineRecord, Sink, UploadMark
from gateway.drivers.marlin import tuning
from gateway.drivers.marlin.file_state import FileReading
from gateway.drivers.marlin.print import HostPrint
from gateway.drivers.marlin.reports import MachineView
from gateway.drivers.marlin.scripts import ScriptQueue
from gateway.drivers.marlin.sd import CardWatch
from gateway.drivers.marlin.session import Clock, Session
from gateway.drivers.marlin.settings import MarlinSettings
from gateway.drivers.marlin.unfinished import Recovery
from gateway.drivers.marlin.upload import Saved, Upload
from gateway.protocol.marlin.card_words import FileList
from gateway.protocol.marlin.link import Link
from gateway.protocol.marlin.profile import Profile, profile_named

#: Seconds between two reports of a print's progress; a change of phase is reported at once.
REPORT_SECONDS = 0.5
#: Seconds after which a snapshot is repeated although nothing changed, for `silent_for`.
REFRESH_SECONDS = 5.0
#: Ended prints kept until they are acknowledged, and acknowledged keys kept against a repeated start.
ENDED_MAX = 64
#: Seconds to the next M112 while the firmware has not said that it halted.
KILL_AGAIN_SECONDS = 1.0


class DriverState:
    """One printer as its driver knows it. What is public is for the driver's other modules."""

    def __init__(
        self,
        printer: str,
        record: LineRecord,
        *,
        monotonic: Clock,
        new_id: Callable[[], str],
        profile: Profile | str | None,
        report_seconds: int,
        settings: MarlinSettings,
        mark: UploadMark,
    ) -> None:
        self.mark = mark
        self.upload: Upload | None = None
        self.listed: FileList | None = None  # the card, behind the deletion of a torn file
        self.uploaded: Saved | None = None  # the last one that was saved
        self.settings = settings
        self.reading: FileReading | None = None  # of the file, for a pause
        self.printer = printer
        self.record = record
        self.clock = monotonic
        self._profile = profile_named(profile) if isinstance(profile, str) else profile
        self._report_seconds = report_seconds
        self._sink: Sink = lambda _: None
        self.session: Session | None = None
        self.view = MachineView(printer)
        self.scripts = ScriptQueue()
        self.card = CardWatch(lambda: f"local-{new_id()}")
        self.print: HostPrint | None = None
        self.held: PrintReport | None = None
        self.ended: dict[str, PrintReport] = {}
        self.finished_keys: dict[str, None] = {}
        self.is_halted = False
        self.card_cancel_pending = False
        self.rebuild: RecoverPrint | None = None  # waits for the link's line numbers
        self.reheat: tuple[str, Mapping[str, float]] = ("", {})  # key of a cooled print, its targets before
        self.cools = False  # the position was lost: heaters off is the first thing that a new link sends
        self.asks_card = False  # a board that has forgotten a held print may be printing from its card
        self.breaks_wait = False  # a wait for a person is in the way of an order
        self.kill_at: float | None = None
        self.kills = self.boots = 0  # M112s of the present emergency stop, and the `start`s behind them
        self.left_alone_until = 0.0  # the printer asked for it
        self.asked_at = 0.0
        self.broke_at = 0.0
        self._reported_at = -REFRESH_SECONDS
        self.is_changed = False
        self.recovery: Recovery | None = None

    def current(self) -> PrintReport | None:
        """The print on the machine, if any."""
        if self.print is not None:
            return self.print.report()
        return self.held or self.card.report

    @property
    def link(self) -> Link | None:
        """The link, once it takes lines."""
        if self.session is None or self.session.is_over or not self.session.link.is_ready:
            return None
        return self.session.link

    def wake(self) -> None:
        """Take a turn: something is done that no byte and no timer tells of."""
        if self.session is not None and not self.session.is_over:
            self.session.turn()

    def why_unavailable(self) -> str:
        """Why the link takes no lines, for people."""
        if self.is_halted:
            return f"The printer has stopped itself ({self.view.message}). Look at it, then reset it."
        return self.view.link_reason or "The printer is not connected."

    def why_receiving(self) -> str | None:
        """Why nothing else can be done while a file goes onto the card, for people."""
        if self.upload is None:
            return None
        return f"The printer is receiving the file {self.upload.order.name}. Abort that, or wait for its end."

    def expect_kill(self) -> None:
        """M112 went out; it goes out again until the firmware says that it halted."""
        if not self.is_halted:
            self.kill_at, self.kills = self.clock() + KILL_AGAIN_SECONDS, 1
            self.boots = 0

    def take_ended_from_card(self) -> None:
        """Keep the end of a print from the card, if it came."""
        ended = self.card.take_ended()
        if ended is not None:
            self.finish(ended)

    def answer(self, order_id: str, result: OrderResult, message: str | None = None) -> None:
        """Answer an order; each exactly once."""
        self._sink(OrderAnswered(self.printer, order_id, result, message))

    def say(self, progress: OrderProgressed) -> None:
        """How far an order has come."""
        self._sink(progress)

    def print_over(self, streamed: HostPrint) -> None:
        """The streamed print has left the driver's hands: it ended, or is held for a person."""
        self.print = None
        report = streamed.report()
        if report.phase is PrintPhase.HELD:
            self.held = report
            self.report(now=True)
        else:
            self.finish(report)

    def finish(self, report: PrintReport) -> None:
        """Keep the end of a print until it is acknowledged."""
        self.ended[report.key] = report
        self.view.stands()
        self.trim()
        self.report(now=True)

    def trim(self) -> None:
        """Keep no more ends than anybody will ask for."""
        for kept in (self.ended, self.finished_keys):
            while len(kept) > ENDED_MAX:
                del kept[next(iter(kept))]

    def snapshot(self) -> PrinterObserved:
        """All that is known now."""
        link = self.session.link if self.session else None
        heard_at = link.heard_at if link else None
        if heard_at is not None:
            self.view.heard_at = heard_at
        upload = self.upload
        observed = self.view.observed(
            self.clock(),
            current=self.current(),
            ended=tuple(self.ended.values()),
            is_halted=self.is_halted,
            is_macro_running=self.scripts.is_macro_running or upload is not None,
        )
        if self.link is not None and (line := self.scripts.line_under_way(self.link)) is not None:
            observed = replace(observed, temperatures=tuning.shown(observed.temperatures, line))
        return observed if upload is None else replace(observed, message=upload.words, is_receiving=True)

    def new_link(self, *, is_halted: bool = False) -> Link:
        """The link of a new connection, or of a board that has booted."""
        return Link(
            self.clock(),
            profile=self._profile,
            may_number=self.held is None,
            is_halted=is_halted,
            may_be_saving=self.mark.left() is not None,
            report_seconds=self._report_seconds,
        )

    def report(self, *, now: bool = False) -> None:
        """Send a snapshot: at once, or when the last one is old enough."""
        at = self.clock()
        age = at - self._reported_at
        if now or (self.is_changed and age >= REPORT_SECONDS) or age >= REFRESH_SECONDS:
            self._reported_at, self.is_changed = at, False
            self._sink(self.snapshot())
