"""The cable: ten bits a byte, latency, a receive ring that overflows, and what a wrong rate sounds like."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim import Board, Ledger, World, load_personality
from firmware_sim.endpoints.memory import MemoryLink
from firmware_sim.wire.link import Link
from firmware_sim.wire.uart import BITS_PER_BYTE, Pacer, garble
from tests.firmware_sim.talk import frame

RATES = [9600, 19200, 38400, 57600, 115200, 230400, 250000, 500000, 1000000]


class Line:
    """A board behind a link in a world; `heard` is (when, line)."""

    def __init__(self, link: Link) -> None:
        self.world = World()
        self.heard: list[tuple[float, str]] = []
        self._text = b""
        self.link = link
        self.memory = MemoryLink(self.world, link, self._hear)
        self.world.run_until(2.0)
        self.heard.clear()

    def _hear(self, data: bytes) -> None:
        *lines, self._text = (self._text + data).split(b"\n")
        self.heard += [(self.world.now, line.decode("latin-1")) for line in lines]

    def send(self, text: str, seconds: float = 60.0) -> list[tuple[float, str]]:
        self.heard.clear()
        began = self.world.now
        self.memory.send(text.encode())
        self.world.run_until(began + seconds)
        return [(at - began, line) for at, line in self.heard]


def test_ten_bits_a_byte_in_both_directions() -> None:
    line = Line(Link(Board("marlin-stock"), baud=9600))
    [(at, said)] = line.send("M117 x\n")
    assert said == "ok"
    assert at == pytest.approx((7 + 3) * BITS_PER_BYTE / 9600)


def test_bytes_queue_behind_each_other() -> None:
    line = Line(Link(Board("marlin-stock"), baud=115200))
    heard = line.send("M117 0123456789\n" * 100)
    assert [said for _, said in heard] == ["ok"] * 100
    assert heard[-1][0] == pytest.approx((1600 + 3) * BITS_PER_BYTE / 115200)


def test_latency_comes_on_top_each_way() -> None:
    line = Line(Link(Board("marlin-stock"), latency=0.004))
    assert [at for at, _ in line.send("M117 x\n")] == [pytest.approx(0.008)]


def uart_board() -> Board:
    stock = load_personality("marlin-stock")
    build = dataclasses.replace(stock, rx_buffer=128, features=stock.features | {"rx_overflow"})
    return Board(build, ledger=Ledger())


@pytest.mark.parametrize(("window", "lost"), [(4, False), (8, False), (16, True)])
def test_the_ring_of_128_bytes_overflows_while_the_queue_is_full(window: int, lost: bool) -> None:
    board = uart_board()
    line = Line(Link(board, baud=115200))
    assert line.link.rx_free() is None
    numbered = "".join(frame(number, f"M118 E1 q{number:03d}") for number in range(1, window))
    line.send("G4 P500\n" + numbered)
    assert (board.ledger.count("dropped") > 0) == lost
    assert (len(board.ledger.executed()) == window) != lost


def test_a_host_is_held_off_by_what_is_under_way() -> None:
    board = Board("marlin-stock")
    link = Link(board, baud=9600)
    link.poll(0.0)
    link.receive(b"x" * 1000, 1.0)
    assert link.rx_free() == board.personality.rx_buffer - 1000


def test_pulled_out_nothing_under_way_arrives() -> None:
    board = Board("marlin-stock", ledger=Ledger())
    link = Link(board, baud=9600)
    link.poll(0.0)
    link.receive(b"M117 x\n", 1.0)
    link.forget()
    link.poll(60.0)
    assert board.ledger.executed() == []


# -- rates ------------------------------------------------------------------------------------------------


@given(st.binary(max_size=60), st.sampled_from(RATES))
def test_the_right_rate_hands_on_every_byte(data: bytes, rate: int) -> None:
    assert garble(data, rate, rate) == data
    assert garble(data, rate, round(rate * 1.02)) == data, "two percent off is still within a stop bit"


@given(st.binary(max_size=60), st.sampled_from(RATES), st.sampled_from(RATES))
def test_any_rate_gives_something_bounded_and_the_same_each_time(data: bytes, one: int, other: int) -> None:
    heard = garble(data, one, other)
    assert heard == garble(data, one, other)
    assert len(heard) <= len(data) * max(1, other // one + 1) * 2


@pytest.mark.parametrize(("one", "other"), [(115200, 250000), (250000, 115200), (57600, 115200)])
def test_at_the_wrong_rate_neither_side_understands_the_other(one: int, other: int) -> None:
    board = Board("marlin-stock", ledger=Ledger())
    line = Line(Link(board, baud=one))
    line.link.host_baud = other
    heard = line.send("M115\n" * 5)
    assert board.ledger.executed() == []
    assert not any("ok" in said or "FIRMWARE" in said for _, said in heard)
    line.link.host_baud = one
    line.send("\n")
    assert any("FIRMWARE_NAME" in said for _, said in line.send("M115\n"))


def test_a_pacer_without_a_rate_takes_no_time() -> None:
    assert Pacer().passed_at(1000, 5.0) == 5.0
