"""A card that prints while a host talks: who gets an ok, what runs, who hears of the end."""

from __future__ import annotations

import hashlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim import Board
from firmware_sim.faults import catalogue
from firmware_sim.faults.acts import strike
from tests.firmware_sim.talk import Talk, frame

SLOW = b"G28\n" + b"G1 X50 F3000\nG1 X0\n" * 10 + b"M400\nM118 E1 end\n"
SLOW_LINES = SLOW.decode().splitlines()
STATUS_END = "Not SD printing"


def printer(name: str = "marlin-sd", **files: bytes) -> Talk:
    return Talk(name, sd={f"{stem}.GCO": content for stem, content in files.items()} or {"A.GCO": SLOW})


def oks(heard: list[str]) -> int:
    return sum(line.startswith("ok") for line in heard)


# -- two sources ------------------------------------------------------------------------------------------


@given(
    st.lists(
        st.sampled_from(["M117 card", "G1 X5 F6000", "G1 X0", "G4 P200", "G92 E0", "M106 S9"]), max_size=25
    ),
    st.lists(st.sampled_from(["M105", "M114", "M27", "M117 host", "M155 S0", "M73 P1"]), max_size=25),
    st.integers(0, 999),
)
@settings(deadline=None, max_examples=40)
def test_both_run_whole_and_in_order_and_only_the_hosts_lines_get_an_ok(
    card: list[str], host: list[str], seed: int
) -> None:
    dice, now = random.Random(seed), 1.0
    board = Board("marlin-sd", sd_files={"A.GCO": "".join(f"{line}\n" for line in card).encode()})
    board.poll(0.0)
    board.receive(b"M23 A.GCO\nM24\n", now)
    said = board.poll(now)
    for number, line in enumerate(host, start=1):
        board.receive(frame(number, line).encode(), now)
        now += dice.choice([0.0, 0.0, 0.05, 0.7])
        said += board.poll(now)
    heard = (said + board.poll(now + 200.0)).decode().splitlines()
    assert board.ledger.executed("sd") == card
    assert board.ledger.executed("host") == ["M23 A.GCO", "M24", *host]
    assert oks(heard) == 2 + len(host)
    assert heard.count("Done printing file") == 1
    assert board.is_idle


def test_a_host_line_waits_its_turn_among_the_lines_of_the_card() -> None:
    talk = printer(A=b"G4 S10\nG4 S10\nG4 S10\nG4 S10\nG4 S10\n")
    talk.send("M23 A.GCO\nM24\n")
    assert talk.send(frame(1, "M105")) == [], "four lines of the card fill the ring"
    heard = talk.wait_for("Done printing file")
    before = [entry.line for entry in talk.ledger.events("executed")].index("M105")
    assert before == 2 + 4, "behind the four lines that were there first"
    assert oks(heard) == 1


def test_a_bad_host_line_does_not_touch_the_print() -> None:
    talk = printer()
    talk.send("M23 A.GCO\nM24\n")
    heard = []
    for _ in range(20):
        heard += talk.send("N1 M105*1\n") + talk.wait(1.0)
    heard += talk.wait_for("Done printing file")
    assert "Resend: 1" in heard
    assert talk.ledger.executed("sd") == SLOW_LINES


def test_m112_in_mid_print_ends_everything() -> None:
    talk = printer("marlin-full")
    talk.send("M27 S1\nM155 S1\nM23 A.GCO\nM24\n")
    talk.wait(3.5)
    talk.send("M112\n")
    assert talk.wait(600.0) == []
    assert talk.board.card.opened is None
    talk.board.reset(talk.now)
    talk.wait(5.0)
    assert talk.send("M27\n")[0] == STATUS_END
    assert talk.wait(10.0) == [], "the reports are off after a reset"


def test_a_reset_in_mid_print_closes_the_file_but_keeps_the_card() -> None:
    talk = printer()
    talk.send("M23 A.GCO\nM24\n")
    talk.wait(3.0)
    talk.board.reset(talk.now)
    heard = talk.wait(60.0)
    assert "Done printing file" not in heard
    assert talk.send("M20\n")[1] == f"A.GCO {len(SLOW)}"


# -- pausing ----------------------------------------------------------------------------------------------


def test_an_m25_in_the_file_stops_the_reading_at_that_line() -> None:
    """The line is acted on when it is read: nothing of the file behind it is in the ring."""
    talk = printer(A=b"M117 a\nG4 S2\nM25\nM117 b\nM117 c\n")
    talk.send("M23 A.GCO\nM24\n")
    heard = talk.wait(30.0)
    assert "//action:pause" in heard
    assert talk.ledger.executed("sd") == ["M117 a", "G4 S2", "M25"]
    assert [entry.source for entry in talk.ledger.events("sd_pause")] == ["sd"]
    heard = talk.send("M24\n") + talk.wait(1.0)
    assert talk.ledger.executed("sd")[3:] == ["M117 b", "M117 c"]
    assert heard[-1] == "Done printing file"


def test_a_host_m25_lets_the_lines_that_are_read_already_run() -> None:
    talk = printer(A=b"G4 S1\n" * 12)
    talk.send("M23 A.GCO\nM24\nM25\n")
    talk.wait(60.0)
    ran = len(talk.ledger.executed("sd"))
    assert 3 <= ran <= 5, "what was in the ring of four"
    assert talk.send("M27\n")[0] == f"SD printing byte {ran * 6}/{12 * 6}\r"
    talk.send("M24\n")
    talk.wait(60.0)
    assert len(talk.ledger.executed("sd")) == 12


@pytest.mark.parametrize("times", [1, 2, 5])
def test_pausing_again_and_again_loses_no_line(times: int) -> None:
    talk = printer()
    talk.send("M23 A.GCO\nM24\n")
    for _ in range(times):
        talk.send("M25\n")
        talk.wait(40.0)
        talk.send("M24\n")
        talk.wait(0.3)
    talk.wait(120.0)
    assert talk.ledger.executed("sd") == SLOW_LINES
    assert talk.ledger.count("sd_done") == 1


# -- status -----------------------------------------------------------------------------------------------


def test_the_forms_of_m27() -> None:
    talk = printer(A=b"G4 S5\n" * 20)
    size = 20 * 6
    assert talk.send("M27\n") == [STATUS_END, "ok"]
    assert talk.send("M27 C\n") == ["Current file: (no file)", "ok"]
    talk.send("M23 A.GCO\n")
    assert talk.send("M27\n") == [f"SD printing byte 0/{size}\r", "ok"], "selected looks like printing"
    assert talk.send("M27 C\n") == ["Current file: A.GCO A.GCO", "ok"]
    assert talk.send("M27 S2\n") == ["ok"]
    assert talk.wait(4.1) == [f"SD printing byte 0/{size}\r"] * 2
    talk.send("M24\n")
    heard = talk.wait(20.0)
    bytes_done = [int(line.split()[3].split("/")[0]) for line in heard if line.startswith("SD printing")]
    assert bytes_done == sorted(bytes_done)
    assert bytes_done[-1] > bytes_done[0]
    talk.send("M27 S0\n")
    talk.wait_for("ok")
    assert not [line for line in talk.wait(60.0) if line.startswith("SD ")]
    assert talk.send("M27 S\n")[-1] == "ok", "without a value it is a question"


def test_reports_come_in_whole_seconds_up_to_sixty() -> None:
    talk = printer()
    talk.send("M27 S1.9\n")
    assert talk.wait(3.1) == [STATUS_END] * 3
    talk.send("M27 S600\n")
    assert talk.wait(121.0) == [STATUS_END] * 2
    talk.send("M27 S0.5\n")
    assert talk.wait(121.0) == []


def test_m524_says_nothing_and_swallows_what_the_host_has_in_the_queue() -> None:
    talk = printer(A=b"G4 S3\nG4 S3\nG4 S3\nG4 S3\nG4 S3\n")
    talk.send("M104 S60\nM106 S255\nM23 A.GCO\nM24\n")
    heard = talk.send("M524\nM117 lost\n") + talk.wait(100.0)
    assert "Done printing file" not in heard
    assert "M117 lost" not in talk.ledger.executed()
    assert [entry.line for entry in talk.ledger.events("dropped") if entry.source == "host"] in (
        [], ["M117 lost"],
    )  # fmt: skip
    assert talk.board.hotend.target == 0.0
    assert talk.board.fan == 0
    assert talk.send("M105\n")[0].startswith("ok T:"), "and goes on obeying"


# -- files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"\n\n;only comments\n  \n", []),
        (b"M117 a\r\nM117 b\r\n", ["M117 a", "M117 b"]),
        (b"M117 a\rM117 b\r", ["M117 a", "M117 b"]),
        (b"M117 a", ["M117 a"]),
        (b"M117 a ; why\n;\nM117 b\n", ["M117 a", "M117 b"]),
        (b"N5 M117 a*9\n", ["M117 a"]),
        (b"M117 " + b"x" * 300 + b"\nM117 b\n", ["M117 " + "x" * 90, "M117 b"]),
        (b"M117 \xff\x80\n", ["M117 \xff\x80"]),
    ],
)
def test_what_is_read_of_a_file(content: bytes, lines: list[str]) -> None:
    talk = printer(A=content)
    heard = talk.send("M23 A.GCO\nM24\n") + talk.wait(1.0)
    assert talk.ledger.executed("sd") == lines
    assert heard[-1] == "Done printing file"
    assert oks(heard) == 2


@pytest.mark.parametrize("name", ["a.gco", "A.GCO", "/A.GCO", "/a.gco and words behind"])
def test_a_file_is_opened_by_its_short_name_in_any_case_and_told_without_its_path(name: str) -> None:
    talk = printer()
    asked = name.split()[0]
    heard = talk.send(f"M23 {name}\n")
    assert heard[:2] == [
        f"echo:Now fresh file: {asked}",
        f"File opened: {asked.strip('/')} Size: {len(SLOW)}",
    ]


def test_without_a_card_in_the_reader() -> None:
    talk = printer()
    talk.send("M23 A.GCO\nM24\n")
    talk.wait(1.0)
    talk.send("M22\n")
    talk.wait(60.0)
    assert talk.send("M20\n") == ["echo:No media", "ok"]
    assert talk.send("M23 A.GCO\n") == ["open failed, File: A.GCO.", "ok"]
    assert talk.send("M28 B.GCO\n") == ["open failed, File: B.GCO.", "ok"]
    assert talk.send("M117 x\n") == ["ok"], "no upload is open"
    assert talk.send("M32 !A.GCO#\n") == ["open failed, File: A.GCO.", "ok"]
    assert talk.send("M30 A.GCO\n") == ["ok"]
    assert talk.send("M27\n") == [STATUS_END, "ok"]
    assert talk.send("M21\n") == ["echo:SD card ok", "ok"]
    assert talk.send("M20\n")[1] == f"A.GCO {len(SLOW)}", "still there"


def test_a_reset_does_not_find_a_card_that_was_taken_out() -> None:
    talk = printer()
    talk.send("M22\n")
    talk.board.reset(talk.now)
    assert "echo:SD card ok" not in talk.wait(10.0)


@given(
    st.lists(
        st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60), max_size=15
    )
)
@settings(deadline=None, max_examples=40)
def test_an_upload_is_what_was_sent(words: list[str]) -> None:
    plain = [word.translate({ord(c): "_" for c in ";\\*N"}) for word in words]
    talk = printer()
    talk.send("M28 up.gco\n")
    for number, word in enumerate(plain, start=1):
        assert talk.send(frame(number, f"M117 {word}")) == ["ok"]
    assert talk.send("M29\n") == ["Done saving file.", "ok"]
    saved = talk.board.card.find("UP.GCO")
    assert saved is not None
    assert saved.content == b"".join(f"M117 {word}\r\n".encode() for word in plain)
    assert talk.ledger.executed() == ["M28 up.gco", "M29"]


@pytest.mark.parametrize(("end", "ends"), [("M29", True), ("M29 ", True), ("M290 Z1", False), ("M2", False)])
def test_only_m29_may_come_without_a_number_during_an_upload(end: str, ends: bool) -> None:
    talk = printer()
    talk.send("M28 up.gco\n")
    assert (talk.send(f"{end}\n")[0] == "Done saving file.") == ends
    assert talk.board.card.saving != ends


def test_during_an_upload_an_order_for_the_emergency_parser_is_a_line_of_the_file() -> None:
    talk = printer("marlin-full")
    talk.send("M28 up.gco\n")
    assert talk.send(frame(1, "M112") + frame(2, "M108")) == ["ok N1 P15 B6", "ok N2 P15 B7"]
    assert not talk.board.is_halted
    talk.send("M29\n")
    talk.send("M112\n")
    assert talk.board.is_halted
    saved = talk.board.card.find("UP.GCO")
    assert saved is not None
    assert saved.content == b"M112\r\nM108\r\n"


def test_an_upload_over_an_old_file_replaces_it_and_of_a_torn_one_the_name_is_left() -> None:
    talk = printer()
    talk.send("M28 A.GCO\n")
    talk.send(frame(1, "M117 only"))
    talk.board.reset(talk.now)
    talk.wait(5.0)
    assert talk.send("M20\n")[1] == "A.GCO 0", "FAT learns the size of a file when it is closed"
    assert talk.send("M117 x\n") == ["ok"], "the upload is over"


def saved(talk: Talk) -> list[tuple[str | None, str | None]]:
    return [(entry.line, entry.effect) for entry in talk.ledger.events("sd_saved")]


def test_the_ledger_tells_what_was_saved() -> None:
    talk = printer()
    talk.send("M28 up.gco\n" + frame(1, "G28") + "M29\n")
    digest = hashlib.sha256(b"G28\r\n").hexdigest()
    assert saved(talk) == [("UP.GCO", f"5 bytes, sha256 {digest}")]


@pytest.mark.parametrize("fault", [catalogue.sd_full(), catalogue.sd_removed()])
def test_a_line_that_the_card_does_not_take_is_lost_and_never_run(fault: catalogue.Fault) -> None:
    talk = printer()
    talk.send("M28 up.gco\n" + frame(1, "G28"))
    strike(fault, talk.board, talk.board.faults)
    assert talk.send(frame(2, "G28"))[-2:] == ["Error:error writing to file", "ok"]
    assert talk.send("M29\n") == ["Done saving file.", "ok"], "it says so whatever became of the file"
    assert talk.ledger.executed() == ["M28 up.gco", "M29"]
    whole = 5 if fault.name == "sd-full" else 0
    assert [file.content for file in talk.board.card.files if file.short == "UP.GCO"] == [b"G28\r\n"[:whole]]


def test_somebody_who_opens_another_file_at_the_display_does_not_end_the_saving() -> None:
    """cardreader.cpp: opening closes the file that is written, and leaves flag.saving to M29."""
    talk = printer()
    talk.send("M28 up.gco\n" + frame(1, "G28"))
    talk.board.panel.start("A.GCO", talk.now)
    assert "Error:error writing to file" in talk.send(frame(2, "G28"))
    assert "Error:No Checksum with line number, Last Line: 2" in talk.send("M105\n")
    assert "Done saving file." in talk.send("M29\n")
    assert "G28" not in talk.ledger.executed(), "not the host's line, nor one of the card's file"


def test_an_empty_slot_says_so() -> None:
    talk = printer()
    talk.board.card.pull()
    assert talk.send("M21\n") == ["echo:No SD card", "ok"]
    assert talk.send("M28 up.gco\n") == ["open failed, File: up.gco.", "ok"]


def test_a_name_that_fat_does_not_have_cannot_be_written() -> None:
    assert "open failed, File: calibration.gcode." in printer().send("M28 calibration.gcode\n")
