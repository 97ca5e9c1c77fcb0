"""Printers that call in, their codes and members, and what is kept of what they say: written, read back."""

from __future__ import annotations

from dataclasses import replace

from gateway.domain.call_in import CallIn, CodeKind, PrinterRole, RegistrationCode
from gateway.domain.job import JobStatus
from gateway.domain.printer import Printer
from gateway.domain.printer_command import CommandStatus, PrinterCommand
from gateway.domain.state import State
from gateway.store.journal import Journal
from gateway.store.queries import Queries
from tests.store.stand import ANA, BEN, DAY, MK3, START, Ids, draft, new_job

EMBER = CallIn(
    58, "7FAF097F-DB2E-45DC-9395-A30210E789AA", "1.1.1.1", "", "ab" * 32, START, START, revoked_at=None
)
PRIMARY = RegistrationCode("YKNRKT", 58, CodeKind.PRIMARY, START + DAY)
SECONDARY = RegistrationCode("AAAAAB", 1, CodeKind.SECONDARY, START + DAY, "ben@example.com")
ROLE = PrinterRole(MK3.printer_id, BEN.member_id, is_printer_scoped=True, is_job_scoped=False)


async def called(journal: Journal, state: State, ids: Ids) -> None:
    """A printer has called, ben is a member of mk3 and a code of each kind is out."""
    made = draft(state, ids)
    made.put_call_in(EMBER)
    made.put_code(PRIMARY)
    made.put_code(SECONDARY)
    made.put_role(ROLE)
    await journal.commit(made)
    made.apply()


async def test_they_come_back(journal: Journal, state: State, ids: Ids) -> None:
    await called(journal, state, ids)
    assert await journal.load() == state
    assert state.call_in_by_token(EMBER.token_sha256) == EMBER
    assert state.codes == {code.code: code for code in (PRIMARY, SECONDARY)}
    assert state.roles == {(1, BEN.member_id): ROLE}


async def test_changes_of_them_come_back(journal: Journal, state: State, ids: Ids) -> None:
    await called(journal, state, ids)
    made = draft(state, ids)
    revoked = made.put_call_in(replace(EMBER, firmware="1.2", seen_at=START + DAY, revoked_at=START + DAY))
    made.put_role(replace(ROLE, is_job_scoped=True))
    await journal.commit(made)
    made.apply()
    assert await journal.load() == state
    assert state.call_ins == {58: revoked}
    assert state.call_in_by_token(EMBER.token_sha256) is None


async def test_what_was_dropped_is_gone(journal: Journal, state: State, ids: Ids) -> None:
    await called(journal, state, ids)
    made = draft(state, ids)
    made.drop_call_in(58)
    made.drop_code(PRIMARY.code)
    made.drop_code(SECONDARY.code)
    made.drop_role(1, BEN.member_id)
    await journal.commit(made)
    made.apply()
    assert await journal.load() == state
    assert (state.call_ins, state.tokens, state.codes, state.roles) == ({}, {}, {}, {})


async def test_a_code_that_came_and_went_in_one_draft(journal: Journal, state: State, ids: Ids) -> None:
    made = draft(state, ids)
    made.put_code(PRIMARY)
    made.drop_code(PRIMARY.code)
    await journal.commit(made)
    made.apply()
    assert await journal.load() == state
    assert state.codes == {}


async def test_a_registered_printer_has_the_name_that_its_owner_gave_it(
    journal: Journal, state: State, ids: Ids
) -> None:
    made = draft(state, ids)
    printer = Printer(58, "forge:58", "forge", ANA.member_id, 1, display_name="Ana's", type_id=EMBER.type_id)
    made.put_printer(printer)
    await journal.commit(made)
    assert (await journal.load()).printers[58] == printer


async def test_what_a_printer_says_of_a_job_is_kept(
    journal: Journal, queries: Queries, state: State, ids: Ids
) -> None:
    made = draft(state, ids)
    job = new_job(made, callback_url="http://app.example/job", callback_interval=20)
    await journal.commit(made)
    made.apply()
    assert await queries.job(job.job_id) == job
    made = draft(state, ids)
    running = made.put_job(
        replace(job, status=JobStatus.PRINTING, reported={"layer": 3, "data": {"temperature": 28.6875}})
    )
    await journal.commit(made)
    made.apply()
    assert await queries.job(job.job_id) == running
    further = replace(running, progress=0.5, reported={"layer": 6})
    await journal.save_progress([further], [])
    assert await queries.job(job.job_id) == further


async def test_what_a_printer_says_of_a_command_is_kept(
    journal: Journal, queries: Queries, state: State, ids: Ids
) -> None:
    made = draft(state, ids)
    told = PrinterCommand(
        "bf16cf49-86d9-4c7a-8aa4-90e18eb1b689", 1, None, "firmware_upgrade", ANA.member_id, START,
        parameters={"package_url": "http://example.com/1.2"},
    )  # fmt: skip
    made.put_command(told)
    await journal.commit(made)
    made.apply()
    assert await journal.load() == state
    made = draft(state, ids)
    answered = made.put_command(
        replace(
            told,
            state=CommandStatus.DONE,
            answered_at=START,
            progress=1.0,
            answer={"data": {"state": "completed"}},
            heard_at=START,
        )
    )
    await journal.commit(made)
    assert await queries.command(told.task_id) == answered
