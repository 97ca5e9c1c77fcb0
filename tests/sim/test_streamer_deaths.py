"""The driver host dies in mid-print: the print goes on from the line the machine has, or it is held.

Judged by the machine's ledger: every line of the file executed once and in order, whatever happened and when.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from random import Random

import pytest

from gateway.domain.observations import PrintPhase
from tests.support.marlin_stand import on_virtual_time
from tests.support.mortal import MortalStand

FIRMWARES = ["marlin-full", "marlin-stock", "marlin-sd", "marlin-bare"]
#: Every line is different, so that the ledger tells which were executed, how often, and in which order.
#: Temperatures have a decimal: those that a resume restores have none.
BEFORE = ["M104 S45.0", "G28", "M109 S45.0", "G4 P400", "M106 S100"]
MOVES = [f"G1 X{10 + n % 40} Y{10 + n // 40} F{(3000, 6000, 1200)[n % 3]}" for n in range(160)]
AFTER = ["G4 P300", "M106 S0", "M104 S1.0", "G1 X0 F2400"]
LINES = [*BEFORE, *MOVES, *AFTER]
#: Ours, between and behind the lines of the file.
OURS = {
    "M105",
    "M115",
    "M400",
    "M104 S0",
    "M140 S0",
    "M107",
    "M84",
    "M155 S2",
    "M154 S5",
    "M27",
    "M27 S2",
    "M110 N0",
    "M410",
    "M108",
}


#: Of a pause and a resume: away from the part, back to it, and everything as it was.
PARKING = re.compile(r"M114|G9[01]|M8[23]|G0 .*|G92 E.*|G1 F\d+|M84 S\d+|M10[49] S(45|1)")


@pytest.fixture
def gcode(tmp_path: Path) -> Path:
    path = tmp_path / "clip.gcode"
    path.write_text("; a part\n\n" + "\n".join(LINES[:50]) + "\n; layer\n" + "\n".join(LINES[50:]) + "\n")
    return path


def executed(stand: MortalStand) -> list[str]:
    """Lines of the file that the machine executed, in order."""
    ran = stand.ledger.executed("host")
    return [line for line in ran if line not in OURS and not PARKING.fullmatch(line)]


async def dies(stand: MortalStand, chance: Random, rest: float | None = None) -> None:
    """One death, now or in the middle of a write, and what comes after it."""
    await stand.kill(after_bytes=chance.choice([None, None, chance.randrange(1, 90)]))
    await asyncio.sleep(chance.choice([0.0, 0.02, 0.4, 3.0, 25.0]) if rest is None else rest)
    await stand.rise()


# ---------------------------------------------------------------- at any moment


async def course(stand: MortalStand, gcode: Path, chance: Random) -> None:
    """A print with one to three deaths, and what a person may have ordered meanwhile."""
    await stand.ready()
    await stand.start(gcode)
    order = chance.choice(["none", "none", "pause", "cancel"])
    at = chance.uniform(0.0, 75.0)
    begun = stand.wire.now
    await stand.until_or(lambda: stand.wire.now >= begun + at or stand.report().phase.is_end, 200.0)  # type: ignore[union-attr]
    is_given = False
    if order == "pause":
        is_given = (await stand.pause()).result.value == "accepted"
    elif order == "cancel":
        is_given = (await stand.cancel()).result.value == "accepted"
    await asyncio.sleep(chance.choice([0.0, 0.001, 0.01, 0.3, 5.0]))
    for _ in range(chance.choice([1, 1, 2, 3])):
        if (report := stand.report()) is None or report.phase.is_end:
            break
        await dies(stand, chance)
        await asyncio.sleep(chance.choice([0.0, 0.003, 0.1, 0.3, 0.6, 1.0, 4.0, 20.0]))
    if stand.report() is None:
        assert executed(stand) == LINES or order == "cancel", "its end was told before the death"
        return
    if is_given and order == "pause":
        await stand.until_or(lambda: stand.report().phase is PrintPhase.PAUSED, 200.0)  # type: ignore[union-attr]
        report = stand.report()
        assert report is not None
        assert report.phase in (PrintPhase.PAUSED, PrintPhase.COMPLETED), report
        stood = len(executed(stand))
        await asyncio.sleep(20)
        assert len(executed(stand)) == stood, "a paused print stands, whoever died"
        if report.phase is PrintPhase.PAUSED:
            assert (await stand.resume()).result.value == "accepted"
    last = await stand.settled()
    if is_given and order == "cancel":
        assert last.phase is PrintPhase.CANCELED, last
        assert stand.board.is_idle
        assert "M104 S0" in stand.ledger.executed("host")
    else:
        assert last.phase is PrintPhase.COMPLETED, last
        assert executed(stand) == LINES
        assert (last.line, last.position) == (len(LINES), gcode.stat().st_size)


async def run_course(folder: Path, gcode: Path, personality: str, seed: int) -> None:
    async with MortalStand(folder, personality) as stand:
        await course(stand, gcode, Random(f"{personality} {seed}"))
        done = executed(stand)
        assert done == LINES[: len(done)], "each line once and in order"
        assert stand.ledger.count("boot") == 1


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("personality", FIRMWARES)
@on_virtual_time
async def test_a_death_at_any_moment(personality: str, seed: int, tmp_path: Path, gcode: Path) -> None:
    await run_course(tmp_path, gcode, personality, seed)


@on_virtual_time
async def test_half_an_emergency_command_is_no_other_command(tmp_path: Path, gcode: Path) -> None:
    """Seed 1241: of "M108", two bytes were left; a newline behind them makes M1, which waits for a person."""
    await run_course(tmp_path, gcode, "marlin-full", 1241)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(1000, 2000))
@pytest.mark.parametrize("personality", FIRMWARES)
@on_virtual_time
async def test_many_deaths(personality: str, seed: int, tmp_path: Path, gcode: Path) -> None:
    await run_course(tmp_path, gcode, personality, seed)
