"""Whether a start arrived: the table of gateway.protocol.moonraker.starting, row by row."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.moonraker.rpc import RpcError
from gateway.protocol.moonraker.starting import LOOK_SECONDS, REPLY_SECONDS, SHOW_SECONDS, Confirmation, Stage

BUSY = RpcError(400, "SD busy")
DIED = RpcError(503, "Klippy Disconnected")


def begun() -> Confirmation:
    return Confirmation(100.0)


def test_ok_and_seen_is_accepted() -> None:
    start = begun()
    start.replied(None, 101.0)
    assert start.stage is Stage.TAKEN
    start.seen()
    assert (start.stage, start.why) == (Stage.ACCEPTED, None)


def test_seen_before_the_reply_is_accepted() -> None:
    start = begun()
    start.seen()
    start.replied(BUSY, 101.0)
    assert start.stage is Stage.ACCEPTED


def test_ok_alone_is_no_proof() -> None:
    start = begun()
    start.replied(None, 101.0)
    start.wake(101.0 + SHOW_SECONDS)
    assert start.stage is Stage.UNCLEAR
    assert start.why is not None


@pytest.mark.parametrize(
    "error",
    [BUSY, RpcError(400, "Unable to open file"), RpcError(503, "Klippy Host not connected"),
     RpcError(-32601, "Method not found"), RpcError(400, "Printer is not ready The klippy host")],
    ids=lambda error: error.message,
)  # fmt: skip
def test_an_error_that_proves_nothing_was_done_is_a_refusal_after_one_look(error: RpcError) -> None:
    start = begun()
    start.replied(error, 101.0)
    assert start.stage is Stage.REFUSING
    start.looked()
    assert start.stage is Stage.REFUSED
    assert error.message in (start.why or "")


def test_a_refused_start_that_is_on_the_machine_is_accepted() -> None:
    start = begun()
    start.replied(BUSY, 101.0)
    start.seen()
    assert start.stage is Stage.ACCEPTED


def test_a_klipper_that_died_with_the_start_proves_nothing() -> None:
    start = begun()
    start.replied(DIED, 101.0)
    assert start.stage is Stage.LOOKING
    start.looked()
    assert start.stage is Stage.UNCLEAR


def test_no_reply_is_looked_for_once() -> None:
    start = begun()
    start.wake(100.0 + REPLY_SECONDS - 0.1)
    assert start.stage is Stage.SENT
    start.wake(start.deadline)
    assert start.stage.looks
    start.looked()
    assert start.stage is Stage.UNCLEAR


def test_a_late_reply_counts_while_it_is_looked_for() -> None:
    start = begun()
    start.lost(101.0)
    start.replied(BUSY, 102.0)
    start.looked()
    assert start.stage is Stage.REFUSED


def test_a_printer_that_never_comes_back_leaves_it_unclear() -> None:
    start = begun()
    start.lost(101.0)
    start.wake(101.0 + LOOK_SECONDS)
    assert start.stage is Stage.UNCLEAR


STEPS = st.sampled_from(["ok", "busy", "died", "lost", "seen", "looked", "wake"])


@given(st.lists(STEPS, max_size=12))
def test_the_verdict_is_said_once_and_comes_in_time(steps: list[str]) -> None:
    start, now, verdict = begun(), 100.0, None
    for step in steps:
        now += 1.0
        if step in ("ok", "busy", "died"):
            start.replied({"ok": None, "busy": BUSY, "died": DIED}[step], now)
        elif step == "lost":
            start.lost(now)
        elif step == "seen":
            start.seen()
        elif step == "looked":
            start.looked()
        else:
            start.wake(now)
        assert verdict is None or start.stage is verdict
        verdict = start.stage if start.stage.is_end else None
    for _ in range(3):
        start.wake(start.deadline)
    assert start.stage.is_end
    assert start.stage is Stage.ACCEPTED or start.why
