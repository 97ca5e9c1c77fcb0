"""What a lost or garbled answer costs a print, in seconds of the machine; no line is ever run twice.

A print of lines that take the firmware no time runs without and with the fault: the difference between the
two is the standstill.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_sim.faults.catalogue import fault_named
from firmware_sim.faults.plan import Trigger
from firmware_sim.personality import personality_names
from gateway.domain.observations import PrintPhase
from tests.support.marlin_stand import MarlinStand, on_virtual_time

#: What an owner may notice: nothing with more lines under way, a hesitation with one.
SEVERAL_SECONDS, SINGLE_SECONDS = 0.2, 2.0
LINES = [f"G92 E{index / 1000:.3f}" for index in range(1, 200)]
LINES[100] = "M105"  # answered in its own way
SPOTS = (60, 100)
FAULTS = ("ok-lost", "ok-garbled", "ok-doubled")


async def printing_seconds(
    folder: Path, personality: str, profile: str | None, fault: str = "", spot: int = 0
) -> tuple[float, bool]:
    """Machine seconds from the first line to the last, and whether one line flies at a time.

    Checks that each line ran once and in order.
    """
    path = folder / "clip.gcode"
    path.write_text("\n".join(LINES) + "\n")
    async with MarlinStand(personality, profile=profile) as stand:
        await stand.ready()
        assert stand.driver.link is not None
        is_single = stand.driver.link.profile.window_lines == 1
        if fault:
            number = stand.driver.link.last_number + 1 + spot
            stand.board.faults.arm(fault_named(fault), Trigger(line=number))
        await stand.start(path)
        await stand.phase(PrintPhase.COMPLETED)
        ran = [entry for entry in stand.ledger.events("executed") if (entry.line or "").startswith("G92")]
        assert [entry.line for entry in ran] == [line for line in LINES if line != "M105"]
        assert len(stand.ledger.events("fault")) == bool(fault), "it struck"
        return ran[-1].t - ran[0].t, is_single


async def check_standstill(folder: Path, personality: str, profile: str | None) -> None:
    smooth, is_single = await printing_seconds(folder, personality, profile)
    costs = {}
    for fault in FAULTS:
        for spot in SPOTS:
            seconds, _ = await printing_seconds(folder, personality, profile, fault, spot)
            costs[fault, spot] = seconds - smooth
    assert max(costs.values()) <= (SINGLE_SECONDS if is_single else SEVERAL_SECONDS), costs


@pytest.mark.parametrize("personality", personality_names())
@on_virtual_time
async def test_an_answer_spoilt_with_the_lines_under_way_that_its_firmware_allows(
    personality: str, tmp_path: Path
) -> None:
    await check_standstill(tmp_path, personality, None)


@pytest.mark.parametrize("profile", ["prusa", "unknown"])
@pytest.mark.parametrize("personality", ["marlin-bare", "marlin-full", "marlin-stock"])
@on_virtual_time
async def test_an_answer_spoilt_with_one_line_under_way(
    personality: str, profile: str, tmp_path: Path
) -> None:
    await check_standstill(tmp_path, personality, profile)
