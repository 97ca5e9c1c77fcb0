"""The board's verbs: the output does not depend on how bytes are cut or how often it is polled."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim import Board, load_personality, personality_names
from tests.firmware_sim.talk import Talk, frame

COMMANDS = [
    "M105",
    "M114",
    "G92 E0",
    "G1 X10 F3000",
    "G1 X20 Y20 F600",
    "G4 P300",
    "M400",
    "M117 hello",
    "FOO",
    "M155 S1",
    "M104 S40",
    "M109 S30",
    "G28",
    "",
    "; comment",
    "M118 E1 hi",
    "M27",
    "M113 S1",
    "N5 M105*1",
    "M106 S9",
    "M108",
]
scripts = st.lists(st.tuples(st.sampled_from(COMMANDS), st.sampled_from([0.0, 0.0, 0.4, 1.7])), max_size=15)


@given(scripts, st.sampled_from(["marlin-full", "marlin-stock", "marlin-bare"]))
@settings(deadline=None, max_examples=60)
def test_one_byte_at_a_time_is_the_same_as_one_write(script: list[tuple[str, float]], name: str) -> None:
    whole, single = Board(name), Board(name)
    now, heard, heard_single = 1.0, whole.poll(1.0), single.poll(1.0)
    for command, pause in script:
        data = command.encode() + b"\n"
        whole.receive(data, now)
        for byte in data:
            single.receive(bytes([byte]), now)
        now += pause
        heard += whole.poll(now)
        heard_single += single.poll(now)
    assert heard == heard_single


@given(scripts, st.sampled_from(["marlin-full", "marlin-stock", "marlin-bare"]))
@settings(deadline=None, max_examples=60)
def test_polling_often_says_the_same_as_polling_once(script: list[tuple[str, float]], name: str) -> None:
    lazy, eager = Board(name), Board(name)
    heard, heard_eager = lazy.poll(0.0), eager.poll(0.0)
    now = 1.0
    for command, pause in ((command, pause or 0.1) for command, pause in script):
        for board in (lazy, eager):
            board.receive(command.encode() + b"\n", now)
        heard_eager += eager.poll(now)
        for part in range(1, 12):
            heard_eager += eager.poll(now + pause * part / 12)
        now += pause
    heard += lazy.poll(now + 30.0)
    while (due := eager.next_deadline()) is not None and due <= now + 30.0:
        heard_eager += eager.poll(due)
    assert heard == heard_eager + eager.poll(now + 30.0)


def test_a_board_speaks_its_banner_when_time_begins() -> None:
    board = Board("marlin-full")
    assert board.next_deadline() is not None
    lines = board.poll(1000.0).decode().splitlines()
    assert lines == list(load_personality("marlin-full").banner)
    assert board.next_deadline() == pytest.approx(1000.56)
    assert board.poll(1001.0) == b"echo:SD card ok\n"
    assert board.next_deadline() is None


def test_bytes_that_arrive_before_the_first_poll_are_not_lost() -> None:
    board = Board("marlin-stock")
    board.receive(b"M105\n", 0.0)
    assert board.poll(0.0).endswith(b"ok T:19.37 /0.00 B:19.37 /0.00 @:0 B@:0\n")


def test_an_error_overtakes_the_ok_of_a_line_still_queued() -> None:
    talk = Talk("marlin-full")
    talk.send("M110 N3\n")
    assert talk.send("N4 G92 E0*67\nN5 G92 E0*1\nN6 G92 E0*65\n") == [
        "Error:checksum mismatch, Last Line: 4",
        "Resend: 5",
        "ok",
        "X:0.00 Y:0.00 Z:0.00 E:0.00 Count X:0 Y:0 Z:0",
        "ok N4 P15 B7",
    ]


def test_reading_stops_while_the_ring_is_full_and_the_host_is_held_off() -> None:
    talk = Talk("marlin-stock")
    talk.send("G4 S10\n")
    free = talk.board.rx_free()
    talk.send("M117 x\n" * 20)
    assert talk.board.rx_free() == (free or 0) - 17 * 7, "three slots beside the running command"
    talk.wait(11.0)
    assert talk.board.rx_free() == free


def test_a_checksum_error_flushes_what_has_arrived_behind_it() -> None:
    talk = Talk("marlin-stock")
    heard = talk.send("N1 G92 E0*1\nN2 G92 E0*69\nN3 G92 E0*68\n")
    assert [line for line in heard if line.startswith("Resend")] == ["Resend: 1"]
    assert talk.ledger.executed() == []
    assert talk.ledger.count("resend") == 1


def test_the_ledger_tells_each_command_once_in_order_with_its_number() -> None:
    talk = Talk("marlin-stock")
    talk.send(frame(1, "G90") + frame(2, "G91") + frame(1, "G90") + "M105 ; how hot?\n" + frame(3, "M82"))
    assert talk.ledger.executed() == ["G90", "G91", "M105 ", "M82"]
    assert [entry.n for entry in talk.ledger.events("executed")] == [1, 2, None, 3]
    assert [entry.n for entry in talk.ledger.events("repeat")] == [1]
    assert talk.ledger.executed(source="sd") == []


def test_a_damaged_n_makes_a_line_unnumbered_and_unchecked() -> None:
    talk = Talk("marlin-stock")
    assert talk.send("O4 G92 E0*67\n") == ['echo:Unknown command: "O4 G92 E0"', "ok"]
    assert talk.ledger.executed() == []
    assert talk.ledger.count("unknown") == 1


def test_a_reset_forgets_line_numbers_positions_and_targets_but_not_the_heat() -> None:
    talk = Talk("marlin-stock")
    talk.send(frame(1, "M104 S200") + frame(2, "G1 X5 F6000"))
    talk.wait(30.0)
    hot = talk.board.hotend.celsius(talk.now)
    talk.board.reset(talk.now)
    assert talk.send("M105\n") == [], "bytes to a booting board are lost"
    assert talk.wait(1.0)[0] == "start"
    assert talk.board.last_line_number == 0
    assert talk.send("M114\n")[0].startswith("X:0.00")
    assert talk.board.hotend.target == 0.0
    assert hot - 5.0 < talk.board.hotend.celsius(talk.now) < hot


def test_what_was_said_before_a_reset_has_been_said() -> None:
    board = Board("marlin-stock")
    board.poll(0.0)
    board.receive(b"M114\n", 1.0)
    board.reset(1.0)
    assert board.poll(1.0).endswith(b"ok\n")


def test_idle_means_nothing_to_run_and_nothing_moving() -> None:
    talk = Talk("marlin-stock")
    assert talk.board.is_idle
    talk.send("G1 X100 F600\n")
    assert not talk.board.is_idle, "planned is not moved"
    talk.wait(20.0)
    assert talk.board.is_idle


def test_wait_is_said_each_second_when_idle_and_never_in_mid_command() -> None:
    talk = Talk("marlin-bare")
    assert talk.wait(2.05) == ["wait", "wait"]
    assert talk.send("G4 S5\n") == []
    assert talk.wait(4.99) == []
    assert talk.wait(1.5) == ["ok", "wait"]


@pytest.mark.parametrize("name", [name for name in personality_names() if name != "klipper"])
def test_everything_in_a_sliced_file_is_answered(name: str) -> None:
    """The commands PrusaSlicer writes for a Marlin printer: each gets exactly one ok, known or not."""
    talk = Talk(name)
    lines = [
        "M73 P0 R10",
        "M73 Q0 S10",
        "M201 X1000 Y1000 Z200 E5000",
        "M203 X200 Y200 Z12 E120",
        "M204 P1250 R1250 T1250",
        "M205 X8.00 Y8.00 Z0.40 E4.50",
        "M205 S0 T0",
        "M107",
        'M862.3 P "MK3S"',
        "M862.1 P0.4",
        "M115 U3.13.2",
        "M555 X90 Y90 W70 H70",
        "G90",
        "M83",
        "M104 S60",
        "M140 S40",
        "M190 S40",
        "M109 S60",
        "G28 W",
        "G21",
        "G92 E0.0",
        "M221 S95",
        "M900 K0.05",
        "M302 P1",
        "G1 Z0.2 F720",
        "G1 X60.0 E9 F1000",
        "G2 X70 Y70 I5 J5",
        "M220 S100",
        "M106 S127.5",
        "M117 Layer 1/9",
        "M486 S0",
        "M82",
        "M84",
        "T0",
        "M400",
        "M113 S0",
        "M18",
        "M17",
        "M75",
        "M77",
        "M31",
        "M119",
        "M503 S0",
        "M500",
        "M501",
        "M502",
        "M851",
        "M211 S0",
        "G29",
        "G80",
    ]
    for number, payload in enumerate(lines, start=1):
        heard = talk.send(frame(number, payload))
        while not any(line.startswith("ok") for line in heard):
            heard += talk.wait(1.0)
        assert sum(line.startswith("ok") for line in heard) == 1, (payload, heard)
        assert not any(line.startswith("Error") for line in heard), (payload, heard)
    known = {text.split()[0] for text in talk.ledger.executed()}
    assert {"G28", "M109", "G1", "M400", "M203"} <= known
    unknown = {"M486 S0", "M555 X90 Y90 W70 H70"}
    if not talk.board.personality.has("probe"):
        unknown.add("G29")
    assert {entry.line for entry in talk.ledger.events("unknown")} >= unknown
