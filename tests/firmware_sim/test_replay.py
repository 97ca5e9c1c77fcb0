"""A field bug becomes a vector: wire logs read, played to a host, and compared with a board's answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_sim import Board, Ledger
from firmware_sim.playing import Replay
from firmware_sim.replay import BadWireLog, Record, differences, read_wire_log

WIRELOGS = Path(__file__).parents[1] / "vectors" / "wirelogs"
LINE_ERRORS = WIRELOGS / "marlin-full-line-errors.wirelog"
#: The build that each recording was made of.
PERSONALITIES = {LINE_ERRORS.stem: "marlin-full"}


@pytest.mark.parametrize("path", sorted(WIRELOGS.glob("*.wirelog")), ids=lambda path: path.stem)
def test_the_board_answers_as_the_recorded_printer_did(path: Path) -> None:
    assert differences(Board(PERSONALITIES[path.stem]), read_wire_log(path)) == []


def test_another_build_is_told_apart() -> None:
    found = differences(Board("marlin-stock"), read_wire_log(LINE_ERRORS))
    assert found[0] == "line 1: recorded 'ok P15 B7', the board 'ok'"


def test_escapes(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(
        "# print-gateway wire log 1\n1.5 > a\\\\b\\n\n2 < \\x00\\xff\\r\\n\n2.25 ! lost: hung up\n"
    )
    assert read_wire_log(path) == [
        Record(1.5, ">", b"a\\b\n"),
        Record(2.0, "<", b"\0\xff\r\n"),
        Record(2.25, "!", b"lost: hung up"),
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("hello\n", "line 1: not `SECONDS > BYTES`"),
        ("1 < a\\q\n", "line 1: no such escape: '\\\\q'"),
        ("1 < a\\x4\n", "no such escape"),
        ("1 > M105\\n\n", "the printer says nothing in it"),
        ("1 < \u00e9\n", "not plain ASCII"),
    ],
)
def test_what_is_no_wire_log(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "log"
    path.write_text(text)
    with pytest.raises(BadWireLog) as error:
        read_wire_log(path)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BadWireLog, match="No such file"):
        read_wire_log(tmp_path / "log")


# -- the recording plays the printer ----------------------------------------------------------------------


def play() -> tuple[Replay, Ledger]:
    ledger = Ledger()
    replay = Replay(Board("marlin-stock", ledger=ledger), read_wire_log(LINE_ERRORS))
    assert replay.poll(0.0) == b"", "the host speaks first in this recording"
    return replay, ledger


def test_what_was_said_comes_when_the_host_has_said_what_it_had_said() -> None:
    replay, ledger = play()
    replay.receive(b"M110", 10.0)
    assert replay.poll(20.0) == b""
    replay.receive(b" N0\n", 20.0)
    assert replay.next_deadline() == pytest.approx(20.02)
    assert replay.poll(20.03) == b"ok P15 B7\n"
    assert replay.next_deadline() is None
    replay.receive(b"N1 M105*38\nN2 G92 E0*69\n", 30.0)
    assert replay.poll(31.0).count(b"\nok N2 P15 B7\n") == 1
    assert ledger.events("deviation") == []


def test_where_the_host_deviates_is_told_and_the_play_goes_on() -> None:
    replay, ledger = play()
    replay.receive(b"M110 N0\nN1 M115*39\n", 1.0)
    assert replay.poll(2.0).endswith(b"ok T:19.37 /0.00 B:19.37 /0.00 @:0 B@:0\n")
    [entry] = ledger.events("deviation")
    assert (entry.line, entry.effect) == ("N1 M115*39", "recorded: N1 M105*38")


def test_a_host_that_does_the_same_again_hears_it_all() -> None:
    replay, ledger = play()
    records = read_wire_log(LINE_ERRORS)
    heard, now = b"", 100.0
    for record in records:
        if record.way == ">":
            replay.receive(record.data, now)
            now += 5.0
            heard += replay.poll(now)
    assert heard == b"".join(record.data for record in records if record.way == "<")
    assert replay.is_over
    assert ledger.events("deviation") == []
    replay.receive(b"M105\n", now)
    assert replay.poll(now).startswith(b"ok T:"), "a question may always be asked"
    assert ledger.events("deviation") == []
    replay.receive(b"M114\n", now)
    assert ledger.events("deviation")[0].effect == "recorded: the end"


# -- a host that asks at other moments --------------------------------------------------------------------


def played(tmp_path: Path, text: str) -> tuple[Replay, Ledger]:
    path, ledger = tmp_path / "log", Ledger()
    path.write_text(text)
    return Replay(Board("marlin-stock", ledger=ledger), read_wire_log(path)), ledger


MOVES = "1 > N1 G1 X1*96\\n\n2 < ok N1 P15 B7\\n\n3 > N2 M105*37\\n\n4 < ok T:20.0 /0.0\\n\n"
MOVES += "5 > N3 G1 X2*97\\n\n6 < ok N3 P15 B7\\n\n"


def test_a_question_that_was_not_recorded_is_answered_in_its_turn(tmp_path: Path) -> None:
    replay, ledger = played(tmp_path, MOVES)
    replay.receive(b"N1 G1 X1*96\nN2 M105*37\nN3 M105*36\n", 10.0)
    assert replay.poll(10.5) == b"", "the move has no answer yet"
    assert replay.poll(20.0) == b"ok N1 P15 B7\n" + 2 * b"ok T:20.0 /0.0\n"
    replay.receive(b"N4 G1 X2*102\n", 20.0)
    assert replay.poll(30.0) == b"ok N4 P15 B7\n", "the number that this host gave the line"
    assert replay.is_over
    assert ledger.events("deviation") == []


def test_a_recorded_question_may_be_left_out(tmp_path: Path) -> None:
    replay, ledger = played(tmp_path, MOVES)
    replay.receive(b"N1 G1 X1*96\nN2 G1 X2*96\n", 10.0)
    assert replay.poll(30.0) == b"ok N1 P15 B7\nok N2 P15 B7\n"
    assert replay.is_over
    assert ledger.events("deviation") == []


def test_a_refusal_names_the_number_that_this_host_gave_the_line(tmp_path: Path) -> None:
    replay, ledger = played(
        tmp_path,
        "1 > N1 G1 X1*96\\n\n2 < ok\\n\n3 > N2 G1 X2*0\\n\n"
        "4 < Error:checksum mismatch, Last Line: 1\\nResend: 2\\nok\\n\n5 > N2 G1 X2*96\\n\n6 < ok\\n\n",
    )
    replay.receive(b"N1 M105*38\nN2 G1 X1*99\n", 10.0)
    assert replay.poll(20.0) == b"ok\nok\n", "the recording knows no temperature"
    replay.receive(b"N3 G1 X2*1\n", 20.0)
    assert replay.poll(30.0) == b"Error:checksum mismatch, Last Line: 2\nResend: 3\nok\n"
    replay.receive(b"N3 G1 X2*97\n", 30.0)
    assert replay.poll(40.0) == b"ok\n"
    assert ledger.events("deviation") == []
