"""The command `firmware-sim`: whatever is wrong with its arguments is one line and exit status 2."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_sim.__main__ import main
from firmware_sim.ledger import read_ledger

Refuse = Callable[..., str]


@pytest.fixture
def refuse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Refuse:
    """Run the command with a link that would do; the one line it says on its way out."""

    def run(*arguments: str, link: Path = tmp_path / "printer") -> str:
        try:
            status = main(["serial", "--link", str(link), *arguments])
        except SystemExit as stop:
            status = int(str(stop.code))
        said = capsys.readouterr()
        assert status == 2
        assert said.out == "", "never ready"
        assert said.err.startswith("firmware-sim")
        assert said.err.count("\n") == 1, said.err
        assert "Traceback" not in said.err
        return said.err

    return run


@pytest.mark.parametrize("name", ["marlin-3", "", "../marlin-sd", "MARLIN-SD"])
def test_an_unknown_personality(refuse: Refuse, name: str) -> None:
    said = refuse("--personality", name)
    assert f"no personality {name!r}" in said
    assert "klipper, marlin-1.1, marlin-bare, marlin-full, marlin-probe, marlin-runout, marlin-sd" in said


@pytest.mark.parametrize("speed", ["0", "-1", "fast", "nan", "inf", "-inf", ""])
def test_a_speed_that_is_none(refuse: Refuse, speed: str) -> None:
    assert f"speed must be a number more than 0, not {speed!r}" in refuse(f"--speed={speed}")


@pytest.mark.parametrize("seed", ["x", "1.5", ""])
def test_a_seed_that_is_none(refuse: Refuse, seed: str) -> None:
    assert "--seed" in refuse("--seed", seed)


def test_a_link_path_that_is_a_file(refuse: Refuse, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine")
    assert f"{taken} exists and is not a symlink" in refuse(link=taken)
    assert taken.read_text() == "mine"


def test_a_link_path_that_is_a_folder(refuse: Refuse, tmp_path: Path) -> None:
    assert "is not a symlink" in refuse(link=tmp_path)


def test_a_link_in_a_folder_that_is_not_there(refuse: Refuse, tmp_path: Path) -> None:
    said = refuse(link=tmp_path / "nowhere" / "printer")
    assert f"no link at {tmp_path}/nowhere/printer: No such file or directory" in said


def test_a_card_folder_that_is_not_there(refuse: Refuse, tmp_path: Path) -> None:
    assert f"--sd {tmp_path}/nope: not a folder" in refuse("--sd", str(tmp_path / "nope"))


def test_a_card_folder_that_is_a_file(refuse: Refuse, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("G28\n")
    assert "not a folder" in refuse("--sd", str(tmp_path / "file"))


def test_a_ledger_that_cannot_be_written(refuse: Refuse, tmp_path: Path) -> None:
    assert "--ledger" in refuse("--ledger", str(tmp_path))
    assert "No such file" in refuse("--ledger", str(tmp_path / "nope" / "ledger.jsonl"))


def test_a_control_socket_path_too_long_for_the_system(refuse: Refuse, tmp_path: Path) -> None:
    said = refuse("--control", str(tmp_path / ("x" * 120)))
    assert "no control socket at" in said
    assert "too long" in said


def test_a_control_socket_where_a_file_is(refuse: Refuse, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("mine")
    assert "not a socket; it is left alone" in refuse("--control", str(taken))
    assert taken.read_text() == "mine"


def test_a_control_socket_in_a_folder_that_is_not_there(refuse: Refuse, tmp_path: Path) -> None:
    assert "no control socket at" in refuse("--control", str(tmp_path / "nope" / "c"))


def test_a_refused_start_leaves_no_link_behind(refuse: Refuse, tmp_path: Path) -> None:
    refuse("--control", str(tmp_path / ("x" * 120)), link=tmp_path / "printer")
    assert os.listdir(tmp_path) == []


def test_a_refused_start_leaves_the_link_of_another_alone(refuse: Refuse, tmp_path: Path) -> None:
    other = tmp_path / "printer"
    other.symlink_to("/dev/pts/none")
    refuse("--sd", str(tmp_path / "nope"), link=other)
    assert os.readlink(other) == "/dev/pts/none"


def test_what_was_written_before_a_refusal_is_on_disk(refuse: Refuse, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    refuse("--ledger", str(ledger), "--control", str(tmp_path / ("x" * 120)))
    assert [entry.event for entry in read_ledger(ledger)] in ([], ["boot"])


@pytest.mark.parametrize(
    "arguments", [[], ["tcp"], ["serial"], ["serial", "--link"], ["serial", "--lynk", "x"]]
)
def test_arguments_that_are_missing_or_unknown(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_help_is_no_error_and_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["serial", "--help"])
    assert stop.value.code == 0
    said = capsys.readouterr().out
    for option in ("--link", "--personality", "--seed", "--ledger", "--speed", "--sd", "--control"):
        assert option in said


def test_a_stale_socket_of_an_earlier_run_is_no_obstacle(refuse: Refuse, tmp_path: Path) -> None:
    """It is the link that is refused here, before anybody looks at the socket."""
    stale = tmp_path / "c"
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(stale))
    assert "no link at" in refuse("--control", str(stale), link=tmp_path / "nope" / "p")
    assert stale.is_socket()
