"""The main job, whole: a queue that streams prints, and adopts what people start at the machine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.domain.commands import CancelJob, PauseJob, ResolveJob, ResumeJob
from gateway.domain.job import Job, JobStatus, Reason
from gateway.domain.printer import Plate
from tests.support.stand import ANA, BEN
from tests.support.town import Town

MOVES = [f"G1 X{10 + n % 50} Y{10 + n // 50} F3000" for n in range(400)]
PART = "\n".join(["; a part", "M104 S60", "G28", "M109 S60", *MOVES, "M104 S0", "M84", ""]).encode()
CARD_MOVES = [f"G1 X{20 + n % 30} Y{20 + n // 30} F3000" for n in range(300)]
CARD = {"CLIP.GCO": "\n".join(["G28", *CARD_MOVES, ""]).encode()}


async def printing(town: Town, job_id: str, progress: float = 0.2) -> Job:
    """Wait until a job has come so far."""

    async def far_enough() -> bool:
        return ((await town.job(job_id)).progress or 0.0) > progress

    await town.until_async(far_enough)
    return await town.job(job_id)


async def printing_from_card(town: Town, progress: float) -> Job:
    """Somebody starts the card's file at the machine; its local job, once it has come so far."""
    await town.ready("mini")
    town.at_panel("mini", "start", "CLIP.GCO")
    local = await town.local_job()
    return await printing(town, local.job_id, progress)


@pytest.mark.parametrize("personality", ["marlin-full", "marlin-stock", "marlin-sd", "marlin-bare"])
async def test_a_file_is_printed_line_by_line_once_and_in_order(tmp_path: Path, personality: str) -> None:
    async with Town(tmp_path, {"mk3": personality}) as town:
        await town.ready("mk3")
        job = await town.submit(PART, "mk3")
        done = await town.until_status(job.job_id, "completed", "failed", "canceled")
        assert (done.status, done.message) == (JobStatus.COMPLETED, None)
        assert (done.progress, done.member_id, done.is_local) == (1.0, BEN.member_id, False)
        assert town.moves("mk3") == MOVES
        assert town.printer("mk3").plate is Plate.OCCUPIED
        [attempt] = await town.queries.attempts(done.work_id)
        assert (attempt.result, attempt.position) == ("completed", len(PART))


async def test_the_next_job_waits_for_the_plate(tmp_path: Path) -> None:
    async with Town(tmp_path, {"mk3": "marlin-full"}) as town:
        await town.ready("mk3")
        first = await town.submit(PART, "mk3", "first")
        second = await town.submit(PART, "mk3", "second")
        await town.until_status(first.job_id, "completed")
        await asyncio.sleep(300)
        assert (await town.job(second.job_id)).status is JobStatus.QUEUED
        await town.ready("mk3")
        await town.until_status(second.job_id, "completed")
        assert town.moves("mk3") == MOVES * 2


async def test_pause_and_resume_are_what_the_machine_says(tmp_path: Path) -> None:
    async with Town(tmp_path, {"mk3": "marlin-full"}) as town:
        await town.ready("mk3")
        job = await town.submit(PART, "mk3")
        await printing(town, job.job_id)
        await town.engine.execute(PauseJob(job.job_id, ANA.member_id))
        await town.until_status(job.job_id, "paused")
        moved = len(town.moves("mk3"))
        await asyncio.sleep(120)
        assert len(town.moves("mk3")) == moved, "paused means that it stands"
        await town.engine.execute(ResumeJob(job.job_id, ANA.member_id))
        await town.until_status(job.job_id, "completed")
        parking = [line for line in town.moves("mk3") if line not in MOVES]
        assert [line[:4] for line in parking] == ["G0 Z", "G0 X", "G0 Z", "G1 F"], "up; above the part, down"
        assert [line for line in town.moves("mk3") if line in MOVES] == MOVES


async def test_a_cancel_ends_motion_and_heat(tmp_path: Path) -> None:
    async with Town(tmp_path, {"mk3": "marlin-full"}) as town:
        await town.ready("mk3")
        job = await town.submit(PART, "mk3")
        await printing(town, job.job_id)
        await town.engine.execute(CancelJob(job.job_id, ANA.member_id))
        done = await town.until_status(job.job_id, "canceled")
        assert done.reasons == {Reason.CANCELED_BY_USER}
        moved = len(town.moves("mk3"))
        assert moved < len(MOVES)
        await asyncio.sleep(60)
        assert len(town.moves("mk3")) == moved
        assert "M104 S0" in town.ledger("mk3").executed("host")


# ---------------------------------------------------------------- local jobs


@pytest.mark.parametrize("personality", ["marlin-full", "marlin-sd"])
async def test_a_print_started_at_the_panel_becomes_a_local_job(tmp_path: Path, personality: str) -> None:
    async with Town(tmp_path, {"mini": personality}, sd_files=CARD) as town:
        await town.ready("mini")
        town.at_panel("mini", "start", "CLIP.GCO")
        local = await town.local_job()
        waiting = await town.submit(PART, "mini")
        assert (local.is_local, local.member_id, local.status) == (True, ANA.member_id, JobStatus.PRINTING)
        assert "CLIP" in local.name.upper()
        await printing(town, local.job_id, 0.3)
        assert (await town.job(waiting.job_id)).status is JobStatus.QUEUED, "the queue waits"
        done = await town.until_status(local.job_id, "completed", "failed", "canceled", "paused")
        assert (done.status, done.progress) == (JobStatus.COMPLETED, 1.0)
        assert town.moves("mini", "sd") == CARD_MOVES
        assert not town.moves("mini", "host")


@pytest.mark.parametrize("personality", ["marlin-full", "marlin-sd"])
async def test_a_cancel_at_the_panel_is_one(tmp_path: Path, personality: str) -> None:
    async with Town(tmp_path, {"mini": personality}, sd_files=CARD) as town:
        local = await printing_from_card(town, 0.3)
        town.at_panel("mini", "cancel")
        done = await town.until_status(local.job_id, "completed", "failed", "canceled", seconds=60)
        assert (done.status, done.reasons) == (JobStatus.CANCELED, {Reason.CANCELED_AT_DEVICE})


async def test_a_pause_at_the_panel_is_seen_when_the_firmware_says_so(tmp_path: Path) -> None:
    async with Town(tmp_path, {"mini": "marlin-sd"}, sd_files=CARD) as town:
        local = await printing_from_card(town, 0.3)
        town.at_panel("mini", "pause")
        await town.until_status(local.job_id, "paused", seconds=60)
        town.at_panel("mini", "resume")
        await town.until_status(local.job_id, "printing", seconds=60)
        await town.until_status(local.job_id, "completed")
        assert town.moves("mini", "sd") == CARD_MOVES


async def test_a_print_that_runs_already_when_the_gateway_starts_is_adopted(tmp_path: Path) -> None:
    town = Town(tmp_path, {"mini": "marlin-sd"}, sd_files=CARD)
    town.at_panel("mini", "start", "CLIP.GCO")
    await asyncio.sleep(12)
    async with town:
        local = await town.local_job()
        done = await town.until_status(local.job_id, "completed", "failed", "canceled", "paused")
        assert done.status is JobStatus.COMPLETED
        assert town.moves("mini", "sd") == CARD_MOVES


# ---------------------------------------------------------------- deaths


async def test_the_gateway_dies_in_mid_print_and_the_print_does_not_notice(tmp_path: Path) -> None:
    async with Town(tmp_path, {"mk3": "marlin-full"}) as town:
        await town.ready("mk3")
        job = await town.submit(PART, "mk3")
        await printing(town, job.job_id)
        await town.kill_gateway()
        before = len(town.moves("mk3"))
        await asyncio.sleep(5)
        assert len(town.moves("mk3")) > before, "it prints on"
        await town.start_gateway()
        done = await town.until_status(job.job_id, "completed", "failed", "canceled")
        assert (done.status, done.attempts) == (JobStatus.COMPLETED, 1)
        assert town.moves("mk3") == MOVES


async def test_an_end_that_nobody_heard_is_told_when_the_gateway_is_back(tmp_path: Path) -> None:
    async with Town(tmp_path, {"mk3": "marlin-full", "mini": "marlin-sd"}, sd_files=CARD) as town:
        await town.ready("mk3")
        job = await town.submit(PART, "mk3")
        town.at_panel("mini", "start", "CLIP.GCO")
        local = await town.local_job()
        await printing(town, job.job_id)
        await town.kill_gateway()
        await asyncio.sleep(3600)
        await town.start_gateway()
        assert (await town.until_status(job.job_id, "completed", seconds=60)).attempts == 1
        await town.until_status(local.job_id, "completed", seconds=60)
        assert town.moves("mk3") == MOVES


@pytest.mark.parametrize("personality", ["marlin-full", "marlin-stock", "marlin-sd", "marlin-bare"])
async def test_the_streamer_dies_in_mid_print_and_the_print_goes_on(tmp_path: Path, personality: str) -> None:
    async with Town(tmp_path, {"mk3": personality}) as town:
        await town.ready("mk3")
        job = await town.submit(PART, "mk3")
        await printing(town, job.job_id)
        for _ in range(2):
            await town.kill_streamer()
            await asyncio.sleep(30)
            moved = town.moves("mk3")
            assert moved == MOVES[: len(moved)]
            assert len(moved) < len(MOVES)
            town.start_streamer()
            await asyncio.sleep(1.0)
            assert len(town.moves("mk3")) > len(moved)
        done = await town.until_status(job.job_id, "completed", "failed", "canceled")
        assert (done.status, done.attempts, done.message) == (JobStatus.COMPLETED, 1, None)
        assert town.moves("mk3") == MOVES


async def test_the_streamer_dies_and_the_board_is_reset_so_the_job_is_held(tmp_path: Path) -> None:
    async with Town(tmp_path, {"mk3": "marlin-full"}) as town:
        await town.ready("mk3")
        job = await town.submit(PART, "mk3")
        await printing(town, job.job_id)
        await town.kill_streamer()
        town.wires["mk3"].board.reset(town.wires["mk3"].now)
        await asyncio.sleep(30)
        moved = town.moves("mk3")
        town.start_streamer()
        held = await town.until_status(job.job_id, "paused", seconds=120)
        assert held.is_held
        assert held.message
        await asyncio.sleep(600)
        assert town.moves("mk3") == moved, "nothing is sent again"
        await town.engine.execute(CancelJob(job.job_id, ANA.member_id))
        await town.until_status(job.job_id, "canceled", seconds=120)


async def test_a_held_job_that_a_person_resolved_makes_room_for_the_next(tmp_path: Path) -> None:
    async with Town(tmp_path, {"mk3": "marlin-full"}) as town:
        await town.ready("mk3")
        job = await town.submit(PART, "mk3")
        await printing(town, job.job_id)
        await town.kill_streamer()
        town.wires["mk3"].board.reset(town.wires["mk3"].now)
        await asyncio.sleep(30)
        town.start_streamer()
        await town.until_status(job.job_id, "paused", seconds=120)
        moved = len(town.moves("mk3"))
        await town.engine.execute(ResolveJob(job.job_id, ANA.member_id, JobStatus.FAILED))
        second = await town.submit(PART, "mk3", "second")
        await asyncio.sleep(60)
        assert (await town.job(second.job_id)).status is JobStatus.QUEUED, "the plate is not clear"
        await town.ready("mk3")
        await town.until_status(second.job_id, "completed")
        assert town.moves("mk3")[moved:] == MOVES


async def test_both_die_and_an_end_that_was_missed_is_held_for_a_person(tmp_path: Path) -> None:
    async with Town(tmp_path, {"mini": "marlin-sd"}, sd_files=CARD) as town:
        local = await printing_from_card(town, 0.1)
        await town.kill_gateway()
        await town.kill_streamer()
        await asyncio.sleep(3600)
        town.start_streamer()
        await town.start_gateway()
        held = await town.until_status(local.job_id, "paused", seconds=120)
        assert held.reasons == {Reason.PRINTER_STOPPED}
        await town.engine.execute(ResolveJob(local.job_id, ANA.member_id, JobStatus.COMPLETED))
        assert (await town.job(local.job_id)).status is JobStatus.COMPLETED


async def test_both_die_and_a_card_print_that_goes_on_stays_the_same_job(tmp_path: Path) -> None:
    long = {"CLIP.GCO": "\n".join(["G28", *(CARD_MOVES * 5), ""]).encode()}
    async with Town(tmp_path, {"mini": "marlin-sd"}, sd_files=long) as town:
        local = await printing_from_card(town, 0.1)
        await town.kill_gateway()
        await town.kill_streamer()
        await asyncio.sleep(3)
        town.start_streamer()
        await town.start_gateway()
        done = await town.until_status(local.job_id, "completed", "failed", "canceled")
        assert done.status is JobStatus.COMPLETED
        assert (await town.queries.jobs(limit=None)).total == 1


async def test_a_full_disk_stops_nobody_from_stopping(tmp_path: Path) -> None:
    async with Town(tmp_path, {"mk3": "marlin-full"}) as town:
        await town.ready("mk3")
        job = await town.submit(PART, "mk3")
        await printing(town, job.job_id)

        async def full(draft: object) -> None:
            from gateway.engine.ports import StoreUnavailable

            raise StoreUnavailable("the disk is full")

        commit, town.journal.commit = town.journal.commit, full  # type: ignore[method-assign,assignment]
        with pytest.raises(Exception, match="disk is full"):
            await town.engine.execute(CancelJob(job.job_id, ANA.member_id))
        await asyncio.sleep(30)
        moved = len(town.moves("mk3"))
        await asyncio.sleep(60)
        assert len(town.moves("mk3")) == moved < len(MOVES)
        town.journal.commit = commit  # type: ignore[method-assign]
        assert (await town.until_status(job.job_id, "canceled", seconds=60)).ended_at is not None
