"""Link and simulated board on virtual time, without asyncio: each line executed once and in order."""

from __future__ import annotations

import random

import pytest

from firmware_sim.ledger import Ledger
from firmware_sim.machine.board import Board
from gateway.protocol.marlin.failures import FailureReason
from gateway.protocol.marlin.link import Link
from gateway.protocol.marlin.silence import SETTLE_SECONDS
from gateway.protocol.marlin.window import REFUSALS_MAX

PERSONALITIES = ["marlin-full", "marlin-stock", "marlin-bare", "marlin-sd"]


class Duet:
    """Bytes handed over at once; the clock jumps to whoever wants something first."""

    def __init__(self, personality: str) -> None:
        self.ledger = Ledger()
        self.board = Board(personality, ledger=self.ledger)
        self.now = 0.0
        self.link = Link(self.now)
        self.spoil = lambda data: data

    def step(self) -> bool:
        """Exchange what there is, else let time pass. False: nobody wants anything any more."""
        out = self.link.to_send(self.now)
        if out:
            self.board.receive(self.spoil(out), self.now)
        heard = self.board.poll(self.now)
        if heard:
            self.link.receive(heard, self.now)
        while self.link.next_event():
            pass
        if out or heard:
            return True
        dues = [due for due in (self.link.deadline(), self.board.next_deadline()) if due is not None]
        if not dues:
            return False
        self.now = max(self.now, min(dues)) + 1e-6
        self.link.handle_timer(self.now)
        return True

    def run_until(self, done, steps: int = 200_000) -> None:  # type: ignore[no-untyped-def]
        for _ in range(steps):
            if done() or self.link.failure or not self.step():
                return
        raise AssertionError("it never ended")

    def stream(self, texts: list[str], faults=lambda index: None) -> None:  # type: ignore[no-untyped-def]
        for index, text in enumerate(texts):
            self.run_until(lambda: self.link.wants_line)
            if self.link.failure:
                return
            faults(index)
            self.link.submit(text)
        self.run_until(lambda: self.link.is_idle)


def lines_of(count: int) -> list[str]:
    return [f"G1 X{index % 50} Y{index} F9000" for index in range(count)]


def executed(duet: Duet) -> list[str]:
    return [line for line in duet.ledger.executed("host") if line.startswith("G1")]


@pytest.mark.parametrize("personality", PERSONALITIES)
def test_a_clean_run(personality: str) -> None:
    duet = Duet(personality)
    duet.stream(lines_of(300))
    assert executed(duet) == lines_of(300)
    assert duet.link.resends == 0
    assert duet.link.probes == 0


@pytest.mark.parametrize("seed", range(15))
@pytest.mark.parametrize("personality", PERSONALITIES)
def test_lost_oks_and_corrupted_lines(personality: str, seed: int) -> None:
    duet = Duet(personality)
    duet.run_until(lambda: duet.link.is_ready)
    rng = random.Random(seed)

    def faults(_: int) -> None:
        roll = rng.random()
        if roll < 0.04:
            duet.board.fault_lose_ok(rng.randint(1, 3))
        elif roll < 0.08:
            duet.board.fault_corrupt_line()

    texts = lines_of(150)
    duet.stream(texts, faults)
    assert duet.link.failure is None
    assert executed(duet) == texts


@pytest.mark.parametrize("seconds", [5.0, 40.0])
@pytest.mark.parametrize("personality", PERSONALITIES)
def test_silence_is_survived_without_repeating(personality: str, seconds: float) -> None:
    duet = Duet(personality)
    texts = lines_of(60)

    def faults(index: int) -> None:
        if index == 30:
            duet.board.fault_silent(seconds, duet.now)

    duet.stream(texts, faults)
    assert duet.link.failure is None
    assert executed(duet) == texts
    assert duet.ledger.count("repeat") == 0


@pytest.mark.parametrize("personality", PERSONALITIES)
def test_a_reset_is_noticed_and_nothing_follows(personality: str) -> None:
    duet = Duet(personality)
    texts = lines_of(100)

    def faults(index: int) -> None:
        if index == 50:
            duet.board.reset(duet.now)

    duet.stream(texts, faults)
    assert duet.link.failure is not None
    assert duet.link.failure.reason in (FailureReason.RESTARTED, FailureReason.POSITION_LOST)
    assert executed(duet) == texts[: len(executed(duet))]


@pytest.mark.parametrize("personality", ["marlin-stock", "marlin-bare"])
def test_the_ring_keeps_a_slot_for_the_emergency_stop(personality: str) -> None:
    duet = Duet(personality)
    duet.run_until(lambda: duet.link.is_ready)
    while duet.link.wants_line:
        duet.link.submit("G4 S5")
        duet.step()
    duet.link.send_emergency("M112")
    began = duet.now
    duet.run_until(lambda: duet.board.is_halted)
    assert duet.board.is_halted
    assert duet.now - began < 1.0


def test_a_line_that_can_never_be_taken_ends_the_print_within_seconds() -> None:
    duet = Duet("prusa")
    duet.run_until(lambda: duet.link.is_ready)
    duet.spoil = lambda data: data.replace(b"G1 X7 Y7 F9000*", b"G1 X8 Y7 F9000*")
    duet.stream(lines_of(7))
    begin = duet.now
    duet.stream(lines_of(20)[7:])
    assert duet.link.failure is not None
    assert duet.link.failure.reason is FailureReason.LINE_REFUSED
    assert duet.now - begin < (REFUSALS_MAX + 1) * SETTLE_SECONDS
