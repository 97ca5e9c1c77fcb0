"""Whatever arrives, in whatever pieces: the board does not crash, does not grow, and says the same."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from firmware_sim import Board, load_personality, personality_names
from firmware_sim.machine.board import MOST_UNREAD_BYTES
from tests.firmware_sim.talk import Talk, frame

EVERY = personality_names()
NAMES = [
    name
    for name in EVERY
    if load_personality(name).firmware == "marlin" and not load_personality(name).has("rx_overflow")
]
"""Marlins that hold the host off: nothing is lost by how the bytes come."""
CARD = {"A.GCO": b"G28\nM104 S50\nG4 S5\nG1 X5 F600\nM118 E1 end\n"}

#: What lines are made of: the fragments the parser cares about, and noise.
PIECES = [
    b"N", b"N1 ", b"N2 ", b"N-3", b"*", b"*38", b"M110 N", b"M105", b"M112", b"M108", b"M410", b"M876 S1",
    b"KILL", b"G1 X", b"G4 P", b"G28", b"M109 R", b"M190 S", b"M23 A.GCO", b"M24", b"M25", b"M524", b"M29",
    b"M28 B.GCO", b"M0 S1", b"M600", b"M155 S1", b"M118 E1 ", b"M203 X", b"G2 I", b"G2 R", b"T9", b"M999",
    b" ", b"-", b".", b"9" * 30, b";", b"\\", b"\b", b"\0", b"\xff\x80", b"\n", b"\n", b"\r", b"\r\n",
    b"x" * 200,
]  # fmt: skip
pieces = st.lists(st.sampled_from(PIECES) | st.binary(max_size=12), max_size=40).map(b"".join)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@example(b"\xff\xb5 g28", "repetier")  # letters whose capitals are no Latin-1
@given(pieces, st.sampled_from(EVERY))
@settings(deadline=None, max_examples=150)
def test_no_bytes_crash_the_board_and_all_it_says_are_whole_lines(data: bytes, name: str) -> None:
    board = Board(name, sd_files=CARD)
    board.receive(data + b"\n", 1.0)
    said = board.poll(1.0)
    for now in (1.5, 10.0, 400.0):
        said += board.poll(now)
    assert said.startswith(board.personality.banner[0].encode())
    assert said.endswith(b"\n")


@given(pieces, st.lists(st.integers(0, 5000), max_size=12), st.sampled_from(NAMES))
@settings(deadline=None, max_examples=120)
def test_where_the_bytes_are_cut_does_not_matter(data: bytes, places: list[int], name: str) -> None:
    whole, parts, single = (Board(name, sd_files=CARD) for _ in range(3))
    for board in (whole, parts, single):
        board.poll(0.0)
    whole.receive(data, 1.0)
    for piece in cut(data, places):
        parts.receive(piece, 1.0)
    for byte in data:
        single.receive(bytes([byte]), 1.0)
    for now in (1.0, 3.0, 120.0):
        said = whole.poll(now)
        assert parts.poll(now) == said
        assert single.poll(now) == said
    assert whole.ledger.entries == parts.ledger.entries == single.ledger.entries


@given(pieces, st.sampled_from(NAMES))
@settings(deadline=None, max_examples=120)
def test_numbered_lines_run_in_unbroken_order_whatever_comes_between(noise: bytes, name: str) -> None:
    """Between two jumps by M110 the numbers of what ran are consecutive: nothing twice, nothing left out."""
    board = Board(name, sd_files=CARD)
    board.poll(0.0)
    dice, now = random.Random(len(noise)), 1.0
    for number, piece in enumerate(cut(noise, [dice.randrange(5000) for _ in range(8)]), start=1):
        board.receive(piece + b"\n" + frame(number, f"M117 {number}").encode(), now)
        board.poll(now := now + 0.5)
    board.poll(now + 300.0)
    numbers: list[int] = []
    for entry in board.ledger.events("executed", "unknown", "sd_write", "boot"):
        if entry.event == "boot" or "M110" in (entry.line or ""):
            numbers = []
        elif entry.n is not None:
            assert not numbers or entry.n == numbers[-1] + 1, (numbers, entry)
            numbers.append(entry.n)


def test_a_host_that_writes_for_ever_into_a_busy_board_fills_no_memory() -> None:
    talk = Talk("marlin-stock")
    talk.send("G4 S3600\n")
    for _ in range(300):
        talk.board.receive(b"M117 you cannot read this now\n" * 40, talk.now)
    assert talk.board.firmware.unread() <= MOST_UNREAD_BYTES  # the bound itself is what is tested
    assert talk.board.rx_free() == 0
    assert {entry.effect for entry in talk.ledger.events("dropped")} == {"nobody reads"}
    assert talk.wait(3599.0).count("ok") == 0
    heard = talk.wait(2.0)
    assert heard.count("ok") == pytest.approx(MOST_UNREAD_BYTES / 30, abs=5), "what fitted runs all the same"


def test_a_line_that_never_ends_fills_no_memory_and_the_next_one_is_read() -> None:
    talk = Talk("marlin-stock")
    for _ in range(2000):
        assert talk.send("M118 " + "x" * 500) == []
    assert talk.board.rx_free() == talk.board.personality.rx_buffer, "all read, and thrown away"
    assert talk.send("\nM118 next\n") == [
        "M118 ".removeprefix("M118 ") + "x" * 90 + "\r",
        "ok",
        "next\r",
        "ok",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_halted_board_reads_nothing_and_keeps_nothing(name: str) -> None:
    talk = Talk(name)
    talk.send("M112\n")
    for _ in range(100):
        assert talk.send("M105\n" * 500) == []
    assert talk.board.rx_free() == talk.board.personality.rx_buffer
    assert talk.board.next_deadline() is None


class AnyDay(RuleBasedStateMachine):
    """Hosts, people, bad luck and time in any order; after each step the machine is in order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.seen = 0

    @initialize(name=st.sampled_from(EVERY))
    def switch_on(self, name: str) -> None:
        self.board = Board(name, sd_files=CARD)
        self.board.poll(0.0)

    @rule(data=pieces)
    def host_writes(self, data: bytes) -> None:
        self.board.receive(data, self.now)

    @rule(seconds=st.sampled_from([0.0, 1e-6, 0.1, 1.0, 7.7, 60.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        said = self.board.poll(self.now)
        assert said == b"" or said.endswith(b"\n")

    @rule(press=st.sampled_from(["pause", "resume", "cancel", "click"]))
    def somebody_presses(self, press: str) -> None:
        getattr(self.board.panel, press)(self.now)

    @rule()
    def somebody_starts_a_file(self) -> None:
        self.board.panel.start("A.GCO", self.now)

    @rule(heater=st.sampled_from(["E0", "bed"]), kind=st.sampled_from(["dead", "open", "short"]))
    def a_heater_breaks(self, heater: str, kind: str) -> None:
        self.board.fault_heater(heater, kind, self.now)

    @rule(seconds=st.sampled_from([0.5, 20.0]))
    def the_firmware_hangs(self, seconds: float) -> None:
        self.board.fault_silent(seconds, self.now)

    @rule(count=st.integers(1, 3))
    def the_line_is_bad(self, count: int) -> None:
        self.board.fault_lose_ok(count)
        self.board.fault_corrupt_line(count)

    @precondition(lambda self: not self.board.is_running)
    @rule()
    def somebody_resets(self) -> None:
        self.board.reset(self.now)

    @invariant()
    def buffers_have_bounds(self) -> None:
        board = getattr(self, "board", None)
        if board is not None:
            assert len(board.ring) <= board.personality.bufsize
            assert board.firmware.unread() <= MOST_UNREAD_BYTES
            assert 0 <= board.planner.free(self.now) <= board.planner.capacity

    @invariant()
    def time_and_the_ledger_only_grow(self) -> None:
        board = getattr(self, "board", None)
        if board is not None:
            fresh = board.ledger.entries[max(0, self.seen - 1) :]
            assert all(a.t <= b.t for a, b in itertools.pairwise(fresh))
            assert board.now <= self.now + 1e-9
            self.seen = len(board.ledger)

    @invariant()
    def a_halted_board_is_cold_and_still(self) -> None:
        board = getattr(self, "board", None)
        if board is not None and board.is_halted:
            assert board.hotend.target == board.bed.target == 0.0
            assert not board.card.fetching


AnyDay.TestCase.settings = settings(deadline=None, max_examples=40, stateful_step_count=25)
TestAnyDay = AnyDay.TestCase
