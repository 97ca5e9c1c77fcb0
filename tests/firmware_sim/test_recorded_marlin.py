"""The simulator answers as real Marlin answered: every recorded conversation, line by line."""

from __future__ import annotations

import math

import pytest

from tests.firmware_sim.transcripts import Conversation, Player, conversations, differences

SCRIPTS = conversations()


@pytest.mark.parametrize("script", SCRIPTS, ids=[script.name for script in SCRIPTS])
def test_the_board_says_what_real_marlin_said(script: Conversation) -> None:
    player = Player(script)
    starts = [row.at for section in script.sections for row in section.exchanges] + [math.inf]
    wrong: list[str] = []
    index = 0
    for section in script.sections:
        for row in section.exchanges:
            index += 1
            heard = [row.at, *(at for at, _ in row.reply)]
            until = starts[index] if starts[index] < math.inf else max(heard) + 1.0
            said = player.play(row, until)
            for difference in differences(row.reply, said, section.relax):
                what = row.send or row.action
                wrong.append(f"[{section.title}] {row.note} after {what!r} at {row.at}:\n    {difference}")
    assert not wrong, f"{len(wrong)} of {index} exchanges differ\n" + "\n".join(wrong)


def test_the_vectors_cover_all_recorded_builds() -> None:
    assert {script.personality for script in SCRIPTS} == {"marlin-full", "marlin-stock", "marlin-bare"}
    assert sum(len(s.exchanges) for script in SCRIPTS for s in script.sections) > 250
