"""What people and apps say of a job besides its printing: a verdict, a comment, data of their own.

completed ----> successful <----> failed       by an app or a person, any number of times
failed -------> successful <----> failed
canceled, not over                             no verdict; comment and data all the same
"""

from __future__ import annotations

from dataclasses import replace

from gateway.domain import subjects
from gateway.domain.asking import where
from gateway.domain.commands import CommandRefused, JudgeJob, Refusal, Unset
from gateway.domain.events import JobChanged
from gateway.domain.job import Job, JobStatus
from gateway.domain.state import Draft

#: Printed to an end of its own, good or bad: what can be judged.
_JUDGED = frozenset({JobStatus.COMPLETED, JobStatus.FAILED})


def judge(draft: Draft, asked: JudgeJob) -> Job:
    """Keep what was said; a job that is over was looked up in the store before (`Draft.stored_jobs`)."""
    job = draft.job_with_id(asked.job_id)
    if job is None:
        raise CommandRefused(Refusal.UNKNOWN, "there is no such job; `print-gateway jobs list` shows them")
    if asked.verdict is not None and job.status not in _JUDGED:
        raise CommandRefused(
            Refusal.CONFLICT,
            f"{job.name!r} is {where(job)}; only a job that has completed or failed gets a verdict",
        )
    judged = replace(
        job,
        verdict=job.verdict if asked.verdict is None else asked.verdict,
        comment=job.comment if asked.comment is None else asked.comment,
        custom_data=job.custom_data if asked.custom_data is Unset.UNSET else asked.custom_data,
    )
    if judged == job:
        return job
    judged = draft.put_job(judged)
    draft.events.append(
        JobChanged(
            **subjects.of_job(draft, judged),
            job_id=judged.job_id,
            status=judged.shown_status,
            what="verdict" if judged.verdict is not job.verdict else "comment",
        )
    )
    return judged
