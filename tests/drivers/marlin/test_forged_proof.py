"""A report in the middle of an ok reads like the answer to M105: no stage ends on one answer alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.domain.observations import PrintPhase
from tests.support.marlin_stand import MarlinStand, on_virtual_time

#: None of them takes long: the link has nothing to ask by itself.
LINES = ["G90", "G92 E1", "G92 E0"]


@pytest.mark.parametrize("personality", ["marlin-stock", "marlin-bare", "prusa"])
@on_virtual_time
async def test_a_print_is_completed_when_two_questions_were_answered_behind_its_end(
    personality: str, tmp_path: Path
) -> None:
    path = tmp_path / "clip.gcode"
    path.write_text("\n".join(LINES) + "\n")
    async with MarlinStand(personality) as stand:
        await stand.ready()
        await stand.start(path)
        await stand.phase(PrintPhase.COMPLETED)
        ran = [line for line in stand.ledger.executed("host") if line in ("M400", "M105")]
        assert ran[ran.index("M400") + 1 :][:2] == ["M105", "M105"]
        assert stand.board.is_idle
