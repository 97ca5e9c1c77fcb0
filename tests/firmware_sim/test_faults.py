"""Bad luck on order: lost oks, flipped bits, silence, resets, the KILL button."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from firmware_sim import Board
from firmware_sim.faults import catalogue
from tests.firmware_sim.talk import Talk, frame


def test_a_lost_ok_is_lost_once_and_the_command_has_run() -> None:
    talk = Talk("marlin-full")
    talk.board.fault_lose_ok()
    assert talk.send(frame(1, "G92 E0")) == ["X:0.00 Y:0.00 Z:0.00 E:0.00 Count X:0 Y:0 Z:0"]
    assert talk.send(frame(1, "G92 E0")) == [], "a repeat gets no answer either: the trap of the real machine"
    assert talk.send(frame(2, "M105"))[0].startswith("ok T:")
    assert talk.ledger.executed() == ["G92 E0", "M105"]
    assert [e.line for e in talk.ledger.events("fault")] == ["ok-lost: ok N1 P15 B7"]


def test_the_answer_of_m105_is_an_ok_that_can_be_lost() -> None:
    talk = Talk("marlin-stock")
    talk.board.fault_lose_ok()
    assert talk.send("M105\nM105\n") == ["ok T:19.37 /0.00 B:19.37 /0.00 @:0 B@:0"]


def test_a_corrupted_line_is_asked_for_again() -> None:
    talk = Talk("marlin-stock")
    talk.board.fault_corrupt_line()
    assert talk.send(frame(1, "G1 X1 F600")) == ["Error:checksum mismatch, Last Line: 0", "Resend: 1", "ok"]
    assert talk.send(frame(1, "G1 X1 F600")) == ["ok"]
    assert talk.ledger.executed() == ["G1 X1 F600"]
    assert [e.line for e in talk.ledger.events("fault")] == ["line-corrupted: G arrived as F"]


@given(st.lists(st.integers(1, 30), max_size=6))
def test_the_flip_is_the_same_however_the_bytes_are_cut(cuts: list[int]) -> None:
    data = b"M105\nN12 G1 X1*55\nN13 G28*16\n"
    board = Board("marlin-stock")
    board.poll(0.0)
    board.faults.arm(catalogue.line_corrupted())
    edges = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    pieces = [data[start:end] for start, end in itertools.pairwise(edges)]
    arrived = b"".join(board.faults.on_the_wire(piece, 0) for piece in pieces)
    assert arrived == b"M105\nN12 F1 X1*55\nN13 G28*16\n"
    assert [e.line for e in board.ledger.events("fault")] == ["line-corrupted: G arrived as F"]


def test_silence_ends_and_nothing_is_forgotten() -> None:
    talk = Talk("marlin-stock")
    talk.send("M155 S1\n")
    talk.board.fault_silent(10.0, talk.now)
    assert talk.send("M105\n") == []
    assert talk.wait(9.9) == []
    assert len(talk.wait(0.2)) == 2, "the answer and one report, late"


def test_silence_for_ever() -> None:
    talk = Talk("marlin-stock")
    talk.board.fault_silent(float("inf"), talk.now)
    assert talk.send("M105\n") + talk.wait(1e6) == []
    assert talk.board.next_deadline() is None
    talk.board.reset(talk.now)
    assert talk.wait(1.0)[0] == "start"


def test_a_reset_in_mid_print_is_a_start_and_no_ok_for_the_line_in_flight() -> None:
    talk = Talk("marlin-full")
    talk.send(frame(1, "G4 S5") + frame(2, "G1 X1 F600"))
    talk.wait(1.0)
    talk.board.reset(talk.now)
    heard = talk.wait(30.0)
    assert heard[0] == "start"
    assert heard[-1] == "echo:SD card ok"
    assert not any(line.startswith("ok") for line in heard)
    assert talk.ledger.executed() == ["G4 S5"]


def test_the_kill_button() -> None:
    talk = Talk("marlin-bare")
    talk.send("M104 S50\nG1 X100 F60\n")
    talk.board.kill_button(talk.now)
    talk.board.kill_button(talk.now)
    assert talk.wait(100.0) == [
        "Error:!! KILL caused by KILL button/pin",
        "Error:Printer halted. kill() called!",
    ]
    assert talk.board.hotend.target == 0.0
    assert talk.ledger.count("kill") == 1
