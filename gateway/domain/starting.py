"""The intent to start a print: job, attempt and mark are committed before the order goes out, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.domain import job_moves, plates
from gateway.domain.call_in import CALL_IN_DRIVER
from gateway.domain.job import Attempt, Job, JobStatus, Reason
from gateway.domain.orders import StartPrint
from gateway.domain.printer import Printer
from gateway.domain.state import Draft


def intend(draft: Draft, printer: Printer, job: Job) -> Job:
    """Start this job on this printer, which is free (assign.assign, assign.hindrance)."""
    if job.file_sha256 is None or job.file_size is None:  # nothing here makes such a row; it stops no other
        message = "the job has no file; hand it in again"
        return job_moves.move(draft, job, JobStatus.FAILED, frozenset({Reason.ABORTED_BY_SYSTEM}), message)
    mark = draft.moment.new_id()
    number = job.attempts + 1
    sent = job_moves.move(
        draft, replace(job, print_key=mark, attempts=number), JobStatus.SENT, frozenset(), None
    )
    draft.put_attempt(Attempt(job.work_id, number, printer.printer_id, mark, draft.moment.wall))
    plates.occupy(draft, printer, f"start of job {job.work_id}")
    draft.plate_taken_by[printer.printer_id] = job.work_id
    draft.orders.append(
        StartPrint(
            printer=printer.name,
            order_id=mark,
            key=mark,
            path=draft.moment.path_of(job.file_sha256),
            sha256=job.file_sha256,
            size=job.file_size,
            name=job.name,
            job_id=job.job_id,
            settings=_told_settings(printer, job),
        )
    )
    return sent


def _told_settings(printer: Printer, job: Job) -> Mapping[str, Any]:
    """Printers that call in are told the job's settings; Ember's firmware refuses any without `Settings`."""
    if printer.driver != CALL_IN_DRIVER:
        return {}
    return {**job.settings, "Settings": job.settings.get("Settings", {})}
