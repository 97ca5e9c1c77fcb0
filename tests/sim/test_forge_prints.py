"""Printers that call in, whole: registered by code, printing from the queue, at the panel, through deaths."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from firmware_sim.forge import NetworkFault, NetworkFaults
from firmware_sim.forge.machine import Refused
from gateway.domain.call_in_commands import UnregisterPrinter
from gateway.domain.commands import CancelJob, CommandRefused, PauseJob, ResolveJob, ResumeJob, TellPrinter
from gateway.domain.job import Job, JobStatus, Reason
from gateway.domain.printer import Plate, PrinterStatus
from tests.support.forge_town import LAYERS, ForgeTown
from tests.support.stand import ANA, BEN

PERSONALITIES = ["ember", "documented", "spark-simulator"]
EVERY = pytest.mark.parametrize("personality", PERSONALITIES)
ENDS = ("completed", "failed", "canceled")


def town_of(folder: Path, personality: str, **options: object) -> ForgeTown:
    """The page of that time sends no token to /faye: it needs the lenient switch."""
    return ForgeTown(folder, personality, is_lenient=personality == "spark-simulator", **options)  # type: ignore[arg-type]


def layers(town: ForgeTown, job_id: str) -> list[int]:
    """The layers that the machine printed of a job."""
    return [deed.facts["layer"] for deed in town.printer.ledger.events("layer", job=job_id)]


async def printing(town: ForgeTown, count: int = 2) -> Job:
    """A job of Ben's of which the machine has printed some layers."""
    job = await town.submit()
    await town.until(lambda: len(layers(town, job.job_id)) >= count)
    return job


@EVERY
async def test_from_the_code_on_the_display_to_the_finished_part(tmp_path: Path, personality: str) -> None:
    async with town_of(tmp_path, personality) as town:
        await town.register()
        job = await town.submit()
        done = await town.until_status(job.job_id, *ENDS)
        assert (done.status, done.message, done.progress) == (JobStatus.COMPLETED, None, 1.0)
        assert town.printer.ledger.starts() == [job.job_id]
        assert layers(town, job.job_id) == list(range(1, LAYERS + 1))
        assert town.printer.ledger.violations() == []
        assert town.row.plate is Plate.OCCUPIED
        [attempt] = await town.host.queries.attempts(done.work_id)
        assert attempt.result == "completed"


async def test_the_next_job_waits_for_the_plate(tmp_path: Path) -> None:
    async with town_of(tmp_path, "ember") as town:
        await town.register()
        first, second = await town.submit(), await town.submit()
        await town.until_status(first.job_id, "completed")
        await asyncio.sleep(300)
        assert (await town.job(second.job_id)).status is JobStatus.QUEUED
        await town.clear_plate()
        await town.until_status(second.job_id, "completed")
        assert town.printer.ledger.starts() == [first.job_id, second.job_id]
        assert town.printer.ledger.violations() == []


@EVERY
async def test_pause_resume_and_cancel_from_an_app(tmp_path: Path, personality: str) -> None:
    async with town_of(tmp_path, personality) as town:
        await town.register()
        job = await printing(town)
        await town.give(PauseJob(job.job_id, ANA.member_id))
        await town.until_status(job.job_id, "paused")
        printed = layers(town, job.job_id)
        await asyncio.sleep(120)
        assert layers(town, job.job_id) == printed, "paused means that it stands"
        await town.give(ResumeJob(job.job_id, ANA.member_id))
        await town.until_status(job.job_id, "printing")
        await town.give(CancelJob(job.job_id, BEN.member_id))
        done = await town.until_status(job.job_id, *ENDS)
        assert (done.status, done.reasons) == (JobStatus.CANCELED, {Reason.CANCELED_BY_USER})
        assert town.printer.ledger.count("canceled") == 1
        assert not town.printer.ledger.count("completed")


@EVERY
async def test_pause_and_cancel_at_the_panel(tmp_path: Path, personality: str) -> None:
    async with town_of(tmp_path, personality) as town:
        await town.register()
        job = await printing(town)
        town.printer.panel.pause()
        await town.until_status(job.job_id, "paused", seconds=60)
        town.printer.panel.resume()
        await town.until_status(job.job_id, "printing", seconds=60)
        town.printer.panel.cancel()
        done = await town.until_status(job.job_id, *ENDS, seconds=60)
        assert (done.status, done.reasons) == (JobStatus.CANCELED, {Reason.CANCELED_AT_DEVICE})


@EVERY
async def test_a_print_started_at_the_machine_is_its_owners_and_can_be_commanded(
    tmp_path: Path, personality: str
) -> None:
    async with town_of(tmp_path, personality) as town:
        await town.register()
        name = town.printer.panel.start_local("Vase.stl", 30)
        local = await town.local_job()
        assert (local.job_id, local.member_id) == (name.removeprefix("local_"), ANA.member_id)
        waiting = await town.submit()
        await town.until(lambda: len(layers(town, name)) >= 2)
        await town.give(PauseJob(local.job_id, ANA.member_id))
        await town.until_status(local.job_id, "paused", seconds=60)
        await town.give(ResumeJob(local.job_id, ANA.member_id))
        await town.until(lambda: town.printer.ledger.count("completed"))
        if personality == "spark-simulator":  # it says no more than `ready`: a person knows how it ended
            await town.until_held(local.job_id)
        else:
            done = await town.until_status(local.job_id, *ENDS, seconds=60)
            assert done.status is JobStatus.COMPLETED
        assert (await town.job(waiting.job_id)).status is JobStatus.QUEUED, "the plate is not clear"
        assert town.printer.ledger.starts() == [name]


async def test_a_loaded_print_waits_for_its_button_for_as_long_as_nobody_presses_it(tmp_path: Path) -> None:
    """Ember says `ready` meanwhile: nothing else may be sent to it, and nobody is asked to look."""
    async with town_of(tmp_path, "ember-button") as town:
        await town.register()
        job = await town.submit()
        await town.until_status(job.job_id, "received")
        await asyncio.sleep(300)
        waiting = await town.job(job.job_id)
        assert (waiting.status, waiting.is_held) == (JobStatus.RECEIVED, False)
        town.printer.panel.press()
        await town.until_status(job.job_id, "completed")
        assert town.printer.ledger.starts() == [job.job_id]


async def test_an_open_door_is_maintenance_and_the_print_goes_on_behind_it(tmp_path: Path) -> None:
    async with town_of(tmp_path, "ember") as town:
        await town.register()
        job = await printing(town)
        town.printer.panel.open_door()
        await town.until(lambda: town.presence.status(town.clock.monotonic()) is PrinterStatus.MAINTENANCE)
        assert (await town.job(job.job_id)).status is JobStatus.PRINTING
        town.printer.panel.close_door()
        await town.until_status(job.job_id, "completed")


async def test_a_machine_that_breaks_down_fails_its_job_with_its_own_words(tmp_path: Path) -> None:
    async with town_of(tmp_path, "ember") as town:
        await town.register()
        job = await printing(town)
        town.printer.panel.break_down(4012, "the tray is empty")
        done = await town.until_status(job.job_id, *ENDS)
        assert (done.status, done.error_code) == (JobStatus.FAILED, 4012)
        assert "the tray is empty" in (done.message or "")


async def test_a_command_to_the_printer_and_its_answer(tmp_path: Path) -> None:
    async with town_of(tmp_path, "ember") as town:
        await town.register()
        task = await town.give(TellPrinter(town.row.printer_id, ANA.member_id, "request_settings"))

        async def is_done() -> bool:
            found = await town.host.queries.command(task.task_id)
            return found is not None and found.state == "done"

        await town.until(is_done)
        found = await town.host.queries.command(task.task_id)
        assert found is not None
        assert found.answer is not None
        assert "settings" in found.answer["data"]


async def test_silent_is_offline_and_nothing_is_lost(tmp_path: Path) -> None:
    async with town_of(tmp_path, "ember") as town:
        await town.register()
        job = await printing(town)
        town.printer.panel.silence()
        await town.until(
            lambda: town.presence.status(town.clock.monotonic()) is PrinterStatus.OFFLINE, seconds=90
        )
        assert (await town.job(job.job_id)).status is JobStatus.PRINTING, "the machine goes on"
        await town.until(lambda: town.printer.ledger.count("completed"))
        await asyncio.sleep(300)
        town.printer.panel.speak()
        done = await town.until_status(job.job_id, *ENDS, "paused")
        if done.status is JobStatus.PAUSED:  # the post with its end was never sent again
            assert done.is_held
            await town.give(ResolveJob(job.job_id, ANA.member_id, JobStatus.COMPLETED))
        assert town.printer.ledger.starts() == [job.job_id]


async def test_a_power_cut_in_mid_print_is_held_for_a_person(tmp_path: Path) -> None:
    async with town_of(tmp_path, "ember") as town:
        await town.register()
        job = await printing(town)
        town.printer.panel.power_cycle(5.0)
        held = await town.until_held(job.job_id)
        assert "did not say how this print ended" in (held.message or "")
        await town.give(ResolveJob(job.job_id, ANA.member_id, JobStatus.FAILED))
        second = await town.submit()
        await town.until(lambda: town.presence.obstacle is None)
        await town.clear_plate()
        await town.until_status(second.job_id, "completed")
        assert town.printer.ledger.starts() == [job.job_id, second.job_id]


async def test_unregistered_and_registered_by_somebody_else(tmp_path: Path) -> None:
    async with town_of(tmp_path, "ember") as town:
        await town.register()
        before = town.printer.printer_id
        await town.give(UnregisterPrinter(town.row.printer_id, ANA.member_id))
        town.printer.panel.power_cycle(2.0)
        await town.until(lambda: len(town.printer.firmware.panel_text) == 6)
        await town.register()
        assert town.printer.printer_id == before
        job = await town.submit()
        await town.until_status(job.job_id, "completed")


async def test_an_emergency_stop_is_answered_with_what_a_person_has_to_do(tmp_path: Path) -> None:
    async with town_of(tmp_path, "ember") as town:
        await town.register()
        job = await printing(town)
        command = await town.host.engine.emergency_stop(town.row.printer_id, ANA.member_id)
        assert command.state == "failed"
        assert "switch it off at the mains" in (command.message or "")
        done = await town.until_status(job.job_id, *ENDS, seconds=120)
        assert done.status is JobStatus.CANCELED, "it was told to cancel as well"


async def test_a_start_that_is_canceled_before_it_is_fetched_never_happens(tmp_path: Path) -> None:
    async with town_of(tmp_path, "ember") as town:
        await town.register()
        town.printer.panel.silence()
        await asyncio.sleep(1)
        job = await town.submit()
        await asyncio.sleep(1)
        assert (await town.job(job.job_id)).status is JobStatus.SENT
        await town.give(CancelJob(job.job_id, BEN.member_id))
        done = await town.until_status(job.job_id, "canceled", seconds=5)
        assert done.reasons & {Reason.CANCELED_BY_USER, Reason.CANCELED_AT_DEVICE}
        town.printer.panel.speak()
        await asyncio.sleep(600)
        assert town.printer.ledger.starts() == []


# ---------------------------------------------------------------- deaths of the gateway


@EVERY
async def test_the_gateway_dies_in_mid_print_and_the_print_does_not_notice(
    tmp_path: Path, personality: str
) -> None:
    async with town_of(tmp_path, personality) as town:
        await town.register()
        job = await printing(town)
        await town.kill_gateway()
        await asyncio.sleep(1.5)
        await town.start_gateway()
        done = await town.until_status(job.job_id, *ENDS)
        assert (done.status, done.attempts) == (JobStatus.COMPLETED, 1)
        assert town.printer.ledger.starts() == [job.job_id]
        assert layers(town, job.job_id) == list(range(1, LAYERS + 1))


@pytest.mark.parametrize(
    ("personality", "seconds"),
    [("ember", 0.0), ("ember", 0.01), ("documented", 0.01), ("spark-simulator", 0.01), ("ember", 3.0)],
)
async def test_the_gateway_dies_around_a_start_and_it_happens_at_most_once(
    tmp_path: Path, personality: str, seconds: float
) -> None:
    """Committed, published, delivered, acknowledged: whatever was the last thing that it did."""
    async with town_of(tmp_path, personality) as town:
        await town.register()
        job = await town.submit()
        await asyncio.sleep(seconds)
        await town.kill_gateway()
        await asyncio.sleep(2)
        await town.start_gateway()
        await asyncio.sleep(240)
        done = await town.job(job.job_id)
        assert town.printer.ledger.starts() in ([], [job.job_id])
        if town.printer.ledger.starts():
            assert done.status is JobStatus.COMPLETED or done.is_held
        else:
            assert done.is_held, "nobody knows whether it arrived"


async def test_a_gateway_that_stops_in_good_order_takes_back_what_nobody_fetched(tmp_path: Path) -> None:
    async with town_of(tmp_path, "ember") as town:
        await town.register()
        town.printer.panel.silence()
        await asyncio.sleep(1)
        job = await town.submit()
        await town.end_gateway()
        town.printer.panel.speak()
        await town.start_gateway()
        done = await town.until_status(job.job_id, *ENDS)
        assert done.status is JobStatus.COMPLETED
        assert town.printer.ledger.starts() == [job.job_id]


# ---------------------------------------------------------------- posts that are lost, doubled, late


@pytest.mark.parametrize(
    ("personality", "fault"),
    [
        ("ember", "post-lost"),
        ("documented", "post-late"),
        ("spark-simulator", "post-doubled"),
        ("ember", "posts-swapped"),
        ("spark-simulator", "answer-lost"),
    ],
)
async def test_a_post_of_a_print_that_goes_wrong_changes_nothing_in_the_end(
    tmp_path: Path, personality: str, fault: str
) -> None:
    plan = [NetworkFault(fault, post=number) for number in (6, 9, 11)]
    async with town_of(tmp_path, personality, faults=NetworkFaults(plan)) as town:
        await town.register()
        job = await town.submit()
        done = await town.until_status(job.job_id, *ENDS, "paused")
        assert done.status is JobStatus.COMPLETED or done.is_held
        assert town.printer.ledger.starts() == [job.job_id]
        assert town.printer.ledger.violations() == []


async def a_night(folder: Path, seed: int) -> ForgeTown:
    """Jobs, faults, deaths of the gateway and a person who clears plates and resolves what is held."""
    personality = PERSONALITIES[seed % 3]
    rates = {
        "post-lost": 0.03, "post-late": 0.05, "post-doubled": 0.05, "posts-swapped": 0.03,
        "answer-lost": 0.03, "poll-cut": 0.1, "power-cycle": 0.01,
    }  # fmt: skip
    faults = NetworkFaults(seed=seed)
    async with town_of(folder, personality, faults=faults, seed=seed) as town:
        await town.register()
        faults.rates = rates
        chance = Random(seed)
        for _ in range(3):
            await town.submit()
        for _ in range(12):
            await asyncio.sleep(chance.uniform(0.0, 40.0))
            if chance.random() < 0.3:
                await (town.kill_gateway() if chance.random() < 0.7 else town.end_gateway())
                await asyncio.sleep(chance.uniform(0.0, 5.0))
                await town.start_gateway()
            for job in list(town.host.engine.state.jobs.values()):
                if job.is_held:
                    await town.give(ResolveJob(job.job_id, ANA.member_id, JobStatus.FAILED))
            if not any(job.is_on_printer for job in town.host.engine.state.jobs.values()):
                with suppress(CommandRefused, Refused):
                    await town.clear_plate()
    return town


@pytest.mark.parametrize("seed", range(3))
async def test_a_bad_night_starts_no_job_twice(tmp_path: Path, seed: int) -> None:
    town = await a_night(tmp_path, seed)
    starts = [name for name in town.printer.ledger.starts() if not name.startswith("local_")]
    assert len(starts) == len(set(starts))
    assert "started twice" not in town.printer.ledger.violations()


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("start", range(0, 1000, 50))
async def test_many_bad_nights_start_no_job_twice(tmp_path: Path, start: int) -> None:
    for seed in range(start, start + 50):
        folder = tmp_path / str(seed)
        folder.mkdir()
        town = await a_night(folder, seed)
        starts = [name for name in town.printer.ledger.starts() if not name.startswith("local_")]
        assert len(starts) == len(set(starts)), seed
        assert "started twice" not in town.printer.ledger.violations(), seed
