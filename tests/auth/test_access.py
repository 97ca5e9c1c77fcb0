"""Who may see and do what: the table of `gateway.auth.access`, row by row."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.auth import access
from gateway.auth.access import JobScope
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
    for rule in (access.may_see_job, access.may_command_job):
        assert who(lambda p, rule=rule: rule(p, JOB, PRINTER)) == {"ADMIN", "BOSS", "ANA", "BEN"}
        assert who(lambda p, rule=rule: rule(p, JOB, None)) == {"ADMIN", "BOSS", "BEN"}


def test_a_job_on_another_organizations_printer() -> None:
    theirs = replace(PRINTER, organization_id=2)
    assert who(lambda p: access.may_see_job(p, JOB, theirs)) == {"ADMIN", "BOSS", "ANA", "BEN", "OTTO"}


@pytest.mark.parametrize(
    "rule", [access.may_see_printer, access.may_use_printer, access.may_confirm_plate, access.may_stop]
)
def test_printers(rule: object) -> None:
    mine = {"ADMIN", "BOSS", "ANA", "BEN", "COLIN"}
    assert who(lambda p: rule(p, PRINTER)) == mine  # type: ignore[operator]


def test_a_printers_owner_may_use_it_from_another_organization() -> None:
    assert access.may_use_printer(replace(PRINTER_OWNER, organization_id=7), PRINTER)


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


@given(PRINCIPALS, NAMES, ORGANIZATIONS, NAMES, ORGANIZATIONS)
def test_what_a_list_shows_may_be_seen(
    principal: Principal, owner: str, printer_organization: int, submitter: str, job_organization: int
) -> None:
    """No list shows a job that its page would hide."""
    printer = replace(PRINTER, owner_id=owner, organization_id=printer_organization)
    job = replace(JOB, member_id=submitter, organization_id=job_organization)
    for scope in (
        access.own_jobs(principal),
        access.all_jobs(principal),
        access.printer_jobs(principal, printer),
    ):
        shown = scope.member_id in (None, job.member_id) and scope.organization_id in (
            None,
            job.organization_id,
        )
        assert not shown or access.may_see_job(principal, job, printer)


@given(PRINCIPALS, NAMES, ORGANIZATIONS)
def test_whoever_may_print_may_stop(principal: Principal, owner: str, organization: int) -> None:
    printer = replace(PRINTER, owner_id=owner, organization_id=organization)
    assert access.may_stop(principal, printer) or not access.may_use_printer(principal, printer)
