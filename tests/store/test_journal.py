"""Commits: all or nothing, in the order constraints need, and read back as they were decided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection

from gateway.domain.events import Event, JobSubmitted
from gateway.domain.file import StoredFile
from gateway.domain.idempotency import Idempotency
from gateway.domain.job import AttemptResult, Job, JobStatus, Reason, Verdict
from gateway.domain.printer_command import CommandStatus, PrinterCommand
from gateway.domain.state import ENDED_KEYS_KEPT, State
from gateway.engine import ports
from gateway.engine.ports import StoredEvent, StoreUnavailable
from gateway.store import commit
from gateway.store.database import Database
from gateway.store.journal import Journal
from gateway.store.queries import Queries
from gateway.store.schema import HOST_RANGE
from gateway.store.trouble import RowRefused
from tests.store.stand import (
    ANA,
    BEN,
    DAY,
    KEY,
    MILLISECOND,
    MK3,
    START,
    X1,
    Ids,
    SetClock,
    draft,
    ended,
    intent,
    moved,
    new_job,
    peopled,
)

_: type[ports.Journal] = Journal  # the port, checked by mypy


def rows_of(table: str) -> Callable[[Any], list[Any]]:
    return lambda connection: connection.exec_driver_sql(f"SELECT * FROM {table}").fetchall()


async def test_people_printers_and_keys_come_back(journal: Journal, state: State) -> None:
    assert await journal.load() == state
    assert state.printers == {1: MK3, 2: X1}
    assert state.keys == {KEY.key_id: KEY}
    assert set(state.organizations) == {1, 2}


async def test_changes_of_them_come_back(journal: Journal, state: State, ids: Ids) -> None:
    made = draft(state, ids)
    made.put_printer(replace(MK3, link="tcp://10.0.0.2", enabled=False))
    made.keys[KEY.key_id] = made.key_rows[KEY.key_id] = replace(KEY, revoked_at=START + DAY)
    promoted = replace(BEN, is_admin=True)
    made.members[BEN.member_id] = promoted
    made.member_rows.append(promoted)
    await journal.commit(made)
    made.apply()
    assert await journal.load() == state
    assert state.printers[1].version == 2


async def test_every_field_of_a_job_comes_back(journal: Journal, state: State, ids: Ids) -> None:
    made = draft(state, ids)
    job = new_job(
        made,
        BEN,
        app_id="slicer",
        status=JobStatus.PAUSED,
        reasons=frozenset({Reason.PRINTER_STOPPED, Reason.TO_STOP_POINT}),
        is_local=True,
        print_key="local-7",
        attempts=2,
        file_sha256="ab" * 32,
        file_name="Bär.gcode",
        file_size=2**40,
        printable_id="urn:x",
        printable_url="http://x",
        settings={"Settings": {"layers": [1, 2]}},
        comment="fine",
        custom_data=["any", {"json": None}],
        message="look",
        error_code=500,
        progress=0.25,
        position=123,
        line=45,
        started_at=START,
    )
    await journal.commit(made)
    assert (await journal.load()).jobs == {job.work_id: job}


async def test_commands_are_kept_until_they_are_answered(
    journal: Journal, queries: Queries, state: State, ids: Ids
) -> None:
    made = draft(state, ids)
    stop = made.put_command(PrinterCommand(ids.uuid(), 1, None, "emergency-stop", "NO-MEMBER", START))
    await journal.commit(made)
    made.apply()
    assert (await journal.load()).commands == {stop.task_id: stop}
    made = draft(state, ids)
    done = made.put_command(replace(stop, state=CommandStatus.DONE, answered_at=START, message="stopped"))
    await journal.commit(made)
    assert (await journal.load()).commands == {}
    assert await queries.command(stop.task_id) == done


async def test_attempts_are_opened_and_closed(
    journal: Journal, queries: Queries, state: State, ids: Ids
) -> None:
    made = draft(state, ids)
    job = new_job(made)
    first = intent(job, 1, ids.uuid())
    made.put_attempt(first)
    await journal.commit(made)
    made.apply()
    assert (await journal.load()).attempts == {job.work_id: first}
    made = draft(state, ids)
    second = intent(job, 2, ids.uuid())
    refused = replace(first, ended_at=START, result=AttemptResult.REFUSED, message="no filament")
    made.attempt_rows[(job.work_id, 2)] = second  # in the wrong order on purpose
    made.put_attempt(refused)
    made.put_attempt(second)
    await journal.commit(made)
    assert (await journal.load()).attempts == {job.work_id: second}
    assert await queries.attempts(job.work_id) == (refused, second)


async def test_two_open_attempts_of_a_job_are_refused(journal: Journal, state: State, ids: Ids) -> None:
    made = draft(state, ids)
    job = new_job(made)
    made.put_attempt(intent(job, 1, ids.uuid()))
    made.put_attempt(intent(job, 2, ids.uuid()))
    with pytest.raises(RowRefused, match=r"attempt\.work_id"):
        await journal.commit(made)


def on_machine(made: Any, **changes: Any) -> Job:
    return new_job(made, **({"status": JobStatus.PRINTING} | changes))


async def test_two_ordered_prints_on_one_machine_are_refused(
    journal: Journal, state: State, ids: Ids
) -> None:
    made = draft(state, ids)
    on_machine(made)
    on_machine(made, status=JobStatus.SENT)
    with pytest.raises(RowRefused, match=r"job\.printer_id"):
        await journal.commit(made)


async def test_what_machines_do_is_always_storable(journal: Journal, state: State, ids: Ids) -> None:
    made = draft(state, ids)
    on_machine(made)
    on_machine(made, is_local=True, print_key="a")
    on_machine(made, is_local=True, print_key="b")
    on_machine(made, status=JobStatus.SENT, reasons=frozenset({Reason.HOLD}))
    on_machine(made, printer_id=2)
    on_machine(made, is_local=True, printer_id=2, name="\0\udcff.gco", message="\ud800")
    await journal.commit(made)
    jobs = (await journal.load()).jobs
    assert len(jobs) == 6
    assert jobs[max(jobs)].name == "\ufffd\ufffd.gco"


async def test_a_machine_changes_hands_within_one_commit(journal: Journal, state: State, ids: Ids) -> None:
    made = draft(state, ids)
    waiting, printing = new_job(made), on_machine(made)
    await journal.commit(made)
    made.apply()
    made = draft(state, ids)
    made.put_job(replace(waiting, status=JobStatus.SENT))  # written first, its printer is free only after
    made.put_job(ended(printing))
    await journal.commit(made)
    made.apply()
    assert await journal.load() == state


async def test_a_stale_change_is_refused_and_changes_nothing(
    journal: Journal, queries: Queries, state: State, ids: Ids
) -> None:
    made = draft(state, ids)
    job = new_job(made)
    await journal.commit(made)
    made.apply()
    for stale in (replace(job, version=3), replace(job, version=0), replace(job, work_id=77)):
        made = draft(state, ids)
        made.put_job(replace(stale, name="stale"))
        with pytest.raises(RowRefused, match="cannot become version"):
            await journal.commit(made)
    assert await queries.job(job.job_id) == job


async def test_a_verdict_on_an_ended_job(journal: Journal, queries: Queries, state: State, ids: Ids) -> None:
    made = draft(state, ids)
    job = new_job(made, status=JobStatus.COMPLETED, ended_at=START, print_key="k")
    made.ended_keys["k"] = job.work_id
    await journal.commit(made)
    made.apply()
    made = draft(state, ids)
    judged = made.put_job(replace(job, verdict=Verdict.SUCCESSFUL))
    await journal.commit(made)
    made.apply()
    assert await queries.job(job.job_id) == judged
    assert await journal.load() == state
    for word, n in (("successful", 1), ("completed", 0)):
        assert (await queries.jobs(member_id=ANA.member_id, statuses=frozenset({word}))).total == n


class Unstorable(Event):
    """An event that fails at the very end of a commit."""

    kind = "unstorable"

    def details(self) -> dict[str, Any]:
        return {"object": object()}


@pytest.mark.parametrize("breaks", ["an event", "the totals", "the ids"])
async def test_a_commit_that_fails_leaves_nothing(
    breaks: str, journal: Journal, database: Database, state: State, ids: Ids, clock: SetClock
) -> None:
    made = draft(state, ids)
    job = new_job(made)
    await journal.commit(made)
    made.apply()
    tables = ("work", "job", "attempt", "event", "job_total", "idempotency", "member", "file", "printer")
    before = {table: await database.read(rows_of(table)) for table in tables}
    made = peopled(state, ids)
    made.put_job(ended(job))
    new_job(made, BEN)
    made.put_attempt(intent(job, 1, ids.uuid()))
    made.idempotency_rows.append((ANA.member_id, Idempotency("k", "f"), "x"))
    made.file_rows.append(StoredFile(ids.uuid(), "ab" * 32, "x", 1, ANA.member_id, 1, START))
    made.events.append(moved(job))
    if breaks == "an event":
        made.events.append(Unstorable(START, None, None, None, None))
    elif breaks == "the totals":
        await database.write(lambda c: c.exec_driver_sql("UPDATE job_total SET n = 0"))
        before["job_total"] = await database.read(rows_of("job_total"))
    else:
        ids.given -= 1
        journal = Journal(database, lambda digits: "0" * digits, clock)
        new_job(made, BEN)
    with pytest.raises((StoreUnavailable, TypeError)):
        await journal.commit(made)
    assert {table: await database.read(rows_of(table)) for table in tables} == before


async def test_events_are_numbered_and_come_back_as_they_were_answered(
    journal: Journal, queries: Queries, state: State, ids: Ids
) -> None:
    made = draft(state, ids)
    job = new_job(made, reasons=frozenset({Reason.HOLD, Reason.PRINTING}), status=JobStatus.SENT)
    made.events.append(
        JobSubmitted(START + MILLISECOND / 3, 1, ANA.member_id, 1, job.work_id, job.job_id, "p", "queued")
    )
    made.events += [moved(job, message=f"\udc80 {n}") for n in range(20)]
    stored = await journal.commit(made)
    assert [event.seq for event in stored] == list(range(1, 22))
    assert stored[0] == StoredEvent(
        1,
        "job-submitted",
        START,
        1,
        ANA.member_id,
        1,
        job.work_id,
        {"job_id": job.job_id, "name": "p", "status": "queued"},
    )
    assert [event.details["message"] for event in stored[1:]] == [f"\udc80 {n}" for n in range(20)]
    assert await queries.events_after(0, 100) == tuple(stored)
    assert await queries.events_after(3, 2) == tuple(stored[3:5])
    assert await queries.last_event_seq() == 21


async def test_old_events_go_and_their_numbers_are_never_given_again(
    journal: Journal, database: Database, queries: Queries, state: State, ids: Ids
) -> None:
    far = commit.EVENTS_KEPT + 2 * commit.PRUNE_EVERY
    made = draft(state, ids)
    job = new_job(made)
    made.events.append(moved(job))
    await journal.commit(made)
    made.apply()
    await database.write(
        lambda c: c.exec_driver_sql(f"UPDATE sqlite_sequence SET seq = {far - 1} WHERE name='event'")
    )
    made = draft(state, ids)
    made.events.append(moved(job))
    assert [event.seq for event in await journal.commit(made)] == [far]
    assert [event.seq for event in await queries.events_after(0, 10)] == [far]
    await database.write(lambda c: c.exec_driver_sql("DELETE FROM event"))
    made = draft(state, ids)
    made.events.append(moved(job))
    assert [event.seq for event in await journal.commit(made)] == [far + 1]


async def test_idempotency_keys_answer_for_a_day(
    journal: Journal, state: State, ids: Ids, clock: SetClock, database: Database
) -> None:
    used = Idempotency("key", "fingerprint")

    async def use(answer: str) -> None:
        made = draft(state, ids, clock.now)
        made.idempotency_rows.append((ANA.member_id, used, answer))
        await journal.commit(made)

    assert await journal.find_idempotent(ANA.member_id, "key") is None
    await use("first")
    assert await journal.find_idempotent(ANA.member_id, "key") == (used, "first")
    assert await journal.find_idempotent(BEN.member_id, "key") is None
    clock.now = START + DAY - MILLISECOND
    assert await journal.find_idempotent(ANA.member_id, "key") == (used, "first")
    with pytest.raises(RowRefused):
        await use("second")
    clock.now = START + DAY
    assert await journal.find_idempotent(ANA.member_id, "key") is None
    await use("third")
    assert await journal.find_idempotent(ANA.member_id, "key") == (used, "third")
    assert len(await database.read(rows_of("idempotency"))) == 1  # the expired one went
    clock.now = START - DAY  # the clock was set back: a key from the future is no older than a day
    assert await journal.find_idempotent(ANA.member_id, "key") == (used, "third")


async def test_progress_is_saved_without_a_version_and_never_after_the_end(
    journal: Journal, queries: Queries, state: State, ids: Ids
) -> None:
    made = draft(state, ids)
    job = on_machine(made)
    attempt = intent(job, 1, ids.uuid())
    made.put_attempt(attempt)
    await journal.commit(made)
    made.apply()
    further = replace(job, progress=0.5, position=10, line=3, name="not saved")
    await journal.save_progress([further], [replace(attempt, position=10, line=3, message="not saved")])
    assert await queries.job(job.job_id) == replace(further, name=job.name)
    assert await queries.attempts(job.work_id) == (replace(attempt, position=10, line=3),)
    made = draft(state, ids)
    end = made.put_job(ended(job))
    done = replace(attempt, ended_at=START, result=AttemptResult.COMPLETED)
    made.put_attempt(done)
    await journal.commit(made)
    await journal.save_progress([further], [replace(attempt, position=11)])
    await journal.save_progress([], [])
    assert await queries.job(job.job_id) == end
    assert await queries.attempts(job.work_id) == (done,)


async def test_the_last_thousand_ended_keys_come_back_in_the_order_of_their_ends(
    journal: Journal, state: State, ids: Ids
) -> None:
    made = draft(state, ids)
    jobs = [new_job(made, print_key=f"key {n}") for n in range(ENDED_KEYS_KEPT + 5)]
    jobs.append(new_job(made))  # never had a print
    await journal.commit(made)
    made.apply()
    made = draft(state, ids)
    for number, job in enumerate(reversed(jobs)):  # the wall clock runs backwards meanwhile
        made.put_job(ended(job, now=START - number * MILLISECOND))
        if job.print_key:
            made.ended_keys[job.print_key] = job.work_id
    await journal.commit(made)
    made.apply()
    loaded = await journal.load()
    assert list(loaded.ended_keys.items()) == list(state.ended_keys.items())
    assert len(loaded.ended_keys) == ENDED_KEYS_KEPT
    assert loaded == state


async def test_ids_come_from_this_hosts_range(
    journal: Journal, database: Database, queries: Queries, state: State, ids: Ids
) -> None:
    async def submit() -> Job:
        loaded = await journal.load()
        made = draft(loaded, ids)
        job = new_job(made)
        await journal.commit(made)
        return job

    async def become_host(number: int) -> None:
        await database.write(lambda c: c.exec_driver_sql(f"UPDATE host SET host_number = {number}"))

    assert [(await submit()).work_id for _ in range(2)] == [1, 2]
    await become_host(2047)
    assert (await journal.load()).last_work_id == 2047 * HOST_RANGE
    assert (await submit()).work_id == 2047 * HOST_RANGE + 1
    await become_host(0)
    assert (await submit()).work_id == 3


async def test_a_used_up_range_is_told(journal: Journal, state: State, ids: Ids) -> None:
    state.last_work_id = HOST_RANGE - 2
    made = draft(state, ids)
    new_job(made)
    await journal.commit(made)
    made.apply()
    made = draft(state, ids)
    new_job(made)
    with pytest.raises(StoreUnavailable, match="used up its 1048575 ids"):
        await journal.commit(made)


async def test_public_ids_are_given_once(
    journal: Journal, database: Database, state: State, ids: Ids
) -> None:
    made = draft(state, ids)
    job = new_job(made)
    await journal.commit(made)
    made.apply()
    seen = await database.read(rows_of("work"))
    made = draft(state, ids)
    made.put_job(replace(job, name="renamed"))
    await journal.commit(made)
    again = await database.read(rows_of("work"))
    assert seen[0][:-1] == again[0][:-1]  # all but the version
    assert (len(seen[0].hex24), len(seen[0].hex32), seen[0].public_id) == (24, 32, job.job_id)


async def test_a_commit_costs_what_it_changes_not_what_there_is(
    journal: Journal, database: Database, state: State, ids: Ids
) -> None:
    """Naming a key in an update made SQLite look at every job of the printer."""

    async def steps_of_a_change() -> int:
        """Thousands of steps of SQLite's machine."""
        seen: list[int] = []

        def count(connection: Connection) -> None:
            raw = connection.connection.driver_connection
            assert raw is not None
            raw.set_progress_handler(lambda: seen.append(1), 1000)

        await database.write(count)
        made = draft(state, ids)
        made.put_printer(replace(state.printers[1], link=f"link {ids.uuid()}"))
        made.member_rows.append(ANA)
        made.put_job(replace(job, message="x", version=state.jobs[job.work_id].version))
        await journal.commit(made)
        made.apply()
        return len(seen)

    made = draft(state, ids)
    job = new_job(made)
    await journal.commit(made)
    made.apply()
    before = await steps_of_a_change()
    made = draft(state, ids)
    for _ in range(2000):
        new_job(made, status=JobStatus.COMPLETED, ended_at=START)
    await journal.commit(made)
    made.apply()
    assert await steps_of_a_change() <= before + 3
