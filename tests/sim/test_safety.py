"""The safety monitor at work: whole prints without a false alarm, machines without protection."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from firmware_sim.machine.board import Board
from firmware_sim.personality import load_personality
from gateway.domain.commands import PauseJob, ResumeJob
from gateway.domain.job import Job, JobStatus
from gateway.domain.observations import PrinterObserved
from tests.support.stand import ANA
from tests.support.town import Town

MOVES = [f"G1 X{10 + n % 50} Y{10 + n // 50} F1200" for n in range(400)]
PART = "\n".join(["M140 S60", "M104 S200", "G28", "M190 S60", "M109 S200", *MOVES, "M104 S0", "M140 S0", ""])
PERSONALITIES = [
    "marlin-bare",
    "klipper",
    "prusa",
    *(
        pytest.param(name, marks=pytest.mark.soak)
        for name in ("marlin-full", "marlin-stock", "marlin-sd", "slow-board", "repetier", "marlin-uart")
    ),
]


def is_cold(town: Town) -> bool:
    """Whether the machine itself has both heaters off."""
    board = town.wires["mk3"].board
    return board.hotend.target == board.bed.target == 0


def shot(town: Town) -> PrinterObserved:
    return town.host.snapshot()[0]


async def begun(town: Town, *, feedrate: int = 1200) -> Job:
    """A print that moves."""
    await town.ready("mk3")
    job = await town.submit(PART.replace("F1200", f"F{feedrate}").encode(), "mk3")
    await town.until(lambda: len(town.moves("mk3")) > 20)
    return job


@pytest.mark.parametrize("personality", PERSONALITIES)
async def test_a_whole_print_raises_no_alarm(tmp_path: Path, personality: str) -> None:
    async with Town(tmp_path, {"mk3": personality}) as town:
        job = await begun(town)
        while (await town.job(job.job_id)).status not in (JobStatus.COMPLETED, JobStatus.FAILED):
            assert shot(town).alarms == ()
            await asyncio.sleep(1)
        assert (await town.job(job.job_id)).status is JobStatus.COMPLETED


async def test_heat_without_a_print_is_told_and_switched_off_with_no_gateway_there(tmp_path: Path) -> None:
    async with Town(tmp_path, {"mk3": "marlin-full"}) as town:
        await town.ready("mk3")
        town.wires["mk3"].board.hotend.set_target(200, town.wires["mk3"].now)
        await asyncio.sleep(60)
        await town.kill_gateway()
        await asyncio.sleep(11 * 60)
        assert [alarm.rule for alarm in shot(town).alarms] == ["idle-heat"]
        assert "nothing is printed" in (shot(town).message or "")
        assert not is_cold(town)
        await asyncio.sleep(4 * 60)
        assert is_cold(town)
        await town.start_gateway()
        await asyncio.sleep(10)
        assert shot(town).alarms == ()


class Stuck:
    """A nozzle whose heater does not switch off, on a board that has no protection against it."""

    def __init__(self, board: Board, now: float) -> None:
        heater = board.hotend
        begin = heater.celsius(now)
        heater.celsius = lambda at: begin + 0.5 * (at - now)  # type: ignore[method-assign]
        heater.pending_fault = lambda at: None  # type: ignore[method-assign]


@pytest.mark.parametrize("personality", ["marlin-full", pytest.param("marlin-stock", marks=pytest.mark.soak)])
async def test_a_heater_that_does_not_switch_off_stops_the_machine(tmp_path: Path, personality: str) -> None:
    async with Town(tmp_path, {"mk3": personality}) as town:
        job = await begun(town, feedrate=60)
        Stuck(town.wires["mk3"].board, town.wires["mk3"].now)
        failed = await town.until_status(job.job_id, "failed", seconds=300)
        assert "hotter than it was told" in (failed.message or "")
        assert town.ledger("mk3").count("kill") == 1
        assert len(town.moves("mk3")) < len(MOVES)


@pytest.mark.parametrize(
    ("kind", "words"),
    [("runaway", "hotter than"), ("drift", "does not get warmer")],
)
async def test_a_broken_heater_without_protection_stops_the_machine(
    tmp_path: Path, kind: str, words: str
) -> None:
    """The firmware was built without thermal protection: nobody but the monitor sees it."""
    built = load_personality("marlin-full")
    open_fire = replace(built, features=built.features | {"no_thermal_protection"})
    async with Town(tmp_path, {"mk3": open_fire}) as town:
        job = await begun(town, feedrate=60)
        town.wires["mk3"].board.fault_heater("E0", kind, town.wires["mk3"].now)
        failed = await town.until_status(job.job_id, "failed", seconds=900)
        assert words in (failed.message or "")
        assert town.ledger("mk3").count("kill") == 1
        assert is_cold(town)


@pytest.mark.parametrize("start", ["G28\n", ""], ids=["parked", "left where it stands"])
async def test_a_print_left_paused_cools_and_goes_on_hot(tmp_path: Path, start: str) -> None:
    async with Town(tmp_path, {"mk3": "marlin-full"}) as town:
        await town.ready("mk3")
        job = await town.submit(PART.replace("G28\n", start).encode(), "mk3")
        await town.until(lambda: len(town.moves("mk3")) > 20)
        await town.engine.execute(PauseJob(job.job_id, ANA.member_id))
        await town.until_status(job.job_id, "paused")
        await asyncio.sleep(31 * 60)
        board = town.wires["mk3"].board
        assert (board.hotend.target, board.bed.target) == (0, 60)
        assert "paused" in ((await town.job(job.job_id)).message or "")
        before = len(town.ledger("mk3").entries)
        await town.engine.execute(ResumeJob(job.job_id, ANA.member_id))
        await town.until_status(job.job_id, "completed")
        ran = [entry.line or "" for entry in town.ledger("mk3").entries[before:] if entry.event == "executed"]
        assert "M104 S0" not in ran[: ran.index(MOVES[-1])]
        assert ran.index("M109 S200") < next(place for place, line in enumerate(ran) if line in MOVES)
