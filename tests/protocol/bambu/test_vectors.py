"""What printers say, and what it means: the vectors."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.protocol.bambu.ladder import whose
from gateway.protocol.bambu.replies import replies
from gateway.protocol.bambu.state import read_state
from tests.protocol.bambu.lines import vectors


@pytest.mark.parametrize("row", vectors("states"), ids=lambda row: str(row["say"])[:60])
def test_states(row: dict[str, Any]) -> None:
    state = read_state(row["say"])
    found = {name: getattr(state, name) for name in row["state"]}
    if "hms" in found:
        found["hms"] = [entry.code for entry in state.hms]
    assert found == row["state"]


@pytest.mark.parametrize("row", vectors("replies"), ids=lambda row: str(row["say"])[:60])
def test_replies(row: dict[str, Any]) -> None:
    found = list(replies(row["say"]))
    if row["reply"] is None:
        assert found == []
        return
    [reply] = found
    assert {name: getattr(reply, name) for name in row["reply"]} == row["reply"]
    assert row.get("words", "") in reply.words


@pytest.mark.parametrize("row", vectors("ladder"), ids=lambda row: row["whose"])
def test_ladder(row: dict[str, Any]) -> None:
    assert whose(has_mark=row["mark"], has_reply=row["reply"], print_type=row["type"]) == row["whose"]
