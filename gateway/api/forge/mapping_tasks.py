"""Commands and what became of them in Forge's words. Pure and total, as `mapping`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.api.forge.mapping import reported_data, shown_time
from gateway.domain.call_in import LOCAL_PREFIX
from gateway.domain.job import Job, JobStatus
from gateway.domain.printer import PrinterStatus
from gateway.domain.printer_command import CommandStatus, PrinterCommand

#: The command that starts a print; its task has the job's own id (Forge firmware workflow 2.3, 6).
PRINT: Final = "print_data"

_PROGRESS: Final = {CommandStatus.PENDING: 0.0, CommandStatus.DONE: 1.0, CommandStatus.FAILED: 1.0}
_STATE: Final = {
    CommandStatus.PENDING: "received",
    CommandStatus.DONE: "completed",
    CommandStatus.FAILED: "failed",
}
#: How `GET tasks/:task_id` says it.
_TASK_STATUS: Final = {
    CommandStatus.PENDING: "running",
    CommandStatus.DONE: "done",
    CommandStatus.FAILED: "error",
}
#: The documented fields of an acknowledgement (Forge: POST printers/command/:task_id).
_OF_ANSWERS: Final = (
    "progress", "printer_status", "job_id", "job_progress", "job_status", "error_code",
    "error_message", "data",
)  # fmt: skip


def command_object(
    command: PrinterCommand, job: Job | None, printer_status: PrinterStatus | None
) -> dict[str, Any]:
    """What became of a command (Forge: GET printers/command/:task_id): the last acknowledgement, flat.

    `printer_status` is the printer's word now; the one it acknowledged with goes first.
    """
    found: dict[str, Any] = {
        "command": command.command,
        "progress": _PROGRESS[command.state] if command.progress is None else command.progress,
        "printer_status": None if printer_status is None else printer_status.value,
        "status_update_time": shown_time(command.heard_at or command.answered_at or command.given_at),
        "data": {"state": _STATE[command.state]},
    }
    if job is not None:
        found |= {"job_id": job.job_id, "job_status": job.shown_status, "job_progress": job.progress}
    if command.state is CommandStatus.FAILED:
        found |= {"error_code": 400, "error_message": command.message or "the printer refused"}
    return found if command.answer is None else found | _said(command.answer, job)


def _said(answer: Mapping[str, Any], job: Job | None) -> dict[str, Any]:
    """What a printer said in its own fields; a null is as good as left out."""
    said = {key: answer[key] for key in _OF_ANSWERS if answer.get(key) is not None}
    if said.get("job_id"):
        said["job_id"] = str(said["job_id"]).removeprefix(LOCAL_PREFIX).lower() if job is None else job.job_id
    else:
        said.pop("job_id", None)
    return said


def print_object(job: Job, printer_status: PrinterStatus | None) -> dict[str, Any]:
    """The same for the start of a print, whose task is the job."""
    status = job.shown_status
    found: dict[str, Any] = {
        "command": PRINT,
        "progress": job.progress or 0.0,
        "printer_status": None if printer_status is None else printer_status.value,
        "status_update_time": shown_time(job.status_at),
        "data": reported_data(job, status),
        "job_id": job.job_id,
        "job_status": status,
        "job_progress": job.progress,
    }
    if job.status is JobStatus.FAILED:
        code = 500 if job.error_code is None else job.error_code
        found |= {"error_code": code, "error_message": job.message or "the print failed"}
    return found


def task_object(command: PrinterCommand) -> dict[str, Any]:
    """A command as a task (Forge: GET tasks/:task_id). `result` once it is done, `error` once it failed."""
    status = _TASK_STATUS[command.state]
    progress = _PROGRESS[command.state] if command.progress is None else command.progress
    found: dict[str, Any] = {"id": command.task_id, "status": status, "progress": progress}
    if command.state is CommandStatus.DONE:
        # A printer may answer pause with the progress of its print (0.1): done is done.
        found["progress"] = 1.0
        found["result"] = dict((command.answer or {}).get("data") or {})
    elif command.state is CommandStatus.FAILED:
        code = (command.answer or {}).get("error_code") or 400
        found["error"] = {"code": code, "message": command.message or "the printer refused"}
    return found


def print_task(job: Job) -> dict[str, Any]:
    """The start of a print as a task: running until the job is over."""
    found: dict[str, Any] = {"id": job.job_id, "status": "running", "progress": job.progress or 0.0}
    if job.status is JobStatus.COMPLETED:
        found |= {"status": "done", "progress": 1.0, "result": {"job_status": job.shown_status}}
    elif job.is_over:
        code = 500 if job.error_code is None else job.error_code
        message = job.message or f"the job is {job.status.value}"
        found |= {"status": "error", "error": {"code": code, "message": message}}
    return found
