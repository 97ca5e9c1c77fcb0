"""A print whose board lost its position, recovered from its last finished layer; judged by the ledger."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.domain.commands import RecoverJob
from gateway.domain.job import Job, JobStatus
from gateway.gcode.recovery import RecoveryPlan, plan_recovery
from tests.support.stand import ANA
from tests.support.town import Town

LAYERS = 8
#: Moves of a layer: more than the lines of which it is not known whether they were done.
WIDTH = 40


def layer(number: int) -> list[str]:
    z = number * 0.2
    return [
        ";LAYER_CHANGE",
        f";Z:{z:g}",
        f"G1 Z{z:g} F600",
        *(f"G1 X{20 + n % 2 * 40} Y{20 + n / 2:g} E{number * 100 + n} F2400" for n in range(WIDTH)),
    ]


HEAD = [
    "M140 S60",
    "M104 S200",
    "G28",
    "M190 S60",
    "M109 S200",
    "G90",
    "M82",
    "G92 E0",
    "M204 P900",
    "M106 S128",
]
TAIL = ["M104 S0", "M140 S0", "M84"]
FILE = [*HEAD, *(line for number in range(1, LAYERS + 1) for line in layer(number)), *TAIL]
PART = ("\n".join(FILE) + "\n").encode()


def lost(town: Town) -> None:
    """The board was reset; somebody else's heat or not, it is a board that has forgotten everything."""
    wire = town.wires["mk3"]
    wire.board.reset(wire.now)
    wire.turn()


async def held(town: Town, moves: int) -> Job:
    """A print that was interrupted behind so many moves, and waits for a person."""
    await town.ready("mk3")
    job = await town.submit(PART, "mk3")
    await town.until(lambda: len(town.moves("mk3")) > moves)
    lost(town)

    async def is_held() -> bool:
        return (await town.job(job.job_id)).is_held

    await town.until_async(is_held)
    await asyncio.sleep(30)
    return await town.job(job.job_id)


def plan(town: Town, job: Job, layer: int | None = None) -> RecoveryPlan:
    assert job.file_sha256 is not None
    with open(town.files.path_of(job.file_sha256), "rb") as file:
        return plan_recovery(file, job.file_sha256, job.position or 0, layer)


async def recover(town: Town, job: Job, planned: RecoveryPlan) -> None:
    where = (job.position or 0, planned.offset, planned.line, planned.heat_lines, planned.move_lines)
    await town.engine.execute(RecoverJob(job.job_id, ANA.member_id, *where))


def soaked(*names: str) -> list[object]:
    """The first in every run, the others in long ones."""
    return [names[0], *(pytest.param(name, marks=pytest.mark.soak) for name in names[1:])]


def behind_the_boot(town: Town) -> list[str]:
    """What the machine did since it was reset last."""
    entries = town.ledger("mk3").entries
    last = max(place for place, entry in enumerate(entries) if entry.event == "boot")
    return [entry.line or "" for entry in entries[last:] if entry.event == "executed"]


@pytest.mark.parametrize("personality", soaked("marlin-stock", "marlin-full", "marlin-bare"))
async def test_each_line_from_that_layer_on_is_executed_exactly_once(
    tmp_path: Path, personality: str
) -> None:
    async with Town(tmp_path, {"mk3": personality}) as town:
        job = await held(town, 4 * WIDTH + 30)
        planned = plan(town, job)
        await recover(town, job, planned)
        done = await town.until_status(job.job_id, "completed", "failed", "canceled")
        assert (done.status, done.message, done.progress) == (JobStatus.COMPLETED, None, 1.0)

        ran = behind_the_boot(town)
        first = ran.index("G28 X Y")
        heats = [ran.index("M190 S60"), ran.index("M109 S200")]
        lift = next(place for place, line in enumerate(ran) if line.startswith("G0 Z"))
        assert heats == sorted(heats)
        assert heats[-1] < ran.index(f"G92 Z{planned.z_lost:g}") < lift < first
        assert not any(line.startswith("G28") and line != "G28 X Y" for line in ran)

        again = [line for number in range(planned.layer, LAYERS + 1) for line in layer(number)]
        wanted = [line for line in [*again, *TAIL] if not line.startswith(";")]
        ours = {"M105", "M400"}
        assert [line for line in ran if line not in ours][-len(wanted) :] == wanted
        begin = ran.index(wanted[0])
        assert ran.index("G92 E" + str(100 * (planned.layer - 1) + WIDTH - 1)) < begin
        assert f"G0 Z{0.2 * (planned.layer - 1):g} F300" in ran[first:begin]
        assert {"M204 P900", "M106 S128", "M82"} <= set(ran[:begin])

        attempts = await town.queries.attempts(done.work_id)
        assert [attempt.result for attempt in attempts] == ["failed", "completed"]


async def test_the_layer_is_the_last_one_that_is_surely_begun(tmp_path: Path) -> None:
    async with Town(tmp_path, {"mk3": "marlin-full"}) as town:
        job = await held(town, 4 * WIDTH + 30)
        moved = len(town.moves("mk3"))
        planned = plan(town, job)
        assert planned.layers_done * (WIDTH + 1) < moved
        assert planned.layer in (moved // (WIDTH + 1), moved // (WIDTH + 1) + 1)
        assert plan(town, job, layer=3).layer == 3


async def test_interrupted_on_its_way_back_it_is_held_again_and_recovered_again(tmp_path: Path) -> None:
    async with Town(tmp_path, {"mk3": "marlin-stock"}) as town:
        job = await held(town, 4 * WIDTH + 30)
        planned = plan(town, job)
        for trouble in ("streamer", "cable", "reset"):
            await recover(town, job, planned)
            await town.until(
                lambda: "M190 S60" in behind_the_boot(town) or town.wires["mk3"].board.bed.target
            )
            await asyncio.sleep(2)
            before = len(town.moves("mk3"))
            if trouble == "streamer":
                await town.kill_streamer()
                await asyncio.sleep(5)
                town.start_streamer()
            elif trouble == "cable":
                town.wires["mk3"].unplug()
                await asyncio.sleep(5)
                town.wires["mk3"].plug()
            else:
                lost(town)

            async def is_held() -> bool:
                return (await town.job(job.job_id)).is_held

            await town.until_async(is_held)
            await asyncio.sleep(100)
            file_moves = [move for move in town.moves("mk3")[before:] if move in FILE]
            assert file_moves == [], "nobody goes on in the middle of the way back"
        job = await town.job(job.job_id)
        await recover(town, job, plan(town, job))
        await town.until_status(job.job_id, "completed")
        again = [line for number in range(planned.layer, LAYERS + 1) for line in layer(number)]
        wanted = [line for line in again if line.startswith("G1")]
        assert [move for move in town.moves("mk3") if move in FILE][-len(wanted) :] == wanted


@pytest.mark.soak
async def test_a_recovered_print_survives_its_streamer(tmp_path: Path) -> None:
    async with Town(tmp_path, {"mk3": "marlin-full"}) as town:
        job = await held(town, 4 * WIDTH + 30)
        planned = plan(town, job)
        await recover(town, job, planned)
        before = len(town.moves("mk3"))
        await town.until(lambda: len(town.moves("mk3")) > before + WIDTH)
        await town.kill_streamer()
        await asyncio.sleep(2)
        town.start_streamer()
        await town.until_status(job.job_id, "completed")
        again = [line for number in range(planned.layer, LAYERS + 1) for line in layer(number)]
        wanted = [line for line in again if line.startswith("G1")]
        assert [move for move in town.moves("mk3")[before:] if move in FILE] == wanted


async def test_a_power_cut_at_the_host_too_leaves_the_jobs_own_row_to_go_by(tmp_path: Path) -> None:
    """The line record lies in memory: it is gone, and so are all processes."""
    async with Town(tmp_path, {"mk3": "marlin-full"}) as town:
        await town.ready("mk3")
        job = await town.submit(PART, "mk3")
        await town.until(lambda: len(town.moves("mk3")) > 4 * WIDTH + 20)
        await asyncio.sleep(1)
        await town.kill_gateway()
        await town.kill_streamer()
        lost(town)
        for record in (tmp_path / "records").iterdir():
            record.unlink()
        town.start_streamer()
        await town.start_gateway()

        async def is_held() -> bool:
            return (await town.job(job.job_id)).is_held

        await town.until_async(is_held)
        job = await town.job(job.job_id)
        planned = plan(town, job)
        await town.until(lambda: town.host.snapshot()[0].link.value == "up")
        await recover(town, job, planned)
        await town.until_status(job.job_id, "completed")
        again = [line for number in range(planned.layer, LAYERS + 1) for line in layer(number)]
        wanted = [line for line in again if line.startswith("G1")]
        assert [move for move in town.moves("mk3") if move in FILE][-len(wanted) :] == wanted
        assert planned.layer > 1
