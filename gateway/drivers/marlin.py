"""The driver of one Marlin-like printer on a serial line.

Three parts do the work, and this file joins them: a `HostPrint` (a print streamed from here), a `CardWatch`
(prints from the printer's own card) and a `ScriptQueue` (macros, card orders, questions). What comes from
above is in `marlin_orders`, what comes from the machine in `marlin_hearing`. A `Session` carries the bytes;
when it ends, the driver opens the next one with growing waits.

After every event the driver takes one *turn*: read what the firmware said, hand over lines, send, report.

A print that a former host left unfinished (its line record is open) is reported as held while
`marlin_recovery` asks the firmware where it stands; it goes on, or stays held until somebody cancels it.
Until then nothing that moves, heats or touches the firmware's line number is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.domain.observations import (
    LinkState,
    OrderAnswered,
    OrderResult,
    PrinterObserved,
    PrintReport,
)
from gateway.domain.orders import (
    Acknowledge,
    CancelPrint,
    EmergencyStop,
    Order,
    PausePrint,
    ResumePrint,
    SendGcode,
    StartPrint,
)
from gateway.drivers import marlin_hearing, marlin_orders, marlin_recovery
from gateway.drivers.contract import LineRecord, Sink
from gateway.drivers.marlin_print import HostPrint
from gateway.drivers.marlin_recovery import Recovery
from gateway.drivers.marlin_reports import MachineView
from gateway.drivers.marlin_scripts import Script, ScriptQueue
from gateway.drivers.marlin_sd import CardWatch
from gateway.drivers.marlin_session import Clock, Session
from gateway.protocol.marlin.link import Link
from gateway.protocol.marlin.link_states import NUMBERED_PHASES, LinkPhase
from gateway.protocol.marlin.profile import Profile, profile_named
from gateway.transport.port import PortOpener, PortUnavailable

#: Seconds before the first and at most before any new try to open the port: a replugged cable is back within
#: two seconds, a printer that is switched off for the night costs six tries a minute.
RECONNECT_FIRST = 0.5
RECONNECT_LIMIT = 10.0
#: Seconds between two reports of a print's progress; a change of phase is reported at once.
REPORT_SECONDS = 0.5
#: Seconds after which a snapshot is repeated although nothing changed, for `silent_for`.
REFRESH_SECONDS = 5.0
#: Ended prints kept until they are acknowledged, and acknowledged keys kept against a repeated start.
ENDED_MAX = 64
#: Seconds to the next M112 while the firmware has not said that it halted.
KILL_AGAIN_SECONDS = 1.0


class MarlinDriver:
    """Implements `contract.Driver` for Marlin and its relatives."""

    def __init__(
        self,
        printer: str,
        open_port: PortOpener,
        record: LineRecord,
        *,
        monotonic: Clock,
        new_id: Callable[[], str],
        profile: Profile | str | None = None,
        report_seconds: int = 2,
        heartbeat: float = 10.0,
    ) -> None:
        """`monotonic`: a clock in seconds. `new_id`: a fresh UUID, for keys of local prints.

        `profile` (or its name) overrides the choice by firmware name. `report_seconds`: period of the
        temperature and card reports asked of the firmware, and of polling where it has none. `heartbeat`:
        seconds between the numbered questions that prove the lines of a print.
        """
        self._printer = printer
        self._open_port = open_port
        self.record = record
        self.clock = monotonic
        self._profile = profile_named(profile) if isinstance(profile, str) else profile
        self._report_seconds = report_seconds
        self._heartbeat = heartbeat
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
        self.breaks_wait = False  # a wait for a person is in the way of an order
        self.kill_at: float | None = None
        self.asked_at = 0.0
        self.broke_at = 0.0
        self._reported_at = -REFRESH_SECONDS
        self.is_changed = False
        self._phase_reported: tuple[object, ...] = ()
        self.recovery: Recovery | None = None
        marlin_recovery.take_over(self, marlin_recovery.DIED)

    # -- contract.Driver ----------------------------------------------------------------------------------

    @property
    def printer(self) -> str:
        """The printer's name in the configuration."""
        return self._printer

    async def run(self, sink: Sink) -> None:
        """Connect, observe, reconnect; until cancelled. Cancelling leaves the machine as it is."""
        self._sink = sink
        try:
            await self._stay_connected()
        finally:
            if self.print is not None:
                self.print.let_go()
            if self.recovery is not None:
                self.recovery.let_go()

    async def _stay_connected(self) -> None:
        wait = RECONNECT_FIRST
        while True:
            self.view.link, self.view.link_reason = LinkState.CONNECTING, None
            self.is_halted = False
            self.report(now=True)
            reason = await self._one_connection()
            wait = RECONNECT_FIRST if self.view.was_up else min(2 * wait, RECONNECT_LIMIT)
            self.view.went_down(reason)
            self.report(now=True)
            await asyncio.sleep(wait)

    def submit(self, order: Order) -> None:
        """Take an order; the answer goes to the sink."""
        match order:
            case StartPrint():
                marlin_orders.start(self, order)
            case PausePrint():
                marlin_orders.pause(self, order)
            case ResumePrint():
                marlin_orders.resume(self, order)
            case CancelPrint():
                marlin_orders.cancel(self, order)
            case EmergencyStop():
                marlin_orders.emergency_stop(self, order)
            case SendGcode():
                marlin_orders.send_gcode(self, order)
            case Acknowledge():
                marlin_orders.acknowledge(self, order)
        if self.session is not None:
            self.session.turn()

    def snapshot(self) -> PrinterObserved:
        """All that is known now."""
        link = self.session.link if self.session else None
        heard_at = link.heard_at if link else None
        if heard_at is not None:
            self.view.heard_at = heard_at
        return self.view.observed(
            self.clock(),
            current=self.current(),
            ended=tuple(self.ended.values()),
            is_halted=self.is_halted,
            is_macro_running=self.scripts.is_macro_running,
        )

    # -- what is on the machine ---------------------------------------------------------------------------

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

    def expect_kill(self) -> None:
        """M112 went out; it goes out again until the firmware says that it halted."""
        if not self.is_halted:
            self.kill_at = self.clock() + KILL_AGAIN_SECONDS

    def take_ended_from_card(self) -> None:
        """Keep the end of a print from the card, if it came."""
        ended = self.card.take_ended()
        if ended is not None:
            self.finish(ended)

    def answer(self, order_id: str, result: OrderResult, message: str | None = None) -> None:
        """Answer an order; each exactly once."""
        self._sink(OrderAnswered(self._printer, order_id, result, message))

    def finish(self, report: PrintReport) -> None:
        """Keep the end of a print until it is acknowledged."""
        self.ended[report.key] = report
        self.view.stands()
        self.trim()
        self.report(now=True)

    def trim(self) -> None:
        for kept in (self.ended, self.finished_keys):
            while len(kept) > ENDED_MAX:
                del kept[next(iter(kept))]

    # -- one connection -----------------------------------------------------------------------------------

    async def _one_connection(self) -> str:
        self.view.was_up = False
        link = self.new_link()
        session = Session(link, self.clock, self._turn)
        try:
            session.port = await self._open_port(session)
        except PortUnavailable as error:
            return str(error)
        self.session = session
        self.card.connection_began()
        session.turn()
        try:
            return await self._until_over(session)
        except asyncio.CancelledError:
            await session.flushed()
            raise
        finally:
            self.session = None
            session.close()

    async def _until_over(self, session: Session) -> str:
        reason = await session.over()
        if session.link.failure is None:
            marlin_hearing.connection_lost(self, reason)
        return reason

    def new_link(self, *, is_halted: bool = False) -> Link:
        return Link(
            self.clock(),
            profile=self._profile,
            may_number=self.held is None,
            is_halted=is_halted,
            report_seconds=self._report_seconds,
        )

    def _turn(self) -> None:
        """React to whatever happened, hand over lines, send, report."""
        session = self.session
        if session is None or session.is_over:
            return
        now = self.clock()
        link = session.link
        while (event := link.next_event()) is not None:
            marlin_hearing.hear(self, event, link, now)
            if session.link is not link or session.is_over:
                break
        link = session.link
        if self.recovery is not None and link.is_ready:
            marlin_recovery.turn(self, self.recovery, link, now)
        if link.is_ready:
            self._feed(link, now)
        self._kill_again(link, now)
        session.pump()
        self.report()
        self._arm(session, now)

    def _feed(self, link: Link, now: float) -> None:
        streamed = self.print
        if streamed is not None:
            phase_changed = streamed.observe(link)
            if now - self.asked_at >= self._heartbeat:
                self.asked_at = now
                streamed.add_heartbeat()
            streamed.feed(link)
            self.record.alive(now)
            self.is_changed = True
            if streamed.is_over:
                marlin_hearing.print_over(self, streamed)
            elif phase_changed:
                self.report(now=True)
        else:
            if now - self.asked_at >= self._report_seconds:
                self._ask(link, now)
            if link.phase in NUMBERED_PHASES:
                self.scripts.feed(link)

    def _ask(self, link: Link, now: float) -> None:
        """Poll what the firmware does not report by itself; keep an idle line alive."""
        self.asked_at = now
        if link.phase is LinkPhase.ASKING:
            if link.is_idle:
                link.ask("M105")
            return
        if not self.scripts.is_empty or self.recovery is not None:
            return
        wanted: tuple[str, ...] = ()
        if not self.view.reports_temperatures or now - (link.heard_at or 0.0) >= self._report_seconds * 2:
            wanted = ("M105",)
        if link.profile.sd_card and not self.view.reports_card:
            wanted = (*wanted, "M27")
        if wanted:
            self.scripts.add(Script(wanted))

    def _arm(self, session: Session, now: float) -> None:
        due = now + REFRESH_SECONDS
        if session.link.is_ready:
            period = self._heartbeat if self.print is not None else float(self._report_seconds)
            due = min(due, max(self.asked_at + period, now + 0.05))
        if self.is_changed:
            due = min(due, max(self._reported_at + REPORT_SECONDS, now + 0.01))
        deadline = session.link.deadline()
        if deadline is not None and deadline < due:
            due = deadline
        if self.kill_at is not None:
            due = min(due, self.kill_at)
        session.arm(due)

    def _kill_again(self, link: Link, now: float) -> None:
        """An emergency stop is repeated until the firmware says that it halted."""
        if self.kill_at is not None and now >= self.kill_at:
            self.kill_at = now + KILL_AGAIN_SECONDS
            link.send_emergency("M112")

    # -- reports ------------------------------------------------------------------------------------------

    def report(self, *, now: bool = False) -> None:
        """Send a snapshot: at once, or when the last one is old enough."""
        at = self.clock()
        age = at - self._reported_at
        if now or (self.is_changed and age >= REPORT_SECONDS) or age >= REFRESH_SECONDS:
            self._reported_at, self.is_changed = at, False
            self._sink(self.snapshot())
