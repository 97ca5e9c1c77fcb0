"""The SD card: listing, printing, pausing, cancelling, uploading."""

from __future__ import annotations

import pytest

from firmware_sim.machine.sdcard import Card, short_name
from tests.firmware_sim.talk import Talk, frame

FILE = b"; sliced\nG90\nG28\nG1 X50 F6000\n\nM118 E1 half\n" + b"G1 X0 F600 ; slow\nM400\n" * 4 + b"M104 S0\n"
RUN = ["G90", "G28", "G1 X50 F6000", "M118 E1 half", *["G1 X0 F600", "M400"] * 4, "M104 S0"]


def printer(name: str = "marlin-sd") -> Talk:
    return Talk(name, sd={"cube.gcode": FILE, "TEST.GCO": b"G4 S5\nM118 E1 done\n"})


@pytest.mark.parametrize(
    ("long", "short"),
    [
        ("TEST.GCO", "TEST.GCO"),
        ("test.gco", "TEST.GCO"),
        ("cube.gcode", "CUBE~1.GCO"),
        ("My first cube.gcode", "MYFIRS~1.GCO"),
        ("a.g", "A.G"),
        ("noext", "NOEXT"),
        ("ümlaut.gco", "MLAUT~1.GCO"),
    ],
)
def test_8_3_names(long: str, short: str) -> None:
    assert short_name(long, set()) == short


def test_8_3_names_stay_unique() -> None:
    card = Card({"benchmark one.gcode": b"", "benchmark two.gcode": b""})
    assert [file.short for file in card.files] == ["BENCHM~1.GCO", "BENCHM~2.GCO"]


def test_listing() -> None:
    talk = printer()
    assert talk.send("M20\n") == [
        "Begin file list",
        f"CUBE~1.GCO {len(FILE)}",
        "TEST.GCO 19",
        "End file list",
        "ok",
    ]
    assert talk.send("M20 L\n")[1] == f"CUBE~1.GCO {len(FILE)} cube.gcode"


def test_a_print_from_the_card_to_its_real_end() -> None:
    talk = printer()
    assert talk.send("M23 cube~1.gco\n") == [
        "echo:Now fresh file: cube~1.gco",
        f"File opened: cube~1.gco Size: {len(FILE)}",
        "File selected",
        "ok",
    ]
    assert talk.send("M27\n") == [f"SD printing byte 0/{len(FILE)}\r", "ok"]
    assert talk.send("M24\n") == ["//action:resume", "ok"]
    heard = talk.wait_for("Done printing file")
    assert "ok" not in heard, "card lines are not acknowledged"
    assert "echo:half\r" in heard
    assert talk.ledger.executed("sd") == RUN
    assert talk.now == pytest.approx(1.0 + 18.0 + 0.5 + 0.1 + 5.0, abs=0.3)
    assert talk.send("M27\n") == ["Not SD printing", "ok"]
    assert [e.event for e in talk.ledger.events("sd_start", "sd_done")] == ["sd_start", "sd_done"]


def test_the_print_is_over_when_the_head_stands_still() -> None:
    talk = Talk("marlin-sd", sd={"A.GCO": b"G1 X100 F600\n"})
    talk.send("M23 A.GCO\nM24\n")
    assert "Done printing file" not in talk.wait(10.0), "planned at once, moving for ten seconds"
    assert talk.wait(0.2) == ["Done printing file"]


def test_automatic_reports_while_printing() -> None:
    talk = printer()
    talk.send("M27 S2\nM23 TEST.GCO\nM24\n")
    heard = talk.wait(7.0)
    assert heard.count("SD printing byte 19/19\r") == 2, (
        "read ahead into the ring: the position is at the end"
    )
    assert "Done printing file" in heard
    assert heard[-1] == "Not SD printing"
    assert heard.count("echo:busy: processing") == 2, "keepalive also when the card's command runs"


def test_a_long_print_tells_its_time_first() -> None:
    talk = Talk("marlin-sd", sd={"A.GCO": b"G4 S3725\n"})
    talk.send("M23 A.GCO\nM24\n")
    assert talk.wait_for("Done printing file", 4000.0)[-2:] == [
        "echo:Print time: 1h 2m 5s",
        "Done printing file",
    ]


def test_host_and_card_share_the_machine() -> None:
    talk = printer()
    talk.send("M23 CUBE~1.GCO\nM24\n")
    assert talk.send("M105\n") == [], "G28 runs"
    talk.wait_for("ok T:21.00 /0.00 B:21.00 /0.00 @:0 B@:0")
    talk.wait_for("Done printing file")
    assert talk.ledger.executed("sd") == RUN
    assert talk.ledger.executed("host") == ["M23 CUBE~1.GCO", "M24", "M105"]


def test_pause_and_resume_lose_no_line() -> None:
    talk = printer()
    talk.send("M23 CUBE~1.GCO\nM24\n")
    assert talk.send("M25\n") == []
    heard = talk.wait_for("ok")
    assert "//action:pause" in heard
    talk.wait(100.0)
    assert talk.send("M27\n")[0].startswith("SD printing byte"), (
        "paused looks like printing that stands still"
    )
    assert len(talk.ledger.executed("sd")) < len(RUN)
    assert "Done printing file" in talk.send("M24\n") + talk.wait(60.0)
    assert talk.ledger.executed("sd") == RUN
    assert [e.event for e in talk.ledger if e.event.startswith("sd_")] == [
        "sd_start",
        "sd_pause",
        "sd_resume",
        "sd_done",
    ]


def test_m524_ends_the_print_without_done_and_loses_what_is_queued() -> None:
    talk = printer()
    talk.send("M104 S200\nM23 CUBE~1.GCO\nM24\nM524\n")
    heard = talk.wait(60.0)
    assert "Done printing file" not in heard
    assert talk.ledger.count("sd_abort") == 1
    assert talk.ledger.executed()[-1] == "G28 XY", "Marlin's own end of an aborted print"
    assert talk.board.hotend.target == 0.0
    assert talk.send("M27\n") == ["Not SD printing", "ok"]


def test_m524_of_a_paused_print_only_closes_the_file() -> None:
    talk = printer()
    talk.send("M104 S200\nM23 CUBE~1.GCO\nM24\nM25\n")
    talk.wait(60.0)
    assert talk.send("M524\n") == ["ok"]
    assert talk.ledger.count("sd_abort") == 1
    assert talk.board.hotend.target == 200.0


def test_upload_between_m28_and_m29() -> None:
    talk = printer()
    assert talk.send("M28 up.gco\n")[:2] == ["echo:Now fresh file: up.gco", "Writing to file: up.gco"]
    assert talk.send("G28\n") == ["Error:No Checksum with line number, Last Line: 0", "Resend: 1", "ok"]
    assert talk.send(frame(1, "M118 E1 uploaded") + frame(2, "G4 P1")) == ["ok", "ok"]
    assert talk.send("M29\n") == ["Done saving file.", "ok"]
    assert talk.ledger.count("sd_write") == 2
    assert talk.ledger.executed() == ["M28 up.gco", "M29"], "uploaded lines do not run"
    assert "UP.GCO 25" in talk.send("M20\n")
    heard = talk.send("M32 !up.gco#\n") + talk.wait(0.1)
    assert heard[-3:] == ["ok", "echo:uploaded\r", "Done printing file"]


def test_delete_and_missing_files() -> None:
    talk = printer()
    assert talk.send("M30 TEST.GCO\n") == ["File deleted:TEST.GCO", "ok"]
    assert talk.send("M30 TEST.GCO\n") == ["Deletion failed, File: TEST.GCO.", "ok"]
    assert talk.send("M23 cube.gcode\n")[1] == "open failed, File: cube.gcode.", "8.3 names only"
    assert talk.send("M24\nM27\n")[-2:] == ["Not SD printing", "ok"]


def test_seek_names_and_removal() -> None:
    talk = printer()
    talk.send("M23 TEST.GCO\n")
    assert talk.send("M26 S6\nM27\n") == ["ok", "SD printing byte 6/19\r", "ok"]
    assert talk.send("M27 C\n")[0] == "Current file: TEST.GCO TEST.GCO"
    talk.send("M22\n")
    assert talk.send("M20\n") == ["echo:No media", "ok"]
    assert talk.send("M21\nM20\n")[0] == "echo:SD card ok"


def test_a_file_without_a_last_line_end_and_with_long_lines() -> None:
    talk = Talk("marlin-sd", sd={"A.GCO": b"M117 " + b"x" * 200 + b"\r\n\r\nM118 last"})
    assert "last\r" in talk.send("M23 A.GCO\nM24\n")
    assert talk.ledger.executed("sd") == ["M117 " + "x" * 90, "M118 last"]


def test_without_a_card_reader_the_commands_are_unknown() -> None:
    assert Talk("marlin-stock").send("M20\n") == ['echo:Unknown command: "M20"', "ok"]
