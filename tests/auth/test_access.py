"""Who may see and do what: the table of `gateway.auth.access`, row by row."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.auth import access
from gateway.auth.access import JobScope
from gateway.domain.call_in import CALL_IN_DRIVER, PrinterRole
from gateway.domain.events import CommandGiven, Event, KeyCreated, PlateChanged
from gateway.domain.job import Job, JobStatus
from gateway.domain.member import Principal, Scope
from gateway.domain.printer import Printer
from gateway.domain.state import State

NOW = datetime(2016, 5, 18, tzinfo=UTC)
NONE = frozenset[Scope]()
ADMIN = Principal("ADMIN", 9, frozenset({Scope.ADMIN}))
ORG_ADMIN = Principal("BOSS", 1, NONE, is_org_admin=True)
PRINTER_OWNER = Principal("ANA", 1, NONE)
JOB_OWNER = Principal("BEN", 1, NONE)
COLLEAGUE = Principal("COLIN", 1, NONE)
OTHER_ADMIN = Principal("OTTO", 2, NONE, is_org_admin=True)
STRANGER = Principal("SID", 2, NONE)
EVERYBODY = (ADMIN, ORG_ADMIN, PRINTER_OWNER, JOB_OWNER, COLLEAGUE, OTHER_ADMIN, STRANGER)
PRINTER = Printer(1, "mk3", "marlin", "ANA", 1)
JOB = Job(1, "uuid", "part", "BEN", 1, NOW, JobStatus.QUEUED, NOW, printer_id=1)
STATE = State(printers={1: PRINTER})


def who(rule: object) -> set[str]:
    return {principal.member_id for principal in EVERYBODY if rule(principal)}  # type: ignore[operator]


def test_jobs() -> None:
    for printer, mine in ((PRINTER, {"ADMIN", "BOSS", "ANA", "BEN"}), (None, {"ADMIN", "BOSS", "BEN"})):
        assert who(lambda p, printer=printer: access.may_see_job(p, JOB, printer)) == mine
        assert who(lambda p, printer=printer: access.may_command_job(p, JOB, printer, STATE)) == mine


def test_a_job_on_another_organizations_printer() -> None:
    theirs = replace(PRINTER, organization_id=2)
    assert who(lambda p: access.may_see_job(p, JOB, theirs)) == {"ADMIN", "BOSS", "ANA", "BEN", "OTTO"}


@pytest.mark.parametrize(
    "rule", [access.may_see_printer, access.may_use_printer, access.may_confirm_plate, access.may_stop]
)
def test_printers(rule: object) -> None:
    mine = {"ADMIN", "BOSS", "ANA", "BEN", "COLIN"}
    assert who(lambda p: rule(p, PRINTER, STATE)) == mine  # type: ignore[operator]


def test_a_printers_owner_may_use_it_from_another_organization() -> None:
    assert access.may_use_printer(replace(PRINTER_OWNER, organization_id=7), PRINTER, STATE)


# ---------------------------------------------------------------- members of a printer, and given-up printers


def sharing(**rights: bool) -> State:
    """Sid, of another organization, is a member of mk3."""
    return State(printers={1: PRINTER}, roles={(1, "SID"): PrinterRole(1, "SID", **rights)})


def test_a_member_of_a_printer_may_use_it_from_another_organization() -> None:
    everybody = {"ADMIN", "BOSS", "ANA", "BEN", "COLIN", "SID"}
    for rule in (access.may_use_printer, access.may_see_printer, access.may_confirm_plate, access.may_stop):
        assert who(lambda p, rule=rule: rule(p, PRINTER, sharing())) == everybody
    other = replace(PRINTER, printer_id=2)
    assert not access.may_use_printer(STRANGER, other, sharing()), "of this printer, not of all of them"


def test_a_member_of_a_printer_sees_only_its_own_jobs_there() -> None:
    theirs = replace(JOB, member_id="SID", organization_id=2)
    assert not access.may_see_job(STRANGER, JOB, PRINTER)
    assert not access.may_command_job(STRANGER, JOB, PRINTER, sharing())
    assert access.may_see_job(STRANGER, theirs, PRINTER)
    assert access.printer_jobs(STRANGER, PRINTER) == JobScope("SID", None, 1)


@pytest.mark.parametrize(("is_job_scoped", "may"), [(True, True), (False, False)])
def test_a_role_says_whether_its_member_commands_its_own_jobs(is_job_scoped: bool, may: bool) -> None:
    theirs = replace(JOB, member_id="SID", organization_id=2)
    state = sharing(is_job_scoped=is_job_scoped)
    assert access.may_command_job(STRANGER, theirs, PRINTER, state) is may
    assert access.may_see_job(STRANGER, theirs, PRINTER), "it is its own all the same"
    for principal in (ADMIN, ORG_ADMIN, PRINTER_OWNER, OTHER_ADMIN):
        assert access.may_command_job(principal, theirs, PRINTER, state), "others' roles take nothing"


SOLD = replace(PRINTER, jobs_from=2)  # job 1 was handed in when it was somebody else's


def test_jobs_before_an_owners_time_are_not_its_to_see() -> None:
    theirs = replace(JOB, organization_id=2)
    assert who(lambda p: access.may_see_job(p, theirs, SOLD)) == {"ADMIN", "BEN", "OTTO"}
    assert who(lambda p: access.may_see_job(p, JOB, SOLD)) == {"ADMIN", "BOSS", "BEN"}, (
        "her organization's own"
    )
    since = replace(theirs, work_id=2)
    assert who(lambda p: access.may_see_job(p, since, SOLD)) == {"ADMIN", "BOSS", "ANA", "BEN", "OTTO"}
    assert access.may_see_job(PRINTER_OWNER, replace(theirs, member_id="ANA"), SOLD), "she was its member"


def test_a_print_left_on_a_machine_is_commanded_by_nobody_who_has_no_machine() -> None:
    left = replace(JOB, status=JobStatus.PAUSED)
    state = State(printers={1: SOLD}, jobs={1: left})
    assert who(lambda p: access.may_command_job(p, left, SOLD, state)) == {"ADMIN"}
    assert who(lambda p: access.may_tend(p, SOLD, state)) == {"ADMIN"}
    ended = replace(JOB, status=JobStatus.FAILED)
    verdict = who(lambda p: access.may_command_job(p, ended, SOLD, state))
    assert verdict == {"ADMIN", "BOSS", "BEN"}, "what is over is judged as ever"
    for rule in (access.may_confirm_plate, access.may_stop):
        mine = who(lambda p, rule=rule: rule(p, SOLD, state))
        assert mine == {"ADMIN", "BOSS", "ANA", "BEN", "COLIN"}, "whoever stands before it"


def test_events_and_lists_begin_with_an_owners_time() -> None:
    before = event(CommandGiven, task_id="t", command="pause", organization_id=2)
    state = State(printers={1: SOLD})
    assert who(lambda p: access.may_see_event(p, before, state)) == {"ADMIN", "BEN", "OTTO"}
    since = replace(before, work_id=2)
    assert who(lambda p: access.may_see_event(p, since, state)) == {"ADMIN", "BOSS", "ANA", "BEN", "OTTO"}
    for principal in (ORG_ADMIN, PRINTER_OWNER):
        assert access.printer_jobs(principal, SOLD) == JobScope(printer_id=1, from_work_id=2)
    assert access.printer_jobs(ADMIN, SOLD) == JobScope(printer_id=1)
    assert access.printer_jobs(STRANGER, SOLD) == JobScope("SID", None, 1)


def test_a_role_takes_nothing_from_an_admin_of_the_printers_organization() -> None:
    state = State(printers={1: PRINTER}, roles={(1, "BOSS"): PrinterRole(1, "BOSS", is_job_scoped=False)})
    assert access.may_command_job(ORG_ADMIN, replace(JOB, member_id="BOSS"), PRINTER, state)


def test_commands_to_the_printer_itself() -> None:
    owners = {"ADMIN", "BOSS", "ANA"}
    assert who(lambda p: access.may_tell(p, PRINTER, sharing())) == owners
    assert who(lambda p: access.may_tell(p, PRINTER, sharing(is_printer_scoped=True))) == owners | {"SID"}
    assert who(lambda p: access.may_own(p, PRINTER)) == owners


def test_a_member_may_tend_an_idle_printer_and_not_anothers_print() -> None:
    state = sharing()
    assert access.may_tend(STRANGER, PRINTER, state)
    state.jobs[1] = replace(JOB, status=JobStatus.PRINTING)
    assert not access.may_tend(STRANGER, PRINTER, state)


def test_a_printer_that_was_given_up_is_nobodys() -> None:
    gone = replace(PRINTER, driver=CALL_IN_DRIVER, enabled=False)
    state = State(printers={1: gone})
    for rule in (access.may_use_printer, access.may_see_printer, access.may_stop, access.may_tell):
        assert who(lambda p, rule=rule: rule(p, gone, state)) == {"ADMIN"}
    assert who(lambda p: access.may_own(p, gone)) == {"ADMIN"}
    assert who(lambda p: access.may_see_job(p, JOB, gone)) == {"ADMIN", "BOSS", "BEN"}
    disabled = replace(PRINTER, enabled=False)  # gone from the configuration: its owner put it there
    assert access.may_use_printer(PRINTER_OWNER, disabled, State(printers={1: disabled}))


def event(kind: type[Event], **changes: object) -> Event:
    common = {"at": NOW, "organization_id": 1, "member_id": "BEN", "printer_id": 1, "work_id": 1}
    return kind(**(common | changes))  # type: ignore[arg-type]


def test_events_about_work_are_for_who_may_see_the_job() -> None:
    given = event(CommandGiven, task_id="t", command="pause")
    assert who(lambda p: access.may_see_event(p, given, STATE)) == {"ADMIN", "BOSS", "ANA", "BEN"}
    assert who(lambda p: access.may_see_event(p, given, State())) == {"ADMIN", "BOSS", "BEN"}
    nowhere = replace(given, organization_id=None)
    assert who(lambda p: access.may_see_event(p, nowhere, STATE)) == {"ADMIN", "BOSS", "ANA", "BEN"}


def test_events_about_a_printer_are_for_who_may_see_it() -> None:
    changed = event(PlateChanged, work_id=None, member_id="ANA", printer="mk3", plate="clear", by="ana")
    assert who(lambda p: access.may_see_event(p, changed, STATE)) == {"ADMIN", "BOSS", "ANA", "BEN", "COLIN"}


def test_events_about_a_member_are_for_it_and_its_admin() -> None:
    key = event(KeyCreated, work_id=None, printer_id=None, key_id="k", name="n")
    assert who(lambda p: access.may_see_event(p, key, STATE)) == {"ADMIN", "BOSS", "BEN"}
    nobodys = replace(key, member_id=None, organization_id=None)
    assert who(lambda p: access.may_see_event(p, nobodys, STATE)) == {"ADMIN"}


def test_lists() -> None:
    for principal in EVERYBODY:
        assert access.own_jobs(principal) == JobScope(member_id=principal.member_id)
    assert access.all_jobs(ADMIN) == JobScope()
    assert access.all_jobs(ORG_ADMIN) == JobScope(organization_id=1)
    assert access.all_jobs(COLLEAGUE) == JobScope(member_id="COLIN")
    everything = JobScope(printer_id=1)
    for principal in (ADMIN, ORG_ADMIN, PRINTER_OWNER):
        assert access.printer_jobs(principal, PRINTER) == everything
    for principal in (JOB_OWNER, COLLEAGUE, STRANGER, OTHER_ADMIN):
        assert access.printer_jobs(principal, PRINTER) == JobScope(principal.member_id, None, 1)


NAMES = st.sampled_from(["ANA", "BEN", "COLIN"])
ORGANIZATIONS = st.integers(1, 2)
PRINCIPALS = st.builds(
    Principal,
    NAMES,
    ORGANIZATIONS,
    st.sampled_from([NONE, frozenset({Scope.ADMIN})]),
    is_org_admin=st.booleans(),
)


@given(PRINCIPALS, NAMES, ORGANIZATIONS, NAMES, ORGANIZATIONS, st.integers(0, 2))
def test_what_a_list_shows_may_be_seen(
    principal: Principal, owner: str, printer_organization: int, submitter: str, job_organization: int,
    jobs_from: int,
) -> None:  # fmt: skip
    """No list shows a job that its page would hide."""
    printer = replace(PRINTER, owner_id=owner, organization_id=printer_organization, jobs_from=jobs_from)
    job = replace(JOB, member_id=submitter, organization_id=job_organization)
    for scope in (
        access.own_jobs(principal),
        access.all_jobs(principal),
        access.printer_jobs(principal, printer),
    ):
        shown = (
            scope.member_id in (None, job.member_id)
            and scope.organization_id
            in (
                None,
                job.organization_id,
            )
            and job.work_id >= (scope.from_work_id or 0)
        )
        assert not shown or access.may_see_job(principal, job, printer)


@given(PRINCIPALS, NAMES, ORGANIZATIONS)
def test_whoever_may_print_may_stop(principal: Principal, owner: str, organization: int) -> None:
    printer = replace(PRINTER, owner_id=owner, organization_id=organization)
    can_use = access.may_use_printer(principal, printer, STATE)
    assert access.may_stop(principal, printer, STATE) or not can_use
