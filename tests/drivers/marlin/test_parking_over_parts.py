"""Moves of our own beside what was printed already, and with what the file says of units and filament."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.domain.observations import PrintPhase
from gateway.drivers.marlin.settings import MarlinSettings, ParkSettings
from tests.support.marlin_stand import MarlinStand, on_virtual_time

FileOf = Callable[[str], Path]
ASIDE = MarlinSettings(park=ParkSettings(x=5.0, y=190.0, lift=3.0, height=200.0))
HEAD = "M109 S180\nG28\nG90\nM83\n"


def objects(*heights: float) -> str:
    """Columns printed one after another, 30 mm apart, in layers of 2 mm."""
    lines = [HEAD]
    for number, height in enumerate(heights, start=1):
        lines.append(f"G0 Z{max(heights) + 5} F600\nG0 X{30 * number} Y50 F6000\n")
        for z in range(2, int(height) + 2, 2):
            lines.append(f"G1 Z{z} F600\n")
            lines += [f"G1 X{30 * number + n % 2 * 10} Y{50 + n} E0.4 F1800\n" for n in range(12)]
    return "".join(lines)


def sideways_at(stand: MarlinStand, begin: int) -> list[float]:
    """Heights of our own moves in X and Y, of what the machine ran since."""
    z, heights = 0.0, []
    for line in stand.ledger.executed("host")[begin:]:
        words = {word[0]: float(word[1:]) for word in line.split()[1:] if line[:2] == "G0"}
        z = words.get("Z", z)
        if words.keys() & {"X", "Y"}:
            heights.append(z)
    return heights


@pytest.mark.parametrize("ends", ["resume", "cancel"])
@on_virtual_time
async def test_the_head_moves_aside_above_finished_objects(ends: str, file_of: FileOf) -> None:
    async with MarlinStand("marlin-full", settings=ASIDE) as stand:
        await stand.ready()
        text = objects(40, 10)
        await stand.start(file_of(text))
        second = text.index("G0 X60")
        first = text[:second].count("E0.4")
        await stand.until(lambda: len(stand.moves()) > first + 20 + 20)
        assert stand.board.axes.logical()[2] < 11, "it is at the second, low object"
        begin = len(stand.ledger.executed("host"))
        if ends == "resume":
            await stand.pause()
            await stand.phase(PrintPhase.PAUSED)
        else:
            await stand.cancel()
            await stand.phase(PrintPhase.CANCELED)
        heights = sideways_at(stand, begin)
        assert heights
        assert min(heights) >= 43
        if ends == "resume":
            begin = len(stand.ledger.executed("host"))
            await stand.resume()
            await stand.phase(PrintPhase.COMPLETED)
            back = [line for line in stand.ledger.executed("host")[begin:] if line[:3] in ("G0 ", "G1 ")]
            assert back[0].startswith("G0 X"), "first above its place, then down"


@on_virtual_time
async def test_a_canceled_part_in_inches_is_left_alone(file_of: FileOf) -> None:
    """Where the firmware reads inches, ten millimetres up would be ten inches."""
    text = (
        HEAD
        + "G20\n"
        + "".join(f"G1 X{1 + n % 20 / 10} Y1 Z{1 + n / 1000:.3f} E.01 F60\n" for n in range(200))
    )
    async with MarlinStand("marlin-full", settings=ASIDE) as stand:
        await stand.ready()
        await stand.start(file_of(text))
        await stand.until(lambda: len(stand.moves()) > 30)
        await stand.cancel()
        await stand.phase(PrintPhase.CANCELED)
        assert not [line for line in stand.ledger.executed("host") if line.startswith("G0")]


@pytest.mark.parametrize("personality", ["prusa", "marlin-full"])
@on_virtual_time
async def test_what_g90_means_for_the_filament_is_the_firmwares_to_say(
    personality: str, file_of: FileOf
) -> None:
    """Prusa: G90 leaves M83 as it was, so a file's E is relative still; Marlin: it ends it."""
    moves = [
        f"G1 X{20 + n % 50} Y30 E{0.5 if personality == 'prusa' else n / 2} F1800" for n in range(1, 121)
    ]
    text = HEAD.replace("G90\nM83\n", "M83\nG90\n") + "G92 E0\n" + "\n".join(moves) + "\n"
    async with MarlinStand(personality, settings=ASIDE) as stand:
        await stand.ready()
        await stand.start(file_of(text))
        await stand.until(lambda: len(stand.moves()) > 40)
        await stand.pause()
        report = await stand.phase(PrintPhase.PAUSED)
        assert report.message is None
        begin = len(stand.ledger.executed("host"))
        await stand.resume()
        await stand.phase(PrintPhase.COMPLETED)
        back = stand.ledger.executed("host")[begin:]
        modes = [line for line in back if line in ("M82", "M83")]
        assert modes[-1] == ("M83" if personality == "prusa" else "M82")
        assert stand.board.axes.logical()[3] == pytest.approx(60.0, abs=0.02)
