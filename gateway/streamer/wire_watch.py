"""When the wire log of a printer is worth keeping, told from what its driver observes; and keeping it.

a print held or failed            the line before the last says why
an emergency stop, a halted board
a driver that died
a connection that failed          once until the next good one: a printer that is off is tried all night;
                                  and not when an idle printer was merely switched off or unplugged
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from gateway.domain.observations import Activity, LinkState, PrinterObserved, PrintPhase
from gateway.domain.orders import EmergencyStop, Order
from gateway.transport.wire_kept import keep, open_files
from gateway.transport.wire_log import WireLog

log = logging.getLogger(__name__)

#: Seconds from a trouble to the copy: what is said next belongs to it, and one trouble has several signs.
KEEP_AFTER_SECONDS = 2.0


class TroubleSigns:
    """The signs of trouble in one printer's observations, each told once."""

    def __init__(self) -> None:
        self._link = LinkState.CONNECTING
        self._is_link_told = False
        self._held: str | None = None  # key
        self._failed: frozenset[str] = frozenset()  # keys
        self._is_halted = False

    def seen(self, fact: PrinterObserved, *, is_port_gone: bool) -> list[str]:
        """What is new in `fact`, for people. `is_port_gone`: the port was lost or could not be opened."""
        signs = []
        current = fact.current
        held = current.key if current is not None and current.phase is PrintPhase.HELD else None
        if held is not None and held != self._held:
            assert current is not None
            signs.append(f"print held: {current.message or held}")
        failed = {report.key: report for report in fact.ended if report.phase is PrintPhase.FAILED}
        for key in failed.keys() - self._failed:
            signs.append(f"print failed: {failed[key].message or key}")
        is_halted = fact.activity is Activity.ERROR
        if is_halted and not self._is_halted:
            signs.append(f"the printer stopped itself: {fact.message}")
        if fact.link is LinkState.UP:
            self._is_link_told = False
        elif fact.link is LinkState.DOWN and self._link is not LinkState.DOWN and not self._is_link_told:
            if not is_port_gone:
                self._is_link_told = True
                signs.append(f"connection failed: {fact.link_reason}")
        self._link, self._held, self._failed = fact.link, held, frozenset(failed)
        self._is_halted = is_halted
        return signs


class WireWatch:
    """Keeps the end of a printer's wire log in `folder` when there is trouble with it."""

    def __init__(
        self,
        logs: Mapping[str, WireLog],
        folder: Path,
        wall: Callable[[], datetime],
    ) -> None:
        """`logs`: printer -> its wire log; a printer without one is not watched."""
        self._logs = logs
        self._folder = folder
        self._wall = wall
        self._signs = {printer: TroubleSigns() for printer in logs}
        self._due: dict[str, tuple[str, asyncio.TimerHandle]] = {}  # printer -> what, when it is kept
        self._keeping: set[asyncio.Future[Path]] = set()

    @classmethod
    def of_nothing(cls) -> WireWatch:
        """Where nothing is logged: it keeps nothing."""
        return cls({}, Path("/"), lambda: datetime.now(UTC))

    def ordered(self, order: Order) -> None:
        """An order is on its way to its printer."""
        if isinstance(order, EmergencyStop):
            self.trouble(order.printer, "emergency stop ordered")

    def observed(self, fact: PrinterObserved) -> None:
        """The driver reports."""
        wire_log = self._logs.get(fact.printer)
        if wire_log is not None:
            for sign in self._signs[fact.printer].seen(fact, is_port_gone=wire_log.is_port_gone):
                self.trouble(fact.printer, sign)

    def trouble(self, printer: str, what: str) -> None:
        """There is trouble with `printer`: keep what was said before and just after it."""
        wire_log = self._logs.get(printer)
        if wire_log is None:
            return
        wire_log.event(f"trouble: {what}")
        if printer not in self._due:
            later = asyncio.get_running_loop().call_later(KEEP_AFTER_SECONDS, self._keep, printer)
            self._due[printer] = what, later

    def _keep(self, printer: str) -> None:
        what, timer = self._due.pop(printer)
        timer.cancel()
        wire_log = self._logs[printer]
        wire_log.flush()
        sources = open_files(wire_log.former, wire_log.path)
        work = partial(keep, sources, self._folder, printer, self._wall())
        copying = asyncio.get_running_loop().run_in_executor(None, work)
        self._keeping.add(copying)
        copying.add_done_callback(partial(self._kept, printer, what))

    def _kept(self, printer: str, what: str, copying: asyncio.Future[Path]) -> None:
        self._keeping.discard(copying)
        if copying.cancelled():
            return
        error = copying.exception()
        if error is None:
            log.warning("%s: %s; its wire log is kept in %s", printer, what, copying.result())
        else:
            log.error("%s: %s; its wire log could not be kept: %s", printer, what, error)

    async def close(self) -> None:
        """Write and keep what is due, now; no record follows."""
        for printer in list(self._due):
            self._keep(printer)
        if self._keeping:
            await asyncio.wait(self._keeping)
        for wire_log in self._logs.values():
            wire_log.close()
