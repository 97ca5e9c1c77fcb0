"""Which waiting job starts on which printer, and why the others wait. One pure function for one and for many.

Start rule: a job is started only on a printer that is enabled, linked, ready, with nothing on the machine,
no job that has or may have it, and a plate confirmed clear. The oldest job that waits for it goes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from gateway.domain.job import Job, JobStatus
from gateway.domain.observations import Activity, LinkState
from gateway.domain.printer import Plate, Presence, Printer


class Standing(Protocol):
    """What the decision looks at: a State, or a Draft over one."""

    @property
    def printers(self) -> Mapping[int, Printer]:
        """By printer_id."""

    @property
    def presence(self) -> Mapping[int, Presence]:
        """By printer_id."""

    @property
    def jobs(self) -> Mapping[int, Job]:
        """Those not over, by work_id."""

    @property
    def refused_until(self) -> Mapping[int, float]:
        """By printer_id, monotonic seconds."""


def assign(standing: Standing, now: float) -> list[tuple[Printer, Job]]:
    """The starts that are due at monotonic `now`: at most one a printer, oldest job first."""
    free = _free_printers(standing, now)
    starts: list[tuple[Printer, Job]] = []
    if not free:
        return starts
    for job in sorted(standing.jobs.values(), key=lambda job: job.work_id):
        if job.status is JobStatus.QUEUED and job.printer_id in free:
            starts.append((free.pop(job.printer_id), job))
    return starts


def _free_printers(standing: Standing, now: float) -> dict[int | None, Printer]:
    taken = {job.printer_id for job in standing.jobs.values() if job.is_on_printer}
    return {
        printer.printer_id: printer
        for printer in standing.printers.values()
        if printer.printer_id not in taken
        and obstacle(printer, standing.presence.get(printer.printer_id, Presence())) is None
        and standing.refused_until.get(printer.printer_id, now) <= now
    }


def obstacle(printer: Printer, presence: Presence) -> str | None:
    """What keeps a printer from taking a job now, for people, with what to do; None: nothing."""
    name = printer.name
    if not printer.enabled:
        return f"{name} is not in the configuration any more"
    if presence.link is not LinkState.UP:
        return f"{name} is not connected: {presence.link_reason or 'no reason given'}"
    if presence.print_key is not None:
        return f"{name} is printing something else"
    if presence.activity is not Activity.READY:
        said = f" ({presence.message})" if presence.message else ""
        return f"{name} is {presence.activity or 'silent'}{said}"
    if printer.plate is Plate.OCCUPIED:
        how = f"clear it, then `print-gateway printers ready {name}`"
        return f"the plate of {name} is not confirmed clear: {how}"
    return None


def waiting_for(job: Job, standing: Standing) -> str | None:
    """Why a job that waits has not started, for people; None when it does not wait."""
    if job.status is not JobStatus.QUEUED:
        return job.message if job.status in (JobStatus.CREATED, JobStatus.UNSCHEDULED) else None
    printer = standing.printers.get(job.printer_id or 0)
    if printer is None:
        return "no printer was chosen"
    holder = _first(j for j in standing.jobs.values() if j.is_on_printer and j.printer_id == job.printer_id)
    if holder is not None:
        if holder.is_held:
            return f"{printer.name} holds {holder.name!r}, which needs a person: {holder.message}"
        return f"{printer.name} has {holder.name!r}"
    return obstacle(printer, standing.presence.get(printer.printer_id, Presence())) or job.message


def _first(jobs: Iterable[Job]) -> Job | None:
    return min(jobs, key=lambda job: job.work_id, default=None)
