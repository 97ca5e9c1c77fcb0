"""The gateway dies at every step of a start on printers that print by themselves: at most one physical start.

The steps are `tests.support.mortal_process`: before and behind each commit, order, upload, publish, and each
thing the engine hears. What must be true in the morning is `tests.support.start_night`'s to judge, by the
machines' ledgers. Seeds that ever failed are replayed for ever.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.mqtt_town import PRINTERS, MqttTown
from tests.support.start_night import STEPS, Death, Morning, Plan, StartNight, drawn

#: Seeds that ever failed.
ONCE_FAILED: tuple[int, ...] = (169, 228, 237)
#: The soak's schedules; `START_NIGHTS=0-1000` in the environment chooses others.
FIRST, LAST = (int(end) for end in os.environ.get("START_NIGHTS", "0-1000").split("-"))


async def night(folder: Path, seed: int, plan: Plan) -> tuple[Morning, list[str]]:
    """Play it; fails with what must never be."""
    async with MqttTown(folder, seed=seed, personality=plan.personality) as town:
        played = StartNight(town, plan)
        morning = await played.play()
    assert morning.wrong == [], (plan, played.died_at, [(job.name, job.message) for job in morning.jobs])
    return morning, played.died_at


async def test_without_bad_luck_both_print(tmp_path: Path) -> None:
    async with MqttTown(tmp_path) as town:
        await town.ready()
        for printer in PRINTERS:
            await town.submit(printer)
        await town.until(lambda: len(town.ends()) == 2)
        assert sorted(town.starts()) == sorted(town.ends()) == ["job1", "job2"]
        assert len(town.life.steps) > STEPS, "deaths can come at all steps of a start"


@pytest.mark.parametrize("step", range(6, STEPS, 22))
async def test_a_death_at_a_step_of_the_start(tmp_path: Path, step: int) -> None:
    await night(tmp_path, step, Plan(deaths=(Death(step, 5.0),)))


@pytest.mark.parametrize("seed", [*range(7), *ONCE_FAILED])
async def test_a_night(tmp_path: Path, seed: int) -> None:
    await night(tmp_path, seed, drawn(seed))


@pytest.mark.soak
@pytest.mark.timeout(120)
@pytest.mark.parametrize("step", range(1, STEPS + 1))
async def test_a_death_at_every_step_of_the_start(tmp_path: Path, step: int) -> None:
    await night(tmp_path, step, Plan(deaths=(Death(step, 5.0),)))


@pytest.mark.soak
@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(FIRST, LAST))
async def test_a_thousand_nights(tmp_path: Path, seed: int) -> None:
    """With START_NIGHTS_TABLE=FILE each night's outcomes are added there, a JSON line a night."""
    morning, died_at = await night(tmp_path, seed, drawn(seed))
    if table := os.environ.get("START_NIGHTS_TABLE"):
        with Path(table).open("a") as file:
            row = {"seed": seed, "died_at": died_at, "outcomes": dict(morning.outcomes)}
            file.write(json.dumps(row) + "\n")
