"""From the domain's words to Forge's. Pure and total: every job and every printer has words.

Dicts are built directly: a list of 20 jobs is the most frequent request there is. The models in `schemas`
describe what is built here, and a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from gateway.domain.commands import PrinterCommand, TaskState
from gateway.domain.file import StoredFile
from gateway.domain.job import Job, JobStatus, Verdict
from gateway.domain.printer import Presence, Printer, PrinterStatus

#: English whatever the host's locale says (Forge: GET jobs, `job_date_time`).
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip

#: Forge's `type_id` is a UUID per kind of printer. One per driver, given once, never changed.
TYPE_IDS: Final[Mapping[str, str]] = {
    "marlin": "5B7C1A1E-9E1B-4F0C-8C5D-3A5C9A0B7D11",
    "bambu": "0E6F1B52-37D4-4E7A-9C60-6B1B2E9B5F22",
    "moonraker": "C1D09F6A-5C0E-4C8B-8F37-2D8D6C1A9E33",
    "forge": "7FAF097F-DB2E-45DC-9395-A30210E789AA",
}
OTHER_TYPE_ID: Final = "A4E2D7B8-66F1-4B39-9A0E-7C4F5D3B8E44"

#: The URL is shown until the printer has the file (Forge: the queued examples have it, the running one not).
_BEFORE_RECEIVED: Final = frozenset(
    {JobStatus.CREATED, JobStatus.UNSCHEDULED, JobStatus.QUEUED, JobStatus.SENT}
)
#: A printer has said something about a job that is, or was, on it.
_NEVER_ON_PRINTER: Final = frozenset({JobStatus.CREATED, JobStatus.UNSCHEDULED, JobStatus.QUEUED})

_UNKNOWN_PRESENCE: Final = Presence()


def shown_time(at: datetime) -> str:
    """`May 18, 2016 05:42:02`: English month, two-digit day, 24 h, UTC (Forge: GET jobs, examples)."""
    utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    return (
        f"{_MONTHS[utc.month - 1]} {utc.day:02d}, {utc.year:04d} "
        f"{utc.hour:02d}:{utc.minute:02d}:{utc.second:02d}"
    )


def job_object(
    job: Job, printer: Printer | None, printer_status: PrinterStatus | None, root: str | None = None
) -> dict[str, Any]:
    """One job of a list (Forge: GET jobs, `jobs`). All documented keys, null when never reported.

    `printer_status` is the printer's word now; it is null for a job that never reached a printer. `root` is
    the absolute URL of this API, for `printable_url`.
    """
    status = job.shown_status
    return {
        "job_id": job.job_id,
        "job_name": job.name,
        "printer_id": job.printer_id,
        "job_status": _job_status(job, status, printer, printer_status),
        "job_data": job_data(job, root),
        "job_date_time": shown_time(job.created_at),
        "job_status_time": shown_time(job.status_at),
        "member_id": job.member_id,
        "local_job": job.is_local,
        "status": status,
    }


def job_detail(
    job: Job, printer: Printer | None, printer_status: PrinterStatus | None, root: str | None = None
) -> dict[str, Any]:
    """One job on its own (Forge: GET jobs/:job_id): the list's keys, comment, custom data, `data` always."""
    found = job_object(job, printer, printer_status, root)
    found["job_status"].setdefault("job_progress", job.progress)
    found["job_status"].setdefault("data", {})
    return {**found, "job_comment": job.comment, "job_custom_data": job.custom_data}


def job_data(job: Job, root: str | None = None) -> dict[str, Any]:
    """The file (Forge: `job_data`), and where to fetch it until the printer has it."""
    found: dict[str, Any] = {"printable_id": job.printable_id}
    url = job.printable_url
    if url is None and root is not None and job.file_sha256 is not None:
        url = f"{root}/print/jobs/{job.job_id}/printable"
    if url is not None and job.status in _BEFORE_RECEIVED:
        found["printable_url"] = url
    return found


def was_on_printer(job: Job) -> bool:
    """Whether a printer ever had, or may have had, the job: only then has it said anything about it."""
    if job.is_over:
        return job.is_local or job.started_at is not None
    return job.status not in _NEVER_ON_PRINTER


def last_word(job: Job, printer_status: PrinterStatus | None) -> PrinterStatus | None:
    """The printer's status in its last report about a job that was on it.

    While the job is there that is `printer_status`, the printer's word now. With the end of the job it stands
    still, whatever the printer does today: ready with completed and canceled, error with failed (Forge API
    2.2). None when a person said how it ended: then no report of the printer's belongs to the end.
    """
    if not job.is_over:
        return printer_status
    if not job.reasons:
        return None
    return PrinterStatus.ERROR if job.status is JobStatus.FAILED else PrinterStatus.READY


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
        "printer_name": printer.name if printer is not None else None,
        "job_status": status,
    }
    if reported and job.progress is not None:
        found["job_progress"] = job.progress
        found["data"] = {"job_id": job.job_id, "job_name": job.name, "job_status": status}
    if job.error_code is not None:
        found["error_code"] = job.error_code
    if job.message is not None and job.status is JobStatus.FAILED:
        found["error_message"] = job.message
    return found


def receipt(job: Job) -> dict[str, Any]:
    """The answer to a new job (Forge: POST printers/:printer_id/jobs)."""
    return {"printer_id": job.printer_id, "job_id": job.job_id, "status": job.shown_status}


def printer_object(printer: Printer, presence: Presence, now: float, member_id: str) -> dict[str, Any]:
    """One printer (Forge: GET printers). `now` is monotonic seconds."""
    is_online = presence.status(now) is not PrinterStatus.OFFLINE
    return {
        "printer_id": printer.printer_id,
        "printer_name": printer.name,
        "firmware": presence.firmware,
        "type_id": TYPE_IDS.get(printer.driver, OTHER_TYPE_ID),
        "is_primary": printer.owner_id == member_id,
        # Both spellings are the original's: one client compares with "online", another with "Offline".
        "printer_last_health": "online" if is_online else "Offline",
    }


def printer_state(printer: Printer, presence: Presence, now: float, job: Job | None) -> dict[str, Any]:
    """How a printer is (Forge: GET printers/status/:printer_id). `job` is the one on it, if seen.

    `job_id` is left out when there is none: a client asks for `jobs/<job_id>` whenever the key is there.
    """
    status = presence.status(now)
    state: dict[str, Any] = {"printer_status": _reported(presence), "error_code": 0, "error_message": ""}
    if presence.message and state["printer_status"] == PrinterStatus.ERROR.value:
        state |= {"error_code": 500, "error_message": presence.message}
    if job is not None:
        state |= {
            "job_id": job.job_id,
            "job_status": job.shown_status,
            "job_progress": job.progress,
            "data": {"job_id": job.job_id, "job_name": job.name, **_temperature(presence)},
        }
    else:
        state["data"] = _temperature(presence)
    return {
        "printer_id": printer.printer_id,
        "last_check_in": None
        if presence.heard_at is None
        else max(0, round((now - presence.heard_at) * 1000)),
        "printer_availability": "offline" if status is PrinterStatus.OFFLINE else "online",
        "last_reported_state": state,
    }


def _reported(presence: Presence) -> str | None:
    return None if presence.activity is None else presence.activity.value


def _temperature(presence: Presence) -> dict[str, float]:
    return {"temperature": presence.temperatures["T"]} if "T" in presence.temperatures else {}


_PROGRESS: Final = {TaskState.PENDING: 0.0, TaskState.DONE: 1.0, TaskState.FAILED: 1.0}


def command_object(
    command: PrinterCommand, job: Job | None, printer_status: PrinterStatus | None
) -> dict[str, Any]:
    """What became of a command (Forge: GET printers/command/:task_id): the last acknowledgement, flat."""
    at = command.answered_at or command.given_at
    found: dict[str, Any] = {
        "command": command.command,
        "progress": _PROGRESS[command.state],
        "printer_status": None if printer_status is None else printer_status.value,
        "status_update_time": shown_time(at),
        "data": {"state": _COMMAND_STATE[command.state]},
    }
    if job is not None:
        found |= {"job_id": job.job_id, "job_status": job.shown_status, "job_progress": job.progress}
    if command.state is TaskState.FAILED:
        found |= {"error_code": 400, "error_message": command.message or "the printer refused"}
    return found


_COMMAND_STATE: Final = {
    TaskState.PENDING: "received",
    TaskState.DONE: "completed",
    TaskState.FAILED: "failed",
}


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


def presence_of(presences: Mapping[int, Presence], printer_id: int | None) -> Presence:
    """What is known of a printer; nothing yet is a presence too."""
    if printer_id is None:
        return _UNKNOWN_PRESENCE
    return presences.get(printer_id, _UNKNOWN_PRESENCE)


#: Every word `status` can be, for the description.
STATUS_WORDS: Final = (*(status.value for status in JobStatus), Verdict.SUCCESSFUL.value)
