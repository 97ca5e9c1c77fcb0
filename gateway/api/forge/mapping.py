"""Jobs in Forge's words. Pure and total: every job of the domain has words.

Dicts are built directly: a list of 20 jobs is the most frequent request there is. The models in `schemas`
describe what is built here, and a test holds the two together. Printers are in `mapping_printers`, commands
in `mapping_tasks`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Final

from gateway.api.http.instants import DAYS_KEPT, TWO_DIGITS
from gateway.domain.file import StoredFile
from gateway.domain.job import Job, JobStatus, Verdict
from gateway.domain.printer import Presence, Printer, PrinterStatus

#: English whatever the host's locale says (Forge: GET jobs, `job_date_time`).
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip

#: The URL is shown until the printer has the file (Forge: the queued examples have it, the running one not).
_BEFORE_RECEIVED: Final = frozenset(
    {JobStatus.CREATED, JobStatus.UNSCHEDULED, JobStatus.QUEUED, JobStatus.SENT}
)
#: A printer has said something about a job that is, or was, on it.
_NEVER_ON_PRINTER: Final = frozenset({JobStatus.CREATED, JobStatus.UNSCHEDULED, JobStatus.QUEUED})
_END_OF_AUTHORITY: Final = re.compile("[/?#]")

#: Where the file of a job can be fetched.
LinkOf = Callable[[Job], str]


def shown_time(at: datetime) -> str:
    """`May 18, 2016 05:42:02`: English month, two-digit day, 24 h, UTC (Forge: GET jobs, examples)."""
    utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    clock = f"{TWO_DIGITS[utc.hour]}:{TWO_DIGITS[utc.minute]}:{TWO_DIGITS[utc.second]}"
    return f"{_day(utc.toordinal())} {clock}"


@lru_cache(DAYS_KEPT)
def _day(ordinal: int) -> str:
    day = date.fromordinal(ordinal)
    return f"{_MONTHS[day.month - 1]} {day.day:02}, {day.year:04}"


def job_object(
    job: Job, printer: Printer | None, printer_status: PrinterStatus | None, link: LinkOf | None = None
) -> dict[str, Any]:
    """One job of a list (Forge: GET jobs, `jobs`). All documented keys, null when never reported.

    `printer_status` is the printer's word now; it is null for a job that never reached a printer. `link`
    makes the `printable_url` of a file that the gateway has.
    """
    status = job.shown_status
    return {
        "job_id": job.job_id,
        "job_name": job.name,
        "printer_id": job.printer_id,
        "job_status": _job_status(job, status, printer, printer_status),
        "job_data": job_data(job, link),
        "job_date_time": shown_time(job.created_at),
        "job_status_time": shown_time(job.status_at),
        "member_id": job.member_id,
        "local_job": job.is_local,
        "status": status,
    }


def job_detail(
    job: Job, printer: Printer | None, printer_status: PrinterStatus | None, link: LinkOf | None = None
) -> dict[str, Any]:
    """One job on its own (Forge: GET jobs/:job_id): the list's keys, comment, custom data, `data` always."""
    found = job_object(job, printer, printer_status, link)
    found["job_status"].setdefault("job_progress", job.progress)
    found["job_status"].setdefault("data", {})
    return {**found, "job_comment": job.comment, "job_custom_data": job.custom_data}


def job_data(job: Job, link: LinkOf | None = None) -> dict[str, Any]:
    """The file (Forge: `job_data`), and where to fetch it until the printer has it.

    Of a print that was started at the printer: what the printer announced it with.
    """
    found: dict[str, Any] = {"printable_id": job.printable_id}
    if job.is_local:
        return {**job.settings, **found}
    if job.status in _BEFORE_RECEIVED:
        if job.printable_url is not None:
            found["printable_url"] = _without_credentials(job.printable_url)
        elif link is not None and job.file_sha256 is not None:
            found["printable_url"] = link(job)
    return found


def _without_credentials(url: str) -> str:
    """A URL without `user:password@` (RFC 3986 3.2.1): the owner and the firmware of a printer read it."""
    scheme, separator, rest = url.partition("://")
    authority = _END_OF_AUTHORITY.split(rest, maxsplit=1)[0]
    return f"{scheme}{separator}{rest[authority.rfind('@') + 1 :]}"


def was_on_printer(job: Job) -> bool:
    """Whether a printer ever had, or may have had, the job: only then has it said anything about it."""
    if job.is_over:
        return has_begun(job) or job.reported is not None
    return job.status not in _NEVER_ON_PRINTER


def has_begun(job: Job) -> bool:
    """Whether a machine ever worked on it."""
    return job.is_local or job.started_at is not None


def last_word(job: Job, printer_status: PrinterStatus | None) -> PrinterStatus | None:
    """The printer's status in its last report about a job that was on it.

    While the job is there that is `printer_status`, the printer's word now. With the end of the job it stands
    still, whatever the printer does today: ready with completed and canceled, error with failed (Forge API
    2.2), but ready with a file that it could not load (2.1, PrintDataLoadFailed). None when a person said how
    it ended: then no report of the printer's belongs to the end.
    """
    if not job.is_over:
        return printer_status
    if not job.reasons:
        return None
    is_fault = job.status is JobStatus.FAILED and has_begun(job)
    return PrinterStatus.ERROR if is_fault else PrinterStatus.READY


def _job_status(
    job: Job, status: str, printer: Printer | None, printer_status: PrinterStatus | None
) -> dict[str, Any]:
    reported = was_on_printer(job)
    word = last_word(job, printer_status) if reported else None
    found: dict[str, Any] = {
        "printer_status": None if word is None else word.value,
        "job_id": job.job_id,
        "job_name": job.name,
        "member_id": job.member_id,
        "printer_id": job.printer_id,
        "printer_name": printer.shown_name if printer is not None else None,
        "job_status": status,
    }
    if reported and (job.progress is not None or job.reported is not None):
        found["job_progress"] = job.progress
        found["data"] = reported_data(job, status)
    return found | _error(job)


def reported_data(job: Job, status: str) -> dict[str, Any]:
    """What the printer said of the job: layer, seconds_left and so on, under the names it uses for them.

    The job's id, name and status are ours: a printer may call them otherwise, or lag behind.
    """
    return {**(job.reported or {}), "job_id": job.job_id, "job_name": job.name, "job_status": status}


def callback_body(job: Job, printer: Printer | None, presence: Presence | None) -> dict[str, Any]:
    """What a callback posts (Forge 1.4, callbacks). `printer` is the job's, `presence` is its.

    `printer_status` is the printer's own last word, never `offline`: an update tells what was reported.
    """
    status, progress = job.shown_status, job.progress
    activity = (
        None if presence is None or presence.activity is None else PrinterStatus(presence.activity.value)
    )
    word = last_word(job, activity) if was_on_printer(job) else None
    data = reported_data(job, status)
    if (
        presence is not None
        and presence.print_key == job.print_key is not None
        and "T" in presence.temperatures
    ):
        data.setdefault("temperature", presence.temperatures["T"])
    found: dict[str, Any] = {
        "printer_status": None if word is None else word.value,
        "progress": progress,
        "job_id": job.job_id,
        "job_progress": progress,
        "job_status": status,
        "data": data,
        "job_name": job.name,
        "member_id": job.member_id,
        "printer_id": job.printer_id,
        "printer_name": None if printer is None else printer.shown_name,
    }
    return found | _error(job)


def _error(job: Job) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if job.error_code is not None:
        found["error_code"] = job.error_code
    if job.message is not None and job.status is JobStatus.FAILED:
        found["error_message"] = job.message
    return found


def receipt(job: Job) -> dict[str, Any]:
    """The answer to a new job (Forge: POST printers/:printer_id/jobs), and to what changes a waiting one."""
    return {"printer_id": job.printer_id, "job_id": job.job_id, "status": job.shown_status}


def uploaded(file: StoredFile) -> dict[str, Any]:
    """An upload as the files service answered it; `printable_id` is what a new job needs."""
    return {
        "file_id": file.file_id,
        "name": file.name,
        "file_size": file.size,
        "sha256": file.sha256,
        "date_created": shown_time(file.created_at),
        "printable_id": file.printable_id,
    }


#: Every word `status` can be, for the description.
STATUS_WORDS: Final = (*(status.value for status in JobStatus), Verdict.SUCCESSFUL.value)
