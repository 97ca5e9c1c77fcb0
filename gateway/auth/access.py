"""Who may see and do what. Scopes (`data:read`, `data:write`) are asked for at the door, before these rules.

                          admin  organization's  printer's  job's   same          member of the printer
                                 admin           owner      owner   organization  (its role)
    see a job               x         x              x (1)    x
    command a job           x         x              x (1)    x (2)               own, if is_job_scoped
    use a printer, see it   x         x              x                  x         x
    adjust it, answer it    x         x              x        x      if idle      if idle
    confirm its plate       x         x              x                  x         x
    stop it (emergency)     x         x              x                  x         x
    tell it commands        x         x              x                            if is_printer_scoped
    share it, give it up    x         x              x
    change keys, members    x

"admin" holds the scope `admin`. An organization's admin counts for the job's organization and the printer's.
Confirming and stopping are for everybody who may print there: the one who stands before the machine and lifts
the part off, or sees it burn, is a colleague as often as the owner.

(1) Jobs of its own time. Who registers a printer that another member gave up sees none of the jobs before
(`Printer.jobs_from`), nor does the admin of its organization, unless they are that organization's own.
(2) A print that is on the machine still, or may be, is commanded by administrators of the gateway only: those
it belongs to gave the machine away, and its owner may not see it. Whoever confirms the plate clear ends it.

A member of a printer may be of any organization. A role takes as well as gives: its job's owner does without
pause, resume and cancel on a printer where its role is not job scoped. A printer that called in and was given
up is nobody's: its former owner and the organization know of it no more; administrators do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gateway.domain.call_in import CALL_IN_DRIVER, PrinterRole
from gateway.domain.job import Job
from gateway.domain.member import Principal
from gateway.domain.printer import Printer
from gateway.domain.state import State
from gateway.domain.work_events import ActionMoved, ScheduleChanged, StackChanged

#: Events that everybody of their organization may hear.
_OF_ORGANIZATION = frozenset({StackChanged.kind, ScheduleChanged.kind, ActionMoved.kind})


class Subjects(Protocol):
    """Whom an event concerns; both `domain.events.Event` and the store's committed one have it."""

    @property
    def kind(self) -> str: ...
    @property
    def organization_id(self) -> int | None: ...
    @property
    def member_id(self) -> str | None: ...
    @property
    def printer_id(self) -> int | None: ...
    @property
    def work_id(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class JobScope:
    """Which jobs a list shows to its caller: arguments for the job query; None does not narrow."""

    member_id: str | None = None
    organization_id: int | None = None
    printer_id: int | None = None
    from_work_id: int | None = None


def is_admin_of(principal: Principal, organization_id: int | None) -> bool:
    """Whether it runs this gateway, or this organization."""
    return principal.is_admin or (principal.is_org_admin and organization_id == principal.organization_id)


def owns_printer(principal: Principal, printer: Printer | None) -> bool:
    """Whether it is the printer's owner."""
    return printer is not None and printer.owner_id == principal.member_id and not is_given_up(printer)


def is_given_up(printer: Printer) -> bool:
    """Whether it called in, was registered, and is not any more."""
    return printer.driver == CALL_IN_DRIVER and not printer.enabled


def role_of(principal: Principal, printer: Printer | None, state: State) -> PrinterRole | None:
    """What it may do as a member of the printer; None: it is none."""
    return None if printer is None else state.roles.get((printer.printer_id, principal.member_id))


def may_see_job(principal: Principal, job: Job, printer: Printer | None) -> bool:
    """`printer` is the job's, None while it has none."""
    return job.member_id == principal.member_id or _has_authority(principal, job, printer)


def _has_authority(principal: Principal, job: Job, printer: Printer | None) -> bool:
    """Whether it may see and command the job, whosever it is."""
    return is_admin_of(principal, job.organization_id) or _has_printer(principal, job.work_id, printer)


def _has_printer(principal: Principal, work_id: int, printer: Printer | None) -> bool:
    """Whether the work is its to see because the printer is its, or its organization's."""
    if printer is None or not (principal.is_admin or printer.is_of_owners_time(work_id)):
        return False
    return owns_printer(principal, printer) or is_admin_of(principal, printer.organization_id)


def may_command_job(principal: Principal, job: Job, printer: Printer | None, state: State) -> bool:
    """Pause, resume, cancel, resolve, give a verdict. `printer` as above.

    Whoever may see it; one who only owns the job, and whose role on the printer is not job scoped, may not.
    """
    if job.is_on_printer and printer is not None and not printer.is_of_owners_time(job.work_id):
        return principal.is_admin
    role = role_of(principal, printer, state)
    is_own = job.member_id == principal.member_id and (role is None or role.is_job_scoped)
    return is_own or _has_authority(principal, job, printer)


def may_see_printer(principal: Principal, printer: Printer, state: State) -> bool:
    """Whether it is told that this printer exists and how it is."""
    if principal.is_admin:
        return True
    return not is_given_up(printer) and (
        owns_printer(principal, printer)
        or printer.organization_id == principal.organization_id
        or role_of(principal, printer, state) is not None
    )


def may_use_printer(principal: Principal, printer: Printer, state: State) -> bool:
    """Send jobs to it."""
    return may_see_printer(principal, printer, state)


def may_own(principal: Principal, printer: Printer) -> bool:
    """Say who else uses it, and give it up: its owner, and admins."""
    if is_given_up(printer):
        return principal.is_admin
    return owns_printer(principal, printer) or is_admin_of(principal, printer.organization_id)


def may_tell(principal: Principal, printer: Printer, state: State) -> bool:
    """Give it commands of its own (reset, calibrate, settings): who may own it, and whom the owner let."""
    role = role_of(principal, printer, state)
    return may_own(principal, printer) or (role is not None and role.is_printer_scoped)


def may_confirm_plate(principal: Principal, printer: Printer, state: State) -> bool:
    """Say that its plate is clear, or occupied."""
    return may_use_printer(principal, printer, state)


def may_tend(principal: Principal, printer: Printer, state: State) -> bool:
    """Adjust it and answer its questions: whoever may command the job on it; on an idle one, use it."""
    job = next((job for job in state.jobs.values() if _has(job, printer)), None)
    if job is None:
        return may_use_printer(principal, printer, state)
    return may_command_job(principal, job, printer, state)


def _has(job: Job, printer: Printer) -> bool:
    return job.printer_id == printer.printer_id and job.is_on_printer


def may_stop(principal: Principal, printer: Printer, state: State) -> bool:
    """Stop it at once, whoever's print it is."""
    return may_see_printer(principal, printer, state)


def may_see_event(principal: Principal, event: Subjects, state: State) -> bool:
    """An event about work: who may see the job. About a printer alone: who may see it. Else: its member.

    Stacks, schedules and runs are the whole organization's to see. An event about a task of `ADMIN_KINDS`
    names no member and no organization: it is for administrators of the gateway.
    """
    printer = None if event.printer_id is None else state.printers.get(event.printer_id)
    if event.member_id == principal.member_id or is_admin_of(principal, event.organization_id):
        return True
    if event.kind in _OF_ORGANIZATION and event.organization_id == principal.organization_id:
        return True
    if printer is None:
        return False
    if event.work_id is None:
        return may_see_printer(principal, printer, state)
    return _has_printer(principal, event.work_id, printer)


def own_jobs(principal: Principal) -> JobScope:
    """Forge's `GET /print/jobs`: the caller's own, whatever it may see besides."""
    return JobScope(member_id=principal.member_id)


def printer_jobs(principal: Principal, printer: Printer) -> JobScope:
    """`printers/{id}/jobs`: all of its time for its owner and for admins, else the caller's own there."""
    if principal.is_admin:
        return JobScope(printer_id=printer.printer_id)
    if owns_printer(principal, printer) or is_admin_of(principal, printer.organization_id):
        return JobScope(printer_id=printer.printer_id, from_work_id=printer.jobs_from or None)
    return JobScope(printer_id=printer.printer_id, member_id=principal.member_id)


def all_jobs(principal: Principal) -> JobScope:
    """The widest list: everything for an admin, the organization for its admin, else the caller's own."""
    if principal.is_admin:
        return JobScope()
    if principal.is_org_admin:
        return JobScope(organization_id=principal.organization_id)
    return own_jobs(principal)
