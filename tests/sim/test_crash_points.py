"""The gateway dies between two of its own steps: at most one physical start, and a truthful end."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.domain.commands import CancelJob, ResolveJob
from gateway.domain.job import JobStatus, Reason
from gateway.domain.orders import Acknowledge, CancelPrint, Order, StartPrint
from tests.sim.test_first_print import MOVES, PART, printing
from tests.support.stand import ANA
from tests.support.town import Town


async def test_between_the_committed_intent_and_the_order(tmp_path: Path) -> None:
    async with Town(tmp_path, {"mk3": "marlin-full"}) as town:
        await town.ready("mk3")
        town.pass_on = lambda order: not isinstance(order, StartPrint)
        job = await town.submit(PART, "mk3")
        await town.kill_gateway()
        town.pass_on = lambda order: True
        await town.start_gateway()
        await town.until_async(lambda: _is_held(town, job.job_id), seconds=60)
        held = await town.job(job.job_id)
        assert (held.status, held.reasons) == (JobStatus.SENT, {Reason.HOLD})
        await asyncio.sleep(3600)
        assert town.moves("mk3") == [], "never sent again by itself"
        await town.engine.execute(CancelJob(job.job_id, ANA.member_id))
        assert (await town.job(job.job_id)).status is JobStatus.CANCELED


async def _is_held(town: Town, job_id: str) -> bool:
    return (await town.job(job_id)).is_held


async def test_between_the_order_and_its_answer(tmp_path: Path) -> None:
    async with Town(tmp_path, {"mk3": "marlin-full"}) as town:
        await town.ready("mk3")
        job = await town.submit(PART, "mk3")
        await town.kill_gateway()
        await asyncio.sleep(2)
        await town.start_gateway()
        done = await town.until_status(job.job_id, "completed", "failed", "canceled")
        assert (done.status, done.attempts) == (JobStatus.COMPLETED, 1)
        assert town.moves("mk3") == MOVES


async def test_between_a_cancel_and_its_record(tmp_path: Path) -> None:
    async with Town(tmp_path, {"mk3": "marlin-full"}) as town:
        await town.ready("mk3")
        job = await town.submit(PART, "mk3")
        await printing(town, job.job_id)
        sent: list[Order] = []

        def die_behind_it(order: Order) -> bool:
            if isinstance(order, CancelPrint):
                sent.append(order)
            return True

        town.pass_on = die_behind_it
        cancel = asyncio.ensure_future(town.engine.execute(CancelJob(job.job_id, ANA.member_id)))
        while not sent:
            await asyncio.sleep(0)
        await town.kill_gateway()
        cancel.cancel()
        await asyncio.gather(cancel, return_exceptions=True)
        await town.start_gateway()
        done = await town.until_status(job.job_id, "canceled", seconds=120)
        assert done.ended_at is not None
        assert len(town.moves("mk3")) < len(MOVES)


async def test_between_a_committed_end_and_its_acknowledgement(tmp_path: Path) -> None:
    async with Town(tmp_path, {"mk3": "marlin-full"}) as town:
        await town.ready("mk3")
        town.pass_on = lambda order: not isinstance(order, Acknowledge)
        job = await town.submit(PART, "mk3")
        await town.until_status(job.job_id, "completed")
        await town.kill_gateway()
        town.pass_on = lambda order: True
        await town.start_gateway()
        await asyncio.sleep(60)
        assert (await town.queries.jobs(limit=None)).total == 1, "the end told again is no local job"
        assert not town.host.snapshot()[0].ended, "and it is forgotten at last"


async def test_a_streamer_that_dies_before_it_took_the_start(tmp_path: Path) -> None:
    async with Town(tmp_path, {"mk3": "marlin-full"}) as town:
        await town.ready("mk3")
        await town.kill_streamer()
        job = await town.submit(PART, "mk3")
        await asyncio.sleep(5)
        town.start_streamer()
        done = await town.until_status(job.job_id, "completed", "failed", "paused", "sent", seconds=1800)
        await asyncio.sleep(600)
        done = await town.job(job.job_id)
        assert done.status is JobStatus.COMPLETED or done.is_held
        assert town.moves("mk3") in ([], MOVES)


async def test_a_held_start_that_the_operator_saw_printing_can_be_resolved(tmp_path: Path) -> None:
    async with Town(tmp_path, {"mk3": "marlin-full"}) as town:
        await town.ready("mk3")
        town.pass_on = lambda order: not isinstance(order, StartPrint)
        job = await town.submit(PART, "mk3")
        await town.kill_gateway()
        town.pass_on = lambda order: True
        await town.start_gateway()
        await town.until_async(lambda: _is_held(town, job.job_id), seconds=60)
        await town.engine.execute(ResolveJob(job.job_id, ANA.member_id, JobStatus.FAILED))
        second = await town.submit(PART, "mk3", "second")
        await town.ready("mk3")
        await town.until_status(second.job_id, "completed")
        assert town.moves("mk3") == MOVES
