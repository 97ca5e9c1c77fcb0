"""All printers as the broker is told of them: which job is where, how many wait, how the last print ended.

The engine's state says what is not over; how a print ended is read from the store, once for each end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.domain.job import ENDS, WAITING, Job
from gateway.domain.printer import Plate, Presence, Printer, PrinterStatus
from gateway.domain.state import State
from gateway.engine.ports import JobPage, Queries, StoreUnavailable
from gateway.publish.mqtt.sight import Sight

log = logging.getLogger(__name__)

#: Jobs looked at to find the print that ended last: those that never began are passed over.
_LOOK_BACK: Final = 10
_ENDED: Final = frozenset({*(end.value for end in ENDS), "successful"})  # as the store's lists call them
_UNKNOWN: Final = Presence()


@dataclass(slots=True)
class _Place:
    """What the jobs make of a printer."""

    work_id: int | None = None  # of the job on it
    waiting: int = 0


_EMPTY: Final = _Place()


class Fleet:
    """Reads only. `jobs_changed` after every event about jobs, else places grow old."""

    def __init__(self, state: Callable[[], State], queries: Queries) -> None:
        self._state = state
        self._queries = queries
        self._places: dict[int, _Place] = {}
        self._last: dict[int, Job] = {}
        self._is_old = True

    def jobs_changed(self) -> None:
        """Count anew at the next look: the only pass over all jobs, not made for progress."""
        self._is_old = True

    def sights(self, now: float) -> Iterator[Sight]:
        """Every printer that is there to be used, at monotonic `now`."""
        state = self._state()
        if self._is_old:
            self._places, self._is_old = _places(state.jobs), False
        for printer in state.printers.values():
            if printer.enabled:
                yield self._sight(state, printer, now)

    def present(self) -> list[int]:
        """Numbers of the printers that are there to be used."""
        return [printer.printer_id for printer in self._state().printers.values() if printer.enabled]

    def gone(self) -> list[int]:
        """Numbers of the others: disabled, given up."""
        return [printer.printer_id for printer in self._state().printers.values() if not printer.enabled]

    def _sight(self, state: State, printer: Printer, now: float) -> Sight:
        number = printer.printer_id
        place = self._places.get(number, _EMPTY)
        presence = state.presence.get(number, _UNKNOWN)
        return Sight(
            printer=printer,
            presence=presence,
            is_offline=presence.status(now) is PrinterStatus.OFFLINE,
            job=None if place.work_id is None else state.jobs.get(place.work_id),
            last=self._last.get(number),
            queue_length=place.waiting,
        )

    async def job(self, work_id: int) -> Job | None:
        """The job, over or not; None also when the store cannot be read now."""
        try:
            return self._state().jobs.get(work_id) or await self._queries.job_by_work_id(work_id)
        except StoreUnavailable as failure:
            log.warning("a job could not be read: %s", failure)
            return None

    def ended(self, job: Job) -> None:
        """A print is over; only the newest of each printer counts."""
        if job.printer_id is None or not job.is_over:
            return
        before = self._last.get(job.printer_id)
        if before is None or _end_of(before) <= _end_of(job):
            self._last[job.printer_id] = job

    async def recall(self) -> None:
        """Read how the last print on each uncleared plate ended: at the start, and when events were lost."""
        self.jobs_changed()
        for printer in list(self._state().printers.values()):
            if printer.enabled and printer.plate is Plate.OCCUPIED:
                for job in await self._ends_on(printer):
                    self.ended(job)

    async def _ends_on(self, printer: Printer) -> list[Job]:
        """The newest few; the store lists them in the order in which they were handed in."""
        try:
            total = (await self._ended_jobs(printer, 0)).total
            page = await self._ended_jobs(printer, max(total - _LOOK_BACK, 0))
        except StoreUnavailable as failure:
            log.warning("how the last print on %s ended could not be read: %s", printer.shown_name, failure)
            return []
        return [job for job in page.jobs if job.started_at is not None]

    async def _ended_jobs(self, printer: Printer, offset: int) -> JobPage:
        return await self._queries.jobs(
            printer_id=printer.printer_id,
            from_work_id=printer.jobs_from or None,
            statuses=_ENDED,
            limit=_LOOK_BACK,
            offset=offset,
        )


def _places(jobs: Mapping[int, Job]) -> dict[int, _Place]:
    places: dict[int, _Place] = {}
    for job in jobs.values():
        if job.printer_id is None:
            continue
        place = places.setdefault(job.printer_id, _Place())
        if job.status in WAITING:
            place.waiting += 1
        elif place.work_id is None or job.work_id < place.work_id:
            place.work_id = job.work_id
    return places


def _end_of(job: Job) -> tuple[float, int]:
    return (job.ended_at.timestamp() if job.ended_at else 0.0, job.work_id)
