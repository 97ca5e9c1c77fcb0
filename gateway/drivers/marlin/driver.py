"""The driver of one Marlin-like printer on a serial line.

Three parts do the work, and this file joins them: a `HostPrint` (a print streamed from here), a `CardWatch`
(prints from the printer's own card) and a `ScriptQueue` (macros, card orders, questions). What comes from
above is in `orders`, what comes from the machine in `hearing`, what the end of a link does in `link_ends`. A
`Session` carries the bytes; when it ends, the driver opens the next one with growing waits.

After every event the driver takes one *turn*: read what the firmware said, hand over lines, send, report.

A print that a former host left unfinished (its line record is open) is reported as held while
`recovery` asks the firmware where it stands; it goes on, or stays held until somebody cancels it.
Until then nothing that moves, heats or touches the firmware's line number is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.domain.observations import LinkState
from gateway.domain.orders import Order
from gateway.drivers.contract import LineRecord, Sink, UploadMark
from gateway.drivers.marlin import hearing, link_ends, orders, parking, recovery, upload_orders
from gateway.drivers.marlin.driver_state import (
    KILL_AGAIN_SECONDS,
    REFRESH_SECONDS,
    REPORT_SECONDS,
    DriverState,
)
from gateway.drivers.marlin.scripts import Script
from gateway.drivers.marlin.session import Clock, Session
from gateway.drivers.marlin.settings import MarlinSettings
from gateway.drivers.marlin.speed import SpeedSearch
from gateway.drivers.marlin.upload_mark import MemoryMark
from gateway.protocol.marlin.link import Link
from gateway.protocol.marlin.link_states import NUMBERED_PHASES, LinkPhase
from gateway.protocol.marlin.profile import Profile
from gateway.transport.port import PortOpener, PortUnavailable

#: Seconds before the first and at most before any new try to open the port: a replugged cable is back within
#: two seconds, a printer that is switched off for the night costs six tries a minute.
RECONNECT_FIRST = 0.5
RECONNECT_LIMIT = 10.0

#: Seconds to the next look whether a marker is due, where there were too few lines for one.
MARKER_LOOK_SECONDS = 0.25


class MarlinDriver(DriverState):
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
        settings: MarlinSettings | None = None,
        speeds: SpeedSearch | None = None,
        mark: UploadMark | None = None,
    ) -> None:
        """`monotonic`: a clock in seconds. `new_id`: a fresh UUID, for keys of local prints.

        `profile` (or its name) overrides the choice by firmware name. `report_seconds`: period of the
        temperature and card reports asked of the firmware, and of polling where it has none. `heartbeat`:
        seconds between the numbered questions that prove the lines of a print. `speeds`: whose `open_port` it
        is when the speed of the line is to be found out. `mark`: remembers the file that is being uploaded.
        """
        super().__init__(
            printer,
            record,
            monotonic=monotonic,
            new_id=new_id,
            profile=profile,
            report_seconds=report_seconds,
            settings=settings or MarlinSettings(),
            mark=mark or MemoryMark(),
        )
        self._open_port = open_port
        self._heartbeat = heartbeat
        self._speeds = speeds
        recovery.take_over(self, recovery.DIED)

    # -- contract.Driver ----------------------------------------------------------------------------------

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
            if self.upload is not None:
                self.upload.lines.let_go()

    async def _stay_connected(self) -> None:
        wait = RECONNECT_FIRST
        while True:
            self.view.link, self.view.link_reason = LinkState.CONNECTING, None
            self.is_halted = False
            if self._speeds is not None:
                is_unfinished = self.record.unfinished() is not None
                self.view.link_reason = self._speeds.begin(is_print_unfinished=is_unfinished)
            self.report(now=True)
            reason = await self._one_connection()
            self.view.went_down(reason)
            self.report(now=True)
            if self._speeds is not None and self._speeds.is_searching:
                continue
            wait = RECONNECT_FIRST if self.view.was_up else min(2 * wait, RECONNECT_LIMIT)
            await asyncio.sleep(max(wait, self.left_alone_until - self.clock()))

    def submit(self, order: Order) -> None:
        """Take an order; the answer goes to the sink."""
        orders.take(self, order)
        if self.session is not None:
            self.session.turn()

    # -- one connection -----------------------------------------------------------------------------------

    async def _one_connection(self) -> str:
        self.view.was_up = False
        link = self.new_link()
        session = Session(link, self.clock, self._turn, self._go_on)
        try:
            session.port = await self._open_port(session)
        except PortUnavailable as error:
            return str(error)
        if self._speeds is not None:
            self._speeds.opened(self.clock())
        self.session = session
        self.card.connection_began()
        session.turn()
        try:
            return await self._until_over(session)
        except asyncio.CancelledError:
            upload_orders.leave(self, session)
            await session.flushed()
            raise
        finally:
            self.session = None
            session.close()

    async def _until_over(self, session: Session) -> str:
        reason = await session.over()
        if session.link.failure is None:
            link_ends.connection_lost(self, reason)
        return reason

    def _turn(self) -> None:
        """React to whatever happened, hand over lines, send, report."""
        session = self.session
        if session is None or session.is_over:
            return
        now = self.clock()
        link = session.link
        while (event := link.next_event()) is not None:
            hearing.hear(self, event, link, now)
            if session.link is not link or session.is_over:
                break
        link = session.link
        if self._speeds is not None and (wrong := self._speeds.judge(link, now)) is not None:
            session.end(wrong)
            return
        if self.recovery is not None and link.is_ready:
            recovery.turn(self, self.recovery, link, now)
        if link.is_ready:
            self._feed(link, now)
        self._kill_again(link, now)
        session.pump()
        self.report()
        self._arm(session, now)

    def _go_on(self, now: float) -> bool:
        """Nothing but answers came: the lines of the print go on. False: a whole turn is needed."""
        session, streamed = self.session, self.print
        if session is None or self.recovery is not None:
            return False
        if self.upload is not None:
            return self.upload.go_on(session.link)
        if streamed is None:
            return False
        return streamed.go_on(session.link)

    def _feed(self, link: Link, now: float) -> None:
        streamed = self.print
        if streamed is not None:
            waited = streamed.waits_for_person
            phase_changed = streamed.observe(link, now)
            if waited and not streamed.waits_for_person:
                self.view.prompts.clear()  # not every firmware takes back what has been answered
            age = now - self.asked_at
            if age >= self._heartbeat or link.wants_marker(age):
                self.asked_at = now
                streamed.add_heartbeat()
            parking.turn(self, streamed, link)
            streamed.feed(link)
            self.record.alive(now)
            self.is_changed = True
            if streamed.is_over:
                self.print_over(streamed)
            elif phase_changed:
                self.report(now=True)
        elif self.upload is not None:
            upload_orders.turn(self, self.upload, link, now)
        else:
            if now - self.asked_at >= self._report_seconds:
                self._ask(link, now)
            if link.phase in NUMBERED_PHASES:
                self.scripts.feed(link, now)

    def _ask(self, link: Link, now: float) -> None:
        """Poll what the firmware does not report by itself; keep an idle line alive."""
        self.asked_at = now
        if link.phase is LinkPhase.ASKING:
            if link.is_idle:
                link.ask("M27" if self.asks_card else "M105")
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
            marker_seconds = session.link.marker_seconds
            if self.print is not None and marker_seconds is not None:
                due = min(due, max(self.asked_at + marker_seconds, now + MARKER_LOOK_SECONDS))
        if self.is_changed:
            due = min(due, max(self._reported_at + REPORT_SECONDS, now + 0.01))
        deadline = session.link.deadline()
        if deadline is not None and deadline < due:
            due = deadline
        if self.kill_at is not None:
            due = min(due, self.kill_at)
        if self._speeds is not None and (decided := self._speeds.deadline) is not None:
            due = min(due, decided)
        session.arm(due)

    def _kill_again(self, link: Link, now: float) -> None:
        """An emergency stop is repeated until the firmware says that it halted; each second one checked."""
        if self.kill_at is not None and now >= self.kill_at:
            self.kill_at = now + KILL_AGAIN_SECONDS
            if not upload_orders.stop(self, link):
                link.send_emergency("M112", is_checked=self.kills % 2 == 1)
            self.kills += 1
