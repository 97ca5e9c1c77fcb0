"""Stacks, schedules and their runs as native JSON. Pure and total; `schedule_schemas` describes it."""

from __future__ import annotations

from typing import Any

from gateway.api.native.shapes import instant
from gateway.domain.printer import Printer
from gateway.domain.schedule import Action, Schedule, Stack, Step
from gateway.domain.state import State


def stack(row: Stack, printers: list[Printer]) -> dict[str, Any]:
    """A stack; `printers` are those that a run would go to now."""
    return {
        "id": row.stack_id,
        "number": row.number,
        "name": row.name,
        "organization_id": row.organization_id,
        "is_all": row.printer_ids is None,
        "printers": [{"id": printer.printer_id, "name": printer.shown_name} for printer in printers],
        "created_at": instant(row.created_at),
        "version": row.version,
    }


def schedule(row: Schedule, of: Stack, state: State) -> dict[str, Any]:
    """A schedule of the stack `of`."""
    running = [action for action in state.actions.values() if action.schedule_id == row.schedule_id]
    return {
        "id": row.schedule_id,
        "name": row.name,
        "type": row.type.value,
        "stack_id": of.stack_id,
        "stack": of.name,
        "organization_id": row.organization_id,
        "member_id": row.member_id,
        "member": _name_of(row.member_id, state),
        "app_id": row.app_id,
        "cron": row.cron,
        "timezone": row.timezone,
        "missed": row.missed.value,
        "is_paused": row.is_paused,
        "params": dict(row.params),
        "next_at": instant(row.next_at),
        "status": row.status.name.lower(),
        "running": min(running, key=lambda action: action.work_id).action_id if running else None,
        "created_at": instant(row.created_at),
        "updated_at": instant(row.updated_at),
        "version": row.version,
    }


def action(row: Action, state: State) -> dict[str, Any]:
    """A run of a schedule."""
    stack_row = state.stacks.get(row.stack_number)
    return {
        "id": row.action_id,
        "number": row.work_id,
        "schedule_id": row.schedule_id,
        "name": row.name,
        "type": row.type.value,
        "stack_id": None if stack_row is None else stack_row.stack_id,
        "member_id": row.member_id,
        "member": _name_of(row.member_id, state),
        "app_id": row.app_id,
        "started_via": row.started_via.value,
        "arguments": row.arguments,
        "state": row.state.value,
        "steps": [_step(step, state) for step in row.steps],
        "task_id": row.task_id,
        "due_at": instant(row.due_at),
        "created_at": instant(row.created_at),
        "started_at": instant(row.started_at),
        "ended_at": instant(row.ended_at),
        "message": row.message,
        "version": row.version,
    }


def _step(step: Step, state: State) -> dict[str, Any]:
    printer = state.printers.get(step.printer_id)
    return {
        "printer_id": step.printer_id,
        "printer": None if printer is None else printer.shown_name,
        "state": step.state.value,
        "message": step.message,
        "command_id": step.command_id,
    }


def _name_of(member_id: str, state: State) -> str | None:
    member = state.members.get(member_id)
    return None if member is None else member.name
