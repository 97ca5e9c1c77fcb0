"""Runs of schedules on simulated printers: they wait their turn, run once, disturb nothing, tell the truth.

The board's ledger judges: which lines it executed, how often, in which order.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from firmware_sim.faults import catalogue
from firmware_sim.personality import HeaterConstants, Personality, load_personality
from gateway.domain.job import JobStatus
from gateway.domain.printer import Plate
from gateway.domain.schedule import Action, RunState, Schedule, ScheduleStatus, ScheduleType, StartedVia
from gateway.domain.schedule_commands import AddSchedule, RunSchedule
from gateway.tasks.cron import CronTimes
from gateway.tasks.run_plans import RunPlans
from gateway.tasks.scheduler import Scheduler
from tests.support.stand import ANA
from tests.support.town import Town

MOVES = [f"G1 X{10 + n % 50} Y{10 + n // 50} F3000" for n in range(150)]
PART = "\n".join(["M104 S60", "G28", "M109 S60", *MOVES, "M104 S0", "M84", ""]).encode()
#: Jogs along X to where its arguments say: more lines than a board takes ahead.
JOG = ["G28", *["G1 X{1} F6000", "G1 X{2} F6000"] * 15, "M400"]
JOGGED = ["G1 X10 F6000", "G1 X190 F6000"] * 15


async def schedule(
    town: Town, params: dict[str, Any], type: ScheduleType = ScheduleType.GCODE_MACRO, **more: Any
) -> Schedule:
    """Ana's schedule for all printers, as the API makes one."""
    cron: str | None = more.get("cron")
    made = await town.engine.execute(
        AddSchedule(
            member_id=ANA.member_id, organization_id=1, stack_number=1, name="jog", type=type, params=params,
            macro=RunPlans().macro(type, params, None),
            next_at=CronTimes().next_after(cron, "UTC", town.clock.wall()) if cron else None, **more,
        )
    )  # fmt: skip
    assert isinstance(made, Schedule)
    return made


async def run(town: Town, of: Schedule, arguments: str | None = None) -> Action:
    """Ana asks for a run, as the API does."""
    macro = RunPlans().macro(of.type, of.params, arguments or "")
    command = RunSchedule(of.schedule_id, ANA.member_id, arguments=arguments, macro=macro)
    action = await town.engine.execute(command)
    assert isinstance(action, Action)
    return action


async def stored(town: Town, action: Action) -> Action:
    found = await town.queries.action(work_id=action.work_id)
    assert found is not None
    return found


async def ended(town: Town, action: Action) -> Action:
    """The run as the store has it once it is over."""

    async def is_over() -> bool:
        return (await stored(town, action)).is_over

    await town.until_async(is_over)
    return await stored(town, action)


async def mid_print(town: Town) -> str:
    """A print that has made a fifth of its moves."""
    await town.ready("mk3")
    job = await town.submit(PART, "mk3")
    await town.until(lambda: len(town.moves("mk3")) > len(MOVES) // 5)
    return job.job_id


async def mid_macro(town: Town) -> Action:
    """A run that has made a quarter of its moves."""
    await town.ready("mk3")
    action = await run(town, await schedule(town, {"gcode": JOG}), "10 190")
    await town.until(lambda: len(town.moves("mk3")) > len(JOGGED) // 4)
    return action


async def test_a_run_waits_for_the_end_of_a_print_and_for_a_clear_plate(tmp_path: Path) -> None:
    async with Town(tmp_path, {"mk3": "marlin-full"}) as town:
        job_id = await mid_print(town)
        action = await run(town, await schedule(town, {"gcode": JOG}), "10 190")
        [step] = (await stored(town, action)).steps
        assert (step.state, step.command_id) == (RunState.WAITING, None)
        assert step.message, "it says what it waits for"
        assert (await town.until_status(job_id, "completed", "failed")).status is JobStatus.COMPLETED
        await asyncio.sleep(60)
        assert town.moves("mk3") == MOVES, "the print was not disturbed, and the plate is occupied"
        assert "plate" in ((await stored(town, action)).steps[0].message or "")
        await town.ready("mk3")
        done = await ended(town, action)
        assert (done.state, done.message) == (RunState.SUCCEEDED, "done on 1 of 1 printer")
        assert town.moves("mk3") == MOVES + JOGGED, "once, and in order"
        assert town.ledger("mk3").executed("host").count("G28") == 2, "the print's, the macro's"
        assert done.started_at is not None
        assert done.ended_at is not None
        assert done.started_at > action.created_at
        assert town.engine.state.schedules[done.schedule_id].status is ScheduleStatus.SUCCESS
        assert town.printer("mk3").plate is Plate.CLEAR, "a jog lays nothing on it"


async def test_what_moves_nothing_needs_no_clear_plate(tmp_path: Path) -> None:
    async with Town(tmp_path, {"mk3": "marlin-full"}) as town:
        job_id = await mid_print(town)
        action = await run(town, await schedule(town, {"gcode": ["M104 S50", "M117 {1}"]}), "warm")
        await town.until_status(job_id, "completed")
        assert (await ended(town, action)).state is RunState.SUCCEEDED
        lines = town.ledger("mk3").executed("host")
        assert lines[lines.index("M104 S50") :][:2] == ["M104 S50", "M117 warm"]
        assert lines.index("M104 S50") > max(i for i, line in enumerate(lines) if line in MOVES)
        assert town.printer("mk3").plate is Plate.OCCUPIED


async def test_a_job_waits_for_the_end_of_a_run(tmp_path: Path) -> None:
    async with Town(tmp_path, {"mk3": "marlin-full"}) as town:
        action = await mid_macro(town)
        job = await town.submit(PART, "mk3")
        assert (await ended(town, action)).state is RunState.SUCCEEDED
        assert (await town.until_status(job.job_id, "completed")).status is JobStatus.COMPLETED
        assert town.moves("mk3") == JOGGED + MOVES


async def test_the_clock_runs_it_once_and_not_into_a_print(tmp_path: Path) -> None:
    async with Town(tmp_path, {"mk3": "marlin-full", "mini": "marlin-stock"}) as town:
        await town.ready("mini")
        lines = ["G28 X", "G1 X42 F3000", "M400"]
        made = await schedule(town, {"gcode": lines}, cron="43 5 * * *")
        await asyncio.sleep(32)
        job_id = await mid_print(town)
        scheduler = Scheduler(
            engine=town.engine, subscribe=town.hub.subscribe, cron=CronTimes(), clock=town.clock
        )
        ticking = asyncio.create_task(scheduler.run(), name="scheduler")
        await town.until(lambda: town.engine.state.actions)
        [action] = town.engine.state.actions.values()
        assert (action.started_via, action.member_id) == (StartedVia.SCHEDULE, ANA.member_id)
        assert action.due_at == made.next_at
        assert (await town.job(job_id)).status is JobStatus.PRINTING
        await town.until(lambda: town.moves("mini") == ["G1 X42 F3000"])
        await town.until_status(job_id, "completed")
        await town.ready("mk3")
        done = await ended(town, action)
        await asyncio.sleep(60)
        assert (done.state, done.message) == (RunState.SUCCEEDED, "done on 2 of 2 printers")
        assert town.moves("mk3") == [*MOVES, "G1 X42 F3000"]
        assert town.moves("mini") == ["G1 X42 F3000"]
        ticking.cancel()


async def test_a_run_whose_streamer_died_has_failed_and_is_not_sent_again(tmp_path: Path) -> None:
    async with Town(tmp_path, {"mk3": "marlin-full"}) as town:
        action = await mid_macro(town)
        await town.kill_streamer()
        await asyncio.sleep(60)
        moved = town.moves("mk3")
        assert moved == JOGGED[: len(moved)]
        assert len(moved) < len(JOGGED)
        town.start_streamer()
        await failed_truthfully(town, action, moved)


async def test_a_run_whose_gateway_died_has_failed_and_is_not_sent_again(tmp_path: Path) -> None:
    async with Town(tmp_path, {"mk3": "marlin-full"}) as town:
        action = await mid_macro(town)
        await town.kill_gateway()
        await asyncio.sleep(90)
        moved = town.moves("mk3")
        await town.start_gateway()
        await failed_truthfully(town, action, moved)


async def failed_truthfully(town: Town, action: Action, moved: list[str]) -> None:
    """Nobody knows how far it came: a person looks, and nothing is sent before that."""
    done = await ended(town, action)
    assert done.state is RunState.FAILED
    assert "look at the machine" in (done.message or "")
    assert town.printer("mk3").plate is Plate.OCCUPIED
    job = await town.submit(PART, "mk3")
    await asyncio.sleep(60)
    assert town.moves("mk3") == moved
    assert (await town.job(job.job_id)).status is JobStatus.QUEUED
    await town.ready("mk3")
    await town.until_status(job.job_id, "completed")
    assert town.moves("mk3") == moved + MOVES


async def test_a_calibration_that_is_killed_in_the_middle(tmp_path: Path) -> None:
    """Homing is one line: the board is at it, or it is done; the host that died cannot tell which."""
    async with Town(tmp_path, {"mk3": "marlin-full"}) as town:
        await town.ready("mk3")
        made = await schedule(town, {"procedure": "home"}, ScheduleType.CALIBRATION)
        assert (await ended(town, await run(town, made))).state is RunState.SUCCEEDED
        assert town.ledger("mk3").executed("host").count("G28") == 1
        action = await run(town, made)
        await town.until(lambda: town.engine.state.actions[action.work_id].state is RunState.RUNNING)
        await town.kill_streamer()
        await asyncio.sleep(60)
        town.start_streamer()
        done = await ended(town, action)
        assert (done.state, "look at the machine" in (done.message or "")) == (RunState.FAILED, True)
        assert town.ledger("mk3").executed("host").count("G28") <= 2, "never a second time"
        assert town.engine.state.schedules[made.schedule_id].status is ScheduleStatus.FAILED


def board_with(personality: str, *, less: str = "", **changes: Any) -> Personality:
    """A board of that build, without a feature, with other heaters."""
    build = load_personality(personality)
    return replace(build, features=build.features - {less}, **changes)


async def calibrated(town: Town, procedure: str, **params: Any) -> Action:
    await town.ready("mk3")
    made = await schedule(town, {"procedure": procedure, **params}, ScheduleType.CALIBRATION)
    return await ended(town, await run(town, made))


def came_of_it(town: Town) -> list[tuple[str, str | None]]:
    """What the board knows of its calibrations."""
    found = town.ledger("mk3").events("calibrated", "calibration_failed", "unknown")
    return [(entry.event, entry.line) for entry in found]


CALIBRATIONS = {
    "home": ("marlin-stock", {}, ["G28"]),
    "bed-level": ("marlin-probe", {}, ["G28", "G29"]),
    "pid-hotend": ("marlin-stock", {"target": 210}, ["M303 E0 S210 C8 U1"]),
    "pid-bed": ("marlin-full", {}, ["M303 E-1 S60 C8 U1"]),
}


@pytest.mark.parametrize("procedure", CALIBRATIONS)
async def test_each_calibration_succeeds_on_a_board_that_can(tmp_path: Path, procedure: str) -> None:
    personality, params, lines = CALIBRATIONS[procedure]
    async with Town(tmp_path, {"mk3": personality}) as town:
        done = await calibrated(town, procedure, **params)
        assert (done.state, done.message) == (RunState.SUCCEEDED, "done on 1 of 1 printer")
        executed = town.ledger("mk3").executed("host")
        assert [line for line in executed if line in lines] == lines, "once, and in order"
        assert came_of_it(town) == [("calibrated", line) for line in lines if line != "G28"]
        assert town.printer("mk3").plate is Plate.CLEAR
        assert town.ledger("mk3").count("kill") == 0, "nobody took its heat for a fault"
        job = await town.submit(PART, "mk3")
        await town.until_status(job.job_id, "completed")
        assert town.moves("mk3") == MOVES, "it prints behind it"


CANNOT = {
    "no probe": ("bed-level", board_with("marlin-full"), "it does not know G29", ("unknown", "G29")),
    "no autotune": (
        "pid-hotend", board_with("marlin-stock", less="pid_autotune"), "it does not know M303",
        ("unknown", "M303 E0 S200 C8 U1"),
    ),
    "too weak a bed": (
        "pid-bed", board_with("marlin-stock", plate=HeaterConstants(0.8, 300.0, 70.0)),
        "PID Autotune failed! Temperature too high", ("calibration_failed", "M303 E-1 S60 C8 U1"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("why", CANNOT)
async def test_a_calibration_fails_truthfully_on_a_board_that_cannot(tmp_path: Path, why: str) -> None:
    """It answers every line with `ok`, also one that it does not know, and one that it broke off."""
    procedure, board, words, entry = CANNOT[why]
    async with Town(tmp_path, {"mk3": board}) as town:
        await failed_calibration(town, await calibrated(town, procedure), words)
        assert came_of_it(town) == [entry]


async def failed_calibration(town: Town, done: Action, words: str) -> None:
    assert done.state is RunState.FAILED
    assert words in (done.message or "")
    assert "look at the machine" in (done.message or "")
    assert town.printer("mk3").plate is Plate.OCCUPIED
    assert town.engine.state.schedules[done.schedule_id].status is ScheduleStatus.FAILED


async def test_a_probe_that_fails_in_the_middle(tmp_path: Path) -> None:
    async with Town(tmp_path, {"mk3": "marlin-probe"}) as town:
        await town.ready("mk3")
        made = await schedule(town, {"procedure": "bed-level"}, ScheduleType.CALIBRATION)
        action = await run(town, made)
        await town.until(lambda: "G29" in town.ledger("mk3").executed("host"))
        await asyncio.sleep(10)
        town.strike("mk3", catalogue.probe_dead())
        await failed_calibration(town, await ended(town, action), "Probing Failed")
        assert came_of_it(town) == [("calibration_failed", "G29")]


@pytest.mark.parametrize(("kind", "words"), [("runaway", "Temperature too high"), ("dead", "Heating failed")])
async def test_a_heater_that_breaks_while_it_is_tuned(tmp_path: Path, kind: str, words: str) -> None:
    async with Town(tmp_path, {"mk3": "marlin-full"}) as town:
        await town.ready("mk3")
        made = await schedule(town, {"procedure": "pid-hotend"}, ScheduleType.CALIBRATION)
        action = await run(town, made)
        await town.until(lambda: town.ledger("mk3").executed("host").count("M303 E0 S200 C8 U1"))
        await asyncio.sleep(20)
        town.strike("mk3", catalogue.heater_fault(kind))
        await failed_calibration(town, await ended(town, action), words)
        assert came_of_it(town) == [("calibration_failed", "M303 E0 S200 C8 U1")]


async def test_a_tuned_heater_is_watched_where_the_firmware_does_not(tmp_path: Path) -> None:
    """Told 200 degrees by the macro, 0 by the firmware: without heat the gateway stops it."""
    build = load_personality("marlin-full")
    unprotected = replace(build, features=build.features | {"no_thermal_protection"})
    async with Town(tmp_path, {"mk3": unprotected}) as town:
        await town.ready("mk3")
        made = await schedule(town, {"procedure": "pid-hotend"}, ScheduleType.CALIBRATION)
        action = await run(town, made)
        await town.until(lambda: town.ledger("mk3").executed("host").count("M303 E0 S200 C8 U1"))
        await asyncio.sleep(20)
        town.strike("mk3", catalogue.heater_fault("dead"))
        await town.until(lambda: town.ledger("mk3").count("kill"), seconds=600.0)
        assert came_of_it(town) == [], "its firmware noticed nothing"
        assert (await ended(town, action)).state is RunState.FAILED


async def test_leveling_that_nobody_homed_for_has_failed(tmp_path: Path) -> None:
    async with Town(tmp_path, {"mk3": "marlin-probe"}) as town:
        await town.ready("mk3")
        done = await ended(town, await run(town, await schedule(town, {"gcode": ["G29"]})))
        await failed_calibration(town, done, "Home XYZ First")


async def test_filament_that_a_cold_nozzle_did_not_take_is_no_success(tmp_path: Path) -> None:
    async with Town(tmp_path, {"mk3": "marlin-full"}) as town:
        await town.ready("mk3")
        lines = ["G28", "M83", "G1 E5 F300"]
        done = await ended(town, await run(town, await schedule(town, {"gcode": lines})))
        assert [entry.effect for entry in town.ledger("mk3").events("refused")] == ["cold"]
        await failed_calibration(town, done, "cold extrusion prevented")


async def test_a_tone_that_nobody_hears_fails_no_run_and_is_told(tmp_path: Path) -> None:
    """M300 on a board without a speaker: the rest was done; which line was not, the run says."""
    async with Town(tmp_path, {"mk3": "marlin-full"}) as town:
        await town.ready("mk3")
        lines = ["G28 X", "M300 S440 P200", "G1 X42 F3000"]
        done = await ended(town, await run(town, await schedule(town, {"gcode": lines})))
        assert came_of_it(town) == [("unknown", "M300 S440 P200")]
        assert town.moves("mk3") == ["G1 X42 F3000"]
        assert done.state is RunState.SUCCEEDED
        assert "it does not know M300, that line was not carried out" in (done.steps[0].message or "")
        assert town.printer("mk3").plate is Plate.CLEAR


async def test_maintenance_occupies_the_plate_and_tells_people_what_to_do(tmp_path: Path) -> None:
    async with Town(tmp_path, {"mk3": "marlin-full"}) as town:
        await town.ready("mk3")
        params = {"note": "oil the rods", "gcode": ["G28 Z"]}
        done = await ended(town, await run(town, await schedule(town, params, ScheduleType.MAINTENANCE)))
        assert done.state is RunState.SUCCEEDED
        assert "oil the rods" in (done.steps[0].message or "")
        assert town.printer("mk3").plate is Plate.OCCUPIED
        assert town.ledger("mk3").executed("host").count("G28 Z") == 1
