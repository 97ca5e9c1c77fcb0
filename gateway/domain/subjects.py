"""Whom an event concerns: the fields that all events have, by what the event is about.

By them a stream shows an event to the right people and to nobody else (`auth.access.may_see_event`).
"""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

from gateway.domain.job import Job
from gateway.domain.member import Member
from gateway.domain.printer import Printer
from gateway.domain.schedule import Action
from gateway.domain.state import Draft
from gateway.domain.task import ADMIN_KINDS, Task


class Subject(TypedDict):
    """The fields of `events.Event`, for whoever makes one: `JobMoved(**of_job(draft, job), ...)`."""

    at: datetime
    organization_id: int | None
    member_id: str | None
    printer_id: int | None
    work_id: int | None


def of_job(draft: Draft, job: Job) -> Subject:
    """A job, on its printer or not on one yet."""
    return {
        "at": draft.moment.wall,
        "organization_id": job.organization_id,
        "member_id": job.member_id,
        "printer_id": job.printer_id,
        "work_id": job.work_id,
    }


def of_task(draft: Draft, task: Task) -> Subject:
    """A task. Kinds for administrators concern nobody else."""
    is_for_admins = task.kind in ADMIN_KINDS
    return {
        "at": draft.moment.wall,
        "organization_id": None if is_for_admins else task.organization_id,
        "member_id": None if is_for_admins else task.member_id,
        "printer_id": None,
        "work_id": task.work_id,
    }


def of_run(draft: Draft, action: Action) -> Subject:
    """A run of a schedule."""
    return {
        "at": draft.moment.wall,
        "organization_id": action.organization_id,
        "member_id": action.member_id,
        "printer_id": None,
        "work_id": action.work_id,
    }


def of_printer(draft: Draft, printer: Printer) -> Subject:
    """A printer alone: its owner's."""
    return {
        "at": draft.moment.wall,
        "organization_id": printer.organization_id,
        "member_id": printer.owner_id,
        "printer_id": printer.printer_id,
        "work_id": None,
    }


def of_member(draft: Draft, member: Member) -> Subject:
    """A member: its keys, its password, the apps it allowed."""
    return {
        "at": draft.moment.wall,
        "organization_id": member.organization_id,
        "member_id": member.member_id,
        "printer_id": None,
        "work_id": None,
    }
