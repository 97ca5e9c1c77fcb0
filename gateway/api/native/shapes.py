"""From the domain to the native JSON. Pure and total; `schemas` describes what is built here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from gateway.api.http.instants import to_millisecond
from gateway.api.http.services import RecoverySteps
from gateway.domain.assign import hold
from gateway.domain.call_in import PrinterRole
from gateway.domain.events import Event
from gateway.domain.file import StoredFile
from gateway.domain.job import Attempt, Job, JobStatus
from gateway.domain.member import Key, Member, Organization
from gateway.domain.observations import Prompt
from gateway.domain.outlook import outlook
from gateway.domain.printer import Presence, Printer
from gateway.domain.printer_command import PrinterCommand
from gateway.domain.state import State
from gateway.engine.ports import Callback, StoredEvent

_NO_PRESENCE = Presence()


def instant(at: datetime | None) -> str | None:
    """ISO 8601 in UTC with milliseconds: `2016-05-18T05:42:02.000Z`."""
    return None if at is None else to_millisecond(at)


def printer(row: Printer, state: State, now: float, current: Job | None) -> dict[str, Any]:
    """A printer as it is at monotonic `now`; `current` is the job on it, if its reader may see it."""
    presence = state.presence.get(row.printer_id, _NO_PRESENCE)
    mine = [job for job in state.jobs.values() if job.printer_id == row.printer_id]
    owner = state.members.get(row.owner_id)
    return {
        "id": row.printer_id,
        "name": row.name,
        "display_name": row.shown_name,
        "type_id": row.type_id.lower() if row.type_id else None,
        "driver": row.driver,
        "owner": owner.name if owner is not None else None,
        "owner_id": row.owner_id,
        "link": presence.link.value,
        "link_reason": presence.link_reason,
        "port": row.link,
        "status": presence.status(now).value,
        "plate": row.plate.value,
        "plate_clear": row.plate_clear.value,
        "enabled": row.enabled,
        "firmware": presence.firmware,
        "message": presence.message,
        "temperatures": dict(presence.temperatures),
        "position": None if presence.position is None else asdict(presence.position),
        "alarms": [asdict(alarm) for alarm in presence.alarms],
        "obstacle": presence.obstacle,
        "prompt": _prompt(presence.prompt),
        "current_job": current.job_id if current is not None else None,
        "hold": hold(state, row),
        "queued": sum(1 for job in mine if job.status is JobStatus.QUEUED),
    }


def printer_members(row: Printer, state: State) -> list[dict[str, Any]]:
    """The owner, then the members in the order of their ids."""
    roles = sorted((role for role in state.roles.values() if role.printer_id == row.printer_id), key=_whose)
    everybody = [
        PrinterRole(row.printer_id, row.owner_id, is_printer_scoped=True, is_job_scoped=True),
        *roles,
    ]
    return [printer_member(role, row, state) for role in everybody]


def printer_member(role: PrinterRole, row: Printer, state: State) -> dict[str, Any]:
    """One of them."""
    return {
        "member_id": role.member_id,
        "name": state.members[role.member_id].name if role.member_id in state.members else None,
        "is_owner": role.member_id == row.owner_id,
        "is_printer_scoped": role.is_printer_scoped,
        "is_job_scoped": role.is_job_scoped,
    }


def _whose(role: PrinterRole) -> str:
    return role.member_id


def organization(row: Organization) -> dict[str, Any]:
    """An organization."""
    return {"id": row.organization_id, "name": row.name, "public_id": row.public_id}


def _prompt(asked: Prompt | None) -> dict[str, Any] | None:
    return None if asked is None else {"text": asked.text, "choices": list(asked.choices)}


def job(row: Job, state: State, waiting: str | None) -> dict[str, Any]:
    """A job with the names of its member and printer. `waiting` says why it has not started."""
    member = state.members.get(row.member_id)
    on = None if row.printer_id is None else state.printers.get(row.printer_id)
    is_same_owner = on is not None and on.is_of_owners_time(row.work_id)
    told = outlook(row)
    return {
        "id": row.job_id,
        "number": row.work_id,
        "name": row.name,
        "status": row.shown_status,
        "reasons": sorted(reason.value for reason in row.reasons),
        "verdict": None if row.verdict is None else row.verdict.value,
        "is_local": row.is_local,
        "origin": row.shown_origin.value,
        "is_held": row.is_held,
        "member_id": row.member_id,
        "member": member.name if member is not None else None,
        "printer_id": row.printer_id,
        "printer": on and (on.shown_name if is_same_owner else on.name),
        "file": _file_of(row),
        "progress": row.progress,
        "position": row.position,
        "line": row.line,
        "layer": told.layer,
        "layers": told.layers,
        "seconds_left": told.seconds_left,
        "message": row.message,
        "waiting": waiting,
        "attempts": row.attempts,
        "created_at": instant(row.created_at),
        "status_at": instant(row.status_at),
        "started_at": instant(row.started_at),
        "ended_at": instant(row.ended_at),
        "version": row.version,
    }


def callback(row: Job, known: Callback | None) -> dict[str, Any] | None:
    """How the updates to the app's own server go; None when it asked for none."""
    if row.callback_url is None:
        return None
    known = known if known is not None and known.url == row.callback_url else None
    known = known or Callback(row.work_id, row.callback_url)
    return {
        "host": urlsplit(known.url).hostname,
        "interval": row.callback_interval,
        "state": known.state.value,
        "failures": known.failures,
        "last_status": known.last_status,
        "last_error": known.last_error,
        "tried_at": instant(known.tried_at),
        "next_at": instant(known.next_at),
        "delivered_at": instant(known.delivered_at),
        "is_up_to_date": known.delivered_version >= row.version,
    }


def _file_of(row: Job) -> dict[str, Any] | None:
    if row.file_sha256 is None:
        return None
    return {"sha256": row.file_sha256, "name": row.file_name, "size": row.file_size}


def attempt(row: Attempt) -> dict[str, Any]:
    """One try to print a job."""
    return {
        "number": row.number,
        "printer_id": row.printer_id,
        "mark": row.mark,
        "intended_at": instant(row.intended_at),
        "started_at": instant(row.started_at),
        "ended_at": instant(row.ended_at),
        "result": None if row.result is None else row.result.value,
        "line": row.line,
        "position": row.position,
        "message": row.message,
    }


def task(command: PrinterCommand, job_id: str | None = None) -> dict[str, Any]:
    """A command given to a printer, and where it stands."""
    return {
        "task_id": command.task_id,
        "command": command.command,
        "state": command.state.value,
        "printer_id": command.printer_id,
        "job_id": job_id,
        "given_at": instant(command.given_at),
        "answered_at": instant(command.answered_at),
        "message": command.message,
        "progress": command.progress,
        "data": (command.answer or {}).get("data"),
    }


def file(row: StoredFile) -> dict[str, Any]:
    """An upload."""
    return {
        "id": row.file_id,
        "printable_id": row.printable_id,
        "sha256": row.sha256,
        "name": row.name,
        "size": row.size,
        "member_id": row.member_id,
        "created_at": instant(row.created_at),
        "metadata": dict(row.metadata),
    }


def member(row: Member) -> dict[str, Any]:
    """A member."""
    return {
        "id": row.member_id,
        "name": row.name,
        "email": row.email,
        "organization_id": row.organization_id,
        "is_admin": row.is_admin,
    }


def key(row: Key, members: Mapping[str, Member]) -> dict[str, Any]:
    """A key, without its secret."""
    owner = members.get(row.member_id)
    return {
        "id": row.key_id,
        "member": owner.name if owner is not None else None,
        "name": row.name,
        "scopes": sorted(scope.value for scope in row.scopes),
        "created_at": instant(row.created_at),
        "revoked_at": instant(row.revoked_at),
    }


def event(row: StoredEvent) -> dict[str, Any]:
    """A committed event."""
    return {
        "seq": row.seq,
        "kind": row.kind,
        "at": instant(row.at),
        "member_id": row.member_id,
        "printer_id": row.printer_id,
        "work_id": row.work_id,
        "details": dict(row.details),
    }


def fleeting(row: Event) -> dict[str, Any]:
    """An event that is not kept: it has no number."""
    return {
        "kind": row.kind,
        "at": instant(row.at),
        "member_id": row.member_id,
        "printer_id": row.printer_id,
        "work_id": row.work_id,
        "details": row.details(),
    }


def recovery(plan: RecoverySteps) -> dict[str, Any]:
    """How a held print would go on."""
    return {
        "plan": plan.token,
        "layer": plan.layer,
        "layers_done": plan.layers_done,
        "z": plan.z,
        "z_now": plan.z_lost,
        "line": plan.line,
        "hotend": plan.hotend,
        "bed": plan.bed,
        "gcode": [*plan.heat_lines, *plan.move_lines],
        "warnings": list(plan.warnings),
    }
