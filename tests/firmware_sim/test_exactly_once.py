"""A bad line between host and board: what was accepted ran exactly once and in order.

The damage here is what checksums can see (a bit, a lost byte, a doubled byte behind the line number). What
they cannot see is recorded too, and pinned below: a damaged `N` runs unchecked, an even number of equal flips
cancels out.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim import Board
from firmware_sim.machine.intake import Accepted, LineNumbers
from tests.firmware_sim.talk import Talk, frame

Damage = Callable[[bytearray, random.Random], None]


def flip_a_bit(line: bytearray, dice: random.Random) -> None:
    at = dice.randrange(line.index(b" ") + 1, len(line) - 1)
    line[at] ^= 1 << dice.randrange(7)


def lose_a_byte(line: bytearray, dice: random.Random) -> None:
    del line[dice.randrange(line.index(b" ") + 1, len(line))]


def double_a_byte(line: bytearray, dice: random.Random) -> None:
    at = dice.randrange(line.index(b" ") + 1, len(line) - 1)
    line.insert(at, line[at])


class Host:
    """One line at a time; believes `Resend:` and nothing else, asks after silence with a line far ahead."""

    def __init__(self, name: str, lines: list[str], dice: random.Random, damage: Damage, rate: float) -> None:
        self.board = Board(name)
        self.board.poll(0.0)
        self.now, self.lines, self.dice, self.damage, self.rate = 1.0, lines, dice, damage, rate
        self.sent = 0

    def run(self) -> None:
        wanted = 1
        while wanted <= len(self.lines):
            self.sent += 1
            assert self.sent < 40 * len(self.lines) + 400, f"live-lock at line {wanted}"
            heard = self.tell(frame(wanted, self.lines[wanted - 1]).encode())
            answered = any(line.startswith("ok") for line in heard)
            wanted = self.asked_for(heard) or wanted + 1 if answered else self.ask()

    def ask(self) -> int:
        """Nothing came back: a clean line far ahead is refused with the number the board wants."""
        return self.asked_for(self.tell(b"\n" + frame(900_000, "M105").encode(), clean=True)) or 1

    def tell(self, data: bytes, *, clean: bool = False) -> list[str]:
        line = bytearray(data)
        if not clean and self.dice.random() < self.rate:
            self.damage(line, self.dice)
        self.board.receive(bytes(line), self.now)
        said = b""
        for _ in range(40):
            said += self.board.poll(self.now)
            if b"ok" in said:
                break
            self.now += 0.5
        return said.decode("latin-1").splitlines()

    @staticmethod
    def asked_for(heard: list[str]) -> int | None:
        return next((int(line[8:]) for line in heard if line.startswith("Resend: ")), None)


def job(seed: int, length: int) -> list[str]:
    dice = random.Random(seed)
    kinds = ["M117 line {}", "G1 X{} F6000", "G92 E{}", "M118 E1 q{}", "M104 S{}"]
    return [dice.choice(kinds).format(number) for number in range(1, length + 1)]


@pytest.mark.parametrize("damage", [flip_a_bit, lose_a_byte, double_a_byte], ids=lambda one: one.__name__)
@pytest.mark.parametrize("name", ["marlin-stock", "marlin-full", "marlin-bare"])
@given(seed=st.integers(0, 2**32), rate=st.floats(0.0, 0.6))
@settings(deadline=None, max_examples=12)
def test_every_line_runs_once_and_in_order(name: str, damage: Damage, seed: int, rate: float) -> None:
    lines = job(seed, 25)
    host = Host(name, lines, random.Random(seed), damage, rate)
    host.run()
    host.board.poll(host.now + 60.0)
    ran = [entry for entry in host.board.ledger.events("executed") if entry.n is not None]
    assert [entry.line for entry in ran] == lines
    assert [entry.n for entry in ran] == list(range(1, len(lines) + 1))


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_without_damage_nothing_is_sent_twice(rate: float) -> None:
    host = Host("marlin-stock", job(7, 60), random.Random(7), flip_a_bit, rate)
    host.run()
    assert (host.sent == 60) == (rate == 0.0)
    assert (host.board.ledger.count("resend") == 0) == (rate == 0.0)


@given(
    st.integers(1, 10**6), st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40), st.data()
)
def test_one_flipped_bit_behind_the_number_is_always_noticed(
    number: int, text: str, data: st.DataObject
) -> None:
    payload = "G1 " + text.replace("*", "+").replace("N", "n").replace("M110", "")
    line = bytearray(frame(number, payload).encode().rstrip())
    end = line.rindex(b"*")
    at = data.draw(st.integers(line.index(b" ") + 1, end - 1))
    line[at] ^= 1 << data.draw(st.integers(0, 6))
    numbers = LineNumbers()
    numbers.last = number - 1
    if b"M110" not in line and line.rfind(b"*") == end:
        assert not isinstance(numbers.judge(bytes(line)), Accepted)
        assert numbers.last == number - 1


# -- what the check cannot see, as it was recorded --------------------------------------------------------


def test_two_equal_flips_cancel_out_and_the_damaged_line_runs() -> None:
    """Recorded: `N256 M118 E1 q256*30` ran as `y25>` and was acknowledged."""
    talk = Talk("marlin-full")
    talk.send("M110 N255\n")
    damaged = bytearray(frame(256, "M118 E1 q256").encode())
    at = damaged.index(b"q")
    damaged[at] ^= 0x08
    damaged[damaged.index(b"6*")] ^= 0x08
    assert talk.send(damaged.decode("latin-1")) == ["echo:y25>\r", "ok N256 P15 B7"]


@pytest.mark.parametrize(
    ("arrived", "ran"),
    [
        ("O4 G92 E0*67", []),
        ("4 G92 E0*67", []),
        ("M118 E1 q16", ["M118 E1 q16"]),
        (" G92 E0*67", ["G92 E0"]),
    ],
)
def test_a_line_that_lost_its_n_is_not_checked_and_moves_no_number(arrived: str, ran: list[str]) -> None:
    talk = Talk("marlin-stock")
    talk.send("M110 N3\n")
    assert talk.send(f"{arrived}\n")[-1] == "ok"
    assert talk.ledger.executed()[1:] == ran
    assert talk.send(frame(5, "G92 E0"))[1] == "Resend: 4", "the host believed that line 4 was done"


def test_after_a_lost_ok_the_same_line_again_hangs_a_host_that_waits_for_ok() -> None:
    talk = Talk("marlin-bare")
    talk.send("M110 N0\n")
    talk.board.fault_lose_ok()
    assert talk.send(frame(1, "M117 x")) == []
    for _ in range(3):
        assert talk.send(frame(1, "M117 x")) == []
    assert "wait" in talk.wait(5.0), "the only sign of life in this build"
    assert talk.send(frame(2, "M117 y")) == ["ok"], "the next line gets its ok and shows that line 1 had run"
    assert talk.ledger.executed()[1:] == ["M117 x", "M117 y"]
