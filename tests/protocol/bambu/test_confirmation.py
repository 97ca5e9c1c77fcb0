"""The two phases of a start, as their table says; no clock but the test's."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.protocol.bambu.confirmation import (
    ASKED_SECONDS,
    LINGER_SECONDS,
    LOOK_SECONDS,
    TAKEN_SECONDS,
    Confirmation,
    Stage,
)
from gateway.protocol.bambu.replies import Reply, replies
from gateway.protocol.bambu.state import PrinterState, read_state

MARK = 4711


def state(gcode_state: str, mark: int | str = 0, **fields: Any) -> PrinterState:
    return read_state({"gcode_state": gcode_state, "subtask_id": str(mark), **fields})


def reply(result: str, **fields: Any) -> Reply:
    inner = {"command": "project_file", "sequence_id": str(MARK), "result": result, **fields}
    [found] = replies({"print": inner})
    return found


IDLE = state("IDLE")
FINISHED = state("FINISH", 12)


@pytest.fixture
def sent() -> Confirmation:
    return Confirmation(MARK, 0.0, before=FINISHED)


def test_it_runs(sent: Confirmation) -> None:
    sent.replied(reply("success"), 1)
    assert (sent.stage, sent.deadline) == (Stage.TAKEN, 1 + TAKEN_SECONDS)
    sent.saw(FINISHED, 2)
    sent.saw(state("FINISH", MARK), 40)
    assert sent.stage is Stage.TAKEN
    sent.saw(state("PREPARE", MARK), 50)
    assert sent.stage is Stage.RUNNING


@pytest.mark.parametrize("active", ["SLICING", "PREPARE", "RUNNING", "PAUSE"])
def test_the_state_alone_proves_it(sent: Confirmation, active: str) -> None:
    sent.saw(state(active, MARK), 3)
    assert sent.stage is Stage.RUNNING


def test_another_print_proves_nothing(sent: Confirmation) -> None:
    sent.saw(state("RUNNING", 99), 3)
    assert sent.stage is Stage.ASKED


def test_refused(sent: Confirmation) -> None:
    sent.replied(reply("failed", reason="busy"), 1)
    assert sent.stage is Stage.REFUSED
    assert sent.refusal is not None
    assert not sent.wake(1e9)


def test_a_refusal_of_what_is_shown_is_not_believed(sent: Confirmation) -> None:
    sent.saw(state("IDLE", MARK), 1)
    sent.replied(reply("failed"), 2)
    assert sent.stage is Stage.TAKEN


@pytest.mark.parametrize("is_taken", [False, True])
def test_one_look_and_then_unclear(sent: Confirmation, is_taken: bool) -> None:
    due = ASKED_SECONDS
    if is_taken:
        sent.replied(reply("success"), 10)
        due = 10 + TAKEN_SECONDS
    assert not sent.wake(due - 1)
    assert sent.wake(due)
    assert sent.stage is Stage.LOOKING
    assert not sent.wake(due + LOOK_SECONDS - 1)
    assert not sent.wake(due + LOOK_SECONDS)
    assert sent.stage is Stage.UNCLEAR


def test_the_look_finds_it(sent: Confirmation) -> None:
    assert sent.wake(ASKED_SECONDS)
    sent.saw(state("RUNNING", MARK), ASKED_SECONDS + 5)
    assert sent.stage is Stage.RUNNING


def test_it_failed_at_once(sent: Confirmation) -> None:
    sent.saw(state("FAILED", MARK, print_error=0x05004002), 5)
    assert sent.stage is Stage.ENDED


def test_the_failure_before_is_not_this_ones() -> None:
    before = state("FAILED", 12, print_error=0x05004002)
    sent = Confirmation(MARK, 0.0, before=before)
    sent.saw(state("FAILED", MARK, print_error=0x05004002), 5)
    assert sent.stage is Stage.TAKEN
    sent.saw(state("FAILED", MARK, print_error=0x05004003), 6)
    assert sent.stage is Stage.ENDED


def test_an_end_that_nobody_watched_is_believed_after_a_while() -> None:
    left = Confirmation(MARK, 0.0)
    left.saw(state("FINISH", MARK), 1)
    left.saw(state("FINISH", MARK), 1 + LINGER_SECONDS - 1)
    assert left.stage is Stage.TAKEN
    left.saw(state("FINISH", MARK), 1 + LINGER_SECONDS)
    assert left.stage is Stage.ENDED


def test_an_end_that_is_watched_is_the_print_befores(sent: Confirmation) -> None:
    for now in (1.0, 1 + 2 * LINGER_SECONDS):
        sent.saw(state("FINISH", MARK), now)
    assert sent.stage is Stage.TAKEN
    sent.unwatched()
    for now in (150.0, 150 + LINGER_SECONDS):
        sent.saw(state("FINISH", MARK), now)
    assert sent.stage is Stage.ENDED
