"""Schedules and their runs in Cloud 66's words: pure, and total over every state.

A *job* there is a schedule here, an *action* a run of it. Keys, their order and their types are those of the
API's documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from gateway.api.cloud66.state_words import state_word
from gateway.domain.member import Member
from gateway.domain.schedule import Action, RunState, Schedule, StartedVia

#: `finished_success` of a run; None: it is not finished.
FINISHED_SUCCESS: Final[Mapping[RunState, bool | None]] = {
    RunState.WAITING: None,
    RunState.RUNNING: None,
    RunState.SUCCEEDED: True,
    RunState.FAILED: False,
    RunState.CANCELED: False,
}
#: `action` of a run: by the request of that name, or by the clock, for which Cloud 66 documents no word.
ACTION: Final[Mapping[StartedVia, str]] = {
    StartedVia.API: "job_run_now",
    StartedVia.SCHEDULE: "job_run_scheduled",
}
STARTED_VIA: Final[Mapping[StartedVia, str]] = {StartedVia.API: "api", StartedVia.SCHEDULE: "schedule"}
RESOURCE_TYPE: Final = "stack"


def job_object(schedule: Schedule) -> dict[str, Any]:
    """A schedule as a job of its stack."""
    return {
        "uid": schedule.schedule_id,
        "name": schedule.name,
        "type": schedule.type.value,
        "cron": schedule.cron,
        "status": state_word(schedule.status),
        "params": dict(schedule.params),
        "created_at": job_time(schedule.created_at),
        "updated_at": job_time(schedule.updated_at),
    }


def action_object(action: Action, member: Member | None) -> dict[str, Any]:
    """A run of a schedule; `member` is who asked for it, or whose schedule the clock ran.

    `started_at` is when the run was asked for or due: it stands from the first answer on. When its first step
    began is told by the gateway's own API.
    """
    return {
        "id": action.work_id,
        "user": _user(member, action.member_id),
        "resource_type": RESOURCE_TYPE,
        "action": ACTION[action.started_via],
        "resource_id": str(action.stack_number),
        "started_via": STARTED_VIA[action.started_via],
        "started_at": action_time(action.created_at),
        "finished_at": None if action.ended_at is None else action_time(action.ended_at),
        "finished_success": FINISHED_SUCCESS[action.state],
        "finished_message": action.message if action.is_over else None,
    }


def _user(member: Member | None, member_id: str) -> str:
    return member_id if member is None else member.email or member.name


def job_time(at: datetime) -> str:
    """`2016-02-01 13:37:07 UTC`, as jobs have it."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def action_time(at: datetime) -> str:
    """`2016-02-04T12:52:24Z`, as actions have it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
