"""The one writer: decide, commit, then act; safety before the commit; memory is never ahead of the disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway.domain.commands import CancelJob, CommandRefused, JudgeJob, PauseJob, Refusal, SetPlate
from gateway.domain.idempotency import Idempotency
from gateway.domain.job import Job, JobStatus, Verdict
from gateway.domain.observations import DriverAttached, OrderAnswered, OrderResult, PrintPhase
from gateway.domain.orders import Acknowledge, CancelPrint, EmergencyStop, PausePrint, StartPrint
from gateway.domain.printer import Plate
from gateway.domain.printer_command import CommandStatus, PrinterCommand
from gateway.engine.engine import INBOX_LIMIT, RETRY_AFTER, TICK, EngineBusy
from gateway.engine.ports import DraftRefused, StoreUnavailable
from tests.engine.bench import Bench, running
from tests.support.stand import ANA, a_forge_printer, a_submission, house, printer, report, seen

S = JobStatus
FULL = "the disk is full: free some space under /var/lib/print-gateway"


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async for made in running(Bench()):
        yield made


@pytest.fixture
async def occupied() -> AsyncIterator[Bench]:
    async for made in running(Bench(house(printer(plate=Plate.OCCUPIED)))):
        yield made


async def test_a_job_that_starts_at_once_is_answered_as_sent(bench: Bench) -> None:
    job = await bench.engine.execute(a_submission())
    assert job.status is S.SENT
    assert bench.journal.jobs[job.work_id] == job, "with the version that its ETag is made of"


async def test_settled_follows_the_commit_of_what_was_observed(bench: Bench) -> None:
    bench.engine.observe(seen(report("local-1", is_local=True)))
    assert not bench.journal.jobs
    await bench.engine.settled()
    assert [job.print_key for job in bench.journal.jobs.values()] == ["local-1"]


async def test_settled_fails_for_as_long_as_what_was_observed_is_not_committed(bench: Bench) -> None:
    bench.journal.broken = FULL
    bench.engine.observe(seen(report("local-1", is_local=True)))
    with pytest.raises(StoreUnavailable, match="disk is full"):
        await bench.engine.settled()
    with pytest.raises(StoreUnavailable, match="disk is full"):  # it waits to be decided again
        await bench.engine.settled()
    bench.journal.broken = None
    await asyncio.sleep(RETRY_AFTER)
    await bench.engine.settled()
    assert [job.print_key for job in bench.journal.jobs.values()] == ["local-1"]


async def test_an_answer_follows_the_commit_it_caused(bench: Bench) -> None:
    job = await bench.engine.execute(a_submission())
    assert bench.journal.jobs[job.work_id].job_id == job.job_id
    assert bench.journal.commits == 1
    assert [event.kind for event in bench.audience.heard] == ["job-submitted", "job-moved", "plate-changed"]
    assert [event.seq for event in bench.audience.heard] == [1, 2, 3]


async def test_the_intent_is_committed_before_the_start_goes_out(bench: Bench) -> None:
    submit = bench.drivers.submit

    def watching(order: object) -> None:
        assert bench.journal.attempts[(1, 1)].mark == order.key  # type: ignore[attr-defined]
        submit(order)  # type: ignore[arg-type]

    bench.drivers.submit = watching  # type: ignore[method-assign]
    await bench.engine.execute(a_submission())
    assert bench.key == bench.journal.jobs[1].print_key


async def test_a_failed_commit_leaves_memory_unchanged_and_starts_nothing(bench: Bench) -> None:
    bench.journal.broken = FULL
    with pytest.raises(StoreUnavailable, match="disk is full"):
        await bench.engine.execute(a_submission())
    assert not bench.engine.state.jobs
    assert not bench.drivers.orders
    assert not bench.audience.heard
    bench.journal.broken = None
    job = await bench.engine.execute(a_submission())
    assert job.work_id == 1, "the number was not used up"


async def test_a_full_disk_stops_no_one_from_stopping_a_printer(bench: Bench) -> None:
    job = await bench.engine.execute(a_submission())
    bench.engine.observe(seen(report(bench.key)))
    await bench.settle()
    bench.journal.broken = FULL
    for command, order in ((PauseJob, PausePrint), (CancelJob, CancelPrint)):
        with pytest.raises(StoreUnavailable):
            await bench.engine.execute(command(job.job_id, ANA.member_id))
        assert len(bench.drivers.of(order)) == 1
    with pytest.raises(StoreUnavailable):
        await bench.engine.emergency_stop(1, ANA.member_id)
    assert len(bench.drivers.of(EmergencyStop)) == 1


async def test_what_a_driver_saw_during_a_failed_commit_is_decided_again(bench: Bench) -> None:
    await bench.engine.execute(a_submission())
    bench.engine.observe(seen(report(bench.key)))
    await bench.settle()
    bench.journal.broken = FULL
    bench.engine.observe(seen(ended=(report(bench.key, PrintPhase.COMPLETED),)))
    await asyncio.sleep(3 * RETRY_AFTER)
    assert bench.engine.state.jobs[1].status is S.PRINTING
    assert not bench.drivers.of(Acknowledge), "an end is acknowledged only when it is committed"
    bench.journal.broken = None
    await asyncio.sleep(2 * RETRY_AFTER)
    assert bench.journal.jobs[1].status is S.COMPLETED
    assert len(bench.drivers.of(Acknowledge)) == 1


async def test_an_emergency_stop_passes_the_queue(bench: Bench) -> None:
    stopping = asyncio.ensure_future(bench.engine.emergency_stop(1, ANA.member_id))
    await asyncio.sleep(0)
    assert bench.drivers.of(EmergencyStop), "sent before the engine had its turn"
    command = await stopping
    assert isinstance(command, PrinterCommand)
    bench.engine.observe(OrderAnswered("mk3", command.task_id, OrderResult.ACCEPTED))
    await bench.settle()
    assert not bench.engine.state.commands


async def test_an_answer_that_comes_at_once_finds_its_emergency_stop(bench: Bench) -> None:
    def refuse(order: object) -> None:
        bench.engine.observe(
            OrderAnswered("mk3", order.order_id, OrderResult.REFUSED, "not running")  # type: ignore[attr-defined]
        )

    bench.drivers.submit = refuse  # type: ignore[method-assign]
    await bench.engine.emergency_stop(1, ANA.member_id)
    await bench.settle()
    answers = [event for event in bench.audience.heard if event.kind == "command-answered"]
    assert [event.details["state"] for event in answers] == [CommandStatus.FAILED]


async def test_an_unknown_printer_cannot_be_stopped(bench: Bench) -> None:
    with pytest.raises(CommandRefused) as refused:
        await bench.engine.emergency_stop(9, ANA.member_id)
    assert refused.value.refusal is Refusal.UNKNOWN


async def test_a_refused_command_is_told_so_and_others_of_its_batch_go_through(bench: Bench) -> None:
    results = await asyncio.gather(
        bench.engine.execute(a_submission()),
        bench.engine.execute(CancelJob("nope", ANA.member_id)),
        bench.engine.execute(a_submission("second")),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [Job, CommandRefused, Job]
    assert bench.journal.commits == 1, "one batch, one transaction"


async def test_an_input_with_a_bug_behind_it_hurts_nobody_else(bench: Bench) -> None:
    results = await asyncio.gather(
        bench.engine.execute("not a command"),  # type: ignore[arg-type]
        bench.engine.execute(a_submission()),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [RuntimeError, Job]
    assert list(bench.engine.state.jobs) == [1]


async def test_rows_that_the_store_refuses_cost_only_the_input_behind_them(bench: Bench) -> None:
    commit = bench.journal.commit

    async def picky(draft):  # type: ignore[no-untyped-def]
        if any(job.name == "bad" for job in draft.job_rows.values()):
            raise DraftRefused("constraint failed")
        return await commit(draft)

    bench.journal.commit = picky  # type: ignore[method-assign]
    jobs = [bench.engine.execute(a_submission(name)) for name in ("good", "bad", "fine")]
    results = await asyncio.gather(*jobs, return_exceptions=True)
    assert [type(result) for result in results] == [Job, RuntimeError, Job]
    assert [job.name for job in bench.engine.state.jobs.values()] == ["good", "fine"]


# ---------------------------------------------------------------- Idempotency-Key


def keyed(fingerprint: str = "f1", name: str = "my_job"):  # type: ignore[no-untyped-def]
    return replace(a_submission(name), idempotency=Idempotency("slicer-1", fingerprint))


async def test_the_same_key_makes_one_job(occupied: Bench) -> None:
    first = await occupied.engine.execute(keyed())
    again = await occupied.engine.execute(keyed())
    assert first.job_id == again.job_id
    assert len(occupied.engine.state.jobs) == 1


async def test_the_same_key_in_the_same_batch_makes_one_job(occupied: Bench) -> None:
    jobs = await asyncio.gather(*(occupied.engine.execute(keyed()) for _ in range(5)))
    assert len({job.job_id for job in jobs}) == 1


async def test_the_same_key_for_another_request_is_refused(occupied: Bench) -> None:
    await occupied.engine.execute(keyed())
    with pytest.raises(CommandRefused, match="use a new key"):
        await occupied.engine.execute(keyed("f2"))


async def test_the_same_key_answers_a_job_that_is_over(occupied: Bench) -> None:
    job = await occupied.engine.execute(keyed())
    await occupied.engine.execute(CancelJob(job.job_id, ANA.member_id))
    again = await occupied.engine.execute(keyed())
    assert (again.job_id, again.status) == (job.job_id, S.CANCELED)


# ---------------------------------------------------------------- progress


async def test_progress_is_published_at_once_and_saved_once_a_second(bench: Bench) -> None:
    await bench.engine.execute(a_submission())
    bench.engine.observe(seen(report(bench.key)))
    await bench.settle()
    commits = bench.journal.commits
    for percent in range(1, 41):
        bench.engine.observe(seen(report(bench.key, progress=percent / 100, line=percent)))
        await asyncio.sleep(0.1)
    assert bench.journal.commits == commits, "telemetry is no transition"
    assert len(bench.audience.fleeting) == 40
    assert bench.journal.progress_saves in (3, 4, 5)
    await asyncio.sleep(2 * TICK)
    assert (bench.journal.jobs[1].progress, bench.journal.attempts[(1, 1)].line) == (0.4, 40)


async def test_the_live_job_has_the_newest_progress(bench: Bench) -> None:
    job = await bench.engine.execute(a_submission())
    bench.engine.observe(seen(report(bench.key, progress=0.7)))
    await bench.settle()
    assert bench.engine.live(bench.journal.jobs[1]).progress == 0.7
    newer = replace(job, version=99, progress=0.1)
    assert bench.engine.live(newer) is newer


# ---------------------------------------------------------------- what only time brings, restart, overload


async def test_a_refused_start_is_tried_again_when_its_pause_is_over(bench: Bench) -> None:
    await bench.engine.execute(a_submission())
    bench.engine.observe(OrderAnswered("mk3", bench.key, OrderResult.REFUSED, "the card prints"))
    await bench.settle()
    assert "the card prints" in str(bench.engine.waiting(bench.engine.state.jobs[1]))
    await asyncio.sleep(10)
    assert len(bench.drivers.of(StartPrint)) == 2


async def test_after_a_restart_a_start_without_proof_is_held_and_not_sent_again(bench: Bench) -> None:
    await bench.engine.execute(a_submission())
    async for again in running(Bench(bench.engine.state)):
        again.engine.observe(DriverAttached("streamer", "new", (seen(),)))
        await again.settle()
        assert again.engine.state.jobs[1].is_held
        await asyncio.sleep(60)
        assert not again.drivers.of(StartPrint)


async def test_after_a_restart_a_running_print_is_found_again(bench: Bench) -> None:
    await bench.engine.execute(a_submission())
    key = bench.key
    async for again in running(Bench(bench.engine.state)):
        again.engine.observe(DriverAttached("streamer", "same", (seen(report(key, progress=0.5)),)))
        await again.settle()
        assert again.engine.state.jobs[1].status is S.PRINTING
        again.engine.observe(seen(ended=(report(key, PrintPhase.COMPLETED),)))
        await again.settle()
        assert again.journal.jobs[1].status is S.COMPLETED


async def test_after_a_restart_a_command_that_nobody_answers_ends(bench: Bench) -> None:
    job = await bench.engine.execute(a_submission())
    bench.engine.observe(seen(report(bench.key)))
    await bench.settle()
    await bench.engine.execute(CancelJob(job.job_id, ANA.member_id))
    async for again in running(Bench(bench.engine.state)):
        [answered] = again.journal.events[-1:]
        assert (answered.kind, answered.details["state"]) == ("command-answered", CommandStatus.FAILED)
        assert not again.engine.state.commands
        assert not again.engine.state.jobs[1].is_stopping, "whether it stops is for the machine to say"
        assert not again.drivers.orders, "nothing is sent again"


async def test_clearing_the_plate_starts_what_waits(occupied: Bench) -> None:
    await occupied.engine.execute(a_submission())
    assert not occupied.drivers.orders
    await occupied.engine.execute(SetPlate(1, Plate.CLEAR, "ana"))
    assert len(occupied.drivers.of(StartPrint)) == 1


async def test_an_overloaded_engine_says_so_and_drops_only_snapshots() -> None:
    bench = Bench()
    for _ in range(INBOX_LIMIT + 5):
        bench.engine.observe(seen())
    with pytest.raises(EngineBusy, match="try again"):
        await bench.engine.execute(a_submission())
    bench.engine.observe(OrderAnswered("mk3", "mark", OrderResult.ACCEPTED))
    assert len(bench.engine._inbox) == INBOX_LIMIT + 1


async def test_stopping_finishes_what_was_handed_in() -> None:
    bench = Bench()
    await bench.engine.start()
    task = asyncio.create_task(bench.engine.run())
    answer = asyncio.ensure_future(bench.engine.execute(a_submission()))
    await asyncio.sleep(0)
    bench.engine.stop()
    assert (await answer).work_id == 1
    await task
    with pytest.raises(EngineBusy):
        await bench.engine.execute(a_submission())


# ---------------------------------------------------------------- what is looked up in the store


async def test_a_verdict_on_a_job_that_memory_has_no_more(bench: Bench) -> None:
    job = await bench.engine.execute(a_submission())
    bench.engine.observe(seen(ended=(report(bench.key, PrintPhase.COMPLETED),)))
    await bench.engine.settled()
    assert not bench.engine.state.jobs
    judged = await bench.engine.execute(JudgeJob(job.job_id, ANA.member_id, Verdict.SUCCESSFUL, "nice"))
    assert (judged.shown_status, judged.comment) == ("successful", "nice")
    assert bench.journal.jobs[job.work_id] == judged
    with pytest.raises(CommandRefused) as refused:
        await bench.engine.execute(JudgeJob("nowhere", ANA.member_id))
    assert refused.value.refusal is Refusal.UNKNOWN


async def test_a_verdict_that_cannot_be_looked_up_is_told_so(bench: Bench) -> None:
    async def broken(job_id: str) -> Job | None:
        raise StoreUnavailable(FULL)

    bench.journal.job = broken  # type: ignore[method-assign]
    with pytest.raises(StoreUnavailable, match="disk is full"):
        await bench.engine.execute(JudgeJob("gone", ANA.member_id))


LOCAL = "d075f5ee-98b7-491a-b4b1-188260b01c59"


async def test_a_local_print_has_the_id_of_its_printer_unless_a_job_ever_had_it() -> None:
    bench = Bench(house(printer(), a_forge_printer()))
    async for made in running(bench):
        made.engine.observe(seen(report("forge:58/local_1", is_local=True, job_id=LOCAL), "forge:58"))
        await made.engine.settled()
        [job] = made.engine.state.jobs.values()
        assert job.job_id == LOCAL
        made.engine.observe(
            seen(ended=(report("forge:58/local_1", PrintPhase.COMPLETED, is_local=True),), name="forge:58")
        )
        await made.engine.settled()
        made.engine.observe(seen(report("local-2", is_local=True, job_id=LOCAL)))
        await made.engine.settled()
        [other] = made.engine.state.jobs.values()
        assert other.job_id != LOCAL, "it is another job's, though that one is over"
