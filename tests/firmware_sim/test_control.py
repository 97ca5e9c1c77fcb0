"""The control lines and the command's arguments, without a pty."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_sim.__main__ import main
from firmware_sim.endpoints.control import BadOrder, obey
from tests.firmware_sim.talk import Talk


def printer() -> Talk:
    return Talk("marlin-sd", sd={"two words.gcode": b"G4 S5\nG4 S5\nG4 S5\nG4 S5\nG4 S5\nG4 S5\nG4 S5\n"})


def test_status() -> None:
    talk = printer()
    talk.send("M104 S50\nG92 X3\n")
    assert obey(talk.board, "status", talk.now) == {
        "t": 1.0,
        "personality": "marlin-sd",
        "hotend": {"actual": 21.0, "target": 50.0},
        "bed": {"actual": 21.0, "target": 0.0},
        "position": {"x": 3.0, "y": 0.0, "z": 0.0, "e": 0.0},
        "sd": {"state": "idle", "file": None, "byte": 0, "size": 0},
        "last_line_number": 0,
        "executed": 2,
        "idle": True,
        "halted": False,
    }


def test_a_person_at_the_panel() -> None:
    talk = printer()
    assert obey(talk.board, "panel start two words.gcode", talk.now) == {}
    talk.wait(1.0)
    assert obey(talk.board, "status", talk.now)["sd"] == {
        "state": "printing",
        "file": "TWOWOR~1.GCO",
        "byte": 24,
        "size": 42,
    }
    for order in ("panel pause", "panel resume", "panel click", "panel cancel"):
        obey(talk.board, order, talk.now)
        talk.wait(20.0)
    assert [entry.line for entry in talk.ledger.events("panel")][1:] == ["pause", "resume", "click", "cancel"]


def test_bad_luck_by_order() -> None:
    talk = printer()
    for order in (
        "fault lose-ok",
        "fault lose-ok 2",
        "fault corrupt-line",
        "fault silent 1.5",
        "fault heater E0 dead",
    ):
        assert obey(talk.board, order, talk.now) == {}
    obey(talk.board, "kill", talk.now + 5.0)
    assert obey(talk.board, "status", talk.now + 5.0)["halted"] is True
    obey(talk.board, "reset", talk.now + 6.0)
    assert talk.wait(10.0)[-1] == "echo:SD card ok"


@pytest.mark.parametrize(
    "order", ["", "panel", "panel start", "panel dance", "fault", "fault silent", "fault x 1"]
)
def test_what_is_not_understood(order: str) -> None:
    talk = printer()
    with pytest.raises(BadOrder):
        obey(talk.board, order, talk.now)


def test_a_number_that_is_none_and_a_file_that_is_not_there() -> None:
    talk = printer()
    with pytest.raises(ValueError, match="soon"):
        obey(talk.board, "fault silent soon", talk.now)
    with pytest.raises(FileNotFoundError):
        obey(talk.board, "panel start nope.gcode", talk.now)


def test_an_unknown_personality_is_an_error_with_the_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serial", "--link", str(tmp_path / "p"), "--personality", "marlin-3"]) == 2
    assert (
        "klipper, marlin-1.1, marlin-bare, marlin-full, marlin-probe, marlin-runout, marlin-sd"
        in capsys.readouterr().err
    )


def test_a_link_path_that_is_taken_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    taken = tmp_path / "p"
    taken.write_text("mine")
    assert main(["serial", "--link", str(taken)]) == 2
    assert "not a symlink" in capsys.readouterr().err
    assert taken.read_text() == "mine"


def test_a_card_folder_must_be_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serial", "--link", str(tmp_path / "p"), "--sd", str(tmp_path / "nope")]) == 2
    assert "not a folder" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["serial"], ["serial", "--link", "x", "--speed", "0"], ["tcp"]])
def test_wrong_arguments_end_with_status_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
