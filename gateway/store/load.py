"""The state that the rows add up to, read once at start: what is not over, and what ended last."""

from __future__ import annotations

from collections import OrderedDict

from sqlalchemy import Connection, func, select

from gateway.domain.schedule import Action, Schedule, Stack
from gateway.domain.state import ENDED_KEYS_KEPT, State
from gateway.domain.task import Task
from gateway.store import call_in_rows, rows, work_rows
from gateway.store.grant_rows import load_grants
from gateway.store.schema import (
    HOST_RANGE,
    api_key,
    attempt,
    call_in,
    host,
    job,
    member,
    organization,
    printer,
    printer_command,
    printer_role,
    registration_code,
    work,
)
from gateway.store.schema_work import action, schedule, stack, task


def load_state(connection: Connection) -> State:
    """Everything that is not over. Costs what is unfinished, not what is stored."""
    unfinished = rows.SELECT_JOBS.where(job.c.ended_at.is_(None)).order_by(job.c.work_id)
    jobs = [rows.job_from(row) for row in connection.execute(unfinished)]
    attempts = [
        rows.attempt_from(row)
        for row in connection.execute(select(attempt).where(attempt.c.ended_at.is_(None)))
    ]
    waiting = select(printer_command).where(printer_command.c.answered_at.is_(None))
    commands = [rows.command_from(row) for row in connection.execute(waiting)]
    members = [rows.member_from(row) for row in connection.execute(select(member))]
    organizations = [rows.organization_from(row) for row in connection.execute(select(organization))]
    keys = [rows.key_from(row) for row in connection.execute(select(api_key))]
    printers = [
        rows.printer_from(row) for row in connection.execute(select(printer).order_by(printer.c.printer_id))
    ]
    called = [call_in_rows.call_in_from(row) for row in connection.execute(select(call_in))]
    codes = [call_in_rows.code_from(row) for row in connection.execute(select(registration_code))]
    roles = [call_in_rows.role_from(row) for row in connection.execute(select(printer_role))]
    return State(
        printers={machine.printer_id: machine for machine in printers},
        jobs={given.work_id: given for given in jobs},
        attempts={tried.work_id: tried for tried in attempts},
        commands={command.task_id: command for command in commands},
        members={person.member_id: person for person in members},
        organizations={group.organization_id: group for group in organizations},
        keys={key.key_id: key for key in keys},
        call_ins={known.printer_id: known for known in called},
        tokens={known.token_sha256: known.printer_id for known in called},
        codes={code.code: code for code in codes},
        roles={(role.printer_id, role.member_id): role for role in roles},
        grants=load_grants(connection),
        tasks={given.work_id: given for given in _tasks(connection)},
        stacks={group.number: group for group in _stacks(connection)},
        schedules={known.schedule_id: known for known in _schedules(connection)},
        actions={given.work_id: given for given in _actions(connection)},
        member_jobs=_member_jobs(connection),
        ended_keys=_ended_keys(connection),
        last_work_id=last_work_id(connection),
        last_stack_number=_last_stack_number(connection),
    )


def _tasks(connection: Connection) -> list[Task]:
    unfinished = work_rows.SELECT_TASKS.where(task.c.ended_at.is_(None)).order_by(task.c.work_id)
    return [work_rows.task_from(row) for row in connection.execute(unfinished)]


def _last_stack_number(connection: Connection) -> int:
    """Of stacks that are, and of removed ones that runs still name: as long as they, their schedules stay."""
    used = (select(func.max(stack.c.number)), select(func.max(schedule.c.stack_number)))
    return max(connection.execute(numbers).scalar() or 0 for numbers in used)


def _stacks(connection: Connection) -> list[Stack]:
    return [work_rows.stack_from(row) for row in connection.execute(select(stack).order_by(stack.c.number))]


def _schedules(connection: Connection) -> list[Schedule]:
    kept = select(schedule).where(schedule.c.removed_at.is_(None)).order_by(schedule.c.schedule_id)
    return [work_rows.schedule_from(row) for row in connection.execute(kept)]


def _actions(connection: Connection) -> list[Action]:
    unfinished = work_rows.SELECT_ACTIONS.where(action.c.ended_at.is_(None)).order_by(action.c.work_id)
    return [work_rows.action_from(row) for row in connection.execute(unfinished)]


def host_range(connection: Connection) -> tuple[int, int]:
    """The smallest and the largest id that this host may give."""
    start = connection.execute(select(host.c.host_number)).scalar_one() * HOST_RANGE
    return start + 1, start + HOST_RANGE - 1


def last_work_id(connection: Connection) -> int:
    """The last id this host gave; just below its range when it gave none."""
    first, last = host_range(connection)
    given = connection.execute(select(func.max(work.c.id)).where(work.c.id.between(first, last))).scalar()
    return first - 1 if given is None else int(given)


def _member_jobs(connection: Connection) -> dict[str, int]:
    """How many jobs each member ever had: one seek in the index of ordinals per member."""
    highest = (
        select(func.max(job.c.member_ordinal)).where(job.c.member_id == member.c.member_id).scalar_subquery()
    )
    found = connection.execute(select(member.c.member_id, highest.label("highest")))
    return {row.member_id: row.highest + 1 for row in found if row.highest is not None}


def _ended_keys(connection: Connection) -> OrderedDict[str, int]:
    """The print keys of the jobs that ended last, oldest first."""
    latest = (
        select(job.c.print_key, job.c.work_id)
        .where(job.c.end_ordinal.is_not(None), job.c.print_key.is_not(None))
        .order_by(job.c.end_ordinal.desc())
        .limit(ENDED_KEYS_KEPT)
    )
    return OrderedDict((row.print_key, row.work_id) for row in reversed(connection.execute(latest).all()))
