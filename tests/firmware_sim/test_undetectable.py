"""What no host can detect is labelled by the wire, with the reason - and nothing else is."""

from __future__ import annotations

import dataclasses
from random import Random

import pytest

from firmware_sim import Board, Ledger, load_personality
from firmware_sim.faults import catalogue
from firmware_sim.faults.catalogue import TO_BOARD, fault_named
from firmware_sim.faults.plan import FaultPlan, Planned, Trigger
from firmware_sim.faults.random_plan import RandomPlan
from firmware_sim.faults.undetectable import executed_as_sent, is_undetectable
from firmware_sim.ledger import Entry
from tests.firmware_sim.talk import Talk, frame


class Wire:
    """A board whose wire harms exactly what a test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, personality: str = "marlin-stock") -> None:
        self.talk = Talk(personality)
        self.talk.board.faults.arm(catalogue.byte_lost(TO_BOARD), Trigger(byte=1 << 40))
        self.damage = self.talk.board.faults._to_board
        self._patch = monkeypatch

    def send(self, sent: str, arrives: str) -> list[str]:
        """`sent` goes out and `arrives` comes in; they differ from some byte on."""
        data, harmed = sent.encode("latin-1"), arrives.encode("latin-1")
        at = next((i for i, (a, b) in enumerate(zip(data, harmed, strict=False)) if a != b), 0)
        with self._patch.context() as patch:
            places = [(place, min(place, len(data) - 1)) for place in range(at, len(harmed))]
            patch.setattr(self.damage, "is_under_way", lambda _: True)
            patch.setattr(self.damage, "carry", lambda *_: (harmed, places))
            return self.talk.send(sent)

    def labelled(self) -> list[Entry]:
        return [entry for entry in self.talk.ledger if is_undetectable(entry)]


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    return Wire(monkeypatch)


def test_an_xor_that_still_holds(wire: Wire) -> None:
    wire.talk.send("M110 N255\n")
    sent = frame(256, "M118 E1 q256")
    assert wire.send(sent, "N256 M118 E1 y25>*30\n")[-1] == "ok"
    [entry] = wire.labelled()
    assert (entry.n, entry.line) == (256, "M118 E1 y25>")
    assert entry.effect == f"undetectable: the checksum still holds; sent: {sent.rstrip()}"
    assert executed_as_sent(wire.talk.ledger) == ["M110 N255", "M118 E1 q256"]


@pytest.mark.parametrize("arrives", [" G92 E0*67\n", "G92 E0*67\n", "  G92 E0*67\n"])
def test_a_harmed_number_that_lets_a_line_run_unchecked(wire: Wire, arrives: str) -> None:
    wire.talk.send("M110 N3\n")
    sent = frame(4, "G92 E0")
    wire.send(sent, arrives)
    [entry] = wire.labelled()
    assert (entry.n, entry.line) == (None, "G92 E0")
    assert "the line number was harmed, so nothing was checked; sent: N4 G92 E0" in (entry.effect or "")
    wire.talk.send(sent)
    assert wire.talk.ledger.executed()[1:] == ["G92 E0", "G92 E0"]
    assert executed_as_sent(wire.talk.ledger)[1:] == ["G92 E0"], "the second is the one that counts"


def test_a_command_nobody_knows_takes_the_place_of_the_numbered_line_that_was_sent(wire: Wire) -> None:
    sent = frame(1, "G1 X1")
    wire.send(sent, sent.replace("G", "O").replace("X", "P"))  # the same bit, twice
    [entry] = wire.talk.ledger.events("unknown")
    assert (entry.n, entry.line) == (1, "O1 P1")
    assert executed_as_sent([entry]) == ["G1 X1"], "the firmware counts it: nobody will send it again"
    wire.send(frame(2, "G1 X2"), "4 G1 X2*33\n")
    assert executed_as_sent(wire.talk.ledger.events("unknown")[1:]) == [], "nothing is counted, nothing lost"


def test_a_new_line_end_in_a_line_makes_a_command_of_its_tail(wire: Wire) -> None:
    wire.send(frame(1, "M118 G92 E5"), "N1 M118\nG92 E5*99\n")
    assert wire.labelled() == [], "the receive buffer was flushed behind the refused first half"
    wire.talk.send("M110 N0\n")
    wire.send(frame(1, "G92 E5 E6"), "4\nG92 E5*99\n")
    assert [entry.line for entry in wire.labelled()] == ["G92 E5"]


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        (frame(1, "G92 E0"), "N1 G92 E1*70\n"),  # the checksum tells
        (frame(1, "G92 E0"), "N2 G92 E0*70\n"),  # the number tells
        (frame(1, "G92 E0"), "O1 G92 E0*70\n"),  # an unknown command: the next number tells
        (frame(1, "G92 E0"), "N0 G92 E0*70\n"),  # taken for a repeat: silence tells
        ("G92 E1\n", "G92 E2\n"),  # the host chose to send no checksum
        (frame(1, "G92 E0"), frame(1, "G92 E0")),  # nothing came to harm after all
        (frame(1, "G92 E0"), ";1 G92 E0*70\n"),  # a comment: silence tells
    ],
)
def test_what_a_host_can_detect_is_not_labelled(wire: Wire, sent: str, arrives: str) -> None:
    wire.send(sent, arrives)
    wire.talk.send(frame(2, "M117 next"))
    assert wire.labelled() == []


def test_the_line_behind_a_harmed_one_is_not_excused(wire: Wire) -> None:
    wire.send(frame(1, "G92 E0") + frame(2, "M117 b"), frame(1, "G92 E0") + "N2 M117 c*98\n")
    assert wire.send("M117 free\n", "M117 free\n") == ["ok"]
    assert wire.labelled() == []


def test_without_faults_even_the_strangest_line_is_the_hosts_own() -> None:
    talk = Talk("marlin-stock")
    talk.send("N256 M118 E1 y25>*30\nM118 E1 q16\n G92 E0*67\n")
    assert not any(is_undetectable(entry) for entry in talk.ledger)


def test_an_overflow_that_the_host_itself_caused_is_not_excused() -> None:
    """Too much sent at once is no accident of the wire."""
    stock = load_personality("marlin-stock")
    build = dataclasses.replace(stock, rx_buffer=128, features=stock.features | {"rx_overflow"})
    board = Board(build, ledger=Ledger())
    board.poll(0.0)
    board.receive(b"G4 S9\n" + b"".join(frame(n, f"M118 q{n}").encode() for n in range(1, 40)), 1.0)
    board.receive(b"M118 tail\n", 2.0)
    board.poll(60.0)
    assert board.ledger.count("dropped") > 0
    assert not any(is_undetectable(entry) for entry in board.ledger)


def test_a_firmware_that_checks_nothing() -> None:
    board = Board("marlin-stock", ledger=Ledger())
    board.poll(0.0)
    plan = FaultPlan(
        [
            Planned(catalogue.no_checksum_support(), Trigger(at=0.5)),
            Planned(fault_named("line-corrupted"), Trigger(line=2)),
        ]
    )
    board.faults.load(plan)
    board.poll(1.0)
    for number in (1, 2, 3):
        board.receive(frame(number, "G92 X1 Y1 E1").encode(), 1.0 + number)
        board.poll(1.0 + number)
    assert not any(line.startswith("Resend") for line in board.poll(9.0).decode().splitlines())
    commands = ["G92 X1 Y1 E1"] * 3
    labelled = [entry.effect for entry in board.ledger if is_undetectable(entry)]
    assert all("this firmware checks nothing; sent: N2 G92 X1 Y1 E1*" in (text or "") for text in labelled)
    if labelled:
        assert executed_as_sent(board.ledger) == commands


@pytest.mark.parametrize("seed", range(6))
def test_a_bad_line_for_long_everything_that_ran_wrong_is_labelled_and_nothing_else(seed: int) -> None:
    """Each line is sent once whatever is answered, numbered anew: what ran is what was sent, or labelled."""
    rates = dict.fromkeys(
        (f"byte-{harm} to-board" for harm in ("lost", "flipped", "doubled", "inserted")), 0.01
    )
    board = Board("marlin-stock", ledger=Ledger(), faults=RandomPlan(seed, rates))
    board.poll(0.0)
    dice, sent, now = Random(seed), set(), 1.0
    for _ in range(3000):
        payload = f"G92 X{dice.randrange(10_000)}"
        sent.add(payload)
        # The far-away line tells the number that is wanted, as a host would ask.
        board.receive(b"\n", now)
        board.receive(frame(board.last_line_number + 1, payload).encode(), now)
        board.poll(now + 0.5)
        now += 1.0
    executed = [entry for entry in board.ledger.events("executed") if entry.source == "host"]
    wrong = [entry for entry in executed if entry.line not in sent and not is_undetectable(entry)]
    assert wrong == []
    labelled = [entry for entry in executed if is_undetectable(entry)]
    assert len(labelled) < len(executed) / 50
    assert all(entry.n is None or f" {entry.line}*" not in (entry.effect or "") for entry in labelled)
    assert len(executed) > 1000
