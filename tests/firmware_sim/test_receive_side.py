"""Between the wire and the queue: ring, receive buffer, flow control, flushes, line numbers in flight."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import pytest

from firmware_sim import Board, Ledger, load_personality
from tests.firmware_sim.talk import Talk, frame

RINGS = [("marlin-stock", 4), ("marlin-sd", 4), ("marlin-bare", 4), ("marlin-full", 8)]


def resends(heard: list[str]) -> list[int]:
    return [int(line[8:]) for line in heard if line.startswith("Resend: ")]


# -- the ring ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "bufsize"), RINGS)
def test_the_ring_holds_bufsize_lines_the_running_one_among_them(name: str, bufsize: int) -> None:
    talk = Talk(name)
    capacity = talk.board.personality.rx_buffer
    talk.send("G4 S9\n")
    for queued in range(1, bufsize + 3):
        talk.send("M117 x\n")
        unread = capacity - (talk.board.rx_free() or 0)
        assert unread == 7 * max(0, queued - (bufsize - 1)), queued


@pytest.mark.parametrize(("name", "bufsize"), RINGS)
def test_reading_goes_on_line_by_line_as_slots_become_free(name: str, bufsize: int) -> None:
    talk = Talk(name)
    capacity = talk.board.personality.rx_buffer
    talk.send("G4 P100\n" * 30)
    free = [talk.board.rx_free() or 0]
    for _ in range(30):
        talk.wait(0.1001)
        free.append(talk.board.rx_free() or 0)
    assert free[0] == capacity - 8 * (30 - bufsize)
    assert free[-1] == capacity
    assert all(8 >= later - earlier >= 0 for earlier, later in pairwise(free))
    assert len(talk.ledger.executed()) == 30


def test_a_host_that_obeys_the_hold_off_loses_nothing() -> None:
    talk = Talk("marlin-stock")
    waiting = b"".join(b"G4 P20\nM117 %d\n" % number for number in range(400))
    for _ in range(10_000):
        room = talk.board.rx_free() or 0
        talk.board.receive(waiting[:room], talk.now)
        waiting = waiting[room:]
        talk.wait(0.05)
        if not waiting and talk.board.is_idle:
            break
    assert talk.ledger.executed()[1::2] == [f"M117 {number}" for number in range(400)]
    assert talk.ledger.count("dropped") == 0


def test_b_of_the_ok_counts_the_free_slots_and_the_running_line_holds_one() -> None:
    talk = Talk("marlin-full")
    heard = talk.send("G4 P500\n" + "M117 x\n" * 5) + talk.wait(1.0)
    assert [line[-2:] for line in heard if line.startswith("ok")] == ["B2", "B3", "B4", "B5", "B6", "B7"]


def test_p_of_the_ok_counts_the_free_planner_blocks_and_n_only_numbered_lines() -> None:
    talk = Talk("marlin-full")
    assert talk.send(frame(1, "G1 X10 F60")) == ["ok N1 P14 B7"]
    assert talk.send("G1 X20\n") == ["ok P13 B7"]
    assert talk.send(frame(2, "G1 X30")) == ["ok N2 P12 B7"]
    assert talk.send(frame(3, "M105"))[0].startswith("ok T:"), "never N, P or B on this one"
    assert talk.send(frame(9, "M105"))[-1] == "ok", "nor on the ok of a resend"


# -- errors and flushes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["marlin-stock", "marlin-full", "marlin-bare"])
def test_lines_that_have_arrived_behind_a_bad_one_go_with_one_resend_for_all(name: str) -> None:
    talk = Talk(name)
    talk.send("M110 N6\n")
    heard = talk.send("N7 G92 E0*1\n" + frame(8, "G92 E0") + frame(9, "G92 E0") + frame(10, "G92 E0"))
    assert heard == ["Error:checksum mismatch, Last Line: 6", "Resend: 7", "ok"]
    assert talk.board.last_line_number == 6


@pytest.mark.parametrize("name", ["marlin-stock", "marlin-full", "marlin-bare"])
def test_lines_that_arrive_later_bring_one_resend_each(name: str) -> None:
    talk = Talk(name)
    talk.send("M110 N6\n")
    heard = talk.send("N7 G92 E0*1\n")
    for number in (8, 9, 10):
        heard += talk.send(frame(number, "G92 E0"))
    assert resends(heard) == [7, 7, 7, 7]
    assert heard[3] == "Error:Line Number is not Last Line Number+1, Last Line: 6"
    assert heard.count("ok") == 4


def test_half_a_line_behind_a_bad_one_is_flushed_and_its_tail_is_a_line_of_its_own() -> None:
    talk = Talk("marlin-stock")
    assert resends(talk.send("N1 M117 x*1\nN2 M117 y")) == [1]
    assert talk.send("z*77\n") == ['echo:Unknown command: "z"', "ok"]


def test_the_error_overtakes_every_ok_still_owed_and_its_own_ok_belongs_to_no_line() -> None:
    talk = Talk("marlin-full")
    talk.send("G4 S1\n" + frame(1, "M117 a") + frame(2, "M117 b"))
    heard = talk.send("N3 M117 c*1\n")
    assert heard == ["Error:checksum mismatch, Last Line: 2", "Resend: 3", "ok"], "while the dwell runs"
    assert talk.wait(1.1) == ["ok P15 B5", "ok N1 P15 B6", "ok N2 P15 B7"]


def test_a_bad_line_is_not_even_looked_at_while_the_ring_is_full() -> None:
    talk = Talk("marlin-stock")
    talk.send("G4 S5\n" + "".join(frame(number, "M117 x") for number in (1, 2, 3)))
    assert talk.send("N4 M117 y*1\n") == []
    assert talk.wait(4.5) == ["echo:busy: processing"] * 2
    heard = talk.wait(1.0)
    assert heard[:2] == ["ok", "Error:checksum mismatch, Last Line: 3"], "as soon as one slot is free"
    assert heard[2:] == ["Resend: 4", "ok", "ok", "ok", "ok"]


def test_a_line_too_long_to_hold_its_checksum_can_only_fail_again() -> None:
    talk = Talk("marlin-stock")
    for _ in range(3):
        heard = talk.send(frame(1, "M118 " + "y" * 200))
        assert heard == ["Error:No Checksum with line number, Last Line: 0", "Resend: 1", "ok"]


def framed_to(length: int) -> str:
    """A frame of exactly so many bytes: the checksum has one to three digits, so it takes some trying."""
    texts = (frame(1, "M117 " + letter * count) for letter in "abcdwxyz" for count in range(70, 95))
    return next(text for text in texts if len(text.rstrip()) == length)


@pytest.mark.parametrize(("length", "taken"), [(93, True), (94, True), (95, True), (96, False), (97, False)])
def test_ninety_five_bytes_are_the_limit_with_number_and_checksum(length: int, taken: bool) -> None:
    talk = Talk("marlin-stock")
    heard = talk.send(framed_to(length))
    assert (heard == ["ok"]) == taken
    assert resends(heard) == ([] if taken else [1])


# -- M110 -------------------------------------------------------------------------------------------------


def test_m110_with_a_number_counts_from_the_moment_it_is_read() -> None:
    talk = Talk("marlin-stock")
    talk.send("G4 S3\n")
    assert talk.send(frame(0, "M110 N40")) == [], "queued behind the dwell"
    assert talk.board.last_line_number == 40
    assert resends(talk.send(frame(1, "M105"))) == [41]


def test_m110_without_a_number_of_its_own_counts_when_it_runs() -> None:
    talk = Talk("marlin-stock")
    talk.send("G4 S3\nM110 N40\n")
    assert talk.board.last_line_number == 0
    assert resends(talk.send(frame(41, "M105"))) == [1]
    talk.wait(3.1)
    assert talk.board.last_line_number == 40
    assert talk.send(frame(41, "M105"))[0].startswith("ok T:")


def test_m110_and_the_first_lines_in_one_write_set_the_count_back_when_it_runs() -> None:
    """Why a host waits for the ok of its M110: the lines read behind it have counted on already."""
    talk = Talk("marlin-stock")
    talk.send(frame(0, "M110 N0") + frame(1, "M117 a") + frame(2, "M117 b"))
    assert talk.board.last_line_number == 0, "set at reading, counted to 2, set again at running"
    assert resends(talk.send(frame(3, "M117 c"))) == [1]
    assert talk.ledger.executed()[1:] == ["M117 a", "M117 b"]


@pytest.mark.parametrize(
    ("line", "last"),
    [
        ("N100 M110", 100), ("N0 M110 N200", 200), ("N7 M110 N0", 0), ("N5 M110 N-1", -1),
    ],
)  # fmt: skip
def test_m110_may_jump_anywhere(line: str, last: int) -> None:
    talk = Talk("marlin-stock")
    checksum = 0
    for byte in line.encode():
        checksum ^= byte
    assert talk.send(f"{line}*{checksum}\n") == ["ok"]
    assert talk.board.last_line_number == last


def test_m110_without_n_changes_nothing() -> None:
    talk = Talk("marlin-stock")
    talk.send("M110 N9\nM110\nM110 N\n")
    assert talk.board.last_line_number == 9


# -- odd bytes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "heard"),
    [
        ("M118 a\r\nM118 b\r\n", ["a\r", "ok", "b\r", "ok"]),
        ("M118 a\rM118 b\r", ["a\r", "ok", "b\r", "ok"]),
        ("\n\r\n;\n; M112\n\r\r", []),
        (" \n", ['echo:Unknown command: ""', "ok"]),
        ("   M118 a\n", ["a\r", "ok"]),
        ("M118 \xff\x80\xe9\n", ["\xff\x80\xe9\r", "ok"]),
        ("M118 a\0rest\n", ["a\r", "ok"]),
        ("\0\0\n", ['echo:Unknown command: ""', "ok"]),
        ("M118 a ; b\n", ["a \r", "ok"]),
        ("M118 a \\; b\n", ["a ; b\r", "ok"]),
        ("M118 typpo\b\bo\n", ["typo\r", "ok"]),
        ("m118 a\n", ['echo:Unknown command: "m118 a"', "ok"]),
        ("M118.1 a\n", ["a\r", "ok"]),
        ("G1X1F6000\n", ["ok"]),
        ("M0118 a\n", ["a\r", "ok"]),
    ],
)
def test_what_a_line_is(data: str, heard: list[str]) -> None:
    assert Talk("marlin-stock").send(data) == heard


# -- a UART without flow control --------------------------------------------------------------------------


def uart(rx_buffer: int = 128) -> Talk:
    stock = load_personality("marlin-stock")
    build = dataclasses.replace(stock, rx_buffer=rx_buffer, features=stock.features | {"rx_overflow"})
    talk = Talk("marlin-stock")
    talk.ledger = Ledger()
    talk.board = Board(build, ledger=talk.ledger)
    talk.wait(0.0)
    return talk


def burst(lines: int) -> str:
    return "G4 P100\n" + "".join(frame(number, f"M118 E1 q{number:03d}") for number in range(1, lines))


@pytest.mark.parametrize("window", [1, 4, 8])
def test_a_uart_takes_small_windows_whole(window: int) -> None:
    """Recorded with a 128-byte receive ring: windows of 1, 4 and 8 lines lose nothing."""
    talk = uart()
    heard = talk.send(burst(window)) + talk.wait(0.2)
    assert heard.count("ok") == window
    assert talk.ledger.count("dropped") == 0


@pytest.mark.parametrize("window", [12, 16])
def test_a_uart_loses_the_end_of_large_windows_without_a_word(window: int) -> None:
    talk = uart()
    heard = talk.send(burst(window)) + talk.wait(0.2)
    arrived = heard.count("ok")
    assert arrived < window
    assert talk.ledger.executed() == ["G4 P100", *(f"M118 E1 q{number:03d}" for number in range(1, arrived))]
    assert talk.ledger.count("dropped") == 1
    # The torn last line is completed by the first bytes of the next: a wrong sum or a wrong number.
    assert resends(talk.send(frame(window, "M118 E1 next")))[0] == arrived


def test_a_uart_holds_nobody_off_and_an_idle_one_reads_as_fast_as_it_comes() -> None:
    talk = uart(rx_buffer=64)
    assert talk.board.rx_free() is None
    heard = talk.send("M117 0123456789\n" * 200)
    assert heard == ["ok"] * 200
    talk.board.fault_silent(5.0, talk.now)
    talk.send("M117 0123456789\n" * 200)
    assert talk.wait(6.0).count("ok") == 64 // 16, "what fitted before it hung"
